//! A service: its ring of requests, and what is fixed of it.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::body::Body;
use super::error::ServiceError;
use super::leftovers;
use super::marks::{REPLIES, REQUESTS, marked};
use super::wire::{FORMAT, REQUEST_HEADER, in_lines_of_its_own};
use crate::channel::{Ring, RingBuilder, Segment};
use crate::error::{Failure, RingError};
use crate::message::schema::fingerprint;
use crate::ring::kind::Mpmc;
use crate::shm::RegionPath;
use crate::shm::remove::Removal;
use crate::sys::handle::AsFd;

/// Bytes of a response, calls under way of one client, and attempts at a call, where nothing
/// else was asked for. (The ring of requests has the defaults of rings: 1024 messages of 1024
/// bytes.)
const RESPONSE_LIMIT: usize = 1024;
const WINDOW: usize = 64;
const ATTEMPTS: u8 = 4;

/// The most calls that one client may have under way.
const MAX_WINDOW: usize = 1 << 16;

/// A message of a ring is delivered at most 15 times. So many deliveries are beyond the
/// attempts of a call, for servers that only have to answer that it is over: the caller never
/// knows only if servers die in that as often.
const SPARE_DELIVERIES: u8 = 7;
const MAX_ATTEMPTS: u8 = 15 - SPARE_DELIVERIES;

/// What happens to a call whose server dies while it holds the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnServerDeath {
    /// Another server gets the call, and [`Request::attempt`](super::Request::attempt) is higher:
    /// for services whose calls may be carried out twice.
    #[default]
    Redeliver,
    /// The caller gets [`CallError::ServerDied`](super::CallError::ServerDied), from the next
    /// server that takes a request.
    Fail,
}

/// A service, open in this process: clients and servers come from it.
///
/// `Q` is the request, `R` the response: see [`Body`]. Cloning it is cheap. The service
/// stays, with the requests in it, until it is [removed](remove).
pub struct Service<Q: Body + ?Sized, R: Body + ?Sized> {
    pub(super) requests: Ring<[u8], Mpmc>,
    pub(super) at: Arc<RegionPath>,
    pub(super) options: ServiceOptions,
    marker: PhantomData<fn(&Q, &R)>,
}

