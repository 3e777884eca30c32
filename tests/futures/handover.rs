//! Futures on rendezvous rings: what they offer and announce is taken back when they are
//! dropped, and comes to exactly one end.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_core::Stream;
use futures_sink::Sink;
use memring::{
    Failure, Kind, Mpmc, Receiver, RecvError, Ring, SendError, Sender, TryRecvError, TrySendError,
};
use memring_testkit::for_each_kind;
use memring_testkit::time::{LONG, in_time};

use super::executors::{Wakes, block_on, raise_cap};

fn ends<K: Kind>() -> (Sender<u64, K>, Receiver<u64, K>) {
    let ring = Ring::<u64, K>::anonymous(0).expect("make a ring");
    let (tx, rx) = (ring.sender(), ring.receiver());
    (tx.expect("attach"), rx.expect("attach"))
}

/// Threads that pass messages from future to future, with no cap to help a wake-up.
fn every_message_passes<K: Kind>() {
    raise_cap();
    let (mut tx, mut rx) = ends::<K>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..200 {
                assert_eq!(block_on(tx.send_async(number)), Ok(()));
            }
        });
        for number in 0..200 {
            match number % 2 {
                0 => assert_eq!(block_on(rx.recv_async()), Ok(number)),
                _ => {
                    let lease = block_on(rx.lease_async()).unwrap();
                    assert_eq!((lease.read(), lease.redeliveries()), (number, 0));
                    lease.release();
                }
            }
        }
        assert_eq!(block_on(rx.recv_async()), Err(RecvError::Disconnected));
    });
}

