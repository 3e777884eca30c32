//! The verbs that end the choice of options: a ring is made, opened, replaced.

use std::path::Path;

use super::{DEFAULT_CAPACITY, DEFAULT_LIMIT, RingBuilder};
use crate::channel::ring::Ring;
use crate::channel::segment::Segment;
use crate::error::{Mismatch, RingError};
use crate::message::Message;
use crate::ring::config::{Config, Expected, MessageKind};
use crate::ring::kind::Kind;
use crate::ring::layout::Arrangement;
use crate::ring::memory::handover::HandoverMemory;
use crate::ring::options::FenceMode;
use crate::ring::start_at;
use crate::shm::remove::Removal;
use crate::shm::{Description, Region, RegionPath, create, mismatch, open, register_barrier};
use crate::sys::atomic::Fences;
use crate::sys::handle::AsFd;

#[cfg(all(test, not(loom)))]
mod tests;

impl<T: Message + ?Sized, K: Kind> RingBuilder<T, K> {
    /// Makes a ring; see [`Ring::create`].
    ///
    /// # Errors
    /// As [`Ring::create`].
    pub fn create(self, name: impl AsRef<Path>) -> Result<Ring<T, K>, RingError> {
        let config = self.checked_config()?;
        self.create_at(&RegionPath::to_create(name.as_ref())?, config)
    }

    /// Opens a ring; see [`Ring::open`].
    ///
    /// # Errors
    /// As [`Ring::open`].
    pub fn open(self, name: impl AsRef<Path>) -> Result<Ring<T, K>, RingError> {
        self.open_at(&RegionPath::existing(name.as_ref())?)
    }

    /// Opens or makes a ring; see [`Ring::open_or_create`].
    ///
    /// # Errors
    /// As [`Ring::open_or_create`].
    pub fn open_or_create(self, name: impl AsRef<Path>) -> Result<Ring<T, K>, RingError> {
        let config = self.checked_config()?;
        let at = RegionPath::to_create(name.as_ref())?;
        for _ in 0..open::MAX_TRIES {
            let ring = match self.open_at(&at) {
                Err(RingError::NotFound { .. }) => None,
                found => Some(found?),
            };
            let result = match ring {
                None => self.create_at(&at, config),
                Some(ring) if ring.is_closed() => self.replace_ended(&at, config, ring),
                Some(ring) => {
                    self.check_options(&ring)?;
                    return Ok(ring);
                }
            };
            match result {
                // Others were faster: their ring is ours.
                Err(RingError::AlreadyExists { .. } | RingError::NotFound { .. }) => {}
                // Another process may have made it with the space that we lack.
                Err(error @ RingError::NoSpace { .. }) => match self.open_at(&at) {
                    Ok(ring) if !ring.is_closed() => {}
                    _ => return Err(error),
                },
                result => return result,
            }
        }
        Err(unstable(at))
    }

