//! The end of a ring: closing it, and making sure that it has ended before that is
//! reported (R17, R19).

use core::ops::ControlFlow::{self, Break, Continue};

use super::layout::{CLOSED, CLOSED_AND_FENCED, Cell};
use super::memory::Memory;
use super::side::{ClaimError, Held};
use crate::error::Corruption;
use crate::members::{Presence, Scan};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// Why no message, or no room, may ever come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// The ring is closed.
    Closed,
    /// The other side was there and is gone, as of this epoch of it.
    Disconnected(u64),
}

/// Closes the ring; it stays closed. Every waiting endpoint looks again at once, and
/// once more when `thorough`, which takes milliseconds, has made every send visible that
/// began before (R17): receivers report no end before that.
pub(crate) fn close<M: Memory>(memory: &M, thorough: impl FnOnce(), wake_all: impl Fn()) {
    close_unfenced(memory, &wake_all);
    if fence_closed(memory, thorough) {
        wake_all();
    }
}

/// The first half of [`close`], for a call that must not take long: the second half is
/// for a receiver that waits, as if the endpoint that closed the ring had died.
pub(crate) fn close_unfenced<M: Memory>(memory: &M, wake_all: impl FnOnce()) {
    // Only the first closes: R17 takes back no second stage. SeqCst: comes before
    // the count that wakes the sleepers. A failure means that it was closed before.
    let _ =
        memory
            .cell(Cell::Closed)
            .compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::Relaxed);
    failpoint!(ClosedSet);
    wake_all();
}

/// Makes every send visible that began before the ring was closed, for all endpoints, by
/// the `thorough` barrier: a send that begins after this sees the ring closed. `false`:
/// that was done before.
pub(crate) fn fence_closed<M: Memory>(memory: &M, thorough: impl FnOnce()) -> bool {
    if is_fenced(memory) {
        return false;
    }
    thorough();
    // Release: pairs with the Acquire load in `is_fenced`.
    let closed = memory.cell(Cell::Closed);
    closed.store(CLOSED_AND_FENCED, Ordering::Release);
    failpoint!(ClosedFenced);
    true
}

/// Whether every send can be seen that began before the ring was closed.
fn is_fenced<M: Memory>(memory: &M) -> bool {
    // Acquire: pairs with the Release store in `fence_closed`, so that the barrier of
    // the endpoint that stored it comes before our next look.
    memory.cell(Cell::Closed).load(Ordering::Acquire) == CLOSED_AND_FENCED
}

/// Whether the ring is closed; there may still be messages in it.
pub(crate) fn is_closed<M: Memory>(memory: &M) -> bool {
    // Acquire: pairs with the swap in `close`.
    memory.cell(Cell::Closed).load(Ordering::Acquire) != 0
}

/// Why waiting may never end; `peers` tells of the other side.
pub(crate) fn end_in_sight<M: Memory>(
    memory: &M,
    peers: impl FnOnce() -> (u64, Presence),
) -> Option<End> {
    if is_closed(memory) {
        return Some(End::Closed);
    }
    match peers() {
        (epoch, Presence::Gone) => Some(End::Disconnected(epoch)),
        _ => None,
    }
}

/// Makes every send visible that began before `end` came in sight: a send that
/// begins after this sees the ring closed (R17). `false`: not yet.
///
/// At a closed ring this is for the endpoint that closed it. `unfenced` decides what to
/// do as long as that has not said that it is done: it may be dead. Where the other side
/// has gone there is no thread that a `heavy` barrier could pass over.
pub(crate) fn fence_end<M: Memory>(
    memory: &M,
    end: End,
    heavy: impl FnOnce(),
    unfenced: impl FnOnce() -> bool,
) -> bool {
    if end != End::Closed {
        heavy();
        return true;
    }
    is_fenced(memory) || unfenced()
}

/// What an endpoint does to make sure of an end.
pub(crate) trait Conclude {
    type Output;
    /// [`fence_end`].
    fn fence(&mut self, end: End) -> bool;
    /// Scans all members.
    fn scan_all(&mut self) -> Scan;
    /// Tries the operation in full.
    fn attempt(&mut self) -> Result<Self::Output, ClaimError>;
    /// Whether the other side has nothing under way that no word shows; of a closed ring
    /// it is also fixed where it ends.
    fn is_quiescent(&mut self, end: End) -> bool;
    /// Why waiting may never end, as of now.
    fn end_in_sight(&mut self) -> Option<End>;
}

/// What an endpoint does that checks in full.
pub(crate) trait Check: Conclude {
    /// Why it can be of no use any more.
    type Failure;
    /// Senders end at once when the ring is closed; receivers drain it first.
    const SENDS: bool;
    /// After an attempt that failed: whether the endpoint is of use still.
    fn go_on(&mut self) -> Result<(), Self::Failure>;
    /// The end that was concluded last, so as not to make sure of it again.
    fn concluded(&mut self) -> &mut Option<End>;
    /// The light half of the barrier.
    fn light(&mut self);
    /// Has every waiting endpoint look again.
    fn wake_all(&mut self);
}

