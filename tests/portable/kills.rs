//! Two processes, one of which is killed.

use memring::{Kind, Mpmc, RecvError, Ring, Spsc, WaitStrategy};
use memring_testkit::children::Args;
use memring_testkit::homes::{Home, RING};
use rustix::process::{Signal, getpid, kill_process};

const MESSAGES: u64 = 10_000;

/// Sends all messages, then stays attached or is killed, as it is told.
pub fn sender(args: &Args) {
    let ring = Ring::<u64, Spsc>::open(RING).expect("open the ring");
    let mut tx = ring.sender_with(WaitStrategy::Park).expect("attach");
    for number in 0..MESSAGES {
        tx.send(number).expect("a receiver");
    }
    if args.get("killed") {
        kill_process(getpid(), Signal::KILL).expect("kill this process");
    }
}

/// Sends back what it receives.
pub fn receiver(_: &Args) {
    let ring = Ring::<u64, Spsc>::open(RING).expect("open the ring");
    let back = Ring::<u64, Spsc>::open("back").expect("open the ring");
    let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
    let mut tx = back.sender_with(WaitStrategy::Park).expect("attach");
    while let Ok(number) = rx.recv() {
        tx.send(number).expect("a receiver");
    }
}

/// Receives one message and is killed with another in its hands.
pub fn holder(_: &Args) {
    let ring = Ring::<u64, Mpmc>::open(RING).expect("open the ring");
    let mut rx = ring.receiver().expect("attach");
    assert_eq!(rx.recv(), Ok(0));
    let _lease = rx.lease().expect("a message");
    kill_process(getpid(), Signal::KILL).expect("kill this process");
}

fn make<K: Kind>(name: String) -> Ring<u64, K> {
    Ring::create(name, 16).expect("make a ring")
}

#[test]
fn a_receiver_asleep_finds_that_its_sender_was_killed_or_left() {
    for killed in [false, true] {
        let home = Home::new();
        let ring = make::<Spsc>(home.ring());
        let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
        let child = home.spawn("plain sender", &[("killed", &killed)]);
        for number in 0..MESSAGES {
            assert_eq!(rx.recv(), Ok(number));
        }
        assert_eq!(rx.recv(), Err(RecvError::Disconnected));
        match killed {
            true => child.dies(),
            false => child.finish(),
        }
        // The place is free again.
        drop(ring.sender().expect("attach"));
    }
}

#[test]
fn two_processes_pass_messages_there_and_back() {
    let home = Home::new();
    let (there, back) = (make::<Spsc>(home.ring()), make::<Spsc>(home.named("back")));
    let mut tx = there.sender_with(WaitStrategy::Park).expect("attach");
    let mut rx = back.receiver_with(WaitStrategy::Park).expect("attach");
    let child = home.spawn("plain receiver", &[]);
    for number in 0..1000 {
        tx.send(number).expect("a receiver");
        assert_eq!(rx.recv(), Ok(number));
    }
    drop(tx);
    there.close().expect("close the ring");
    child.finish();
}

#[test]
fn what_a_killed_receiver_held_is_redelivered() {
    let home = Home::new();
    let ring = make::<Mpmc>(home.ring());
    let mut tx = ring.sender().expect("attach");
    for number in 0..3 {
        tx.send(number).expect("room");
    }
    home.spawn("holder", &[]).dies();
    let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
    let mut rest = [rx.recv(), rx.recv()].map(|it| it.expect("a message"));
    rest.sort_unstable();
    assert_eq!(rest, [1, 2]);
}

/// The locks of a process end when any descriptor of the file is closed in it: there is
/// only one, however often a ring is opened.
#[test]
fn handles_of_one_ring_in_one_process_do_not_take_each_others_locks() {
    let home = Home::new();
    let ring = make::<Spsc>(home.ring());
    let other = Ring::<u64, Spsc>::open(home.ring()).expect("open the ring");
    let mut rx = other.receiver_with(WaitStrategy::Park).expect("attach");
    assert!(ring.receiver().is_err(), "there is one already");
    drop(Ring::<u64, Spsc>::open(home.ring()).expect("open the ring"));
    drop(memring::inspect(home.ring()).expect("look at the ring"));
    drop(memring::list());
    drop(ring);
    // Another process still sees the receiver alive: it would end here otherwise.
    let child = home.spawn("plain sender", &[("killed", &false)]);
    for number in 0..MESSAGES {
        assert_eq!(rx.recv(), Ok(number));
    }
    child.finish();
}
