//! Processes that share a lock, and die, or stop, with it.

use std::time::{Duration, Instant};

use memring::sync::{Group, LockError, LockTimeoutError, Mutex, TryLockError};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::{LIMIT, LONG};

use super::Twins;

pub const ROLES: [Role; 4] = [
    ("adder", adder),
    ("lock holder", holder),
    ("lock waiter", waiter),
    ("consumer", consumer),
];

const NAME: &str = "twins";
const READY: usize = 0;
const DONE: usize = 1;

/// More than a probe needs to be due, and much less than a test may take.
const DEAD: Duration = Duration::from_secs(20);

fn twins(args: &Args) -> Mutex<Twins> {
    let name: String = args.get("name");
    Mutex::open(name).expect("open the mutex")
}

/// Steps again and again, and says how often; repairs what the dead left.
fn adder(args: &Args) {
    let (mutex, board) = (twins(args), args.board("board"));
    let me: usize = args.get("me");
    board.add(READY, 1);
    while board.get(DONE) == 0 {
        let mut guard = repaired(&mutex);
        guard.step();
        drop(guard);
        board.add(me, 1);
    }
}

/// The guard, of a value that is whole again if it was not.
pub fn repaired(mutex: &Mutex<Twins>) -> memring::sync::MutexGuard<'_, Twins> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(LockError::Poisoned(poisoned)) => {
            let mut guard = poisoned.into_inner();
            guard.second = guard.first;
            mutex.clear_poison();
            guard
        }
        Err(error) => panic!("{error}"),
    }
}

/// Takes the lock, changes half of the value, says so, and waits for its end.
fn holder(args: &Args) {
    let (mutex, board) = (twins(args), args.board("board"));
    let mut guard = mutex.lock().expect("a free lock");
    guard.first = 77;
    board.add(READY, 1);
    if args.get::<bool>("lets go") {
        board.wait(DONE, 1);
        guard.second = 77;
    } else {
        board.wait_to_be_killed();
    }
}

/// Waits for the lock.
fn waiter(args: &Args) {
    let (mutex, board) = (twins(args), args.board("board"));
    board.add(READY, 1);
    drop(repaired(&mutex));
    board.add(DONE, 1);
}

/// Takes jobs as they come.
fn consumer(args: &Args) {
    let name: String = args.get("name");
    let group = Group::open(name).expect("open the group");
    let jobs = group.mutex::<u64>("jobs").expect("jobs");
    let more = group.condvar("more").expect("more");
    let board = args.board("board");
    board.add(READY, 1);
    loop {
        let guard = jobs.lock().expect("jobs are whole");
        let mut jobs = more.wait_while(guard, |jobs| *jobs == 0).expect("whole");
        if *jobs == u64::MAX {
            return;
        }
        *jobs -= 1;
        drop(jobs);
        board.add(DONE, 1);
    }
}

struct Place {
    home: Home,
    board: Board,
    mutex: Mutex<Twins>,
}

impl Place {
    fn new() -> Place {
        let home = Home::new();
        Place {
            board: home.board("board", 16),
            mutex: Mutex::create(home.named(NAME), Twins::default()).expect("make a mutex"),
            home,
        }
    }

    fn child(&self, role: &str, lets_go: bool) -> Child {
        let ready = self.board.get(READY);
        let name = self.home.named(NAME);
        let child = self
            .home
            .spawn(role, &[("name", &name), ("lets go", &lets_go)]);
        self.board.wait(READY, ready + 1);
        child
    }
}

#[test]
fn processes_exclude_each_other() {
    let place = Place::new();
    let name = place.home.named(NAME);
    let spawn = |me: usize| place.home.spawn("adder", &[("name", &name), ("me", &me)]);
    let adders: Vec<Child> = (2..5).map(spawn).collect();
    (2..5).for_each(|me| place.board.wait(me, 2000));
    place.board.set(DONE, 1);
    adders.into_iter().for_each(Child::finish);
    let steps: u64 = (2..5).map(|me| place.board.get(me)).sum();
    assert_eq!(*place.mutex.lock().unwrap(), Twins::of(steps));
}

/// One of those that step is killed at any moment, again and again.
#[test]
fn steps_of_the_killed() {
    let place = Place::new();
    let name = place.home.named(NAME);
    let spawn = |me: usize| place.home.spawn("adder", &[("name", &name), ("me", &me)]);
    let survivor = spawn(2);
    for round in 0..20 {
        let doomed = spawn(3);
        let before = (place.board.get(2), place.board.get(3));
        place.board.wait(3, before.1 + 1 + 17 * round);
        doomed.kill();
        place.board.wait(2, before.0 + 100);
    }
    place.board.set(DONE, 1);
    survivor.finish();
    let steps = place.board.get(2) + place.board.get(3);
    let value = *repaired(&place.mutex);
    // Of each that was killed a step may be there that it did not come to count.
    assert!(value.first == value.second && value.first >= steps && value.first <= steps + 20);
}

