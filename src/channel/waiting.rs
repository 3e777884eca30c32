//! How a call goes on that found nothing: one full check for calls that do not wait, and
//! the loop of [`wait`](crate::wait) for those that do.

use super::endpoint::EndpointConnection;
use crate::error::{Failure, Holder};
use crate::members::Scan;
use crate::ring::ClaimError;
use crate::ring::end::{self, Check, Conclude, Conclusion, End};
use crate::sys::clock::MonotonicTime;
use crate::wait::backoff::Looks;
use crate::wait::backoff::{CHECKS_OF_CONTENDED, Contention, TRIES_WHILE_HELD};
use crate::wait::parker::Parker;
use crate::wait::{Operation, Poll, block};

#[cfg(all(test, not(loom)))]
mod tests;

/// How long a call waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    Not,
    /// Not at all, by a call that could.
    Zero,
    /// As long as it takes.
    Forever,
    /// Until then.
    Until(MonotonicTime),
}

impl Wait {
    /// For so long from now; for ever, if that is beyond the clock's range.
    pub(crate) fn at_most(timeout: std::time::Duration) -> Wait {
        if timeout.is_zero() {
            return Wait::Zero;
        }
        MonotonicTime::now()
            .checked_add(timeout)
            .map_or(Wait::Forever, Wait::Until)
    }

    /// Until `deadline`.
    pub(crate) fn until(deadline: std::time::Instant) -> Wait {
        Wait::Until(MonotonicTime::from_instant(deadline))
    }
}

/// Why a call ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// Nothing now.
    NotYet,
    /// Nothing now, and an endpoint that is alive holds the slot in question.
    Held(Holder),
    /// Nothing until the deadline; perhaps an endpoint holds the slot in question.
    Timeout(Option<Holder>),
    /// Of a rendezvous ring: at the deadline this receiver had the message in hand.
    InHand(Holder),
    Closed,
    Disconnected,
    Removed,
    /// Nothing now, and the endpoint is cancelled.
    Cancelled,
    Failed(Failure),
}

/// An endpoint, as far as waiting is concerned.
pub(crate) trait WaitingEndpoint {
    /// What a claim gives.
    type Claimed;
    /// Senders end at once when the ring is closed; receivers drain it first.
    const SENDS: bool;
    fn connection(&mut self) -> &mut EndpointConnection;
    /// The fast path of a claim, or a cheap hint and then a claim.
    fn try_fast(&mut self) -> Option<Self::Claimed>;
    /// At the beginning of a wait, after the fast path: lets the other side get ahead, if this
    /// endpoint is at its heels.
    fn let_ahead(&mut self) {}
    /// The slow path of a claim: what it does not find was not there when it began.
    fn try_slow(&mut self) -> Result<Self::Claimed, ClaimError>;
    /// Whether the other side has nothing under way that no word shows; of a closed ring
    /// it is also fixed where it ends.
    fn is_peer_quiescent(&mut self, end: End) -> bool;
    /// Whether this side leaves something for another endpoint of it.
    fn leaves_work(&self) -> bool;
    /// A wait by a waker is given up: takes back what was announced or offered for it.
    fn withdraw(&mut self) {}
}

/// The slow path behind every verb: claims within `wait`.
#[cold]
#[inline(never)]
pub(crate) fn claim<E: WaitingEndpoint>(
    endpoint: &mut E,
    wait: Wait,
) -> Result<E::Claimed, WaitError> {
    let deadline = match wait {
        Wait::Not => return claim_now(endpoint),
        Wait::Zero => {
            let claimed = claim_now(endpoint);
            let connection = endpoint.connection();
            return match claimed {
                Err(WaitError::NotYet | WaitError::Held(_)) if connection.is_cancelled() => {
                    Err(WaitError::Cancelled)
                }
                // As for those that wait.
                Err(WaitError::Disconnected) if connection.wait_through => Err(WaitError::NotYet),
                claimed => claimed,
            };
        }
        Wait::Forever => None,
        Wait::Until(deadline) => Some(deadline),
    };
    let connection = endpoint.connection();
    connection.waits = true;
    let (spins, idle) = (connection.strategy.spins(), connection.idle.clone());
    endpoint.let_ahead();
    let looks = Looks::new(spins).with_idle(idle.as_deref());
    block(endpoint, looks, deadline)
}

