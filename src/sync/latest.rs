//! The last value that one writer has stored.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::time::{Duration, Instant};

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef, SharedValue};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use super::word::held::LOOKS;
use super::word::latest::{self, LatestHead, MAX_COPIES, SLOTS, ValueSlots};
use crate::error::{Failure, LockOwner, ReadError, RingError, WaitChangedError, WriterError};
use crate::members::{MemberId, Peer};
use crate::sys::atomic::{AtomicU64, Ordering};
use crate::sys::clock::MonotonicTime;
use crate::wait::WaitWord;

/// The last value that one writer has stored, for any number of readers: a configuration, a
/// price, a position.
///
/// A reader takes no lock and stores nothing in shared memory. It copies the value, and then
/// checks whether the writer has come round to the slot that it copied from. So a reader never
/// gets a torn value and never waits. A writer that is killed or stopped at any moment delays no
/// reader: readers get the last complete value. Each value has a number, by which a reader knows
/// whether it has seen the value. Numbers go up by 1; the first value has number 0.
///
/// There is one writer at a time, in all processes together: see [`Latest::writer`]. If its
/// process dies, the next writer goes on.
///
/// If the writer stores three values or more while a reader copies, the reader copies again.
/// There are four slots, so this happens only with a value that is large, or that is stored in a
/// tight loop.
///
/// ```
/// use memring::sync::Latest;
///
/// #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(C)]
/// struct Limits {
///     per_second: u64,
///     in_flight: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-latest-{}", std::process::id());
/// let start = Limits { per_second: 100, in_flight: 8 };
/// let limits = Latest::create(name, start)?;
/// let mut writer = limits.writer()?;
///
/// // Another process, or a thread of this one.
/// let limits = Latest::<Limits>::open(name)?;
/// assert_eq!(limits.read()?, start);
/// writer.write(Limits { per_second: 50, ..start })?;
/// let (number, now) = limits.read_numbered()?;
/// assert_eq!((number, now.per_second), (1, 50));
/// assert!(!limits.has_changed_since(number)?);
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
pub struct Latest<T: SharedValue> {
    part: PartHandle<LatestHead>,
    /// Where the slots begin, bytes from one to the next, and how many there are: private.
    first: usize,
    stride: usize,
    slots: u64,
    marker: PhantomData<T>,
}

handle!([T: SharedValue] Latest<T>, "latest value", (value: T));

impl<T: SharedValue> Latest<T> {
    /// Returns the last value. Never waits.
    ///
    /// Everything that the writer stored before this value is visible when this returns
    /// (Acquire).
    ///
    /// # Errors
    /// As [`Latest::read_numbered`].
    #[inline]
    pub fn read(&self) -> Result<T, ReadError> {
        self.read_numbered().map(|(_, value)| value)
    }

    /// Returns the number of the last value, and the value.
    ///
    /// # Errors
    /// [`ReadError::Overtaken`]: the writer stored values faster than this thread could
    /// copy one, 65,536 times in a row. [`ReadError::Failed`]: [`Failure::Forked`].
    #[inline]
    pub fn read_numbered(&self) -> Result<(u64, T), ReadError> {
        self.part.check()?;
        let mut value = T::zeroed();
        let bytes = bytemuck::bytes_of_mut(&mut value);
        let number = latest::read(self, MAX_COPIES, bytes).ok_or(ReadError::Overtaken)?;
        Ok((number, value))
    }

    /// Returns the number of the last value (Acquire).
    ///
    /// Example: [`LatestWriter`].
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn number(&self) -> Result<u64, Failure> {
        self.part.check()?;
        // Acquire: pairs with the store of the writer.
        Ok(self.part.word().index.load(Ordering::Acquire))
    }

    /// Whether the last value has another number than `number`. This is a load.
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn has_changed_since(&self, number: u64) -> Result<bool, Failure> {
        Ok(self.number()? != number)
    }

