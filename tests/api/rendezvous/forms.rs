//! Messages of all forms, batches, and what has no meaning at a rendezvous.

use std::thread;

use memring::{
    Failure, Kind, Layout, Mpsc, OnDeath, OneReceiver, RecvError, Ring, RingError, SendError, Spmc,
    Spsc, TryRecvError, TrySendError,
};
use memring_testkit::for_each_kind;
use memring_testkit::homes::Home;
use memring_testkit::time::in_time;

use super::{SHORT, rendezvous};

fn messages_of_all_forms<K: Kind>() {
    in_time(|| {
        let bytes = Ring::<[u8], K>::builder().rendezvous().message_limit(100);
        let bytes = bytes.start_position(u64::MAX - 2).anonymous().unwrap();
        let (mut tx, mut rx) = (bytes.sender().unwrap(), bytes.receiver().unwrap());
        for length in [0, 1, 8, 57, 100] {
            let message = vec![7; length];
            thread::scope(|scope| {
                let sent = scope.spawn(|| tx.send(&message));
                assert_eq!(rx.recv().as_deref(), Ok(&message[..]));
                assert_eq!(sent.join().unwrap(), Ok(()));
            });
        }
        let too_long = Failure::TooLong {
            length: 101,
            limit: 100,
        };
        assert_eq!(tx.send(&[0; 101]), Err(SendError::Failed((), too_long)));
        let large = Ring::<[[u64; 1024]; 16], K>::builder().rendezvous();
        let large = large.anonymous().unwrap();
        let (mut tx, mut rx) = (large.sender().unwrap(), large.receiver().unwrap());
        let message = Box::new([[3; 1024]; 16]);
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send_ref(&message));
            let mut received = Box::new([[0; 1024]; 16]);
            rx.recv_into(&mut received).unwrap();
            assert_eq!(received, message);
            assert_eq!(sent.join().unwrap(), Ok(()));
        });
        // Messages without bytes.
        let empty = Ring::<[u64; 0], K>::builder().rendezvous();
        let empty = empty.anonymous().unwrap();
        let (mut tx, mut rx) = (empty.sender().unwrap(), empty.receiver().unwrap());
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send_slice(&[[], []]).unwrap());
            assert_eq!((rx.recv(), rx.recv()), (Ok([]), Ok([])));
            assert_eq!(sent.join().unwrap(), 2);
        });
    });
}

for_each_kind!(messages_of_all_forms);

/// Batches are sent one by one.
fn batches<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        assert_eq!(tx.try_send_slice(&[1]).unwrap_err().sent, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(tx.send_batch(0..5).unwrap(), 5);
                assert_eq!(tx.send_slice(&[5, 6, 7]).unwrap(), 3);
                let late = tx.send_batch_timeout([8, 9], SHORT).unwrap_err();
                assert_eq!((late.sent, late.cause.into_message()), (0, 8));
            });
            for number in 0..8 {
                assert_eq!(rx.recv(), Ok(number));
            }
        });
    });
}

for_each_kind!(batches);

fn what_has_no_meaning_is_refused<K: Kind>() {
    let ring = rendezvous::<K>();
    let mut tx = ring.sender().unwrap();
    let refused = Failure::NotForRendezvous;
    let reserved = tx.try_reserve().map(drop);
    assert_eq!(reserved, Err(TrySendError::Failed((), refused)));
    assert_eq!(tx.reserve().map(drop), Err(SendError::Failed((), refused)));
    let chunk = tx.try_reserve_chunk(2).map(drop);
    assert_eq!(chunk, Err(TrySendError::Failed((), refused)));
}

for_each_kind!(what_has_no_meaning_is_refused);

fn looking_is_refused<K: OneReceiver>() {
    let ring = rendezvous::<K>();
    let mut rx = ring.receiver().unwrap();
    let refused = Failure::NotForRendezvous;
    assert_eq!(rx.try_peek(), Err(TryRecvError::Failed(refused)));
    assert_eq!(rx.peek(), Err(RecvError::Failed(refused)));
}

for_each_kind!([spsc mpsc] looking_is_refused);

/// A ring of the one sort is not taken for the other.
fn opening_tells_them_apart<K: Kind>() {
    let home = Home::new();
    let (held, handed) = (home.named("held"), home.named("handed"));
    let ring = Ring::<u64, K>::create(&held, 4).unwrap();
    let refused = Ring::<u64, K>::builder().rendezvous().open(&held);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("rendezvous") && text.contains('4'), "{text}");
    let refused = Ring::<u64, K>::open_or_create(&held, 0);
    assert!(refused.is_err());
    drop(ring);
    let ring = Ring::<u64, K>::create(&handed, 0).unwrap();
    let refused = Ring::<u64, K>::open_or_create(&handed, 4);
    assert!(
        matches!(refused, Err(RingError::Mismatch { .. })),
        "{refused:?}"
    );
    let builder = || Ring::<u64, K>::builder().rendezvous();
    for again in [
        Ring::<u64, K>::open(&handed),
        builder().open(&handed),
        builder().open_or_create(&handed),
        builder().layout(Layout::Lines).open_or_create(&handed),
    ] {
        let again = again.unwrap();
        assert!(again.same_channel(&ring));
        assert_eq!(again.capacity(), 0);
    }
    let found = memring::inspect(&handed).unwrap();
    assert_eq!((found.capacity, found.layout), (0, None));
    assert!(found.is_rendezvous() && !memring::inspect(&held).unwrap().is_rendezvous());
    // A closed one is replaced, as any ring is.
    ring.close().unwrap();
    let fresh = Ring::<u64, K>::open_or_create(&handed, 0).unwrap();
    assert!(!fresh.is_closed());
}

for_each_kind!(opening_tells_them_apart);

/// A message that was given back as often as may be is dropped, which ends its hand-over.
fn a_message_that_nobody_wants<K: Kind>() {
    in_time(|| {
        let builder = Ring::<u64, K>::builder().rendezvous().max_deliveries(2);
        let ring = builder.on_receiver_death(OnDeath::Discard).anonymous();
        let ring = ring.unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send(7));
            drop(rx.lease().unwrap());
            drop(rx.lease().unwrap());
            assert_eq!(sent.join().unwrap(), Ok(()));
        });
        assert_eq!((ring.stats().redelivered, ring.stats().lost), (1, 1));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    });
}

for_each_kind!(a_message_that_nobody_wants);

#[test]
fn clones_meet_as_well() {
    in_time(|| {
        let ring = rendezvous::<Mpsc>();
        let (tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let clones: Vec<_> = (0..8).map(|_| tx.clone()).collect();
        thread::scope(|scope| {
            for (mut tx, number) in clones.into_iter().zip(0..) {
                scope.spawn(move || tx.send(number).unwrap());
            }
            let mut got: Vec<u64> = (0..8).map(|_| rx.recv().unwrap()).collect();
            got.sort();
            assert!(got.into_iter().eq(0..8));
        });
        let ring = rendezvous::<Spmc>();
        let (mut tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        thread::scope(|scope| {
            let clones = (0..8).map(|_| rx.clone());
            let clones: Vec<_> = clones
                .map(|mut rx| scope.spawn(move || rx.recv().unwrap()))
                .collect();
            for number in 0..8 {
                while tx.try_send(number).is_err() {}
            }
            let mut got: Vec<u64> = clones.into_iter().map(|rx| rx.join().unwrap()).collect();
            got.sort();
            assert!(got.into_iter().eq(0..8));
        });
        let _ = Ring::<u64, Spsc>::anonymous(0).unwrap();
    });
}
