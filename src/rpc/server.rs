//! Servers.

use std::any::Any;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::body::Body;
use super::error::{ReplyError, ServiceError};
use super::leftovers;
use super::replies::{NoLink, Replies};
use super::responder::{Request, Responder};
use super::service::Service;
use super::wire::{Head, REPLY_HEADER, Status};
use crate::channel::{Canceller, Lease, OwnedLease, Receiver};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::ring::kind::Mpmc;
use crate::sys::clock::MonotonicTime;
use crate::wait::WaitStrategy;

/// An idle server looks after what dead clients left when it has waited for so long, and then
/// after twice that, and so on.
const FIRST_CLEANING: Duration = Duration::from_millis(250);
const LAST_CLEANING: Duration = Duration::from_secs(8);
/// A server that has no descriptor for a client's ring of replies tries again after so long,
const PAUSE: Duration = Duration::from_millis(50);
/// and leaves the request to others after so long, if they may have it.
const PUT_OFF: Duration = Duration::from_secs(1);

/// A server of a [`Service`], attached: it gets requests, and answers them.
///
/// From [`Service::server`]. A service may have several, in one process and in many; each
/// request goes to one of them. A process with several threads attaches one for each.
pub struct Server<Q: Body + ?Sized, R: Body + ?Sized> {
    requests: Receiver<[u8], Mpmc>,
    put_off: Option<PutOff>,
    gate: Gate,
    marker: PhantomData<fn(&Q, &R)>,
}

/// What a server has done since it attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests that were handed out.
    pub handed_out: u64,
    /// Requests whose deadline had passed before.
    pub expired: u64,
    /// Requests that had been handed out as often as the policy allows.
    pub given_up: u64,
    /// Requests whose client had gone.
    pub orphaned: u64,
    /// Requests that were not what they should be.
    pub invalid: u64,
    /// Replies that did not go to their caller.
    pub unsent: u64,
}

/// What stands between the ring and the handlers: only what can be answered, and should be,
/// comes through.
struct Gate {
    replies: Arc<Replies>,
    max_attempts: u8,
    /// Of a request, and of a reply: used again.
    request: Vec<u8>,
    reply: Vec<u8>,
    cleaning: Duration,
    /// Since when there was no request, or since the last cleaning.
    idle_since: Option<Instant>,
    stats: ServerStats,
}

/// A request whose client cannot be answered now: this process has no descriptor left, or no
/// memory. It is in this server's hands until it has.
struct PutOff {
    lease: OwnedLease<[u8], Mpmc>,
    since: Instant,
}

/// A request, and the duty to answer it.
type Taken<Q, R> = (Request<Q>, Responder<R>);

/// What is to be done with a request.
enum Verdict<Q: Body + ?Sized> {
    HandOut(Admitted<Q>),
    /// It is done with.
    Over,
    /// Not now. Whether another server may have it.
    NotNow {
        may_go: bool,
    },
}

