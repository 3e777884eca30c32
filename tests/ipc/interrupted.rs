//! Signals that cut system calls short change nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use memring::{Mpmc, Ring, WaitStrategy};
use memring_testkit::children::Args;
use memring_testkit::homes::{Home, RING};
use memring_testkit::sys::{INTERRUPTIONS, interrupt_every_millisecond};

/// As many as each process takes.
const SIGNALS: u64 = 500;

fn signals() -> u64 {
    INTERRUPTIONS.load(Ordering::Relaxed)
}

/// Makes the peer wait, for some milliseconds.
fn dawdle() {
    std::thread::sleep(Duration::from_millis(5));
}

#[test]
fn interrupted_calls_go_on() {
    let home = Home::new();
    let ring = Ring::<u64, Mpmc>::create(home.ring(), 4).expect("make a ring");
    let children = [
        home.spawn("interrupted receiver", &[]),
        home.spawn("interrupted sender", &[]),
        home.spawn("interrupted opener", &[]),
    ];
    for child in children {
        child.finish();
    }
    assert!(ring.is_empty());
}

pub fn sender(_args: &Args) {
    interrupt_every_millisecond().expect("set the timer");
    let ring = Ring::<u64, Mpmc>::open(RING).expect("open the ring");
    let mut tx = ring.sender_with(WaitStrategy::Park).expect("attach");
    let mut number = 0;
    while signals() < SIGNALS {
        let minute = Duration::from_secs(60);
        match number % 3 {
            0 => tx.send(number).expect("send"),
            1 => tx.send_timeout(number, minute).expect("send in time"),
            _ => assert_eq!(tx.send_batch([number]).expect("send a batch"), 1),
        }
        number += 1;
        if number % 64 == 0 {
            dawdle();
        }
    }
}

pub fn receiver(_args: &Args) {
    interrupt_every_millisecond().expect("set the timer");
    let ring = Ring::<u64, Mpmc>::open(RING).expect("open the ring");
    let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
    let mut expected = 0;
    while let Ok(number) = rx.recv() {
        assert_eq!(number, expected);
        expected += 1;
        if expected % 64 == 32 {
            dawdle();
        }
    }
    assert!(
        expected > 0 && signals() > SIGNALS / 2,
        "{} signals",
        signals()
    );
}

pub fn opener(_args: &Args) {
    interrupt_every_millisecond().expect("set the timer");
    while signals() < SIGNALS {
        let ring = Ring::<u64, Mpmc>::open_or_create("other", 1 << 17).expect("have the ring");
        let mut tx = ring.sender().expect("attach a sender");
        let mut rx = ring.receiver().expect("attach a receiver");
        tx.send(3).expect("send");
        assert_eq!(rx.recv(), Ok(3));
        drop((tx, rx, ring));
        memring::remove("other").expect("remove the ring");
    }
}
