//! Endpoints that wait find the dead, wherever these have left something; and
//! what a dead sleeper leaves costs nothing lasting.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memring::{Kind, RecvError, Ring, RingKind, Side, WaitStrategy};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{HELD, Scene, expect_in_order, get, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::kinds::peers;
use memring_testkit::loads::{Line, Load};
use memring_testkit::time::wait_until;

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
pub fn waiter<K: Kind>(args: &Args) {
    let board = args.board(&args.get::<String>("waits"));
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let outcome = if args.get::<String>("waiting") == Side::Sender.to_string() {
        let mut tx = ring.sender_with(WaitStrategy::Park).expect("attach");
        board.set(READY, 1);
        tx.send(Line::numbered(LATE)).expect("send in the end");
        Outcome::Sent
    } else {
        let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
        board.set(READY, 1);
        match rx.lease() {
            Ok(lease) => {
                let number = Line::stamp(&lease.read()).number;
                let redeliveries = lease.redeliveries();
                lease.release();
                Outcome::Received(number, redeliveries)
            }
            Err(RecvError::Disconnected) => Outcome::Disconnected,
            Err(error) => panic!("{error}"),
        }
    };
    board.set(OUTCOME, outcome.to_word());
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
        child.wait_until_asleep();
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

/// Waits until no dead member is left on this side.
fn wait_until_reaped<K: Kind>(ring: &Ring<Line, K>, side: Side) {
    wait_until(
        || peers(ring, side).iter().all(|peer| peer.alive),
        || format!("a dead {side} is never reaped"),
    );
}

/// The dead one's claim lies behind that of a living sender, where the
/// receiver waits.
fn a_waiting_receiver_finds_a_dead_sender_behind_a_living_one<K: Kind>() {
    let scene = Scene::<K>::of(8);
    let living = scene.hold(Side::Sender, 0);
    let waits = Waits::new(&scene.home, "waits", Side::Receiver);
    let waiter = waits.start::<K>(&scene.home);
    let dead = scene.hold(Side::Sender, 0);
    put(&mut scene.sender(), 0..1);
    dead.kill();
    assert!(waits.is_waiting());
    wait_until_reaped(&scene.ring, Side::Sender);
    assert!(
        waits.is_waiting(),
        "a claim whose holder is alive is passed over"
    );
    scene.let_go(living);
    assert_eq!(waits.outcome(), Outcome::Received(HELD, 0));
    waiter.finish();
    let mut rx = scene.receiver();
    assert_eq!(get(&mut rx), (0, 0));
}

for_each_kind!([mpsc mpmc] a_waiting_receiver_finds_a_dead_sender_behind_a_living_one);

/// The dead one's lease lies behind that of a living receiver, whose slot the
/// sender waits for.
fn a_waiting_sender_finds_a_dead_receiver_behind_a_living_one<K: Kind>() {
    let scene = Scene::<K>::of(4);
    put(&mut scene.sender(), 0..4);
    let living = scene.hold(Side::Receiver, 1);
    let dead = scene.hold(Side::Receiver, 2);
    let waits = Waits::new(&scene.home, "waits", Side::Sender);
    let waiter = waits.start::<K>(&scene.home);
    dead.kill();
    assert!(waits.is_waiting());
    wait_until_reaped(&scene.ring, Side::Receiver);
    assert!(
        waits.is_waiting(),
        "a lease whose holder is alive is written over"
    );
    scene.counted(2, 0);
    scene.let_go(living);
    assert_eq!(waits.outcome(), Outcome::Sent);
    waiter.finish();
    let mut rx = scene.receiver();
    for expected in [(1, 1), (2, 1), (3, 0), (LATE, 0)] {
        assert_eq!(get(&mut rx), expected);
    }
}

for_each_kind!([spmc mpmc] a_waiting_sender_finds_a_dead_receiver_behind_a_living_one);

/// The dead one's claim lies in the middle of a full ring.
fn a_waiting_sender_finds_a_dead_sender<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let mut rx = scene.receiver();
    let mut tx = scene.sender();
    put(&mut tx, 0..2);
    let dead = scene.hold(Side::Sender, 0);
    put(&mut tx, 2..3);
    let waits = Waits::new(&scene.home, "waits", Side::Sender);
    let waiter = waits.start::<K>(&scene.home);
    dead.kill();
    wait_until_reaped(&scene.ring, Side::Sender);
    assert!(waits.is_waiting(), "a message is written over");
    expect_in_order(&mut rx, 0..2);
    assert_eq!(waits.outcome(), Outcome::Sent);
    waiter.finish();
    expect_in_order(&mut rx, [2, LATE]);
}

for_each_kind!([mpsc mpmc] a_waiting_sender_finds_a_dead_sender);

/// Round trips after a death; each may cost a cap (100 ms) if wake-ups get
/// lost, and all of them together more than there is time for.
const TRIPS: u64 = 400;
const TIME: Duration = Duration::from_secs(25);

/// The bit of a sleeper that was killed stays in the word; an endpoint that
/// sleeps there next is woken all the same.
fn a_dead_sleeper_costs_nothing_lasting<K: Kind>() {
    for side in [Side::Sender, Side::Receiver] {
        let home = Home::new();
        let ring = Ring::<Line, K>::create(home.ring(), 2).expect("make a ring");
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
        let mut rx = rx.unwrap_or_else(|| ring.receiver_with(WaitStrategy::Park).expect(attach));
        let passed = AtomicU64::new(0);
        let make = |number| Line::numbered(number);
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
                    tx.send(make(number)).map_err(drop).expect("send");
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

for_each_kind!(a_dead_sleeper_costs_nothing_lasting);
