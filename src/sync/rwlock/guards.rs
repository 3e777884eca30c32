//! The rights to read and to change the value.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::super::object::SharedValue;
use super::RwLock;

/// The right to read the value of a [`RwLock`], from [`RwLock::read`] and the like. Dropping it
/// gives the right back.
///
/// A guard that is leaked keeps writers out until the last clone of its handle is dropped. A
/// forked child must not use the value of a guard that it has inherited: the value is not mapped
/// there. In the child, dropping the guard does nothing.
#[must_use = "if unused the lock is given back at once"]
pub struct RwLockReadGuard<'a, T: SharedValue> {
    lock: &'a RwLock<T>,
    /// Of the thread that locked, as in `std`.
    _stays: PhantomData<std::sync::RwLockReadGuard<'static, ()>>,
}

/// The right to change the value of a [`RwLock`], from [`RwLock::write`] and the like. Dropping
/// it gives the right back.
///
/// A guard that is leaked leaves the lock held until the last clone of its handle is dropped:
/// then the lock is free, and poisoned. In a forked child, the same applies as to
/// [`RwLockReadGuard`].
#[must_use = "if unused the lock is given back at once"]
pub struct RwLockWriteGuard<'a, T: SharedValue> {
    lock: &'a RwLock<T>,
    /// The word as this guard holds it.
    held: u64,
    /// Locked while this thread was unwinding already: what it does then poisons nothing,
    /// as in `std`.
    was_panicking: bool,
    /// Of the thread that locked, as in `std`: by it is known whether that panics.
    _stays: PhantomData<std::sync::RwLockWriteGuard<'static, ()>>,
}

impl<'a, T: SharedValue> RwLockReadGuard<'a, T> {
    /// After this member has counted the reader.
    #[inline(always)]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        RwLockReadGuard {
            lock,
            _stays: PhantomData,
        }
    }
}

impl<'a, T: SharedValue> RwLockWriteGuard<'a, T> {
    /// After this member has taken the lock, and waited for the readers.
    #[inline(always)]
    pub(super) fn new(lock: &'a RwLock<T>, held: u64) -> Self {
        RwLockWriteGuard {
            lock,
            held,
            was_panicking: std::thread::panicking(),
            _stays: PhantomData,
        }
    }

    /// Turns a write guard into a read guard; no writer comes between. There is no way to turn a
    /// read guard into a write guard: two readers that wait to become writers would wait for each
    /// other.
    ///
    /// ```
    /// # use memring::sync::{RwLock, RwLockWriteGuard};
    /// # let table = RwLock::anonymous([0u32; 16])?;
    /// let mut writing = table.write().unwrap();
    /// writing[3] = 7;
    /// let reading = RwLockWriteGuard::downgrade(writing);
    /// assert_eq!(reading[3], 7); // as it was written: no writer came between
    /// assert!(table.try_read().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let RwLockWriteGuard { lock, held, .. } = guard;
        std::mem::forget(guard);
        let part = &lock.part;
        if part.is_mapped() {
            let parker = part.shared().parker();
            lock.lock().downgrade(held, part.me(), &parker);
        }
        RwLockReadGuard::new(lock)
    }
}

impl<T: SharedValue> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: V9, V10: mapped and aligned, any bytes are a value, and nobody holds the
        // lock for writing.
        unsafe { self.lock.part.value::<T>().as_ref() }
    }
}

impl<T: SharedValue> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: V9, V10: mapped and aligned, any bytes are a value, and no other holds
        // the lock.
        unsafe { self.lock.part.value::<T>().as_ref() }
    }
}

impl<T: SharedValue> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: V9, V10, as above; the guard is borrowed for itself alone.
        unsafe { self.lock.part.value::<T>().as_mut() }
    }
}

impl<T: SharedValue> Drop for RwLockReadGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let part = &self.lock.part;
        // In a forked child the count is the parent's.
        if part.is_mapped() {
            let parker = part.shared().parker();
            self.lock.lock().unlock_read(part.me(), &parker);
        }
    }
}

impl<T: SharedValue> Drop for RwLockWriteGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let part = &self.lock.part;
        // In a forked child the lock is the parent's.
        if part.is_mapped() {
            let poison = !self.was_panicking && std::thread::panicking();
            let (lock, parker) = (self.lock.lock(), part.shared().parker());
            lock.unlock_write(self.held, poison, &parker);
        }
    }
}

impl<T: SharedValue + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: SharedValue + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: SharedValue + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: SharedValue + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
