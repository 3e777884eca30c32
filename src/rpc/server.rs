//! Servers.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::body::Body;
use super::error::{ReplyError, ServiceError};
use super::gate::{Admission, Gate, ServerStats};
use super::leftovers;
use super::put_off::{PutOff, PutOffs, next_lease};
use super::replies::Replies;
use super::responder::{Request, Responder};
use super::service::Service;
use crate::channel::{Canceller, Receiver};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::ring::kind::Mpmc;
use crate::wait::WaitStrategy;

/// A server of a [`Service`], attached: it gets requests, and answers them.
///
/// From [`Service::server`]. A service may have several, in one process and in many; each
/// request goes to one of them. A process with several threads attaches one for each.
///
/// ```
/// use memring::WaitStrategy;
/// use memring::rpc::Service;
/// use std::time::{Duration, Instant};
///
/// # let name = &format!("doc-server-{}", std::process::id());
/// let service = Service::<u64, u64>::open_or_create(name)?;
/// let (mut server, spare) = (service.server_with(WaitStrategy::Park)?, service.server()?);
/// assert!(server.try_recv().is_err_and(|error| error.is_empty()));
/// assert!(server.recv_timeout(Duration::from_millis(1)).is_err_and(|error| error.is_timeout()));
/// assert!(server.recv_deadline(Instant::now()).is_err_and(|error| error.is_timeout()));
///
/// # drop(spare);
/// let canceller = server.canceller();
/// let worker = std::thread::spawn(move || {
///     server.serve(|number| *number + 1)?;
///     Ok::<_, memring::RecvError>(server.stats())
/// });
/// assert_eq!(service.client()?.call(1)?, 2);
/// canceller.cancel(); // ends `serve`
/// assert_eq!(worker.join().unwrap()?.handed_out, 1);
/// # memring::rpc::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server<Q: Body + ?Sized, R: Body + ?Sized> {
    requests: Receiver<[u8], Mpmc>,
    put_off: PutOffs,
    gate: Gate,
    marker: PhantomData<fn(&Q, &R)>,
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Service<Q, R> {
    /// Attaches a server that waits in the default way. Rings of replies that killed clients
    /// left are removed first.
    ///
    /// Example: [`Server`].
    ///
    /// # Errors
    /// [`ServiceError::Attach`].
    pub fn server(&self) -> Result<Server<Q, R>, ServiceError> {
        self.server_with(WaitStrategy::default())
    }

    /// As [`Service::server`], with a wait strategy.
    ///
    /// Example: [`Server`].
    ///
    /// # Errors
    /// [`ServiceError::Attach`].
    pub fn server_with(&self, strategy: WaitStrategy) -> Result<Server<Q, R>, ServiceError> {
        leftovers::remove_all(&self.at);
        // Other clients may come when all have gone.
        let requests = self.requests.waiting_through();
        let replies = Replies::new(Arc::clone(&self.at), self.options.reply_schema);
        Ok(Server {
            requests: requests.receiver_with(strategy)?,
            put_off: PutOffs::default(),
            gate: Gate::new(replies, self.options.max_attempts),
            marker: PhantomData,
        })
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Server<Q, R> {
    /// Answers requests, one after the other, by what `handler` returns, until the service is
    /// closed and drained, or this server is [cancelled](Server::canceller).
    ///
    /// If `handler` panics, the caller gets [`CallError::Panicked`](super::CallError::Panicked),
    /// and the server goes on. (State that `handler` shares stays as the panic left it.) For a
    /// handler that may fail, use [`Server::try_serve`].
    ///
    /// # Errors
    /// [`RecvError::Removed`]; [`RecvError::Failed`].
    pub fn serve(
        &mut self,
        mut handler: impl FnMut(Request<Q>) -> R::Taken,
    ) -> Result<(), RecvError> {
        self.try_serve(|request| Ok::<_, std::convert::Infallible>(handler(request)))
    }

    /// As [`Server::serve`], with a handler that may fail. The caller then gets
    /// [`CallError::Failed`](super::CallError::Failed) with the error's text.
    ///
    /// # Errors
    /// As [`Server::serve`].
    ///
    /// ```
    /// use memring::rpc::{CallError, Service};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-serve-{}", std::process::id());
    /// let service = Service::<[u8], u64>::open_or_create(name)?;
    /// let mut server = service.server()?;
    /// let worker = std::thread::spawn(move || {
    ///     server.try_serve(|text| String::from_utf8_lossy(&text).parse::<u64>())
    /// });
    /// let mut client = service.client()?;
    /// assert_eq!(client.call(b"17"), Ok(17));
    /// assert!(matches!(client.call(b"x"), Err(CallError::Failed(text)) if text.contains("digit")));
    /// # service.close()?;
    /// # worker.join().unwrap()?;
    /// # memring::rpc::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_serve<E: Display>(
        &mut self,
        mut handler: impl FnMut(Request<Q>) -> Result<R::Taken, E>,
    ) -> Result<(), RecvError> {
        let Server {
            requests,
            put_off,
            gate,
            ..
        } = self;
        loop {
            let slice = gate.cleaning;
            let (lease, since) = match next_lease(requests, put_off, slice) {
                Ok(leased) => leased,
                Err(RecvTimeoutError::Closed | RecvTimeoutError::Cancelled) => return Ok(()),
                Err(error) => match ended(error) {
                    Some(error) => return Err(error),
                    None => {
                        gate.is_idle(slice);
                        continue;
                    }
                },
            };
            match gate.admit::<Q>(&lease) {
                Admission::HandOut(admitted) => {
                    let (client, call) = (admitted.client, admitted.call);
                    let status = gate.answer::<Q, R, E>(&mut handler, admitted.request);
                    let sent = gate.replies.send(client, call, status, &mut gate.reply);
                    if let Err(ReplyError::Refused(_)) = sent {
                        lease.requeue(); // it has no answer
                        continue;
                    }
                }
                Admission::Over => {}
                Admission::NotNow { may_go } => {
                    put_off.keep(PutOff::of(lease, since, may_go));
                    continue;
                }
            }
            // Only now: should this process die before, another gets the request.
            lease.release();
        }
    }

    /// Returns a request, and the [`Responder`] that answers it, waiting for a request as long as
    /// it takes.
    ///
    /// Requests whose deadline has passed, or whose client has been dropped or has died, are not
    /// returned.
    ///
    /// # Errors
    /// [`RecvError::Closed`] if the service is closed and drained; [`RecvError::Removed`];
    /// [`RecvError::Cancelled`]; [`RecvError::Failed`].
    ///
    /// ```
    /// use memring::rpc::Service;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-recv-{}", std::process::id());
    /// let service = Service::<u64, u64>::open_or_create(name)?;
    /// let (mut server, mut client) = (service.server()?, service.client()?);
    /// let (first, second) = (client.submit(1)?, client.submit(2)?);
    /// let (one, reply_to_one) = server.recv()?;
    /// let (two, reply_to_two) = server.recv()?;
    /// reply_to_two.reply(*two * 10)?; // in any order
    /// reply_to_one.reply(*one * 10)?;
    /// assert_eq!((first.wait()?, second.wait()?), (10, 20));
    /// # memring::rpc::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&mut self) -> Result<(Request<Q>, Responder<R>), RecvError> {
        self.next(None).map_err(|error| match error {
            RecvTimeoutError::Closed => RecvError::Closed,
            RecvTimeoutError::Cancelled => RecvError::Cancelled,
            // Without a deadline there is no timeout.
            error => ended(error).unwrap_or(RecvError::Disconnected),
        })
    }

    /// As [`Server::recv`], for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`]; else as [`Server::recv`].
    pub fn recv_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<(Request<Q>, Responder<R>), RecvTimeoutError> {
        self.next(Instant::now().checked_add(timeout))
    }

    /// As [`Server::recv`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Server::recv_timeout`].
    pub fn recv_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<(Request<Q>, Responder<R>), RecvTimeoutError> {
        self.next(Some(deadline))
    }

    /// Returns a request, if one is there now. A server on which only this is called never counts
    /// as idle, so it does not remove the rings that killed clients left.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; [`TryRecvError::Held`]: a client is still sending one; else as
    /// [`Server::recv`].
    pub fn try_recv(&mut self) -> Result<(Request<Q>, Responder<R>), TryRecvError> {
        loop {
            let (lease, since) = match self.put_off.due() {
                Some(kept) => kept.back_to(&mut self.requests),
                None if self.put_off.is_full() => return Err(TryRecvError::Empty),
                None => match self.requests.try_lease() {
                    Ok(lease) => (lease, None),
                    // There are those still that are put off.
                    Err(
                        TryRecvError::Closed | TryRecvError::Removed | TryRecvError::Disconnected,
                    ) if !self.put_off.is_empty() => return Err(TryRecvError::Empty),
                    Err(error) => return Err(error),
                },
            };
            match self.gate.take(lease, since) {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => {}
                Err(put_off) => self.put_off.keep(put_off),
            }
        }
    }

    fn next(
        &mut self,
        until: Option<Instant>,
    ) -> Result<(Request<Q>, Responder<R>), RecvTimeoutError> {
        loop {
            let mut slice = self.gate.cleaning;
            if let Some(until) = until {
                slice = slice.min(until.saturating_duration_since(Instant::now()));
            }
            let is_late = || until.is_some_and(|until| until <= Instant::now());
            match next_lease(&mut self.requests, &mut self.put_off, slice) {
                Ok((lease, since)) => match self.gate.take(lease, since) {
                    Ok(Some(taken)) => return Ok(taken),
                    Ok(None) => {}
                    Err(put_off) => {
                        self.put_off.keep(put_off);
                        if is_late() {
                            return Err(RecvTimeoutError::Timeout(None));
                        }
                    }
                },
                Err(timeout @ RecvTimeoutError::Timeout(_)) => {
                    self.gate.is_idle(slice);
                    if is_late() {
                        return Err(timeout);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns a canceller, which ends this server's waiting calls from another thread:
    /// [`Server::serve`] then returns `Ok`.
    pub fn canceller(&self) -> Canceller {
        self.requests.canceller()
    }

    /// What this server has done since it attached.
    pub fn stats(&self) -> ServerStats {
        ServerStats {
            unsent: self.gate.replies.unsent.load(Ordering::Relaxed),
            ..self.gate.stats
        }
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> fmt::Debug for Server<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown
            .field("requests", &self.requests)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Why a server ends; `None`: it does not.
fn ended(error: RecvTimeoutError) -> Option<RecvError> {
    match error {
        RecvTimeoutError::Timeout(_) => None,
        RecvTimeoutError::Closed => Some(RecvError::Closed),
        RecvTimeoutError::Disconnected => Some(RecvError::Disconnected),
        RecvTimeoutError::Removed => Some(RecvError::Removed),
        RecvTimeoutError::Cancelled => Some(RecvError::Cancelled),
        RecvTimeoutError::Failed(failure) => Some(RecvError::Failed(failure)),
    }
}
