//! A sender killed between its publication and its waking of anybody, and a
//! receiver killed between its release and its waking: the sleeper on the other
//! side gets its message, or its room, all the same.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{RecvError, WaitStrategy};
use memring_testkit::for_each_kind;
use memring_testkit::kinds::Cloning;
use memring_testkit::loads::{Line, Load, Stamp};

use super::cases::{Plan, run_all, title};
use super::program::DOOMED;
use super::scene::{Scene, small};
use super::table::Program;

#[derive(Debug)]
struct Case {
    point: Failpoint,
    nth: u64,
}

fn sent<K: Cloning>(case: &Case) -> Duration {
    let scene = Scene::<K>::new(small().wait_through_disconnect(true));
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
    let expected = Line::make(Stamp {
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
    let own: &[Failpoint] = match (K::KIND.has_many_senders(), K::KIND.has_many_receivers()) {
        (true, _) => &[],
        (false, true) => &[Failpoint::BusyCleared],
        (false, false) => &[Failpoint::SentMoved, Failpoint::BusyCleared],
    };
    let all = [&[Failpoint::Published, Failpoint::WaitWordCounted], own].concat();
    let case = |point| Case { point, nth: 1 };
    let cases: Vec<Case> = all.into_iter().map(case).collect();
    run_all(&title::<K>("messages of the dead"), &cases, sent::<K>);
}

fn freed<K: Cloning>(case: &Case) -> Duration {
    let scene = Scene::<K>::new(small().wait_through_disconnect(true));
    let mut tx = scene.ring.sender_with(WaitStrategy::Park).expect("a place");
    let make = |number| Line::make(Stamp { sender: 1, number });
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
                rest.push(Line::stamp(&lease.read()).number);
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
    // A single receiver stores `done` once when it attaches.
    let acknowledged = if K::KIND.has_many_receivers() {
        (Failpoint::SlotFreed, 1)
    } else {
        (Failpoint::DoneMoved, 2)
    };
    let all = [acknowledged, (Failpoint::WaitWordCounted, 1)];
    let case = |(point, nth)| Case { point, nth };
    let cases: Vec<Case> = all.into_iter().map(case).collect();
    run_all(&title::<K>("room of the dead"), &cases, freed::<K>);
}

for_each_kind!(messages, room);