    /// Waits until the last value has another number than `number`, and returns that number. If
    /// there never is a writer again, this waits for ever.
    ///
    /// Example: [`LatestWriter`].
    ///
    /// # Errors
    /// [`Failure::Forked`].
    pub fn wait_changed(&self, number: u64) -> Result<u64, Failure> {
        loop {
            match self.wait_until(number, None) {
                Ok(number) => return Ok(number),
                Err(WaitChangedError::Failed(failure)) => return Err(failure),
                // Without a deadline there is none to pass.
                Err(WaitChangedError::Timeout) => {}
            }
        }
    }

    /// As [`Latest::wait_changed`], for `timeout` at most.
    ///
    /// Example: [`LatestWriter`].
    ///
    /// # Errors
    /// [`WaitChangedError::Timeout`]; else as [`Latest::wait_changed`].
    pub fn wait_changed_timeout(
        &self,
        number: u64,
        timeout: Duration,
    ) -> Result<u64, WaitChangedError> {
        self.wait_until(number, MonotonicTime::now().checked_add(timeout))
    }

    /// As [`Latest::wait_changed`], until `deadline` at most.
    ///
    /// Example: [`LatestWriter`].
    ///
    /// # Errors
    /// As [`Latest::wait_changed_timeout`].
    pub fn wait_changed_deadline(
        &self,
        number: u64,
        deadline: Instant,
    ) -> Result<u64, WaitChangedError> {
        self.wait_until(number, Some(MonotonicTime::from_instant(deadline)))
    }

    /// `None`: later than any clock tells.
    fn wait_until(
        &self,
        number: u64,
        deadline: Option<MonotonicTime>,
    ) -> Result<u64, WaitChangedError> {
        self.part.check()?;
        let park = self.part.shared().parker();
        latest::wait_changed(self.part.word(), number, park, LOOKS, deadline)
            .ok_or(WaitChangedError::Timeout)
    }

    /// Returns the right to store values. One handle at a time, of all processes, has that right,
    /// by a lock byte of its own, which the kernel frees when the process dies. A clone of a
    /// handle counts as another handle. This takes two system calls.
    ///
    /// # Errors
    /// [`WriterError::Occupied`] names the handle that writes;
    /// [`WriterError::Failed`]: [`Failure::Forked`]; [`WriterError::Os`].
    pub fn writer(&self) -> Result<LatestWriter<T>, WriterError> {
        self.part.check()?;
        let shared = self.part.shared();
        let writer = &self.part.word().writer;
        let is_ours = shared.lock_writer(self.part.index());
        match is_ours.map_err(|source| WriterError::Os { source })? {
            true => {
                // Relaxed: for display only.
                writer.store(shared.id().0.into(), Ordering::Relaxed);
                Ok(LatestWriter {
                    latest: self.clone(),
                })
            }
            false => Err(WriterError::Occupied {
                holder: self.last_writer(),
            }),
        }
    }

    /// The handle that was the last to become the writer.
    fn last_writer(&self) -> Option<LockOwner> {
        let writer = self.part.word().writer.load(Ordering::Relaxed);
        let id = u16::try_from(writer).ok().filter(|id| *id != 0)?;
        Some(self.part.shared().owner(MemberId(id)))
    }

    /// Whether a handle, in a process that is alive, has the right to store values. This is a
    /// system call, unless that handle belongs to this open region.
    ///
    /// Example: [`LatestWriter`].
    ///
    /// # Errors
    /// [`Failure::Forked`], [`Failure::DescriptorClosed`].
    pub fn has_writer(&self) -> Result<bool, Failure> {
        self.part.check()?;
        self.part.shared().has_writer(self.part.index())
    }
}

impl<T: SharedValue> ValueSlots for Latest<T> {
    #[inline(always)]
    fn head(&self) -> &LatestHead {
        self.part.word()
    }

    #[inline(always)]
    fn count(&self) -> u64 {
        self.slots
    }

    #[inline(always)]
    fn slot(&self, number: u64) -> &[AtomicU64] {
        let at = self.first + (number % self.slots) as usize * self.stride;
        self.part.words(at, size_of::<T>().div_ceil(8))
    }
}

