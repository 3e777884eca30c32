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
    servers: Sender<[u8], Mpmc>,
    /// Whether wakers are registered with the two.
    waits: (bool, bool),
    /// When the next look for servers is due, if a wait for the next reply has begun.
    next_look: Option<Instant>,
    /// How long it is from that to the one after.
    look: Duration,
}

impl Ends {
    pub(super) fn new(replies: Receiver<[u8], Mpsc>, servers: Sender<[u8], Mpmc>) -> Ends {
        Ends {
            replies,
            servers,
            waits: (false, false),
            next_look: None,
            look: FIRST_LOOK,
        }
    }

    /// The next reply; `None`: the wait was cancelled.
    pub(super) fn receive(&mut self, until: Option<Instant>) -> Result<Option<Vec<u8>>, CallError> {
        loop {
            let slice = match until {
                Some(until) => self
                    .look
                    .min(until.saturating_duration_since(Instant::now())),
                None => self.look,
            };
            match self.replies.recv_timeout(slice) {
                Ok(reply) => {
                    self.next_look = None;
                    self.look = FIRST_LOOK;
                    return Ok(Some(reply));
                }
                // It waits on when the servers that it knows have gone: others may come.
                Err(RecvTimeoutError::Timeout(_) | RecvTimeoutError::Disconnected) => {}
                Err(RecvTimeoutError::Closed) => return Err(CallError::Closed),
                Err(RecvTimeoutError::Removed) => return Err(CallError::Removed),
                Err(RecvTimeoutError::Cancelled) => return Ok(None),
                Err(RecvTimeoutError::Failed(failure)) => return Err(failure.into()),
            }
            let now = Instant::now();
            // By the clock: many short waits are a long one.
            let due = *self
                .next_look
                .get_or_insert(now + FIRST_LOOK.saturating_sub(slice));
            if due <= now {
                if let Some(end) = self.end() {
                    // What a server replied before it went is there.
                    match self.replies.try_recv() {
                        // It died in the middle of another reply: the next wait passes that.
                        Err(TryRecvError::Held(_)) => {}
                        Ok(reply) => return Ok(Some(reply)),
                        Err(error) => return Err(no_reply_left(error, end)),
                    }
                }
                self.look = LAST_LOOK.min(2 * self.look);
                self.next_look = Some(now + self.look);
            }
            if until.is_some_and(|until| until <= now) {
                return Err(CallError::Timeout);
            }
        }
    }

    /// Why no call is answered any more, if that is so. Asks the kernel.
    fn end(&self) -> Option<CallError> {
        let ring = self.servers.ring();
        let is_removed = ring.is_removed();
        // As long as a server is there, it answers what was called before.
        if (is_removed || ring.is_closed()) && self.servers.peers().is_empty() {
            return Some(match is_removed {
                true => CallError::Removed,
                false => CallError::Closed,
            });
        }
        if self.servers.is_disconnected() {
            return Some(CallError::Disconnected);
        }
        None
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
        let end = if !self.servers.poll_disconnected(&mut self.waits.1, context) {
            // Asked after it has registered: what ends from here on wakes it.
            let is_closed = self.servers.ring().is_closed();
            is_closed.then(|| self.end()).flatten()
        } else {
            Some(self.end().unwrap_or(CallError::Disconnected))
        };
        let Some(end) = end else {
            return Poll::Pending;
        };
        match self.replies.try_recv() {
            // As in `receive`.
            Err(TryRecvError::Held(_)) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            last => Poll::Ready(last.map_err(|error| no_reply_left(error, end))),
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

/// Why there is no reply any more, when no server is left, for the reason `end`.
fn no_reply_left(error: TryRecvError, end: CallError) -> CallError {
    match error {
        TryRecvError::Failed(failure) => failure.into(),
        TryRecvError::Removed => CallError::Removed,
        TryRecvError::Closed => CallError::Closed,
        TryRecvError::Empty | TryRecvError::Held(_) | TryRecvError::Disconnected => end,
    }
}