#[test]
fn what_a_killed_holder_held_is_poisoned_as_it_stood() {
    let place = Place::new();
    place.child("lock holder", false).kill();
    let began = Instant::now();
    let Err(LockError::Poisoned(poisoned)) = place.mutex.lock() else {
        panic!("its holder died");
    };
    assert!(began.elapsed() < DEAD);
    let mut guard = poisoned.into_inner();
    assert_eq!((guard.first, guard.second), (77, 0));
    // Until it is repaired.
    drop(guard);
    guard = place.mutex.lock().unwrap_err().into_guard().unwrap();
    guard.second = 77;
    place.mutex.clear_poison();
    drop(guard);
    assert_eq!(*place.mutex.lock().unwrap(), Twins::of(77));
}

#[test]
fn a_call_that_does_not_wait_finds_the_dead() {
    let place = Place::new();
    let holder = place.child("lock holder", false);
    assert!(matches!(place.mutex.try_lock(), Err(TryLockError::Held(_))));
    holder.kill();
    let late = Instant::now() + LIMIT;
    let poisoned = loop {
        match place.mutex.try_lock() {
            Err(TryLockError::Held(_)) => assert!(Instant::now() < late),
            other => break other,
        }
    };
    assert!(matches!(poisoned, Err(TryLockError::Poisoned(_))));
}

#[test]
fn one_that_sleeps_finds_that_the_holder_was_killed() {
    let place = Place::new();
    let holder = place.child("lock holder", false);
    let waiter = place.child("lock waiter", false);
    waiter.wait_until_asleep();
    holder.kill();
    waiter.finish();
    assert_eq!(*place.mutex.lock().unwrap(), Twins::of(77));
}

#[test]
fn a_stopped_holder_keeps_the_lock_and_is_named() {
    let place = Place::new();
    let holder = place.child("lock holder", true);
    holder.stop();
    let late = place.mutex.lock_timeout(Duration::from_secs(1));
    let Err(LockTimeoutError::Timeout(Some(owner))) = late else {
        panic!("it is held");
    };
    assert_eq!(owner.pid, holder.pid());
    let Err(TryLockError::Held(Some(owner))) = place.mutex.try_lock() else {
        panic!("it is held");
    };
    assert_eq!(owner.pid, holder.pid());
    place.board.set(DONE, 1);
    holder.resume();
    assert_eq!(*place.mutex.lock_timeout(LONG).unwrap(), Twins::of(77));
    holder.finish();
}

#[test]
fn a_killed_waiter_is_forgotten() {
    let place = Place::new();
    let holder = place.child("lock holder", true);
    let waiters: Vec<Child> = (0..3).map(|_| place.child("lock waiter", false)).collect();
    for waiter in &waiters {
        waiter.wait_until_asleep();
    }
    let mut waiters = waiters.into_iter();
    waiters.next().unwrap().kill();
    place.board.set(DONE, 1);
    holder.finish();
    waiters.for_each(Child::finish);
    assert!(place.mutex.try_lock().is_ok());
}

/// A stopped waiter holds nobody up.
#[test]
fn a_stopped_waiter_is_passed_by() {
    let place = Place::new();
    let holder = place.child("lock holder", true);
    let stopped = place.child("lock waiter", false);
    stopped.wait_until_asleep();
    stopped.stop();
    let waiter = place.child("lock waiter", false);
    place.board.set(DONE, 1);
    holder.finish();
    waiter.finish();
    drop(place.mutex.lock_timeout(LONG).unwrap());
    stopped.resume();
    stopped.finish();
}

#[test]
fn jobs_reach_consumers_whatever_others_die() {
    let home = Home::new();
    let board = home.board("board", 2);
    let name = home.named("group");
    let group = Group::builder().mutex("jobs", 0u64).condvar("more");
    let group = group.create(&name).unwrap();
    let (jobs, more) = (
        group.mutex::<u64>("jobs").unwrap(),
        group.condvar("more").unwrap(),
    );
    let spawn = |count: u64| {
        let child = home.spawn("consumer", &[("name", &name)]);
        board.wait(READY, count);
        child
    };
    let consumers = [spawn(1), spawn(2)];
    let doomed = spawn(3);
    for consumer in consumers.iter().chain([&doomed]) {
        consumer.wait_until_asleep();
    }
    doomed.kill();
    let mut made = 0;
    for round in 0..50 {
        let count = 1 + round % 3;
        made += count;
        *jobs.lock().unwrap() += count;
        match count {
            1 => more.notify_one(),
            _ => more.notify_all(),
        }
        board.wait(DONE, made);
    }
    *jobs.lock().unwrap() = u64::MAX;
    more.notify_all();
    consumers.into_iter().for_each(Child::finish);
}
