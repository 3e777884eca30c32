//! Endpoints that wait, or do nothing, in processes that are stopped.

use std::fmt::Display;
use std::time::{Duration, Instant};

use memring::{Kind, Ring, RingKind, Side, WaitStrategy};

use crate::common::board::Board;
use crate::common::child::{Args, LIMIT};
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{A_WHILE, LONG, Line, get, get_sorted, put};
use crate::common::home::{Home, RING};
use crate::common::load::Load;
use crate::stopped::{
    Stopped, at_once, is_told_of, make, no_room, nothing_comes, nothing_repaired,
};

/// Words of the board of a process that waits, or does nothing: that it is
/// there, and what it received in the end, and that it may go.
const READY: usize = 0;
const GOT: usize = 1;
const GO: usize = 2;

/// What the endpoint of such a process does.
const SPINS: &str = "spins";
const SLEEPS: &str = "sleeps";
const IDLES: &str = "idles";
const OPEN: &str = "open";

/// Waits for room or for a message; or is just there.
pub fn paused(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let state: String = args.get("state");
            let strategy = match state.as_str() {
                SPINS => WaitStrategy::Spin,
                _ => WaitStrategy::Park,
            };
            let sends = args.get::<String>("side") == Side::Sender.to_string();
            if state == OPEN {
                board.set(READY, 1);
                return board.wait(GO, 1);
            }
            if sends {
                let mut tx = ring.sender_with(strategy).expect("attach a sender");
                if state != IDLES {
                    put(&mut tx, 0..4); // and then it is full
                    board.set(READY, 1);
                    tx.send(T::lend(&make::<T>(4))).map_err(drop).expect("send");
                    return;
                }
                board.set(READY, 1);
                board.wait(GO, 1);
            } else {
                let mut rx = ring.receiver_with(strategy).expect("attach a receiver");
                board.set(READY, 1);
                if state == IDLES {
                    return board.wait(GO, 1);
                }
                let lease = rx.lease().expect("a message in the end");
                assert_eq!(lease.redeliveries(), 0);
                board.set(GOT, 1 + T::stamp(&lease.read()).number);
            }
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// A ring, and a process in `state` that is stopped.
fn stop_in<T: Load + ?Sized, K: Kind>(
    state: &'static str,
    side: Side,
) -> (Home, Board, Ring<T, K>, Stopped) {
    let home = Home::new();
    let board = home.board("board", 3);
    let ring = Ring::<T, K>::create(&home.ring(), 4).expect("make a ring");
    let args: [(&str, &dyn Display); 3] = [("kind", &K::KIND), ("state", &state), ("side", &side)];
    let child = home.spawn("paused", &args);
    board.wait(READY, 1);
    if state == SLEEPS {
        let late = Instant::now() + LIMIT;
        while child.threads().iter().any(|state| *state != 'S') {
            assert!(Instant::now() < late, "it never sleeps");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    (home, board, ring, Stopped::now(child))
}

#[derive(Clone)]
struct Waiting {
    side: Side,
    state: &'static str,
}

impl Job for Waiting {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let (_home, board, ring, stopped) = stop_in::<T, K>(self.state, self.side);
        is_told_of(&ring, self.side, &stopped);
        match self.side {
            Side::Sender => past_a_sender(&ring, stopped),
            Side::Receiver => past_a_receiver(&ring, stopped, &board),
        }
        nothing_repaired(&ring);
    }
}

/// Past one that waits for room to send message 4 after 0 to 3.
fn past_a_sender<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, stopped: Stopped) {
    let mut rx = ring.receiver().expect("attach a receiver");
    let mut expected: Vec<_> = (0..4).map(|number| (number, 0)).collect();
    if K::KIND.has_many_senders() {
        // The stopped one gets the wake-up, if anybody does; another that
        // sleeps finds the room all the same.
        let mut tx = ring
            .sender_with(WaitStrategy::Park)
            .expect("attach a sender");
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let made = make::<T>(10);
                let sent = tx.send_timeout(T::lend(&made), LONG);
                sent.map_err(drop).expect("there is room for it");
            });
            std::thread::sleep(A_WHILE);
            assert_eq!(get(&mut rx), expected.remove(0));
        });
        expected.push((10, 0));
    }
    for expected in expected {
        assert_eq!(get(&mut rx), expected);
    }
    nothing_comes(&mut rx, &stopped);
    is_told_of(ring, Side::Sender, &stopped);
    let child = stopped.resume(ring);
    assert_eq!(get(&mut rx), (4, 0));
    child.finish();
    assert!(rx.try_recv().is_err());
}

