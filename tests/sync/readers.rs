//! Processes that share a reader-writer lock, and die, or stop, with it.

use std::fmt::Display;
use std::time::Duration;

use memring::sync::{LockError, LockTimeoutError, RwLock, RwLockWriteGuard, TryLockError};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, wait_until};

use super::Twins;

pub const ROLES: [Role; 4] = [
    ("endless reader", reads),
    ("endless writer", writes),
    ("guard holder", holds),
    ("guard waiter", waits),
];

const NAME: &str = "lock";
const READY: usize = 0;
const DONE: usize = 1;

fn opened(args: &Args) -> (RwLock<Twins>, Board) {
    let name: String = args.get("name");
    (
        RwLock::open(name).expect("open the lock"),
        args.board("board"),
    )
}

/// The guard, of a value that is whole again if it was not.
pub fn written(lock: &RwLock<Twins>) -> RwLockWriteGuard<'_, Twins> {
    match lock.write() {
        Ok(guard) => guard,
        Err(LockError::Poisoned(poisoned)) => {
            let mut guard = poisoned.into_inner();
            guard.second = guard.first;
            lock.clear_poison();
            guard
        }
        Err(error) => panic!("{error}"),
    }
}

/// Reads again and again: what is not poisoned is whole.
fn reads(args: &Args) {
    let (lock, board) = opened(args);
    let me: usize = args.get("me");
    let mut last = 0;
    while board.get(DONE) == 0 {
        match lock.read() {
            Ok(value) => {
                assert!(value.first == value.second && value.first >= last);
                last = value.first;
            }
            Err(LockError::Poisoned(_)) => {}
            Err(error) => panic!("{error}"),
        }
        board.add(me, 1);
    }
}

/// Steps again and again, and says how often.
fn writes(args: &Args) {
    let (lock, board) = opened(args);
    let me: usize = args.get("me");
    while board.get(DONE) == 0 {
        written(&lock).step();
        board.add(me, 1);
    }
}

/// Takes the lock, and keeps it until it is killed or told to let go.
fn holds(args: &Args) {
    let (lock, board) = opened(args);
    if args.get::<bool>("writes") {
        let mut guard = lock.write().expect("a free lock");
        guard.first = 77;
        board.add(READY, 1);
        board.wait(DONE, 1);
        guard.second = 77;
    } else {
        let _guard = lock.read().expect("a free lock");
        board.add(READY, 1);
        board.wait(DONE, 1);
    }
}

/// Waits for the lock; it must be woken if it is told to sleep long.
fn waits(args: &Args) {
    let (lock, board) = opened(args);
    #[cfg(debug_assertions)]
    if args.get::<bool>("sleeps long") {
        memring::failpoints::raise_sleep_cap(2 * memring_testkit::time::LIMIT);
    }
    board.add(READY, 1);
    match args.get::<bool>("writes") {
        true => drop(written(&lock)),
        false => drop(lock.read()),
    }
}

struct Hall {
    home: Home,
    board: Board,
    lock: RwLock<Twins>,
}

impl Hall {
    fn new() -> Hall {
        let home = Home::new();
        Hall {
            board: home.board("board", 16),
            lock: RwLock::create(home.named(NAME), Twins::default()).expect("make a lock"),
            home,
        }
    }

    fn start(&self, role: &str, args: &[(&str, &dyn Display)]) -> Child {
        let name = self.home.named(NAME);
        let mut all: Vec<(&str, &dyn Display)> = vec![("name", &name)];
        all.extend(args);
        self.home.spawn(role, &all)
    }

    fn holder(&self, writes: bool) -> Child {
        let ready = self.board.get(READY);
        let child = self.start("guard holder", &[("writes", &writes)]);
        self.board.wait(READY, ready + 1);
        child
    }

    fn waiter(&self, writes: bool, sleeps_long: bool) -> Child {
        let ready = self.board.get(READY);
        let args: [(&str, &dyn Display); 2] = [("writes", &writes), ("sleeps long", &sleeps_long)];
        let child = self.start("guard waiter", &args);
        self.board.wait(READY, ready + 1);
        child.wait_until_asleep();
        child
    }
}