    /// Makes a ring, whatever ring stands there; see [`Ring::recreate`].
    ///
    /// # Errors
    /// As [`Ring::recreate`].
    pub fn recreate(self, name: impl AsRef<Path>) -> Result<Ring<T, K>, RingError> {
        let config = self.checked_config()?;
        let at = RegionPath::to_create(name.as_ref())?;
        for _ in 0..open::MAX_TRIES {
            let made = self.create_at(&at, config);
            let Err(RingError::AlreadyExists { .. }) = made else {
                return made;
            };
            // Before the lock: to allocate a large ring takes its time.
            let mut new = self.unnamed_at(&at, config)?;
            let removed = Removal::begin(&at).and_then(|old| old.replace_by(&mut new));
            match removed {
                Ok(old) => Segment::tell_removed(old.as_fd()),
                Err(RingError::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            }
            return Ok(self.finish(new, config));
        }
        Err(unstable(at))
    }

    /// Makes a ring without a name; see [`Ring::anonymous`].
    ///
    /// Example: [`Ring::builder`].
    ///
    /// # Errors
    /// As [`Ring::anonymous`].
    pub fn anonymous(self) -> Result<Ring<T, K>, RingError> {
        let config = self.checked_config()?;
        let prepare = |region: &Region| prepare(region, config);
        let region = create::anonymous(&config.describe()?, self.options, prepare)?;
        Ok(self.finish(region, config))
    }

    /// Opens the ring behind a descriptor; see [`Ring::from_fd`].
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// let made = Ring::<u64, Spsc>::builder().schema(7).anonymous()?;
    /// let fd = made.share_fd()?.try_clone_to_owned()?; // passed to another process
    /// let opened = Ring::<u64, Spsc>::builder().schema(7).from_fd(fd)?;
    /// assert!(made.same_channel(&opened));
    /// assert!(Ring::<u64, Spsc>::builder().schema(8).from_fd(made.share_fd()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ring::from_fd`].
    #[allow(clippy::wrong_self_convention)] // named as `Ring::from_fd` is
    #[cfg(unix)]
    pub fn from_fd(self, fd: impl AsFd) -> Result<Ring<T, K>, RingError> {
        let accept = |region: &Description| self.accept(region);
        let opened = open::from_fd(fd.as_fd(), self.allow_foreign, self.options, accept);
        opened.map(|(region, config)| self.finish(region, config))
    }

    fn create_at(&self, at: &RegionPath, config: Config) -> Result<Ring<T, K>, RingError> {
        let prepare = |region: &Region| prepare(region, config);
        let region = create::named(at, &config.describe()?, self.mode, self.options, prepare)?;
        Ok(self.finish(region, config))
    }

    fn unnamed_at(&self, at: &RegionPath, config: Config) -> Result<Region, RingError> {
        let prepare = |region: &Region| prepare(region, config);
        create::unnamed(at, &config.describe()?, self.mode, self.options, prepare)
    }

    /// Replaces `old`, which is closed, if nothing depends on it any more. `NotFound` if
    /// it is not the name's ring any more: it is worth another try.
    fn replace_ended(
        &self,
        at: &RegionPath,
        config: Config,
        old: Ring<T, K>,
    ) -> Result<Ring<T, K>, RingError> {
        let not_found = || RingError::NotFound {
            path: at.path.clone(),
        };
        // In this order: an endpoint that detaches has given back what it held.
        let segment = old.segment();
        let (attached, messages) = (segment.attached(), segment.messages_left());
        // Perhaps a removal is what has closed it, after it was opened.
        if segment.region.is_removed() {
            return Err(not_found());
        }
        if attached > 0 || messages > 0 {
            return Err(RingError::Closed {
                path: at.path.clone(),
                messages,
                attached,
            });
        }
        // So it stays: an endpoint that attaches now finds the ring closed and empty.
        let new = self.unnamed_at(at, config);
        let removal = Removal::begin(at)?;
        if !removal.is_of(&segment.region) {
            return Err(not_found());
        }
        match new {
            Ok(mut new) => {
                let removed = removal.replace_by(&mut new)?;
                Segment::tell_removed(removed.as_fd());
                Ok(self.finish(new, config))
            }
            // There is no room for both: the old one, of use to nobody, goes first.
            Err(RingError::NoSpace { .. }) => {
                let removed = removal.unlink()?;
                Segment::tell_removed(removed.as_fd());
                Err(not_found())
            }
            Err(error) => Err(error),
        }
    }

    fn open_at(&self, at: &RegionPath) -> Result<Ring<T, K>, RingError> {
        let accept = |region: &Description| self.accept(region);
        let opened = open::named(at, self.allow_foreign, self.options, accept);
        opened.map(|(region, config)| self.finish(region, config))
    }

    fn finish(&self, region: Region, config: Config) -> Ring<T, K> {
        Ring::from_segment(Segment::new(region, config), self.wait_through)
    }

    fn is_rendezvous(&self) -> bool {
        self.capacity == Some(0)
    }

    /// Is this the ring that was asked for?
    fn accept(&self, region: &Description) -> Result<Config, Mismatch> {
        let config = Config::of(region)?;
        config.check(&Expected {
            kind: K::KIND,
            fixed: T::FIXED.or(self.message_layout.filter(|_| T::UNTYPED)),
            untyped: T::UNTYPED,
            schema: self.schema,
        })?;
        if self.is_rendezvous() && !config.is_rendezvous() {
            return Err(Mismatch::NoRendezvous {
                found: config.capacity,
            });
        }
        Ok(config)
    }

    /// Has the ring the size that was asked for, if one was?
    fn check_options(&self, ring: &Ring<T, K>) -> Result<(), RingError> {
        let limit = self
            .message_limit
            .filter(|_| T::FIXED.is_none() && !T::UNTYPED);
        for (what, expected, found) in [
            (
                "a ring of capacity",
                self.rounded_capacity(),
                ring.capacity(),
            ),
            ("a ring with the message limit", limit, ring.message_size()),
        ] {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                let wrong = Mismatch::Option {
                    what,
                    expected: expected as u64,
                    found: found as u64,
                };
                return Err(mismatch(&ring.path().map(Into::into), wrong));
            }
        }
        Ok(())
    }

    /// What was asked for, as a ring of this kind holds it. (What cannot be rounded up is
    /// refused as it is.)
    fn rounded_capacity(&self) -> Option<usize> {
        self.capacity.map(|messages| match messages {
            0 => 0,
            _ if K::KIND.is_one_to_one() => messages,
            _ => messages.checked_next_power_of_two().unwrap_or(messages),
        })
    }

    /// What to make, possible and permitted: before anything is made for it.
    fn checked_config(&self) -> Result<Config, RingError> {
        let config = self.config()?;
        config.describe()?;
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
        let message = match T::FIXED {
            Some((size, align)) => MessageKind::Typed { size, align },
            None if T::UNTYPED => {
                let (size, align) = self.message_layout.ok_or(RingError::InvalidOption {
                    what: "message layout",
                    expected: "size and alignment, by `message_layout`".into(),
                    found: "none".into(),
                })?;
                MessageKind::Typed { size, align }
            }
            None => MessageKind::Bytes {
                limit: self.message_limit.unwrap_or(DEFAULT_LIMIT),
            },
        };
        let config = Config {
            kind: K::KIND,
            wakeups: self.wakeups,
            fences,
            on_death: self.on_death,
            max_deliveries: self.max_deliveries,
            message,
            arrangement: match self.is_rendezvous() {
                true => Arrangement::Slots, // whatever it would be else
                false => Arrangement::of(self.layout, K::KIND, message)?,
            },
            capacity: self.rounded_capacity().unwrap_or(DEFAULT_CAPACITY) as u64,
            handovers: 0,
            schema: self.schema,
            start: self.start,
        };
        Ok(match self.is_rendezvous() {
            true => config.as_rendezvous(),
            false => config,
        })
    }
}

fn unstable(at: RegionPath) -> RingError {
    RingError::Unstable {
        path: at.path,
        tries: open::MAX_TRIES,
    }
}

/// Has a fresh region count from where the ring starts.
fn prepare(region: &Region, config: Config) {
    let block = Segment::block_of(region, &config);
    match config.is_rendezvous() {
        true => start_at(&HandoverMemory::new(block), config.start, false),
        false => start_at(&block, config.start, config.kind.is_one_to_one()),
    }
}
