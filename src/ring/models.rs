//! loom models of the ring protocols, on rings of one or two slots.
//!
//! The endpoints under test are the real ones, over a [`Memory`] of loom's
//! atomics. Each message is a loom cell, so an access to it that the slot words
//! do not order is reported as a race: this is what checks Release and Acquire.
//! See `wait::models` for what loom explores and what it does not know.
//!
//! - `membarrier` is modelled as a fence, and only by the models of `close` and
//!   of sleep, whose races hang on it. All others run without any fence.
//! - Death is modelled as an early return: [`Mortal`] ends a thread before its
//!   n-th step in shared memory, for every n that matters. That a lock is free, which only
//!   the kernel can say, is an atomic that the thread sets as it ends.
//!
//! Threads do not spin: each tries a few times, and when all have ended, one
//! endpoint receives what is left. What was sent must then have been received.
//!
//! Each model names the faults that were put into the code once, to see it fail.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

mod close;
mod death;
mod heir;
mod sleep;
mod stream;

use std::cell::{Cell as StdCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use loom::cell::Cell as LoomCell;
use loom::sync::atomic::AtomicBool;

use super::memory::Memory;
use super::recover::{self, MemberSet};
use super::slot::{Geometry, MemberId};
use super::{Claim, ClaimError, Held, ReceiveSide, RedeliveryPolicy, SendSide, start_at};
use crate::ring::layout::{Bell, Cell};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering};

const TERMS: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    attempts: 8,
};

/// Control words of a segment, in the order in which the ring keeps them.
const CELLS: [Cell; 13] = [
    Cell::Tail,
    Cell::Head,
    Cell::Sent,
    Cell::Busy,
    Cell::Taken,
    Cell::Done,
    Cell::Credit,
    Cell::Requeues,
    Cell::Closed,
    Cell::SenderChanges,
    Cell::ReceiverChanges,
    Cell::Lost,
    Cell::Redelivered,
];

/// A ring whose memory loom watches.
struct LoomMemory {
    geometry: Geometry,
    fences: Fences,
    words: Vec<AtomicU64>,
    payloads: Vec<LoomCell<u64>>,
    cells: [AtomicU64; CELLS.len()],
    bells: [AtomicU32; 2],
    turns: Vec<AtomicU64>,
    loaded_and_stored: LoadedAndStored,
}

/// Which words some thread of a model both loads and stores.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum LoadedAndStored {
    /// None, on a ring of one sender and one receiver.
    Nothing,
    /// Slot words, hints and bells.
    Slots,
    /// And progress, which an heir loads.
    Progress,
}
use LoadedAndStored::{Nothing, Progress, Slots as SlotWords};

impl LoomMemory {
    /// A ring that begins to count at `start`.
    fn new(capacity: u64, start: u64, fences: Fences, twice: LoadedAndStored) -> Arc<Self> {
        let memory = LoomMemory {
            geometry: Geometry::new(capacity),
            fences,
            words: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
            payloads: (0..capacity).map(|_| LoomCell::new(0)).collect(),
            cells: CELLS.map(|_| AtomicU64::new(0)),
            bells: [AtomicU32::new(0), AtomicU32::new(0)],
            turns: (0..capacity + 5).map(|_| AtomicU64::new(0)).collect(),
            loaded_and_stored: twice,
        };
        start_at(&memory, start);
        Arc::new(memory)
    }

