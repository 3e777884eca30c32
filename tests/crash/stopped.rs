//! Processes stopped for long, in every state: others pass by, or wait, and
//! take nothing from them. When they go on, all is as they left it.

use std::time::{Duration, Instant};

use memring::{
    Holder, Kind, Receiver, RecvTimeoutError, Ring, RingKind, SendTimeoutError, Sender, Side,
};
use memring_testkit::children::Child;
use memring_testkit::for_each_kind;
use memring_testkit::holders::{A_WHILE, HELD, Scene, counted, expect_in_order, get, put};
use memring_testkit::kinds::{has_many, occupant, peers};
use memring_testkit::loads::{Line, Load};

pub const SIDES: [Side; 2] = [Side::Sender, Side::Receiver];

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
    pub fn resume<K: Kind>(self, ring: &Ring<Line, K>) -> Child {
        std::thread::sleep(self.left());
        nothing_repaired(ring);
        self.child.resume();
        self.child
    }
}

pub fn nothing_repaired<K: Kind>(ring: &Ring<Line, K>) {
    counted(ring, 0, 0);
}

/// What is told of a stopped holder: that it is there, alive, and who it is;
/// and a side of one is its own.
pub fn is_told_of<K: Kind>(ring: &Ring<Line, K>, side: Side, stopped: &Stopped) {
    let pid = stopped.child.pid();
    let peers = peers(ring, side);
    let of_pid = peers.iter().filter(|peer| peer.pid == pid && peer.alive);
    assert_eq!(of_pid.count(), 1, "{peers:?}");
    if !has_many(K::KIND, side) {
        assert_eq!(occupant(ring, side), Some(pid));
    }
}

/// Nothing comes for as long as the pause lasts: late, not the end. Says whom
/// the call waited for.
pub fn nothing_comes<K: Kind>(rx: &mut Receiver<Line, K>, stopped: &Stopped) -> Option<Holder> {
    match rx.lease_timeout(stopped.left()).map(drop) {
        Err(RecvTimeoutError::Timeout(told)) => told,
        late => panic!("{late:?}"),
    }
}

/// There is no room for as long as the pause lasts. Says whom the call waited
/// for.
pub fn no_room<K: Kind>(tx: &mut Sender<Line, K>, stopped: &Stopped) -> Option<Holder> {
    match tx.send_timeout(Line::numbered(7), stopped.left()) {
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

/// Runs a test with all kinds and all of `$cases` at once: they mostly wait.
macro_rules! at_once {
    ($test:ident, $cases:expr) => {
        std::thread::scope(|threads| {
            for case in $cases {
                for kind in memring::RingKind::ALL {
                    threads.spawn(move || {
                        memring_testkit::with_kind!(kind, K => $test::<K>(case))
                    });
                }
            }
        })
    };
}
pub(crate) use at_once;

fn grant<K: Kind>((): ()) {
    let scene = Scene::<K>::of(4);
    let mut rx = scene.receiver();
    let stopped = Stopped::now(scene.hold(Side::Sender, 0));
    is_told_of(&scene.ring, Side::Sender, &stopped);
    let mut others = 0;
    let told = if K::KIND.has_many_senders() {
        let mut tx = scene.sender();
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
    match K::KIND {
        // One to one nothing shows a grant, and nobody is in the receiver's way.
        RingKind::Spsc => assert_eq!((told, in_figures), (None, None)),
        _ => names(told, in_figures, Side::Sender, &stopped),
    }
    is_told_of(&scene.ring, Side::Sender, &stopped);
    scene.let_go(stopped.resume(&scene.ring));
    assert_eq!(get(&mut rx), (HELD, 0));
    expect_in_order(&mut rx, 0..others);
    assert!(rx.try_recv().is_err());
    nothing_repaired(&scene.ring);
}

#[test]
fn a_stopped_sender_keeps_its_grant() {
    at_once!(grant, [()]);
}

/// That many leases, of a receiver that is stopped, or only slow.
fn leases<K: Kind>((count, stops): (usize, bool)) {
    let scene = Scene::<K>::of(4);
    let mut tx = scene.sender();
    put(&mut tx, 0..4);
    let child = scene.hold(Side::Receiver, count);
    let stopped = if stops {
        Stopped::now(child)
    } else {
        let until = Instant::now() + pause();
        Stopped { child, until }
    };
    is_told_of(&scene.ring, Side::Receiver, &stopped);
    let held = count as u64;
    let told = if K::KIND.has_many_receivers() {
        // Others pass by, get the rest, and wait.
        let mut rx = scene.receiver();
        expect_in_order(&mut rx, held..4);
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
    let mut rx = scene.receiver();
    let left = if K::KIND.has_many_receivers() {
        4..4
    } else {
        held..4
    };
    put(&mut tx, 4..4 + held);
    expect_in_order(&mut rx, left.chain(4..4 + held));
    assert!(rx.try_recv().is_err());
    nothing_repaired(&scene.ring);
}

#[test]
fn a_stopped_or_slow_receiver_keeps_its_leases() {
    at_once!(leases, [(1, true), (3, true), (3, false)]);
}

/// Single sides name their holder, stopped or not, and no longer when it died.
fn a_single_side_is_occupied_while_its_holder_lives<K: Kind>() {
    for side in SIDES.into_iter().filter(|side| !has_many(K::KIND, *side)) {
        let scene = Scene::<K>::of(4);
        if side == Side::Receiver {
            put(&mut scene.sender(), 0..1);
        }
        let holder = scene.hold(side, 1);
        assert_eq!(occupant(&scene.ring, side), Some(holder.pid()));
        holder.stop();
        std::thread::sleep(A_WHILE);
        assert_eq!(occupant(&scene.ring, side), Some(holder.pid()));
        holder.kill();
        assert_eq!(occupant(&scene.ring, side), None);
    }
}

for_each_kind!([spsc mpsc spmc] a_single_side_is_occupied_while_its_holder_lives);
