//! What handles, endpoints and guards tell of themselves, and of each other.

use std::time::Duration;

use memring::{Kind, Mpmc, Ring, Spsc, WaitForPeerError};
use memring_testkit::for_each_kind;
use memring_testkit::homes::directory;
use memring_testkit::text::says;
use memring_testkit::time::LONG;

fn endpoints_tell_what_their_ring_tells<K: Kind>() {
    let ring = Ring::<u64, K>::builder().capacity(8).anonymous().unwrap();
    let (mut tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!((ring.capacity(), tx.capacity(), rx.capacity()), (8, 8, 8));
    assert!(ring.is_empty() && tx.is_empty() && rx.is_empty());
    assert!(!ring.is_closed() && !tx.is_closed() && !rx.is_closed());
    tx.send(1).unwrap();
    assert!(!ring.is_empty() && !tx.is_empty() && !rx.is_empty());
    assert_eq!((ring.len(), tx.len(), rx.len()), (1, 1, 1));
    rx.close().unwrap();
    assert!(ring.is_closed() && tx.is_closed() && rx.is_closed());
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    ring.sender().unwrap().close().unwrap();
    assert!(ring.is_closed());
}

fn a_sender_tells_whether_its_receivers_have_gone<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let mut tx = ring.sender().unwrap();
    let timeout = Err(WaitForPeerError::Timeout);
    assert!(!tx.is_disconnected(), "it has seen nobody");
    assert_eq!(tx.wait_for_peer(Duration::from_millis(1)), timeout);
    let rx = ring.receiver().unwrap();
    assert!(!tx.is_disconnected());
    assert_eq!(tx.wait_for_peer(LONG), Ok(()));
    drop(rx);
    assert!(tx.is_disconnected());
    assert_eq!(tx.wait_for_peer(Duration::from_millis(1)), timeout);
    let _rx = ring.receiver().unwrap();
    assert!(!tx.is_disconnected());
}

/// The copy of a leased message knows as much of it as the lease.
fn a_snapshot_tells_how_often_it_was_given_back<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(5).unwrap();
    for times in 0..3 {
        let snapshot = rx.lease().unwrap().snapshot();
        assert_eq!((*snapshot, snapshot.redeliveries()), (5, times));
        assert_eq!(snapshot.is_redelivered(), times > 0);
        snapshot.requeue();
    }
    assert_eq!(rx.lease().unwrap().snapshot().release(), 5);
    assert!(rx.is_empty());
}

/// Nothing in it is a message: it may be no `Debug`, and others may change it.
fn guards_and_iterators_are_shown_by_name<K: Kind>() {
    let ring = Ring::<[u8], K>::builder().message_limit(8);
    let ring = ring.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for _ in 0..2 {
        tx.send(b"bytes").unwrap();
    }
    let begins = |text: String, name: &str| assert!(text.starts_with(name), "{text}");
    begins(format!("{:?}", tx.reserve().unwrap()), "Grant");
    begins(format!("{tx:?}"), "Sender");
    begins(format!("{rx:?}"), "Receiver");
    let lease = rx.lease().unwrap();
    begins(format!("{lease:?}"), "Lease");
    begins(format!("{:?}", lease.reader()), "LeaseReader");
    begins(format!("{:?}", lease.snapshot()), "LeaseSnapshot");
    let batch = rx.lease_batch(2).unwrap();
    begins(format!("{batch:?}"), "LeaseBatch");
    begins(format!("{:?}", batch.get(0).unwrap()), "LeasedMessage");
    drop(batch);
    begins(format!("{:?}", rx.iter()), "Iter");
    begins(format!("{:?}", rx.try_iter()), "TryIter");
    begins(format!("{:?}", rx.into_iter()), "IntoIter");
}

for_each_kind!(
    endpoints_tell_what_their_ring_tells,
    a_sender_tells_whether_its_receivers_have_gone,
    a_snapshot_tells_how_often_it_was_given_back,
    guards_and_iterators_are_shown_by_name,
);

#[test]
fn a_named_ring_tells_where_it_is_and_when_it_is_not_any_more() {
    let directory = directory();
    let path = directory.path().join("ring");
    let name = path.to_str().unwrap();
    let ring = Ring::<u64, Spsc>::create(name, 2).unwrap();
    assert_eq!(ring.path(), Some(path.as_path()));
    assert!(!ring.is_removed());
    memring::remove(name).unwrap();
    assert!(ring.is_removed() && ring.is_closed());
    let anonymous = Ring::<u64, Mpmc>::anonymous(2).unwrap();
    assert!(anonymous.path().is_none() && !anonymous.is_removed());
}

/// What was asked for and is not what is there is told, both figures with it.
#[test]
fn a_ring_that_is_there_has_what_was_asked_for() {
    let directory = directory();
    let path = directory.path().join("ring");
    let bytes = || Ring::<[u8], Spsc>::builder();
    let made = bytes().capacity(8).message_limit(24).create(&path).unwrap();
    let opened = bytes().capacity(8).message_limit(24).open_or_create(&path);
    assert!(opened.unwrap().same_channel(&made));
    assert!(bytes().open_or_create(&path).unwrap().same_channel(&made));
    let error = bytes().capacity(16).open_or_create(&path).unwrap_err();
    says(&error, &["a ring of capacity", "16", "8"]);
    let error = bytes().message_limit(25).open_or_create(&path).unwrap_err();
    says(&error, &["a ring with the message limit", "25", "24"]);
}
