//! A process is killed, or stopped, right after each change that it makes to the words of a
//! latest value, a semaphore, a reader-writer lock.

use std::fmt::Display;
use std::time::Duration;

use memring::failpoints::{self, Act, Failpoint};
use memring::sync::{Group, Latest, LockError, RwLock, RwLockWriteGuard, Semaphore};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use super::Twins;
use super::failpoints::named;
use super::readers::written;

pub const ROLES: [Role; 1] = [("doomed sharer", doomed)];

const READY: usize = 0;
const GO: usize = 1;
const PERMITS: u32 = 2;

struct Objects {
    latest: Latest<Twins>,
    permits: Semaphore,
    lock: RwLock<Twins>,
}

impl Objects {
    fn of(group: &Group) -> Objects {
        Objects {
            latest: group.latest("latest").expect("latest"),
            permits: group.semaphore("permits").expect("permits"),
            lock: group.rwlock("lock").expect("lock"),
        }
    }
}

/// Does what it is told with the objects of the group, until it dies or stops at a point.
fn doomed(args: &Args) {
    let board = args.board("board");
    let act = match args.get::<bool>("stops") {
        true => Act::Stop,
        false => Act::Kill,
    };
    let point = named(&args.get::<String>("point"));
    let arm = || failpoints::arm(&[(point, args.get("nth"), act)]);
    let what: String = args.get("what");
    if what == "open" {
        arm();
        drop(Group::open(args.get::<String>("name")));
        return;
    }
    let group = Group::open(args.get::<String>("name")).expect("open the group");
    let objects = Objects::of(&group);
    board.add(READY, 1);
    match what.as_str() {
        "store" => {
            let mut writer = objects.latest.writer().expect("no other writer");
            arm();
            for number in 1..100 {
                writer.write(Twins::of(number)).expect("store");
            }
        }
        "permit" => {
            arm();
            for _ in 0..100 {
                drop(objects.permits.acquire().expect("a permit"));
            }
        }
        "read" => {
            arm();
            for _ in 0..100 {
                drop(objects.lock.read().map_err(|error| error.without_guard()));
            }
        }
        "write" => {
            arm();
            for _ in 0..100 {
                written(&objects.lock).step();
            }
        }
        "downgrade" => {
            let mut guard = written(&objects.lock);
            guard.step();
            arm();
            drop(RwLockWriteGuard::downgrade(guard));
        }
        "close" => {
            std::mem::forget(objects.permits.acquire());
            std::mem::forget(objects.lock.read());
            arm();
            drop((objects, group));
        }
        "close writing" => {
            std::mem::forget(objects.lock.write());
            arm();
            drop((objects, group));
        }
        other => panic!("no {other}"),
    }
    board.set(GO, 1);
}

struct Scene {
    home: Home,
    board: Board,
    objects: Objects,
}

impl Scene {
    fn new() -> Scene {
        let home = Home::new();
        let group = Group::builder()
            .latest("latest", Twins::default())
            .semaphore("permits", PERMITS)
            .rwlock("lock", Twins::default())
            .create(home.named("group"));
        Scene {
            board: home.board("board", 2),
            objects: Objects::of(&group.expect("make a group")),
            home,
        }
    }

    fn start(&self, what: &str, point: Failpoint, nth: u64, stops: bool) -> Child {
        let name = self.home.named("group");
        let point = format!("{point:?}");
        let args: [(&str, &dyn Display); 5] = [
            ("name", &name),
            ("what", &what),
            ("point", &point),
            ("nth", &nth),
            ("stops", &stops),
        ];
        self.home.spawn("doomed sharer", &args)
    }

