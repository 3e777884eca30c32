//! What a batch does with a message whose length cannot be.

use crate::ring::kind::Kind;
use crate::{Failure, Mpsc, RecvError, Ring, Spsc};

/// The second of two messages has a length that no sender wrote.
fn one_good_message<K: Kind>() -> Ring<[u8], K> {
    let ring = Ring::<[u8], K>::builder().message_limit(8);
    let ring = ring.anonymous().expect("make a ring");
    let mut tx = ring.sender().expect("attach");
    tx.send(b"good").expect("send");
    tx.send(b"bad").expect("send");
    tx.view.payload(1).set_length(usize::MAX);
    ring
}

fn what_is_refused_is_not_acknowledged<K: Kind>() {
    let ring = one_good_message::<K>();
    let mut rx = ring.receiver().expect("attach");
    let mut messages = Vec::new();
    assert_eq!(rx.recv_batch(&mut messages, 8), Ok(1));
    assert_eq!(messages, [b"good"]);
    assert_eq!(ring.stats().received, 1);
    let refused = rx.recv();
    assert!(matches!(
        refused,
        Err(RecvError::Failed(Failure::Corrupted(_)))
    ));

    let ring = one_good_message::<K>();
    let mut rx = ring.receiver().expect("attach");
    let leases = rx.lease_batch(8).expect("the first one");
    assert_eq!(leases.len(), 1);
    leases.release();
    assert_eq!(ring.stats().received, 1);
}

#[test]
fn what_is_refused_is_not_acknowledged_by_one_receiver() {
    what_is_refused_is_not_acknowledged::<Spsc>();
    what_is_refused_is_not_acknowledged::<Mpsc>();
}
