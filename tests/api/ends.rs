//! `Closed` and `Disconnected`, and that messages come back.

use std::process;
use std::thread;
use std::time::Duration;

use memring::{
    Failure, Kind, RecvError, RecvTimeoutError, Ring, RingKind, SendError, SendTimeoutError, Side,
    TryRecvError, TrySendError,
};
use memring_testkit::for_each_kind;
use memring_testkit::text::says;
use memring_testkit::time::{LONG, in_time};

const SHORT: Duration = Duration::from_millis(20);

fn closed_for_senders<K: Kind>() {
    for filled in [false, true] {
        let ring = Ring::<u64, K>::anonymous(1).unwrap();
        let mut sender = ring.sender().unwrap();
        if filled {
            sender.send(0).unwrap();
        }
        ring.close().unwrap();
        sender.close().unwrap(); // again does nothing
        assert_eq!(sender.try_send(1), Err(TrySendError::Closed(1)));
        assert_eq!(sender.send(2), Err(SendError::Closed(2)));
        assert_eq!(
            sender.send_timeout(3, LONG),
            Err(SendTimeoutError::Closed(3))
        );
        let error = sender.try_send_batch([4, 5]).unwrap_err();
        assert_eq!((error.sent, error.cause), (0, TrySendError::Closed(4)));
        let error = sender.send_batch([6, 7]).unwrap_err();
        assert_eq!((error.sent, error.cause), (0, SendError::Closed(6)));
        assert!(matches!(
            sender.try_reserve(),
            Err(TrySendError::Closed(()))
        ));
        assert!(matches!(sender.reserve(), Err(SendError::Closed(()))));
        assert!(matches!(
            sender.reserve_timeout(LONG),
            Err(SendTimeoutError::Closed(()))
        ));
        // Also for those who come later.
        drop(sender);
        assert_eq!(
            ring.sender().unwrap().try_send(8),
            Err(TrySendError::Closed(8))
        );
        let mut receiver = ring.receiver().unwrap();
        assert_eq!(receiver.iter().count(), usize::from(filled));
    }
}

fn closed_for_receivers<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let mut sender = ring.sender().unwrap();
    assert_eq!(sender.send_batch(0..6).unwrap(), 6);
    let mut receiver = ring.receiver().unwrap();
    receiver.close().unwrap();
    assert!(receiver.is_closed() && !receiver.is_empty());
    // What was sent is drained by every verb, and then it is over.
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.recv_timeout(LONG), Ok(2));
    let lease = receiver.lease().unwrap();
    assert_eq!(lease.read(), 3);
    lease.release();
    let mut rest = Vec::new();
    assert_eq!(receiver.recv_batch(&mut rest, 9), Ok(2));
    assert_eq!(rest, [4, 5]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.recv(), Err(RecvError::Closed));
    assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Closed));
    assert_eq!(receiver.recv_batch(&mut rest, 9), Err(RecvError::Closed));
    assert_eq!(
        receiver.try_recv_batch(&mut rest, 9),
        Err(TryRecvError::Closed)
    );
    assert!(matches!(receiver.lease(), Err(RecvError::Closed)));
    assert!(matches!(receiver.try_lease(), Err(TryRecvError::Closed)));
    assert!(matches!(
        receiver.lease_timeout(LONG),
        Err(RecvTimeoutError::Closed)
    ));
    assert_eq!(receiver.iter().next(), None);
    // Closed, not disconnected, when all have gone too.
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

fn a_send_under_way_is_waited_for<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut grant = sender.reserve().unwrap();
    ring.close().unwrap();
    if K::KIND == RingKind::Spsc {
        // Nothing shows a grant there: it is told that it comes too late.
        assert_eq!(ring.stats().receivers_blocked_by, None);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        grant.write(1).unwrap();
        assert_eq!(grant.commit(), Err(SendError::Closed(())));
        assert_eq!(receiver.recv(), Err(RecvError::Closed));
        assert_eq!((ring.len(), ring.stats().sent), (0, 0));
        return;
    }
    // Not over yet: that message may still come.
    let not_yet = receiver.try_recv().unwrap_err();
    match K::KIND.has_many_senders() {
        true => assert!(matches!(not_yet, TryRecvError::Held(_)), "{not_yet:?}"),
        false => assert_eq!(not_yet, TryRecvError::Empty),
    }
    let late = receiver.recv_timeout(SHORT).unwrap_err();
    let RecvTimeoutError::Timeout(Some(holder)) = late else {
        panic!("{late:?}");
    };
    assert_eq!((holder.side, holder.pid), (Side::Sender, process::id()));
    assert_eq!(ring.stats().receivers_blocked_by, Some(holder));
    let who = format!("sender 1 (process {})", process::id());
    says(&late, &[&who, "position 0"]);
    grant.write(1).unwrap();
    grant.commit().unwrap();
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.recv(), Err(RecvError::Closed));
}

