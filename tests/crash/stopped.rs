//! Processes stopped for long, in every state: others pass by, or wait, and
//! nobody takes anything from them. When they go on, all is as they left it.

use std::time::{Duration, Instant};

use memring::{
    AttachError, Holder, Kind, Receiver, RecvTimeoutError, Ring, RingKind, SendTimeoutError,
    Sender, Side,
};

use crate::common::child::Child;
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{A_WHILE, HELD, Line, Scene, get, put};
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
pub struct Stopped {
    pub child: Child,
    until: Instant,
}

impl Stopped {
    pub fn now(child: Child) -> Stopped {
        child.stop();
        Stopped {
            child,
            until: Instant::now() + pause(),
        }
    }

    /// What is left of the pause.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits for the end of the pause; nobody has repaired anything in it.
    pub fn resume<T: Load + ?Sized, K: Kind>(self, ring: &Ring<T, K>) -> Child {
        std::thread::sleep(self.left());
        nothing_repaired(ring);
        self.child.resume();
        self.child
    }
}

pub fn nothing_repaired<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>) {
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (0, 0));
}

/// What is told of a stopped holder: that it is there, alive, and who it is;
/// and a side of one is its own.
pub fn is_told_of<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, side: Side, stopped: &Stopped) {
    let pid = stopped.child.pid();
    let stats = ring.stats();
    let (peers, many) = match side {
        Side::Sender => (stats.senders, K::KIND.has_many_senders()),
        Side::Receiver => (stats.receivers, K::KIND.has_many_receivers()),
    };
    let of_pid = peers.iter().filter(|peer| peer.pid == pid && peer.alive);
    assert_eq!(of_pid.count(), 1, "{peers:?}");
    if !many {
        let holder = match side {
            Side::Sender => occupant(ring.sender(), side),
            Side::Receiver => occupant(ring.receiver(), side),
        };
        assert_eq!(holder, Some(pid));
    }
}

/// Nothing comes for as long as the pause lasts: late, not the end. Says whom
/// the call waited for.
pub fn nothing_comes<T: Load + ?Sized, K: Kind>(
    rx: &mut Receiver<T, K>,
    stopped: &Stopped,
) -> Option<Holder> {
    match rx.lease_timeout(stopped.left()).map(drop) {
        Err(RecvTimeoutError::Timeout(told)) => told,
        late => panic!("{late:?}"),
    }
}

/// There is no room for as long as the pause lasts. Says whom the call waited
/// for.
pub fn no_room<T: Load + ?Sized, K: Kind>(
    tx: &mut Sender<T, K>,
    stopped: &Stopped,
) -> Option<Holder> {
    let made = make::<T>(7);
    match tx.send_timeout(T::lend(&made), stopped.left()) {
        Err(SendTimeoutError::Timeout(_, told)) => told,
        full => panic!("{full:?}"),
    }
}

/// That a call's error, and the figures, name the process that is waited for.
fn names(told: Option<Holder>, in_figures: Option<Holder>, side: Side, stopped: &Stopped) {
    let told = told.expect("somebody to be named");
    assert_eq!((told.side, told.pid), (side, stopped.child.pid()));
    assert_eq!(in_figures, Some(told));
}

pub fn make<T: Load + ?Sized>(number: u64) -> T::Received {
    T::make(Stamp { sender: 0, number })
}

/// Runs all of `tests` with all `kinds` at once: they mostly wait.
pub fn at_once<J: Job + Clone + Sync>(kinds: &[RingKind], tests: &[J]) {
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
        let told = if K::KIND.has_many_senders() {
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..3);
            others = 3;
            // What lies behind the claim waits as well, in both directions.
            std::thread::scope(|threads| {
                threads.spawn(|| no_room(&mut tx, &stopped));
                nothing_comes(&mut rx, &stopped)
            })
        } else {
            nothing_comes(&mut rx, &stopped)
        };
        let in_figures = scene.ring.stats().receivers_blocked_by;
        names(told, in_figures, Side::Sender, &stopped);
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
        let told = if K::KIND.has_many_receivers() {
            // Others pass by, get the rest, and wait.
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            for number in held..4 {
                assert_eq!(get(&mut rx), (number, 0));
            }
            std::thread::scope(|threads| {
                let full = threads.spawn(|| no_room(&mut tx, &stopped));
                assert_eq!(nothing_comes(&mut rx, &stopped), None);
                full.join().expect("it is late")
            })
        } else {
            no_room(&mut tx, &stopped)
        };
        let in_figures = scene.ring.stats().senders_blocked_by;
        names(told, in_figures, Side::Receiver, &stopped);
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

fn occupant<E>(attached: Result<E, AttachError>, expected: Side) -> Option<u32> {
    match attached {
        Err(AttachError::Occupied { side, holder }) if side == expected => holder,
        Err(error) => panic!("expected an occupied side, found {error}"),
        Ok(_) => panic!("a living {expected} was robbed of its place"),
    }
}

/// Single sides name their holder, stopped or not, and no longer when it died.
#[test]
fn a_single_side_is_occupied_while_its_holder_lives() {
    struct Test(Side);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Test(side) = self;
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let attach = || match side {
                Side::Sender => occupant(scene.ring.sender(), side),
                Side::Receiver => occupant(scene.ring.receiver(), side),
            };
            if side == Side::Receiver {
                put(&mut scene.ring.sender().expect("attach a sender"), 0..1);
            }
            let holder = scene.hold(side, 1);
            assert_eq!(attach(), Some(holder.pid()));
            holder.stop();
            std::thread::sleep(A_WHILE);
            assert_eq!(attach(), Some(holder.pid()));
            holder.kill();
            match side {
                Side::Sender => drop(scene.ring.sender().expect("the place is free")),
                Side::Receiver => drop(scene.ring.receiver().expect("the place is free")),
            }
        }
    }
    for kind in RingKind::ALL {
        if !kind.has_many_senders() {
            dispatch(kind, Line::NAME, Test(Side::Sender));
        }
        if !kind.has_many_receivers() {
            dispatch(kind, Line::NAME, Test(Side::Receiver));
        }
    }
}
