//! Barriers, within one process and among several.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memring::sync::{Barrier, BarrierError, Group};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use memring_testkit::time::{LONG, in_time};

pub const ROLES: [Role; 1] = [("arriving", arriving)];

const SHORT: Duration = Duration::from_millis(10);
const NAME: &str = "barrier";
const READY: usize = 0;
const ROUNDS: usize = 1;
const GO: usize = 2;

#[test]
fn nobody_passes_before_all_have_arrived() {
    let barrier = Barrier::anonymous(4).unwrap();
    assert_eq!(barrier.parties(), 4);
    let (arrived, leaders) = (AtomicU32::new(0), AtomicU32::new(0));
    in_time(move || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut seat = barrier.join().unwrap();
                    for round in 1..=200 {
                        arrived.fetch_add(1, Ordering::Relaxed);
                        let result = seat.wait().unwrap();
                        leaders.fetch_add(result.is_leader().into(), Ordering::Relaxed);
                        assert!(arrived.load(Ordering::Relaxed) >= 4 * round);
                        seat.wait().unwrap();
                    }
                });
            }
        });
        assert_eq!(leaders.load(Ordering::Relaxed), 200);
    });
}

#[test]
fn alone_one_passes_at_once() {
    let barrier = Barrier::anonymous(1).unwrap();
    let mut seat = barrier.join().unwrap();
    assert!((0..3).all(|_| seat.wait().unwrap().is_leader()));
}

#[test]
fn seats_and_numbers() {
    for parties in [0, 25] {
        let error = Barrier::anonymous(parties).unwrap_err();
        says(&error, &["number of parties", "1 to 24"]);
    }
    let barrier = Barrier::anonymous(24).unwrap();
    let seats: Vec<_> = (0..24).map(|_| barrier.join().unwrap()).collect();
    let error = barrier.join().unwrap_err();
    says(&error, &["all 24 seats"]);
    // What was left is nobody's any more.
    drop(seats);
    assert!(matches!(
        barrier.join(),
        Err(BarrierError::Full { seats: 24 })
    ));
    let home = Home::new();
    Barrier::create(home.named(NAME), 3).unwrap();
    assert_eq!(Barrier::open(home.named(NAME)).unwrap().parties(), 3);
    let error = Barrier::open_or_create(home.named(NAME), 4).unwrap_err();
    says(&error, &["number of parties 3, expected 4"]);
}

#[test]
fn one_that_is_late_is_waited_for() {
    let barrier = Barrier::anonymous(2).unwrap();
    let mut seat = barrier.join().unwrap();
    let error = seat.wait_timeout(SHORT).unwrap_err();
    assert_eq!(error, BarrierError::Timeout(None));
    says(&error, &["a seat is not taken"]);
    let mut other = barrier.join().unwrap();
    let error = seat.wait_deadline(Instant::now()).unwrap_err();
    says(&error, &[&format!("process {}", std::process::id())]);
    // It had not arrived any more.
    let error = other.wait_timeout(SHORT);
    assert!(matches!(error, Err(BarrierError::Timeout(Some(_)))));
    thread::scope(|scope| {
        scope.spawn(|| assert!(seat.wait_timeout(LONG).is_ok()));
        assert!(other.wait_timeout(LONG).is_ok());
    });
}

#[test]
fn one_that_leaves_breaks_it() {
    let barrier = Barrier::anonymous(2).unwrap();
    thread::scope(|scope| {
        let mut seat = barrier.join().unwrap();
        let waiting = scope.spawn(move || seat.wait_timeout(LONG));
        let other = barrier.join().unwrap();
        thread::sleep(SHORT);
        drop(other);
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error, BarrierError::Broken);
        says(&error, &["died or left", "make another"]);
    });
    let home = Home::new();
    let barrier = Barrier::create(home.named(NAME), 2).unwrap();
    let mut seat = barrier.join().unwrap();
    let leaving = Barrier::open(home.named(NAME)).unwrap();
    // A leaked seat goes with its handle.
    std::mem::forget(leaving.join().unwrap());
    drop(leaving);
    assert_eq!(seat.wait_timeout(LONG), Err(BarrierError::Broken));
}

/// BA4: one that has passed the last round may go at once.
#[test]
fn one_that_leaves_after_the_last_round_breaks_nothing() {
    for _ in 0..200 {
        let barrier = Barrier::anonymous(2).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(barrier.join().unwrap().wait().is_ok()));
            }
        });
    }
}

/// Goes from round to round.
fn arriving(args: &Args) {
    let name: String = args.get("name");
    let group = Group::open(name).expect("open the group");
    let barrier = group.barrier("barrier").expect("the barrier");
    let board = args.board("board");
    let mut seat = barrier.join().expect("a seat");
    board.add(READY, 1);
    board.wait(GO, 1);
    while seat.wait().is_ok() {
        board.add(ROUNDS, 1);
    }
}

struct Round {
    home: Home,
    board: Board,
    barrier: Barrier,
}

impl Round {
    fn of(parties: u32) -> Round {
        let home = Home::new();
        let group = Group::builder().barrier("barrier", parties);
        let group = group.create(home.named(NAME)).expect("make a group");
        Round {
            board: home.board("board", 3),
            barrier: group.barrier("barrier").expect("the barrier"),
            home,
        }
    }

    fn party(&self) -> Child {
        let ready = self.board.get(READY);
        let name = self.home.named(NAME);
        let child = self.home.spawn("arriving", &[("name", &name)]);
        self.board.wait(READY, ready + 1);
        child
    }
}

#[test]
fn a_killed_party_breaks_it() {
    let round = Round::of(3);
    let mut seat = round.barrier.join().unwrap();
    let children = [round.party(), round.party()];
    round.board.set(GO, 1);
    for _ in 0..50 {
        seat.wait().unwrap();
    }
    let [killed, left] = children;
    killed.kill();
    // Of the round in which it had arrived nothing is lost.
    let rounds = (0..3).take_while(|_| seat.wait_timeout(LONG).is_ok());
    assert!(rounds.count() <= 1);
    assert_eq!(seat.wait(), Err(BarrierError::Broken));
    left.finish();
}

#[test]
fn a_stopped_party_is_waited_for_and_named() {
    let round = Round::of(2);
    let mut seat = round.barrier.join().unwrap();
    let child = round.party();
    child.stop();
    let late = seat.wait_timeout(Duration::from_millis(500));
    let Err(BarrierError::Timeout(Some(owner))) = late else {
        panic!("{late:?}");
    };
    assert_eq!(owner.pid, child.pid());
    child.resume();
    round.board.set(GO, 1);
    assert!(seat.wait_timeout(LONG).is_ok());
    drop(seat);
    child.finish();
}
