//! The forms of verbs that give up in time.

use std::thread;
use std::time::{Duration, Instant};

use memring::{Failure, Kind, RecvTimeoutError, Ring, SendTimeoutError, TryRecvError};
use memring_testkit::for_each_kind;
use memring_testkit::time::{LONG, in_time};

const SHORT: Duration = Duration::from_millis(20);

/// Never before its time, and not much later (`in_time` sees to that).
fn takes_its_time<E: PartialEq + std::fmt::Debug>(late: E, call: impl FnOnce(Instant) -> E) {
    let deadline = Instant::now() + SHORT;
    assert_eq!(call(deadline), late);
    assert!(Instant::now() >= deadline);
}

fn receivers_give_up<K: Kind>() {
    in_time(|| {
        let ring = Ring::<u64, K>::anonymous(4).unwrap();
        let (_tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let late = RecvTimeoutError::Timeout(None);
        let (mut batch, mut message) = (Vec::new(), 5);
        takes_its_time(late, |_| {
            rx.recv_batch_timeout(&mut batch, 9, SHORT).unwrap_err()
        });
        takes_its_time(late, |at| {
            rx.recv_batch_deadline(&mut batch, 9, at).unwrap_err()
        });
        takes_its_time(late, |_| rx.lease_batch_timeout(9, SHORT).unwrap_err());
        takes_its_time(late, |at| rx.lease_batch_deadline(9, at).unwrap_err());
        takes_its_time(late, |_| {
            rx.recv_into_timeout(&mut message, SHORT).unwrap_err()
        });
        takes_its_time(late, |at| {
            rx.recv_into_deadline(&mut message, at).unwrap_err()
        });
        assert_eq!(rx.recv_batch_timeout(&mut batch, 0, LONG), Ok(0));
        assert_eq!((batch, message), (vec![], 5));
    });
}

fn receivers_get_what_is_there_and_what_comes<K: Kind>() {
    in_time(|| {
        let ring = Ring::<u64, K>::anonymous(4).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let past = Instant::now().checked_sub(LONG).unwrap();
        let (mut batch, mut message) = (Vec::new(), 0);
        tx.send_batch(0..4).unwrap();
        assert_eq!(rx.recv_batch_deadline(&mut batch, 3, past), Ok(3));
        assert_eq!(rx.recv_into_timeout(&mut message, Duration::ZERO), Ok(8));
        assert_eq!((batch, message), (vec![0, 1, 2], 3));
        let sender = thread::spawn(move || {
            for number in 4..6 {
                thread::sleep(SHORT);
                tx.send(number).unwrap();
            }
            tx
        });
        let leased = rx.lease_batch_timeout(9, LONG).unwrap();
        assert_eq!(leased.get(0).unwrap().read(), 4);
        leased.release();
        let mut batch = Vec::new();
        assert_eq!(rx.recv_batch_timeout(&mut batch, 9, LONG), Ok(1));
        assert_eq!(batch, [5]);
        drop(sender.join().unwrap());
        let gone = Err(RecvTimeoutError::Disconnected);
        assert_eq!(rx.recv_batch_timeout(&mut batch, 9, LONG), gone);
        ring.close().unwrap();
        let closed = Err(RecvTimeoutError::Closed);
        assert_eq!(rx.recv_into_timeout(&mut message, LONG), closed);
    });
}

fn senders_give_up<K: Kind>() {
    in_time(|| {
        let ring = Ring::<u64, K>::anonymous(2).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let late = SendTimeoutError::Timeout(2, None);
        takes_its_time((2, late), |_| {
            let error = tx.send_batch_timeout(0..9, SHORT).unwrap_err();
            (error.sent, error.cause)
        });
        takes_its_time((0, late), |at| {
            let error = tx.send_batch_deadline(2..9, at).unwrap_err();
            (error.sent, error.cause)
        });
        let late = SendTimeoutError::Timeout((), None);
        takes_its_time(late, |_| tx.send_ref_timeout(&7, SHORT).unwrap_err());
        takes_its_time(late, |at| tx.send_ref_deadline(&7, at).unwrap_err());
        assert!(tx.try_send_ref(&7).unwrap_err().is_full());
        assert_eq!((rx.recv(), rx.recv()), (Ok(0), Ok(1)));
        // The first is sent if there is room, whatever the deadline.
        let past = Instant::now().checked_sub(LONG).unwrap();
        assert_eq!(tx.send_batch_deadline([7], past).unwrap(), 1);
        tx.send_ref_deadline(&8, past).unwrap();
        assert_eq!((rx.recv(), rx.recv()), (Ok(7), Ok(8)));
        // The others are not: a receiver that keeps pace must not make it endless.
        let error = tx.send_batch_deadline([7, 8], past).unwrap_err();
        assert_eq!(error.sent, 1);
        assert_eq!(error.cause, SendTimeoutError::Timeout(8, None));
        assert_eq!(
            (rx.recv(), rx.try_recv()),
            (Ok(7), Err(TryRecvError::Empty))
        );
    });
}

/// There is always room, and the iterator has no end.
fn an_endless_batch_ends_in_time<K: Kind>() {
    in_time(|| {
        let ring = Ring::<u64, K>::anonymous(64).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let receiver = thread::spawn(move || while rx.recv().is_ok() {});
        let error = tx.send_batch_timeout(0.., SHORT).unwrap_err();
        assert!(error.cause.is_timeout(), "{error:?}");
        assert_eq!(error.cause.into_message(), error.sent as u64);
        ring.close().unwrap();
        receiver.join().unwrap();
    });
}

fn bytes_by_reference<K: Kind>() {
    let ring = Ring::<[u8], K>::builder().capacity(2).message_limit(4);
    let ring = ring.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send_ref(b"four").unwrap();
    tx.try_send_ref(b"").unwrap();
    let (length, limit) = (5, 4);
    let too_long = SendTimeoutError::Failed((), Failure::TooLong { length, limit });
    assert_eq!(tx.send_ref_timeout(b"fives", LONG), Err(too_long));
    let mut buffer = b"older".to_vec();
    assert_eq!(rx.recv_into_timeout(&mut buffer, LONG), Ok(4));
    assert_eq!(buffer, b"four");
    assert_eq!(rx.recv_into_timeout(&mut buffer, LONG), Ok(0));
    assert_eq!(buffer, b"");
}

for_each_kind!(
    receivers_give_up,
    receivers_get_what_is_there_and_what_comes,
    senders_give_up,
    an_endless_batch_ends_in_time,
    bytes_by_reference,
);
