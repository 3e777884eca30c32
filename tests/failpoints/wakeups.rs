//! A sender killed between its publication and its waking of anybody, and a
//! receiver killed between its release and its waking: the sleeper on the other
//! side gets its message, or its room, all the same.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{RecvError, RingKind, WaitStrategy};

use crate::cases::{Plan, run_all, title};
use crate::cast::{Cast, Job, Line, dispatch};
use crate::common::load::{Load, Stamp};
use crate::for_each_kind;
use crate::program::DOOMED;
use crate::scene::{Scene, small};
use crate::table::Program;

#[derive(Debug)]
struct Case {
    kind: RingKind,
    point: Failpoint,
    nth: u64,
}

struct Sent<'c>(&'c Case);

impl Job for Sent<'_> {
    type Result = ();

    fn run<K: Cast>(self) {
        let Sent(case) = self;
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
    }
}

/// Nobody but the dead one could have woken the sleeper: it had a system call's
/// time to live.
fn messages(kind: RingKind) {
    let own: &[Failpoint] = if kind.has_many_senders() {
        &[]
    } else {
        &[Failpoint::SentMoved, Failpoint::BusyCleared]
    };
    let all = [&[Failpoint::Published, Failpoint::WaitWordCounted], own].concat();
    let case = |point| Case {
        kind,
        point,
        nth: 1,
    };
    let cases: Vec<Case> = all.into_iter().map(case).collect();
    run_all(&title(kind, "messages of the dead"), &cases, |case| {
        dispatch(case.kind, Sent(case));
        Duration::ZERO
    });
}

struct Freed<'c>(&'c Case);

impl Job for Freed<'_> {
    type Result = ();

    fn run<K: Cast>(self) {
        let Freed(case) = self;
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
                Ok(lease) => rest.push(Line::stamp(&lease.read()).number),
                Err(end) => break end,
            }
        };
        assert_eq!(end, RecvError::Closed);
        assert_eq!(rest, (1..=capacity).collect::<Vec<u64>>());
    }
}

fn room(kind: RingKind) {
    // A single receiver stores `done` once when it attaches.
    let acknowledged = if kind.has_many_receivers() {
        (Failpoint::SlotFreed, 1)
    } else {
        (Failpoint::DoneMoved, 2)
    };
    let all = [acknowledged, (Failpoint::WaitWordCounted, 1)];
    let case = |(point, nth)| Case { kind, point, nth };
    let cases: Vec<Case> = all.into_iter().map(case).collect();
    run_all(&title(kind, "room of the dead"), &cases, |case| {
        dispatch(case.kind, Freed(case));
        Duration::ZERO
    });
}

for_each_kind!(messages, room);
