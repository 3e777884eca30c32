//! Permits: the interface, and holders that are killed or stopped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memring::RingError;
use memring::sync::{AcquireTimeoutError, Semaphore, TryAcquireError};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use memring_testkit::time::{LONG, wait_until};

pub const ROLES: [Role; 2] = [("permit holder", holds), ("permit waiter", waits)];

const NAME: &str = "permits";
const READY: usize = 0;
const DONE: usize = 1;
const SHORT: Duration = Duration::from_millis(10);

/// Takes some permits, and keeps them until it is killed, or told to let go.
fn holds(args: &Args) {
    let semaphore = Semaphore::open(args.get::<String>("name")).expect("open");
    let board = args.board("board");
    let held: Vec<_> = (0..args.get::<usize>("count"))
        .map(|_| semaphore.acquire().expect("a permit"))
        .collect();
    board.add(READY, 1);
    board.wait(DONE, 1);
    drop(held);
}

/// Waits for a permit; it must be woken, for its sleeps are longer than a test may take.
fn waits(args: &Args) {
    let semaphore = Semaphore::open(args.get::<String>("name")).expect("open");
    let board = args.board("board");
    #[cfg(debug_assertions)]
    if args.get::<bool>("sleeps long") {
        memring::failpoints::raise_sleep_cap(2 * memring_testkit::time::LIMIT);
    }
    board.add(READY, 1);
    drop(semaphore.acquire().expect("a permit"));
}

struct Counted {
    home: Home,
    board: Board,
    semaphore: Semaphore,
}

impl Counted {
    fn new(permits: u32) -> Counted {
        let home = Home::new();
        Counted {
            board: home.board("board", 2),
            semaphore: Semaphore::create(home.named(NAME), permits).expect("make it"),
            home,
        }
    }

    fn holder(&self, count: usize) -> Child {
        let ready = self.board.get(READY);
        let name = self.home.named(NAME);
        let args: [(&str, &dyn std::fmt::Display); 2] = [("name", &name), ("count", &count)];
        let child = self.home.spawn("permit holder", &args);
        self.board.wait(READY, ready + 1);
        child
    }

    fn waiter(&self, sleeps_long: bool) -> Child {
        let ready = self.board.get(READY);
        let name = self.home.named(NAME);
        let args: [(&str, &dyn std::fmt::Display); 2] =
            [("name", &name), ("sleeps long", &sleeps_long)];
        let child = self.home.spawn("permit waiter", &args);
        self.board.wait(READY, ready + 1);
        child.wait_until_asleep();
        child
    }
}

