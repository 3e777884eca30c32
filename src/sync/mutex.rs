//! A value that only one thread of one process at a time may use.

#![allow(unsafe_code)]

mod verbs;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::atomic::{AtomicU64 as PrivateWord, Ordering};

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef, SharedValue};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use super::word::lock::{LockCount, LockWord};
use crate::error::LockError;
use crate::error::RingError;
use crate::members::Peer;
use crate::sys::atomic::AtomicU64;

/// A value in shared memory that only one thread of one process at a time may use: as
/// [`std::sync::Mutex`], between processes.
///
/// A handle belongs to a process. Its threads use the handle by reference, or clone it, and
/// exclude each other by the same word as other processes do. Locking without contention is a
/// compare-and-swap, and unlocking is a swap, with no system call.
///
/// If the process of a holder dies, in whatever way, the next holder gets
/// [`Poisoned`](LockError::Poisoned), with a guard inside and the value as the dead holder left
/// it. A thread that panics poisons the lock, too. A holder that is stopped, or busy, keeps the
/// lock: the errors of calls with a time limit name that holder.
///
/// The value is used in place, as `&T` and `&mut T`: processes that can write to the file have to
/// keep to the lock. The repository's `docs/trust.md` says what a process that does not can do.
///
/// ```
/// use memring::sync::{LockError, Mutex};
///
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(C)]
/// struct Accounts {
///     ours: u64,
///     theirs: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-mutex-{}", std::process::id());
/// // Every process: the first one makes it.
/// let start = Accounts { ours: 100, theirs: 0 };
/// let accounts = Mutex::open_or_create(name, start)?;
///
/// let mut guard = match accounts.lock() {
///     Ok(guard) => guard,
///     Err(LockError::Poisoned(poisoned)) => {
///         // A holder died between the two lines below.
///         let mut guard = poisoned.into_inner();
///         guard.theirs = 100 - guard.ours;
///         accounts.clear_poison();
///         guard
///     }
///     Err(error) => return Err(error.without_guard().into()),
/// };
/// guard.ours -= 10;
/// guard.theirs += 10;
/// assert_eq!(guard.ours + guard.theirs, 100);
/// # drop(guard);
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
pub struct Mutex<T: SharedValue> {
    part: PartHandle<AtomicU64>,
    /// When a failing `try_lock` may probe again, by the coarse clock.
    probe_again: PrivateWord,
    /// How often the lock had been taken when this handle gave it back last: if no other has
    /// taken it since, that is its word.
    last_count: PrivateWord,
    marker: PhantomData<T>,
}

handle!([T: SharedValue] Mutex<T>, "mutex", (value: T));

impl<T: SharedValue> Mutex<T> {
    #[inline(always)]
    fn word(&self) -> LockWord<'_> {
        LockWord(self.part.word())
    }
}

/// The right to use the value of a [`Mutex`], from [`Mutex::lock`] and the like. Dropping it
/// releases the lock.
///
/// A guard that is leaked leaves the lock held, until the last clone of its handle is dropped:
/// then the lock is free, and poisoned. A forked child must not use the value of a guard that it
/// has inherited: the value is not mapped there. In the child, dropping the guard does nothing.
///
/// A guard cannot move to another thread, as with all guards of locks, here and in `std`:
///
/// ```compile_fail,E0277
/// fn is_sent<T: Send>() {}
/// is_sent::<memring::sync::MutexGuard<'_, u64>>();
/// ```
/// ```compile_fail,E0277
/// # fn is_sent<T: Send>() {}
/// is_sent::<memring::sync::RwLockReadGuard<'_, u64>>();
/// ```
/// ```compile_fail,E0277
/// # fn is_sent<T: Send>() {}
/// is_sent::<memring::sync::RwLockWriteGuard<'_, u64>>();
/// ```
#[must_use = "if unused the mutex is unlocked at once"]
pub struct MutexGuard<'a, T: SharedValue> {
    mutex: &'a Mutex<T>,
    /// The word as this guard holds it.
    held: u64,
    /// Locked while this thread was unwinding already: what it does then poisons nothing,
    /// as in `std`.
    was_panicking: bool,
    /// Of the thread that locked, as in `std`: by it is known whether that panics.
    _stays: PhantomData<std::sync::MutexGuard<'static, ()>>,
}

/// A guard, or an error that may have one inside.
pub(super) type Locked<'a, T> = Result<MutexGuard<'a, T>, LockError<MutexGuard<'a, T>>>;

impl<'a, T: SharedValue> MutexGuard<'a, T> {
    #[inline(always)]
    pub(super) fn new(mutex: &'a Mutex<T>, held: u64) -> Self {
        MutexGuard {
            mutex,
            held,
            was_panicking: std::thread::panicking(),
            _stays: PhantomData,
        }
    }

    /// The mutex that this guard is of.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: SharedValue> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: V9, V10: mapped and aligned, any bytes are a value, and no other holds
        // the lock.
        unsafe { self.mutex.part.value::<T>().as_ref() }
    }
}

impl<T: SharedValue> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: V9, V10, as above; the guard is borrowed for itself alone.
        unsafe { self.mutex.part.value::<T>().as_mut() }
    }
}

impl<T: SharedValue> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let part = &self.mutex.part;
        // In a forked child the lock is the parent's.
        if part.is_mapped() {
            let poison = !self.was_panicking && std::thread::panicking();
            let count = LockCount::of(self.held).to_bits();
            self.mutex.last_count.store(count, Ordering::Relaxed);
            let parker = || part.shared().parker();
            self.mutex.word().unlock(self.held, poison, parker);
        }
    }
}

impl<T: SharedValue + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: SharedValue + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: SharedValue> SharedObject for Mutex<T> {
    type Initial = T;

    fn spec(initial: T) -> PartSpec {
        PartSpec::of(PartKind::Mutex, &initial)
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::of::<T>(PartKind::Mutex)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        Mutex {
            part: PartHandle::of_word(shared.0, index),
            probe_again: PrivateWord::new(0),
            last_count: PrivateWord::new(0),
            marker: PhantomData,
        }
    }
}

/// Another handle of the same member, for another thread.
impl<T: SharedValue> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Mutex {
            part: self.part.clone(),
            probe_again: PrivateWord::new(0),
            last_count: PrivateWord::new(0),
            marker: PhantomData,
        }
    }
}

impl<T: SharedValue> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value is not ours to read.
        f.debug_struct("Mutex")
            .field("path", &self.path())
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Mutex`] of this name, which starts with `value`.
    pub fn mutex<T: SharedValue>(self, name: &str, value: T) -> Self {
        self.part::<Mutex<T>>(name, value)
    }
}

impl Group {
    /// Opens the [`Mutex`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn mutex<T: SharedValue>(&self, name: &str) -> Result<Mutex<T>, RingError> {
        self.part(name)
    }
}