    /// All is there for those that come, as if no process had died.
    fn is_sound(&self) {
        let Objects {
            latest,
            permits,
            lock,
        } = &self.objects;
        let (number, value) = latest.read_numbered().expect("a value");
        assert_eq!(value, Twins::of(number));
        let mut writer = latest.writer().expect("the writer died");
        let next = Twins::of(number + 1);
        assert_eq!(writer.write(next).expect("store"), number + 1);
        assert_eq!(latest.read(), Ok(next));
        let held: Vec<_> = (0..PERMITS)
            .map(|_| permits.acquire_timeout(LONG).expect("a permit"))
            .collect();
        assert_eq!(permits.available(), 0);
        drop(held);
        written(lock).step();
        let value = *lock.read().expect("it is whole");
        assert_eq!(value.first, value.second);
        let other = Group::open(self.home.named("group")).expect("open it again");
        let other = Objects::of(&other);
        assert_eq!(other.permits.available(), PERMITS);
        assert_eq!(*other.lock.try_read().expect("it is free"), value);
        drop(other.lock.try_write().expect("nobody reads"));
        assert!(lock.handles().iter().all(|one| one.alive));
    }
}

/// The points of these objects that a test here names.
pub const TRIED: [Failpoint; 12] = [
    Failpoint::WordWritten,
    Failpoint::ValueWritten,
    Failpoint::ValuePublished,
    Failpoint::PermitTaken,
    Failpoint::PermitFreed,
    Failpoint::PermitTakenOver,
    Failpoint::PermitRecovered,
    Failpoint::CellRaised,
    Failpoint::ReaderInside,
    Failpoint::CellLowered,
    Failpoint::EventCounted,
    Failpoint::WriterInside,
];

#[test]
fn killed_at_each_point_of_what_is_shared() {
    use Failpoint::*;
    for (what, point, nth) in [
        ("store", WordWritten, 1),
        ("store", WordWritten, 2),
        ("store", WordWritten, 57),
        ("store", ValueWritten, 1),
        ("store", ValueWritten, 30),
        ("store", ValuePublished, 1),
        ("store", ValuePublished, 31),
        ("permit", PermitTaken, 1),
        ("permit", PermitTaken, 60),
        ("permit", PermitFreed, 1),
        ("read", CellRaised, 1),
        ("read", CellRaised, 50),
        ("read", ReaderInside, 1),
        ("read", CellLowered, 1),
        ("write", LockTaken, 1),
        ("write", WriterInside, 1),
        ("write", WriterInside, 50),
        ("write", LockFreed, 1),
        ("downgrade", ReaderInside, 1),
        ("downgrade", LockFreed, 1),
        ("downgrade", CellLowered, 1),
        ("close", CellLowered, 1),
        ("close", PermitRecovered, 1),
        ("close", IdUnlocked, 1),
        ("close writing", LockRecovered, 1),
    ] {
        let scene = Scene::new();
        scene.start(what, point, nth, false).dies();
        scene.is_sound();
    }
}

/// Only a death inside poisons (RW8), and a death with a read guard never does.
#[test]
fn what_a_death_at_each_point_poisons() {
    use Failpoint::*;
    for (what, point, poisons) in [
        ("write", LockTaken, false),
        ("write", WriterInside, true),
        ("write", LockFreed, false),
        ("read", ReaderInside, false),
        ("downgrade", ReaderInside, true),
        ("downgrade", LockFreed, false),
    ] {
        let scene = Scene::new();
        scene.start(what, point, 1, false).dies();
        let found = scene.objects.lock.read();
        assert_eq!(
            matches!(found, Err(LockError::Poisoned(_))),
            poisons,
            "{what} {point:?}"
        );
        drop(found);
        scene.is_sound();
    }
}

