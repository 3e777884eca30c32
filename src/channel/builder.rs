//! The options of a ring.

mod verbs;

use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::path::Path;

use super::ring::Ring;
use crate::error::RingError;
use crate::message::Message;
use crate::message::schema::Schema;
use crate::ring::kind::Kind;
use crate::ring::options::{FenceMode, Layout, OnDeath, Wakeups};
use crate::shm::MapOptions;

/// Messages, and bytes of a message, where nothing else was asked for.
const DEFAULT_CAPACITY: usize = 1024;
const DEFAULT_LIMIT: usize = 1024;

/// Options of a ring to be made or opened, from [`Ring::builder`].
///
/// The maker of a ring fixes its capacity, message limit, layout, wake-ups, fence mode, policy
/// and maximum deliveries: `open` ignores these options. `open_or_create` requires the capacity
/// and the message limit to match, if they were set. The schema tag must be that of the maker.
/// The other options apply to this handle only.
///
/// ```
/// use memring::{FenceMode, OnDeath, Ring, Spmc, Wakeups};
///
/// # let name = &format!("doc-options-{}", std::process::id());
/// let options = Ring::<[u8], Spmc>::builder()
///     .capacity(64)
///     .message_limit(4096)
///     .schema(3) // of version 3 of this program's messages
///     .mode(0o600)
///     .wakeups(Wakeups::Blocking)
///     .fence_mode(FenceMode::Auto)
///     .on_receiver_death(OnDeath::Redeliver)
///     .max_deliveries(3)
///     .wait_through_disconnect(true)
///     .allow_foreign(false)
///     .prefault(true)
///     .huge_pages(false)
///     .lock_memory(false);
/// let ring = options.clone().create(name)?;
/// let same = options.open(name)?;
/// assert_eq!((same.capacity(), same.message_size()), (64, 4096));
/// assert!(ring.same_channel(&same) && ring.warnings().is_empty());
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it creates or opens"]
pub struct RingBuilder<T: Message + ?Sized, K: Kind> {
    capacity: Option<usize>,
    message_limit: Option<usize>,
    message_layout: Option<(usize, usize)>,
    schema: u64,
    mode: u32,
    layout: Layout,
    wakeups: Wakeups,
    fence_mode: FenceMode,
    on_death: OnDeath,
    max_deliveries: u8,
    wait_through: bool,
    allow_foreign: bool,
    options: MapOptions,
    start: u64,
    marker: PhantomData<fn(&T, K)>,
}

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    /// Starts a builder, which has all the options.
    ///
    /// ```
    /// use memring::{OnDeath, Ring, Spsc};
    ///
    /// let builder = Ring::<[u8], Spsc>::builder();
    /// let ring = builder.capacity(64).message_limit(200).on_receiver_death(OnDeath::Discard);
    /// let ring = ring.anonymous()?;
    /// assert_eq!((ring.capacity(), ring.message_size()), (64, 200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> RingBuilder<T, K> {
        RingBuilder::new()
    }

    /// Makes a ring for `capacity` messages (rounded up to a power of two, where one side has
    /// many endpoints). 0: a [rendezvous](RingBuilder::rendezvous) ring.
    ///
    /// A name without `/` is a file in the default directory (see
    /// [`directory`](crate::directory)), one with `/` is a path. The file has mode 0600; all its
    /// memory is allocated now. No opener ever sees a half-made ring, and a creator that dies
    /// leaves nothing. A name has to be text; a path, with its directory, may also contain bytes
    /// that are not UTF-8.
    ///
    /// ```
    /// # use memring::{Mpsc, Ring, RingError};
    /// # let name = &format!("doc-create-{}", std::process::id());
    /// let ring = Ring::<u64, Mpsc>::create(name, 100)?; // `name` is "prices", say
    /// assert_eq!(ring.capacity(), 128);
    /// let second = Ring::<u64, Mpsc>::create(name, 100);
    /// assert!(matches!(second, Err(RingError::AlreadyExists { .. })));
    /// memring::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RingError::AlreadyExists`], [`RingError::InvalidName`],
    /// [`RingError::InvalidOption`], [`RingError::NoSpace`],
    /// [`RingError::FileSizeLimit`], [`RingError::Directory`],
    /// [`RingError::Unsupported`], [`RingError::Os`].
    pub fn create(name: impl AsRef<Path>, capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).create(name)
    }

    /// Opens a ring that exists, with any capacity, closed or not.
    ///
    /// ```
    /// # use memring::{Ring, RingError, Spsc};
    /// # let name = &format!("doc-just-open-{}", std::process::id());
    /// # let none = Ring::<u64, Spsc>::open(name);
    /// assert!(matches!(none, Err(RingError::NotFound { .. })));
    /// let made = Ring::<u64, Spsc>::create(name, 8)?;
    /// let opened = Ring::<u64, Spsc>::open(name)?; // in another process, as a rule
    /// made.sender()?.send(7)?;
    /// assert_eq!(opened.receiver()?.recv()?, 7);
    /// # memring::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RingError::NotFound`]; [`RingError::Mismatch`] if the file is not a ring of this kind,
    /// type and schema tag, or not this user's; and as [`Ring::create`].
    pub fn open(name: impl AsRef<Path>) -> Result<Self, RingError> {
        Self::builder().open(name)
    }

    /// Opens the ring, or makes it if there is none. If several processes call this at once, all
    /// get the same ring.
    ///
    /// A closed ring carries no messages any more. If it is drained, and no endpoint that is
    /// alive is attached, a fresh ring takes its place, in one step. So a service can start again
    /// that died after it had closed its ring, and before it had removed it. Handles of the old
    /// ring find it closed. (If there is no space for two rings, the old one is removed first.)
    /// If messages or endpoints are left, nothing is changed: the caller decides about them
    /// ([`Ring::recreate`]).
    ///
    /// ```
    /// use memring::{Ring, RingError, Spsc};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-open-{}", std::process::id());
    /// let ring = Ring::<u64, Spsc>::open_or_create(name, 8)?; // made
    /// let again = Ring::<u64, Spsc>::open_or_create(name, 8)?; // opened
    /// ring.sender()?.send(1)?;
    /// ring.close()?;
    /// // A message is left in it.
    /// let refused = Ring::<u64, Spsc>::open_or_create(name, 8);
    /// assert!(matches!(refused, Err(RingError::Closed { messages: 1, .. })));
    /// assert_eq!(again.receiver()?.recv()?, 1);
    /// let fresh = Ring::<u64, Spsc>::open_or_create(name, 8)?; // made
    /// assert!(ring.is_closed() && !fresh.is_closed());
    /// # memring::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Ring::create`] and [`Ring::open`]; [`RingError::Mismatch`] also if the ring
    /// has another capacity; [`RingError::Closed`].
    pub fn open_or_create(name: impl AsRef<Path>, capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).open_or_create(name)
    }

    /// Makes a ring and replaces any ring that has the name, even one that is in use, holds
    /// messages, has another kind, type or version, or is damaged. The name leads to the old ring
    /// or to the new one at every moment. Processes that open the name later do not get the
    /// messages of the old ring.
    ///
    /// Endpoints of the old ring get `Removed`, as they do when it is [removed](crate::remove):
    /// senders at the next send, receivers when they have received what was in it. They find out
    /// at once if the old ring belongs to this user and has this version. Both rings take memory
    /// until then.
    ///
    /// ```
    /// use memring::{Ring, SendError, Spsc};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("doc-recreate-{}", std::process::id());
    /// let old = Ring::<u64, Spsc>::create(name, 8)?;
    /// let mut sender = old.sender()?;
    /// let new = Ring::<u32, Spsc>::recreate(name, 16)?;
    /// assert_eq!(sender.send(1), Err(SendError::Removed(1)));
    /// # memring::remove(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Ring::create`], but for `AlreadyExists`; [`RingError::Mismatch`] if the file is not a
    /// ring: the file stays unchanged.
    pub fn recreate(name: impl AsRef<Path>, capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).recreate(name)
    }

    /// Makes a ring without a name: a memfd sealed against shrinking and
    /// growing, for children and for passing over a socket ([`Ring::share_fd`]).
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// let ring = Ring::<u64, Spsc>::anonymous(8)?;
    /// assert_eq!(ring.path(), None);
    /// let mut tx = ring.sender()?;
    /// let mut rx = ring.receiver()?; // for a thread, or a child that gets the descriptor
    /// tx.send(1)?;
    /// assert_eq!(rx.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ring::create`], without those of names.
    pub fn anonymous(capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).anonymous()
    }

    /// Opens the ring behind a descriptor that was inherited or received; it
    /// is reopened, and `fd` may be closed afterwards.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// let ring = Ring::<u64, Spsc>::anonymous(8)?;
    /// // A child inherits a duplicate of the descriptor, and opens the ring by it.
    /// let inherited = ring.share_fd()?.try_clone_to_owned()?;
    /// let same = Ring::<u64, Spsc>::from_fd(inherited)?;
    /// assert!(ring.same_channel(&same));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RingError::Mismatch`], also if the memory is a memfd whose giver could
    /// still shrink it; [`RingError::Os`], also if `/proc` is not mounted.
    #[cfg(unix)]
    pub fn from_fd(fd: impl AsFd) -> Result<Self, RingError> {
        Self::builder().from_fd(fd)
    }
}

