//! The protocols on a ring on the heap, in one thread, where every step and
//! every death can be placed by hand.
//!
//! [`CheckedRing`] carries out an operation on the ring and on a ledger, and says so
//! when the two disagree. `random` drives it with random steps, `placed` sets up
//! what chance would rarely meet, `hostile` fills the memory with arbitrary values, and
//! `scribbled` does so from another thread meanwhile; `streams` runs by the rules
//! between threads. In `lies` each word changes just before it is looked at. `gaps`
//! shows what passing a gap does not do, `ends` which barrier is made at which end.
//! `held_back` and `runs` are of one sender and one receiver: deaths while a message is
//! given back, and runs of messages between threads.

mod ends;
pub(super) mod explore;
mod figures;
mod gaps;
mod handover;
mod heap;
mod held_back;
mod hostile;
mod lies;
mod placed;
mod random;
mod runs;
mod scribbled;
mod shapes;
mod streams;

use std::collections::BTreeMap;

use super::layout::{Cell, RECEIVERS, SENDERS};
use super::memory::{Memory, View};
use super::recover::{self, Recovered};
use super::{Arity, Claim, ClaimError, Held, Pairing, ReceiveSide, RedeliveryPolicy, SendSide};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::Ordering;
use heap::HeapRing;
use shapes::{Figure, Positions};

/// Where a message is, by the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A sender writes it.
    Claimed(MemberId),
    /// It can be received.
    Ring,
    /// A receiver has it.
    Hands(MemberId),
}

#[derive(Clone, Copy, Debug)]
struct LedgerEntry {
    value: u64,
    given_back: u8,
    at: At,
}

struct Tx<S> {
    id: MemberId,
    side: S,
    /// Offset and value of a claim that is neither published nor given up.
    claimed: Option<(u64, u64)>,
}

struct Rx<R> {
    id: MemberId,
    side: R,
    held: Vec<Claim>,
}

/// A ring, its endpoints, the dead, and the ledger. Positions in the ledger are
/// offsets from `start`.
struct CheckedRing<S: Arity, R: Arity> {
    ring: HeapRing<[u8], (S, R)>,
    start: u64,
    positions: Positions,
    capacity: u64,
    terms: RedeliveryPolicy,
    senders: Vec<Tx<S::Sender<R>>>,
    receivers: Vec<Rx<R::Receiver<S>>>,
    dead: Vec<MemberId>,
    entries: BTreeMap<u64, LedgerEntry>,
    tail: u64,
    head: u64,
    values: u64,
    lost: u64,
    redelivered: u64,
    acknowledged: Vec<u64>,
    next_ids: (u16, u16),
}

impl<S: Arity, R: Arity> CheckedRing<S, R> {
    fn new(capacity: u64, start: u64, terms: RedeliveryPolicy) -> Self {
        Self::shaped(Figure::of::<(S, R)>()[0], capacity, start, terms)
    }

    fn shaped(shape: Figure, capacity: u64, start: u64, terms: RedeliveryPolicy) -> Self {
        let ring = HeapRing::arranged(shape.arrangement, capacity, shape.limit, start);
        let mut world = CheckedRing {
            positions: Positions::of(ring.view(), start, <(S, R)>::ONE_TO_ONE),
            ring,
            start,
            capacity,
            terms,
            senders: Vec::new(),
            receivers: Vec::new(),
            dead: Vec::new(),
            entries: BTreeMap::new(),
            tail: 0,
            head: 0,
            values: 0,
            lost: 0,
            redelivered: 0,
            acknowledged: Vec::new(),
            next_ids: (SENDERS.first, RECEIVERS.first),
        };
        world.add_sender();
        world.add_receiver();
        world
    }

    fn view(&self) -> View<[u8], (S, R)> {
        *self.ring.view()
    }

    fn cell(&self, cell: Cell) -> u64 {
        self.ring.view().cell(cell).load(Ordering::SeqCst)
    }

