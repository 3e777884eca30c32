//! Endpoints that wait find the dead, wherever these have left something; and
//! what a dead sleeper leaves costs nothing lasting.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memring::{Kind, Peer, RecvError, Ring, RingKind, Side, WaitStrategy};

use crate::common::board::Board;
use crate::common::child::{Args, Child, LIMIT};
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{HELD, Line, Scene, get, put};
use crate::common::home::{Home, RING};
use crate::common::load::{Load, Stamp};

/// Words of the board: it is about to wait, and what came of it.
const READY: usize = 0;
const OUTCOME: usize = 1;

/// The number of the message that a waiting sender sends.
const LATE: u64 = 500;

/// What a waiting endpoint came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    Disconnected,
    /// The message of that number, with that attempt.
    Received(u64, u8),
}

impl Outcome {
    const MESSAGE: u64 = 1 << 40;

    fn to_word(self) -> u64 {
        match self {
            Outcome::Sent => 1,
            Outcome::Disconnected => 2,
            Outcome::Received(number, attempt) => {
                Outcome::MESSAGE | number << 8 | u64::from(attempt)
            }
        }
    }

    fn of_word(word: u64) -> Outcome {
        match word {
            1 => Outcome::Sent,
            2 => Outcome::Disconnected,
            _ => Outcome::Received((word ^ Outcome::MESSAGE) >> 8, word as u8),
        }
    }
}

/// Sleeps until there is a message, or room, or the end.
pub fn waiter(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board(&args.get::<String>("waits"));
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let outcome = if args.get::<String>("waiting") == Side::Sender.to_string() {
                let mut tx = ring.sender_with(WaitStrategy::Park).expect("attach");
                board.set(READY, 1);
                let made = T::make(Stamp {
                    sender: 0,
                    number: LATE,
                });
                tx.send(T::lend(&made))
                    .map_err(drop)
                    .expect("send in the end");
                Outcome::Sent
            } else {
                let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
                board.set(READY, 1);
                match rx.lease() {
                    Ok(lease) => {
                        let number = T::stamp(&lease.read()).number;
                        Outcome::Received(number, lease.redeliveries())
                    }
                    Err(RecvError::Disconnected) => Outcome::Disconnected,
                    Err(error) => panic!("{error}"),
                }
            };
            board.set(OUTCOME, outcome.to_word());
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// The parent's side of a waiter.
pub struct Waits {
    board: Board,
    name: &'static str,
    side: Side,
}

impl Waits {
    pub fn new(home: &Home, name: &'static str, side: Side) -> Waits {
        let board = home.board(name, 2);
        Waits { board, name, side }
    }

    pub fn args<K: Kind>(&self) -> [(&'static str, &dyn Display); 3] {
        let kind: &'static RingKind = &const { K::KIND };
        [
            ("kind", kind),
            ("waits", &self.name),
            ("waiting", &self.side),
        ]
    }

    /// Waits until it is about to wait.
    pub fn wait_ready(&self) {
        self.board.wait(READY, 1);
    }

    /// Starts a waiter and waits until it is asleep.
    fn start<K: Kind>(&self, home: &Home) -> Child {
        let child = home.spawn("waiter", &self.args::<K>());
        self.wait_ready();
        let late = Instant::now() + LIMIT;
        while child.threads().iter().any(|state| *state != 'S') {
            assert!(Instant::now() < late, "the waiter never sleeps");
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    /// Whether nothing has come of it yet.
    pub fn is_waiting(&self) -> bool {
        self.board.get(OUTCOME) == 0
    }

    pub fn outcome(&self) -> Outcome {
        self.board.wait(OUTCOME, 1);
        Outcome::of_word(self.board.get(OUTCOME))
    }
}

/// Waits until nobody dead is among `peers`.
fn wait_until_buried(mut peers: impl FnMut() -> Vec<Peer>) {
    let late = Instant::now() + LIMIT;
    while peers().iter().any(|peer| !peer.alive) {
        assert!(Instant::now() < late, "nobody clears up after the dead");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The dead one's claim lies behind that of a living sender, where the
/// receiver waits.
#[test]
fn a_waiting_receiver_finds_a_dead_sender_behind_a_living_one() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(8));
            let living = scene.hold(Side::Sender, 0);
            let waits = Waits::new(&scene.home, "waits", Side::Receiver);
            let waiter = waits.start::<K>(&scene.home);
            let dead = scene.hold(Side::Sender, 0);
            put(&mut scene.ring.sender().expect("attach a sender"), 0..1);
            dead.kill();
            assert!(waits.is_waiting());
            wait_until_buried(|| scene.ring.stats().senders);
            assert!(waits.is_waiting(), "the living one's claim is passed over");
            scene.let_go(living);
            assert_eq!(waits.outcome(), Outcome::Received(HELD, 0));
            waiter.finish();
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            assert_eq!(get(&mut rx), (0, 0));
        }
    }
    for kind in [RingKind::Mpsc, RingKind::Mpmc] {
        dispatch(kind, Line::NAME, Test);
    }
}

/// The dead one's lease lies behind that of a living receiver, whose slot the
/// sender waits for.
#[test]
fn a_waiting_sender_finds_a_dead_receiver_behind_a_living_one() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            put(&mut scene.ring.sender().expect("attach a sender"), 0..4);
            let living = scene.hold(Side::Receiver, 1);
            let dead = scene.hold(Side::Receiver, 2);
            let waits = Waits::new(&scene.home, "waits", Side::Sender);
            let waiter = waits.start::<K>(&scene.home);
            dead.kill();
            assert!(waits.is_waiting());
            wait_until_buried(|| scene.ring.stats().receivers);
            assert!(waits.is_waiting(), "the living one's lease is written over");
            let stats = scene.ring.stats();
            assert_eq!((stats.redelivered, stats.lost), (2, 0));
            scene.let_go(living);
            assert_eq!(waits.outcome(), Outcome::Sent);
            waiter.finish();
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            for expected in [(1, 1), (2, 1), (3, 0), (LATE, 0)] {
                assert_eq!(get(&mut rx), expected);
            }
        }
    }
    for kind in [RingKind::Spmc, RingKind::Mpmc] {
        dispatch(kind, Line::NAME, Test);
    }
}

