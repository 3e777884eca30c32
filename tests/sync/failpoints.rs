//! A process is killed, or stopped, right after each change of shared state.

use std::time::Duration;

use memring::failpoints::{self, Act, Failpoint};
use memring::sync::{BarrierError, Group, LockError, LockTimeoutError, Mutex};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use super::Twins;
use super::processes::repaired;

pub const ROLES: [Role; 1] = [("doomed locker", doomed)];

const READY: usize = 0;
const GO: usize = 1;
const PASSED: usize = 2;

/// The point of this name.
pub fn named(name: &str) -> Failpoint {
    let mut all = Failpoint::ALL.iter();
    let found = all.find(|point| format!("{point:?}") == name);
    *found.expect("a point of this name")
}

/// Does what it is told with the objects of the group, until it dies or stops at a point.
fn doomed(args: &Args) {
    let board = args.board("board");
    let name: String = args.get("name");
    let act = match args.get::<bool>("stops") {
        true => Act::Stop,
        false => Act::Kill,
    };
    let point = named(&args.get::<String>("point"));
    let arm = || failpoints::arm(&[(point, args.get("nth"), act)]);
    let what: String = args.get("what");
    if what == "open" {
        arm();
        drop(Group::open(&name));
        return;
    }
    if what == "make" {
        arm();
        // Beside the group, in the default directory.
        drop(Mutex::create("made", Twins::of(3)));
        return;
    }
    let group = Group::open(&name).expect("open the group");
    let mutex = group.mutex::<Twins>("twins").expect("twins");
    let changed = group.condvar("changed").expect("changed");
    board.add(READY, 1);
    match what.as_str() {
        "lock" => {
            arm();
            for _ in 0..100 {
                repaired(&mutex).step();
                changed.notify_all();
            }
        }
        "once" => {
            let value = group.once_value::<u64>("value").expect("the value");
            arm();
            assert_eq!(value.get_or_init(|| 5), Ok(&5));
        }
        "once, and wait" => {
            let value = group.once_value::<u64>("value").expect("the value");
            arm();
            let _ = value.get_or_init(|| board.wait_to_be_killed());
        }
        "barrier" => {
            let barrier = group.barrier("barrier").expect("the barrier");
            arm();
            let mut seat = barrier.join().expect("a seat");
            board.wait(GO, 1);
            let _ = seat.wait_timeout(Duration::from_millis(args.get("limit")));
        }
        // While the test holds the lock.
        "wait" => {
            arm();
            repaired(&mutex).step();
        }
        "condvar" => {
            let guard = repaired(&mutex);
            arm();
            drop(changed.wait(guard));
        }
        "notify" => {
            board.wait(GO, 1);
            arm();
            repaired(&mutex).step();
            changed.notify_one();
            changed.notify_all();
        }
        "close" => {
            repaired(&mutex).first += 1;
            std::mem::forget(mutex.lock());
            arm();
            drop((mutex, changed, group));
        }
        other => panic!("no {other}"),
    }
    board.set(PASSED, 1);
}

struct Stage {
    home: Home,
    board: Board,
    group: Group,
    mutex: Mutex<Twins>,
}

impl Stage {
    fn new() -> Stage {
        let home = Home::new();
        let group = Group::builder().mutex("twins", Twins::default());
        let group = group.condvar("changed").once_value::<u64>("value");
        let group = group.barrier("barrier", 2).create(home.named("group"));
        let group = group.expect("make a group");
        Stage {
            board: home.board("board", 3),
            mutex: group.mutex("twins").expect("twins"),
            group,
            home,
        }
    }

    fn start(&self, what: &str, point: Failpoint, nth: u64, stops: bool) -> Child {
        let name = self.home.named("group");
        // Of a wait at the barrier, in milliseconds.
        let limit = match point {
            Failpoint::BarrierWithdrawn => 30,
            _ => 30_000,
        };
        let point = format!("{point:?}");
        self.home.spawn(
            "doomed locker",
            &[
                ("name", &name),
                ("what", &what),
                ("point", &point),
                ("nth", &nth),
                ("stops", &stops),
                ("limit", &limit),
            ],
        )
    }

    /// All is there for those that come, as if no process had died.
    fn is_sound(&self) {
        let changed = self.group.condvar("changed").expect("changed");
        drop(repaired(&self.mutex));
        let other = Group::open(self.home.named("group")).expect("open it again");
        let other = other.mutex::<Twins>("twins").expect("twins");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let guard = changed.wait_while(repaired(&self.mutex), |it| it.first < 1000);
                assert_eq!(*guard.expect("it is whole"), Twins::of(1000));
            });
            loop {
                let mut guard = repaired(&other);
                if guard.first >= 1000 {
                    break;
                }
                guard.step();
                changed.notify_one();
            }
        });
        // The dead have left no entry that a scan does not clean.
        drop(Group::open(self.home.named("group")).expect("open it again"));
        assert!(self.mutex.handles().iter().all(|one| one.alive));
    }
}

