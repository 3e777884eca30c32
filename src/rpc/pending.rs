//! A call whose response is to come.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::body::Body;
use super::calls::Calls;
use super::error::CallError;
use super::wire::{Status, read_reply};

/// A call under way, from [`Client::submit`](super::Client::submit). Wait for its response by
/// [`wait`](PendingCall::wait) or by `await`, in any order and on any thread.
///
/// **Dropping it cancels the call**: its late response is dropped. This is best effort: a server
/// that holds the request, or takes it from the queue later, still carries it out. A call that
/// was dropped keeps its place in the client's [window](super::ServiceBuilder::window) until a
/// server has answered it.
///
/// As a future it needs no runtime, and is woken by the process's waiting thread. The future has
/// no timer. If no server answers a call with a deadline, the runtime's own timer
/// (`tokio::time::timeout`) or `wait` ends it.
///
/// ```
/// use memring::rpc::{CallError, Service};
/// use std::time::Duration;
///
/// # let name = &format!("doc-pending-{}", std::process::id());
/// let service = Service::<u64, u64>::open_or_create(name)?;
/// let (mut server, mut client) = (service.server()?, service.client()?);
/// let (mut first, second) = (client.submit(1)?, client.submit(2)?);
/// assert!(first.try_wait().is_none()); // no response yet
/// let early = first.wait_timeout(Duration::from_millis(1));
/// assert_eq!(early, Err(CallError::Timeout));
/// for _ in 0..2 {
///     let (number, responder) = server.recv()?;
///     responder.reply(*number * 10)?;
/// }
/// assert_eq!(second.wait()?, 20); // in any order
/// assert_eq!(first.wait()?, 10);
/// # memring::rpc::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a call that is dropped is cancelled"]
pub struct PendingCall<R: Body + ?Sized> {
    pub(super) calls: Arc<Calls>,
    /// `None`: it has ended.
    pub(super) call: Option<u64>,
    pub(super) was_sent: bool,
    pub(super) deadline: Option<Instant>,
    /// Its task is known by its number.
    pub(super) is_polled: bool,
    pub(super) marker: PhantomData<fn() -> R>,
}

impl<R: Body + ?Sized> PendingCall<R> {
    pub(super) fn new(calls: &Arc<Calls>, call: u64, deadline: Option<Instant>) -> PendingCall<R> {
        PendingCall {
            calls: Arc::clone(calls),
            call: Some(call),
            was_sent: false,
            deadline,
            is_polled: false,
            marker: PhantomData,
        }
    }

    /// Waits for the response: as long as it takes, or until the deadline that the call was
    /// submitted with. If the call was answered before, returns at once.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn wait(mut self) -> Result<R::Taken, CallError> {
        self.wait_within(self.deadline)
    }

    /// As [`PendingCall::wait`], for at most `timeout`; the call goes on after that, unless its
    /// own deadline has passed.
    ///
    /// # Errors
    /// [`CallError::Timeout`] if there was no response by the deadline; else as
    /// [`PendingCall::wait`]. `Timeout` again if the response was taken before.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<R::Taken, CallError> {
        let until = Instant::now().checked_add(timeout);
        let until = match (until, self.deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.wait_within(until)
    }

    /// Returns the response if it has come, and `None` if not. Does not wait. `Timeout` if the
    /// call's deadline has passed, or if the response was taken before.
    pub fn try_wait(&mut self) -> Option<Result<R::Taken, CallError>> {
        match self.wait_within(Some(Instant::now())) {
            Err(CallError::Timeout) if !self.is_late() => None,
            ended => Some(ended),
        }
    }

    fn is_late(&self) -> bool {
        self.call.is_none()
            || self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
    }

    fn wait_within(&mut self, until: Option<Instant>) -> Result<R::Taken, CallError> {
        let call = self.call.ok_or(CallError::Timeout)?;
        let reply = self.calls.wait(call, until)?;
        // It may have been polled before; its number is another call's next.
        self.forget_task();
        self.call = None;
        response::<R>(&reply)
    }
}

impl<R: Body + ?Sized> Future for PendingCall<R> {
    type Output = Result<R::Taken, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(call) = this.call else {
            return Poll::Pending;
        };
        this.is_polled = true;
        match this.calls.poll_wait(call, context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => {
                this.forget_task();
                Poll::Ready(match ended {
                    Ok(reply) => {
                        this.call = None;
                        response::<R>(&reply)
                    }
                    Err(error) => {
                        this.end();
                        Err(error)
                    }
                })
            }
        }
    }
}

impl<R: Body + ?Sized> Unpin for PendingCall<R> {}

impl<R: Body + ?Sized> PendingCall<R> {
    fn end(&mut self) {
        if let Some(call) = self.call.take() {
            self.calls.end(call, self.was_sent);
        }
    }

    fn forget_task(&mut self) {
        if std::mem::take(&mut self.is_polled)
            && let Some(call) = self.call
        {
            self.calls.forget_task(call);
        }
    }
}

impl<R: Body + ?Sized> Drop for PendingCall<R> {
    fn drop(&mut self) {
        self.forget_task();
        self.end();
    }
}

impl<R: Body + ?Sized> fmt::Debug for PendingCall<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PendingCall");
        shown.field("call", &self.call).finish_non_exhaustive()
    }
}

/// What a reply says. Its header was read before.
fn response<R: Body + ?Sized>(reply: &[u8]) -> Result<R::Taken, CallError> {
    let Some((_, status, body)) = read_reply(reply) else {
        return Err(CallError::Invalid("the reply has no header".into()));
    };
    let text = || String::from_utf8_lossy(body).into_owned();
    match status {
        Status::Done => R::take(body)
            .map_err(|text| CallError::Invalid(format!("the response cannot be decoded: {text}"))),
        Status::Failed => Err(CallError::Failed(text())),
        Status::Panicked => Err(CallError::Panicked(text())),
        Status::ServerDied => Err(CallError::ServerDied),
        Status::Expired => Err(CallError::Timeout),
        Status::Invalid => Err(CallError::Invalid(text())),
    }
}
