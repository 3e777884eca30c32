//! Sleeping for real: shared futexes and `membarrier`.

use core::time::Duration;

use super::half::ParkHalf;
use super::word::{Park, ParkMany};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering, fence};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::sys::{futex, membarrier};

/// Sleeps by futex; its heavy barrier fits the object's fences.
#[derive(Clone, Copy)]
pub(crate) struct Parker(pub Fences);

impl Parker {
    /// As [`Park::heavy`], for what must not be missed: waits until every
    /// processor has been through the scheduler (milliseconds). The expedited form
    /// was seen to pass over a running thread; see `docs/verification.md`.
    pub(crate) fn thorough(&self) {
        fence(Ordering::SeqCst);
        if self.0 == Fences::Membarrier {
            // Fails only where a sandbox forbids every form of it.
            let _ = membarrier::thorough();
        }
        failpoint!(ThoroughBarrier);
    }
}

impl Park for Parker {
    type Time = MonotonicTime;

    fn now(&self) -> MonotonicTime {
        MonotonicTime::now()
    }

    fn after(&self, time: MonotonicTime, duration: Duration) -> MonotonicTime {
        time.checked_add(duration).unwrap_or(time)
    }

    fn heavy(&self) {
        fence(Ordering::SeqCst);
        if self.0 == Fences::Membarrier {
            // Registration succeeded when the ring was opened, and the kernel
            // does not take it back. Should it fail all the same, a wake-up may
            // be late by the cap of a sleep (W4), not lost.
            let _ = membarrier::heavy();
        }
        failpoint!(HeavyBarrier);
    }

    fn sleep(&self, word: &AtomicU32, expected: u32, deadline: MonotonicTime) -> bool {
        // Why else it woke does not matter: the caller looks for itself.
        futex::wait(word, expected, deadline) == futex::WaitEnd::TimedOut
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        futex::wake(word, count)
    }
}

impl ParkMany for Parker {
    fn sleep_many(&self, words: &[(&AtomicU32, u32)], deadline: MonotonicTime) -> bool {
        futex::wait_many(words, deadline) == futex::WaitEnd::TimedOut
    }
}

impl ParkHalf for Parker {
    fn sleep_half(&self, word: &AtomicU64, expected: u64, deadline: MonotonicTime) -> bool {
        futex::wait_half(word, expected, deadline) == futex::WaitEnd::TimedOut
    }

    fn wake_half(&self, word: &AtomicU64, count: u32) -> usize {
        futex::wake_half(word, count)
    }
}