fn closing_wakes_who_waits<K: Kind>() {
    let full = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut sender, _receiver) = (full.sender().unwrap(), full.receiver().unwrap());
    let empty = Ring::<u64, K>::anonymous(1).unwrap();
    let (_sender, mut receiver) = (empty.sender().unwrap(), empty.receiver().unwrap());
    sender.send(1).unwrap();
    let sends = thread::spawn(move || in_time(move || sender.send(2)));
    let receives = thread::spawn(move || in_time(move || receiver.recv()));
    thread::sleep(SHORT); // by now they wait, most likely
    full.close().unwrap();
    empty.close().unwrap();
    assert_eq!(sends.join().unwrap(), Err(SendError::Closed(2)));
    assert_eq!(receives.join().unwrap(), Err(RecvError::Closed));
}

fn disconnected_for_receivers<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let mut receiver = ring.receiver().unwrap();
    // Nobody has ever been there: that is no end.
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(
        receiver.recv_timeout(SHORT),
        Err(RecvTimeoutError::Timeout(None))
    );
    for round in 0..2 {
        let mut sender = ring.sender().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(sender.send_batch([1, 2, 3]).unwrap(), 3);
        drop(sender);
        // Drained first.
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.recv(), Ok(2));
        let mut messages = receiver.iter();
        assert_eq!(messages.next(), Some(Ok(3)), "round {round}");
        assert_eq!(messages.next(), Some(Err(RecvError::Disconnected)));
        let mut messages = receiver.try_iter();
        assert_eq!(messages.next(), Some(Err(TryRecvError::Disconnected)));
        assert_eq!(messages.next(), None);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
        assert_eq!(
            receiver.recv_timeout(LONG),
            Err(RecvTimeoutError::Disconnected)
        );
        assert!(matches!(
            receiver.try_lease(),
            Err(TryRecvError::Disconnected)
        ));
        assert!(matches!(receiver.lease(), Err(RecvError::Disconnected)));
        let mut none = Vec::new();
        assert_eq!(
            receiver.recv_batch(&mut none, 1),
            Err(RecvError::Disconnected)
        );
    }
}

fn disconnected_for_senders<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let mut sender = ring.sender().unwrap();
    assert_eq!(sender.send_batch([1, 2]).unwrap(), 2);
    // Nobody has ever been there: that is no end.
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(
        sender.send_timeout(3, SHORT),
        Err(SendTimeoutError::Timeout(3, None))
    );
    for _ in 0..2 {
        let mut receiver = ring.receiver().unwrap();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!(receiver.recv(), Ok(1));
        drop(receiver);
        // While there is room, that is no reason not to send.
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
        assert_eq!(sender.send(4), Err(SendError::Disconnected(4)));
        assert_eq!(
            sender.send_timeout(5, LONG),
            Err(SendTimeoutError::Disconnected(5))
        );
        let error = sender.send_batch([6, 7]).unwrap_err();
        assert_eq!((error.sent, error.cause), (0, SendError::Disconnected(6)));
        assert!(matches!(
            sender.try_reserve(),
            Err(TrySendError::Disconnected(()))
        ));
        assert!(matches!(sender.reserve(), Err(SendError::Disconnected(()))));
        let mut receiver = ring.receiver().unwrap();
        assert_eq!([receiver.recv(), receiver.recv()], [Ok(2), Ok(1)]);
        assert_eq!(sender.send_batch([1, 2]).unwrap(), 2);
        drop(receiver);
    }
}

fn waiting_through_disconnection<K: Kind>() {
    let ring = Ring::<u64, K>::builder()
        .capacity(1)
        .wait_through_disconnect(true);
    let ring = ring.anonymous().unwrap();
    let mut receiver = ring.receiver().unwrap();
    drop(ring.sender().unwrap());
    // It does not wait, so it does not wait through it.
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(
        receiver.recv_timeout(SHORT),
        Err(RecvTimeoutError::Timeout(None))
    );
    let other = ring.clone();
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        other.sender().unwrap().send(1).unwrap();
    });
    let mut receiver = in_time(move || {
        assert_eq!(receiver.recv(), Ok(1));
        receiver
    });
    late.join().unwrap();
    // The end is an end all the same.
    ring.close().unwrap();
    assert_eq!(receiver.recv(), Err(RecvError::Closed));
    // And for senders.
    let ring = Ring::<u64, K>::builder()
        .capacity(1)
        .wait_through_disconnect(true);
    let ring = ring.anonymous().unwrap();
    let mut sender = ring.sender().unwrap();
    sender.send(1).unwrap();
    drop(ring.receiver().unwrap());
    assert_eq!(
        sender.send_timeout(2, SHORT),
        Err(SendTimeoutError::Timeout(2, None))
    );
    let other = ring.clone();
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        other.receiver().unwrap().recv()
    });
    in_time(move || sender.send(2)).unwrap();
    assert_eq!(late.join().unwrap(), Ok(1));
}

