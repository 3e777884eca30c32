//! Wake-ups come at once: with the cap of a sleep far above what a test may take, one that
//! is lost shows.

use std::time::Duration;

use memring::failpoints::raise_sleep_cap;
use memring::sync::Group;
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;

pub const ROLES: [Role; 1] = [("sleeper", sleeper)];

const READY: usize = 0;
const DONE: usize = 1;

/// Sleeps for what it is told.
fn sleeper(args: &Args) {
    raise_sleep_cap(Duration::from_secs(600));
    let name: String = args.get("name");
    let group = Group::open(name).expect("open the group");
    let board = args.board("board");
    board.add(READY, 1);
    let value = group.mutex::<u64>("value").expect("the value");
    match args.get::<String>("for").as_str() {
        "lock" => *value.lock().expect("whole") += 1,
        "late lock" => {
            let late = value.lock_timeout(Duration::from_secs(2));
            assert!(late.is_err());
        }
        "change" => {
            let changed = group.condvar("changed").expect("changed");
            let guard = value.lock().expect("whole");
            drop(changed.wait_while(guard, |value| *value == 0));
        }
        "once" => {
            let once = group.once_value::<u64>("once").expect("once");
            assert_eq!(once.get_or_init(|| unreachable!()), Ok(&5));
        }
        "barrier" => {
            let barrier = group.barrier("barrier").expect("the barrier");
            let mut seat = barrier.join().expect("a seat");
            assert!(seat.wait().is_ok());
            // So that the others are not told that it has left.
            std::mem::forget(seat);
        }
        "broken barrier" => {
            let barrier = group.barrier("barrier").expect("the barrier");
            assert!(barrier.join().expect("a seat").wait().is_err());
        }
        other => panic!("no {other}"),
    }
    board.add(DONE, 1);
}

struct Room {
    home: Home,
    board: Board,
    group: Group,
}

impl Room {
    fn new() -> Room {
        let home = Home::new();
        let group = Group::builder().mutex("value", 0u64).condvar("changed");
        let group = group.once_value::<u64>("once").barrier("barrier", 3);
        Room {
            board: home.board("board", 2),
            group: group.create(home.named("group")).expect("make a group"),
            home,
        }
    }

    /// So many children, asleep.
    fn sleepers(&self, number: usize, what: &str) -> Vec<Child> {
        let name = self.home.named("group");
        let before = self.board.get(READY);
        let spawn = |_| {
            self.home
                .spawn("sleeper", &[("name", &name), ("for", &what)])
        };
        let all: Vec<Child> = (0..number).map(spawn).collect();
        self.board.wait(READY, before + number as u64);
        for child in &all {
            child.wait_until_asleep();
        }
        all
    }

    fn done(&self, sleepers: Vec<Child>) {
        let number = sleepers.len() as u64;
        sleepers.into_iter().for_each(Child::finish);
        assert_eq!(self.board.get(DONE), number);
    }
}

#[test]
fn of_a_lock() {
    let room = Room::new();
    let value = room.group.mutex::<u64>("value").unwrap();
    let guard = value.lock().unwrap();
    let sleepers = room.sleepers(3, "lock");
    drop(guard);
    room.done(sleepers);
    assert_eq!(*value.lock().unwrap(), 3);
}

/// A sleeper that was woken, and finds its time over, is not the only one.
#[test]
fn of_a_lock_that_some_give_up() {
    let room = Room::new();
    let value = room.group.mutex::<u64>("value").unwrap();
    let guard = value.lock().unwrap();
    let late = room.sleepers(1, "late lock");
    let sleepers = room.sleepers(2, "lock");
    late.into_iter().for_each(Child::finish);
    drop(guard);
    sleepers.into_iter().for_each(Child::finish);
    assert_eq!(*value.lock().unwrap(), 2);
}

#[test]
fn of_a_condition_variable() {
    for count in [1, 3] {
        let room = Room::new();
        let value = room.group.mutex::<u64>("value").unwrap();
        let changed = room.group.condvar("changed").unwrap();
        let sleepers = room.sleepers(count, "change");
        *value.lock().unwrap() = 1;
        match count {
            1 => changed.notify_one(),
            _ => changed.notify_all(),
        }
        room.done(sleepers);
    }
}

#[test]
fn of_what_is_done_once() {
    let room = Room::new();
    let once = room.group.once_value::<u64>("once").unwrap();
    let made = once.get_or_init(|| {
        let sleepers = room.sleepers(2, "once");
        // They wait for this to end.
        std::thread::spawn(move || sleepers.into_iter().for_each(Child::finish));
        5
    });
    assert_eq!(made, Ok(&5));
    room.board.wait(DONE, 2);
}

#[test]
fn of_a_barrier() {
    let room = Room::new();
    let barrier = room.group.barrier("barrier").unwrap();
    let sleepers = room.sleepers(2, "barrier");
    let mut seat = barrier.join().unwrap();
    assert!(seat.wait().unwrap().is_leader());
    room.done(sleepers);
    // One that leaves wakes those that wait for it.
    let room = Room::new();
    let barrier = room.group.barrier("barrier").unwrap();
    let seat = barrier.join().unwrap();
    let sleepers = room.sleepers(2, "broken barrier");
    drop(seat);
    room.done(sleepers);
}
