//! A sender killed between its publication and its waking of anybody, and a
//! receiver killed between its release and its waking: the sleeper on the other
//! side gets its message, or its room, all the same.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Layout, RecvError, RingKind, WaitStrategy};
use memring_testkit::for_each_kind;
use memring_testkit::kinds::Cloning;
use memring_testkit::loads::{Load, Pair, Stamp};

use super::cases::{Plan, run_all, title};
use super::program::DOOMED;
use super::scene::{Scene, small};
use super::table::{self, Program};

#[derive(Debug)]
struct Case {
    layout: Layout,
    point: Failpoint,
    nth: u64,
}

fn in_each_layout<K: Cloning>(points: &[(Failpoint, u64)]) -> Vec<Case> {
    let case = |layout, (point, nth)| Case { layout, point, nth };
    let layouts = table::layouts(K::KIND).iter();
    layouts
        .flat_map(|layout| points.iter().map(|of| case(*layout, *of)))
        .collect()
}

fn sent<K: Cloning>(case: &Case) -> Duration {
    let scene = Scene::<K>::new(small(case.layout).wait_through_disconnect(true));
    let mut rx = scene
        .ring
        .receiver_with(WaitStrategy::Park)
        .expect("a place");
    let sleeper = std::thread::spawn(move || {
        let first = rx.recv();
        (first, rx)
    });
    // Asleep before anything is sent.
    std::thread::sleep(Duration::from_millis(20));
    let plan = Plan::of(case.point, case.nth, Act::Kill);
    scene.spawn(Program::Send, &plan).dies();
    let (first, rx) = sleeper.join().expect("the sleeper");
    let expected = Pair::make(Stamp {
        sender: DOOMED,
        number: 0,
    });
    assert_eq!(first, Ok(expected));
    drop(rx);
    Duration::ZERO
}

/// Nobody but the dead one could have woken the sleeper: it had a system call's
/// time to live.
fn messages<K: Cloning>() {
    let own: &[Failpoint] = match K::KIND {
        RingKind::Spmc => &[Failpoint::BusyCleared],
        _ => &[],
    };
    let all = [&[Failpoint::Published, Failpoint::WaitWordCounted], own].concat();
    let all = all.into_iter().map(|point| (point, 1));
    let cases = in_each_layout::<K>(&all.collect::<Vec<_>>());
    run_all(&title::<K>("messages of the dead"), &cases, sent::<K>);
}

fn freed<K: Cloning>(case: &Case) -> Duration {
    let scene = Scene::<K>::new(small(case.layout).wait_through_disconnect(true));
    let mut tx = scene.ring.sender_with(WaitStrategy::Park).expect("a place");
    let make = |number| Pair::make(Stamp { sender: 1, number });
    let capacity = scene.ring.capacity() as u64;
    scene.progress.begin(1, capacity + 1);
    for number in 0..capacity {
        tx.try_send(make(number)).expect("an empty ring");
    }
    scene.progress.done(1, capacity);
    let sleeper = std::thread::spawn(move || (tx.send(make(capacity)), tx));
    std::thread::sleep(Duration::from_millis(20));
    let plan = Plan::of(case.point, case.nth, Act::Kill);
    scene.spawn(Program::Receive, &plan).dies();
    // One message was acknowledged, so there is room for one.
    let (sent, tx) = sleeper.join().expect("the sleeper");
    assert_eq!(sent, Ok(()));
    drop(tx);
    scene.ring.close().expect("close the ring");
    let mut rx = scene.ring.receiver().expect("a place");
    let mut rest = Vec::new();
    let end = loop {
        match rx.lease() {
            Ok(lease) => {
                rest.push(Pair::stamp(&lease.read()).number);
                lease.release();
            }
            Err(end) => break end,
        }
    };
    assert_eq!(end, RecvError::Closed);
    assert_eq!(rest, (1..=capacity).collect::<Vec<u64>>());
    Duration::ZERO
}

fn room<K: Cloning>() {
    let acknowledged = match K::KIND {
        RingKind::Spmc | RingKind::Mpmc => (Failpoint::SlotFreed, 1),
        RingKind::Spsc => (Failpoint::DoneMoved, 1),
        // It stores `done` once when it attaches.
        RingKind::Mpsc => (Failpoint::DoneMoved, 2),
    };
    let cases = in_each_layout::<K>(&[acknowledged, (Failpoint::WaitWordCounted, 1)]);
    run_all(&title::<K>("room of the dead"), &cases, freed::<K>);
}

for_each_kind!(messages, room);
