//! Processes stopped for long, in every state: others pass by, or wait, and
//! nobody takes anything from them. When they go on, all is as they left it.

use std::fmt::Display;
use std::time::{Duration, Instant};

use memring::{
    AttachError, Kind, Receiver, RecvTimeoutError, Ring, RingKind, SendTimeoutError, Sender, Side,
    WaitStrategy,
};

use crate::common::board::Board;
use crate::common::child::{Args, Child, LIMIT};
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{A_WHILE, HELD, LONG, Line, Scene, get, get_sorted, put};
use crate::common::home::{Home, RING};
use crate::common::load::{Load, Stamp};

/// How long a process is stopped: many times the longest sleep (100 ms). Half
/// a minute with `MEMRING_LONG=1`.
pub fn pause() -> Duration {
    match std::env::var("MEMRING_LONG").as_deref() {
        Ok("1") => Duration::from_secs(30),
        _ => Duration::from_secs(3),
    }
}

/// A child that is stopped, and until when.
struct Stopped {
    child: Child,
    until: Instant,
}

impl Stopped {
    fn now(child: Child) -> Stopped {
        child.stop();
        Stopped {
            child,
            until: Instant::now() + pause(),
        }
    }

    /// What is left of the pause.
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits for the end of the pause; nobody has repaired anything in it.
    fn resume<T: Load + ?Sized, K: Kind>(self, ring: &Ring<T, K>) -> Child {
        std::thread::sleep(self.left());
        nothing_repaired(ring);
        self.child.resume();
        self.child
    }
}

fn nothing_repaired<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>) {
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (0, 0));
}

/// What is told of a stopped holder: that it is there, alive, and who it is;
/// and a side of one is its own.
fn is_told_of<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, side: Side, stopped: &Stopped) {
    let stats = ring.stats();
    let (peers, many, attached) = match side {
        Side::Sender => {
            let many = K::KIND.has_many_senders();
            (
                stats.senders,
                many,
                (!many).then(|| ring.sender().map(drop)),
            )
        }
        Side::Receiver => {
            let many = K::KIND.has_many_receivers();
            (
                stats.receivers,
                many,
                (!many).then(|| ring.receiver().map(drop)),
            )
        }
    };
    let pid = stopped.child.pid();
    let of_pid = peers.iter().filter(|peer| peer.pid == pid && peer.alive);
    assert_eq!(of_pid.count(), 1, "{peers:?}");
    if let Some(attached) = attached {
        let holder = Some(pid);
        assert!(
            matches!(attached, Err(AttachError::Occupied { holder: found, .. }) if found == holder),
            "{attached:?}, where many is {many}"
        );
    }
}

/// Nothing comes for as long as the pause lasts: late, not the end.
fn nothing_comes<T: Load + ?Sized, K: Kind>(rx: &mut Receiver<T, K>, stopped: &Stopped) {
    let late = rx.lease_timeout(stopped.left()).map(drop);
    assert_eq!(late, Err(RecvTimeoutError::Timeout));
}

/// There is no room for as long as the pause lasts.
fn no_room<T: Load + ?Sized, K: Kind>(tx: &mut Sender<T, K>, stopped: &Stopped) {
    let made = make::<T>(7);
    let full = tx.send_timeout(T::lend(&made), stopped.left());
    assert!(
        matches!(full, Err(SendTimeoutError::Timeout(_))),
        "{full:?}"
    );
}

fn make<T: Load + ?Sized>(number: u64) -> T::Received {
    T::make(Stamp { sender: 0, number })
}

/// Runs all of `tests` with all `kinds` at once: they mostly wait.
fn at_once<J: Job + Clone + Sync>(kinds: &[RingKind], tests: &[J]) {
    std::thread::scope(|threads| {
        for kind in kinds {
            for test in tests {
                threads.spawn(|| dispatch(*kind, Line::NAME, test.clone()));
            }
        }
    });
}

#[derive(Clone)]
struct Grant;

impl Job for Grant {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
        let mut rx = scene.ring.receiver().expect("attach a receiver");
        let stopped = Stopped::now(scene.hold(Side::Sender, 0));
        is_told_of(&scene.ring, Side::Sender, &stopped);
        let mut others = 0;
        if K::KIND.has_many_senders() {
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..3);
            others = 3;
            // What lies behind the claim waits as well, in both directions.
            std::thread::scope(|threads| {
                threads.spawn(|| no_room(&mut tx, &stopped));
                nothing_comes(&mut rx, &stopped);
            });
        } else {
            nothing_comes(&mut rx, &stopped);
        }
        is_told_of(&scene.ring, Side::Sender, &stopped);
        scene.let_go(stopped.resume(&scene.ring));
        assert_eq!(get(&mut rx), (HELD, 0));
        for number in 0..others {
            assert_eq!(get(&mut rx), (number, 0));
        }
        assert!(rx.try_recv().is_err());
        nothing_repaired(&scene.ring);
    }
}

#[test]
fn a_stopped_sender_keeps_its_grant() {
    at_once(&RingKind::ALL, &[Grant]);
}

/// That many leases, in the hands of a receiver that is stopped, or only slow.
#[derive(Clone)]
struct Leases {
    count: usize,
    stops: bool,
}

impl Job for Leases {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
        let mut tx = scene.ring.sender().expect("attach a sender");
        put(&mut tx, 0..4);
        let child = scene.hold(Side::Receiver, self.count);
        let stopped = if self.stops {
            Stopped::now(child)
        } else {
            let until = Instant::now() + pause();
            Stopped { child, until }
        };
        is_told_of(&scene.ring, Side::Receiver, &stopped);
        let held = self.count as u64;
        if K::KIND.has_many_receivers() {
            // Others pass by, get the rest, and wait.
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            for number in held..4 {
                assert_eq!(get(&mut rx), (number, 0));
            }
            std::thread::scope(|threads| {
                threads.spawn(|| no_room(&mut tx, &stopped));
                nothing_comes(&mut rx, &stopped);
            });
        } else {
            no_room(&mut tx, &stopped);
        }
        is_told_of(&scene.ring, Side::Receiver, &stopped);
        // The holder checks that nobody has written over what it holds.
        scene.let_go(stopped.resume(&scene.ring));
        let mut rx = scene.ring.receiver().expect("attach a receiver");
        let left = if K::KIND.has_many_receivers() {
            4..4
        } else {
            held..4
        };
        put(&mut tx, 4..4 + held);
        for number in left.chain(4..4 + held) {
            assert_eq!(get(&mut rx), (number, 0));
        }
        assert!(rx.try_recv().is_err());
        nothing_repaired(&scene.ring);
    }
}

#[test]
fn a_stopped_or_slow_receiver_keeps_its_leases() {
    let tests = [(1, true), (3, true), (3, false)];
    let tests = tests.map(|(count, stops)| Leases { count, stops });
    at_once(&RingKind::ALL, &tests);
}

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
                assert_eq!(lease.attempt(), 0);
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
