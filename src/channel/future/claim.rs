//! How a future claims: as a call that waits, but for the sleep.

use std::task::{self, Context};

use crate::channel::rendezvous::refuse_rendezvous;
use crate::channel::select::{Readiness, ReadyEndpoint};
use crate::channel::waiting::{WaitError, WaitingEndpoint};
use crate::wait::backoff::{CHECKS_OF_CONTENDED, Contention};
use crate::wait::{Operation, Poll};

/// Slots of dead members that one poll takes back. A peer that forges one after the other
/// must not keep it.
const MAX_RECLAIMS: u32 = 16;

/// The claim of one future. Dropped, it leaves no registration behind, and passes a
/// wake-up on that it may have had (W3).
pub(super) struct AsyncClaim<'a, E: WaitingEndpoint> {
    /// `None`: the future is over.
    endpoint: Option<&'a mut E>,
    has_waited: bool,
}

impl<'a, E: WaitingEndpoint> AsyncClaim<'a, E> {
    pub(super) fn new(endpoint: &'a mut E) -> Self {
        AsyncClaim {
            endpoint: Some(endpoint),
            has_waited: false,
        }
    }

    pub(super) fn endpoint(&self) -> Option<&E> {
        self.endpoint.as_deref()
    }

    /// The endpoint again, with what it has claimed. Pending for ever once it is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Polled<'a, E, E::Claimed> {
        let Some(endpoint) = &mut self.endpoint else {
            return task::Poll::Pending;
        };
        let claimed = task::ready!(poll_claim_on_ring(*endpoint, &mut self.has_waited, context));
        self.end(claimed)
    }

    fn end<C>(&mut self, claimed: Result<C, WaitError>) -> Polled<'a, E, C> {
        match self.endpoint.take() {
            Some(endpoint) => task::Poll::Ready(claimed.map(|claimed| (endpoint, claimed))),
            None => task::Poll::Pending,
        }
    }
}

impl<'a, E: ReadyEndpoint> AsyncClaim<'a, E> {
    /// As [`AsyncClaim::poll`], without a claim: whether one would not wait.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Polled<'a, E, ()> {
        let Some(endpoint) = &mut self.endpoint else {
            return task::Poll::Pending;
        };
        let mut readiness = Readiness(&mut **endpoint);
        let ready = task::ready!(poll_claim(&mut readiness, &mut self.has_waited, context));
        self.end(ready)
    }
}

type Polled<'a, E, C> = task::Poll<Result<(&'a mut E, C), WaitError>>;

impl<E: WaitingEndpoint> Drop for AsyncClaim<'_, E> {
    fn drop(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            finish(*endpoint, &mut self.has_waited);
        }
    }
}

/// As [`poll_claim`], by an endpoint itself: a rendezvous ring has nothing to be claimed.
pub(crate) fn poll_claim_on_ring<E: WaitingEndpoint>(
    endpoint: &mut E,
    has_waited: &mut bool,
    context: &mut Context<'_>,
) -> task::Poll<Result<E::Claimed, WaitError>> {
    match refuse_rendezvous(endpoint) {
        Ok(()) => poll_claim(endpoint, has_waited, context),
        Err(error) => task::Poll::Ready(Err(error)),
    }
}

/// Claims if it can be done now. Else the context's waker is woken when it may be possible,
/// and `has_waited` is set: [`finish`] has to follow.
pub(crate) fn poll_claim<E: WaitingEndpoint>(
    endpoint: &mut E,
    has_waited: &mut bool,
    context: &mut Context<'_>,
) -> task::Poll<Result<E::Claimed, WaitError>> {
    let claimed = match endpoint.try_fast() {
        Some(claimed) => Ok(claimed),
        None => task::ready!(poll_slow(endpoint, has_waited, context)),
    };
    finish(endpoint, has_waited);
    task::Poll::Ready(claimed)
}

#[cold]
fn poll_slow<E: WaitingEndpoint>(
    endpoint: &mut E,
    has_waited: &mut bool,
    context: &mut Context<'_>,
) -> task::Poll<Result<E::Claimed, WaitError>> {
    // What takes milliseconds is not for a poll.
    endpoint.connection().waits = false;
    if let task::Poll::Ready(claimed) = check_patiently(endpoint) {
        return task::Poll::Ready(claimed);
    }
    for _ in 0..MAX_RECLAIMS {
        if !endpoint.connection().can_sleep() {
            break; // nothing wakes
        }
        // W2: announce, check again, and then the thread sleeps for us.
        let word = endpoint.register();
        if let task::Poll::Ready(claimed) = check_patiently(endpoint) {
            return task::Poll::Ready(claimed);
        }
        if endpoint.reclaim() {
            continue;
        }
        // From here on a wake-up may be ours that was meant for another.
        *has_waited = true;
        match endpoint.connection().wait_for_wake(word, context.waker()) {
            Ok(()) => return task::Poll::Pending,
            Err(_) => break, // no thread: the runtime polls instead
        }
    }
    context.waker().wake_by_ref();
    task::Poll::Pending
}

/// Checks in full, and again for as long as others are quicker.
pub(crate) fn check_patiently<E: WaitingEndpoint>(
    endpoint: &mut E,
) -> task::Poll<Result<E::Claimed, WaitError>> {
    let mut pauses = Contention::new();
    for _ in 0..CHECKS_OF_CONTENDED {
        match endpoint.check() {
            Poll::Ready(claimed) => return task::Poll::Ready(Ok(claimed)),
            Poll::Ended(error) => return task::Poll::Ready(Err(error)),
            Poll::Pending if endpoint.connection().was_contended => pauses.pause(),
            Poll::Pending => break,
        }
    }
    task::Poll::Pending
}

/// After a wait by waker, whatever its end: takes the registration back, and wakes another
/// waiter of the same side, if this one leaves something to do (W3).
pub(crate) fn finish<E: WaitingEndpoint>(endpoint: &mut E, has_waited: &mut bool) {
    if !std::mem::take(has_waited) {
        return;
    }
    let connection = endpoint.connection();
    connection.stop_waiting();
    // In a forked child the memory is not there.
    if connection.is_mapped() {
        endpoint.pass_on();
    }
}
