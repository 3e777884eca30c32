//! Peers in other processes, that are killed and stopped while futures wait.

use std::task::Poll;

use memring::{Kind, Mpmc, Mpsc, RecvError, Ring, SendError, Spmc, Spsc};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child};
use memring_testkit::for_each_kind;
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::homes::{Home, RING};

use super::executors::{Wakes, block_on, raise_cap};

/// Words of the board: that it is there; that it may go.
const READY: usize = 0;
const GO: usize = 1;

/// Attaches; sends a message when told, if it is.
pub fn sender<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut tx = ring.sender().expect("attach");
    board.set(READY, 1);
    board.wait(GO, 1);
    tx.send(7).expect("send");
    board.wait_to_be_killed();
}

/// Waits for a message by a future, with a raised cap, and says that it got it.
pub fn receiver<K: Kind>(args: &Args) {
    let board = args.board("board");
    if args.get::<String>("cap") == "raised" {
        raise_cap();
    }
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut rx = ring.receiver().expect("attach");
    let wakes = Wakes::new();
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    board.set(READY, 1);
    wakes.wait();
    let Poll::Ready(received) = wakes.poll(&mut future) else {
        panic!("woken for nothing");
    };
    assert_eq!(received, Ok(7));
    board.set(READY, 2);
    board.wait_to_be_killed();
}

/// Offers a message on a rendezvous ring, by a future.
pub fn offerer<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut tx = ring.sender().expect("attach");
    let wakes = Wakes::new();
    let mut future = tx.send_async(7);
    assert!(wakes.poll(&mut future).is_pending());
    board.set(READY, 1);
    board.wait_to_be_killed();
}

fn with_peer<K: Kind>(role: &str, cap: &str) -> (Home, Board, Ring<u64, K>, Child) {
    with_peer_of(2, role, cap)
}

fn with_peer_of<K: Kind>(
    capacity: usize,
    role: &str,
    cap: &str,
) -> (Home, Board, Ring<u64, K>, Child) {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = Ring::<u64, K>::create(home.ring(), capacity).expect("make a ring");
    let child = home.spawn(role, &[("kind", &K::KIND), ("cap", &cap)]);
    board.wait(READY, 1);
    (home, board, ring, child)
}

/// Not by a wake-up: nobody is left to send one. So the caps are as usual here.
fn a_killed_sender<K: Kind>() {
    let (_home, _board, ring, child) = with_peer::<K>("async sender", "");
    let (mut rx, wakes) = (ring.receiver().unwrap(), Wakes::new());
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    child.kill();
    assert_eq!(wakes.finish(&mut future), Err(RecvError::Disconnected));
}

fn a_killed_receiver<K: Kind>() {
    let (_home, _board, ring, child) = with_peer::<K>("async receiver", "");
    child.stop(); // it takes nothing
    let (mut tx, wakes) = (ring.sender().unwrap(), Wakes::new());
    while tx.try_send(1).is_ok() {}
    let mut future = tx.send_async(2);
    assert!(wakes.poll(&mut future).is_pending());
    child.kill();
    let ended = wakes.finish(&mut future);
    assert_eq!(ended, Err(SendError::Disconnected(2)));
}

fn across_processes<K: Kind>() {
    let (_home, board, ring, child) = with_peer::<K>("async receiver", "raised");
    let mut tx = ring.sender().unwrap();
    tx.try_send(7).unwrap();
    board.wait(READY, 2);
    child.kill();
}

fn a_killed_future_is_awaited_no_more<K: Kind>() {
    let (_home, _board, ring, child) = with_peer_of::<K>(0, "async receiver", "");
    let mut tx = ring.sender().unwrap();
    child.stop();
    // It waits, though it is stopped.
    assert_eq!(tx.try_send(7), Ok(()));
    assert!(tx.try_send(8).is_err());
    child.kill();
    assert_ne!(tx.try_send(9), Ok(()));
    // What was left to it is for the next receiver.
    let mut rx = ring.receiver().unwrap();
    assert_eq!(block_on(rx.recv_async()), Ok(7));
    assert!(rx.try_recv().is_err());
}

fn the_offer_of_a_killed_future_is_gone<K: Kind>() {
    let (_home, _board, ring, child) = with_peer_of::<K>(0, "async offerer", "");
    let mut rx = ring.receiver().unwrap();
    assert_eq!(rx.slots(), 1);
    child.kill();
    // A sender that takes the place recovers what was offered.
    let _tx = ring.sender().unwrap();
    assert_eq!(rx.slots(), 0);
    assert!(rx.try_recv().is_err());
}

for_each_kind! {
    across_processes,
    a_killed_future_is_awaited_no_more,
    the_offer_of_a_killed_future_is_gone,
}

#[test]
fn a_killed_sender_ends_the_wait() {
    if ran_in_own_process() {
        return;
    }
    a_killed_sender::<Spsc>();
    a_killed_sender::<Mpsc>();
    a_killed_sender::<Spmc>();
    a_killed_sender::<Mpmc>();
}

#[test]
fn a_killed_receiver_ends_the_wait() {
    if ran_in_own_process() {
        return;
    }
    a_killed_receiver::<Spsc>();
    a_killed_receiver::<Mpsc>();
    a_killed_receiver::<Spmc>();
    a_killed_receiver::<Mpmc>();
}

/// The process whose thread has the wake-up is stopped: another receiver, of this process,
/// finds the message all the same.
#[test]
fn a_stopped_process_robs_nothing() {
    if ran_in_own_process() {
        return;
    }
    let (_home, _board, ring, child) = with_peer::<Mpmc>("async receiver", "");
    child.stop();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for number in 0..3 {
        let mut future = rx.recv_async();
        assert!(wakes.poll(&mut future).is_pending());
        tx.try_send(number).unwrap();
        assert_eq!(wakes.finish(&mut future), Ok(number));
    }
    // And what the stopped one waits for, it gets.
    child.resume();
    child.kill();
}

/// Each message is there once, whatever process is killed with a future that waits.
#[test]
fn a_killed_waiter_takes_nothing_along() {
    let (_home, _board, ring, child) = with_peer::<Mpmc>("async receiver", "");
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    child.kill();
    tx.try_send(3).unwrap();
    assert_eq!(block_on(rx.recv_async()), Ok(3));
}
