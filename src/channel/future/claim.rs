//! How a future claims: as a call that waits, but for the sleep.

use std::task::{self, Context};

use crate::channel::endpoint::EndpointConnection;
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

    /// The endpoint again, with what `poll` claims of it. Pending for ever once it is over.
    pub(super) fn poll<C>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut E, &mut bool, &mut Context<'_>) -> task::Poll<Result<C, WaitError>>,
    ) -> Polled<'a, E, C> {
        let Some(endpoint) = &mut self.endpoint else {
            return task::Poll::Pending;
        };
        let claimed = task::ready!(poll(endpoint, &mut self.has_waited, context));
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
        self.poll(context, |endpoint, has_waited, context| {
            poll_claim(&mut Readiness(endpoint), has_waited, context)
        })
    }
}

type Polled<'a, E, C> = task::Poll<Result<(&'a mut E, C), WaitError>>;

impl<E: WaitingEndpoint> Drop for AsyncClaim<'_, E> {
    fn drop(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            give_up(*endpoint, &mut self.has_waited);
        }
    }
}

/// What a poll tries: the claim of an endpoint, or something like it.
pub(crate) trait PolledOperation: Operation<Error = WaitError> {
    /// The endpoint's connection, by which it is woken.
    fn polled(&mut self) -> &mut EndpointConnection;
}

impl<E: WaitingEndpoint> PolledOperation for E {
    fn polled(&mut self) -> &mut EndpointConnection {
        self.connection()
    }
}

/// Claims if it can be done now. Else the context's waker is woken when it may be possible,
/// and `has_waited` is set: [`finish`] has to follow.
pub(crate) fn poll_claim<O: PolledOperation>(
    operation: &mut O,
    has_waited: &mut bool,
    context: &mut Context<'_>,
) -> task::Poll<Result<O::Output, WaitError>> {
    let claimed = match operation.look() {
        Some(claimed) => Ok(claimed),
        None => task::ready!(poll_slow(operation, has_waited, context)),
    };
    finish(operation, has_waited);
    task::Poll::Ready(claimed)
}

#[cold]
fn poll_slow<O: PolledOperation>(
    operation: &mut O,
    has_waited: &mut bool,
    context: &mut Context<'_>,
) -> task::Poll<Result<O::Output, WaitError>> {
    // What takes milliseconds is not for a poll.
    operation.polled().waits = false;
    if let task::Poll::Ready(claimed) = check_patiently(operation) {
        return task::Poll::Ready(claimed);
    }
    for _ in 0..MAX_RECLAIMS {
        if !operation.polled().can_sleep() {
            break; // nothing wakes
        }
        // W2: announce, check again, and then the thread sleeps for us.
        let word = operation.register();
        if let task::Poll::Ready(claimed) = check_patiently(operation) {
            return task::Poll::Ready(claimed);
        }
        if operation.reclaim() {
            continue;
        }
        // From here on a wake-up may be ours that was meant for another.
        *has_waited = true;
        match operation.polled().wait_for_wake(word, context.waker()) {
            Ok(()) => return task::Poll::Pending,
            Err(_) => break, // no thread: the runtime polls instead
        }
    }
    context.waker().wake_by_ref();
    task::Poll::Pending
}

/// Checks in full, and again for as long as others are quicker.
pub(crate) fn check_patiently<O: PolledOperation>(
    operation: &mut O,
) -> task::Poll<Result<O::Output, WaitError>> {
    let mut pauses = Contention::new();
    for _ in 0..CHECKS_OF_CONTENDED {
        match operation.check() {
            Poll::Ready(claimed) => return task::Poll::Ready(Ok(claimed)),
            Poll::Ended(error) => return task::Poll::Ready(Err(error)),
            Poll::Pending if operation.polled().was_contended => pauses.pause(),
            Poll::Pending => break,
        }
    }
    task::Poll::Pending
}

/// After a wait by waker, whatever its end: takes the registration back, and wakes another
/// waiter of the same side, if this one leaves something to do (W3).
pub(crate) fn finish<O: PolledOperation>(operation: &mut O, has_waited: &mut bool) {
    if !std::mem::take(has_waited) {
        return;
    }
    let connection = operation.polled();
    connection.stop_waiting();
    // In a forked child the memory is not there.
    if connection.is_mapped() {
        operation.pass_on();
    }
}

/// As [`finish`], for a wait that is given up.
pub(crate) fn give_up<E: WaitingEndpoint>(endpoint: &mut E, has_waited: &mut bool) {
    endpoint.withdraw();
    finish(endpoint, has_waited);
}
