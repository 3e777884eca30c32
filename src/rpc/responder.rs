//! A call that a server holds.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::Body;
use super::error::{CallError, ReplyError};
use super::replies::Replies;
use super::wire::{REPLY_HEADER, Status};
use crate::channel::OwnedLease;
use crate::ring::kind::Mpmc;
use crate::sys::clock::MonotonicTime;

/// A request, as a handler gets it. It dereferences to what the client sent.
pub struct Request<Q: Body + ?Sized> {
    pub(super) body: Q::Taken,
    pub(super) attempt: u8,
    /// On the monotonic clock, in nanoseconds.
    pub(super) deadline: Option<u64>,
}

impl<Q: Body + ?Sized> Request<Q> {
    /// Returns what the client sent.
    ///
    /// Example: [`Responder`].
    pub fn into_inner(self) -> Q::Taken {
        self.body
    }

    /// Which attempt at the call this is: 1 at first; more if a server died while it held the
    /// call, or gave it up. That server may have carried the call out.
    ///
    /// Example: [`Responder`].
    pub fn attempt(&self) -> u8 {
        self.attempt
    }

    /// Returns how much time is left until the caller's deadline: zero if it has passed, `None`
    /// if the call has none. For a handler that makes calls of its own.
    ///
    /// ```
    /// use memring::rpc::Service;
    /// use std::time::{Duration, Instant};
    ///
    /// # let name = &format!("doc-remaining-{}", std::process::id());
    /// let service = Service::<u64, u64>::open_or_create(name)?;
    /// let (mut server, mut client) = (service.server()?, service.client()?);
    /// let minute = Duration::from_secs(60);
    /// let first = client.submit_deadline(1, Instant::now() + minute)?;
    /// let second = client.submit(2)?;
    ///
    /// let (request, responder) = server.recv()?;
    /// assert!(request.remaining().is_some_and(|left| left <= minute));
    /// assert!(request.deadline().is_some_and(|at| at > Instant::now()));
    /// # responder.reply(1)?;
    /// let (request, responder) = server.recv()?;
    /// assert_eq!((request.remaining(), request.deadline()), (None, None));
    /// # responder.reply(2)?;
    /// # (first.wait()?, second.wait()?);
    /// # memring::rpc::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        let now = MonotonicTime::now().as_nanos();
        self.deadline
            .map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)))
    }

    /// Returns the caller's deadline; `None` if the call has none, or one that is further away
    /// than the clock counts. A deadline that has passed is returned as the present moment.
    ///
    /// Example: [`Request::remaining`].
    pub fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.remaining()?)
    }
}

impl<Q: Body + ?Sized> Deref for Request<Q> {
    type Target = Q::Taken;

    fn deref(&self) -> &Q::Taken {
        &self.body
    }
}

impl<Q: Body + ?Sized> fmt::Debug for Request<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// The duty to answer a call, from [`Server::recv`](super::Server::recv): now or later, in any
/// order, on any thread.
///
/// If it is dropped without an answer, by a panic or a `?` say, the call is given back, and that
/// counts as an attempt. Another server, or the same one, gets the call, or the caller gets
/// [`CallError::ServerDied`], as the service's policy says. The
/// same happens if the process dies.
///
/// As long as it exists, its server counts as attached, even if the [`Server`](super::Server) was
/// dropped.
///
/// ```
/// use memring::rpc::{CallError, Service};
///
/// # let name = &format!("doc-responder-{}", std::process::id());
/// let service = Service::<u64, u64>::open_or_create(name)?;
/// let (mut server, mut client) = (service.server()?, service.client()?);
///
/// let good = client.submit(1)?;
/// let (request, responder) = server.recv()?;
/// assert_eq!((request.attempt(), request.into_inner()), (1, 1));
/// drop(responder); // gives the call back
/// let (request, responder) = server.recv()?;
/// assert_eq!((*request, request.attempt()), (1, 2));
/// responder.reply(10)?;
/// assert_eq!(good.wait()?, 10);
///
/// let bad = client.submit(2)?;
/// let (_, responder) = server.recv()?;
/// assert_eq!(responder.attempt(), 1);
/// responder.fail("no such number")?;
/// assert_eq!(bad.wait(), Err(CallError::Failed("no such number".into())));
/// # memring::rpc::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a responder that is dropped gives its call back; call `reply` or `fail`"]
pub struct Responder<R: Body + ?Sized> {
    pub(super) lease: OwnedLease<[u8], Mpmc>,
    pub(super) replies: Arc<Replies>,
    pub(super) client: u128,
    pub(super) call: u64,
    pub(super) attempt: u8,
    pub(super) marker: PhantomData<fn(&R)>,
}