impl<T: Message + ?Sized, K: Kind> Clone for RingBuilder<T, K> {
    fn clone(&self) -> Self {
        RingBuilder { ..*self }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for RingBuilder<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingBuilder")
            .field("kind", &K::KIND)
            .field("capacity", &self.capacity)
            .field("message_limit", &self.message_limit)
            .field("message_layout", &self.message_layout)
            .field("schema", &self.schema)
            .field("mode", &self.mode)
            .field("layout", &self.layout)
            .field("wakeups", &self.wakeups)
            .field("fence_mode", &self.fence_mode)
            .field("on_death", &self.on_death)
            .field("max_deliveries", &self.max_deliveries)
            .field("wait_through", &self.wait_through)
            .field("allow_foreign", &self.allow_foreign)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<T: Message + ?Sized, K: Kind> RingBuilder<T, K> {
    pub(super) fn new() -> Self {
        RingBuilder {
            capacity: None,
            message_limit: None,
            message_layout: None,
            schema: 0,
            mode: 0o600,
            layout: Layout::default(),
            wakeups: Wakeups::default(),
            fence_mode: FenceMode::default(),
            on_death: OnDeath::default(),
            max_deliveries: 8,
            wait_through: false,
            allow_foreign: false,
            options: MapOptions::default(),
            start: 0,
            marker: PhantomData,
        }
    }

    /// The most messages in the ring. With one sender and one receiver the capacity is exact. For
    /// the other kinds it is rounded up to a power of two, and [`capacity`](Ring::capacity)
    /// returns the result. 0 makes a [rendezvous](RingBuilder::rendezvous) ring. Default 1024.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = Some(messages);
        self
    }

    /// A rendezvous ring, which holds no message: [`send`](crate::Sender::send) returns when a
    /// receiver has received the message, and `try_send` succeeds only if a receiver waits. This
    /// is the same as a capacity of 0. With this option `open` refuses a ring with another
    /// capacity.
    ///
    /// ```
    /// use memring::{Ring, SendTimeoutError, Spsc};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ring = Ring::<u64, Spsc>::builder().rendezvous().anonymous()?;
    /// assert_eq!(ring.capacity(), 0);
    /// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let early = tx.send_timeout(1, Duration::from_millis(1));
    /// assert_eq!(early, Err(SendTimeoutError::Timeout(1, None)));
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || assert_eq!(rx.recv(), Ok(2)));
    ///     tx.send(2) // waits for `recv`
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rendezvous(self) -> Self {
        self.capacity(0)
    }

