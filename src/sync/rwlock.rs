//! A value that many may read at a time, or one may change.

mod guards;
mod verbs;

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::AtomicU64 as PrivateWord;

pub use guards::{RwLockReadGuard, RwLockWriteGuard};

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec, cell_offset};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef, SharedValue};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use super::word::rwlock::{Cells, RwHead, RwWord};
use crate::error::RingError;
use crate::members::{MemberId, Peer};
use crate::sys::atomic::AtomicU64;

/// A value in shared memory that many threads of many processes may read at a time, or one
/// may change: as [`std::sync::RwLock`], between processes.
///
/// Each handle counts its readers in a line of its own, so readers of different processes do not
/// slow each other down. A writer has to read the line of each handle that there may be, so make
/// the lock with no more handles than you need ([`max_handles`](ObjectBuilder::max_handles)).
///
/// If a process dies while it reads, its share of the lock is released. If a process dies while
/// it writes, the next reader or writer gets [`Poisoned`](super::LockError::Poisoned), with a
/// guard inside and the value as the dead writer left it. A thread that panics with a write guard
/// poisons the value, too. A process that is stopped keeps what it holds, and the errors of calls
/// with a time limit name that process. If a process dies while it waits to write, the value is
/// not poisoned.
///
/// **Fairness.** A writer that waits keeps new readers out, so a stream of readers does not
/// starve it. Only a handle that reads already may take more read guards: a thread that takes a
/// second read guard does not wait for the writer that waits for the first. Writers are not fair
/// among themselves, and a stream of writers starves readers.
///
/// ```
/// use memring::sync::RwLock;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-rwlock-{}", std::process::id());
/// // Every process: the first one makes it.
/// let table = RwLock::open_or_create(name, [0u32; 16])?;
/// {
///     let mut table = table.write().map_err(|error| error.without_guard())?;
///     table[3] = 7;
/// }
/// let one = table.read().map_err(|error| error.without_guard())?;
/// let two = table.read().map_err(|error| error.without_guard())?;
/// assert_eq!((one[3], two[3]), (7, 7));
/// # drop((one, two));
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
pub struct RwLock<T: SharedValue> {
    part: PartHandle<RwHead>,
    /// The largest id of a member: private.
    last_id: u16,
    /// When a failing `try_read` or `try_write` may probe again, by the coarse clock.
    probe_again: PrivateWord,
    marker: PhantomData<T>,
}

handle!([T: SharedValue] RwLock<T>, "reader-writer lock", (value: T));

impl<T: SharedValue> RwLock<T> {
    #[inline(always)]
    fn lock(&self) -> RwWord<'_, Self> {
        RwWord(self)
    }
}

impl<T: SharedValue> Cells for RwLock<T> {
    #[inline(always)]
    fn head(&self) -> &RwHead {
        self.part.word()
    }

    #[inline(always)]
    fn cell(&self, id: MemberId) -> &AtomicU64 {
        self.part.word_at(cell_offset(id))
    }

    #[inline(always)]
    fn last_id(&self) -> u16 {
        self.last_id
    }
}

impl<T: SharedValue> SharedObject for RwLock<T> {
    type Initial = T;

    fn spec(initial: T) -> PartSpec {
        PartSpec::of(PartKind::RwLock, &initial)
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::of::<T>(PartKind::RwLock)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        RwLock {
            last_id: shared.0.last_id(),
            part: PartHandle::of_rwlock(shared.0, index),
            probe_again: PrivateWord::new(0),
            marker: PhantomData,
        }
    }
}

/// Another handle of the same member, for another thread.
impl<T: SharedValue> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        RwLock {
            part: self.part.clone(),
            last_id: self.last_id,
            probe_again: PrivateWord::new(0),
            marker: PhantomData,
        }
    }
}

impl<T: SharedValue> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value is not ours to read.
        f.debug_struct("RwLock")
            .field("path", &self.path())
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`RwLock`] of this name, which starts with `value`.
    pub fn rwlock<T: SharedValue>(self, name: &str, value: T) -> Self {
        self.part::<RwLock<T>>(name, value)
    }
}

impl Group {
    /// Opens the [`RwLock`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn rwlock<T: SharedValue>(&self, name: &str) -> Result<RwLock<T>, RingError> {
        self.part(name)
    }
}