/// What users of a service need to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServiceOptions {
    /// The tag of rings of replies.
    pub reply_schema: u64,
    /// Bytes of a response that clients of this handle take.
    pub response_limit: usize,
    /// Calls under way of each client of this handle.
    pub window: usize,
    /// How often a call is handed out.
    pub max_attempts: u8,
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Service<Q, R> {
    /// Starts a builder, which has all the options.
    ///
    /// Example: [`ServiceBuilder`].
    pub fn builder() -> ServiceBuilder<Q, R> {
        ServiceBuilder {
            request_limit: None,
            response_limit: RESPONSE_LIMIT,
            queue: None,
            window: WINDOW,
            on_server_death: OnServerDeath::default(),
            max_attempts: ATTEMPTS,
            schema: 0,
            marker: PhantomData,
        }
    }

    /// Opens the service, or makes it if there is none: see [`Ring::open_or_create`], also for
    /// valid names. A name may have at most 216 bytes, so that the names of the rings of replies
    /// fit.
    ///
    /// # Errors
    /// [`ServiceError::Ring`]; [`ServiceError::InvalidOption`].
    pub fn open_or_create(name: impl AsRef<Path>) -> Result<Self, ServiceError> {
        Self::builder().open_or_create(name)
    }

    /// Opens a service that exists.
    ///
    /// Example: [`ServiceBuilder`].
    ///
    /// # Errors
    /// [`ServiceError::Ring`] with [`RingError::NotFound`], or
    /// [`RingError::Mismatch`] if it has other requests or
    /// responses, or another tag.
    pub fn open(name: impl AsRef<Path>) -> Result<Self, ServiceError> {
        Self::builder().open(name)
    }

    /// Closes the service for good: calls fail with
    /// [`CallError::Closed`](super::CallError::Closed), and servers end when they have answered
    /// the calls that were made before. Takes 10 to 30 milliseconds.
    ///
    /// Example: [`ServiceBuilder`].
    ///
    /// # Errors
    /// As [`Ring::close`].
    pub fn close(&self) -> Result<(), Failure> {
        self.requests.close()
    }

    /// Returns the path of the service.
    ///
    /// Example: [`ServiceBuilder`].
    pub fn path(&self) -> &Path {
        &self.at.path
    }

    /// The most bytes of a request.
    ///
    /// Example: [`ServiceBuilder`].
    pub fn request_limit(&self) -> usize {
        self.requests.message_size().saturating_sub(REQUEST_HEADER)
    }

    /// How often a call is given to a server, the first time included, as the maker of the
    /// service fixed it: 1 is [`OnServerDeath::Fail`].
    ///
    /// ```
    /// use memring::rpc::{OnServerDeath, Service};
    ///
    /// # let name = &format!("doc-rpc-once-{}", std::process::id());
    /// let once = Service::<u64, u64>::builder().on_server_death(OnServerDeath::Fail);
    /// let service = once.create(name)?;
    /// assert_eq!(service.max_attempts(), 1);
    /// // One that opens it has what its maker chose.
    /// let opened = Service::<u64, u64>::builder().max_attempts(3).open(name)?;
    /// assert_eq!(opened.max_attempts(), 1);
    /// # memring::rpc::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_attempts(&self) -> u8 {
        self.options.max_attempts
    }

    /// Requests that no server has taken, roughly.
    ///
    /// Example: [`ServiceBuilder`].
    pub fn queued(&self) -> usize {
        self.requests.len()
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> Clone for Service<Q, R> {
    fn clone(&self) -> Self {
        Service {
            requests: self.requests.clone(),
            at: Arc::clone(&self.at),
            options: self.options,
            marker: PhantomData,
        }
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> std::fmt::Debug for Service<Q, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("path", &self.at.path)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Removes a service: its name is free again, and its clients and servers get `Removed`. See
/// [`remove`](crate::remove()). Rings of replies that killed clients left are removed with it.
///
/// # Errors
/// As [`remove`](crate::remove()).
pub fn remove(name: impl AsRef<Path>) -> Result<(), RingError> {
    let at = RegionPath::existing(name.as_ref())?;
    let removed = Removal::begin(&at)?.unlink()?;
    Segment::tell_removed(removed.as_fd());
    leftovers::remove_all(&at);
    Ok(())
}

/// Options of a service, from [`Service::builder`].
///
/// The maker of a service fixes its queue, request limit, policy and attempts: `open` ignores
/// these options. (`open_or_create` requires queue and request limit to match, if they were set.)
/// The tag must be that of the maker. Response limit and window apply to the clients of this
/// handle.
///
/// ```
/// use memring::rpc::{OnServerDeath, Service};
///
/// # let name = &format!("doc-service-{}", std::process::id());
/// let options = || Service::<[u8], [u8]>::builder()
///     .request_limit(4000)
///     .response_limit(100)
///     .queue(64)
///     .window(16)
///     .on_server_death(OnServerDeath::Redeliver)
///     .max_attempts(3)
///     .schema(2);
/// let service = options().create(name)?;
/// let same = options().open_or_create(name)?;
/// assert_eq!((same.request_limit(), same.max_attempts()), (4000, 3));
/// assert!(same.path().ends_with(name));
/// assert!(Service::<[u8], [u8]>::open(name).is_err()); // without the tag
///
/// let mut client = options().open(name)?.client()?;
/// let call = client.submit(b"a request")?;
/// assert_eq!(service.queued(), 1); // no server has taken it
/// service.close()?;
/// # drop(call);
/// memring::rpc::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it creates or opens"]
pub struct ServiceBuilder<Q: Body + ?Sized, R: Body + ?Sized> {
    request_limit: Option<usize>,
    response_limit: usize,
    queue: Option<usize>,
    window: usize,
    on_server_death: OnServerDeath,
    max_attempts: u8,
    schema: u64,
    marker: PhantomData<fn(&Q, &R)>,
}

impl<Q: Body + ?Sized, R: Body + ?Sized> ServiceBuilder<Q, R> {
    /// The most bytes of a request, for types of varying length. Default 984, which makes 1024
    /// with its header.
    pub fn request_limit(mut self, bytes: usize) -> Self {
        self.request_limit = Some(bytes);
        self
    }

    /// The most bytes of a response that the clients of this handle take, for types of varying
    /// length. Default 1024.
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.response_limit = bytes;
        self
    }

    /// The most requests that wait or that servers hold, rounded up to a power of two. Default
    /// 1024.
    ///
    /// A request keeps its place until it is answered, and places are used in turn. So a call
    /// that takes long, or whose server is stopped, delays the others when that many have come
    /// after it.
    pub fn queue(mut self, requests: usize) -> Self {
        self.queue = Some(requests);
        self
    }

    /// The most calls that a client of this handle has under way; 1 to 65536. Default 64. Its
    /// ring of replies has twice as many places.
    pub fn window(mut self, calls: usize) -> Self {
        self.window = calls;
        self
    }

    /// What happens to a call whose server dies while it holds the call. Default
    /// [`OnServerDeath::Redeliver`].
    pub fn on_server_death(mut self, policy: OnServerDeath) -> Self {
        self.on_server_death = policy;
        self
    }

    /// How often a call is given to a server, 1 to 8, the first time included, under
    /// [`OnServerDeath::Redeliver`]. So a call that kills its servers does not kill them for
    /// ever. Default 4.
    pub fn max_attempts(mut self, attempts: u8) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// A tag for the meaning of requests and responses, on which clients and servers must agree.
    /// Default 0.
    pub fn schema(mut self, tag: u64) -> Self {
        self.schema = tag;
        self
    }

    /// Makes the service; the name must be free.
    ///
    /// # Errors
    /// As [`Service::open_or_create`], and
    /// [`RingError::AlreadyExists`].
    pub fn create(self, name: impl AsRef<Path>) -> Result<Service<Q, R>, ServiceError> {
        let ring = self.ring()?;
        self.finish(ring.create(checked(name.as_ref())?)?)
    }

    /// Opens the service; see [`Service::open`].
    ///
    /// # Errors
    /// As [`Service::open`].
    pub fn open(self, name: impl AsRef<Path>) -> Result<Service<Q, R>, ServiceError> {
        let ring = self.ring()?;
        self.finish(ring.open(name)?)
    }

    /// Opens or makes the service; see [`Service::open_or_create`].
    ///
    /// # Errors
    /// As [`Service::open_or_create`].
    pub fn open_or_create(self, name: impl AsRef<Path>) -> Result<Service<Q, R>, ServiceError> {
        let ring = self.ring()?;
        self.finish(ring.open_or_create(checked(name.as_ref())?)?)
    }

    /// The ring of requests.
    fn ring(&self) -> Result<RingBuilder<[u8], Mpmc>, ServiceError> {
        if !(1..=MAX_WINDOW).contains(&self.window) {
            return Err(invalid("window", "1 to 65536", self.window));
        }
        if !(1..=MAX_ATTEMPTS).contains(&self.max_attempts) {
            return Err(invalid("max_attempts", "1 to 8", self.max_attempts.into()));
        }
        if self.queue == Some(0) {
            return Err(invalid("queue", "1 or more", 0));
        }
        let attempts = match self.on_server_death {
            OnServerDeath::Redeliver => self.max_attempts,
            OnServerDeath::Fail => 1,
        };
        let mut ring = Ring::builder()
            .schema(self.tag(REQUESTS))
            .max_deliveries(attempts + SPARE_DELIVERIES);
        if let Some(size) = Q::SIZE {
            ring = ring.message_limit(in_lines_of_its_own(size.saturating_add(REQUEST_HEADER)));
        } else if let Some(limit) = self.request_limit {
            ring = ring.message_limit(limit.saturating_add(REQUEST_HEADER));
        }
        if let Some(queue) = self.queue {
            ring = ring.capacity(queue);
        }
        Ok(ring)
    }

    fn finish(self, requests: Ring<[u8], Mpmc>) -> Result<Service<Q, R>, ServiceError> {
        let path = requests.path().unwrap_or(Path::new(""));
        let options = ServiceOptions {
            reply_schema: self.tag(REPLIES),
            response_limit: R::SIZE.unwrap_or(self.response_limit),
            window: self.window,
            // A ring that another program made may have less: then each call is over at once.
            max_attempts: requests.max_deliveries().saturating_sub(SPARE_DELIVERIES),
        };
        Ok(Service {
            at: Arc::new(RegionPath::existing(path)?),
            requests,
            options,
            marker: PhantomData,
        })
    }

    fn tag(&self, mark: u64) -> u64 {
        let fingerprint = fingerprint(&[
            ("format", FORMAT.into()),
            ("request", Q::SHAPE),
            ("response", R::SHAPE),
            ("tag", self.schema),
        ]);
        marked(mark, fingerprint)
    }
}

impl<Q: Body + ?Sized, R: Body + ?Sized> std::fmt::Debug for ServiceBuilder<Q, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceBuilder")
            .field("request_limit", &self.request_limit)
            .field("response_limit", &self.response_limit)
            .field("queue", &self.queue)
            .field("window", &self.window)
            .field("on_server_death", &self.on_server_death)
            .field("max_attempts", &self.max_attempts)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

fn invalid(what: &'static str, expected: &'static str, found: usize) -> ServiceError {
    ServiceError::InvalidOption {
        what,
        expected,
        found: found.to_string(),
    }
}

/// A name that leaves room for the names of the rings of replies.
fn checked(name: &Path) -> Result<&Path, ServiceError> {
    let length = name.file_name().map_or(0, |name| name.len());
    match length + leftovers::SUFFIX <= 255 {
        true => Ok(name),
        false => Err(invalid(
            "length of the service's name",
            "up to 216 bytes",
            length,
        )),
    }
}