    fn set_cell(&self, cell: Cell, value: u64) {
        self.ring.view().cell(cell).store(value, Ordering::SeqCst);
    }

    fn offset(&self, position: u64) -> u64 {
        self.positions.offset(position)
    }

    /// Attaches a sender; on a single side, in place of the one before.
    fn add_sender(&mut self) {
        if !S::MULTI {
            self.senders.clear();
        }
        let id = MemberId(self.next_ids.0);
        self.next_ids.0 += u16::from(S::MULTI);
        let side = SendSide::attach(&self.view(), id).expect("a sound ring");
        let claimed = None;
        self.senders.push(Tx { id, side, claimed });
    }

    /// Attaches a receiver; on a single side, in place of the one before.
    fn add_receiver(&mut self) {
        if !R::MULTI {
            self.receivers.clear();
        }
        let id = MemberId(self.next_ids.1);
        self.next_ids.1 += u16::from(R::MULTI);
        let side = ReceiveSide::attach(&self.view(), id, self.terms).expect("a sound ring");
        let held = Vec::new();
        self.receivers.push(Rx { id, side, held });
    }

    /// What stands where the next message would go.
    fn in_the_way(&self) -> Option<LedgerEntry> {
        let before = self.tail.checked_sub(self.capacity)?;
        self.entries.get(&before).copied()
    }

    /// One claim; whether there was room.
    fn claim(&mut self, sender: usize) -> bool {
        let view = self.view();
        let in_the_way = self.in_the_way();
        let tx = &mut self.senders[sender];
        assert!(tx.claimed.is_none());
        tx.side.begin(&view).expect("an open ring");
        match tx.side.claim(&view) {
            Ok(position) => {
                assert_eq!(self.positions.offset(position), self.tail);
                assert!(in_the_way.is_none(), "overwrites {in_the_way:?}");
                let (value, at) = (self.values, At::Claimed(tx.id));
                self.values += 1;
                view.payload(position).store(&value.to_ne_bytes());
                tx.claimed = Some((self.tail, value));
                if S::MULTI {
                    // From now on it shows in the slot.
                    let given_back = 0;
                    self.entries.insert(
                        self.tail,
                        LedgerEntry {
                            value,
                            given_back,
                            at,
                        },
                    );
                    self.tail += 1;
                }
                true
            }
            Err(stall) => {
                tx.side.end(&view);
                let entry = in_the_way.expect("no room, and nothing in the way");
                match (stall, entry.at) {
                    (ClaimError::NotReady, At::Ring) => {}
                    (ClaimError::NotReady, At::Hands(_)) => assert!(!R::MULTI),
                    (ClaimError::Held(held), At::Hands(owner) | At::Claimed(owner)) => {
                        assert_eq!(held.word.owner(), owner);
                        self.clear(held);
                    }
                    other => panic!("{other:?}"),
                }
                false
            }
        }
    }

    fn publish(&mut self, sender: usize) {
        let view = self.view();
        let tx = &mut self.senders[sender];
        let Some((offset, value)) = tx.claimed.take() else {
            return;
        };
        tx.side.publish(&view, self.positions.position(offset));
        assert!(tx.side.complete(&view), "the ring is open");
        let entry = LedgerEntry {
            value,
            given_back: 0,
            at: At::Ring,
        };
        self.entries.insert(offset, entry);
        self.tail = self.tail.max(offset + 1);
    }

    fn abandon(&mut self, sender: usize) {
        let view = self.view();
        let tx = &mut self.senders[sender];
        if let Some((offset, _)) = tx.claimed.take() {
            tx.side.abandon(&view, self.positions.position(offset));
            tx.side.end(&view);
            self.entries.remove(&offset);
        }
    }

    /// The sender dies where it is; another comes.
    fn kill_sender(&mut self, sender: usize) {
        let tx = self.senders.remove(sender);
        if S::MULTI {
            self.dead.push(tx.id);
        }
        self.add_sender();
    }

