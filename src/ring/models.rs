//! loom models of the ring protocols, on rings of one or two slots.
//!
//! The sides under test are the real ones, over a [`Memory`] of loom's
//! atomics. Each message is a loom cell, so an access to it that the slot words
//! do not order is reported as a race: this is what checks Release and Acquire.
//! See [`models`](crate::models) for what loom explores.
//!
//! - `membarrier` is modelled as a fence, and only by the models of `close` and
//!   of sleep, whose races hang on it. All others run without any fence.
//! - Death is modelled as an early return: [`MortalMemory`] ends a thread before its
//!   n-th step in shared memory, for every n that matters. That a lock is free, which
//!   only the kernel can say, is an atomic that the thread sets as it ends.
//!
//! Threads do not spin: each tries a few times, or sleeps, and when all have ended, one
//! endpoint receives what is left. What was sent must then have been received.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

mod close;
mod death;
mod endpoint;
mod members;
mod sleep;
mod stream;
mod successor;

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;

use loom::cell::Cell as LoomCell;
use loom::sync::atomic::AtomicBool;

use super::memory::Memory;
use super::recover;
use super::slot::Geometry;
use super::{Claim, ClaimError, Held, ReceiveSide, RedeliveryPolicy, SendSide, start_at};
use crate::error::Side;
use crate::members::{Liveness, MemberId, MemberSet};
use crate::models::{self, Steps};
use crate::ring::layout::Cell;
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering};

const POLICY: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 8,
};

/// Control words of a segment, in the order in which the ring keeps them.
const CELLS: [Cell; 11] = [
    Cell::Tail,
    Cell::Head,
    Cell::Sent,
    Cell::Busy,
    Cell::Taken,
    Cell::Done,
    Cell::Credit,
    Cell::Requeues,
    Cell::Closed,
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
    wait_words: [AtomicU32; 2],
    turns: Vec<AtomicU64>,
    loaded_and_stored: LoadedAndStored,
}

/// Which words some thread of a model both loads and stores.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum LoadedAndStored {
    /// None, on a ring of one sender and one receiver.
    Nothing,
    /// Slot words, hints and wait words.
    Slots,
    /// And progress, which a successor loads.
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
            wait_words: [AtomicU32::new(0), AtomicU32::new(0)],
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

    fn wait_word(&self, side: Side) -> &AtomicU32 {
        let index = side.role().index;
        self.turn(3 + index, SlotWords);
        &self.wait_words[index]
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

/// The memory as a thread sees it that is killed before its n-th access.
///
/// The protocols ask for each word before they access it, so a thread dies
/// between any two of its steps. (Where they ask once for a load and a
/// compare-and-swap, death in between is as good as death before the load.)
struct MortalMemory<'a> {
    memory: &'a LoomMemory,
    steps: &'a Steps,
}

impl MortalMemory<'_> {
    fn step(&self) -> &LoomMemory {
        self.steps.step();
        self.memory
    }
}

impl Memory for MortalMemory<'_> {
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

    fn wait_word(&self, side: Side) -> &AtomicU32 {
        self.step().wait_word(side)
    }
}

impl Slots for MortalMemory<'_> {
    fn payload(&self, position: u64) -> &LoomCell<u64> {
        self.step().payload(position)
    }
}

/// Runs `life` until it ends or has made `steps` steps; says whether it was
/// killed. The caller then frees its lock, as the kernel would: see [`Lock`].
fn live(memory: &LoomMemory, steps: u32, life: impl FnOnce(&MortalMemory<'_>)) -> bool {
    models::live(steps, |steps| life(&MortalMemory { memory, steps }))
}

/// The lock byte of the one member that will die, as others probe it. All others
/// are alive.
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

    /// What an endpoint does about a slot in its way.
    fn reclaim(&self, memory: &impl Memory, held: Held) {
        recover::reclaim(memory, self, held, POLICY);
    }

    /// What a scan does about the member that it has found dead.
    fn recover(&self, memory: &impl Memory) {
        let mut dead = MemberSet::only(self.owner);
        recover::recover_held(memory, &mut dead, POLICY, |id| !self.is_alive(id));
    }
}

impl Liveness for Lock {
    type Error = Infallible;

    fn try_lock(&self, _id: MemberId) -> Result<bool, Infallible> {
        unreachable!("no member attaches")
    }

    fn unlock(&self, _id: MemberId) {
        unreachable!("no member detaches")
    }

    fn is_alive(&self, id: MemberId) -> bool {
        id != self.owner || self.held.load(Ordering::Acquire)
    }
}

/// What no sequence of operations can produce is a failure of the model.
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
    R::attach(memory, MemberId(id), POLICY).expect("progress in order")
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
        let fast = side.try_claim_fast(memory).map(Ok);
        let Ok(position) = fast.unwrap_or_else(|| possible(side.claim(memory))) else {
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

/// As [`send`], by the fast path or not at all.
fn send_fast<M: Slots>(memory: &M, side: &mut impl SendSide, message: u64) -> bool {
    let Some(position) = side.try_claim_fast(memory) else {
        return false;
    };
    memory.payload(position).set(message);
    side.publish(memory, position);
    side.end(memory);
    true
}

/// As [`receive`], by the fast path; else goes on to where others are.
fn receive_fast<M: Slots>(memory: &M, side: &mut impl ReceiveSide) -> Option<(u64, u8)> {
    let Some(claim) = side.try_claim_fast(memory) else {
        side.catch_up(memory);
        return None;
    };
    let message = memory.payload(claim.position).get();
    side.release(memory, claim);
    Some((message, claim.redeliveries))
}

/// Everything that is left, once no other thread is at work.
fn receive_rest<M: Slots>(memory: &M, side: &mut impl ReceiveSide) -> Vec<(u64, u8)> {
    std::iter::from_fn(|| receive(memory, side).ok()).collect()
}

/// Is `part` in the order of `whole`, perhaps with gaps?
fn in_order(part: &[u64], whole: &[u64]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|x| whole.any(|y| x == y))
}

/// What all received, against what was sent: `certain` messages
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
struct NotedLease {
    handed_out: Option<u64>,
    acknowledged: Option<u64>,
}

fn lease(memory: &MortalMemory<'_>, side: &mut impl ReceiveSide, noted: &RefCell<Vec<NotedLease>>) {
    let Ok(claim) = possible(side.claim(memory)) else {
        return;
    };
    side.hand_out(memory);
    let message = memory.payload(claim.position).get();
    noted.borrow_mut().push(NotedLease {
        handed_out: Some(message),
        acknowledged: None,
    });
    side.release(memory, claim);
    noted.borrow_mut().last_mut().expect("noted").acknowledged = Some(message);
}