/// The dead one's claim lies in the middle of a full ring.
#[test]
fn a_waiting_sender_finds_a_dead_sender() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..2);
            let dead = scene.hold(Side::Sender, 0);
            put(&mut tx, 2..3);
            let waits = Waits::new(&scene.home, "waits", Side::Sender);
            let waiter = waits.start::<K>(&scene.home);
            dead.kill();
            wait_until_buried(|| scene.ring.stats().senders);
            assert!(waits.is_waiting(), "a message is written over");
            for number in 0..2 {
                assert_eq!(get(&mut rx), (number, 0));
            }
            assert_eq!(waits.outcome(), Outcome::Sent);
            waiter.finish();
            for number in [2, LATE] {
                assert_eq!(get(&mut rx), (number, 0));
            }
        }
    }
    for kind in [RingKind::Mpsc, RingKind::Mpmc] {
        dispatch(kind, Line::NAME, Test);
    }
}

/// Round trips after a death; each may cost a cap (100 ms) if wake-ups get
/// lost, and all of them together more than there is time for.
const TRIPS: u64 = 400;
const TIME: Duration = Duration::from_secs(25);

/// The bit of a sleeper that was killed stays in the word; whoever sleeps
/// there next is woken all the same.
#[test]
fn a_dead_sleeper_costs_nothing_lasting() {
    struct Test(Side);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Test(side) = self;
            let home = Home::new();
            let ring = Ring::<T, K>::create(&home.ring(), 2).expect("make a ring");
            let mut tx = Some(ring.sender().expect("attach a sender"));
            let mut rx = Some(ring.receiver().expect("attach a receiver"));
            if side == Side::Sender {
                put(tx.as_mut().expect("a sender"), 0..2);
                tx = None;
            } else {
                rx = None;
            }
            let waits = Waits::new(&home, "waits", side);
            waits.start::<K>(&home).kill();
            if side == Side::Sender {
                // The killed one sent nothing.
                let rx = rx.as_mut().expect("a receiver");
                for number in 0..2 {
                    assert_eq!(get(rx), (number, 0));
                }
                assert!(rx.try_recv().is_err());
            }
            let attach = "the place is free";
            let mut tx = tx.unwrap_or_else(|| ring.sender_with(WaitStrategy::Park).expect(attach));
            let mut rx =
                rx.unwrap_or_else(|| ring.receiver_with(WaitStrategy::Park).expect(attach));
            let passed = AtomicU64::new(0);
            let make = |number| T::make(Stamp { sender: 0, number });
            let start = Instant::now();
            // The one sleeps each time, the other comes a little later.
            let dawdle = |number: u64| {
                assert!(start.elapsed() < TIME, "{number} of {TRIPS} in {TIME:?}");
                std::thread::sleep(Duration::from_millis(1));
            };
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    for number in 0..TRIPS {
                        if side == Side::Receiver {
                            while passed.load(Ordering::Acquire) < number {
                                std::thread::yield_now();
                            }
                            dawdle(number);
                        }
                        tx.send(T::lend(&make(number))).map_err(drop).expect("send");
                    }
                });
                for number in 0..TRIPS {
                    if side == Side::Sender {
                        dawdle(number);
                    }
                    assert_eq!(get(&mut rx), (number, 0));
                    passed.store(number + 1, Ordering::Release);
                }
            });
        }
    }
    for kind in RingKind::ALL {
        for side in [Side::Sender, Side::Receiver] {
            dispatch(kind, Line::NAME, Test(side));
        }
    }
}
