//! The last one on a side dies while it leaves, or whoever clears up after the
//! last one does: the other side learns that nobody is left all the same.

use std::fmt::Display;
use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{RecvError, Ring, RingKind, SendError, Side};

use crate::cases::{Plan, run_all, title};
use crate::cast::{Cast, Job, Line, dispatch};
use crate::common::child::Args;
use crate::common::home::RING;
use crate::common::load::{Load, Stamp};
use crate::common::progress::Progress;
use crate::for_each_kind;
use crate::scene::{Scene, nothing_is_left, small};
use crate::table::{Dead, Program};
use crate::victim::held;

/// What whoever detaches passes.
const LEAVING: [Failpoint; 5] = [
    Failpoint::IdUnlocked,
    Failpoint::DepartureCounted,
    Failpoint::EntryCleaned,
    Failpoint::AllCounted,
    Failpoint::Detached,
];
/// What whoever clears up after a dead one passes.
const BURYING: [Failpoint; 4] = [
    Failpoint::DeadRecovered,
    Failpoint::DeathCounted,
    Failpoint::EntryReaped,
    Failpoint::AllCounted,
];

#[derive(Debug)]
struct Leaving {
    side: Side,
    point: Failpoint,
}

impl Job for &Leaving {
    type Result = ();

    fn run<K: Cast>(self) {
        let scene = Scene::<K>::new(small());
        let ring = scene.ring.clone();
        let plan = Plan::of(self.point, 1, Act::Kill);
        match self.side {
            Side::Sender => {
                let mut rx = ring.receiver().expect("a place");
                let waits = std::thread::spawn(move || {
                    let first = rx.recv();
                    (first, rx.recv())
                });
                scene.spawn(Program::LeaveAsSender, &plan).dies();
                let (first, end) = waits.join().expect("the one who waits");
                assert!(first.is_ok(), "{first:?}");
                assert_eq!(end, Err(RecvError::Disconnected));
            }
            Side::Receiver => {
                let mut tx = ring.sender().expect("a place");
                let make = |number| Line::make(Stamp { sender: 1, number });
                scene.progress.begin(1, 1);
                tx.try_send(make(0)).expect("an empty ring");
                scene.progress.done(1, 1);
                let waits = std::thread::spawn(move || {
                    (1..).find_map(|number| tx.send(make(number)).err())
                });
                scene.spawn(Program::LeaveAsReceiver, &plan).dies();
                let end = waits.join().expect("the one who waits");
                assert!(matches!(end, Some(SendError::Disconnected(_))), "{end:?}");
                let mut rx = ring.receiver().expect("a place");
                while rx.try_recv().is_ok() {}
            }
        }
        nothing_is_left(&scene.ring);
    }
}

fn leavers(kind: RingKind) {
    let mut cases = Vec::new();
    for side in [Side::Sender, Side::Receiver] {
        cases.extend(LEAVING.map(|point| Leaving { side, point }));
    }
    run_all(&title(kind, "leavers"), &cases, |case| {
        dispatch(kind, case);
        Duration::ZERO
    });
}

/// Receives until nobody is left to send.
pub fn waiter(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        type Result = ();

        fn run<K: Cast>(self) {
            let ring = Ring::<Line, K>::open(RING).expect("open the ring");
            let mut rx = ring.receiver().expect("a place");
            // Somebody is there: that is what must not be believed for ever.
            assert!(rx.try_recv().is_err());
            Progress::open(self.0).ready();
            assert_eq!(rx.recv(), Err(RecvError::Disconnected));
        }
    }
    dispatch(args.get("kind"), Role(args));
}

#[derive(Debug)]
struct Burying {
    point: Failpoint,
}

impl Job for &Burying {
    type Result = ();

    fn run<K: Cast>(self) {
        let scene = Scene::<K>::new(small());
        let spawned = |role, args: &[(&str, &dyn Display)]| {
            let ready = scene.progress.readies();
            let child = scene.home.spawn(role, args);
            scene.progress.wait_ready(ready + 1);
            child
        };
        let last = held(&scene, Dead::Sender, Side::Sender);
        let waiter = spawned("waiter", &[("kind", &K::KIND)]);
        waiter.stop(); // so that another one finds the death
        let plan = Plan::of(self.point, 1, Act::Kill);
        let program = format!("{:?}", Program::RepairAsReceiver);
        let doomed = spawned(
            "doomed",
            &[("kind", &K::KIND), ("program", &program), ("plan", &plan)],
        );
        last.kill();
        scene.progress.tell_to_go();
        doomed.dies();
        waiter.resume();
        waiter.finish();
        nothing_is_left(&scene.ring);
    }
}

#[test]
fn buriers() {
    for kind in [RingKind::Spmc, RingKind::Mpmc] {
        let cases = BURYING.map(|point| Burying { point });
        run_all(&title(kind, "buriers"), &cases, |case| {
            dispatch(kind, case);
            Duration::ZERO
        });
    }
}

for_each_kind!(leavers);
