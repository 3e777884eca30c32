//! Rendezvous rings: a process killed or stopped at each step of a hand-over, on either side.

use std::thread;
use std::time::{Duration, Instant};

use memring::failpoints::Act;
use memring::failpoints::Failpoint::{self, *};
use memring::{
    Kind, Receiver, RecvTimeoutError, Ring, SendTimeoutError, Sender, Side, TrySendError,
    WaitStrategy,
};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child};
use memring_testkit::for_each_kind;
use memring_testkit::homes::{Home, RING};
use memring_testkit::time::LONG;

use super::cases::Plan;

/// Points that only rendezvous rings have.
pub const OF_RENDEZVOUS: [Failpoint; 6] = [
    OfferTakenBack,
    OfferLeft,
    WaiterAnnounced,
    WaiterBound,
    WaiterFreed,
    HandoverSeen,
];

const SHORT: Duration = Duration::from_millis(30);
const MESSAGE: u64 = 7;

// Words of the board.
const READY: usize = 0;
const GOT: usize = 1;
/// The point was not reached, for chance had it so.
const MISSED: u64 = 99;

/// One end of a hand-over, which is killed or stopped at a point of it.
pub fn hander<K: Kind>(args: &Args) {
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let board = args.board("board");
    let verb: String = args.get("verb");
    let plan: Plan = args.get("plan");
    if verb.contains("send") {
        let mut tx = ring.sender().expect("attach a sender");
        board.add(READY, 1);
        plan.arm();
        match verb.as_str() {
            "send" => tx.send(MESSAGE).expect("it is received"),
            "send_timeout" => drop(tx.send_timeout(MESSAGE, SHORT)),
            _ => {
                while tx.try_send(MESSAGE).is_err() {}
                if plan.0[0].2 == Act::Kill {
                    // A receiver that was looking took it before it could be bound.
                    board.set(GOT, MISSED);
                    Plan::of(IdUnlocked, 1, Act::Kill).arm();
                }
            }
        }
    } else {
        let mut rx = ring.receiver().expect("attach a receiver");
        board.add(READY, 1);
        plan.arm();
        let got = match verb.as_str() {
            "recv" => rx.recv().expect("it is sent"),
            "recv_timeout" => rx.recv_timeout(SHORT).unwrap_or(0),
            _ => {
                rx.lease().expect("it is sent").requeue();
                0
            }
        };
        board.set(GOT, got);
    }
}

struct Scene<K: Kind> {
    home: Home,
    board: Board,
    ring: Ring<u64, K>,
}

impl<K: Kind> Scene<K> {
    fn new() -> Self {
        let home = Home::new();
        let builder = Ring::builder().rendezvous().wait_through_disconnect(true);
        Scene {
            board: home.board("board", 2),
            ring: builder.create(home.ring()).expect("make a ring"),
            home,
        }
    }

    fn start(&self, verb: &str, point: Failpoint, act: Act) -> Child {
        let plan = Plan::of(point, 1, act);
        let args: [(&str, &dyn std::fmt::Display); 3] =
            [("kind", &K::KIND), ("verb", &verb), ("plan", &plan)];
        let child = self.home.spawn("hander", &args);
        self.board.wait(READY, 1);
        child
    }

    fn ends(&self) -> (Sender<u64, K>, Receiver<u64, K>) {
        let sender = self.ring.sender().expect("a place for a sender");
        (
            sender,
            self.ring.receiver().expect("a place for a receiver"),
        )
    }

    /// All of the ring is there for what follows, and nothing of the dead.
    fn is_sound(&self, tx: &mut Sender<u64, K>, rx: &mut Receiver<u64, K>) {
        assert!(rx.try_recv().is_err());
        assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
        for number in 0..150 {
            thread::scope(|scope| {
                let sent = scope.spawn(|| match number % 2 {
                    0 => tx.send(number).map_err(drop),
                    _ => {
                        while tx.try_send(number).is_err() {}
                        Ok(())
                    }
                });
                assert_eq!(rx.recv(), Ok(number));
                assert_eq!(sent.join().unwrap(), Ok(()));
            });
        }
        assert_eq!(self.ring.stats().lost, 0);
    }
}

