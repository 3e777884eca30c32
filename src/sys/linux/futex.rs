//! Sleeping on a word of shared memory, and waking the sleepers.
//!
//! The private flag is never given: the sleepers are other processes.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::thread::futex;

use crate::sys::clock::MonotonicTime;

mod half;
mod many;

pub(crate) use half::{wait_half, wake_half};
pub(crate) use many::wait_many;

/// Why a sleep ended. Whatever it was, the caller looks at its condition again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// A waker woke this sleeper.
    Woken,
    /// The word did not hold the expected value, so there was no sleep.
    Changed,
    /// A signal handler ran, or the kernel refused: see [`wait`].
    Interrupted,
    /// The deadline passed.
    TimedOut,
}

/// Every bit: a sleeper that any wake-up reaches.
const ANY: NonZeroU32 = NonZeroU32::MAX;

/// Sleeps until woken or until `deadline`, if `word` still holds `expected`.
///
/// The kernel compares and goes to sleep in one step. There is no error to
/// report: an unexpected refusal counts as [`WaitEnd::Interrupted`]. The word is
/// an aligned `AtomicU32` and the deadline is well formed, so that leaves a
/// word whose page is gone (a peer has truncated the file; the next look at
/// the word says so louder) and a sandbox that forbids the call. A spurious
/// wake-up is right in both: the caller looks again and minds its deadline,
/// and what it loses is processor time.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: MonotonicTime) -> WaitEnd {
    let deadline = deadline.to_timespec();
    // WAIT_BITSET rather than WAIT: its time is absolute, on CLOCK_MONOTONIC.
    let flags = futex::Flags::empty();
    match futex::wait_bitset(word, flags, expected, Some(&deadline), ANY) {
        Ok(()) => WaitEnd::Woken,
        Err(Errno::AGAIN) => WaitEnd::Changed,
        Err(Errno::TIMEDOUT) => WaitEnd::TimedOut,
        Err(_) => WaitEnd::Interrupted,
    }
}

/// Wakes up to `count` sleepers on `word`; returns how many it woke.
///
/// A refusal wakes no sleeper and returns 0, for the reasons given at [`wait`]:
/// sleepers cap their sleep, so a wake-up that is lost costs them time only.
pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
    // The kernel takes a signed number.
    let count = count.min(i32::MAX.unsigned_abs());
    futex::wake(word, futex::Flags::empty(), count).unwrap_or(0)
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests {
    use std::thread;
    use std::time::Duration;

    use memring_testkit::time::LONG;
    use memring_testkit::words::shared_word;
    use memring_testkit::{forks, sys};

    use super::*;

    fn after(duration: Duration) -> MonotonicTime {
        MonotonicTime::now().checked_add(duration).unwrap()
    }

    #[test]
    fn a_changed_word_does_not_sleep() {
        let word = AtomicU32::new(7);
        assert_eq!(wait(&word, 6, after(LONG)), WaitEnd::Changed);
    }

    #[test]
    fn the_deadline_is_absolute_and_monotonic() {
        let word = AtomicU32::new(0);
        assert_eq!(wait(&word, 0, MonotonicTime::now()), WaitEnd::TimedOut);
        let deadline = after(Duration::from_millis(5));
        assert_eq!(wait(&word, 0, deadline), WaitEnd::TimedOut);
        assert!(MonotonicTime::now() >= deadline);
    }

    #[test]
    fn wakes_as_many_as_it_says() {
        let word = AtomicU32::new(0);
        assert_eq!(wake(&word, u32::MAX), 0);
        thread::scope(|scope| {
            let sleepers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| wait(&word, 0, after(LONG))))
                .collect();
            let limit = after(LONG);
            let mut woken = 0;
            while woken < 2 && MonotonicTime::now() < limit {
                let now = wake(&word, 1);
                assert!(now <= 1);
                woken += now;
                thread::yield_now();
            }
            for sleeper in sleepers {
                assert_eq!(sleeper.join().unwrap(), WaitEnd::Woken);
            }
        });
    }

    #[test]
    fn wakes_a_sleeper_in_another_process() {
        // The parent sleeps through one mapping, the child wakes through the
        // same page: a private futex would not be found.
        let word = shared_word();
        let child = forks::fork_checked(|| {
            let limit = after(LONG);
            while MonotonicTime::now() < limit {
                if wake(word, 1) == 1 {
                    return true;
                }
                thread::yield_now();
            }
            false
        });
        let mut outcome = wait(word, 0, after(LONG));
        while outcome == WaitEnd::Interrupted {
            outcome = wait(word, 0, after(LONG));
        }
        assert_eq!(outcome, WaitEnd::Woken);
        assert!(child.succeeded());
    }

    #[test]
    fn a_signal_interrupts() {
        let word = AtomicU32::new(0);
        let outcome = sys::with_signals(|| wait(&word, 0, after(LONG)), |_| {});
        assert_eq!(outcome, WaitEnd::Interrupted);
    }
}