    /// An access to a word that some thread both loads and stores.
    ///
    /// loom compares each store with the one access to that atomic that came
    /// last. Where a thread loads a word and then stores to it, its own load
    /// hides the earlier loads of others, and loom never tries the store before
    /// those. (Without this, a ring of many receivers never passed a second message.) A
    /// relaxed read-modify-write of something that nobody reads orders nothing
    /// in memory, and shows loom that the accesses depend on each other.
    fn turn(&self, of: usize, when: LoadedAndStored) {
        if self.loaded_and_stored >= when {
            self.turns[of].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Memory for LoomMemory {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn fences(&self) -> Fences {
        self.fences
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        let index = self.geometry.index(position) as usize;
        self.turn(5 + index, SlotWords);
        &self.words[index]
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        match cell {
            Cell::Tail => self.turn(0, SlotWords),
            Cell::Head => self.turn(1, SlotWords),
            Cell::Done => self.turn(2, Progress),
            _ => {} // no thread loads these and then stores
        }
        let at = CELLS.iter().position(|known| *known == cell);
        &self.cells[at.expect("every cell is listed")]
    }

    fn bell(&self, bell: Bell) -> &AtomicU32 {
        let index = (bell == Bell::Senders) as usize;
        self.turn(3 + index, SlotWords);
        &self.bells[index]
    }
}

/// A memory with messages in it.
trait Slots: Memory {
    fn payload(&self, position: u64) -> &LoomCell<u64>;
}

impl Slots for LoomMemory {
    fn payload(&self, position: u64) -> &LoomCell<u64> {
        &self.payloads[self.geometry.index(position) as usize]
    }
}

/// What unwinds a thread that dies; no panic, so nothing is printed.
struct Death;

/// The memory as a thread sees it that is killed before its n-th access.
///
/// The protocols ask for each word before they access it, so a thread dies
/// between any two of its steps. (Where they ask once for a load and a
/// compare-and-swap, death in between is as good as death before the load.)
struct Mortal {
    memory: Arc<LoomMemory>,
    steps: StdCell<u32>,
}

impl Mortal {
    fn step(&self) -> &LoomMemory {
        match self.steps.get() {
            0 => resume_unwind(Box::new(Death)),
            left => self.steps.set(left - 1),
        }
        &self.memory
    }
}

impl Memory for Mortal {
    fn geometry(&self) -> Geometry {
        self.memory.geometry
    }

    fn fences(&self) -> Fences {
        self.memory.fences
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        self.step().word(position)
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        self.step().cell(cell)
    }

    fn bell(&self, bell: Bell) -> &AtomicU32 {
        self.step().bell(bell)
    }
}

impl Slots for Mortal {
    fn payload(&self, position: u64) -> &LoomCell<u64> {
        self.step().payload(position)
    }
}

/// Runs `life` until it ends or has made `steps` steps; says whether it was
/// killed. The caller then frees its lock, as the kernel would: see [`Lock`].
fn live(memory: &Arc<LoomMemory>, steps: u32, life: impl FnOnce(&Mortal)) -> bool {
    let mortal = Mortal {
        memory: Arc::clone(memory),
        steps: StdCell::new(steps),
    };
    match catch_unwind(AssertUnwindSafe(|| life(&mortal))) {
        Ok(()) => false,
        Err(cause) if cause.is::<Death>() => true,
        Err(cause) => resume_unwind(cause),
    }
}

/// The lock byte of somebody who will die, as others probe it.
///
/// Release and Acquire: the kernel frees a dead process's locks after its last
/// store, and a probe takes the same kernel lock.
#[derive(Clone)]
struct Lock {
    owner: MemberId,
    held: Arc<AtomicBool>,
}

impl Lock {
    fn held_by(id: u16) -> Self {
        Lock {
            owner: MemberId(id),
            held: Arc::new(AtomicBool::new(true)),
        }
    }

    fn free(&self) {
        self.held.store(false, Ordering::Release);
    }

    fn is_free(&self) -> bool {
        !self.held.load(Ordering::Acquire)
    }

    /// What an endpoint does about a slot in its way: probe the owner that it
    /// has seen there, then repair (R14). Everybody else is alive.
    fn clear(&self, memory: &impl Memory, held: Held) {
        if held.word.owner() == self.owner && self.is_free() {
            recover::recover_slot(memory, held, TERMS);
        }
    }

    /// What a patrol does about an owner whom it has found dead.
    fn sweep(&self, memory: &impl Memory) {
        let mut owners = MemberSet::only(self.owner);
        recover::recover_held(memory, &mut owners, TERMS, |_| self.is_free());
    }
}

/// Any operation: what no sequence of operations can produce is an error.
fn possible<T>(result: Result<T, ClaimError>) -> Result<T, ClaimError> {
    if let Err(ClaimError::Corrupted(found)) = result {
        panic!("impossible: {found:?}");
    }
    result
}

fn sender<S: SendSide>(memory: &impl Memory, id: u16) -> S {
    S::attach(memory, MemberId(id)).expect("progress in order")
}

fn receiver<R: ReceiveSide>(memory: &impl Memory, id: u16) -> R {
    R::attach(memory, MemberId(id), TERMS).expect("progress in order")
}

/// A receiver that has looked behind the head before, and will again only if
/// it is told to (R12).
fn seasoned<R: ReceiveSide>(memory: &LoomMemory, id: u16) -> R {
    let mut side = receiver(memory, id);
    assert_eq!(receive(memory, &mut side), Err(ClaimError::NotReady));
    side
}

fn send<M: Slots>(memory: &M, side: &mut impl SendSide, message: u64) -> Result<(), ClaimError> {
    side.begin(memory)?;
    let claimed = possible(side.claim(memory));
    if let Ok(position) = claimed {
        memory.payload(position).set(message);
        side.publish(memory, position);
    }
    side.end(memory);
    claimed.map(drop)
}

/// As [`send`] for each of `messages`, if need be in one operation; `sent` has those
/// that are.
fn send_all<M: Slots>(
    memory: &M,
    side: &mut impl SendSide,
    messages: &[u64],
    batch: bool,
    sent: &RefCell<Vec<u64>>,
) {
    if !batch {
        for &message in messages {
            if send(memory, side, message).is_ok() {
                sent.borrow_mut().push(message);
            }
        }
        return;
    }
    if side.begin(memory).is_err() {
        return;
    }
    for &message in messages {
        let quickly = side.try_claim_fast(memory).map(Ok);
        let Ok(position) = quickly.unwrap_or_else(|| possible(side.claim(memory))) else {
            break;
        };
        memory.payload(position).set(message);
        side.publish_in_batch(memory, position);
        sent.borrow_mut().push(message);
    }
    side.end_batch(memory);
}

/// Receives a message: itself, and how often it was given back.
fn receive<M: Slots>(memory: &M, side: &mut impl ReceiveSide) -> Result<(u64, u8), ClaimError> {
    let claim = possible(side.claim(memory))?;
    let message = memory.payload(claim.position).get();
    side.release(memory, claim);
    Ok((message, claim.redeliveries))
}

/// As [`send`], if nothing stands in the way.
fn send_quickly<M: Slots>(memory: &M, side: &mut impl SendSide, message: u64) -> bool {
    let Some(position) = side.try_claim_fast(memory) else {
        return false;
    };
    memory.payload(position).set(message);
    side.publish(memory, position);
    side.end(memory);
    true
}

/// As [`receive`], if nothing stands in the way; else goes on to where it may.
fn receive_quickly<M: Slots>(memory: &M, side: &mut impl ReceiveSide) -> Option<(u64, u8)> {
    let Some(claim) = side.try_claim_fast(memory) else {
        side.catch_up(memory);
        return None;
    };
    let message = memory.payload(claim.position).get();
    side.release(memory, claim);
    Some((message, claim.redeliveries))
}

/// Everything that is left, once nobody else is at work.
fn receive_rest<M: Slots>(memory: &M, side: &mut impl ReceiveSide) -> Vec<(u64, u8)> {
    std::iter::from_fn(|| receive(memory, side).ok()).collect()
}

/// Is `part` in the order of `whole`, perhaps with gaps?
fn in_order(part: &[u64], whole: &[u64]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|x| whole.any(|y| x == y))
}

/// What was received by everybody, against what was sent: `certain` messages
/// exactly once each, `doubtful` ones at most once, nothing else.
fn settle_up(mut received: Vec<u64>, certain: &[u64], doubtful: &[u64]) {
    received.sort_unstable();
    let mut seen = received.clone();
    seen.dedup();
    assert_eq!(seen, received, "doubled");
    for message in certain {
        assert!(received.contains(message), "{message} lost of {received:?}");
    }
    for message in received {
        assert!(certain.contains(&message) || doubtful.contains(&message));
    }
}

fn only_messages(received: &[(u64, u8)]) -> Vec<u64> {
    received.iter().map(|(message, _)| *message).collect()
}

/// Receives one message as a lease and notes how far it got.
#[derive(Clone, Copy, Default, Debug)]
struct Lease {
    handed_out: Option<u64>,
    acknowledged: Option<u64>,
}

fn lease(memory: &Mortal, side: &mut impl ReceiveSide, noted: &RefCell<Vec<Lease>>) {
    let Ok(claim) = possible(side.claim(memory)) else {
        return;
    };
    side.hand_out(memory);
    let message = memory.payload(claim.position).get();
    noted.borrow_mut().push(Lease {
        handed_out: Some(message),
        acknowledged: None,
    });
    side.release(memory, claim);
    noted.borrow_mut().last_mut().expect("noted").acknowledged = Some(message);
}