/// What is received of a sender that dies at these points, at least and at most.
const SENDERS: [(&str, Failpoint, (usize, usize)); 11] = [
    ("send", Claimed, (0, 0)),
    ("send", Written, (0, 0)),
    ("send", Published, (0, 1)),
    ("send", MessageAnnounced, (0, 1)),
    ("send", HandoverSeen, (1, 1)),
    ("send_timeout", OfferTakenBack, (0, 0)),
    ("try_send", Claimed, (0, 0)),
    ("try_send", Published, (0, 1)),
    ("try_send", WaiterBound, (0, 1)),
    ("try_send", OfferLeft, (1, 1)),
    ("try_send", MessageAnnounced, (1, 1)),
];

fn a_sender_is_killed<K: Kind>() {
    thread::scope(|scope| {
        for (verb, point, expected) in SENDERS {
            scope.spawn(move || {
                let met = (0..20).any(|_| sender_is_killed::<K>(verb, point, expected));
                assert!(met, "{verb}: {point:?} is not reached");
            });
        }
    });
}

/// Says whether it came to its point.
fn sender_is_killed<K: Kind>(verb: &str, point: Failpoint, (least, most): (usize, usize)) -> bool {
    let scene = Scene::<K>::new();
    let rx = scene.ring.receiver_with(WaitStrategy::Park);
    let mut rx = rx.expect("attach a receiver");
    // Of an offer that is taken back nothing may be taken before.
    let is_left_alone = point == OfferTakenBack;
    let mut child = scene.start(verb, point, Act::Kill);
    let mut received = 0;
    let mut receive = |rx: &mut Receiver<u64, K>, timeout| {
        match rx.recv_timeout(timeout) {
            Ok(message) => {
                assert_eq!(message, MESSAGE);
                received += 1;
            }
            Err(late) => assert!(late.is_timeout(), "{late}"),
        };
    };
    if verb == "try_send" {
        // It tries until somebody waits.
        while child.is_running() {
            receive(&mut rx, 10 * SHORT);
        }
    } else if !is_left_alone {
        // With the offer there it goes on to its point.
        receive(&mut rx, 10 * SHORT);
    }
    child.dies();
    if scene.board.get(GOT) == MISSED {
        return false;
    }
    receive(&mut rx, 10 * SHORT);
    assert!(
        (least..=most).contains(&received),
        "{verb}, {point:?}: {received}"
    );
    let mut tx = scene.ring.sender().expect("the place of the dead");
    scene.is_sound(&mut tx, &mut rx);
    true
}

for_each_kind!(a_sender_is_killed);

/// What is received by another, of a message whose receiver dies at these points.
const RECEIVERS: [(&str, Failpoint, usize); 8] = [
    ("recv", WaiterAnnounced, 1),
    ("recv", Taken, 1),
    ("recv", Read, 1),
    ("recv", SlotFreed, 0),
    ("recv", RoomAnnounced, 0),
    ("recv_timeout", WaiterFreed, 1),
    ("lease", GivenBackCounted, 1),
    ("lease", Repaired, 1),
];

fn a_receiver_is_killed<K: Kind>() {
    thread::scope(|scope| {
        for (verb, point, expected) in RECEIVERS {
            scope.spawn(move || {
                let scene = Scene::<K>::new();
                let mut tx = scene.ring.sender().expect("attach a sender");
                let child = scene.start(verb, point, Act::Kill);
                let (mut rx, received) = thread::scope(|scope| {
                    let comes_before = !matches!(point, WaiterAnnounced | WaiterFreed);
                    let child = if comes_before {
                        Some(child)
                    } else {
                        child.dies();
                        None
                    };
                    let sent = scope.spawn(|| tx.send_timeout(MESSAGE, LONG));
                    child.into_iter().for_each(Child::dies);
                    let mut rx = scene.ring.receiver().expect("attach a receiver");
                    let received = match rx.recv_timeout(10 * SHORT) {
                        Ok(message) => {
                            assert_eq!(message, MESSAGE);
                            1
                        }
                        Err(late) => {
                            assert_eq!(late, RecvTimeoutError::Timeout(None));
                            0
                        }
                    };
                    assert_eq!(sent.join().unwrap(), Ok(()), "{verb}, {point:?}");
                    (rx, received)
                });
                assert_eq!(received, expected, "{verb}, {point:?}");
                scene.is_sound(&mut tx, &mut rx);
            });
        }
    });
}

for_each_kind!(a_receiver_is_killed);

