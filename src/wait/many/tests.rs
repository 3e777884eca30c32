//! The loop for many sources, over a clock and a futex that follow a script.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::sys::atomic::Ordering;
use crate::wait::cap::{FIRST, LONGEST};
use crate::wait::idle::{Idle, IdleStrategy};
use crate::wait::{Park, WaitWord};

const SLEEPER: u32 = 1;
const PARK: Option<u32> = Some(0);

/// Milliseconds, which pass in a sleep and at no other time.
#[derive(Clone, Default)]
struct ScriptOfMany {
    now: Rc<Cell<u64>>,
    heavies: Rc<Cell<u32>>,
    /// Each sleep ends after so long, if it is not over before.
    woken_after: Rc<Cell<Option<u64>>>,
    /// From when until when, on how many words.
    sleeps: Rc<RefCell<Vec<(u64, u64, usize)>>>,
}

impl Park for ScriptOfMany {
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
        unreachable!("many sources sleep together")
    }

    fn wake(&self, _word: &AtomicU32, _count: u32) -> usize {
        0
    }
}

impl ParkMany for ScriptOfMany {
    fn sleep_many(&self, words: &[(&AtomicU32, u32)], deadline: u64) -> bool {
        for (word, expected) in words {
            assert_eq!(word.load(Ordering::SeqCst), *expected, "W2: as announced");
            assert_eq!(expected & SLEEPER, SLEEPER, "W1: the bit is set");
        }
        let now = self.now.get();
        self.sleeps.borrow_mut().push((now, deadline, words.len()));
        let woken = self.woken_after.get().map_or(deadline, |after| now + after);
        self.now.set(woken.min(deadline));
        woken >= deadline
    }
}

/// A source. What is done with it is written down.
#[derive(Default)]
struct Thing {
    word: AtomicU32,
    registered: bool,
    is_alone: bool,
    /// It has no word.
    is_timer: bool,
    park: ScriptOfMany,
    /// Ready at this check, counted from 1, and at all later ones.
    ready_at: Option<u32>,
    /// Ready from then on.
    due: Option<u64>,
    /// A cheap check finds out, too.
    shows: bool,
    dead_in_the_way: u32,
    is_blocked: bool,
    checks: u32,
    looks: u32,
    scans: u32,
    passed_on: u32,
}

impl Thing {
    fn is_ready(&self) -> bool {
        self.ready_at.is_some_and(|at| self.checks >= at)
            || self.due.is_some_and(|due| due <= self.park.now())
    }
}

impl Awaited<u64> for Thing {
    fn look(&mut self) -> bool {
        self.looks += 1;
        self.shows && self.is_ready()
    }

    fn check(&mut self) -> bool {
        self.checks += 1;
        self.is_ready()
    }

    fn announce(&mut self) -> Option<Announced> {
        let word = WaitWord(&self.word);
        (!self.is_timer).then(|| word.announce(self.is_alone, &mut self.registered))
    }

    fn word(&self) -> Option<&AtomicU32> {
        (!self.is_timer).then_some(&self.word)
    }

    fn due(&self) -> Option<u64> {
        self.due
    }

    fn reclaim(&mut self) -> bool {
        let is_dead = self.dead_in_the_way > 0;
        self.dead_in_the_way -= u32::from(is_dead);
        is_dead
    }

    fn is_blocked(&mut self) -> bool {
        self.is_blocked
    }

    fn after_sleep(&mut self) {
        self.scans += 1;
    }

    fn pass_on(&mut self) {
        self.passed_on += 1;
    }
}

fn things<const N: usize>(park: &ScriptOfMany) -> [Thing; N] {
    std::array::from_fn(|_| Thing {
        park: park.clone(),
        ..Thing::default()
    })
}

fn wait(
    park: &ScriptOfMany,
    things: &mut [Thing],
    first: usize,
    looks: Looks<'_>,
    deadline: Option<u64>,
) -> Option<usize> {
    let all = things
        .iter_mut()
        .map(|thing| thing as &mut dyn Awaited<u64>);
    let mut all: Vec<_> = all.collect();
    let mut sources = Sources {
        all: &mut all,
        first,
    };
    block_many(park, &mut sources, looks, deadline)
}

#[test]
fn looks_begin_at_the_first_and_go_round() {
    let park = ScriptOfMany::default();
    for (ready, first, found) in [
        ([true, true, true], 0, 0),
        ([true, true, true], 1, 1),
        ([true, true, false], 2, 0),
        ([false, true, false], 2, 1),
        ([true, false, true], 7, 2),
    ] {
        let mut things = things::<3>(&park);
        for (thing, ready) in things.iter_mut().zip(ready) {
            thing.ready_at = ready.then_some(0);
        }
        let looks = Looks::new(PARK);
        assert_eq!(wait(&park, &mut things, first, looks, None), Some(found));
    }
    assert!(park.sleeps.borrow().is_empty());
}

#[test]
fn one_barrier_and_one_sleep_are_for_all() {
    let park = ScriptOfMany::default();
    let mut things = things::<5>(&park);
    // Looked at, announced, looked at, asleep; then it is there.
    things[3].ready_at = Some(3);
    things[1].is_timer = true;
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, None), Some(3));
    assert_eq!(park.heavies.get(), 1);
    let cap = FIRST.as_millis() as u64;
    assert_eq!(*park.sleeps.borrow(), [(0, cap, 4)]);
    assert!(things.iter().all(|thing| thing.scans == 1));
}

/// W2: what comes after the first check is seen by the second, before a sleep.
#[test]
fn all_are_checked_again_after_they_were_announced() {
    let park = ScriptOfMany::default();
    let mut things = things::<3>(&park);
    things[2].ready_at = Some(2);
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, None), Some(2));
    assert!(park.sleeps.borrow().is_empty());
    assert_eq!(things.map(|thing| thing.checks), [2, 2, 2]);
}

