//! How a call goes on that found nothing: one full check for calls that do not wait, and
//! the loop of [`wait`](crate::wait) for those that do.

use super::endpoint::EndpointConnection;
use crate::error::{Failure, Holder};
use crate::members::Scan;
use crate::ring::ClaimError;
use crate::ring::end::{self, Check, Conclude, Conclusion, End};
use crate::sys::clock::MonotonicTime;
use crate::wait::parker::Parker;
use crate::wait::{Operation, Poll, block};

#[cfg(all(test, not(loom)))]
mod tests;

/// How long a call waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    Not,
    /// As long as it takes.
    Forever,
    /// Until then.
    Until(MonotonicTime),
}

impl Wait {
    /// For so long from now; for ever, if that is beyond the clock's range.
    pub(crate) fn at_most(timeout: std::time::Duration) -> Wait {
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
    #[expect(dead_code, reason = "not told apart yet")]
    Held(Holder),
    /// Nothing until the deadline; perhaps an endpoint holds the slot in question.
    Timeout(Option<Holder>),
    Closed,
    Disconnected,
    Removed,
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
    /// The slow path of a claim: what it does not find was not there when it began.
    fn try_slow(&mut self) -> Result<Self::Claimed, ClaimError>;
    /// Whether the other side has nothing under way that no word shows.
    fn is_peer_quiescent(&mut self) -> bool;
    /// Whether this side leaves something for another endpoint of it.
    fn leaves_work(&self) -> bool;
}

/// The slow path behind every verb: claims within `wait`.
#[cold]
#[inline(never)]
pub(crate) fn claim<E: WaitingEndpoint>(
    endpoint: &mut E,
    wait: Wait,
) -> Result<E::Claimed, WaitError> {
    let deadline = match wait {
        Wait::Not => {
            return match check(endpoint) {
                Poll::Ready(claimed) => Ok(claimed),
                Poll::Pending => Err(WaitError::NotYet),
                Poll::Ended(error) => Err(error),
            };
        }
        Wait::Forever => None,
        Wait::Until(deadline) => Some(deadline),
    };
    let spins = endpoint.connection().strategy.spins();
    block(endpoint, spins, deadline)
}

/// Tries the slow path, and finds out what it means if that finds nothing.
fn check<E: WaitingEndpoint>(endpoint: &mut E) -> Poll<E::Claimed, WaitError> {
    let conclusion = match end::check(endpoint) {
        Ok(conclusion) => conclusion,
        Err(failure) => return Poll::Ended(WaitError::Failed(failure)),
    };
    let connection = endpoint.connection();
    match conclusion {
        Conclusion::Found(claimed) => Poll::Ready(claimed),
        Conclusion::NotYet(blocker) => {
            connection.blocker = blocker;
            Poll::Pending
        }
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

    fn fence(&mut self, end: End) {
        self.connection().fence_end(end);
    }

    fn scan_all(&mut self) -> Scan {
        self.connection().scan_all()
    }

    fn attempt(&mut self) -> Result<E::Claimed, ClaimError> {
        self.try_slow()
    }

    fn is_quiescent(&mut self) -> bool {
        self.is_peer_quiescent()
    }

    fn end_in_sight(&mut self) -> Option<End> {
        self.connection().end_in_sight()
    }
}

impl<E: WaitingEndpoint> Check for E {
    type Failure = Failure;
    const SENDS: bool = <E as WaitingEndpoint>::SENDS;

    fn go_on(&mut self, error: ClaimError) -> Result<(), Failure> {
        let connection = self.connection();
        connection.segment.region.check()?;
        if matches!(error, ClaimError::NotReady | ClaimError::Held(_)) {
            connection.count_vain_check();
        }
        Ok(())
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
        match check(self) {
            Poll::Ended(WaitError::Disconnected) if self.connection().wait_through => Poll::Pending,
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
        self.connection().blocker.is_some()
    }

    fn sleep(&mut self, registered: u32, until: MonotonicTime) -> bool {
        self.connection().sleep(registered, until)
    }

    fn after_sleep(&mut self) {
        self.connection().scan_if_due();
    }

    fn pass_on(&mut self) {
        if self.leaves_work() {
            self.connection().pass_on();
        }
    }

    fn timed_out(&mut self) -> WaitError {
        WaitError::Timeout(self.connection().holder())
    }

    fn park(&mut self) -> Parker {
        self.connection().parker()
    }
}
