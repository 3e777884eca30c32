//! Guards roll back: only a release acknowledges a lease.

use std::panic::{AssertUnwindSafe, catch_unwind};

use memring::{Kind, OnDeath, Receiver, Ring, Sender, TryRecvError};
use memring_testkit::for_each_kind;

type Ends<K> = (Ring<u64, K>, Sender<u64, K>, Receiver<u64, K>);

fn ends<K: Kind>() -> Ends<K> {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let ends = (ring.sender().unwrap(), ring.receiver().unwrap());
    (ring, ends.0, ends.1)
}

/// What is there, with redeliveries; acknowledged.
fn take_all<K: Kind>(rx: &mut Receiver<u64, K>) -> Vec<(u64, u8)> {
    let mut got = Vec::new();
    while let Ok(leased) = rx.try_lease_batch(9) {
        got.extend(leased.iter().map(|m| (m.read(), m.redeliveries())));
        leased.release();
    }
    got.sort_unstable();
    got
}

fn a_failure_gives_the_message_back<K: Kind>() {
    let (ring, mut tx, mut rx) = ends::<K>();
    tx.send(7).unwrap();
    let mut attempt = |text: &str| -> Result<u64, Box<dyn std::error::Error>> {
        let lease = rx.lease()?;
        let factor: u64 = text.parse()?;
        let product = factor * lease.read();
        lease.release();
        Ok(product)
    };
    assert!(attempt("six").is_err());
    assert!(attempt("").is_err());
    assert_eq!(attempt("6").unwrap(), 42);
    let stats = ring.stats();
    assert_eq!((stats.lost, stats.redelivered, stats.len), (0, 2, 0));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    // Whatever is there has room again.
    tx.try_send_slice(&[1, 2, 3, 4]).unwrap();
}

/// The first was released, the second panics, the third was never looked at.
fn a_panic_in_a_batch_loses_nothing<K: Kind>() {
    let (ring, mut tx, mut rx) = ends::<K>();
    tx.send_slice(&[300, 301, 302]).unwrap();
    let work = |number: u64| assert_ne!(number, 301, "cannot do it");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut batch = rx.lease_batch(3).unwrap();
        while let Some(message) = batch.get(0) {
            work(message.read());
            batch.release_first(1);
        }
    }));
    assert!(ended.is_err());
    let stats = ring.stats();
    assert_eq!((stats.lost, stats.redelivered), (0, 2));
    assert_eq!((stats.len, ring.len(), ring.is_empty()), (2, 2, false));
    assert!(!rx.is_empty());
    assert_eq!(take_all(&mut rx), [(301, 1), (302, 1)]);
    assert_eq!((ring.len(), ring.stats().lost), (0, 0));
}

/// Several at a time, all, more than there are, none.
fn a_prefix_is_released<K: Kind>() {
    let (ring, mut tx, mut rx) = ends::<K>();
    for round in 0..3 {
        tx.send_slice(&[1, 2, 3, 4]).unwrap();
        let mut batch = rx.lease_batch(4).unwrap();
        batch.release_first(0);
        assert_eq!(batch.len(), 4);
        batch.release_first(2);
        let left = batch.iter().map(|message| message.read());
        assert_eq!(left.collect::<Vec<_>>(), [3, 4]);
        assert!(batch.get(2).is_none() && !batch.is_empty());
        // Two slots are free, and no more.
        let error = tx.try_send_slice(&[5, 6, 7]).unwrap_err();
        assert_eq!(error.sent, 2);
        batch.release_first(1);
        match round {
            0 => batch.release(),
            1 => {
                batch.release_first(9);
                assert!(batch.is_empty() && batch.get(0).is_none());
                drop(batch);
            }
            _ => std::mem::forget(batch),
        }
        let expected: &[_] = match round {
            2 => &[(4, 1), (5, 0), (6, 0)],
            _ => &[(5, 0), (6, 0)],
        };
        assert_eq!(take_all(&mut rx), expected, "round {round}");
    }
    let stats = ring.stats();
    assert_eq!((stats.lost, stats.redelivered, stats.len), (0, 1, 0));
}

/// As often as the ring allows; and whatever becomes of what the dead held.
fn what_is_dropped_counts_as_delivered<K: Kind>() {
    let ring = Ring::<u64, K>::builder()
        .capacity(2)
        .max_deliveries(3)
        .on_receiver_death(OnDeath::Discard);
    let ring = ring.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(1).unwrap();
    for attempt in 0..3 {
        assert_eq!(rx.try_lease().unwrap().redeliveries(), attempt);
    }
    assert!(rx.try_lease().is_err());
    let stats = ring.stats();
    assert_eq!((stats.lost, stats.redelivered, stats.len), (1, 2, 0));
}

/// Two that were leased and given back are there, by every way to ask.
fn lengths_count_what_was_given_back<K: Kind>() {
    let (ring, mut tx, mut rx) = ends::<K>();
    tx.send_slice(&[1, 2]).unwrap();
    drop(rx.lease_batch(2).unwrap());
    assert_eq!((ring.len(), ring.stats().len, rx.len()), (2, 2, 2));
    assert!(!ring.is_empty() && !tx.is_empty() && !rx.is_empty());
    // With others ahead of them.
    tx.send(3).unwrap();
    assert_eq!(ring.len(), 3);
    assert_eq!(take_all(&mut rx), [(1, 1), (2, 1), (3, 0)]);
    assert!(ring.is_empty() && rx.is_empty());
}

for_each_kind!(
    a_failure_gives_the_message_back,
    a_panic_in_a_batch_loses_nothing,
    a_prefix_is_released,
    what_is_dropped_counts_as_delivered,
    lengths_count_what_was_given_back,
);