/// The right to store values in a [`Latest`], from [`Latest::writer`]. Dropping it gives the
/// right back.
///
/// ```
/// use memring::sync::{Latest, WriterError};
/// use std::time::{Duration, Instant};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let price = Latest::anonymous(10u64)?;
/// assert!(!price.has_writer()?);
/// let mut writer = price.writer()?;
/// assert!(matches!(price.clone().writer(), Err(WriterError::Occupied { .. })));
/// assert_eq!(writer.write(11)?, 1);
/// assert_eq!(writer.update(|price| *price += 1)?, 2);
/// assert_eq!((writer.latest().read()?, price.number()?), (12, 2));
/// assert_eq!(price.wait_changed(1)?, 2); // number 1 is not the last one
/// let soon = Instant::now() + Duration::from_secs(60);
/// assert_eq!(price.wait_changed_deadline(0, soon)?, 2);
/// assert!(price.wait_changed_timeout(2, Duration::from_millis(1)).is_err());
/// # Ok(())
/// # }
/// ```
#[must_use = "if unused the right to store values is given back at once"]
pub struct LatestWriter<T: SharedValue> {
    latest: Latest<T>,
}

impl<T: SharedValue> LatestWriter<T> {
    /// Stores a value, and returns its number. This takes no read-modify-write, and no system
    /// call unless a reader waits.
    ///
    /// Readers of this value see everything that was stored before (Release).
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn write(&mut self, value: T) -> Result<u64, Failure> {
        self.latest.part.check()?;
        let number = latest::write(&self.latest, bytemuck::bytes_of(&value));
        let parker = self.latest.part.shared().parker();
        WaitWord(&self.latest.part.word().waiters).notify_each(parker.0, &parker);
        Ok(number)
    }

    /// Stores what `change` makes of the last value, and returns its number.
    ///
    /// # Errors
    /// As [`LatestWriter::write`]; [`ReadError::Overtaken`] if a process stores values without
    /// the right to.
    pub fn update(&mut self, change: impl FnOnce(&mut T)) -> Result<u64, ReadError> {
        let mut value = self.latest.read()?;
        change(&mut value);
        Ok(self.write(value)?)
    }

    /// Returns the [`Latest`] that this writer stores to.
    pub fn latest(&self) -> &Latest<T> {
        &self.latest
    }
}

impl<T: SharedValue> Drop for LatestWriter<T> {
    fn drop(&mut self) {
        let part = &self.latest.part;
        // In a forked child the lock is the parent's.
        if part.is_mapped() {
            part.shared().unlock_writer(part.index());
        }
    }
}

impl<T: SharedValue> fmt::Debug for LatestWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestWriter")
            .field("path", &self.latest.path())
            .finish_non_exhaustive()
    }
}

impl<T: SharedValue> SharedObject for Latest<T> {
    type Initial = T;

    fn spec(initial: T) -> PartSpec {
        PartSpec {
            parameter: SLOTS,
            ..PartSpec::of(PartKind::Latest, &initial)
        }
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::of::<T>(PartKind::Latest)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        let part = &shared.0.parts()[index];
        let (first, (stride, slots)) = (part.value, part.copies());
        Latest {
            part: PartHandle::of_latest(shared.0, index),
            first,
            stride,
            slots: slots as u64,
            marker: PhantomData,
        }
    }
}

/// Another handle of the same member, for another thread.
impl<T: SharedValue> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Latest {
            part: self.part.clone(),
            ..*self
        }
    }
}

impl<T: SharedValue + fmt::Debug> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest")
            .field("path", &self.path())
            .field("value", &self.read())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Latest`] of this name, which starts with `value`.
    pub fn latest<T: SharedValue>(self, name: &str, value: T) -> Self {
        self.part::<Latest<T>>(name, value)
    }
}

impl Group {
    /// Opens the [`Latest`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn latest<T: SharedValue>(&self, name: &str) -> Result<Latest<T>, RingError> {
        self.part(name)
    }
}