/// The points of shared objects that a test here names.
const TRIED: [Failpoint; 14] = [
    Failpoint::OnceEnded,
    Failpoint::OnceRecovered,
    Failpoint::SeatTaken,
    Failpoint::SeatLeft,
    Failpoint::BarrierArrived,
    Failpoint::BarrierBroken,
    Failpoint::BarrierWithdrawn,
    Failpoint::LockTaken,
    Failpoint::LockTakenOver,
    Failpoint::LockFreed,
    Failpoint::WaiterMarked,
    Failpoint::LockRecovered,
    Failpoint::PoisonCleared,
    Failpoint::DirectoryWritten,
];

#[test]
fn every_point_is_tried() {
    for point in Failpoint::OF_SYNC {
        let tried = TRIED.contains(point) || super::sharing::TRIED.contains(point);
        assert!(tried, "{point:?} is tried nowhere");
    }
}

/// A maker that dies leaves nothing behind.
#[test]
fn killed_while_it_makes_a_mutex() {
    for (point, left) in [
        (Failpoint::DirectoryWritten, false),
        (Failpoint::UsersLocked, false),
        (Failpoint::NamePublished, true),
        (Failpoint::IdLocked, true),
    ] {
        let stage = Stage::new();
        stage.start("make", point, 1, false).dies();
        let made = stage.home.named("made");
        assert_eq!(std::fs::exists(&made).unwrap(), left, "{point:?}");
        let mutex = Mutex::open_or_create(&made, Twins::of(3)).unwrap();
        assert_eq!(*mutex.lock().unwrap(), Twins::of(3));
    }
}

#[test]
fn killed_at_each_point() {
    use Failpoint::*;
    for (what, point, nth) in [
        ("open", IdLocked, 1),
        ("open", PidEntered, 1),
        ("open", EntryTaken, 1),
        ("open", ArrivalCounted, 1),
        ("open", IdUnlocked, 1),
        ("open", DepartureCounted, 1),
        ("open", EntryCleaned, 1),
        ("lock", LockTaken, 1),
        ("lock", LockTaken, 50),
        ("lock", LockFreed, 1),
        ("lock", LockFreed, 50),
        ("close", LockRecovered, 1),
        ("close", IdUnlocked, 1),
        ("close", Detached, 1),
    ] {
        let stage = Stage::new();
        stage.start(what, point, nth, false).dies();
        stage.is_sound();
    }
}

/// The doomed process waits for the lock that the test holds.
#[test]
fn killed_while_it_waits() {
    use Failpoint::*;
    for point in [WaiterMarked, Woken, LockTaken, LockFreed] {
        let stage = Stage::new();
        let guard = stage.mutex.lock().unwrap();
        let doomed = stage.start("wait", point, 1, false);
        stage.board.wait(READY, 1);
        if point != WaiterMarked {
            doomed.wait_until_asleep();
        }
        if point == WaiterMarked {
            doomed.dies();
            drop(guard);
        } else {
            drop(guard);
            doomed.dies();
        }
        stage.is_sound();
    }
}

/// Its predecessor has died with the lock.
#[test]
fn killed_while_it_takes_a_lock_over() {
    let stage = Stage::new();
    let first = stage.start("lock", Failpoint::LockTaken, 1, true);
    first.wait_for_state('T');
    let doomed = stage.start("wait", Failpoint::LockTakenOver, 1, false);
    stage.board.wait(READY, 2);
    doomed.wait_until_asleep();
    first.kill();
    doomed.dies();
    assert!(matches!(stage.mutex.lock(), Err(LockError::Poisoned(_))));
    stage.is_sound();
    let stage = Stage::new();
    stage.start("lock", Failpoint::LockTaken, 1, false).dies();
    stage
        .start("open", Failpoint::LockRecovered, 1, false)
        .dies();
    stage.is_sound();
    // One dies that has declared the value repaired, and still holds it.
    let stage = Stage::new();
    stage.start("lock", Failpoint::LockTaken, 1, false).dies();
    stage
        .start("wait", Failpoint::PoisonCleared, 1, false)
        .dies();
    assert!(matches!(stage.mutex.lock(), Err(LockError::Poisoned(_))));
    stage.is_sound();
}