impl<R: Body + ?Sized> Responder<R> {
    /// Answers the call.
    ///
    /// Does not wait. A caller that has given up meanwhile, at its deadline or by dropping the
    /// call, makes no difference here: its client drops the response.
    ///
    /// # Errors
    /// [`ReplyError`]. The call is finished, except with [`ReplyError::Refused`].
    pub fn reply(self, response: R::Given<'_>) -> Result<(), ReplyError> {
        let mut reply = blank();
        match R::put(&response, &mut reply) {
            Ok(()) => self.send(Status::Done, reply),
            Err(text) => {
                let _ = self.send(Status::Invalid, text_reply(&text));
                Err(ReplyError::Encoding(text))
            }
        }
    }

    /// Answers the call with an error: the caller gets
    /// [`CallError::Failed`] with its text, as much as fits into a
    /// response.
    ///
    /// # Errors
    /// As [`Responder::reply`].
    pub fn fail(self, error: impl fmt::Display) -> Result<(), ReplyError> {
        self.send(Status::Failed, text_reply(&error.to_string()))
    }

    /// Answers the call with the error of another call: for a server that passes calls on. The
    /// caller gets the same error, except that `Disconnected`, `Closed`, `Removed` and
    /// `Unusable`, which would speak of this service, become
    /// [`CallError::Failed`] with the text.
    ///
    /// # Errors
    /// As [`Responder::reply`].
    ///
    /// ```
    /// use memring::rpc::{CallError, Service};
    ///
    /// # let name = &format!("doc-fail-as-{}", std::process::id());
    /// let service = Service::<u64, u64>::open_or_create(name)?;
    /// let (mut server, mut client) = (service.server()?, service.client()?);
    /// let call = client.submit(1)?;
    /// let (_, responder) = server.recv()?;
    /// assert!(!responder.is_client_gone());
    /// responder.fail_as(&CallError::ServerDied)?;
    /// assert_eq!(call.wait(), Err(CallError::ServerDied));
    /// # memring::rpc::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail_as(self, error: &CallError) -> Result<(), ReplyError> {
        let (status, text) = match error {
            CallError::Timeout => (Status::Expired, String::new()),
            CallError::ServerDied => (Status::ServerDied, String::new()),
            CallError::Failed(text) => (Status::Failed, text.clone()),
            CallError::Panicked(text) => (Status::Panicked, text.clone()),
            CallError::Invalid(text) => (Status::Invalid, text.clone()),
            CallError::Disconnected
            | CallError::Closed
            | CallError::Removed
            | CallError::Unusable(_) => (Status::Failed, error.to_string()),
        };
        self.send(status, text_reply(&text))
    }

    /// Says whether the client has been dropped or has died, so that nobody waits for the
    /// answer. Asks the kernel: for calls that take long. A [`PendingCall`](super::PendingCall)
    /// that was dropped is not noticed as long as its client is there.
    ///
    /// Example: [`Responder::fail_as`].
    pub fn is_client_gone(&self) -> bool {
        self.replies.is_gone(self.client)
    }

    /// As [`Request::attempt`].
    pub fn attempt(&self) -> u8 {
        self.attempt
    }

    /// The reply first, and then the acknowledgement: a server that dies between the two has
    /// answered twice in the end, and not never.
    fn send(self, status: Status, mut reply: Vec<u8>) -> Result<(), ReplyError> {
        let sent = self
            .replies
            .send(self.client, self.call, status, &mut reply);
        match sent {
            // Dropped, it is given back.
            Err(ReplyError::Refused(_)) => {}
            _ => self.lease.release(),
        }
        sent
    }
}

impl<R: Body + ?Sized> fmt::Debug for Responder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Responder");
        shown
            .field("call", &self.call)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// A reply without a body.
fn blank() -> Vec<u8> {
    vec![0; REPLY_HEADER]
}

fn text_reply(text: &str) -> Vec<u8> {
    let mut reply = blank();
    reply.extend_from_slice(text.as_bytes());
    reply
}