/// Claims without waiting. Takes no lock that another thread of this process can hold,
/// allocates nothing, and enters the kernel only to look for the dead when that is due,
/// to make sure of an end, and to wake.
///
/// What another endpoint is at, and what others were quicker for, is tried again a few
/// times: what remains then is `Held`, by a claim that is not finished, or `NotYet`.
fn claim_now<E: WaitingEndpoint>(endpoint: &mut E) -> Result<E::Claimed, WaitError> {
    endpoint.connection().waits = false;
    let mut pauses = Contention::new();
    let (mut has_spun, mut contended) = (false, 0);
    loop {
        match check(endpoint) {
            Poll::Ready(claimed) => return Ok(claimed),
            Poll::Ended(error) => return Err(error),
            Poll::Pending => {}
        }
        let connection = endpoint.connection();
        match connection.blocker {
            Some(blocker) if has_spun => {
                return Err(WaitError::Held(connection.holder_of_blocker(blocker)));
            }
            Some(_) => {
                has_spun = true;
                if let Some(claimed) = spin_while_held(endpoint, &mut pauses) {
                    return Ok(claimed);
                }
            }
            None if connection.was_contended && contended < CHECKS_OF_CONTENDED => {
                contended += 1;
                pauses.pause();
            }
            None => {
                return Err(match connection.lease_of_single_receiver() {
                    Some(holder) => WaitError::Held(holder),
                    None => WaitError::NotYet,
                });
            }
        }
    }
}

/// Tries the slow path for as long as another endpoint is at the slot in question, or for
/// some microseconds. If it finds nothing, a full check has to follow.
#[cold]
fn spin_while_held<E: WaitingEndpoint>(
    endpoint: &mut E,
    pauses: &mut Contention,
) -> Option<E::Claimed> {
    for _ in 0..TRIES_WHILE_HELD {
        pauses.pause();
        match endpoint.try_slow() {
            Ok(claimed) => return Some(claimed),
            Err(ClaimError::Held(_)) => {}
            Err(ClaimError::Corrupted(found)) => {
                // The check that follows reports it.
                endpoint.connection().segment.region.poison(found);
                break;
            }
            Err(_) => break,
        }
    }
    None
}

/// Checks in full, and once more if that found nothing and the dead were looked for.
///
/// An end that was concluded before is no reason not to look: a receiver that holds
/// messages may have died since.
fn check<E: WaitingEndpoint>(endpoint: &mut E) -> Poll<E::Claimed, WaitError> {
    let poll = check_once(endpoint);
    let found_nothing = match &poll {
        Poll::Ready(_) | Poll::Ended(WaitError::Failed(_)) => false,
        Poll::Pending => true,
        Poll::Ended(_) => !E::SENDS,
    };
    match found_nothing && endpoint.connection().scan_after_failed_check() {
        true => check_once(endpoint),
        false => poll,
    }
}

/// Tries the slow path, and finds out what it means if that finds nothing.
fn check_once<E: WaitingEndpoint>(endpoint: &mut E) -> Poll<E::Claimed, WaitError> {
    let conclusion = match end::check(endpoint) {
        Ok(conclusion) => conclusion,
        Err(failure) => return Poll::Ended(WaitError::Failed(failure)),
    };
    let connection = endpoint.connection();
    connection.was_contended = matches!(conclusion, Conclusion::Contended);
    // Else a slot of long ago would be reclaimed again and again.
    connection.blocker = None;
    match conclusion {
        Conclusion::Found(claimed) => Poll::Ready(claimed),
        Conclusion::NotYet(blocker) => {
            connection.blocker = blocker;
            pending(connection)
        }
        Conclusion::Contended => pending(connection),
        // Removal closes a ring, and its mark says that this was why.
        Conclusion::Ended(End::Closed) if connection.segment.region.is_ended_by_removal() => {
            Poll::Ended(WaitError::Removed)
        }
        Conclusion::Ended(end) => Poll::Ended(end.into()),
        Conclusion::Corrupted(found) => {
            // No sequence of operations leads here: the handle refuses all work.
            Poll::Ended(WaitError::Failed(connection.segment.region.poison(found)))
        }
    }
}

