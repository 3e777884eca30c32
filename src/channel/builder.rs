//! All the options of a ring.

use std::marker::PhantomData;
use std::os::fd::AsFd;

use super::ring::Ring;
use super::segment::Segment;
use crate::error::{Mismatch, RingError};
use crate::message::Message;
use crate::message::schema::Schema;
use crate::ring::config::{Config, Expected, MessageKind};
use crate::ring::kind::Kind;
use crate::ring::options::{FenceMode, OnDeath, Wakeups};
use crate::ring::start_at;
use crate::shm::{Description, MapOptions, Region, RegionPath, create, open, register_barrier};
use crate::sys::atomic::Fences;

/// Options of a ring to be made or opened, from [`Ring::builder`].
///
/// What a ring is, is fixed by its maker: capacity, message limit, wake-ups, fence
/// mode, policy and deliveries are ignored when opening. The schema tag must
/// be that of the maker; the rest concerns this handle.
pub struct RingBuilder<T: Message + ?Sized, K: Kind> {
    capacity: usize,
    message_limit: usize,
    schema: u64,
    mode: u32,
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
    /// All the options.
    pub fn builder() -> RingBuilder<T, K> {
        RingBuilder::new()
    }

    /// Makes a ring with `capacity` slots, a power of two.
    ///
    /// A name without `/` is a file in the default directory (see
    /// [`directory`](crate::directory)), one with `/` is a path. The file has
    /// mode 0600; all its memory is allocated now. No opener ever sees a half-made
    /// ring, and a creator that dies leaves nothing.
    ///
    /// # Errors
    /// [`RingError::AlreadyExists`], [`RingError::InvalidName`],
    /// [`RingError::InvalidOption`], [`RingError::NoSpace`],
    /// [`RingError::Directory`], [`RingError::Unsupported`], [`RingError::Os`].
    pub fn create(name: &str, capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).create(name)
    }

    /// Opens a ring that was made before, with whatever capacity.
    ///
    /// # Errors
    /// [`RingError::NotFound`]; [`RingError::Mismatch`] if the file is not a
    /// ring of this kind, type and schema tag, or not ours; and as
    /// [`Ring::create`].
    pub fn open(name: &str) -> Result<Self, RingError> {
        Self::builder().open(name)
    }

    /// Opens the ring, or makes it if there is none. However many processes
    /// race here, all end on the same ring. A valid ring is never replaced, for
    /// there may be messages in it.
    ///
    /// # Errors
    /// As [`Ring::create`] and [`Ring::open`].
    pub fn open_or_create(name: &str, capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).open_or_create(name)
    }

    /// Makes a ring without a name: a memfd sealed against shrinking and
    /// growing, for children and for passing over a socket ([`Ring::share_fd`]).
    ///
    /// # Errors
    /// As [`Ring::create`], without those of names.
    pub fn anonymous(capacity: usize) -> Result<Self, RingError> {
        Self::builder().capacity(capacity).anonymous()
    }

    /// Opens the ring behind a descriptor that was inherited or received; it
    /// is reopened, and `fd` may be closed afterwards.
    ///
    /// # Errors
    /// [`RingError::Mismatch`], also if the memory is a memfd whose giver could
    /// still shrink it; [`RingError::Os`], also if `/proc` is not mounted.
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
            .field("schema", &self.schema)
            .field("mode", &self.mode)
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
            capacity: 1024,
            message_limit: 1024,
            schema: 0,
            mode: 0o600,
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

    /// Slots: a power of two. Default 1024.
    pub fn capacity(mut self, slots: usize) -> Self {
        self.capacity = slots;
        self
    }

    /// Byte rings: the most bytes that a message may have. Default 1024.
    /// Ignored where messages are of one type.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// A tag for what the messages mean, which all users must agree on.
    /// Default 0.
    pub fn schema(mut self, tag: u64) -> Self {
        self.schema = tag;
        self
    }

    /// The tag is the fingerprint of `S`: a ring whose messages have the size of `T`, and
    /// fields of other names or types, is not opened. See
    /// [`schema!`](crate::schema!) for an example. For byte rings, `S` may be what the
    /// bytes are made of.
    pub fn schema_of<S: Schema>(self) -> Self {
        self.schema(S::SCHEMA)
    }

    /// Permission bits of the file, whatever the umask. Default 0600. With
    /// write permission for others, they and you must open with
    /// [`allow_foreign`](Self::allow_foreign).
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Whether endpoints may sleep. Default [`Wakeups::Blocking`].
    pub fn wakeups(mut self, wakeups: Wakeups) -> Self {
        self.wakeups = wakeups;
        self
    }

    /// How sides order what they write against what they look at. Default
    /// [`FenceMode::Auto`].
    pub fn fence_mode(mut self, mode: FenceMode) -> Self {
        self.fence_mode = mode;
        self
    }

    /// What becomes of a message that a receiver held when it died. Default [`OnDeath::Redeliver`].
    pub fn on_receiver_death(mut self, policy: OnDeath) -> Self {
        self.on_death = policy;
        self
    }

    /// Maximum delivery attempts, 1 to 15, the first included, before a message is
    /// dropped and counted as lost: so that a message that kills its receivers does
    /// not kill them for ever. Default 8.
    pub fn max_deliveries(mut self, deliveries: u8) -> Self {
        self.max_deliveries = deliveries;
        self
    }

    /// Blocking calls of this handle's endpoints wait on when the other side
    /// has gone, instead of returning `Disconnected`. Default off.
    pub fn wait_through_disconnect(mut self, wait: bool) -> Self {
        self.wait_through = wait;
        self
    }

    /// Opens files of other users, or that others may write to. Default off.
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

    /// Counts from `position`: for tests of the wrap-around.
    #[doc(hidden)]
    pub fn start_position(mut self, position: u64) -> Self {
        self.start = position;
        self
    }

    /// Makes a ring; see [`Ring::create`].
    ///
    /// # Errors
    /// As [`Ring::create`].
    pub fn create(self, name: &str) -> Result<Ring<T, K>, RingError> {
        self.create_at(&RegionPath::of(name)?)
    }

    /// Opens a ring; see [`Ring::open`].
    ///
    /// # Errors
    /// As [`Ring::open`].
    pub fn open(self, name: &str) -> Result<Ring<T, K>, RingError> {
        self.open_at(&RegionPath::of(name)?)
    }

    /// Opens or makes a ring; see [`Ring::open_or_create`].
    ///
    /// # Errors
    /// As [`Ring::open_or_create`].
    pub fn open_or_create(self, name: &str) -> Result<Ring<T, K>, RingError> {
        let at = RegionPath::of(name)?;
        for _ in 0..open::MAX_TRIES {
            match self.open_at(&at) {
                Err(RingError::NotFound { .. }) => {}
                found => return found,
            }
            match self.create_at(&at) {
                Err(RingError::AlreadyExists { .. }) => {}
                // Another process may have made it with the space that we lack.
                Err(RingError::NoSpace { needed, path }) => match self.open_at(&at) {
                    Err(RingError::NotFound { .. }) => {
                        return Err(RingError::NoSpace { needed, path });
                    }
                    found => return found,
                },
                made => return made,
            }
        }
        Err(RingError::Unstable {
            path: at.path,
            tries: open::MAX_TRIES,
        })
    }

    /// Makes a ring without a name; see [`Ring::anonymous`].
    ///
    /// # Errors
    /// As [`Ring::anonymous`].
    pub fn anonymous(self) -> Result<Ring<T, K>, RingError> {
        let config = self.config()?;
        let prepare = |region: &Region| prepare(region, config);
        let region = create::anonymous(&config.describe()?, self.options, prepare)?;
        Ok(self.finish(region, config))
    }

    /// Opens the ring behind a descriptor; see [`Ring::from_fd`].
    ///
    /// # Errors
    /// As [`Ring::from_fd`].
    #[allow(clippy::wrong_self_convention)] // named as `Ring::from_fd` is
    pub fn from_fd(self, fd: impl AsFd) -> Result<Ring<T, K>, RingError> {
        let accept = |region: &Description| self.accept(region);
        let opened = open::from_fd(fd.as_fd(), self.allow_foreign, self.options, accept);
        opened.map(|(region, config)| self.finish(region, config))
    }

    fn create_at(&self, at: &RegionPath) -> Result<Ring<T, K>, RingError> {
        let config = self.config()?;
        let prepare = |region: &Region| prepare(region, config);
        let region = create::named(at, &config.describe()?, self.mode, self.options, prepare)?;
        Ok(self.finish(region, config))
    }

    fn open_at(&self, at: &RegionPath) -> Result<Ring<T, K>, RingError> {
        let accept = |region: &Description| self.accept(region);
        let opened = open::named(at, self.allow_foreign, self.options, accept);
        opened.map(|(region, config)| self.finish(region, config))
    }

    fn finish(&self, region: Region, config: Config) -> Ring<T, K> {
        Ring::from_segment(Segment { region, config }, self.wait_through)
    }

    /// Is this the ring that was asked for?
    fn accept(&self, region: &Description) -> Result<Config, Mismatch> {
        let config = Config::of(region)?;
        config.check(&Expected {
            kind: K::KIND,
            fixed: T::FIXED,
            schema: self.schema,
        })?;
        Ok(config)
    }

    fn config(&self) -> Result<Config, RingError> {
        let fences = match self.fence_mode {
            FenceMode::Fence => Fences::Full,
            FenceMode::Membarrier => {
                register_barrier()?;
                Fences::Membarrier
            }
            FenceMode::Auto if register_barrier().is_ok() => Fences::Membarrier,
            FenceMode::Auto => Fences::Full,
        };
        if self.mode & !0o777 != 0 {
            return Err(RingError::InvalidOption {
                what: "mode",
                expected: "permission bits up to 0777".into(),
                found: format!("{:o}", self.mode),
            });
        }
        Ok(Config {
            kind: K::KIND,
            wakeups: self.wakeups,
            fences,
            on_death: self.on_death,
            max_deliveries: self.max_deliveries,
            message: match T::FIXED {
                Some((size, align)) => MessageKind::Typed { size, align },
                None => MessageKind::Bytes {
                    limit: self.message_limit,
                },
            },
            capacity: self.capacity as u64,
            schema: self.schema,
            start: self.start,
        })
    }
}

/// Has a fresh region count from where the ring starts.
fn prepare(region: &Region, config: Config) {
    start_at(&Segment::block_of(region, &config), config.start);
}