#[test]
fn killed_at_a_condition_variable() {
    use Failpoint::*;
    for point in [SleepRegistered, LockFreed, LockTaken] {
        let stage = Stage::new();
        let doomed = stage.start("condvar", point, 1, false);
        stage.board.wait(READY, 1);
        doomed.dies();
        stage.is_sound();
    }
    for point in [WaitWordCounted, BitCleared, LockTaken, LockFreed] {
        let stage = Stage::new();
        let changed = stage.group.condvar("changed").unwrap();
        let doomed = stage.start("notify", point, 1, false);
        let guard = stage.mutex.lock().unwrap();
        stage.board.set(GO, 1);
        // Its changes are seen, though it notifies nobody.
        let changed = changed.wait_timeout_while(guard, LONG, |it| it.first == 0);
        match (point, changed) {
            (LockTaken, late) => {
                let poisoned = late.map(drop).unwrap_err();
                assert!(matches!(poisoned.without_guard(), LockError::Poisoned(_)));
            }
            (_, Ok((guard, _))) => assert_eq!(*guard, Twins::of(1)),
            (_, Err(error)) => panic!("{error}"),
        }
        doomed.dies();
        stage.is_sound();
    }
}

#[test]
fn stopped_at_each_point() {
    use Failpoint::*;
    for point in [LockTaken, LockFreed] {
        let stage = Stage::new();
        let doomed = stage.start("lock", point, 1, true);
        doomed.wait_for_state('T');
        let late = stage.mutex.lock_timeout(Duration::from_millis(300));
        match point {
            LockTaken => {
                let Err(LockTimeoutError::Timeout(Some(owner))) = late else {
                    panic!("it is held");
                };
                assert_eq!(owner.pid, doomed.pid());
            }
            _ => assert_eq!(*late.unwrap(), Twins::of(1)),
        }
        doomed.resume();
        doomed.finish();
        assert_eq!(*stage.mutex.lock().unwrap(), Twins::of(100));
        stage.is_sound();
    }
}

#[test]
fn killed_while_it_makes_a_value() {
    use Failpoint::*;
    for (what, point, made) in [
        ("once", LockTaken, false),
        ("once", OnceEnded, true),
        ("once, and wait", LockTaken, false),
    ] {
        let stage = Stage::new();
        stage.start(what, point, 1, false).dies();
        let value = stage.group.once_value::<u64>("value").unwrap();
        assert_eq!(value.get().is_some(), made, "{point:?}");
        assert_eq!(value.get_or_init(|| 5), Ok(&5));
        stage.is_sound();
    }
    // Its successor dies, too, while it makes what was begun new again; or takes it over.
    for (what, point) in [("open", OnceRecovered), ("once", LockTakenOver)] {
        let stage = Stage::new();
        let first = stage.start("once, and wait", Failpoint::LockTaken, 1, true);
        first.wait_for_state('T');
        let second = match what {
            "open" => {
                first.kill();
                stage.start(what, point, 1, false)
            }
            _ => {
                let second = stage.start(what, point, 1, false);
                stage.board.wait(READY, 2);
                second.wait_until_asleep();
                first.kill();
                second
            }
        };
        second.dies();
        let value = stage.group.once_value::<u64>("value").unwrap();
        assert_eq!(value.get_or_init(|| 6), Ok(&6));
        stage.is_sound();
    }
}

#[test]
fn killed_at_a_barrier() {
    use Failpoint::*;
    for (point, passes) in [
        (SeatTaken, false),
        (BarrierArrived, true),
        (BarrierWithdrawn, false),
    ] {
        let stage = Stage::new();
        let barrier = stage.group.barrier("barrier").unwrap();
        let mut seat = barrier.join().unwrap();
        let doomed = stage.start("barrier", point, 1, false);
        stage.board.wait(READY, 1);
        stage.board.set(GO, 1);
        // It is the first to come, and the round is passed; or it never does.
        if point != SeatTaken {
            doomed.dies();
        }
        assert_eq!(seat.wait_timeout(LONG).is_ok(), passes, "{point:?}");
        assert_eq!(seat.wait_timeout(LONG), Err(BarrierError::Broken));
        stage.is_sound();
    }
    // It leaves, and dies before all are told.
    for point in [SeatLeft, BarrierBroken] {
        let stage = Stage::new();
        let barrier = stage.group.barrier("barrier").unwrap();
        let mut seat = barrier.join().unwrap();
        let doomed = stage.start("barrier", point, 1, false);
        stage.board.wait(READY, 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                stage.board.set(GO, 1);
                assert!(seat.wait_timeout(LONG).is_ok());
                assert_eq!(seat.wait_timeout(LONG), Err(BarrierError::Broken));
            });
            doomed.dies();
        });
        stage.is_sound();
    }
}
