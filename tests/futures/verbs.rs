//! Each verb: at once, and after a wait.

use std::task::Poll;

use memring::{Failure, Kind, Mpmc, Ring, SendError, Wakeups};
use memring_testkit::for_each_kind;
use memring_testkit::time::in_time;

use super::executors::{Wakes, block_on, raise_cap};

fn at_once<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for lap in 0..9 {
        assert_eq!(wakes.poll(&mut tx.ready_async()), Poll::Ready(Ok(())));
        assert_eq!(wakes.poll(&mut tx.send_async(lap)), Poll::Ready(Ok(())));
        let Poll::Ready(Ok(mut grant)) = wakes.poll(&mut tx.reserve_async()) else {
            panic!("there is room");
        };
        grant.write(lap + 100).unwrap();
        grant.commit().unwrap();
        assert_eq!(wakes.poll(&mut rx.ready_async()), Poll::Ready(Ok(())));
        assert_eq!(wakes.poll(&mut rx.recv_async()), Poll::Ready(Ok(lap)));
        let Poll::Ready(Ok(lease)) = wakes.poll(&mut rx.lease_async()) else {
            panic!("there is a message");
        };
        assert_eq!(lease.read(), lap + 100);
        lease.release();
    }
    assert_eq!(wakes.take(), 0, "no wake-up for what is at hand");
}

fn receivers_wait<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for number in 0..50 {
        let mut ready = rx.ready_async();
        assert!(wakes.poll(&mut ready).is_pending());
        tx.try_send(number).unwrap();
        wakes.wait();
        assert_eq!(wakes.poll(&mut ready), Poll::Ready(Ok(())));
        drop(ready);
        assert_eq!(rx.try_recv(), Ok(number));

        let mut received = rx.recv_async();
        assert!(wakes.poll(&mut received).is_pending());
        assert!(wakes.poll(&mut received).is_pending());
        tx.try_send(number).unwrap();
        wakes.wait();
        assert_eq!(wakes.poll(&mut received), Poll::Ready(Ok(number)));
        assert!(wakes.poll(&mut received).is_pending(), "it is over");
        drop(received);

        let mut leased = rx.lease_async();
        assert!(wakes.poll(&mut leased).is_pending());
        tx.try_send(number).unwrap();
        let lease = wakes.finish(&mut leased).unwrap();
        assert_eq!(lease.read(), number);
        lease.release();
    }
}

fn senders_wait<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    tx.send_slice(&[0, 1]).unwrap();
    let mut next = 2;
    for _ in 0..50 {
        let mut ready = tx.ready_async();
        assert!(wakes.poll(&mut ready).is_pending());
        assert_eq!(rx.try_recv(), Ok(next - 2));
        wakes.wait();
        assert_eq!(wakes.poll(&mut ready), Poll::Ready(Ok(())));
        drop(ready);
        tx.try_send(next).unwrap();
        next += 1;

        let mut sent = tx.send_async(next);
        assert!(wakes.poll(&mut sent).is_pending());
        assert_eq!(rx.try_recv(), Ok(next - 2));
        wakes.wait();
        assert_eq!(wakes.poll(&mut sent), Poll::Ready(Ok(())));
        assert!(wakes.poll(&mut sent).is_pending(), "it is over");
        drop(sent);
        next += 1;

        let mut reserved = tx.reserve_async();
        assert!(wakes.poll(&mut reserved).is_pending());
        assert_eq!(rx.try_recv(), Ok(next - 2));
        let mut grant = wakes.finish(&mut reserved).unwrap();
        grant.write(next).unwrap();
        grant.commit().unwrap();
        next += 1;
    }
}

fn threads_wait_for_each_other<K: Kind>() {
    raise_cap();
    in_time(threads_wait_in_time::<K>);
}

fn threads_wait_in_time<K: Kind>() {
    let ring = Ring::<[u8], K>::builder().message_limit(8);
    let ring = ring.capacity(2).anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let sender = std::thread::spawn(move || {
        block_on(async {
            for number in 0..3000u64 {
                tx.send_async(&number.to_le_bytes()).await.unwrap();
            }
        });
        tx
    });
    block_on(async {
        for number in 0..3000u64 {
            assert_eq!(rx.recv_async().await.unwrap(), number.to_le_bytes());
        }
    });
    let mut tx = sender.join().unwrap();
    let (length, limit) = (9, 8);
    let too_long = Err(SendError::Failed((), Failure::TooLong { length, limit }));
    assert_eq!(block_on(tx.send_async(&[0; 9])), too_long);
}

/// Nothing wakes there: the runtime is asked to poll again.
fn rings_of_spinners<K: Kind>() {
    let ring = Ring::<u64, K>::builder().wakeups(Wakeups::SpinOnly);
    let ring = ring.capacity(2).anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    let mut received = rx.recv_async();
    for _ in 0..3 {
        assert!(wakes.poll(&mut received).is_pending());
        assert_eq!(wakes.take(), 1);
    }
    tx.try_send(5).unwrap();
    assert_eq!(wakes.poll(&mut received), Poll::Ready(Ok(5)));
}

for_each_kind! {
    at_once,
    receivers_wait,
    senders_wait,
    threads_wait_for_each_other,
    rings_of_spinners,
}

/// An endpoint that is `Send` has futures that are.
#[test]
fn futures_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let ring = Ring::<u64, memring::Mpmc>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    is_send(&tx.send_async(1));
    is_send(&tx.reserve_async());
    is_send(&tx.ready_async());
    is_send(&rx.recv_async());
    is_send(&rx.lease_async());
    is_send(&rx.ready_async());
    let bytes = Ring::<[u8], memring::Spsc>::anonymous(2).unwrap();
    is_send(&bytes.sender().unwrap().send_async(b"some"));
}

/// What is offered makes a receiver ready, and is not taken by that.
#[test]
fn an_offer_makes_ready() {
    let ring = Ring::<u64, Mpmc>::anonymous(0).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| tx.send(7).unwrap());
        block_on(rx.ready_async()).unwrap();
        assert_eq!(rx.recv(), Ok(7));
    });
}
