//! The thread that sleeps for wakers, over words that belong to no ring.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::Wake;
use std::thread;
use std::time::{Duration, Instant};

use memring_testkit::forks::ran_in_own_process;
use memring_testkit::random::Random;
use memring_testkit::time::{LONG, wait_until};

use super::*;
use crate::sys::failpoints::raise_sleep_cap;
use crate::wait::WaitWord;

/// Far below the cap.
const SOON: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Word {
    word: AtomicU32,
    scans: AtomicUsize,
    /// What a scan says.
    has_to_look: AtomicBool,
    /// Or whether it panics.
    panics: AtomicBool,
}

impl Watched for Word {
    fn word(&self) -> &AtomicU32 {
        &self.word
    }

    fn scan(&self) -> bool {
        self.scans.fetch_add(1, Ordering::SeqCst);
        assert!(
            !self.panics.load(Ordering::SeqCst),
            "a scan that panics (expected)"
        );
        self.has_to_look.load(Ordering::SeqCst)
    }
}

impl Word {
    fn waiter(self: &Arc<Self>) -> TaskWaiter {
        let watched: Arc<dyn Watched> = self.clone();
        TaskWaiter::new(&watched, false).unwrap()
    }

    fn announce(&self) -> u32 {
        WaitWord(&self.word).register(&PARKER, false, &mut false)
    }

    fn notify(&self) {
        WaitWord(&self.word).notify_one(Fences::Full, &PARKER);
    }
}

const PARKER: Parker = Parker(Fences::Full);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn wait(&self, count: usize) {
        let late = Instant::now() + SOON;
        while self.get() < count {
            assert!(Instant::now() < late, "{} of {count} wake-ups", self.get());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Threads of this process that sleep for wakers.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")));
    names
        .filter(|name| name.as_deref().is_ok_and(|name| name == "memring-wait\n"))
        .count()
}

#[test]
fn one_thread_for_127_words_and_none_for_nothing() {
    if ran_in_own_process() {
        return;
    }
    raise_sleep_cap(LONG);
    let registry = WakerRegistry::here().unwrap();
    let words: Vec<Arc<Word>> = (0..300).map(|_| Arc::default()).collect();
    let counts: Vec<Arc<Count>> = words.iter().map(|_| Arc::default()).collect();
    let mut waiters: Vec<_> = words.iter().map(Word::waiter).collect();
    assert_eq!((threads(), registry.lock().counts()), (0, (0, 300)));
    for lap in 1..4 {
        for (at, waiter) in waiters.iter_mut().enumerate() {
            let waker = Waker::from(Arc::clone(&counts[at]));
            waiter.wait(words[at].announce(), false, &waker).unwrap();
        }
        wait_until(|| threads() == 3, || format!("{} threads", threads()));
        for (word, count) in words.iter().zip(&counts) {
            word.notify();
            count.wait(lap);
            assert_eq!(count.get(), lap);
        }
    }
    // Nothing is kept: neither wakers nor words, nor the thread.
    drop(waiters);
    assert_eq!(registry.lock().counts(), (0, 0));
    wait_until(|| threads() == 0, || format!("{} threads stay", threads()));
    assert!(words.iter().all(|word| Arc::strong_count(word) == 1));
    assert!(counts.iter().all(|count| Arc::strong_count(count) == 1));
    // And it is started again.
    let mut waiter = words[0].waiter();
    let waker = Waker::from(Arc::clone(&counts[0]));
    waiter.wait(words[0].announce(), false, &waker).unwrap();
    words[0].notify();
    counts[0].wait(4);
}

#[test]
fn a_word_that_has_changed_before_is_seen() {
    if ran_in_own_process() {
        return;
    }
    raise_sleep_cap(LONG);
    let (word, count) = (Arc::<Word>::default(), Arc::<Count>::default());
    let (mut waiter, waker) = (word.waiter(), Waker::from(Arc::clone(&count)));
    for lap in 1..200 {
        let value = word.announce();
        word.notify(); // between the look and the registration
        waiter.wait(value, false, &waker).unwrap();
        count.wait(lap);
    }
}

/// A wake-up goes to the waker of the last poll; the one that was there before is dropped.
#[test]
fn a_registration_is_renewed_by_the_next() {
    if ran_in_own_process() {
        return;
    }
    raise_sleep_cap(LONG);
    let word = Arc::<Word>::default();
    let (first, second) = (Arc::<Count>::default(), Arc::<Count>::default());
    let mut waiter = word.waiter();
    for count in [&first, &second] {
        let waker = Waker::from(Arc::clone(count));
        waiter.wait(word.announce(), false, &waker).unwrap();
    }
    assert_eq!(Arc::strong_count(&first), 1);
    word.notify();
    second.wait(1);
    assert_eq!((first.get(), second.get()), (0, 1));
    let waker = Waker::from(Arc::clone(&second));
    waiter.wait(word.announce(), false, &waker).unwrap();
    waiter.stop();
    word.notify();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(second.get(), 1, "woken after the stop");
}

/// W4.
#[test]
fn at_a_cap_it_scans_and_wakes() {
    if ran_in_own_process() {
        return;
    }
    let (word, count) = (Arc::<Word>::default(), Arc::<Count>::default());
    let (mut waiter, waker) = (word.waiter(), Waker::from(Arc::clone(&count)));
    let mut intervals = Vec::new();
    for lap in 1..6 {
        let begun = Instant::now();
        waiter.wait(word.announce(), false, &waker).unwrap();
        count.wait(lap);
        intervals.push(begun.elapsed());
        assert!(word.scans.load(Ordering::SeqCst) >= lap);
    }
    // 100, 200, 400, 800 ms, 1 s; and to the next point of the grid.
    assert!(intervals[4] >= Duration::from_millis(700), "{intervals:?}");
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics (expected)");
    }
}