/// A request that came through.
struct Admitted<Q: Body + ?Sized> {
    request: Request<Q>,
    client: u128,
    call: u64,
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Service<Q, R> {
    /// Attaches a server that waits in the default way. Rings of replies that killed clients
    /// left are removed first.
    ///
    /// # Errors
    /// [`ServiceError::Attach`].
    pub fn server(&self) -> Result<Server<Q, R>, ServiceError> {
        self.server_with(WaitStrategy::default())
    }

    /// As [`Service::server`], with a strategy of waiting.
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
            put_off: None,
            gate: Gate {
                replies: Arc::new(replies),
                max_attempts: self.options.max_attempts,
                request: Vec::new(),
                reply: Vec::new(),
                cleaning: FIRST_CLEANING,
                idle_since: None,
                stats: ServerStats::default(),
            },
            marker: PhantomData,
        })
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Server<Q, R> {
    /// Answers requests, one after the other, by what `handler` returns, until the service is
    /// closed and drained, or this server is [cancelled](Server::canceller).
    ///
    /// A panic of `handler` is the caller's
    /// [`CallError::Panicked`](super::CallError::Panicked), and the server goes on. (What
    /// `handler` shares with others, it leaves as the panic left it.) A handler that may fail:
    /// [`Server::try_serve`].
    ///
    /// # Errors
    /// [`RecvError::Removed`]; [`RecvError::Failed`].
    pub fn serve(
        &mut self,
        mut handler: impl FnMut(Request<Q>) -> R::Taken,
    ) -> Result<(), RecvError> {
        self.try_serve(|request| Ok::<_, std::convert::Infallible>(handler(request)))
    }

    /// As [`Server::serve`], by a handler that may fail: its error's text is the caller's
    /// [`CallError::Failed`](super::CallError::Failed).
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
                Verdict::HandOut(admitted) => {
                    let (client, call) = (admitted.client, admitted.call);
                    let status = gate.answer::<Q, R, E>(&mut handler, admitted.request);
                    let sent = gate.replies.send(client, call, status, &mut gate.reply);
                    if let Err(ReplyError::Refused(_)) = sent {
                        lease.requeue(); // it has no answer
                        continue;
                    }
                }
                Verdict::Over => {}
                Verdict::NotNow { may_go } => {
                    *put_off = PutOff::of(lease, since, may_go);
                    continue;
                }
            }
            // Only now: should this process die before, another gets the request.
            lease.release();
        }
    }

    /// Gets a request, and the duty to answer it, waiting for one as long as it takes.
    ///
    /// Requests that are over by their deadline, or whose client has gone, are not handed out.
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

    /// Gets a request, if one is there now. A server of which only this is called never counts
    /// as idle, and leaves it to others to remove what killed clients left.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; [`TryRecvError::Held`]: a client is sending one; else as
    /// [`Server::recv`].
    pub fn try_recv(&mut self) -> Result<(Request<Q>, Responder<R>), TryRecvError> {
        loop {
            let (lease, since) = match self.put_off.take() {
                Some(PutOff { lease, since }) => (lease.back_to(&mut self.requests), Some(since)),
                None => (self.requests.try_lease()?, None),
            };
            match self.gate.take(lease, since) {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => {}
                Err(put_off) => {
                    self.put_off = put_off;
                    return Err(TryRecvError::Empty);
                }
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
                        self.put_off = put_off;
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

    /// Has calls of this server that wait end, from another thread: [`Server::serve`] returns
    /// `Ok`.
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

/// A request to look at, and since when it is put off: the one that is comes first.
fn next_lease<'r>(
    requests: &'r mut Receiver<[u8], Mpmc>,
    put_off: &mut Option<PutOff>,
    slice: Duration,
) -> Result<(Lease<'r, [u8], Mpmc>, Option<Instant>), RecvTimeoutError> {
    if put_off.is_some() {
        // Whoever has the descriptors of this process tells nobody when it lets go of one.
        std::thread::sleep(PAUSE.min(slice));
        if requests.canceller().is_cancelled() {
            return Err(RecvTimeoutError::Cancelled);
        }
    }
    match put_off.take() {
        Some(PutOff { lease, since }) => Ok((lease.back_to(requests), Some(since))),
        None => Ok((requests.lease_timeout(slice)?, None)),
    }
}

impl PutOff {
    /// `None`: it is given back instead, for another server.
    fn of(lease: Lease<'_, [u8], Mpmc>, since: Option<Instant>, may_go: bool) -> Option<PutOff> {
        let since = since.unwrap_or_else(Instant::now);
        // To give it back counts as an attempt.
        match may_go && since.elapsed() >= PUT_OFF {
            true => {
                lease.requeue();
                None
            }
            false => Some(PutOff {
                lease: lease.into_owned(),
                since,
            }),
        }
    }
}

impl Gate {
    /// No request came for `slice`. Many short waits are a long one.
    fn is_idle(&mut self, slice: Duration) {
        let now = Instant::now();
        let since = *self
            .idle_since
            .get_or_insert_with(|| now.checked_sub(slice).unwrap_or(now));
        if now.duration_since(since) >= self.cleaning {
            self.replies.clean_up();
            self.cleaning = LAST_CLEANING.min(2 * self.cleaning);
            self.idle_since = Some(now);
        }
    }

    /// What is to be done with the request that was leased.
    fn admit<Q: Body + ?Sized>(&mut self, lease: &Lease<'_, [u8], Mpmc>) -> Verdict<Q> {
        self.cleaning = FIRST_CLEANING;
        self.idle_since = None;
        // A copy, once: the client may be hostile.
        lease.read_into(&mut self.request);
        let Some((head, body)) = Head::read(&self.request) else {
            self.stats.invalid += 1;
            return Verdict::Over;
        };
        let attempt = lease.redeliveries().saturating_add(1);
        let now = || MonotonicTime::now().as_nanos();
        let refusal = if head.deadline.is_some_and(|deadline| deadline <= now()) {
            self.stats.expired += 1;
            (Status::Expired, String::new())
        } else if let Err(no_link) = self.replies.reach(head.client) {
            if let NoLink::Refused(_) = no_link {
                let may_go = attempt < self.max_attempts;
                return Verdict::NotNow { may_go };
            }
            self.stats.orphaned += 1;
            return Verdict::Over;
        } else if attempt > self.max_attempts {
            self.stats.given_up += 1;
            (Status::ServerDied, String::new())
        } else {
            // Code of the user's: `Deserialize`. It gets the bytes, and nothing to leave halfway.
            match catch_unwind(AssertUnwindSafe(|| Q::take(body))).unwrap_or_else(panicked) {
                Ok(body) => {
                    self.stats.handed_out += 1;
                    let request = Request { body, attempt };
                    let Head { client, call, .. } = head;
                    return Verdict::HandOut(Admitted {
                        request,
                        client,
                        call,
                    });
                }
                Err(text) => {
                    self.stats.invalid += 1;
                    let text = format!("the server cannot decode the request: {text}");
                    (Status::Invalid, text)
                }
            }
        };
        let (status, text) = refusal;
        self.write_text(&text);
        let _ = self
            .replies
            .send(head.client, head.call, status, &mut self.reply);
        Verdict::Over
    }

    /// As [`Gate::admit`], for an answer later. `None`: the request is done with. The error is
    /// what is put off.
    fn take<Q: Body + ?Sized, R: Body + ?Sized>(
        &mut self,
        lease: Lease<'_, [u8], Mpmc>,
        since: Option<Instant>,
    ) -> Result<Option<Taken<Q, R>>, Option<PutOff>> {
        let admitted = match self.admit::<Q>(&lease) {
            Verdict::HandOut(admitted) => admitted,
            Verdict::Over => {
                lease.release();
                return Ok(None);
            }
            Verdict::NotNow { may_go } => return Err(PutOff::of(lease, since, may_go)),
        };
        let responder = Responder {
            lease: lease.into_owned(),
            replies: Arc::clone(&self.replies),
            client: admitted.client,
            call: admitted.call,
            attempt: admitted.request.attempt,
            marker: PhantomData,
        };
        Ok(Some((admitted.request, responder)))
    }

    /// Has the handler answer, and makes the reply of that.
    fn answer<Q: Body + ?Sized, R: Body + ?Sized, E: Display>(
        &mut self,
        handler: &mut impl FnMut(Request<Q>) -> Result<R::Taken, E>,
        request: Request<Q>,
    ) -> Status {
        self.write_text("");
        let reply = &mut self.reply;
        // What the closure changes is the reply, which is written again below, and what the
        // handler has, as `serve` says.
        let answered = catch_unwind(AssertUnwindSafe(|| match handler(request) {
            Ok(response) => R::put_taken(&response, reply).map_err(|text| {
                (
                    Status::Invalid,
                    format!("the response cannot be encoded: {text}"),
                )
            }),
            Err(error) => Err((Status::Failed, error.to_string())),
        }));
        let (status, text) = match answered {
            Ok(Ok(())) => return Status::Done,
            Ok(Err(failed)) => failed,
            Err(panic) => (Status::Panicked, message_of(panic)),
        };
        self.write_text(&text);
        status
    }

    fn write_text(&mut self, text: &str) {
        self.reply.clear();
        self.reply.resize(REPLY_HEADER, 0);
        self.reply.extend_from_slice(text.as_bytes());
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

fn panicked<T>(panic: Box<dyn Any + Send>) -> Result<T, String> {
    Err(format!("a panic: {}", message_of(panic)))
}

/// The message of a panic, which may be anything. To drop it may panic: it is leaked then.
fn message_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => text,
        None => {
            std::mem::forget(panic);
            "a panic without a message".into()
        }
    }
}