/// Its predecessor has died with what it takes.
#[test]
fn killed_while_it_takes_over() {
    use Failpoint::*;
    for (first, held, what, point) in [
        ("permit", PermitTaken, "permit", PermitTakenOver),
        ("permit", PermitTaken, "open", PermitRecovered),
        ("write", LockTaken, "write", LockTakenOver),
        ("write", WriterInside, "write", LockTakenOver),
        ("write", WriterInside, "read", LockTakenOver),
        ("write", WriterInside, "open", LockRecovered),
        ("write", WriterInside, "write", PoisonCleared),
    ] {
        let scene = Scene::new();
        let both = match first {
            "permit" => vec![scene.objects.permits.acquire().expect("a permit")],
            _ => Vec::new(),
        };
        let dying = scene.start(first, held, 1, true);
        dying.wait_for_state('T');
        // With its handle open it finds the first one alive: no scan is before it.
        let doomed = (what != "open").then(|| {
            let ready = scene.board.get(READY);
            let doomed = scene.start(what, point, 1, false);
            scene.board.wait(READY, ready + 1);
            doomed.wait_until_asleep();
            doomed
        });
        dying.kill();
        match doomed {
            Some(doomed) => doomed.dies(),
            None => scene.start(what, point, 1, false).dies(),
        }
        drop(both);
        scene.is_sound();
    }
}

/// A reader is killed, or stopped, on its way out while a writer waits.
#[test]
fn readers_that_leave_a_waiting_writer() {
    use Failpoint::*;
    for (point, stops) in [
        (CellLowered, false),
        (EventCounted, false),
        (CellLowered, true),
        (EventCounted, true),
        // On its way back (RW2): while the word is held.
        (CellRaised, false),
    ] {
        let scene = Scene::new();
        let lock = &scene.objects.lock;
        if point == CellRaised || point == EventCounted {
            let guard = lock.write().unwrap();
            let doomed = scene.start("read", point, 1, stops);
            match stops {
                false => doomed.dies(),
                true => {
                    doomed.wait_for_state('T');
                    drop(guard);
                    drop(lock.write_timeout(LONG).expect("it has left"));
                    doomed.resume();
                    doomed.finish();
                }
            }
        } else {
            let doomed = scene.start("read", point, 1, stops);
            match stops {
                false => doomed.dies(),
                true => {
                    doomed.wait_for_state('T');
                    drop(lock.write_timeout(LONG).expect("it has left"));
                    doomed.resume();
                    doomed.finish();
                }
            }
        }
        scene.is_sound();
    }
}

#[test]
fn stopped_at_each_point_of_what_is_shared() {
    use Failpoint::*;
    let some = Duration::from_millis(300);
    for (what, point, blocks_readers, blocks_writers) in [
        ("read", CellRaised, false, true),
        ("read", ReaderInside, false, true),
        ("read", CellLowered, false, false),
        ("write", LockTaken, true, true),
        ("write", WriterInside, true, true),
        ("write", LockFreed, false, false),
    ] {
        let scene = Scene::new();
        let doomed = scene.start(what, point, 1, true);
        doomed.wait_for_state('T');
        let lock = &scene.objects.lock;
        assert_eq!(
            lock.read_timeout(some).is_err(),
            blocks_readers,
            "{point:?}"
        );
        assert_eq!(
            lock.write_timeout(some).is_err(),
            blocks_writers,
            "{point:?}"
        );
        doomed.resume();
        doomed.finish();
        scene.is_sound();
    }
    for point in [WordWritten, ValueWritten, ValuePublished] {
        let scene = Scene::new();
        let doomed = scene.start("store", point, 3, true);
        doomed.wait_for_state('T');
        let (number, value) = scene.objects.latest.read_numbered().unwrap();
        assert_eq!(value, Twins::of(number));
        assert!(scene.objects.latest.writer().is_err());
        doomed.resume();
        doomed.finish();
        assert_eq!(scene.objects.latest.read(), Ok(Twins::of(99)));
        scene.is_sound();
    }
    for (point, free) in [(PermitTaken, 1), (PermitFreed, 2)] {
        let scene = Scene::new();
        let doomed = scene.start("permit", point, 1, true);
        doomed.wait_for_state('T');
        assert_eq!(scene.objects.permits.available(), free);
        drop(scene.objects.permits.try_acquire().unwrap());
        doomed.resume();
        doomed.finish();
        scene.is_sound();
    }
}
