//! How an operation that finds nothing goes on: the one loop behind every
//! blocking call, and the one answer to every call that does not block.

use super::port::{CAP, End, LONG_CAP, Port};
use crate::error::{Failure, Holder};
use crate::participant;
use crate::ring::memory::Memory;
use crate::ring::{Held, Impossible, Stall};
use crate::sys::clock::MonotonicTime;

#[cfg(all(test, not(loom)))]
mod tests;

/// Looks of a spinning endpoint between two looks at the clock.
const LOOKS: u32 = 64;
/// Looks of a spinning endpoint between two offers of the processor.
const PATIENCE: u32 = 256;

/// An endpoint, as far as waiting is concerned.
pub(crate) trait Endpoint {
    type Memory: Memory + Copy;
    /// Senders end at once when the ring is closed; receivers drain it first.
    const SENDS: bool;
    fn memory(&self) -> Self::Memory;
    fn port(&mut self) -> &mut Port;
    /// Has the other side nothing under way that cannot be seen in a word?
    fn is_quiescent(&mut self) -> bool;
    /// Before sleeping: tell the other side all it may know.
    fn settle(&mut self);
    /// The next attempt must not be a mere glance: what it finds nothing of is
    /// not there (W2).
    fn be_earnest(&mut self);
    /// Does this side leave something for another endpoint of it?
    fn leaves_work(&mut self) -> bool;
}

/// Why a call ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing now.
    NotYet,
    /// Nothing until the deadline; perhaps somebody holds the slot in question.
    Timeout(Option<Holder>),
    Closed,
    Disconnected,
    Failed(Failure),
}

/// What a look that found nothing led to.
enum Miss<R> {
    /// It was there on a closer look.
    Found(R),
    /// Not yet, and perhaps somebody stands in the way.
    NotYet(Option<Held>),
    /// As `NotYet`, after a look round the whole ring, which may have taken long.
    Searched(Option<Held>),
    Ended(Outcome),
}

/// The answer to a first look, made sure of by `attempt` if it found nothing.
///
/// The first look is the caller's, so that it is compiled into the caller.
#[inline(always)]
pub(crate) fn once<E: Endpoint, R>(
    endpoint: &mut E,
    first: Result<R, Stall>,
    attempt: impl FnMut(&mut E) -> Result<R, Stall>,
) -> Result<R, Outcome> {
    first.or_else(|stall| look_closer(endpoint, stall, attempt))
}

/// As [`once`], then attempts until success, the deadline or the end.
#[inline(always)]
pub(crate) fn until<E: Endpoint, R>(
    endpoint: &mut E,
    deadline: Option<MonotonicTime>,
    first: Result<R, Stall>,
    attempt: impl FnMut(&mut E) -> Result<R, Stall>,
) -> Result<R, Outcome> {
    first.or_else(|stall| wait(endpoint, deadline, stall, attempt))
}

#[cold]
#[inline(never)]
fn look_closer<E: Endpoint, R>(
    endpoint: &mut E,
    stall: Stall,
    mut attempt: impl FnMut(&mut E) -> Result<R, Stall>,
) -> Result<R, Outcome> {
    match missed(endpoint, stall, &mut attempt) {
        Miss::Found(result) => Ok(result),
        Miss::NotYet(_) | Miss::Searched(_) => Err(Outcome::NotYet),
        Miss::Ended(outcome) => Err(outcome),
    }
}

#[inline(never)]
fn wait<E: Endpoint, R>(
    endpoint: &mut E,
    deadline: Option<MonotonicTime>,
    first: Stall,
    mut attempt: impl FnMut(&mut E) -> Result<R, Stall>,
) -> Result<R, Outcome> {
    let looks = endpoint.port().strategy.spins();
    let is_late =
        |deadline: Option<MonotonicTime>| deadline.is_some_and(|at| at <= MonotonicTime::now());
    let mut seen = Err(first);
    let mut look: u32 = 0;
    let mut slept = false;
    let mut cap = CAP;
    loop {
        match settle_look(endpoint, seen, &mut attempt) {
            Miss::Found(result) => {
                endpoint.port().hit();
                if slept && endpoint.leaves_work() {
                    let memory = endpoint.memory();
                    endpoint.port().pass_on(&memory);
                }
                return Ok(result);
            }
            Miss::Ended(outcome) => return Err(outcome),
            Miss::Searched(_) if is_late(deadline) => {
                return Err(Outcome::Timeout(endpoint.port().holder()));
            }
            Miss::NotYet(_) | Miss::Searched(_) => {}
        }
        if looks.is_none_or(|looks| look < looks) {
            look = look.wrapping_add(1);
            if look.is_multiple_of(LOOKS) && is_late(deadline) {
                return Err(Outcome::Timeout(endpoint.port().holder()));
            }
            if look.is_multiple_of(PATIENCE) {
                std::thread::yield_now();
            }
            core::hint::spin_loop();
            seen = attempt(endpoint);
            continue;
        }
        // W2: announce, look again, sleep.
        endpoint.settle();
        endpoint.be_earnest();
        let memory = endpoint.memory();
        let announced = endpoint.port().prepare_sleep(&memory);
        seen = attempt(endpoint);
        if seen.is_ok() {
            continue;
        }
        match settle_look(endpoint, seen, &mut attempt) {
            Miss::NotYet(obstacle) | Miss::Searched(obstacle) => {
                let cleared =
                    obstacle.is_some_and(|held| participant::clear(&endpoint.port().segment, held));
                if is_late(deadline) {
                    // Also when something was cleared: a peer that forges one
                    // dead holder after the other must not keep us.
                    endpoint.be_earnest();
                    seen = attempt(endpoint);
                    match seen {
                        Ok(_) | Err(Stall::Impossible(_)) => continue,
                        Err(_) => return Err(Outcome::Timeout(endpoint.port().holder())),
                    }
                }
                if !cleared {
                    let in_full = endpoint.port().sleep(&memory, announced, deadline, cap);
                    slept = true;
                    // W4: whoever holds a slot that is needed is asked often.
                    cap = match in_full && obstacle.is_none() {
                        true => (2 * cap).min(LONG_CAP),
                        false => CAP,
                    };
                    endpoint.port().patrol_if_due();
                }
                endpoint.be_earnest();
                seen = attempt(endpoint);
            }
            Miss::Found(result) => seen = Ok(result),
            Miss::Ended(outcome) => return Err(outcome),
        }
    }
}

