//! The last value that one writer has stored, for any number of readers (LA1 to LA5).
//!
//! Value number `n` is in slot `n % count`; the index is the number of the last one. A
//! writer that dies leaves the index and the slot of the last value as they are.

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sys::failpoints::failpoint;
use crate::wait::{Operation, Park, Poll, WaitWord, block};

/// The slots of a new object. A reader is disturbed when `SLOTS - 1` values are stored
/// while it copies one.
pub(crate) const SLOTS: u64 = 4;
/// The fewest slots with which a reader can succeed while a writer writes.
pub(crate) const MIN_SLOTS: u64 = 2;
/// The most slots.
pub(crate) const MAX_SLOTS: u64 = 64;

/// Copies that a reader makes before it gives up. A writer that cooperates disturbs a few
/// in a row; a hostile one must not keep the caller.
pub(crate) const MAX_COPIES: u32 = 1 << 16;

/// The words before the slots.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LatestHead {
    /// The number of the last value, alone in its line.
    pub index: AtomicU64,
    #[cfg(not(loom))]
    line: [AtomicU64; 7],
    /// What those sleep on that wait for another value.
    pub waiters: AtomicU32,
    /// For display: the member that writes, or was the last to do so.
    pub writer: AtomicU32,
}

impl LatestHead {
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        LatestHead {
            index: AtomicU64::new(0),
            waiters: AtomicU32::new(0),
            writer: AtomicU32::new(0),
        }
    }
}

/// The memory of one object.
pub(crate) trait ValueSlots {
    fn head(&self) -> &LatestHead;
    /// How many slots there are, from private memory.
    fn count(&self) -> u64;
    /// The words of the slot of value number `number`.
    fn slot(&self, number: u64) -> &[AtomicU64];
}

/// LA1, LA4: stores the value after the last one, and returns its number. One writer at a
/// time.
#[inline]
pub(crate) fn write(slots: &impl ValueSlots, value: &[u8]) -> u64 {
    let index = &slots.head().index;
    // LA4: the number after that of the last whole value, whichever writer stored it. Acquire:
    // pairs with the store of a predecessor, below.
    let number = index.load(Ordering::Acquire).wrapping_add(1);
    // LA2: parts the last index from the next words. Pairs with the fence in `read`: a
    // reader that finds one of these words finds the last index, too, or a later one.
    fence(Ordering::Release);
    store(slots.slot(number), value);
    failpoint!(ValueWritten);
    // Release: pairs with the first load in `read`.
    index.store(number, Ordering::Release);
    failpoint!(ValuePublished);
    number
}

/// LA3: copies the last value, and returns its number; `None`: each copy was disturbed.
#[inline]
pub(crate) fn read(slots: &impl ValueSlots, copies: u32, into: &mut [u8]) -> Option<u64> {
    let index = &slots.head().index;
    for _ in 0..copies {
        // Acquire: pairs with the store in `write`.
        let first = index.load(Ordering::Acquire);
        load(slots.slot(first), into);
        // Pairs with the fence in `write`.
        fence(Ordering::Acquire);
        // Relaxed: after the fence.
        let last = index.load(Ordering::Relaxed);
        // Of value `first + count`, which lies in the same slot, no word was stored before
        // the index was `first + count - 1`.
        if last.wrapping_sub(first) <= slots.count() - MIN_SLOTS {
            return Some(first);
        }
    }
    None
}

/// Stores bytes word by word. Relaxed: the index orders them.
#[inline]
fn store(words: &[AtomicU64], bytes: &[u8]) {
    let mut wholes = bytes.chunks_exact(8);
    let mut words = words.iter();
    for (chunk, word) in (&mut wholes).zip(&mut words) {
        let value = chunk.try_into().map_or(0, u64::from_ne_bytes);
        word.store(value, Ordering::Relaxed);
        failpoint!(WordWritten);
    }
    let rest = wholes.remainder();
    if !rest.is_empty()
        && let Some(word) = words.next()
    {
        let mut value = [0; 8];
        value[..rest.len()].copy_from_slice(rest);
        word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
    }
}

/// Loads bytes word by word, each once. Relaxed, as above.
#[inline]
fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    let mut wholes = bytes.chunks_exact_mut(8);
    let mut words = words.iter();
    for (chunk, word) in (&mut wholes).zip(&mut words) {
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    let rest = wholes.into_remainder();
    if !rest.is_empty()
        && let Some(word) = words.next()
    {
        let value = word.load(Ordering::Relaxed).to_ne_bytes();
        rest.copy_from_slice(&value[..rest.len()]);
    }
}

/// Waits until the last value is not number `since`, and returns its number; `None`: the
/// deadline passed.
pub(crate) fn wait_changed<P: Park + Clone>(
    head: &LatestHead,
    since: u64,
    park: P,
    looks: u32,
    deadline: Option<P::Time>,
) -> Option<u64> {
    let mut wait = ChangeWait { head, since, park };
    block(&mut wait, Some(looks), deadline).ok()
}

/// A call that waits for another value, by W2 to W4.
struct ChangeWait<'a, P> {
    head: &'a LatestHead,
    since: u64,
    park: P,
}

/// The deadline of a wait has passed.
struct TooLate;

impl<P: Park + Clone> Operation for ChangeWait<'_, P> {
    type Output = u64;
    type Error = TooLate;
    type Park = P;

    fn look(&mut self) -> Option<u64> {
        // Acquire: pairs with the store in `write`.
        let index = self.head.index.load(Ordering::Acquire);
        (index != self.since).then_some(index)
    }

    fn check(&mut self) -> Poll<u64, TooLate> {
        self.look().map_or(Poll::Pending, Poll::Ready)
    }

    fn register(&mut self) -> u32 {
        WaitWord(&self.head.waiters).register(&self.park, false, &mut false)
    }

    fn reclaim(&mut self) -> bool {
        false // a dead writer has left nothing
    }

    fn is_blocked(&mut self) -> bool {
        false
    }

    fn sleep(&mut self, registered: u32, until: P::Time) -> bool {
        let in_full = self.park.sleep(&self.head.waiters, registered, until);
        failpoint!(Woken);
        in_full
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {} // a writer wakes all

    fn timed_out(&mut self) -> TooLate {
        TooLate
    }

    fn park(&mut self) -> P {
        self.park.clone()
    }
}
