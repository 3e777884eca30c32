//! Rendezvous between processes: every message passed once, and everybody woken by
//! what they wait for, and not by the cap of a sleep.

use std::thread;
use std::time::{Duration, Instant};

use memring::failpoints::{self, Failpoint};
use memring::{Kind, Mpmc, Mpsc, RecvError, Ring, SendError, WaitStrategy};
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::{Home, RING};
use memring_testkit::time::LIMIT;
use memring_testkit::{for_each_kind, of_kind};

pub const ROLES: [Role; 2] = [
    ("handing sender", of_kind!(K => sender::<K>)),
    ("handing receiver", of_kind!(K => receiver::<K>)),
];

/// Every sleep may last for so long.
const CAP: Duration = Duration::from_secs(30);
/// And a wake-up may take so long.
const SOON: Duration = Duration::from_secs(3);
const MESSAGES: u64 = 300;

// Words of the board.
const ASLEEP: usize = 0;
const DONE: usize = 1;
const CLOSED: usize = 2;
const RECEIVED: usize = 3;

/// Counts a thread of this process as asleep when it has registered so many sleeps.
fn count_asleep(args: &Args) {
    let board = args.board("board");
    thread::spawn(move || {
        let late = Instant::now() + LIMIT;
        while failpoints::reached()[Failpoint::SleepFenced as usize] == 0 && Instant::now() < late {
            thread::sleep(Duration::from_millis(1));
        }
        board.add(ASLEEP, 1);
    });
}

pub fn sender<K: Kind>(args: &Args) {
    let board = args.board("board");
    failpoints::raise_sleep_cap(CAP);
    failpoints::watch();
    count_asleep(args);
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut tx = ring.sender_with(WaitStrategy::Park).expect("attach");
    let first: u64 = args.get("first");
    for number in first..first + args.get::<u64>("count") {
        match tx.send(number) {
            Ok(()) => {}
            Err(SendError::Closed(back)) => {
                assert_eq!(back, number);
                board.add(CLOSED, 1);
            }
            Err(other) => panic!("{other}"),
        }
    }
    board.add(DONE, 1);
}

/// Receives until the ring is closed: each message once, by what all have received.
pub fn receiver<K: Kind>(args: &Args) {
    let board = args.board("board");
    failpoints::raise_sleep_cap(CAP);
    failpoints::watch();
    count_asleep(args);
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
    loop {
        match rx.recv() {
            Ok(number) => {
                board.add(RECEIVED + number as usize, 1);
            }
            Err(RecvError::Closed) => break,
            // One sender had finished before the other came.
            Err(RecvError::Disconnected) => thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
    board.add(DONE, 1);
}

fn start<K: Kind>(home: &Home, role: &str, first: u64, count: u64) -> Child {
    let args: [(&str, &dyn std::fmt::Display); 3] =
        [("kind", &K::KIND), ("first", &first), ("count", &count)];
    home.spawn(role, &args)
}

fn make<K: Kind>(home: &Home) -> Ring<u64, K> {
    Ring::create(home.ring(), 0).expect("make a ring")
}

/// Each of several senders is asleep, and wakes when its own message was acknowledged.
#[test]
fn each_sender_is_woken_for_its_own_message() {
    let home = Home::new();
    let board = home.board("board", RECEIVED + 8);
    let ring = make::<Mpsc>(&home);
    let mut rx = ring.receiver().expect("attach");
    let senders: Vec<_> = (0..4)
        .map(|first| start::<Mpsc>(&home, "handing sender", first, 1))
        .collect();
    board.wait(ASLEEP, 4);
    senders.iter().for_each(Child::wait_until_asleep);
    let began = Instant::now();
    for done in 1..=4 {
        rx.recv().expect("it is offered");
        board.wait(DONE, done);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    senders.into_iter().for_each(Child::finish);
}

/// Senders that sleep get their messages back when the ring is closed.
#[test]
fn closing_wakes_senders() {
    let home = Home::new();
    let board = home.board("board", RECEIVED + 8);
    let ring = make::<Mpmc>(&home);
    let senders: Vec<_> = (0..3)
        .map(|first| start::<Mpmc>(&home, "handing sender", first, 1))
        .collect();
    board.wait(ASLEEP, 3);
    senders.iter().for_each(Child::wait_until_asleep);
    let began = Instant::now();
    ring.close().expect("close");
    board.wait(DONE, 3);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(board.get(CLOSED), 3);
    senders.into_iter().for_each(Child::finish);
}

/// A sleeping receiver is woken by a send, and by a `try_send` that binds it.
fn a_receiver_is_woken<K: Kind>() {
    for tries in [false, true] {
        let home = Home::new();
        let board = home.board("board", RECEIVED + 8);
        let ring = make::<K>(&home);
        let mut tx = ring.sender().expect("attach");
        let child = start::<K>(&home, "handing receiver", 0, 0);
        board.wait(ASLEEP, 1);
        child.wait_until_asleep();
        let began = Instant::now();
        match tries {
            true => assert_eq!(tx.try_send(5), Ok(())),
            false => assert_eq!(tx.send(5), Ok(())),
        }
        board.wait(RECEIVED + 5, 1);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        ring.close().expect("close");
        child.finish();
    }
}

for_each_kind!(a_receiver_is_woken);

/// Processes on either side, and the time that lost wake-ups would take.
fn every_message_passes_once<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", RECEIVED + 2 * MESSAGES as usize);
    let ring = make::<K>(&home);
    let senders = if K::KIND.has_many_senders() { 2 } else { 1 };
    let receivers = if K::KIND.has_many_receivers() { 2 } else { 1 };
    let began = Instant::now();
    let receivers: Vec<_> = (0..receivers)
        .map(|_| start::<K>(&home, "handing receiver", 0, 0))
        .collect();
    let senders: Vec<_> = (0..senders)
        .map(|at| start::<K>(&home, "handing sender", at * MESSAGES, MESSAGES))
        .collect();
    let sent = senders.len() * MESSAGES as usize;
    senders.into_iter().for_each(Child::finish);
    ring.close().expect("close");
    receivers.into_iter().for_each(Child::finish);
    assert!(began.elapsed() < CAP, "{:?}", began.elapsed());
    for number in 0..sent {
        assert_eq!(board.get(RECEIVED + number), 1, "message {number}");
    }
}

for_each_kind!(every_message_passes_once);
