//! Rings without a name, handed to another process as a descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use memring::{Mpmc, RecvError, Ring};
use memring_testkit::children::{Args, Child};
use memring_testkit::homes::Home;
use memring_testkit::sockets::{pass, take};

type Pipe = Ring<u64, Mpmc>;

/// How many numbers the child is sent, and sends back doubled.
const NUMBERS: u64 = 50_000;

const SOCKET: &str = "socket";

/// Talks to the child over both rings, then sees it gone.
fn converse(there: &Pipe, back: &Pipe, child: Child) {
    let mut tx = there.sender().expect("attach a sender");
    let mut rx = back.receiver().expect("attach a receiver");
    for number in 0..NUMBERS {
        tx.send(number).expect("send to the child");
        if number % 2 == 1 {
            for expected in [number - 1, number] {
                assert_eq!(rx.recv().expect("an answer"), 2 * expected);
            }
        }
    }
    let peers = back.stats().senders;
    assert_eq!(peers.len(), 1);
    assert!(peers[0].alive && peers[0].pid == child.pid(), "{peers:?}");
    drop(tx);
    child.finish();
    assert!(rx.recv().is_err(), "the child has gone");
    assert!(back.stats().senders.is_empty());
}

/// The child's part: doubles what it gets until nobody is there any more.
fn answer(there: OwnedFd, back: OwnedFd) {
    let rings = [there.as_fd(), back.as_fd()].map(|fd| Pipe::from_fd(fd).expect("take a ring"));
    drop((there, back)); // the rings have descriptors of their own
    let [there, back] = rings;
    let mut rx = there.receiver().expect("attach a receiver");
    let mut tx = back.sender().expect("attach a sender");
    for number in rx.iter() {
        match number {
            Ok(number) => tx.send(2 * number).expect("answer"),
            Err(error) => return assert_eq!(error, RecvError::Disconnected),
        }
    }
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn a_ring_is_inherited_over_exec() {
    let home = Home::new();
    let ring = Pipe::anonymous(8).expect("make a ring");
    let given = ring.share_fd().expect("a descriptor").try_clone_to_owned();
    let child = home.spawn_holding("handed", &[], given.expect("a second one"));
    let mut tx = ring.sender().expect("attach a sender");
    for number in 0..NUMBERS {
        tx.send(number).expect("send to the child");
    }
    drop(tx);
    child.finish();
    // The child's death took its locks, and nobody else's.
    let stats = ring.stats();
    assert_eq!((stats.received, stats.receivers.len()), (NUMBERS, 0));
    let mut tx = ring.sender().expect("the ring goes on");

    // And so does its violent death.
    let given = ring.share_fd().expect("a descriptor").try_clone_to_owned();
    let child = home.spawn_holding("handed", &[], given.expect("a second one"));
    tx.send(0).expect("send to the child");
    while !ring.is_empty() {
        std::thread::yield_now();
    }
    assert!(ring.stats().receivers[0].alive);
    child.kill();
    let peers = ring.stats().receivers;
    assert!(peers.len() == 1 && !peers[0].alive, "{peers:?}");
    while tx.send(1).is_ok() {} // until it is full and nobody is there
}

/// Finds a ring in its standard input and counts what comes.
pub fn handed(_args: &Args) {
    let ring = Pipe::from_fd(std::io::stdin()).expect("take the ring");
    let mut rx = ring.receiver().expect("attach a receiver");
    let mut messages = rx.iter();
    assert!(
        messages
            .by_ref()
            .take(NUMBERS as usize)
            .eq((0..NUMBERS).map(Ok))
    );
    assert_eq!(messages.next(), Some(Err(RecvError::Disconnected)));
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn rings_pass_over_a_socket() {
    let home = Home::new();
    let listener = UnixListener::bind(home.path(SOCKET)).expect("listen");
    let child = home.spawn("asking", &[]);
    let (socket, _) = listener.accept().expect("the child calls");
    let there = Pipe::anonymous(4).expect("make a ring");
    let back = Pipe::anonymous(4).expect("make a ring");
    let fds = [&there, &back].map(|ring| ring.share_fd().expect("a descriptor"));
    pass(&socket, &fds);
    converse(&there, &back, child);
}

pub fn asking(args: &Args) {
    let socket = UnixStream::connect(args.path(SOCKET)).expect("call the parent");
    let [there, back] = take(&socket);
    answer(there, back);
}
