//! The loop that waits, the wait word, the cap and the looks, over a clock and a futex
//! that follow a script: which calls are made, in which order, and until when.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::backoff::{FULL_CHECK_EVERY, Looks, YIELDS};
use super::cap::{FIRST, LONGEST, SleepCap};
use super::{Operation, Park, Poll, WaitWord, block};
use crate::sys::atomic::{AtomicU32, Fences, Ordering};

const SLEEPER: u32 = 1;
const COUNT: u32 = 2;
const ALL: u32 = u32::MAX >> 1;

/// Milliseconds, which pass in a sleep and at no other time; and a futex that finds as
/// many sleepers as it was told.
#[derive(Clone, Default)]
struct Script {
    now: Rc<Cell<u64>>,
    heavies: Rc<Cell<u32>>,
    /// Sleepers that each wake finds.
    asleep: Rc<Cell<usize>>,
    /// What another thread adds to the word during a wake.
    meanwhile: Rc<Cell<u32>>,
    wakes: Rc<RefCell<Vec<u32>>>,
}

impl Park for Script {
    type Time = u64;

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn after(&self, time: u64, duration: Duration) -> u64 {
        time + duration.as_millis() as u64
    }

    fn heavy(&self) {
        self.heavies.set(self.heavies.get() + 1);
    }