#[test]
fn permits_are_counted() {
    let semaphore = Semaphore::anonymous(3).unwrap();
    assert_eq!((semaphore.permits(), semaphore.available()), (3, 3));
    let mut held: Vec<_> = (0..3).map(|_| semaphore.acquire().unwrap()).collect();
    assert_eq!(semaphore.available(), 0);
    let error = semaphore.try_acquire().unwrap_err();
    assert_eq!(error, TryAcquireError::NoPermit);
    let own = std::process::id();
    for late in [
        semaphore.acquire_timeout(SHORT),
        semaphore.acquire_deadline(Instant::now()),
    ] {
        let error = late.unwrap_err();
        says(&error, &["no permit", &own.to_string()]);
        let AcquireTimeoutError::Timeout { holder: Some(it) } = error else {
            panic!("they are held");
        };
        assert_eq!((it.pid, it.id), (own, semaphore.id()));
    }
    assert_eq!(semaphore.holders().len(), 3);
    held.pop();
    assert_eq!(semaphore.available(), 1);
    drop(semaphore.try_acquire().unwrap());
    held.push(semaphore.acquire_timeout(LONG).unwrap());
    drop(held);
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn how_many_permits_there_may_be() {
    let home = Home::new();
    for permits in [0, 4097, u32::MAX] {
        let error = Semaphore::create(home.named(NAME), permits).unwrap_err();
        assert!(matches!(error, RingError::InvalidOption { .. }));
        says(&error, &["number of permits", "1 to 4096"]);
    }
    let most = Semaphore::anonymous(4096).unwrap();
    let held: Vec<_> = (0..4096).map(|_| most.try_acquire().unwrap()).collect();
    assert!(most.try_acquire().is_err());
    drop(held);
    let made = Semaphore::create(home.named(NAME), 2).unwrap();
    assert_eq!(Semaphore::open(home.named(NAME)).unwrap().permits(), 2);
    assert_eq!(
        Semaphore::open_or_create(home.named(NAME), 2)
            .unwrap()
            .permits(),
        2
    );
    let error = Semaphore::open_or_create(home.named(NAME), 3).unwrap_err();
    says(&error, &["number of permits", "2", "3"]);
    drop(made);
}

#[test]
fn no_more_are_in_than_there_are_permits() {
    let semaphore = Semaphore::anonymous(2).unwrap();
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..5 {
            let semaphore = semaphore.clone();
            let inside = &inside;
            scope.spawn(move || {
                for _ in 0..2000 {
                    let permit = semaphore.acquire().unwrap();
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_leaked_permit_comes_back_with_its_handle() {
    let stage = Counted::new(1);
    let other = Semaphore::open(stage.home.named(NAME)).unwrap();
    std::mem::forget(other.acquire().unwrap());
    let clone = other.clone();
    drop(other);
    assert!(stage.semaphore.try_acquire().is_err());
    drop(clone);
    assert!(stage.semaphore.try_acquire().is_ok());
}

#[test]
fn permits_of_the_killed_come_back() {
    let stage = Counted::new(3);
    let holder = stage.holder(3);
    assert!(stage.semaphore.try_acquire().is_err());
    let waiter = stage.waiter(false);
    holder.kill();
    // It finds out at the end of a sleep, with nobody to wake it.
    waiter.finish();
    let held: Vec<_> = (0..3)
        .map(|_| stage.semaphore.acquire_timeout(LONG).unwrap())
        .collect();
    assert_eq!(held.len(), 3);
}

#[test]
fn a_call_that_does_not_wait_finds_dead_holders() {
    let stage = Counted::new(1);
    stage.holder(1).kill();
    wait_until(
        || stage.semaphore.try_acquire().is_ok(),
        || "its holder died".into(),
    );
}

#[test]
fn a_successor_frees_permits() {
    let home = Home::new();
    let board = home.board("board", 2);
    let name = home.named(NAME);
    let handles = Semaphore::builder().max_handles(2);
    let semaphore = handles.create(&name, 2).unwrap();
    let args: [(&str, &dyn std::fmt::Display); 2] = [("name", &name), ("count", &2)];
    let holder = home.spawn("permit holder", &args);
    board.wait(READY, 1);
    assert_eq!(semaphore.available(), 0);
    holder.kill();
    let successor = Semaphore::open(&name).unwrap();
    assert_eq!(semaphore.available(), 2);
    drop(successor);
}

#[test]
fn a_stopped_holder_keeps_its_permit_and_is_named() {
    let stage = Counted::new(1);
    let holder = stage.holder(1);
    holder.stop();
    let late = stage.semaphore.acquire_timeout(Duration::from_millis(500));
    let Err(AcquireTimeoutError::Timeout { holder: Some(it) }) = late else {
        panic!("it is held");
    };
    assert_eq!(it.pid, holder.pid());
    stage.board.set(DONE, 1);
    holder.resume();
    drop(stage.semaphore.acquire_timeout(LONG).unwrap());
    holder.finish();
}

#[test]
fn waiters_are_woken_and_dead_ones_forgotten() {
    let stage = Counted::new(1);
    let permit = stage.semaphore.acquire().unwrap();
    let waiters: Vec<Child> = (0..2).map(|_| stage.waiter(true)).collect();
    drop(permit);
    waiters.into_iter().for_each(Child::finish);
    let permit = stage.semaphore.acquire().unwrap();
    stage.waiter(false).kill();
    let waiter = stage.waiter(false);
    drop(permit);
    waiter.finish();
}