#[test]
fn readers_and_writers_of_many_processes() {
    let hall = Hall::new();
    let start = |role, me: usize| hall.start(role, &[("me", &me)]);
    let roles = [
        "endless writer",
        "endless writer",
        "endless reader",
        "endless reader",
    ];
    let all: Vec<Child> = (2..6).map(|me| start(roles[me - 2], me)).collect();
    (2..4).for_each(|me| hall.board.wait(me, 1000));
    hall.board.set(DONE, 1);
    all.into_iter().for_each(Child::finish);
    let steps = hall.board.get(2) + hall.board.get(3);
    assert_eq!(*hall.lock.read().unwrap(), Twins::of(steps));
}

/// A writer whose time is over already gets the lock all the same if all its readers are dead.
#[test]
fn late_writers_pass_over_all_dead_readers() {
    let hall = Hall::new();
    let readers = [(); 3].map(|()| hall.holder(false));
    let stopped = hall.lock.write_timeout(Duration::ZERO).unwrap_err();
    assert!(matches!(stopped, LockTimeoutError::Timeout(Some(_))));
    readers.into_iter().for_each(Child::kill);
    hall.lock.write_timeout(Duration::ZERO).unwrap().step();
    assert_eq!(hall.lock.read().unwrap().first, 1);
}

/// Readers and writers are killed at any moment, again and again.
#[test]
fn killed_readers_and_writers() {
    let hall = Hall::new();
    let start = |role, me: usize| hall.start(role, &[("me", &me)]);
    let writer = start("endless writer", 2);
    for round in 0..12 {
        let role = ["endless reader", "endless writer"][round as usize % 2];
        let me = 3 + round as usize % 2;
        let doomed = start(role, me);
        let (own, of_writer) = (hall.board.get(me), hall.board.get(2));
        hall.board.wait(me, own + 1 + 13 * round);
        doomed.kill();
        hall.board.wait(2, of_writer + 50);
    }
    hall.board.set(DONE, 1);
    writer.finish();
    let steps = hall.board.get(2) + hall.board.get(4);
    let value = *written(&hall.lock);
    // Of each writer that was killed a step may be there that it did not come to count.
    assert!(value.first == value.second && value.first >= steps && value.first <= steps + 6);
}

#[test]
fn a_killed_writer_poisons_and_a_killed_reader_does_not() {
    let hall = Hall::new();
    let (one, two) = (hall.holder(false), hall.holder(false));
    assert!(hall.lock.try_write().is_err());
    let waiter = hall.waiter(true, false);
    one.kill();
    two.kill();
    // It finds out at the end of a sleep, with nobody to wake it.
    waiter.finish();
    assert!(!hall.lock.is_poisoned());
    hall.holder(true).kill();
    let Err(LockError::Poisoned(poisoned)) = hall.lock.read() else {
        panic!("its writer died");
    };
    let value = *poisoned.into_inner();
    assert_eq!((value.first, value.second), (77, 0));
    drop(written(&hall.lock));
    assert_eq!(*hall.lock.read().unwrap(), Twins::of(77));
    hall.holder(true).kill();
    assert!(matches!(hall.lock.write(), Err(LockError::Poisoned(_))));
}

/// RW8: the value is whole if the writer dies before the last reader has gone.
#[test]
fn a_writer_that_dies_while_it_waits_poisons_nothing() {
    let hall = Hall::new();
    let guard = hall.lock.read().unwrap();
    let writer = hall.waiter(true, false);
    writer.kill();
    drop(guard);
    let other = RwLock::<Twins>::open(hall.home.named(NAME)).unwrap();
    assert_eq!(*other.read().unwrap(), Twins::of(0));
    assert!(!other.is_poisoned());
    let guard = hall.lock.read().unwrap();
    hall.waiter(true, false).kill();
    drop(guard);
    assert_eq!(*other.write_timeout(LONG).unwrap(), Twins::of(0));
}

#[test]
fn calls_that_do_not_wait_find_the_dead() {
    let hall = Hall::new();
    hall.holder(false).kill();
    wait_until(
        || hall.lock.try_write().is_ok(),
        || "its reader died".into(),
    );
    hall.holder(true).kill();
    wait_until(
        || matches!(hall.lock.try_read(), Err(TryLockError::Poisoned(_))),
        || "its writer died".into(),
    );
}

