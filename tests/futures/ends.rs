//! How futures end without a message: as the calls that block.

use std::task::Poll;

use memring::{Kind, RecvError, Ring, SendError};
use memring_testkit::for_each_kind;
use memring_testkit::homes::Home;

use super::executors::{Wakes, raise_cap};

fn closed<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    let mut received = rx.recv_async();
    assert!(wakes.poll(&mut received).is_pending());
    ring.close().unwrap();
    assert_eq!(wakes.finish(&mut received), Err(RecvError::Closed));
    drop(received);
    let sent = wakes.poll(&mut tx.send_async(7));
    assert_eq!(sent, Poll::Ready(Err(SendError::Closed(7))));
    let ready = wakes.poll(&mut rx.ready_async());
    assert_eq!(ready, Poll::Ready(Err(RecvError::Closed)));
}

fn closed_when_full<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    tx.send_slice(&[0, 1]).unwrap();
    let mut sent = tx.send_async(2);
    assert!(wakes.poll(&mut sent).is_pending());
    ring.close().unwrap();
    assert_eq!(wakes.finish(&mut sent), Err(SendError::Closed(2)));
    for number in 0..2 {
        assert_eq!(wakes.finish(&mut rx.recv_async()), Ok(number));
    }
    assert_eq!(wakes.finish(&mut rx.recv_async()), Err(RecvError::Closed));
}

fn disconnected<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    let mut received = rx.recv_async();
    assert!(wakes.poll(&mut received).is_pending());
    drop(tx);
    assert_eq!(wakes.finish(&mut received), Err(RecvError::Disconnected));
    drop(received);
    let mut tx = ring.sender().unwrap();
    tx.send_slice(&[0, 1]).unwrap();
    let mut reserved = tx.reserve_async();
    assert!(wakes.poll(&mut reserved).is_pending());
    drop(rx);
    let reserved = wakes.finish(&mut reserved).map(drop);
    assert_eq!(reserved, Err(SendError::Disconnected(())));
}

fn removed<K: Kind>() {
    raise_cap();
    let home = Home::new();
    let ring = Ring::<u64, K>::create(home.ring(), 2).unwrap();
    let (_tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    let mut received = rx.recv_async();
    assert!(wakes.poll(&mut received).is_pending());
    memring::remove(home.ring()).unwrap();
    assert_eq!(wakes.finish(&mut received), Err(RecvError::Removed));
}

fn cancelled<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let (canceller, wakes) = (rx.canceller(), Wakes::new());
    let mut received = rx.recv_async();
    assert!(wakes.poll(&mut received).is_pending());
    canceller.cancel();
    assert_eq!(wakes.finish(&mut received), Err(RecvError::Cancelled));
    drop(received);
    tx.try_send(3).unwrap();
    assert_eq!(wakes.poll(&mut rx.recv_async()), Poll::Ready(Ok(3)));
}

for_each_kind! {
    closed,
    closed_when_full,
    disconnected,
    removed,
    cancelled,
}
