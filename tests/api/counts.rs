//! Looks that change nothing: how much is there, how much room, which message is next.

use std::time::Duration;

use memring::{Kind, Mpmc, Mpsc, OneReceiver, RecvError, Ring, Spmc, Spsc, TryRecvError};
use memring_testkit::for_each_kind;
use memring_testkit::homes::directory;

fn counts_are_exact_while_nobody_else_is_at_work<K: Kind>() {
    const CAPACITY: usize = 8;
    for start in [0, u64::MAX - 3, 1 << 40] {
        let builder = Ring::<u64, K>::builder().capacity(CAPACITY);
        let ring = builder.start_position(start).anonymous().unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for lap in 0..3 {
            for there in 0..=CAPACITY {
                let free = CAPACITY - there;
                assert_eq!((tx.free(), rx.slots()), (free, there), "lap {lap}");
                assert_eq!(
                    (tx.is_full(), rx.is_full(), ring.is_full()),
                    (free == 0, free == 0, free == 0)
                );
                assert_eq!(tx.try_send(there as u64).is_ok(), free > 0);
            }
            for there in (0..=CAPACITY).rev() {
                let free = CAPACITY - there;
                assert_eq!((tx.free(), rx.slots()), (free, there), "lap {lap}");
                assert_eq!(rx.try_recv().is_ok(), there > 0);
            }
            // The laps begin at other slots.
            tx.send(0).unwrap();
            rx.recv().unwrap();
        }
    }
}

fn what_is_given_back_counts<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send_batch(0..4).unwrap();
    rx.lease_batch(2).unwrap().requeue();
    assert_eq!((rx.slots(), tx.free()), (4, 0));
    let mut got = Vec::new();
    assert_eq!(rx.try_recv_batch(&mut got, 9), Ok(4));
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3]);
    assert_eq!((rx.slots(), tx.free()), (0, 4));
    // As seen by one that has not looked yet.
    tx.send_batch(0..4).unwrap();
    rx.lease_batch(3).unwrap().requeue();
    drop(rx);
    assert_eq!(ring.receiver().unwrap().slots(), 4);
}

fn abandoned_positions_do_not_count<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(1).unwrap();
    drop(tx.reserve().unwrap());
    tx.send(2).unwrap();
    assert_eq!(rx.slots(), 2);
    assert_eq!((rx.recv(), rx.recv()), (Ok(1), Ok(2)));
    assert_eq!((rx.slots(), tx.free()), (0, 4));
}

for_each_kind!(
    counts_are_exact_while_nobody_else_is_at_work,
    what_is_given_back_counts,
    abandoned_positions_do_not_count,
);

/// What lies behind an unfinished send is not there to be taken, and what lies behind a
/// lease is no room.
fn held_slots_bound_the_counts<K: Kind>(many_receivers: bool) {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let mut rx = ring.receiver().unwrap();
    let (mut tx, mut other) = (ring.sender().unwrap(), ring.sender().unwrap());
    tx.send(0).unwrap();
    let grant = tx.reserve().unwrap();
    other.send(2).unwrap();
    assert_eq!((rx.slots(), other.free()), (1, 5));
    drop(grant);
    assert_eq!(rx.slots(), 2);
    for number in 3..8 {
        other.send(number).unwrap();
    }
    assert_eq!((rx.slots(), other.free()), (7, 0));
    if many_receivers {
        let mut second = ring.receiver().unwrap();
        let lease = rx.lease().unwrap();
        assert_eq!((second.recv(), second.slots()), (Ok(2), 5));
        assert_eq!(other.free(), 0, "behind the lease");
        lease.release();
        assert_eq!(other.free(), 3); // that slot, the abandoned one, and the second's
    }
}

#[test]
fn held_slots_bound_the_counts_of_many_senders() {
    held_slots_bound_the_counts::<Mpsc>(false);
    held_slots_bound_the_counts::<Mpmc>(true);
}