/// What making sure of an end came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion<R> {
    /// The operation succeeded after all.
    Found(R),
    /// It is not the end yet, and perhaps this slot is in the way.
    NotYet(Option<Held>),
    /// Others were quicker, too often: it is worth another try at once.
    Contended,
    /// It is the end.
    Ended(End),
    /// The ring's memory contradicts itself.
    Corrupted(Corruption),
}

/// The steps of [`conclude`], in order. A model may stop between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ConcludeStep {
    /// What began before the end came in sight is made visible,
    Fence,
    /// and what dead members held is given back.
    Scan,
    /// A message, or room, may be there after all.
    Attempt(Scan),
    /// The other side may have something under way that no word shows,
    Quiescence,
    /// and the last of it may have ended between the attempt and that look.
    LastAttempt,
    /// A member may have come, or died, meanwhile.
    Confirm,
}

impl ConcludeStep {
    /// Takes this step: what follows, or what it all came to.
    pub(crate) fn take<C: Check>(
        self,
        endpoint: &mut C,
        end: End,
    ) -> ControlFlow<Conclusion<C::Output>, ConcludeStep> {
        let next = match self {
            ConcludeStep::Fence => match endpoint.fence(end) {
                true => ConcludeStep::Scan,
                false => return Break(Conclusion::NotYet(None)),
            },
            ConcludeStep::Scan => ConcludeStep::Attempt(endpoint.scan_all()),
            ConcludeStep::Attempt(scan) => match (endpoint.attempt(), scan) {
                (Ok(output), _) => return Break(Conclusion::Found(output)),
                (Err(ClaimError::NotReady), Scan::Complete) => ConcludeStep::Quiescence,
                (Err(ClaimError::Corrupted(found)), _) => {
                    return Break(Conclusion::Corrupted(found));
                }
                (Err(ClaimError::Closed), _) => return Break(report(endpoint, End::Closed)),
                (Err(ClaimError::Contended), _) => return Break(Conclusion::Contended),
                (Err(other), _) => return Break(Conclusion::NotYet(other.blocker())),
            },
            ConcludeStep::Quiescence => match endpoint.is_quiescent(end) {
                true => ConcludeStep::LastAttempt,
                false => return Break(Conclusion::NotYet(None)),
            },
            ConcludeStep::LastAttempt => match endpoint.attempt() {
                Ok(output) => return Break(Conclusion::Found(output)),
                Err(ClaimError::Corrupted(found)) => return Break(Conclusion::Corrupted(found)),
                Err(_) => ConcludeStep::Confirm,
            },
            ConcludeStep::Confirm => {
                return Break(match endpoint.end_in_sight() == Some(end) {
                    true => report(endpoint, end),
                    false => Conclusion::NotYet(None),
                });
            }
        };
        Continue(next)
    }
}

/// Makes sure of `end` before it is reported: receivers drain first, what the dead
/// held is given back first, and a send that had begun comes to its end.
fn conclude<C: Check>(endpoint: &mut C, end: End) -> Conclusion<C::Output> {
    let mut step = ConcludeStep::Fence;
    loop {
        match step.take(endpoint, end) {
            Continue(next) => step = next,
            Break(conclusion) => return conclusion,
        }
    }
}

/// An endpoint that finds the ring closed wakes all: one that sleeps may wait for
/// what this one had begun, or may not have been woken by what came last.
fn report<C: Check>(endpoint: &mut C, end: End) -> Conclusion<C::Output> {
    *endpoint.concluded() = Some(end);
    if end == End::Closed {
        endpoint.wake_all();
    }
    Conclusion::Ended(end)
}

/// What an attempt means that failed; or else there is an end to be made sure of.
pub(crate) fn interpret<C: Check>(
    endpoint: &mut C,
    error: ClaimError,
) -> ControlFlow<Conclusion<C::Output>, End> {
    Break(match error {
        ClaimError::Corrupted(found) => Conclusion::Corrupted(found),
        ClaimError::Closed => report(endpoint, End::Closed),
        ClaimError::Contended => Conclusion::Contended,
        ClaimError::NotReady | ClaimError::Held(_) => match endpoint.end_in_sight() {
            None => Conclusion::NotYet(error.blocker()),
            Some(End::Closed) if C::SENDS => report(endpoint, End::Closed),
            Some(end) if error == ClaimError::NotReady && *endpoint.concluded() == Some(end) => {
                Conclusion::Ended(end)
            }
            Some(end) => return Continue(end),
        },
    })
}

/// Tries an operation in full, and finds out what it means if that finds nothing.
pub(crate) fn check<C: Check>(endpoint: &mut C) -> Result<Conclusion<C::Output>, C::Failure> {
    let error = match endpoint.attempt() {
        Ok(output) => return Ok(Conclusion::Found(output)),
        Err(error) => error,
    };
    endpoint.go_on()?;
    if C::SENDS {
        // First the end of the operation, then `closed`: of this sender and a receiver
        // that waits for it to be quiescent, one sees the other.
        endpoint.light();
    }
    Ok(match interpret(endpoint, error) {
        Continue(end) => match conclude(endpoint, end) {
            // Not to be told yet, and what was in the way is so still.
            Conclusion::NotYet(None) => Conclusion::NotYet(error.blocker()),
            conclusion => conclusion,
        },
        Break(conclusion) => conclusion,
    })
}
