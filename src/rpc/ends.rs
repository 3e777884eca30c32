//! The ends of the two rings of a client that tell how its calls go on.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::error::CallError;
use crate::channel::{Receiver, Sender};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::ring::kind::{Mpmc, Mpsc};

/// A thread that waits for a reply looks whether servers are left after so long, and then
/// after twice that, up to a second: as sleeps are capped.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// The ends of the rings that tell how calls go on.
pub(super) struct Ends {
    pub replies: Receiver<[u8], Mpsc>,
    /// Of the ring of requests: whether servers are left.
    pub servers: Sender<[u8], Mpmc>,
    /// Whether wakers are registered with the two.
    pub waits: (bool, bool),
}

impl Ends {
    /// The next reply.
    pub(super) fn receive(&mut self, until: Option<Instant>) -> Result<Vec<u8>, CallError> {
        let mut look = FIRST_LOOK;
        loop {
            let slice = match until {
                Some(until) => look.min(until.saturating_duration_since(Instant::now())),
                None => look,
            };
            match self.replies.recv_timeout(slice) {
                Ok(reply) => return Ok(reply),
                // It waits on when the servers that it knows have gone: others may come.
                Err(RecvTimeoutError::Timeout(_) | RecvTimeoutError::Disconnected) => {}
                Err(RecvTimeoutError::Closed) => return Err(CallError::Closed),
                Err(RecvTimeoutError::Removed) => return Err(CallError::Removed),
                Err(RecvTimeoutError::Cancelled) => return Err(CallError::Timeout),
                Err(RecvTimeoutError::Failed(failure)) => return Err(failure.into()),
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(CallError::Timeout);
            }
            if self.servers.is_disconnected() {
                // What a server replied before it went is there.
                match self.replies.try_recv() {
                    // It died in the middle of another reply: the next wait passes that.
                    Err(TryRecvError::Held(_)) => {}
                    last => return last.map_err(no_reply_left),
                }
            }
            look = LAST_LOOK.min(2 * look);
        }
    }

    /// The replies that are there, `limit` at most, and the error that there are no more for.
    /// Else `waker` is woken when there may be.
    pub(super) fn take_all(
        &mut self,
        waker: &Waker,
        limit: usize,
    ) -> (Vec<Vec<u8>>, Option<CallError>) {
        let mut taken = Vec::new();
        let context = &mut Context::from_waker(waker);
        while taken.len() < limit {
            match self.poll(context) {
                Poll::Ready(Ok(reply)) => taken.push(reply),
                Poll::Ready(Err(error)) => return (taken, Some(error)),
                Poll::Pending => return (taken, None),
            }
        }
        waker.wake_by_ref(); // there may be more
        (taken, None)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, CallError>> {
        let has_waited = &mut self.waits.0;
        if let Poll::Ready(received) = self.replies.poll_recv_once(has_waited, context) {
            return Poll::Ready(received.map_err(|error| match error {
                RecvError::Closed => CallError::Closed,
                RecvError::Disconnected => CallError::Disconnected,
                RecvError::Removed => CallError::Removed,
                RecvError::Cancelled => CallError::Timeout,
                RecvError::Failed(failure) => failure.into(),
            }));
        }
        if !self.servers.poll_disconnected(&mut self.waits.1, context) {
            return Poll::Pending;
        }
        match self.replies.try_recv() {
            // As in `receive`.
            Err(TryRecvError::Held(_)) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            last => Poll::Ready(last.map_err(no_reply_left)),
        }
    }

    /// Has no waker woken any more.
    pub(super) fn stop_polling(&mut self) {
        if std::mem::take(&mut self.waits.0) {
            self.replies.stop_polling(&mut true);
        }
        if std::mem::take(&mut self.waits.1) {
            self.servers.stop_polling(&mut true);
        }
    }
}

/// Why there is no reply any more, when no server is left.
fn no_reply_left(error: TryRecvError) -> CallError {
    match error {
        TryRecvError::Failed(failure) => failure.into(),
        TryRecvError::Removed => CallError::Removed,
        TryRecvError::Closed => CallError::Closed,
        TryRecvError::Empty | TryRecvError::Held(_) | TryRecvError::Disconnected => {
            CallError::Disconnected
        }
    }
}
