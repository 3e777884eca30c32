//! Atomics of 64 bits, and of 8, whose every access can be watched; and counts of 32 bits.
//!
//! Without a watcher it is the standard library's. With one, on this thread,
//! the word itself is left alone: the watcher answers, or suspends the caller.
//! That is how `ring::tests::explore` runs the real code one shared access at a
//! time.

use core::cell::Cell;
use core::ops::Deref;
use core::sync::atomic::{self, Ordering};
use std::panic::resume_unwind;

/// What is done to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Load,
    Store(u64),
    /// A compare-and-swap: from, to.
    Swap(u64, u64),
    Add(u64),
}

/// Says what was in the word before the access, or suspends the caller. It is
/// told the word's value, which names the word.
pub(crate) type Watcher = fn(u64, Access) -> Option<u64>;

/// What unwinds from the access of a suspended caller.
pub(crate) struct Suspended;

thread_local! {
    static WATCHER: Cell<Option<Watcher>> = const { Cell::new(None) };
}

/// Runs `body` with all accesses of this thread watched. `None`: suspended.
pub(crate) fn watched_by<T>(watcher: Watcher, body: impl FnOnce() -> T) -> Option<T> {
    WATCHER.set(Some(watcher));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    WATCHER.set(None);
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Suspended>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Suspends the code that runs under [`watched_by`]. No panic hook is called.
pub(crate) fn suspend() -> ! {
    resume_unwind(Box::new(Suspended))
}

/// The watcher's answer, if there is a watcher.
#[inline]
fn watched(name: impl FnOnce() -> u64, access: Access) -> Option<u64> {
    let watcher = WATCHER.get()?;
    Some(watcher(name(), access).unwrap_or_else(|| suspend()))
}

/// The atomic of the standard library, watched.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        AtomicU64(atomic::AtomicU64::new(value))
    }

    #[inline]
    fn watched(&self, access: Access) -> Option<u64> {
        watched(|| self.0.load(Ordering::Relaxed), access)
    }

    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.watched(Access::Load)
            .unwrap_or_else(|| self.0.load(order))
    }

    #[inline]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        if self.watched(Access::Store(value)).is_none() {
            self.0.store(value, order);
        }
    }

    /// What was there is nothing to a watcher, for no caller asks.
    #[inline]
    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.watched(Access::Store(value))
            .unwrap_or_else(|| self.0.swap(value, order))
    }

    #[inline]
    pub(crate) fn compare_exchange(
        &self,
        from: u64,
        to: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        match self.watched(Access::Swap(from, to)) {
            None => self.0.compare_exchange(from, to, success, failure),
            Some(found) if found == from => Ok(found),
            Some(found) => Err(found),
        }
    }

    #[inline]
    pub(crate) fn fetch_add(&self, by: u64, order: Ordering) -> u64 {
        self.watched(Access::Add(by))
            .unwrap_or_else(|| self.0.fetch_add(by, order))
    }
}

/// The same of 8 bits, of which there are fewer names.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicU8(atomic::AtomicU8);

impl AtomicU8 {
    pub(crate) const fn new(value: u8) -> Self {
        AtomicU8(atomic::AtomicU8::new(value))
    }

    #[inline]
    fn watched(&self, access: Access) -> Option<u64> {
        watched(|| self.0.load(Ordering::Relaxed).into(), access)
    }

    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u8 {
        self.watched(Access::Load)
            .map_or_else(|| self.0.load(order), |found| found as u8)
    }

    #[inline]
    pub(crate) fn store(&self, value: u8, order: Ordering) {
        if self.watched(Access::Store(value.into())).is_none() {
            self.0.store(value, order);
        }
    }
}

/// A count of 32 bits, watched as it is loaded and added to. Else it is an atomic as those
/// that are slept on.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicEvent(atomic::AtomicU32);

impl AtomicEvent {
    pub(crate) const fn new(value: u32) -> Self {
        AtomicEvent(atomic::AtomicU32::new(value))
    }

    #[inline]
    fn watched(&self, access: Access) -> Option<u64> {
        watched(|| self.0.load(Ordering::Relaxed).into(), access)
    }

    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.watched(Access::Load)
            .map_or_else(|| self.0.load(order), |found| found as u32)
    }

    #[inline]
    pub(crate) fn fetch_add(&self, by: u32, order: Ordering) -> u32 {
        self.watched(Access::Add(by.into()))
            .map_or_else(|| self.0.fetch_add(by, order), |found| found as u32)
    }
}

impl Deref for AtomicEvent {
    type Target = atomic::AtomicU32;

    fn deref(&self) -> &atomic::AtomicU32 {
        &self.0
    }
}