/// A look and what it led to; `Disconnected` is no end for those who wait
/// through it.
fn settle_look<E: Endpoint, R>(
    endpoint: &mut E,
    seen: Result<R, Stall>,
    attempt: &mut impl FnMut(&mut E) -> Result<R, Stall>,
) -> Miss<R> {
    let miss = match seen {
        Ok(result) => Miss::Found(result),
        Err(stall) => missed(endpoint, stall, attempt),
    };
    match miss {
        Miss::Ended(Outcome::Disconnected) if endpoint.port().wait_through => Miss::Searched(None),
        miss => miss,
    }
}

/// Finds out what a look that found nothing means.
#[cold]
fn missed<E: Endpoint, R>(
    endpoint: &mut E,
    stall: Stall,
    attempt: &mut impl FnMut(&mut E) -> Result<R, Stall>,
) -> Miss<R> {
    let port = endpoint.port();
    if let Err(failure) = port.segment.check() {
        return Miss::Ended(Outcome::Failed(failure));
    }
    match stall {
        Stall::Impossible(found) => corrupted(endpoint, found),
        Stall::Closed => {
            // A claim may have been given up: whoever waits at it looks anew.
            port.notify_everybody();
            Miss::Ended(Outcome::Closed)
        }
        Stall::Contended => Miss::NotYet(None),
        Stall::Nothing | Stall::Held(_) => {
            port.miss();
            match port.end_in_sight() {
                None => Miss::NotYet(participant::obstacle(stall)),
                Some(End::Closed) if E::SENDS => Miss::Ended(Outcome::Closed),
                Some(end) => conclude(endpoint, end, stall, attempt),
            }
        }
    }
}

/// No sequence of operations leads here: the handle refuses all work from now on.
fn corrupted<E: Endpoint, R>(endpoint: &mut E, found: Impossible) -> Miss<R> {
    let failure = endpoint.port().segment.poison(found);
    Miss::Ended(Outcome::Failed(failure))
}

/// Makes sure of an end before it is reported: receivers drain first, what the
/// dead held is given back first, and a send that had begun comes to its end.
#[cold]
fn conclude<E: Endpoint, R>(
    endpoint: &mut E,
    end: End,
    stall: Stall,
    attempt: &mut impl FnMut(&mut E) -> Result<R, Stall>,
) -> Miss<R> {
    let port = endpoint.port();
    let outcome = match end {
        End::Closed => Outcome::Closed,
        End::Disconnected(_) => Outcome::Disconnected,
    };
    if stall == Stall::Nothing && port.concluded == Some(end) {
        return Miss::Ended(outcome);
    }
    port.fence_end(end);
    let is_all_repaired = port.patrol_all();
    endpoint.be_earnest();
    match attempt(endpoint) {
        Ok(result) => return Miss::Found(result),
        Err(Stall::Nothing) => {}
        Err(Stall::Impossible(found)) => return corrupted(endpoint, found),
        Err(Stall::Closed) => return Miss::Ended(Outcome::Closed),
        Err(stall) => return Miss::Searched(participant::obstacle(stall)),
    }
    if !is_all_repaired || !endpoint.is_quiescent() {
        return Miss::Searched(None);
    }
    // Between the look and this, the last send may have ended.
    endpoint.be_earnest();
    match attempt(endpoint) {
        Ok(result) => return Miss::Found(result),
        Err(Stall::Impossible(found)) => return corrupted(endpoint, found),
        Err(_) => {}
    }
    if endpoint.port().end_in_sight() != Some(end) {
        return Miss::Searched(None); // somebody has come, or died, meanwhile
    }
    endpoint.port().concluded = Some(end);
    Miss::Ended(outcome)
}