/// A receiver that has the message in hand is waited for, and named at the deadline.
fn a_receiver_is_stopped_with_the_message<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.ring.sender().expect("attach a sender");
    let child = scene.start("recv", Taken, Act::Stop);
    let error = tx.send_timeout(MESSAGE, 10 * SHORT).unwrap_err();
    assert!(error.is_in_hand(), "{error}");
    let holder = error.holder().expect("it is named");
    assert_eq!((holder.side, holder.pid), (Side::Receiver, child.pid()));
    child.wait_for_state('T');
    child.resume();
    child.finish();
    assert_eq!(scene.board.get(GOT), MESSAGE);
    let mut rx = scene.ring.receiver().expect("attach a receiver");
    scene.is_sound(&mut tx, &mut rx);
}

for_each_kind!(a_receiver_is_stopped_with_the_message);

/// One that is stopped while it waits is bound, and receives when it goes on.
fn a_receiver_is_stopped_while_it_waits<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.ring.sender().expect("attach a sender");
    let child = scene.start("recv", WaiterAnnounced, Act::Stop);
    child.wait_for_state('T');
    assert_eq!(tx.try_send(MESSAGE), Ok(()));
    // It is bound, and no other waits.
    assert_eq!(tx.try_send(8), Err(TrySendError::Full(8)));
    child.resume();
    child.finish();
    assert_eq!(scene.board.get(GOT), MESSAGE);
    let mut rx = scene.ring.receiver().expect("attach a receiver");
    scene.is_sound(&mut tx, &mut rx);
}

for_each_kind!(a_receiver_is_stopped_while_it_waits);

/// One that dies when it is bound: the message is there for the next one.
fn a_receiver_is_killed_when_it_is_bound<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.ring.sender().expect("attach a sender");
    let child = scene.start("recv", WaiterAnnounced, Act::Stop);
    child.wait_for_state('T');
    assert_eq!(tx.try_send(MESSAGE), Ok(()));
    child.kill();
    assert_eq!(tx.try_send(8), Err(TrySendError::Full(8)));
    let mut rx = scene.ring.receiver().expect("attach a receiver");
    assert_eq!(rx.try_recv(), Ok(MESSAGE));
    scene.is_sound(&mut tx, &mut rx);
    // And one that was dead before is bound by no sender.
    drop(rx);
    scene.board.set(READY, 0);
    let child = scene.start("recv", WaiterAnnounced, Act::Stop);
    child.wait_for_state('T');
    child.kill();
    assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
}

for_each_kind!(a_receiver_is_killed_when_it_is_bound);

/// The message of a sender that is stopped can be taken.
fn a_sender_is_stopped<K: Kind>() {
    for (verb, point) in [
        ("send", Published),
        ("try_send", WaiterBound),
        ("send", HandoverSeen),
    ] {
        // A receiver that is looking takes the offer before it is bound to it.
        let met = (0..20).any(|_| sender_is_stopped::<K>(verb, point));
        assert!(met, "{verb}: {point:?} is not reached");
    }
}

/// Whether it was stopped there.
fn sender_is_stopped<K: Kind>(verb: &str, point: Failpoint) -> bool {
    let scene = Scene::<K>::new();
    let mut rx = scene.ring.receiver().expect("attach a receiver");
    let child = scene.start(verb, point, Act::Stop);
    let began = Instant::now();
    assert_eq!(rx.recv(), Ok(MESSAGE), "{point:?}");
    assert!(began.elapsed() < LONG);
    let met = child.stops();
    child.resume();
    child.finish();
    let mut tx = scene.ring.sender().expect("attach a sender");
    scene.is_sound(&mut tx, &mut rx);
    met
}

for_each_kind!(a_sender_is_stopped);

/// A send that waits finds out by itself that its receiver is dead, with no other process
/// there, and takes the message back in time.
fn what_the_dead_had_is_taken_back<K: Kind>() {
    let scene = Scene::<K>::new();
    let (mut tx, rx) = scene.ends();
    drop(rx);
    let child = scene.start("recv", Read, Act::Kill);
    let late = tx.send_timeout(MESSAGE, 20 * SHORT);
    assert_eq!(late, Err(SendTimeoutError::Timeout(MESSAGE, None)));
    child.dies();
    assert_eq!(scene.ring.stats().redelivered, 1);
    let mut rx = scene.ring.receiver().expect("attach a receiver");
    scene.is_sound(&mut tx, &mut rx);
}

for_each_kind!(what_the_dead_had_is_taken_back);
