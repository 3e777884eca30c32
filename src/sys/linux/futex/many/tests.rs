use std::thread;

use memring_testkit::time::LONG;
use memring_testkit::words::shared_word;
use memring_testkit::{forks, sys};

use super::super::wake;
use super::*;

/// A way of sleeping on many words.
type WaitMany = fn(&[(&AtomicU32, u32)], MonotonicTime) -> WaitEnd;

/// As it is; as if there were no `futex_waitv`; as if it took two words.
const WAYS: [WaitMany; 3] = [
    wait_many,
    |words, deadline| by_groups(words, 1, deadline),
    |words, deadline| by_groups(words, 2, deadline),
];

fn after(duration: Duration) -> MonotonicTime {
    MonotonicTime::now().checked_add(duration).unwrap()
}

fn words(count: usize) -> Vec<AtomicU32> {
    (0..count).map(|_| AtomicU32::new(0)).collect()
}

fn expected(words: &[AtomicU32]) -> Vec<(&AtomicU32, u32)> {
    words.iter().map(|word| (word, 0)).collect()
}

/// A kernel that tests run on has the call; elsewhere the first way is the second.
fn kernel_has_it() -> bool {
    let words = words(2);
    wait_group(&expected(&words), MonotonicTime::now());
    is_available()
}

#[test]
fn any_changed_word_ends_it_at_once() {
    for wait in WAYS {
        for count in [1, 2, 3, MAX_WORDS, MAX_WORDS + 1, 3 * MAX_WORDS] {
            for changed in [0, count / 2, count - 1] {
                let words = words(count);
                words[changed].store(1, Ordering::SeqCst);
                assert_eq!(wait(&expected(&words), after(LONG)), WaitEnd::Changed);
            }
        }
    }
}

#[test]
fn the_deadline_is_absolute_and_monotonic() {
    for wait in WAYS {
        for count in [1, 2, MAX_WORDS, MAX_WORDS + 1] {
            let words = words(count);
            let words = expected(&words);
            assert_eq!(wait(&words, MonotonicTime::now()), WaitEnd::TimedOut);
            let deadline = after(Duration::from_millis(5));
            assert_eq!(wait(&words, deadline), WaitEnd::TimedOut);
            assert!(MonotonicTime::now() >= deadline);
        }
    }
}

#[test]
fn without_words_it_sleeps_until_the_deadline() {
    let deadline = after(Duration::from_millis(5));
    assert_eq!(wait_many(&[], deadline), WaitEnd::TimedOut);
    assert!(MonotonicTime::now() >= deadline);
}

/// As a waker does it: the word changes, then comes the wake-up.
#[test]
fn a_wake_up_on_any_word_ends_it() {
    for wait in WAYS {
        for count in [2, MAX_WORDS, MAX_WORDS + 1, 300] {
            for woken in [0, count - 1] {
                let words = &words(count);
                let end = thread::scope(|scope| {
                    let sleeper = scope.spawn(move || wait(&expected(words), after(LONG)));
                    thread::sleep(Duration::from_millis(2));
                    words[woken].store(1, Ordering::SeqCst);
                    wake(&words[woken], 1);
                    sleeper.join().unwrap()
                });
                assert!(matches!(end, WaitEnd::Woken | WaitEnd::Changed), "{end:?}");
            }
        }
    }
}

/// Before each slice the sleeper looks at all words: else it came to this one after 16 s.
#[test]
fn a_word_of_another_group_is_seen_soon() {
    let words = &words(4000);
    let start = MonotonicTime::now();
    let end = thread::scope(|scope| {
        let sleeper = scope.spawn(move || by_groups(&expected(words), 1, after(LONG)));
        thread::sleep(Duration::from_millis(50));
        words[0].store(1, Ordering::SeqCst);
        sleeper.join().unwrap()
    });
    assert_eq!(end, WaitEnd::Changed);
    assert!(start.until(MonotonicTime::now()) < Duration::from_secs(5));
}

/// Not by a look at the words: none changes.
#[test]
fn a_wake_up_reaches_a_sleeper_in_another_process() {
    let (first, second) = (shared_word(), shared_word());
    let child = forks::fork_checked(|| {
        let limit = after(LONG);
        while MonotonicTime::now() < limit {
            if wake(second, 1) == 1 {
                return true;
            }
            thread::yield_now();
        }
        false
    });
    let words = [(first, 0), (second, 0)];
    let mut end = wait_many(&words, after(LONG));
    while end == WaitEnd::Interrupted {
        end = wait_many(&words, after(LONG));
    }
    assert_eq!(end, WaitEnd::Woken);
    assert!(child.succeeded());
}

#[test]
fn a_signal_interrupts() {
    let words = words(2);
    let words = expected(&words);
    let end = sys::with_signals(|| wait_many(&words, after(LONG)), |_| {});
    assert_eq!(end, WaitEnd::Interrupted);
}

/// One sleep, not one slice after the other.
#[test]
fn there_is_one_sleep_of_up_to_128_words() {
    if !kernel_has_it() {
        return;
    }
    for count in [2, MAX_WORDS] {
        let words = &words(count);
        let end = thread::scope(|scope| {
            let sleeper = scope.spawn(move || wait_many(&expected(words), after(LONG)));
            let limit = after(LONG);
            // A sleeper by slices sees the change instead.
            while wake(&words[count - 1], 1) == 0 && MonotonicTime::now() < limit {
                thread::yield_now();
            }
            sleeper.join().unwrap()
        });
        assert_eq!(end, WaitEnd::Woken);
    }
}
