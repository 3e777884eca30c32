//! Rendezvous: a message is taken or taken back, and what a receiver did with it comes before
//! its sender's `Ok`.

use super::*;
use crate::models::{Witness, explore, spawn};
use crate::ring::rendezvous::{GivingSide, Handover, HandoverState, Left, TakingSide, any_waiting};
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64};
use loom::cell::Cell as LoomCell;

/// A rendezvous ring of one slot and one waiter word.
struct LoomHandover {
    memory: Arc<LoomMemory>,
    waiter: AtomicU64,
    /// As in [`LoomMemory`]: shows loom that accesses to the waiter word depend on each other.
    turn: AtomicU64,
    /// What the receiver does with a message before it acknowledges that.
    work: LoomCell<u64>,
}

impl LoomHandover {
    fn new() -> Arc<Self> {
        Arc::new(LoomHandover {
            memory: LoomMemory::new(1, 0, Fences::Membarrier, SlotWords),
            waiter: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            work: LoomCell::new(0),
        })
    }

    fn everyone() -> Lock {
        Lock::held_by(9) // nobody: all are alive
    }
}

impl Memory for LoomHandover {
    fn geometry(&self) -> Geometry {
        self.memory.geometry()
    }

    fn fences(&self) -> Fences {
        self.memory.fences()
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        self.memory.word(position)
    }

    fn places(&self) -> Places {
        unreachable!("slots")
    }

    fn publication(&self, position: u64) -> &AtomicU64 {
        self.memory.publication(position)
    }

    fn attempts(&self, position: u64) -> &AtomicU8 {
        self.memory.attempts(position)
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        self.memory.cell(cell)
    }

    fn wait_word(&self, side: Side) -> &AtomicU32 {
        self.memory.wait_word(side)
    }
}

impl Handover for LoomHandover {
    fn waiter(&self, _index: usize) -> &AtomicU64 {
        self.turn.fetch_add(1, Ordering::Relaxed);
        &self.waiter
    }

    fn waiters(&self) -> usize {
        1
    }
}

/// Offers a message, looks once, and gives up; twice, if it came back. Says which was received.
fn give(memory: &LoomHandover, id: u16) -> Option<u64> {
    let mut side = GivingSide::new(MemberId(id));
    for message in [10 * u64::from(id), 10 * u64::from(id) + 1] {
        let Ok(position) = possible(side.claim(memory)) else {
            continue;
        };
        memory.memory.payload(position).set(message);
        side.offer(memory, position);
        let everyone = LoomHandover::everyone();
        let mut state = side.look(memory, position).expect("possible");
        if state != HandoverState::Over {
            state = side
                .give_up(memory, &everyone, POLICY, position)
                .expect("possible");
        }
        match state {
            HandoverState::Over => {
                // RV4: a race, if the receiver's work did not come before.
                assert_eq!(memory.work.get(), message);
                return Some(message);
            }
            HandoverState::TakenBack => {}
            // In hand; it will be received, for no thread dies here.
            _ => return Some(message),
        }
    }
    None
}

fn take(memory: &LoomHandover, side: &mut TakingSide, claim: Claim) -> u64 {
    let message = memory.memory.payload(claim.position).get();
    memory.work.set(message);
    side.release(memory, claim);
    message
}

/// A sender that gives up beside a receiver.
#[test]
fn models_taken_or_taken_back() {
    let both = [
        Witness::of("a message is taken"),
        Witness::of("a message is taken back"),
    ];
    let noted = both.clone();
    explore("taken or taken back", Some(2), move || {
        let memory = LoomHandover::new();
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || give(&memory, 1))
        };
        let mut side = TakingSide::new(MemberId(512));
        let mut received = Vec::new();
        for _ in 0..2 {
            if let Ok(claim) = possible(side.claim(&*memory)) {
                received.push(take(&memory, &mut side, claim));
            }
        }
        let sent = sender.join();
        noted[0].note_if(sent.is_some() && !received.is_empty());
        noted[1].note_if(sent.is_none());
        settle_up(received, sent.as_slice(), &[]);
    });
    both.iter().for_each(Witness::check);
}

/// A sender that does not wait beside a receiver whose time is up.
#[test]
fn models_bound_or_not() {
    let both = [
        Witness::of("the receiver is bound"),
        Witness::of("no receiver waits"),
    ];
    let noted = both.clone();
    explore("bound or not", Some(2), move || {
        let memory = LoomHandover::new();
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let mut side = GivingSide::new(MemberId(1));
                if !any_waiting(&*memory) {
                    return None;
                }
                let position = possible(side.claim(&*memory)).expect("a free slot");
                memory.memory.payload(position).set(7);
                side.offer(&*memory, position);
                let everyone = LoomHandover::everyone();
                let left = side.leave_or_take_back(&*memory, &everyone, position);
                Some(left.expect("possible"))
            })
        };
        let mut side = TakingSide::new(MemberId(512));
        side.announce(&*memory);
        let claim = match possible(side.claim(&*memory)) {
            Ok(claim) => Some(claim),
            Err(_) => side.withdraw(&*memory),
        };
        let received = claim.map(|claim| take(&memory, &mut side, claim));
        let left = sender.join();
        let is_ok = matches!(left, Some(Left::ToWaiting(_) | Left::ToTaker));
        noted[0].note_if(matches!(left, Some(Left::ToWaiting(_))));
        noted[1].note_if(left.is_none());
        assert_eq!(received, is_ok.then_some(7));
    });
    both.iter().for_each(Witness::check);
}
