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
mod handover;
mod members;
mod memory;
mod one_to_one;
mod sleep;
mod stream;
mod successor;

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;

use loom::sync::atomic::AtomicBool;

use memory::{
    DENSE, LoadedAndStored, LoomMemory, MortalMemory, Nothing, Progress, SlotWords, Slots, THREE,
    WHOLE, places,
};

use super::memory::Memory;
use super::recover;
use super::{Claim, ClaimError, Held, ReceiveSide, RedeliveryPolicy, SendSide};
use crate::error::Side;
use crate::members::{Liveness, MemberId, MemberSet};
use crate::models;
use crate::ring::layout::Cell;
use crate::sys::atomic::{Fences, Ordering};

const POLICY: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 8,
};

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
    match possible(side.claim(memory)) {
        Ok(position) => {
            memory.payload(position).set(message);
            side.publish(memory, position);
            is_in_time(memory, side)
        }
        Err(error) => {
            side.end(memory);
            Err(error)
        }
    }
}

/// The end of a send of one message.
fn is_in_time(memory: &impl Memory, side: &mut impl SendSide) -> Result<(), ClaimError> {
    match side.complete(memory) || side.count_late(memory) == 0 {
        true => Ok(()),
        false => Err(ClaimError::Closed),
    }
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
    let mut source = messages.iter();
    let count = side.send_run(memory, messages.len(), |position| {
        memory
            .payload(position)
            .set(*source.next().expect("no more than asked for"));
    });
    let late = match count > 0 && !side.complete(memory) {
        true => side.count_late(memory),
        false => 0,
    };
    sent.borrow_mut().extend(&messages[..count - late]);
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
    assert_eq!(is_in_time(memory, side), Ok(()));
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