    /// How messages lie in memory, with one sender and one receiver: see [capacity and
    /// layout](crate#capacity-and-layout). Default [`Layout::Auto`]. An existing ring keeps the
    /// layout that its maker chose. Ignored where a side may have many endpoints.
    ///
    /// ```
    /// use memring::{Layout, Ring, Spsc};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let in_bulk = Ring::<u64, Spsc>::builder().layout(Layout::Dense).anonymous()?;
    /// assert_eq!(in_bulk.layout(), Some(Layout::Dense));
    /// let large = Ring::<[u64; 8], Spsc>::builder().layout(Layout::Lines).anonymous();
    /// assert!(large.unwrap_err().to_string().contains("dense"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// For byte rings: the most bytes that a message may have. Default 1024. Ignored by typed
    /// rings.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = Some(bytes);
        self
    }

    /// Size and alignment in bytes of each message of an [`Untyped`](crate::Untyped) ring:
    /// to make one, or to insist on them. Otherwise it is ignored.
    ///
    /// ```
    /// # use memring::{Ring, Spsc, Untyped};
    /// # let name = &format!("doc-message-layout-{}", std::process::id());
    /// let ring = Ring::<Untyped, Spsc>::builder().message_layout(8, 8).create(name)?;
    /// ring.sender()?.send(&7u64.to_ne_bytes())?;
    /// assert_eq!(Ring::<u64, Spsc>::open(name)?.receiver()?.recv()?, 7);
    /// # memring::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn message_layout(mut self, size: usize, align: usize) -> Self {
        self.message_layout = Some((size, align));
        self
    }

    /// A tag for what the messages mean, which all users must agree on.
    /// Default 0.
    pub fn schema(mut self, tag: u64) -> Self {
        self.schema = tag;
        self
    }

    /// Sets the tag to the fingerprint of `S`. A ring whose messages have the size of `T`, but
    /// fields of other names or types, is then not opened. See [`schema!`](crate::schema!) for an
    /// example. For byte rings, `S` may be the type that the bytes encode.
    ///
    /// Example: [`schema!`](crate::schema!).
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let name = &format!("doc-schema-of-{}", std::process::id());
    /// let bytes = || Ring::<[u8], Spsc>::builder();
    /// let ring = bytes().schema_of::<[f64; 4]>().create(name)?; // what the bytes are made of
    /// assert!(bytes().schema_of::<[u64; 4]>().open(name).is_err());
    /// assert!(bytes().schema_of::<[f64; 4]>().open(name)?.same_channel(&ring));
    /// # memring::remove(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schema_of<S: Schema>(self) -> Self {
        self.schema(S::SCHEMA)
    }

    /// Permission bits of the file, regardless of the umask. Default 0600. If other users may
    /// write to the file, they and you must open it with [`allow_foreign`](Self::allow_foreign).
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Whether endpoints may sleep. Default [`Wakeups::Blocking`].
    pub fn wakeups(mut self, wakeups: Wakeups) -> Self {
        self.wakeups = wakeups;
        self
    }

    /// How each side orders its writes before its reads of the other side's words. Default
    /// [`FenceMode::Auto`].
    pub fn fence_mode(mut self, mode: FenceMode) -> Self {
        self.fence_mode = mode;
        self
    }

    /// What happens to a message that a receiver held when it died. Default
    /// [`OnDeath::Redeliver`].
    pub fn on_receiver_death(mut self, policy: OnDeath) -> Self {
        self.on_death = policy;
        self
    }

    /// Maximum delivery attempts, 1 to 15, the first included, before a message is dropped and
    /// counted as lost. So a message that kills its receivers does not kill them for ever.
    /// Default 8.
    pub fn max_deliveries(mut self, deliveries: u8) -> Self {
        self.max_deliveries = deliveries;
        self
    }

    /// Blocking calls of this handle's endpoints go on waiting when all peers have detached or
    /// died, instead of returning `Disconnected`. Default off.
    pub fn wait_through_disconnect(mut self, wait: bool) -> Self {
        self.wait_through = wait;
        self
    }

    /// Opens files that belong to other users, or that other users may write to. Default off.
    pub fn allow_foreign(mut self, allow: bool) -> Self {
        self.allow_foreign = allow;
        self
    }

    /// Asks for huge pages. A refusal is a [`warning`](Ring::warnings).
    pub fn huge_pages(mut self, ask: bool) -> Self {
        self.options.huge_pages = ask;
        self
    }

    /// Maps every page now, not at the first touch. A refusal is a
    /// [`warning`](Ring::warnings).
    pub fn prefault(mut self, ask: bool) -> Self {
        self.options.prefault = ask;
        self
    }

    /// Locks the memory against swapping. A refusal is a
    /// [`warning`](Ring::warnings).
    pub fn lock_memory(mut self, ask: bool) -> Self {
        self.options.lock_memory = ask;
        self
    }

    /// Starts positions at `position`: for tests of the wrap-around.
    #[doc(hidden)]
    pub fn start_position(mut self, position: u64) -> Self {
        self.start = position;
        self
    }
}