    fn sleep(&self, _word: &AtomicU32, _expected: u32, _deadline: u64) -> bool {
        unreachable!("a waiter sleeps by its own script")
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        self.wakes.borrow_mut().push(count);
        word.fetch_add(self.meanwhile.take(), Ordering::SeqCst);
        self.asleep.get()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct TimedOut;

/// A call that waits. What it did is written down.
#[derive(Default)]
struct Waiter {
    park: Script,
    /// Its check succeeds after so many sleeps, or never.
    sleeps_needed: Option<usize>,
    /// Its check succeeds at this one, counted from 1.
    ready_at_check: Option<u32>,
    /// Each sleep ends after so long, if it is not over before.
    woken_after: Option<u64>,
    /// Members that died are in the way, so many.
    dead_in_the_way: u32,
    is_blocked: bool,
    /// From this check on, counted from 1.
    blocked_at_check: Option<u32>,
    looks: u32,
    checks: u32,
    registered: u32,
    /// From when until when each sleep may last.
    sleeps: Vec<(u64, u64)>,
    passed_on: u32,
}

impl Operation for Waiter {
    type Output = ();
    type Error = TimedOut;
    type Park = Script;

    fn look(&mut self) -> Option<()> {
        self.looks += 1;
        None
    }

    fn check(&mut self) -> Poll<(), TimedOut> {
        self.checks += 1;
        self.is_blocked |= self.blocked_at_check == Some(self.checks);
        let slept_enough = self.sleeps_needed.is_some_and(|n| self.sleeps.len() >= n);
        match slept_enough || self.ready_at_check == Some(self.checks) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn register(&mut self) -> u32 {
        self.registered += 1;
        self.registered
    }

    fn reclaim(&mut self) -> bool {
        let is_dead = self.dead_in_the_way > 0;
        self.dead_in_the_way -= u32::from(is_dead);
        is_dead
    }

    fn is_blocked(&mut self) -> bool {
        self.is_blocked
    }

    fn sleep(&mut self, registered: u32, until: u64) -> bool {
        assert_eq!(registered, self.registered, "W2: the word as registered");
        let now = self.park.now();
        self.sleeps.push((now, until));
        let end = self
            .woken_after
            .map_or(until, |after| until.min(now + after));
        self.park.now.set(end);
        end == until
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {
        self.passed_on += 1;
    }

    fn timed_out(&mut self) -> TimedOut {
        TimedOut
    }

    fn park(&mut self) -> Script {
        self.park.clone()
    }
}

/// Parks at once.
const PARK: Option<u32> = Some(0);

#[test]
fn no_sleep_lasts_beyond_the_deadline() {
    for deadline in [1, 99, 100, 101, 250, 5000] {
        let mut waiter = Waiter::default();
        assert_eq!(block(&mut waiter, PARK, Some(deadline)), Err(TimedOut));
        assert!(!waiter.sleeps.is_empty());
        for (from, until) in &waiter.sleeps {
            assert!(from < until && *until <= deadline, "{:?}", waiter.sleeps);
        }
        assert_eq!(waiter.park.now(), deadline, "it waits for all of its time");
        assert_eq!(waiter.passed_on, 0);
    }
}

/// W4: with a deadline, and without.
#[test]
fn no_sleep_lasts_beyond_the_cap() {
    for deadline in [None, Some(100_000)] {
        let mut waiter = Waiter {
            sleeps_needed: Some(7),
            ..Waiter::default()
        };
        assert_eq!(block(&mut waiter, PARK, deadline), Ok(()));
        let lengths = waiter.sleeps.iter().map(|(from, until)| until - from);
        let expected = [100, 200, 400, 800, 1000, 1000, 1000];
        assert_eq!(lengths.collect::<Vec<u64>>(), expected);
    }
}

/// W4: a holder's death is found at the end of a sleep, and one that is woken often
/// has no reason to sleep for long.
#[test]
fn a_sleep_that_was_disturbed_is_followed_by_a_short_one() {
    for (is_blocked, woken_after) in [(true, None), (false, Some(30)), (true, Some(30))] {
        let mut waiter = Waiter {
            sleeps_needed: Some(4),
            is_blocked,
            woken_after,
            ..Waiter::default()
        };
        assert_eq!(block(&mut waiter, PARK, None), Ok(()));
        for (from, until) in waiter.sleeps {
            assert_eq!(Duration::from_millis(until - from), FIRST);
        }
    }
}

/// W4: what came in the way during a long sleep is not met by another long one.
#[test]
fn what_is_found_in_the_way_after_a_long_sleep_makes_the_next_one_short() {
    let mut waiter = Waiter {
        sleeps_needed: Some(5),
        blocked_at_check: Some(2 * 3 + 1), // there are two for each sleep
        ..Waiter::default()
    };
    assert_eq!(block(&mut waiter, PARK, None), Ok(()));
    let lengths = waiter.sleeps.iter().map(|(from, until)| until - from);
    assert_eq!(lengths.collect::<Vec<u64>>(), [100, 200, 400, 100, 100]);
}

/// W3.
#[test]
fn a_success_after_a_sleep_passes_on_once() {
    for sleeps in 1..4 {
        let mut waiter = Waiter {
            sleeps_needed: Some(sleeps),
            ..Waiter::default()
        };
        assert_eq!(block(&mut waiter, PARK, None), Ok(()));
        assert_eq!((waiter.sleeps.len(), waiter.passed_on), (sleeps, 1));
    }
}

/// At the first check, or at that which follows the registration (W2).
#[test]
fn a_success_without_a_sleep_passes_nothing_on() {
    for check in [1, 2] {
        let mut waiter = Waiter {
            ready_at_check: Some(check),
            ..Waiter::default()
        };
        assert_eq!(block(&mut waiter, PARK, None), Ok(()));
        assert_eq!((waiter.sleeps.len(), waiter.passed_on), (0, 0));
        assert_eq!(waiter.registered, check - 1);
    }
}

#[test]
fn what_was_reclaimed_is_looked_at_before_a_sleep() {
    let mut waiter = Waiter {
        dead_in_the_way: 2,
        ready_at_check: Some(6),
        ..Waiter::default()
    };
    assert_eq!(block(&mut waiter, PARK, None), Ok(()));
    assert_eq!((waiter.sleeps.len(), waiter.checks), (0, 6));
}

/// A cheap look may miss what is there, whether or not there is a sleep at the end.
#[test]
fn a_full_check_comes_after_every_32_looks() {
    assert_eq!(FULL_CHECK_EVERY, 32);
    for spins in [None, Some(1 << 20)] {
        let mut waiter = Waiter {
            ready_at_check: Some(10),
            ..Waiter::default()
        };
        assert_eq!(block(&mut waiter, spins, None), Ok(()));
        assert_eq!((waiter.looks, waiter.registered), (10 * 32, 0));
    }
}

#[test]
fn the_looks_come_before_the_first_sleep_and_not_again() {
    let mut waiter = Waiter {
        sleeps_needed: Some(3),
        ..Waiter::default()
    };
    assert_eq!(block(&mut waiter, Some(70), None), Ok(()));
    assert_eq!(waiter.looks, 70);
}

#[test]
fn looks_yield_at_every_256th() {
    YIELDS.set(0);
    let mut looks = Looks::new(None);
    for round in 1..=64 {
        let mut made = 0;
        let found = looks.spin(|| {
            made += 1;
            None::<()>
        });
        assert_eq!((found, made), (None, 32));
        assert_eq!(YIELDS.get(), round * 32 / 256);
    }
    let mut limited = Looks::new(Some(3));
    assert_eq!(limited.spin(|| None::<()>), None);
    assert!(limited.are_used_up());
    assert_eq!(limited.spin(|| Some(())), None, "no look is left");
    assert_eq!(Looks::new(None).spin(|| Some(5)), Some(5));
}

#[test]
fn the_cap_doubles_while_nothing_disturbs() {
    let mut cap = SleepCap::new();
    let mut expected = FIRST;
    for _ in 0..6 {
        assert_eq!(cap.duration(), expected);
        cap.slept(true);
        expected = (2 * expected).min(LONGEST);
    }
    assert_eq!(cap.duration(), LONGEST);
    cap.slept(false);
    assert_eq!(cap.duration(), FIRST);
    assert!(FIRST <= Duration::from_millis(100) && LONGEST <= Duration::from_secs(1));
}

/// A wait word, and a script with so many sleepers.
fn word(value: u32, asleep: usize) -> (AtomicU32, Script) {
    let park = Script::default();
    park.asleep.set(asleep);
    (AtomicU32::new(value), park)
}

fn notified(value: u32, asleep: usize, meanwhile: u32) -> (u32, Vec<u32>) {
    let (word, park) = word(value, asleep);
    park.meanwhile.set(meanwhile);
    WaitWord(&word).notify_one(Fences::Full, &park);
    (word.load(Ordering::SeqCst), park.wakes.take())
}

#[test]
fn without_a_sleeper_a_notifier_calls_nobody() {
    for value in [0, 6] {
        assert_eq!(notified(value, 0, 0), (value, vec![]));
    }
}

/// W1: the word changes. W3: the bit stays while somebody was asleep.
#[test]
fn a_notifier_counts_and_wakes_one() {
    assert_eq!(notified(SLEEPER, 1, 0), (COUNT | SLEEPER, vec![1]));
}

/// The word of a waiter, one count before a notifier that finds nobody clears the bit.
const BEFORE_CLEARING: u32 = (4 * COUNT) | SLEEPER;

/// W3: one that went to sleep between the first wake and the clearing has left the bit
/// to others.
#[test]
fn a_notifier_that_finds_nobody_clears_the_bit_and_wakes_all() {
    assert_eq!(notified(BEFORE_CLEARING, 0, 0), (6 * COUNT, vec![1, ALL]));
    let (end, wakes) = notified(u32::MAX, 0, 0);
    assert_eq!((end & SLEEPER, wakes), (0, vec![1, ALL]));
}

/// At other counts it leaves the bit: a waiter on its way to sleep needs no barrier then.
#[test]
fn a_bit_with_nobody_asleep_is_cleared_after_five_wakes_at_most() {
    for start in 0..10 {
        let (word, park) = word((start * COUNT) | SLEEPER, 0);
        let mut notified = 0;
        while word.load(Ordering::SeqCst) & SLEEPER != 0 {
            WaitWord(&word).notify_one(Fences::Full, &park);
            notified += 1;
        }
        assert_eq!(notified, 5 - start % 5);
        assert_eq!(park.wakes.take().len(), notified as usize + 1);
    }
}

/// Another notifier has counted: it sees to the bit.
#[test]
fn a_notifier_that_was_overtaken_leaves_the_bit() {
    let (end, wakes) = notified(BEFORE_CLEARING, 0, COUNT);
    assert_eq!((end, wakes), ((6 * COUNT) | SLEEPER, vec![1]));
}

#[test]
fn all_are_woken_whatever_the_bit() {
    for value in [0, SLEEPER] {
        let (word, park) = word(value, 0);
        WaitWord(&word).notify_all(&park);
        assert_eq!(word.load(Ordering::SeqCst), value + COUNT);
        assert_eq!(park.wakes.take(), [ALL]);
    }
}

/// W2: the bit, then the barrier. One that is alone needs none while its bit stands.
#[test]
fn a_registration_has_a_barrier_unless_its_last_one_stands() {
    for is_alone in [false, true] {
        let (word, park) = word(2 * COUNT, 0);
        let mut registered = false;
        let mut register = |expected: u32, heavies: u32| {
            let value = WaitWord(&word).register(&park, is_alone, &mut registered);
            assert_eq!((value, word.load(Ordering::SeqCst)), (expected, expected));
            assert_eq!(park.heavies.get(), heavies, "alone: {is_alone}");
        };
        register((2 * COUNT) | SLEEPER, 1);
        register((2 * COUNT) | SLEEPER, if is_alone { 1 } else { 2 });
        // A notifier has taken the bit away.
        word.store(4 * COUNT, Ordering::SeqCst);
        register((4 * COUNT) | SLEEPER, if is_alone { 2 } else { 3 });
    }
}