/// Nothing yet. Not to be waited for by an endpoint that could not tell a dead peer: its
/// descriptor was closed.
pub(super) fn pending<T>(connection: &EndpointConnection) -> Poll<T, WaitError> {
    match connection.segment.region.check_descriptor() {
        Ok(()) => Poll::Pending,
        Err(failure) => Poll::Ended(WaitError::Failed(failure)),
    }
}

impl From<End> for WaitError {
    fn from(end: End) -> WaitError {
        match end {
            End::Closed => WaitError::Closed,
            End::Disconnected(_) => WaitError::Disconnected,
        }
    }
}

impl<E: WaitingEndpoint> Conclude for E {
    type Output = E::Claimed;

    fn fence(&mut self, end: End) -> bool {
        self.connection().fence_end(end)
    }

    fn scan_all(&mut self) -> Scan {
        self.connection().scan_all()
    }

    fn attempt(&mut self) -> Result<E::Claimed, ClaimError> {
        self.try_slow()
    }

    fn is_quiescent(&mut self, end: End) -> bool {
        self.is_peer_quiescent(end)
    }

    fn end_in_sight(&mut self) -> Option<End> {
        self.connection().end_in_sight()
    }
}

impl<E: WaitingEndpoint> Check for E {
    type Failure = Failure;
    const SENDS: bool = <E as WaitingEndpoint>::SENDS;

    fn go_on(&mut self) -> Result<(), Failure> {
        self.connection().segment.region.check()
    }

    fn concluded(&mut self) -> &mut Option<End> {
        &mut self.connection().concluded
    }

    fn light(&mut self) {
        self.connection().segment.config.fences.light();
    }

    fn wake_all(&mut self) {
        self.connection().wake_all();
    }
}

impl<E: WaitingEndpoint> Operation for E {
    type Output = E::Claimed;
    type Error = WaitError;
    type Park = Parker;

    fn look(&mut self) -> Option<E::Claimed> {
        self.try_fast()
    }

    fn check(&mut self) -> Poll<E::Claimed, WaitError> {
        let poll = match check(self) {
            Poll::Ended(WaitError::Disconnected) if self.connection().wait_through => Poll::Pending,
            poll => poll,
        };
        // Last: what can be done without waiting is done.
        match poll {
            Poll::Pending if self.connection().is_cancelled() => Poll::Ended(WaitError::Cancelled),
            poll => poll,
        }
    }

    fn register(&mut self) -> u32 {
        self.connection().register()
    }

    fn reclaim(&mut self) -> bool {
        self.connection().reclaim()
    }

    fn is_blocked(&mut self) -> bool {
        self.connection().is_held_up()
    }

    fn sleep(&mut self, registered: u32, until: MonotonicTime) -> bool {
        self.connection().sleep(registered, until)
    }

    fn after_sleep(&mut self) {
        self.connection().scan_after_sleep();
    }

    fn pass_on(&mut self) {
        if self.leaves_work() {
            self.connection().pass_on();
        }
    }

    fn timed_out(&mut self) -> WaitError {
        let connection = self.connection();
        match connection.segment.region.check_descriptor() {
            Ok(()) => WaitError::Timeout(connection.holder()),
            Err(failure) => WaitError::Failed(failure),
        }
    }

    fn park(&mut self) -> Parker {
        self.connection().parker()
    }
}