fn a_peek_takes_nothing<K: OneReceiver>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(rx.try_peek(), Err(TryRecvError::Empty));
    assert!(
        rx.peek_timeout(Duration::from_millis(1))
            .unwrap_err()
            .is_timeout()
    );
    for lap in 0..9 {
        drop(tx.reserve().unwrap());
        tx.send(lap).unwrap();
        let stats = ring.stats();
        for _ in 0..3 {
            assert_eq!((rx.try_peek(), rx.peek()), (Ok(lap), Ok(lap)));
        }
        assert_eq!(ring.stats(), stats);
        assert_eq!(rx.slots(), 1);
        let lease = rx.lease().unwrap();
        assert_eq!((lease.read(), lease.redeliveries()), (lap, 0));
        lease.release();
        assert_eq!(rx.try_peek(), Err(TryRecvError::Empty));
    }
    // What was given back is next, and marked.
    tx.send_batch([1, 2]).unwrap();
    rx.lease().unwrap().requeue();
    assert_eq!(rx.peek(), Ok(1));
    assert!(rx.lease().unwrap().is_redelivered());
    // A successor finds what was looked at.
    drop(rx);
    let mut rx = ring.receiver().unwrap();
    let next = rx.peek().unwrap();
    drop(rx);
    let mut rx = ring.receiver().unwrap();
    assert_eq!(rx.recv(), Ok(next));
    ring.close().unwrap();
    while rx.try_recv().is_ok() {}
    assert_eq!(rx.peek(), Err(RecvError::Closed));
}

#[test]
fn a_peek_of_the_one_receiver_takes_nothing() {
    a_peek_takes_nothing::<Spsc>();
    a_peek_takes_nothing::<Mpsc>();
}

#[test]
fn a_peek_at_bytes() {
    let ring = Ring::<[u8], Spsc>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(b"next").unwrap();
    assert_eq!(rx.peek().unwrap(), b"next");
    assert_eq!(rx.recv().unwrap(), b"next");
}

#[test]
fn figures_are_written_by_serde() {
    let ring = Ring::<u64, Mpsc>::anonymous(2).unwrap();
    let (mut tx, other) = (ring.sender().unwrap(), ring.sender().unwrap());
    let grant = tx.reserve().unwrap();
    let pid = std::process::id();
    let peer = |id| serde_json::json!({ "id": id, "pid": pid, "alive": true });
    let found = serde_json::to_value(ring.stats()).unwrap();
    let expected = serde_json::json!({
        "len": 1,
        "capacity": 2,
        "sent": 1,
        "received": 0,
        "lost": 0,
        "redelivered": 0,
        "closed": false,
        "senders": [peer(1), peer(2)],
        "receivers": [],
        "senders_blocked_by": null,
        "receivers_blocked_by": { "side": "sender", "id": 1, "pid": pid, "position": 0 },
    });
    assert_eq!(found, expected);
    drop((grant, other));
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn the_same_ring_is_the_same_channel() {
    let place = directory();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let ring = Ring::<u64, Spmc>::create(path("ring"), 4).unwrap();
    let by_name = Ring::<u64, Spmc>::open(path("ring")).unwrap();
    let by_fd = Ring::<u64, Spmc>::from_fd(ring.share_fd().unwrap()).unwrap();
    for same in [&ring.clone(), &by_name, &by_fd] {
        assert!(ring.same_channel(same) && same.same_channel(&ring));
    }
    let other = Ring::<u64, Spmc>::create(path("other"), 4).unwrap();
    assert!(!ring.same_channel(&other));
    let (tx, other_tx) = (ring.sender().unwrap(), other.sender().unwrap());
    assert!(tx.same_channel(&tx) && !tx.same_channel(&other_tx));
    let (rx, other_rx) = (ring.receiver().unwrap(), other.receiver().unwrap());
    assert!(rx.same_channel(&by_name.receiver().unwrap()));
    assert!(!rx.same_channel(&other_rx));
    // Not by the name: another ring has it now.
    std::fs::rename(path("other"), path("ring")).unwrap();
    let replaced = Ring::<u64, Spmc>::open(path("ring")).unwrap();
    assert!(!ring.same_channel(&replaced) && other.same_channel(&replaced));
    let anonymous = || Ring::<u64, Spsc>::anonymous(4).unwrap();
    assert!(!anonymous().same_channel(&anonymous()));
}
