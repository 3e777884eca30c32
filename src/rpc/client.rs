//! Clients.

use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::Body;
use super::calls::Calls;
use super::ends::Ends;
use super::error::{CallError, ServiceError};
use super::leftovers;
use super::pending::PendingCall;
use super::service::Service;
use super::wire::{Head, REPLY_HEADER, REQUEST_HEADER, in_lines_of_its_own};
use crate::channel::{Ring, Sender};
use crate::error::{RingError, SendError, SendTimeoutError};
use crate::ring::kind::{Mpmc, Mpsc};
use crate::sys::clock::MonotonicTime;
use crate::wait::WaitStrategy;

/// Bytes of a text that a reply has room for in any case.
const TEXT: usize = 224;
/// Names that are tried for a ring of replies.
const TRIES: usize = 8;

/// A client of a [`Service`], attached: it makes calls.
///
/// From [`Service::client`]. Clones, for other threads and tasks, share its ring of replies and
/// its window; the ring is removed with the last of the clones and of their pending calls.
///
/// ```
/// use memring::WaitStrategy;
/// use memring::rpc::{CallError, Service};
/// use std::time::{Duration, Instant};
///
/// # let name = &format!("doc-client-{}", std::process::id());
/// let service = Service::<u64, u64>::open_or_create(name)?;
/// let mut client = service.client()?;
/// let mut other = service.client_with(WaitStrategy::Park)?;
/// let late = client.call_timeout(1, Duration::from_millis(1)); // there is no server yet
/// assert_eq!(late, Err(CallError::Timeout));
/// let mut server = service.server()?;
/// let worker = std::thread::spawn(move || server.serve(|number| *number + 1));
/// assert_eq!((client.call(2)?, other.call(2)?), (3, 3));
/// let soon = Instant::now() + Duration::from_secs(60);
/// assert_eq!(client.call_deadline(3, soon)?, 4);
/// assert_eq!(client.submit_deadline(4, soon)?.wait()?, 5);
/// service.close()?;
/// assert_eq!(client.call(5), Err(CallError::Closed));
/// # worker.join().unwrap()?;
/// # memring::rpc::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client<Q: Body + ?Sized, R: Body + ?Sized> {
    requests: Sender<[u8], Mpmc>,
    calls: Arc<Calls>,
    /// Used again.
    request: Vec<u8>,
    marker: PhantomData<fn(&Q, &R)>,
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Service<Q, R> {
    /// Attaches a client that waits in the default way. Rings of replies that killed clients
    /// left are removed first.
    ///
    /// Example: [`Client`].
    ///
    /// # Errors
    /// [`ServiceError::Ring`], [`ServiceError::Attach`].
    pub fn client(&self) -> Result<Client<Q, R>, ServiceError> {
        self.client_with(WaitStrategy::default())
    }

    /// As [`Service::client`], with a wait strategy.
    ///
    /// Example: [`Client`].
    ///
    /// # Errors
    /// As [`Service::client`].
    pub fn client_with(&self, strategy: WaitStrategy) -> Result<Client<Q, R>, ServiceError> {
        leftovers::remove_all(&self.at);
        let (client, ring) = self.reply_ring()?;
        let replies = ring.receiver_with(strategy)?;
        // Others can attach, or be told of it, only from here on.
        let requests = self.requests.sender_with(strategy)?;
        let servers = requests.clone();
        let ends = Ends::new(replies, servers);
        let calls = Calls::new(ends, self.options.window, Arc::clone(&self.at), client);
        Ok(Client {
            requests,
            calls,
            request: Vec::new(),
            marker: PhantomData,
        })
    }

    fn reply_ring(&self) -> Result<(u128, Ring<[u8], Mpsc>), ServiceError> {
        let limit = self.options.response_limit.max(TEXT);
        let limit = limit.saturating_add(REPLY_HEADER);
        let limit = match R::SIZE {
            Some(_) => in_lines_of_its_own(limit),
            None => limit, // what the user has said
        };
        let mut tries = 0;
        loop {
            let client = random_id();
            let name = leftovers::reply_name(&self.at, client);
            let made = Ring::builder()
                .schema(self.options.reply_schema)
                .capacity(2 * self.options.window)
                .message_limit(limit)
                .wait_through_disconnect(true)
                .create(self.at.path.with_file_name(name));
            tries += 1;
            match made {
                Err(RingError::AlreadyExists { .. }) if tries < TRIES => {}
                made => return Ok((client, made?)),
            }
        }
    }
}