fn byte_messages_stay_with_the_caller<K: Kind>() {
    let ring = Ring::<[u8], K>::builder().capacity(1).message_limit(10);
    let ring = ring.anonymous().unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let long = [1; 11];
    let failure = Failure::TooLong {
        length: 11,
        limit: 10,
    };
    assert_eq!(
        sender.try_send(&long),
        Err(TrySendError::Failed((), failure))
    );
    assert_eq!(sender.send(&long), Err(SendError::Failed((), failure)));
    let error = sender.send_timeout(&long, SHORT).unwrap_err();
    assert_eq!(error, SendTimeoutError::Failed((), failure));
    says(&error, &["11 bytes", "limit of 10"]);
    assert!(ring.is_empty(), "nothing was sent");
    // In the middle of a batch: what came before it was sent.
    let error = sender
        .send_batch([&long[..3], &long, &long[..2]])
        .unwrap_err();
    assert_eq!(
        (error.sent, error.cause),
        (1, SendError::Failed((), failure))
    );
    says(&error, &["after 1 messages", "11 bytes"]);
    assert_eq!(receiver.recv().unwrap(), &long[..3]);
    assert!(receiver.is_empty());
    sender.send(b"full").unwrap();
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Full(())));
    let error = sender.send_timeout(b"x", SHORT);
    assert_eq!(error, Err(SendTimeoutError::Timeout((), None)));
    let error = sender.try_send_batch([&b"x"[..], b"y"]).unwrap_err();
    assert_eq!((error.sent, error.cause), (0, TrySendError::Full(())));
    drop(receiver);
    assert_eq!(sender.send(b"x"), Err(SendError::Disconnected(())));
    // The iterator is not drained for nothing.
    let mut messages = [&b"x"[..], b"y", b"z"].into_iter();
    let error = sender.send_batch(messages.by_ref()).unwrap_err();
    assert_eq!(error.cause, SendError::Disconnected(()));
    assert_eq!(messages.next(), Some(&b"y"[..]));
}

/// A batch that stops for want of room hands back what it drew and did not send.
#[test]
fn a_batch_that_goes_on_later_loses_nothing() {
    let ring = Ring::<u64, memring::Spsc>::anonymous(2).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut messages = 0..9;
    let mut received = Vec::new();
    while let Err(error) = sender.try_send_batch(messages.by_ref()) {
        received.extend(receiver.try_iter().map(Result::unwrap));
        sender.try_send(error.cause.into_message()).unwrap();
    }
    received.extend(receiver.try_iter().map(Result::unwrap));
    assert_eq!(received, (0..9).collect::<Vec<_>>());
}

for_each_kind!(
    closed_for_senders,
    closed_for_receivers,
    a_send_under_way_is_waited_for,
    closing_wakes_who_waits,
    disconnected_for_receivers,
    disconnected_for_senders,
    waiting_through_disconnection,
    byte_messages_stay_with_the_caller,
);

#[test]
fn what_errors_say() {
    says(&TrySendError::Full(()), &["full", "no receiver waits"]);
    says(
        &TrySendError::Disconnected(()),
        &["no room", "all receivers have gone"],
    );
    says(&SendError::Closed(()), &["closed"]);
    says(
        &SendTimeoutError::Timeout((), None),
        &["full", "no receiver took the message", "deadline"],
    );
    says(&TryRecvError::Empty, &["empty"]);
    says(&RecvError::Closed, &["closed and empty"]);
    says(
        &RecvError::Disconnected,
        &["empty", "all senders have gone"],
    );
    says(&RecvTimeoutError::Timeout(None), &["empty", "deadline"]);
    says(
        &Failure::Forked,
        &["forked child", "open the ring again in the child"],
    );
    // Whatever the message is, it need not be shown.
    struct Secret;
    assert_eq!(format!("{:?}", TrySendError::Full(Secret)), "Full");
    let failed = SendError::Failed(Secret, Failure::Forked);
    assert_eq!(format!("{failed:?}"), "Failed(Forked)");
}