    /// Claims up to `max` messages, as one call does; hands them out if asked.
    fn take(&mut self, receiver: usize, max: usize, hand_out: bool) -> usize {
        let view = self.view();
        assert!(self.receivers[receiver].held.is_empty());
        let mut stall = None;
        for _ in 0..max {
            match self.receivers[receiver].side.claim(&view) {
                Ok(claim) => self.check_claim(receiver, claim),
                Err(other) => {
                    stall = Some(other);
                    break;
                }
            }
        }
        let rx = &mut self.receivers[receiver];
        let taken = rx.held.len();
        if taken > 0 && hand_out {
            rx.side.hand_out(&view);
        }
        if let Some(stall) = stall {
            self.check_stall(stall);
        }
        taken
    }

    fn check_claim(&mut self, receiver: usize, claim: Claim) {
        let offset = self.offset(claim.position);
        let entry = self.entries.get(&offset).copied();
        let entry = entry.unwrap_or_else(|| panic!("nothing was sent at {offset}"));
        assert_eq!((entry.at, entry.given_back), (At::Ring, claim.redeliveries));
        let mut bytes = [0; 8];
        self.ring.view().payload(claim.position).load(&mut bytes);
        assert_eq!(u64::from_ne_bytes(bytes), entry.value);
        if offset >= self.head {
            let passed = self.entries.range(self.head..offset);
            let mut waiting = passed.filter(|(_, entry)| !matches!(entry.at, At::Hands(_)));
            assert_eq!(
                waiting.next().map(|(offset, _)| offset),
                None,
                "out of order"
            );
            self.head = offset + 1;
        } else {
            assert!(
                R::MULTI && entry.given_back > 0,
                "received again: {entry:?}"
            );
        }
        let rx = &mut self.receivers[receiver];
        self.entries.get_mut(&offset).unwrap().at = At::Hands(rx.id);
        rx.held.push(claim);
    }