/// RW12: whatever its predecessor counted, a new handle counts for no reader.
#[test]
fn a_successor_counts_no_reader() {
    for scanned in [false, true] {
        let home = Home::new();
        let board = home.board("board", 2);
        let name = home.named(NAME);
        let handles = if scanned { 3 } else { 2 };
        let lock = RwLock::builder().max_handles(handles);
        let lock = lock.create(&name, Twins::default()).unwrap();
        let args: [(&str, &dyn Display); 2] = [("name", &name), ("writes", &false)];
        let holder = home.spawn("guard holder", &args);
        board.wait(READY, 1);
        holder.kill();
        // One that has scanned: the dead one's entry is clean when the successor comes.
        let third = scanned.then(|| RwLock::<Twins>::open(&name).unwrap());
        let successor = RwLock::<Twins>::open(&name).unwrap();
        assert_eq!(successor.id(), 2, "its id is that of the dead one");
        drop(lock.try_write().unwrap());
        let writer = lock.write().unwrap();
        assert!(successor.try_read().is_err(), "it counts as one that reads");
        drop((writer, third));
        assert_eq!(*successor.read().unwrap(), Twins::of(0));
    }
}

#[test]
fn stopped_holders_keep_the_lock_and_are_named() {
    let some = Duration::from_millis(500);
    for writes in [false, true] {
        let hall = Hall::new();
        let holder = hall.holder(writes);
        holder.stop();
        let Err(LockTimeoutError::Timeout(Some(it))) = hall.lock.write_timeout(some) else {
            panic!("it is held");
        };
        assert_eq!(it.pid, holder.pid());
        match (writes, hall.lock.read_timeout(some)) {
            (false, Ok(value)) => assert_eq!(*value, Twins::of(0)),
            (true, Err(LockTimeoutError::Timeout(Some(it)))) => assert_eq!(it.pid, holder.pid()),
            (_, other) => panic!("{other:?}"),
        }
        hall.board.set(DONE, 1);
        holder.resume();
        drop(hall.lock.write_timeout(LONG).unwrap());
        holder.finish();
    }
}

#[test]
fn sleepers_are_woken() {
    let hall = Hall::new();
    // A writer by the last reader, and readers by the writer.
    let guard = hall.lock.read().unwrap();
    let writer = hall.waiter(true, true);
    drop(guard);
    writer.finish();
    let guard = hall.lock.write().unwrap();
    let waiters = [
        hall.waiter(false, true),
        hall.waiter(false, true),
        hall.waiter(true, true),
    ];
    drop(guard);
    waiters.into_iter().for_each(Child::finish);
    // By one that has given up.
    let guard = hall.lock.read().unwrap();
    let other = RwLock::<Twins>::open(hall.home.named(NAME)).unwrap();
    let reader = std::thread::scope(|scope| {
        let late = scope.spawn(|| other.write_timeout(Duration::from_secs(2)).is_err());
        wait_until(|| other.try_read().is_err(), || "a writer waits".into());
        let reader = hall.waiter(false, true);
        assert!(late.join().unwrap());
        reader
    });
    reader.finish();
    drop(guard);
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "waiters yield there, and are not seen asleep"
)]
fn killed_and_stopped_waiters_hold_nobody_up() {
    let hall = Hall::new();
    let guard = hall.lock.read().unwrap();
    let stopped = hall.waiter(true, false);
    stopped.stop();
    drop(guard);
    // It holds the word, and will be in when it goes on.
    let late = hall.lock.read_timeout(Duration::from_millis(300));
    assert!(matches!(late, Err(LockTimeoutError::Timeout(Some(it))) if it.pid == stopped.pid()));
    stopped.kill();
    assert_eq!(*hall.lock.read_timeout(LONG).unwrap(), Twins::of(0));
    let guard = hall.lock.write().unwrap();
    let stopped = hall.waiter(false, false);
    stopped.stop();
    hall.waiter(false, false).kill();
    let waiter = hall.waiter(true, false);
    drop(guard);
    waiter.finish();
    drop(hall.lock.write_timeout(LONG).unwrap());
    stopped.resume();
    stopped.finish();
}