/// A number that no other client has: of the system's randomness, and, for forked processes
/// that share that, of process and time.
fn random_id() -> u128 {
    let half = |half: u8| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u8(half);
        hasher.write_u32(std::process::id());
        hasher.write_u64(MonotonicTime::now().as_nanos());
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(1))
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Client<Q, R> {
    /// Makes a call, and waits for the response as long as it takes, or until no server is left.
    ///
    /// As long as this client has seen no server since it connected, it waits for one.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(&mut self, request: Q::Given<'_>) -> Result<R::Taken, CallError> {
        self.submit_until(request, None)?.wait()
    }

    /// As [`Client::call`], for at most `timeout`. The deadline travels with the call: when it
    /// has passed, no server is given the call any more.
    ///
    /// # Errors
    /// [`CallError::Timeout`] if there is no response by the deadline; else [`CallError`].
    pub fn call_timeout(
        &mut self,
        request: Q::Given<'_>,
        timeout: Duration,
    ) -> Result<R::Taken, CallError> {
        self.submit_until(request, Instant::now().checked_add(timeout))?
            .wait()
    }

    /// As [`Client::call_timeout`], until `deadline`.
    ///
    /// # Errors
    /// As [`Client::call_timeout`].
    pub fn call_deadline(
        &mut self,
        request: Q::Given<'_>,
        deadline: Instant,
    ) -> Result<R::Taken, CallError> {
        self.submit_until(request, Some(deadline))?.wait()
    }

    /// Sends the request, and leaves the response for later. Many calls may be under way, up to
    /// the client's [window](super::ServiceBuilder::window). Waits for a place in the window, and
    /// for room among the service's requests.
    ///
    /// # Errors
    /// As [`Client::call`]. After an error, nothing was sent.
    ///
    /// ```
    /// use memring::rpc::Service;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-submit-{}", std::process::id());
    /// let service = Service::<u64, u64>::open_or_create(name)?;
    /// let mut server = service.server()?;
    /// let worker = std::thread::spawn(move || server.serve(|number| *number + 1));
    /// let mut client = service.client()?;
    /// let calls: Vec<_> = (0..10).map(|number| client.submit(number)).collect::<Result<_, _>>()?;
    /// for (number, call) in calls.into_iter().enumerate() {
    ///     assert_eq!(call.wait()?, number as u64 + 1);
    /// }
    /// # service.close()?;
    /// # worker.join().unwrap()?;
    /// # memring::rpc::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&mut self, request: Q::Given<'_>) -> Result<PendingCall<R>, CallError> {
        self.submit_until(request, None)
    }

    /// As [`Client::submit`], with a deadline, which travels with the call.
    ///
    /// # Errors
    /// [`CallError::Timeout`] if there was no room until then; else as [`Client::submit`].
    pub fn submit_deadline(
        &mut self,
        request: Q::Given<'_>,
        deadline: Instant,
    ) -> Result<PendingCall<R>, CallError> {
        self.submit_until(request, Some(deadline))
    }

    fn submit_until(
        &mut self,
        request: Q::Given<'_>,
        until: Option<Instant>,
    ) -> Result<PendingCall<R>, CallError> {
        self.encode(request)?;
        let call = self.calls.begin(until)?;
        let mut pending = PendingCall::new(&self.calls, call, until);
        self.address(call, until);
        let sent = match until {
            None => self.requests.send(&self.request).map_err(not_sent),
            Some(until) => self
                .requests
                .send_deadline(&self.request, until)
                .map_err(not_sent_in_time),
        };
        sent?;
        pending.was_sent = true;
        Ok(pending)
    }

    /// As [`Client::call`], as a future. It needs no runtime, and works in any.
    ///
    /// If the future is dropped before it is ready, it cancels the call, as [`PendingCall`] does.
    ///
    /// # Errors
    /// As [`Client::call`].
    ///
    /// ```
    /// # use memring::rpc::Service;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-call-async-{}", std::process::id());
    /// let service = Service::<u64, u64>::open_or_create(name)?;
    /// # let mut server = service.server()?;
    /// # let worker = std::thread::spawn(move || server.serve(|number| *number + 1));
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut client = service.client()?;
    /// let mut other = client.clone();
    /// let task = tokio::spawn(async move { other.call_async(1).await });
    /// assert_eq!(client.call_async(2).await?, 3);
    /// assert_eq!(task.await?, Ok(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # service.close()?;
    /// # worker.join().unwrap()?;
    /// # memring::rpc::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_async<'c>(
        &'c mut self,
        request: Q::Given<'_>,
    ) -> impl Future<Output = Result<R::Taken, CallError>> + Send + use<'c, Q, R> {
        self.call_async_until(request, None)
    }

    /// As [`Client::call_async`], with a deadline, which travels with the call: when it has
    /// passed, no server is given the call any more. The future has no timer, so the runtime's
    /// own ends the wait.
    ///
    /// # Errors
    /// As [`Client::call_timeout`].
    ///
    /// ```
    /// # use memring::rpc::Service;
    /// # use std::time::{Duration, Instant};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-call-deadline-async-{}", std::process::id());
    /// let service = Service::<u64, u64>::open_or_create(name)?;
    /// # let mut server = service.server()?;
    /// # let worker = std::thread::spawn(move || server.serve(|number| *number + 1));
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// let mut client = service.client()?;
    /// let time = Duration::from_secs(60);
    /// let call = client.call_deadline_async(1, Instant::now() + time);
    /// assert_eq!(tokio::time::timeout(time, call).await?, Ok(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # service.close()?;
    /// # worker.join().unwrap()?;
    /// # memring::rpc::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_deadline_async<'c>(
        &'c mut self,
        request: Q::Given<'_>,
        deadline: Instant,
    ) -> impl Future<Output = Result<R::Taken, CallError>> + Send + use<'c, Q, R> {
        self.call_async_until(request, Some(deadline))
    }

    fn call_async_until<'c>(
        &'c mut self,
        request: Q::Given<'_>,
        until: Option<Instant>,
    ) -> impl Future<Output = Result<R::Taken, CallError>> + Send + use<'c, Q, R> {
        let encoded = self.encode(request);
        async move {
            encoded?;
            let call = {
                let place = WindowPlace::new(&self.calls);
                poll_fn(|context| self.calls.poll_begin(place.ticket, context)).await?
            };
            let mut pending = PendingCall::<R>::new(&self.calls, call, until);
            self.address(call, until);
            let sent = self.requests.send_async(&self.request).await;
            sent.map_err(not_sent)?;
            pending.was_sent = true;
            pending.await
        }
    }

    /// The request, with room for its header.
    fn encode(&mut self, request: Q::Given<'_>) -> Result<(), CallError> {
        self.request.clear();
        self.request.resize(REQUEST_HEADER, 0);
        Q::put(&request, &mut self.request)
            .map_err(|text| CallError::Invalid(format!("the request cannot be encoded: {text}")))?;
        let limit = self
            .requests
            .ring()
            .message_size()
            .saturating_sub(REQUEST_HEADER);
        let length = self.request.len().saturating_sub(REQUEST_HEADER);
        match length <= limit {
            true => Ok(()),
            false => Err(CallError::Invalid(format!(
                "the request has {length} bytes, and the service takes {limit}: make it with a \
                 larger `request_limit`"
            ))),
        }
    }

    /// Writes the header of the request.
    fn address(&mut self, call: u64, until: Option<Instant>) {
        let head = Head {
            client: self.calls.client,
            call,
            deadline: until.map(|until| MonotonicTime::from_instant(until).as_nanos()),
        };
        head.write(&mut self.request);
    }
}

