//! Senders and receivers that go on until they are killed, or told to stop.

use std::fmt::Debug;
use std::time::Duration;

use memring::{Kind, RecvError, Ring, RingKind};
use memring_testkit::children::{Args, Child};
use memring_testkit::homes::{Home, RING};
use memring_testkit::loads::Load;
use memring_testkit::progress::{MOST, Progress};
use memring_testkit::verbs::{self, Verb};

/// Messages after which a sender attaches again.
const TERM: u64 = 64;

/// Chance decides where a kill strikes. What must hold is checked every time; a
/// run in which no kill struck where it matters shows too little, and another one
/// follows.
pub fn until_it_bites<R: Debug>(mut once: impl FnMut() -> R, bites: impl Fn(&R) -> bool) {
    let mut calm = Vec::new();
    while calm.len() < 10 {
        let outcome = once();
        if bites(&outcome) {
            return;
        }
        calm.push(outcome);
    }
    panic!("no kill met a send, time and again: {calm:?}");
}

/// How many incarnations of senders there have been.
pub struct Incarnations {
    pub count: u64,
    load: &'static str,
    kind: RingKind,
}

impl Incarnations {
    pub fn of(kind: RingKind, load: &'static str) -> Self {
        Incarnations {
            count: 0,
            load,
            kind,
        }
    }

    pub fn sender(&mut self, home: &Home) -> Child {
        let incarnation = self.count;
        self.count += 1;
        home.spawn(
            "traffic sender",
            &[
                ("kind", &self.kind),
                ("load", &self.load),
                ("incarnation", &incarnation),
            ],
        )
    }

    pub fn receiver(&self, home: &Home) -> Child {
        home.spawn(
            "traffic receiver",
            &[("kind", &self.kind), ("load", &self.load)],
        )
    }
}

fn open<T: Load + ?Sized, K: Kind>() -> Ring<T, K> {
    Ring::builder()
        .wait_through_disconnect(true)
        .open(RING)
        .expect("open the ring")
}

pub fn sender<T: Load + ?Sized, K: Kind>(args: &Args) {
    let incarnation: u64 = args.get("incarnation");
    let progress = Progress::open(args);
    let ring = open::<T, K>();
    let mut number = 0;
    while number < MOST && !progress.is_stopping() {
        let mut tx = ring.sender().expect("the place is free");
        if number == 0 {
            progress.ready();
        }
        let end = (number + TERM).min(MOST);
        while number < end && !progress.is_stopping() {
            let (verb, to) = match number % 3 {
                0 => (Verb::One, number + 1),
                1 => (Verb::InPlace, number + 1),
                _ => (Verb::Batch, end.min(number + 5)),
            };
            progress.begin(incarnation, to);
            verbs::send(&mut tx, verb, incarnation, number, to).expect("send");
            progress.done(incarnation, to);
            number = to;
        }
    }
    while !progress.is_stopping() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn receiver<T: Load + ?Sized, K: Kind>(args: &Args) {
    let mut progress = Progress::open(args);
    let mut rx = open::<T, K>().receiver().expect("the place is free");
    progress.ready();
    let end = verbs::receive(&mut rx, Verb::InPlace, |stamp, attempt| {
        progress.received(stamp, attempt);
    });
    assert_eq!(end, RecvError::Closed);
}