/// Past one that waits for a message.
fn past_a_receiver<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, stopped: Stopped, board: &Board) {
    let mut tx = ring.sender().expect("attach a sender");
    let many = K::KIND.has_many_receivers();
    if many {
        let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
        std::thread::scope(|threads| {
            let other = threads.spawn(|| get(&mut rx));
            std::thread::sleep(A_WHILE);
            put(&mut tx, 0..1);
            assert_eq!(other.join().expect("it receives"), (0, 0));
        });
        put(&mut tx, 1..5);
        let expected = (1..5).map(|number| (number, 0));
        assert!(get_sorted(&mut rx, 4).into_iter().eq(expected));
        nothing_comes(&mut rx, &stopped);
    }
    put(&mut tx, 5..9);
    no_room(&mut tx, &stopped);
    is_told_of(ring, Side::Receiver, &stopped);
    let child = stopped.resume(ring);
    board.wait(GOT, 1);
    child.finish();
    assert_eq!(board.get(GOT) - 1, 5);
    let mut rx = ring.receiver().expect("attach a receiver");
    let expected = (6..9).map(|number| (number, 0));
    assert!(get_sorted(&mut rx, 3).into_iter().eq(expected));
    assert!(rx.try_recv().is_err());
}

#[test]
fn a_stopped_waiter_goes_on_waiting() {
    let tests = [Side::Sender, Side::Receiver]
        .into_iter()
        .flat_map(|side| [SPINS, SLEEPS].map(|state| Waiting { side, state }));
    at_once(&RingKind::ALL, &tests.collect::<Vec<_>>());
}

#[derive(Clone)]
struct Idle(Side);

impl Job for Idle {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let Idle(side) = self;
        let (_home, board, ring, stopped) = stop_in::<T, K>(IDLES, side);
        is_told_of(&ring, side, &stopped);
        let passes = match side {
            Side::Sender => K::KIND.has_many_senders(),
            Side::Receiver => K::KIND.has_many_receivers(),
        };
        if passes {
            let mut tx = ring.sender().expect("attach a sender");
            let mut rx = ring.receiver().expect("attach a receiver");
            for number in 0..100 {
                put(&mut tx, number..number + 1);
                assert_eq!(get(&mut rx), (number, 0));
            }
        }
        // Somebody is there: late, not `Disconnected`.
        if side == Side::Sender {
            nothing_comes(&mut ring.receiver().expect("attach"), &stopped);
        } else {
            let mut tx = ring.sender().expect("attach a sender");
            put(&mut tx, 0..4);
            no_room(&mut tx, &stopped);
        }
        is_told_of(&ring, side, &stopped);
        let child = stopped.resume(&ring);
        board.set(GO, 1);
        child.finish();
        let stats = ring.stats();
        assert!(
            stats.senders.is_empty() && stats.receivers.is_empty(),
            "{stats:?}"
        );
    }
}

/// A ring that is only open is in use, by a stopped process too.
#[derive(Clone)]
struct Open;

impl Job for Open {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let (home, _board, ring, stopped) = stop_in::<T, K>(OPEN, Side::Sender);
        drop(ring);
        let name = home.ring();
        let look = || memring::inspect(&name).expect("look at the ring").in_use;
        assert!(look());
        std::thread::sleep(stopped.left());
        assert!(look());
        stopped.child.kill();
        assert!(!look());
    }
}

#[test]
fn a_stopped_process_that_does_nothing_is_there() {
    std::thread::scope(|threads| {
        threads.spawn(|| at_once(&RingKind::ALL, &[Open]));
        let sides = [Idle(Side::Sender), Idle(Side::Receiver)];
        at_once(&RingKind::ALL, &sides);
    });
}