    /// There was nothing, by the receiver: was there?
    fn check_stall(&mut self, stall: ClaimError) {
        let first_of = |wanted: fn(At) -> bool| {
            let mut all = self.entries.iter();
            all.find(|(_, entry)| wanted(entry.at))
                .map(|(offset, _)| *offset)
        };
        let there = first_of(|at| at == At::Ring);
        let claimed = first_of(|at| matches!(at, At::Claimed(_)));
        match stall {
            ClaimError::NotReady => assert_eq!((there, claimed), (None, None)),
            ClaimError::Held(held) => {
                let offset = self.offset(held.position);
                assert_eq!(Some(offset), claimed);
                assert!(
                    there.is_none_or(|there| there > offset),
                    "{there:?} was there"
                );
                let at = self.entries[&offset].at;
                assert_eq!(At::Claimed(held.word.owner()), at);
                self.clear(held);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Repairs one slot if its owner is dead, as a waiter does.
    fn clear(&mut self, held: Held) {
        if !self.dead.contains(&held.word.owner()) {
            return;
        }
        let redelivered = self.cell(Cell::Requeues);
        let done = recover::recover_slot(&self.view(), held, self.terms);
        let index = held.position & (self.capacity - 1);
        let of_slot = |offset: u64| self.start.wrapping_add(offset) & (self.capacity - 1) == index;
        let found = self.entries.iter().find(|(offset, entry)| {
            of_slot(**offset)
                && matches!(entry.at, At::Claimed(owner) | At::Hands(owner) if owner == held.word.owner())
        });
        let offset = *found.expect("held by the dead").0;
        let expected = self.reap(offset);
        assert_eq!(done, expected);
        let announced = self.cell(Cell::Requeues) - redelivered;
        assert_eq!(announced, u64::from(done == Recovered::Redelivered));
    }

    /// In the ledger: what a dead one had at `offset` is freed.
    fn reap(&mut self, offset: u64) -> Recovered {
        match self.entries[&offset].at {
            At::Claimed(_) => {
                self.entries.remove(&offset);
                Recovered::Aborted
            }
            At::Hands(_) if self.terms.redeliver => self.give_back(offset),
            At::Hands(_) => {
                self.entries.remove(&offset);
                self.lost += 1;
                Recovered::Lost
            }
            At::Ring => unreachable!("nobody has it"),
        }
    }

    /// In the ledger: a message goes back, or has been in too many hands.
    fn give_back(&mut self, offset: u64) -> Recovered {
        let entry = self.entries.get_mut(&offset).unwrap();
        if entry.given_back + 1 < self.terms.max_deliveries {
            entry.given_back += 1;
            entry.at = At::Ring;
            self.redelivered += 1;
            Recovered::Redelivered
        } else {
            self.entries.remove(&offset);
            self.lost += 1;
            Recovered::Lost
        }
    }

    fn release(&mut self, receiver: usize) {
        let view = self.view();
        let rx = &mut self.receivers[receiver];
        for claim in rx.held.drain(..) {
            rx.side.release(&view, claim);
            let offset = self.positions.offset(claim.position);
            self.acknowledged
                .push(self.entries.remove(&offset).unwrap().value);
        }
    }

    fn requeue(&mut self, receiver: usize) {
        let view = self.view();
        let rx = &mut self.receivers[receiver];
        let claims: Vec<Claim> = rx.held.drain(..).collect();
        let terms = RedeliveryPolicy {
            redeliver: true,
            ..self.terms
        };
        rx.side.requeue(&view, claims.iter().copied(), terms);
        for claim in claims.iter().rev() {
            let offset = self.offset(claim.position);
            self.give_back(offset);
            if !R::MULTI {
                self.head = self.head.min(offset);
            }
        }
    }

    /// The receiver dies with what it has; another comes.
    fn kill_receiver(&mut self, receiver: usize, handed_out: bool) {
        let rx = self.receivers.remove(receiver);
        if R::MULTI {
            self.dead.push(rx.id);
        } else {
            for claim in rx.held.iter().rev() {
                let offset = self.offset(claim.position);
                if handed_out {
                    self.reap(offset);
                } else {
                    self.entries.get_mut(&offset).unwrap().at = At::Ring;
                }
                if self.terms.redeliver || !handed_out {
                    self.head = self.head.min(offset);
                }
            }
        }
        self.add_receiver();
    }

    fn recover(&mut self) {
        for owner in std::mem::take(&mut self.dead) {
            let of_dead = |at| at == At::Claimed(owner) || at == At::Hands(owner);
            let theirs: Vec<u64> = self
                .entries
                .iter()
                .filter(|(_, entry)| of_dead(entry.at))
                .map(|(offset, _)| *offset)
                .collect();
            let repaired = recover::recover_held(
                &self.view(),
                &mut MemberSet::only(owner),
                self.terms,
                |_| true,
            );
            assert_eq!(repaired, theirs.len());
            for offset in theirs {
                self.reap(offset);
            }
        }
    }

    fn check_counters(&self) {
        assert_eq!(self.cell(Cell::Lost), self.lost);
        assert_eq!(self.cell(Cell::Redelivered), self.redelivered);
        if <(S, R)>::ONE_TO_ONE {
            self.check_figures();
        }
    }

    /// Everybody finishes, what the dead held is recovered, and what is there is received:
    /// every message has then been acknowledged once or counted as lost.
    fn finish(mut self) {
        for sender in 0..self.senders.len() {
            self.publish(sender);
        }
        for receiver in 0..self.receivers.len() {
            self.release(receiver);
        }
        self.recover();
        while self.take(0, 3, true) > 0 {
            self.release(0);
        }
        assert_eq!(self.take(0, 1, true), 0);
        self.check_counters();
        assert!(self.entries.is_empty(), "left behind: {:?}", self.entries);
        for _ in 0..self.capacity {
            assert!(self.claim(0), "a slot was lost");
            self.publish(0);
        }
        let mut seen = self.acknowledged;
        let total = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), total, "acknowledged twice");
    }
}