#[test]
fn a_waker_that_panics_harms_no_other() {
    if ran_in_own_process() {
        return;
    }
    raise_sleep_cap(LONG);
    let (word, count) = (Arc::<Word>::default(), Arc::<Count>::default());
    let (mut bad, mut good) = (word.waiter(), word.waiter());
    for lap in 1..4 {
        let value = word.announce();
        bad.wait(value, false, &Waker::from(Arc::new(Panics)))
            .unwrap();
        let waker = Waker::from(Arc::clone(&count));
        good.wait(value, false, &waker).unwrap();
        word.notify();
        count.wait(lap);
    }
}

/// Waiters that register, stop, and are dropped, while others notify: a waiter that waits
/// in the end is woken by what comes then.
#[test]
fn a_storm_loses_no_wake_up() {
    if ran_in_own_process() {
        return;
    }
    raise_sleep_cap(LONG);
    let words: Vec<Arc<Word>> = (0..5).map(|_| Arc::default()).collect();
    for seed in 1..30 {
        let done = AtomicBool::new(false);
        thread::scope(|threads| {
            let waiting: Vec<_> = (0..3)
                .map(|part| {
                    let words = &words;
                    threads.spawn(move || storm(words, &mut Random::of(seed * 7 + part)))
                })
                .collect();
            threads.spawn(|| {
                let mut random = Random::of(seed);
                while !done.load(Ordering::SeqCst) {
                    words[random.below(5) as usize].notify();
                    thread::yield_now();
                }
            });
            for waiting in waiting {
                waiting.join().unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
    }
}

fn storm(words: &[Arc<Word>], random: &mut Random) {
    let mut waiters: Vec<_> = words.iter().map(Word::waiter).collect();
    for _ in 0..40 {
        let at = random.below(words.len() as u64) as usize;
        match random.below(4) {
            0 => waiters[at].stop(),
            1 => waiters[at] = words[at].waiter(),
            _ => {
                let count = Arc::<Count>::default();
                let waker = Waker::from(Arc::clone(&count));
                let value = words[at].announce();
                waiters[at].wait(value, false, &waker).unwrap();
                if random.below(2) == 0 {
                    words[at].notify(); // or another did, since `announce`
                    count.wait(1);
                }
            }
        }
    }
}

/// A task that waits elsewhere by a waiter of its own, which goes with it.
struct Owner(#[allow(dead_code)] TaskWaiter);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// The last waker of a task drops the task, and with it what waits in it.
#[test]
fn a_waker_may_own_a_waiter() {
    if ran_in_own_process() {
        return;
    }
    let (word, other) = (Arc::<Word>::default(), Arc::<Word>::default());
    let owner = || {
        let mut inner = other.waiter();
        inner.wait(0, false, Waker::noop()).unwrap();
        Waker::from(Arc::new(Owner(inner)))
    };
    let mut waiter = word.waiter();
    // Replaced, then taken back, then dropped.
    waiter.wait(0, false, &owner()).unwrap();
    waiter.wait(0, false, &owner()).unwrap();
    waiter.stop();
    waiter.wait(0, false, &owner()).unwrap();
    drop(waiter);
    assert_eq!(WakerRegistry::here().unwrap().lock().counts(), (0, 0));
}

/// What a scan tells goes to the user's code, which may panic: the thread goes on.
#[test]
fn a_scan_that_panics_ends_no_thread() {
    if ran_in_own_process() {
        return;
    }
    let (word, count) = (Arc::<Word>::default(), Arc::<Count>::default());
    word.panics.store(true, Ordering::SeqCst);
    let (mut waiter, waker) = (word.waiter(), Waker::from(Arc::clone(&count)));
    for lap in 1..4 {
        waiter.wait(word.announce(), false, &waker).unwrap();
        count.wait(lap); // at its cap, after a scan
    }
}

/// A thread that could not be started was said to run: who has relied on it is woken.
#[test]
fn those_that_relied_on_no_thread_are_woken() {
    if ran_in_own_process() {
        return;
    }
    let registry = WakerRegistry::here().unwrap();
    let (word, count) = (Arc::<Word>::default(), Arc::<Count>::default());
    let mut waiter = word.waiter();
    // Another is about to start it.
    assert!(registry.lock().begin_running(0));
    waiter
        .wait(0, false, &Waker::from(Arc::clone(&count)))
        .unwrap();
    let woken = registry.lock().failed_to_run(0);
    woken.into_iter().for_each(Waker::wake);
    assert_eq!((count.get(), registry.lock().counts().0), (1, 0));
}

/// To pass a wake-up on changes nothing at the word: else it would come back to our own.
#[test]
fn what_is_passed_on_does_not_come_back() {
    if ran_in_own_process() {
        return;
    }
    raise_sleep_cap(LONG);
    let (word, count) = (Arc::<Word>::default(), Arc::<Count>::default());
    let watched: Arc<dyn Watched> = word.clone();
    let mut waiter = TaskWaiter::new(&watched, true).unwrap();
    let waker = Waker::from(Arc::clone(&count));
    for lap in 1..4 {
        waiter.wait(word.announce(), false, &waker).unwrap();
        // The thread sleeps.
        thread::sleep(Duration::from_millis(50));
        word.notify();
        let notified = word.word.load(Ordering::SeqCst);
        count.wait(lap);
        // It passes the wake-up on.
        thread::sleep(Duration::from_millis(50));
        assert_eq!(word.word.load(Ordering::SeqCst), notified);
    }
}
