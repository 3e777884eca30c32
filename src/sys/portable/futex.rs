//! Sleeping on a word of shared memory by looking at it again and again.
//!
//! Nothing wakes a sleeper: it sees that the word has changed. Every notifier changes the
//! word before it wakes, so none of them is missed. The events of `raw_sync` would wake
//! at once, but a process that is killed inside one takes its lock along, and their
//! deadlines follow the wall clock (`tests/portable`).

use std::thread;
use std::time::Duration;

use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sys::clock::MonotonicTime;

/// Why a sleep ended. Whatever it was, the caller looks at its condition again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// The word does not hold the expected value.
    Changed,
    /// The deadline passed.
    TimedOut,
}

/// Looks between which other threads may run, before the first pause: a peer that is about
/// to answer does so meanwhile.
const YIELDS: u32 = 64;
/// The first pause between two looks,
const FIRST_PAUSE: Duration = Duration::from_micros(20);
/// and the longest: each is half as long again as the one before.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// Sleeps while `word` holds `expected`, at most until `deadline`: up to 2 milliseconds,
/// and what the system's sleep adds, after the change.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: MonotonicTime) -> WaitEnd {
    wait_many(&[(word, expected)], deadline)
}

/// As [`wait`], while each of `words` holds what is expected of it.
pub(crate) fn wait_many(words: &[(&AtomicU32, u32)], deadline: MonotonicTime) -> WaitEnd {
    look_until(|| words.iter().any(has_changed), deadline)
}

/// As [`wait`], while `word` holds `expected`. Where the kernel compares, it compares the low
/// half only; here the word is read as a whole, as all others access it.
pub(crate) fn wait_half(word: &AtomicU64, expected: u64, deadline: MonotonicTime) -> WaitEnd {
    // Acquire: pairs with the changes by those who give up what the word guards.
    look_until(|| word.load(Ordering::Acquire) != expected, deadline)
}

fn look_until(has_changed: impl Fn() -> bool, deadline: MonotonicTime) -> WaitEnd {
    let mut pause = FIRST_PAUSE;
    let mut yields = 0;
    while !has_changed() {
        let left = MonotonicTime::now().until(deadline);
        if left.is_zero() {
            return WaitEnd::TimedOut;
        }
        if yields < YIELDS {
            yields += 1;
            thread::yield_now();
            continue;
        }
        thread::sleep(pause.min(left));
        pause = (pause + pause / 2).min(LONGEST_PAUSE);
    }
    WaitEnd::Changed
}

fn has_changed((word, expected): &(&AtomicU32, u32)) -> bool {
    // Acquire: pairs with the SeqCst changes of notifiers.
    word.load(Ordering::Acquire) != *expected
}

/// Wakes no sleeper, and says so: 0. The caller has changed the word.
pub(crate) fn wake(_word: &AtomicU32, _count: u32) -> usize {
    0
}

/// As [`wake`].
pub(crate) fn wake_half(_word: &AtomicU64, _count: u32) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(duration: Duration) -> MonotonicTime {
        MonotonicTime::now().checked_add(duration).unwrap()
    }

    #[test]
    fn a_changed_word_does_not_sleep() {
        let word = AtomicU32::new(7);
        assert_eq!(
            wait(&word, 6, after(Duration::from_secs(60))),
            WaitEnd::Changed
        );
    }

    #[test]
    fn a_deadline_ends_a_sleep_and_not_before() {
        let word = AtomicU32::new(0);
        assert_eq!(wait(&word, 0, MonotonicTime::now()), WaitEnd::TimedOut);
        let deadline = after(Duration::from_millis(5));
        assert_eq!(wait(&word, 0, deadline), WaitEnd::TimedOut);
        assert!(MonotonicTime::now() >= deadline);
    }

    #[test]
    fn a_change_of_any_word_ends_a_sleep() {
        let words = [const { AtomicU32::new(0) }; 3];
        thread::scope(|scope| {
            let all = words.each_ref().map(|word| (word, 0));
            let deadline = after(Duration::from_secs(600));
            let sleeper = scope.spawn(move || wait_many(&all, deadline));
            // Release: pairs with the load of the sleeper.
            words[2].store(2, Ordering::Release);
            assert_eq!(sleeper.join().unwrap(), WaitEnd::Changed);
        });
    }

    #[test]
    fn a_change_of_the_high_half_ends_a_sleep() {
        let word = AtomicU64::new(7);
        let deadline = || after(Duration::from_millis(5));
        assert_eq!(wait_half(&word, 7, deadline()), WaitEnd::TimedOut);
        assert_eq!(wake_half(&word, 1), 0);
        let other = 7 | 1 << 40;
        assert_eq!(
            wait_half(&word, other, after(Duration::from_secs(60))),
            WaitEnd::Changed
        );
    }

    #[test]
    fn a_change_ends_a_sleep() {
        let word = AtomicU32::new(0);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait(&word, 0, after(Duration::from_secs(600))));
            // Release: pairs with the load of the sleeper.
            word.store(2, Ordering::Release);
            assert_eq!(wake(&word, 1), 0);
            assert_eq!(sleeper.join().unwrap(), WaitEnd::Changed);
        });
    }
}