/// A future that waits is a receiver that waits.
fn try_send_finds_a_future<K: Kind>() {
    raise_cap();
    let (mut tx, mut rx) = ends::<K>();
    let wakes = Wakes::new();
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    assert_eq!(tx.try_send(2), Ok(()));
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(wakes.finish(&mut future), Ok(2));
    drop(future);
    assert_eq!(tx.try_send(4), Err(TrySendError::Full(4)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

/// What was left to a future that is dropped then is for the next call, and was delivered to
/// nobody: not even where one delivery is all there is.
fn a_dropped_receiver_loses_nothing<K: Kind>() {
    let ring = Ring::<u64, K>::builder()
        .rendezvous()
        .max_deliveries(1)
        .anonymous()
        .unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for leaked in [false, true] {
        for number in 0..100 {
            let mut future = rx.recv_async();
            assert!(wakes.poll(&mut future).is_pending());
            if number % 2 == 0 {
                tx.try_send(number).unwrap();
            }
            match leaked {
                false => drop(future),
                true => std::mem::forget(future),
            }
            match number % 2 {
                0 => {
                    let lease = rx.try_lease().unwrap();
                    assert_eq!((lease.read(), lease.redeliveries()), (number, 0));
                    lease.release();
                }
                _ => {
                    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
                    assert_eq!(tx.try_send(number), Err(TrySendError::Full(number)));
                }
            }
        }
    }
    assert_eq!(ring.stats().lost, 0);
    // And one that leaves with a leaked future is awaited no more.
    std::mem::forget({
        let mut future = rx.recv_async();
        assert!(wakes.poll(&mut future).is_pending());
        future
    });
    drop(rx);
    assert_ne!(tx.try_send(7), Ok(()));
}

fn a_dropped_sender_takes_back<K: Kind>() {
    raise_cap();
    let (mut tx, mut rx) = ends::<K>();
    let wakes = Wakes::new();
    for leaked in [false, true] {
        // More than there are slots.
        for number in 0..100 {
            let mut future = tx.send_async(number);
            for _ in 0..number % 3 {
                assert!(wakes.poll(&mut future).is_pending());
            }
            match leaked {
                false => drop(future),
                true => std::mem::forget(future),
            }
            let is_offered = leaked && number % 3 != 0;
            assert_eq!(rx.slots(), usize::from(is_offered));
        }
    }
    // A receiver has it in hand when the future is dropped: that is the receiver's then.
    let mut future = tx.send_async(7);
    assert!(wakes.poll(&mut future).is_pending());
    let lease = rx.try_lease().unwrap();
    assert!(wakes.poll(&mut future).is_pending());
    drop(future);
    assert_eq!(lease.read(), 7);
    lease.release();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    // One that leaves takes back what a leaked future offers.
    let mut future = tx.send_async(8);
    assert!(wakes.poll(&mut future).is_pending());
    std::mem::forget(future);
    drop(tx);
    assert_eq!(rx.slots(), 0);
}

/// It is over when the receiver acknowledges, and not before.
fn a_send_ends_with_the_acknowledgement<K: Kind>() {
    raise_cap();
    let (mut tx, mut rx) = ends::<K>();
    let wakes = Wakes::new();
    let mut future = tx.send_async(1);
    assert!(wakes.poll(&mut future).is_pending());
    let lease = rx.try_lease().unwrap();
    assert!(wakes.poll(&mut future).is_pending());
    lease.requeue();
    wakes.wait();
    assert!(wakes.poll(&mut future).is_pending());
    assert_eq!(rx.try_recv(), Ok(1));
    wakes.wait();
    assert_eq!(wakes.poll(&mut future), Poll::Ready(Ok(())));
}

fn the_end_gives_messages_back<K: Kind>() {
    raise_cap();
    let (mut tx, mut rx) = ends::<K>();
    let wakes = Wakes::new();
    let ring = tx.ring().clone();
    let mut send = tx.send_async(1);
    assert!(wakes.poll(&mut send).is_pending());
    ring.close().unwrap();
    assert_eq!(wakes.finish(&mut send), Err(SendError::Closed(1)));
    assert_eq!(block_on(rx.recv_async()), Err(RecvError::Closed));
    let (mut tx, rx) = ends::<K>();
    let mut send = tx.send_async(2);
    assert!(wakes.poll(&mut send).is_pending());
    drop(rx);
    assert_eq!(wakes.finish(&mut send), Err(SendError::Disconnected(2)));
}

fn streams_and_sinks<K: Kind>() {
    let (tx, rx) = ends::<K>();
    let mut context = Context::from_waker(Waker::noop());
    let (mut sink, mut stream) = (tx.into_sink(), pin!(rx.into_stream()));
    for number in 0..100 {
        let ready = Pin::new(&mut sink).poll_ready(&mut context);
        assert_eq!(ready, Poll::Ready(Ok(())));
        Pin::new(&mut sink).start_send(number).unwrap();
        let flushed = Pin::new(&mut sink).poll_flush(&mut context);
        assert_eq!(flushed, Poll::Pending);
        let item = stream.as_mut().poll_next(&mut context);
        assert_eq!(item, Poll::Ready(Some(Ok(number))));
        let flushed = Pin::new(&mut sink).poll_flush(&mut context);
        assert_eq!(flushed, Poll::Ready(Ok(())));
    }
    // Two that were not waited for are both sent, in order.
    Pin::new(&mut sink).start_send(5).unwrap();
    assert!(Pin::new(&mut sink).poll_flush(&mut context).is_pending());
    Pin::new(&mut sink).start_send(6).unwrap();
    for number in [5, 6] {
        let item = stream.as_mut().poll_next(&mut context);
        assert_eq!(item, Poll::Ready(Some(Ok(number))));
        let _ = Pin::new(&mut sink).poll_flush(&mut context);
    }
    assert!(Pin::new(&mut sink).poll_flush(&mut context).is_ready());
    // What nobody has taken comes back.
    Pin::new(&mut sink).start_send(7).unwrap();
    assert!(Pin::new(&mut sink).poll_flush(&mut context).is_pending());
    let (mut tx, unsent) = sink.into_inner();
    assert_eq!(unsent, [7]);
    assert!(stream.as_mut().poll_next(&mut context).is_pending());
    assert_eq!(tx.try_send(8), Ok(()));
    let item = stream.as_mut().poll_next(&mut context);
    assert_eq!(item, Poll::Ready(Some(Ok(8))));
}

for_each_kind! {
    every_message_passes,
    try_send_finds_a_future,
    a_dropped_receiver_loses_nothing,
    a_dropped_sender_takes_back,
    a_send_ends_with_the_acknowledgement,
    the_end_gives_messages_back,
    streams_and_sinks,
}

/// A set leaves its message to a future that waits, though nothing polls that any more.
#[test]
fn a_set_does_not_wait_for_a_poll() {
    let (mut tx, mut rx) = ends::<Mpmc>();
    let wakes = Wakes::new();
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    let sent = in_time(move || {
        memring::select! {
            send(tx, 7) -> sent => sent,
            default(LONG) => panic!("a receiver waits"),
        }
    });
    assert_eq!(sent, Ok(()));
    assert_eq!(wakes.finish(&mut future), Ok(7));
}

/// The receiver leaves between the choice of the arm and the message: on a ring that waits
/// through that, the message is for the next one.
#[test]
fn a_set_waits_through_the_loss_of_its_receiver() {
    let ring = Ring::<u64, Mpmc>::builder()
        .rendezvous()
        .wait_through_disconnect(true)
        .anonymous()
        .unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    // So that nothing of it is left, and it counts as waiting until it leaves.
    std::mem::forget(future);
    let (mut leaving, mut next) = (Some(rx), Vec::new());
    let sent = memring::select! {
        send(tx, {
            drop(leaving.take());
            let ring = ring.clone();
            next.push(thread::spawn(move || ring.receiver().unwrap().recv()));
            7
        }) -> sent => sent,
    };
    assert_eq!(sent, Ok(()));
    assert_eq!(next.remove(0).join().unwrap(), Ok(7));
}

/// A clone waits for itself.
#[test]
fn a_clone_of_a_leaked_future_is_its_own() {
    let (mut tx, mut rx) = ends::<Mpmc>();
    let wakes = Wakes::new();
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    std::mem::forget(future);
    let mut other = rx.clone();
    assert_eq!(tx.try_send(1), Ok(()));
    assert_eq!(other.try_recv(), Ok(1));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let mut future = tx.send_async(2);
    assert!(wakes.poll(&mut future).is_pending());
    std::mem::forget(future);
    drop(tx.clone());
    assert_eq!(rx.try_recv(), Ok(2));
}

/// There is no place for a message before a receiver takes it.
#[test]
fn nothing_is_reserved() {
    let (mut tx, _rx) = ends::<Mpmc>();
    let refused = block_on(tx.reserve_async()).map(drop);
    let failure = Failure::NotForRendezvous;
    assert_eq!(refused, Err(SendError::Failed((), failure)));
}
