//! Batches are made of single sends: what an iterator does delays and loses nothing.

use std::sync::mpsc;
use std::thread;

use memring::{Kind, Ring, SendError, TrySendError};
use memring_testkit::for_each_kind;
use memring_testkit::time::in_time;

/// Each message is there when the iterator is asked for the next one, and a receiver that
/// sleeps is woken for it.
fn an_iterator_that_waits_delays_nothing<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let (go_on, word) = mpsc::channel::<u64>();
    let sends = thread::spawn(move || (tx.send_batch(word), tx));
    let mut rx = in_time(move || {
        for number in 0..3 {
            go_on.send(number).unwrap();
            assert_eq!(rx.recv(), Ok(number));
        }
        rx
    });
    let (sent, mut tx) = sends.join().unwrap();
    assert_eq!(sent.unwrap(), 3);
    // One ring's messages into another: those that are asked for are there.
    let other = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut from, mut through) = (other.sender().unwrap(), other.receiver().unwrap());
    let relays = thread::spawn(move || {
        let sent = tx.send_batch(&mut through.iter().map_while(Result::ok));
        sent.unwrap()
    });
    in_time(move || {
        for number in 0..3 {
            from.send(number).unwrap();
            assert_eq!(rx.recv(), Ok(number));
        }
        other.close().unwrap();
    });
    assert_eq!(relays.join().unwrap(), 3);
}

/// While the iterator waits, no operation is under way: the end is seen.
fn a_closed_ring_ends_while_the_iterator_waits<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut drawn = 0;
    let messages = std::iter::from_fn(|| {
        drawn += 1;
        if drawn == 3 {
            ring.close().unwrap();
            assert_eq!((rx.recv(), rx.recv()), (Ok(1), Ok(2)));
            assert_eq!(rx.recv(), Err(memring::RecvError::Closed));
        }
        Some(drawn)
    });
    let error = tx.send_batch(messages).unwrap_err();
    // Within one message.
    assert_eq!((error.sent, error.cause), (2, SendError::Closed(3)));
    assert_eq!(drawn, 3);
}

/// Of endless messages, from another thread.
fn closing_ends_a_batch_without_an_end<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let slices = K::KIND.has_many_receivers(); // one way or the other
    let sends = thread::spawn(move || {
        in_time(move || match slices {
            true => tx.send_slice(&vec![7; 1 << 20]).map_err(|error| error.sent),
            false => tx
                .send_batch(std::iter::repeat(7))
                .map_err(|error| error.sent),
        })
    });
    let received = in_time(move || {
        let mut count = 0;
        while rx.recv().is_ok() {
            count += 1;
            if count == 1000 {
                ring.close().unwrap();
            }
        }
        count
    });
    assert_eq!(sends.join().unwrap(), Err(received));
    assert!(received < 1000 + 1000 * 8, "{received}");
}

fn slices_go_in_runs<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(tx.send_slice(&[]).unwrap(), 0);
    assert_eq!(tx.try_send_slice(&[1, 2, 3]).unwrap(), 3);
    let error = tx.try_send_slice(&[4, 5, 6]).unwrap_err();
    assert_eq!((error.sent, error.cause), (1, TrySendError::Full(())));
    let all: Vec<u64> = (5..1000).collect();
    let received = thread::spawn(move || {
        in_time(move || {
            assert!(rx.iter().take(999).eq((1..1000).map(Ok)));
            rx
        })
    });
    assert_eq!(in_time(move || (tx.send_slice(&all).unwrap(), tx)).0, 995);
    drop(received.join().unwrap());
    ring.close().unwrap();
    let error = ring.sender().unwrap().send_slice(&[1]).unwrap_err();
    assert_eq!((error.sent, error.cause), (0, SendError::Closed(())));
}

fn no_more_are_taken_than_were_asked_for<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(tx.send_slice(&[0, 1, 2, 3, 4, 5]), Ok(6));
    let leased = rx.lease_batch(2).unwrap();
    assert_eq!(leased.len(), 2);
    leased.release();
    let mut messages = Vec::new();
    assert_eq!(rx.recv_batch(&mut messages, 3), Ok(3));
    assert_eq!((messages, rx.slots()), (vec![2, 3, 4], 1));
}

for_each_kind!(
    no_more_are_taken_than_were_asked_for,
    an_iterator_that_waits_delays_nothing,
    a_closed_ring_ends_while_the_iterator_waits,
    closing_ends_a_batch_without_an_end,
    slices_go_in_runs,
);