/// A task's wait for a place in the window.
struct WindowPlace<'c> {
    calls: &'c Calls,
    ticket: u64,
}

impl<'c> WindowPlace<'c> {
    fn new(calls: &'c Calls) -> WindowPlace<'c> {
        WindowPlace {
            calls,
            ticket: calls.ticket(),
        }
    }
}

impl Drop for WindowPlace<'_> {
    fn drop(&mut self) {
        self.calls.forget_task(self.ticket);
    }
}

fn not_sent(error: SendError<()>) -> CallError {
    match error {
        SendError::Closed(()) => CallError::Closed,
        SendError::Disconnected(()) => CallError::Disconnected,
        SendError::Removed(()) => CallError::Removed,
        SendError::Cancelled(()) => CallError::Timeout,
        SendError::Failed((), failure) => CallError::Unusable(failure),
    }
}

fn not_sent_in_time(error: SendTimeoutError<()>) -> CallError {
    match error {
        SendTimeoutError::Timeout((), _) | SendTimeoutError::InHand((), _) => CallError::Timeout,
        SendTimeoutError::Closed(()) => CallError::Closed,
        SendTimeoutError::Disconnected(()) => CallError::Disconnected,
        SendTimeoutError::Removed(()) => CallError::Removed,
        SendTimeoutError::Cancelled(()) => CallError::Timeout,
        SendTimeoutError::Failed((), failure) => CallError::Unusable(failure),
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Clone for Client<Q, R> {
    fn clone(&self) -> Self {
        Client {
            requests: self.requests.clone(),
            calls: Arc::clone(&self.calls),
            request: Vec::new(),
            marker: PhantomData,
        }
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> fmt::Debug for Client<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Client");
        shown
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}