/// One that is alone has had its barrier, as long as its bit stands.
#[test]
fn who_is_registered_still_needs_no_barrier() {
    let park = ScriptOfMany::default();
    park.woken_after.set(Some(1));
    let mut things = things::<2>(&park);
    for thing in &mut things {
        thing.is_alone = true;
    }
    things[0].ready_at = Some(9);
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, None), Some(0));
    assert_eq!((park.heavies.get(), park.sleeps.borrow().len()), (1, 4));
}

/// W3: after a sleep every source is asked, the ready one too: nothing is taken here.
#[test]
fn after_a_sleep_all_pass_on_and_else_none() {
    let park = ScriptOfMany::default();
    for (ready_at, passed_on) in [(1, 0), (2, 0), (3, 1)] {
        let mut things = things::<3>(&park);
        things[0].ready_at = Some(ready_at);
        let looks = Looks::new(PARK);
        assert_eq!(wait(&park, &mut things, 0, looks, None), Some(0));
        assert_eq!(things.map(|thing| thing.passed_on), [passed_on; 3]);
    }
}

#[test]
fn a_set_that_is_late_passes_on_too() {
    let park = ScriptOfMany::default();
    let mut things = things::<2>(&park);
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, Some(50)), None);
    assert_eq!(things.map(|thing| thing.passed_on), [1, 1]);
    assert_eq!(*park.sleeps.borrow(), [(0, 50, 2)]);
}

#[test]
fn it_sleeps_until_the_first_moment_that_is_due() {
    let park = ScriptOfMany::default();
    let mut things = things::<3>(&park);
    (things[1].due, things[2].due) = (Some(40), Some(30));
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, Some(50)), Some(2));
    assert_eq!(*park.sleeps.borrow(), [(0, 30, 3)]);
}

/// W4.
#[test]
fn the_cap_grows_unless_a_member_is_in_the_way() {
    let (first, longest) = (FIRST.as_millis() as u64, LONGEST.as_millis() as u64);
    for is_blocked in [false, true] {
        let park = ScriptOfMany::default();
        let mut things = things::<2>(&park);
        things[1].is_blocked = is_blocked;
        let looks = Looks::new(PARK);
        assert_eq!(wait(&park, &mut things, 0, looks, Some(9 * longest)), None);
        let longest_sleep = park
            .sleeps
            .borrow()
            .iter()
            .map(|(from, to, _)| to - from)
            .max();
        let expected = if is_blocked { first } else { longest };
        assert_eq!(longest_sleep, Some(expected));
    }
}

#[test]
fn what_dead_members_held_is_taken_before_a_sleep() {
    let park = ScriptOfMany::default();
    let mut things = things::<2>(&park);
    things[1].dead_in_the_way = 2;
    things[1].ready_at = Some(5);
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, None), Some(1));
    assert!(park.sleeps.borrow().is_empty());
}

/// A peer that forges dead members does not keep a call beyond its deadline.
#[test]
fn a_late_call_reclaims_once() {
    let park = ScriptOfMany::default();
    let mut things = things::<2>(&park);
    things[0].dead_in_the_way = 5;
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut things, 0, looks, Some(0)), None);
    assert_eq!(things[0].dead_in_the_way, 4);
}

#[test]
fn it_looks_as_often_as_it_should_before_it_sleeps() {
    let park = ScriptOfMany::default();
    let mut things = things::<2>(&park);
    let looks = Looks::new(Some(70));
    assert_eq!(wait(&park, &mut things, 0, looks, Some(50)), None);
    assert_eq!((things[0].looks, things[1].looks), (70, 70));
}

#[test]
fn an_empty_set_waits_for_its_deadline() {
    let park = ScriptOfMany::default();
    let looks = Looks::new(PARK);
    assert_eq!(wait(&park, &mut [], 3, looks, Some(50)), None);
    assert_eq!(*park.sleeps.borrow(), [(0, 50, 0)]);
}

/// Looks three times, then sleeps.
struct ThreeLooks(AtomicU32);

impl IdleStrategy for ThreeLooks {
    fn idle(&self, looks: u32) -> Idle {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), looks);
        match looks {
            0..3 => Idle::Look,
            _ => Idle::Sleep,
        }
    }
}

#[test]
fn a_strategy_of_the_users_decides_when_to_sleep() {
    let park = ScriptOfMany::default();
    let mut things = things::<1>(&park);
    let idle = ThreeLooks(AtomicU32::new(0));
    let looks = Looks::new(PARK).with_idle(Some(&idle));
    assert_eq!(wait(&park, &mut things, 0, looks, Some(150)), None);
    assert_eq!(things[0].looks, 3);
    assert_eq!(park.sleeps.borrow().len(), 2);
    // Asked once more, and not again after a sleep.
    assert_eq!(idle.0.load(Ordering::SeqCst), 4);
}

/// Where nothing wakes, there is no sleep: it goes on looking.
#[test]
fn a_strategy_cannot_sleep_where_nothing_wakes() {
    struct Sleepy;
    impl IdleStrategy for Sleepy {
        fn idle(&self, _looks: u32) -> Idle {
            Idle::Sleep
        }
    }
    let park = ScriptOfMany::default();
    let mut things = things::<1>(&park);
    things[0].ready_at = Some(50);
    let looks = Looks::new(None).with_idle(Some(&Sleepy));
    assert_eq!(wait(&park, &mut things, 0, looks, None), Some(0));
    assert!(park.sleeps.borrow().is_empty());
}
