//! The last one on a side dies while it leaves, or the survivor that
//! recovers what it held does: the other side learns that nobody is left all the same.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Kind, Layout, RecvError, Ring, SendError, Side};
use memring_testkit::children::{Args, Pairs};
use memring_testkit::for_each_kind;
use memring_testkit::homes::RING;
use memring_testkit::kinds::Cloning;
use memring_testkit::loads::{Load, Pair, Stamp};
use memring_testkit::progress::Progress;

use super::cases::{Plan, run_all, title};
use super::scene::{Scene, nothing_is_left, small};
use super::table::{Dead, Program};
use super::victim::held;

/// What a process passes that detaches.
const LEAVING: [Failpoint; 5] = [
    Failpoint::IdUnlocked,
    Failpoint::DepartureCounted,
    Failpoint::EntryCleaned,
    Failpoint::AllCounted,
    Failpoint::Detached,
];
/// What a process passes that reaps a dead one.
const REAPING: [Failpoint; 4] = [
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

fn leave<K: Cloning>(case: &Leaving) {
    let scene = Scene::<K>::new(small(Layout::Auto));
    let ring = scene.ring.clone();
    let plan = Plan::of(case.point, 1, Act::Kill);
    match case.side {
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
            let make = |number| Pair::make(Stamp { sender: 1, number });
            scene.progress.begin(1, 1);
            tx.try_send(make(0)).expect("an empty ring");
            scene.progress.done(1, 1);
            let waits =
                std::thread::spawn(move || (1..).find_map(|number| tx.send(make(number)).err()));
            scene.spawn(Program::LeaveAsReceiver, &plan).dies();
            let end = waits.join().expect("the one who waits");
            assert!(matches!(end, Some(SendError::Disconnected(_))), "{end:?}");
            let mut rx = ring.receiver().expect("a place");
            while rx.try_recv().is_ok() {}
        }
    }
    nothing_is_left(&scene.ring);
}

fn leavers<K: Cloning>() {
    let mut cases = Vec::new();
    for side in [Side::Sender, Side::Receiver] {
        cases.extend(LEAVING.map(|point| Leaving { side, point }));
    }
    run_all(&title::<K>("leavers"), &cases, |case| {
        leave::<K>(case);
        Duration::ZERO
    });
}

/// Receives until nobody is left to send.
pub fn waiter<K: Kind>(args: &Args) {
    let ring = Ring::<Pair, K>::open(RING).expect("open the ring");
    let mut rx = ring.receiver().expect("a place");
    // Somebody is there: that is what must not be believed for ever.
    assert!(rx.try_recv().is_err());
    Progress::open(args).ready();
    assert_eq!(rx.recv(), Err(RecvError::Disconnected));
}

#[derive(Debug)]
struct Reaping {
    point: Failpoint,
}

fn reap<K: Cloning>(case: &Reaping) {
    let scene = Scene::<K>::new(small(Layout::Auto));
    let spawned = |role, args: &Pairs<'_>| {
        let ready = scene.progress.readies();
        let child = scene.home.spawn(role, args);
        scene.progress.wait_ready(ready + 1);
        child
    };
    let last = held(&scene, Dead::Sender, Side::Sender);
    let waiter = spawned("last waiter", &[("kind", &K::KIND)]);
    waiter.stop(); // so that another one finds the death
    let plan = Plan::of(case.point, 1, Act::Kill);
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

fn reapers<K: Cloning>() {
    let cases = REAPING.map(|point| Reaping { point });
    run_all(&title::<K>("reapers"), &cases, |case| {
        reap::<K>(case);
        Duration::ZERO
    });
}

for_each_kind!(leavers);
for_each_kind!([spmc mpmc] reapers);
