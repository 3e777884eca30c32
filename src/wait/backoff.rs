//! How long to pause, to look and to yield: the one place for these constants.

use core::hint::spin_loop;

/// A waiting call checks in full once for so many cheap looks: what a cheap look may
/// miss is found within some microseconds.
pub(crate) const FULL_CHECK_EVERY: u32 = 32;

/// A waiting call offers its processor to other threads once for so many looks.
const SPINS_PER_YIELD: u32 = 256;

/// Failed claims of one call after which it pauses no more: a peer that makes all of
/// them fail must not make each take longer, too.
const MAX_PAUSES: u32 = 16;

/// Claims of a call that does not wait, as long as another endpoint's unfinished
/// operation is in the way: with the pauses of [`Contention`] some microseconds in all,
/// which is longer than such an operation takes unless its thread is not running.
pub(crate) const TRIES_WHILE_HELD: u32 = 8;

/// Full checks of a call that does not wait, as long as others are quicker each time.
/// Each of them has made many tries, so only a hostile peer makes all of them fail.
pub(crate) const CHECKS_OF_CONTENDED: u32 = 64;

/// The longest pause between two claims: two to this power.
const MAX_PAUSE_SHIFT: u32 = 6;

/// Pauses of a call whose compare-and-swaps fail: the endpoint that succeeded goes on
/// undisturbed for a while, with the line in its cache, and both get more done than by
/// turns.
pub(crate) struct Contention {
    pauses: u32,
}

impl Contention {
    pub(crate) fn new() -> Self {
        Contention { pauses: 0 }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn pause(&mut self) {
        if self.pauses < MAX_PAUSES {
            for _ in 0..1u32 << self.pauses.min(MAX_PAUSE_SHIFT) {
                spin_loop();
            }
            self.pauses += 1;
        }
    }
}

/// The looks of a waiting call before it sleeps.
pub(crate) struct Looks {
    made: u32,
    /// `None`: there is no sleep.
    limit: Option<u32>,
}

impl Looks {
    /// As many looks as `limit` says, then sleep; `None`: never sleep.
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Looks { made: 0, limit }
    }

    /// Looks until one finds something, it is time for a full check, or the looks are
    /// used up.
    #[inline(always)]
    pub(crate) fn spin<R>(&mut self, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        for _ in 0..FULL_CHECK_EVERY {
            if self.are_used_up() {
                return None;
            }
            // First: the caller has just looked, and a peer at work goes on meanwhile.
            spin_loop();
            if let Some(found) = look() {
                return Some(found);
            }
            self.made = self.made.wrapping_add(1);
            if self.made.is_multiple_of(SPINS_PER_YIELD) {
                yield_now();
            }
        }
        None
    }

    pub(crate) fn are_used_up(&self) -> bool {
        self.limit.is_some_and(|limit| self.made >= limit)
    }
}

#[cfg(all(test, not(loom)))]
thread_local! {
    /// Yields of this thread, for the tests.
    pub(super) static YIELDS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// loom's threads must not be yielded by the system.
fn yield_now() {
    #[cfg(all(test, not(loom)))]
    YIELDS.set(YIELDS.get() + 1);
    #[cfg(not(loom))]
    std::thread::yield_now();
    #[cfg(loom)]
    loom::thread::yield_now();
}
