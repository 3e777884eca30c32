//! Futures that are dropped, at each poll and between them: no message is lost, and no
//! wake-up.

use std::thread;
use std::time::Duration;

use memring::{Kind, Mpmc, Receiver, Ring, Sender, WaitStrategy};
use memring_testkit::for_each_kind;
use memring_testkit::time::in_time;

use super::executors::{Wakes, raise_cap};

/// Until another thread is asleep, as a rule.
const A_WHILE: Duration = Duration::from_millis(100);

/// Polls so often, then drops; a message comes before the poll of this number, if at all.
fn receivers_lose_nothing<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for polls in 0..4 {
        for sent_before in 0..=polls {
            let mut future = rx.recv_async();
            let mut received = false;
            for poll in 0..polls {
                if poll == sent_before {
                    tx.try_send(9).unwrap();
                }
                received |= wakes.poll(&mut future).is_ready();
            }
            if sent_before == polls {
                tx.try_send(9).unwrap(); // after the last poll
            }
            drop(future);
            assert_eq!(received, sent_before < polls);
            assert_eq!(rx.try_recv().is_ok(), !received);
            assert!(rx.is_empty());

            let mut future = rx.lease_async();
            let mut lease = None;
            for poll in 0..polls {
                if poll == sent_before {
                    tx.try_send(9).unwrap();
                }
                if let std::task::Poll::Ready(leased) = wakes.poll(&mut future) {
                    lease = Some(leased.unwrap());
                    break;
                }
            }
            let has_leased = lease.is_some();
            drop((future, lease)); // gives it back
            if has_leased {
                assert_eq!(rx.try_recv(), Ok(9));
            }
            assert!(rx.is_empty());
        }
    }
}

fn senders_lose_nothing<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for polls in 0..4 {
        for room_before in 0..=polls {
            tx.send_slice(&[1, 2]).unwrap();
            let mut future = tx.send_async(3);
            let mut sent = false;
            for poll in 0..polls {
                if poll == room_before {
                    assert_eq!(rx.try_recv(), Ok(1));
                }
                sent |= wakes.poll(&mut future).is_ready();
            }
            drop(future);
            assert_eq!(sent, room_before < polls);
            let mut left = Vec::new();
            while let Ok(message) = rx.try_recv() {
                left.push(message);
            }
            assert_eq!(left, if sent { vec![2, 3] } else { vec![1, 2] });

            // A grant that is dropped is given up.
            tx.send_slice(&[1, 2]).unwrap();
            let mut future = tx.reserve_async();
            for poll in 0..polls {
                if poll == room_before {
                    assert_eq!(rx.try_recv(), Ok(1));
                }
                if wakes.poll(&mut future).is_ready() {
                    break;
                }
            }
            drop(future);
            while rx.try_recv().is_ok() {}
            assert!(rx.is_empty());
        }
    }
}

/// The wake-up that a dropped future had, or that the thread had for it, goes to a call
/// that blocks.
#[derive(Clone, Copy)]
enum Dropped {
    /// Woken, and not polled again.
    Woken,
    /// Before there was anything.
    Asleep,
    /// With its endpoint.
    WithEndpoint,
}

fn passes_on_to_a_blocked_receiver(dropped: Dropped) {
    raise_cap();
    in_time(move || {
        for _ in 0..10 {
            let ring = Ring::<u64, Mpmc>::anonymous(4).unwrap();
            let mut tx = ring.sender().unwrap();
            let mut first = ring.receiver().unwrap();
            let mut other = ring.receiver_with(WaitStrategy::Park).unwrap();
            let wakes = Wakes::new();
            let mut future = first.recv_async();
            assert!(wakes.poll(&mut future).is_pending());
            thread::sleep(A_WHILE / 10); // the thread sleeps for it
            let blocked = thread::spawn(move || other.recv());
            thread::sleep(A_WHILE);
            let send = |tx: &mut Sender<u64, Mpmc>| tx.try_send(4).unwrap();
            match dropped {
                Dropped::Woken => {
                    send(&mut tx);
                    thread::sleep(A_WHILE / 10);
                    drop(future);
                }
                Dropped::Asleep => {
                    drop(future);
                    send(&mut tx);
                }
                Dropped::WithEndpoint => {
                    drop(future);
                    let moved: Receiver<u64, Mpmc> = first;
                    drop(moved);
                    send(&mut tx);
                }
            }
            assert_eq!(blocked.join().unwrap(), Ok(4));
        }
    });
}

#[test]
fn the_wake_up_of_a_future_that_was_woken_goes_on() {
    passes_on_to_a_blocked_receiver(Dropped::Woken);
}

#[test]
fn the_wake_up_for_a_future_that_was_dropped_goes_on() {
    passes_on_to_a_blocked_receiver(Dropped::Asleep);
}

#[test]
fn the_wake_up_for_an_endpoint_that_is_gone_goes_on() {
    passes_on_to_a_blocked_receiver(Dropped::WithEndpoint);
}

/// One message of two: the future takes one, and leaves the other to the one that blocks.
#[test]
fn a_future_that_leaves_a_message_wakes_the_next() {
    raise_cap();
    in_time(|| {
        let ring = Ring::<u64, Mpmc>::anonymous(4).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut other = ring.receiver_with(WaitStrategy::Park).unwrap();
        let wakes = Wakes::new();
        let mut future = rx.recv_async();
        assert!(wakes.poll(&mut future).is_pending());
        let blocked = thread::spawn(move || other.recv());
        thread::sleep(A_WHILE);
        tx.send_slice(&[1, 2]).unwrap();
        let first = wakes.finish(&mut future).unwrap();
        assert_eq!(first + blocked.join().unwrap().unwrap(), 3);
    });
}

/// A registration that is left behind would keep the ring's memory.
#[test]
fn nothing_is_left_behind() {
    raise_cap();
    let ring = Ring::<u64, Mpmc>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    drop(future);
    tx.try_send(1).unwrap();
    thread::sleep(A_WHILE);
    assert_eq!(wakes.take(), 0, "woken for a future that is gone");
    assert_eq!(std::sync::Arc::strong_count(&wakes), 1, "its waker is kept");
}

for_each_kind! {
    receivers_lose_nothing,
    senders_lose_nothing,
}

/// The same on a rendezvous ring, where a future waits to be ready.
#[test]
fn the_wake_up_of_a_future_at_a_rendezvous() {
    raise_cap();
    in_time(|| {
        for _ in 0..5 {
            let ring = Ring::<u64, Mpmc>::anonymous(0).unwrap();
            let mut tx = ring.sender().unwrap();
            let mut first = ring.receiver().unwrap();
            let mut other = ring.receiver_with(WaitStrategy::Park).unwrap();
            let wakes = Wakes::new();
            let mut future = first.ready_async();
            assert!(wakes.poll(&mut future).is_pending());
            thread::sleep(A_WHILE / 10); // the thread sleeps for it
            let blocked = thread::spawn(move || other.recv());
            thread::sleep(A_WHILE);
            let sent = thread::spawn(move || tx.send(4));
            thread::sleep(A_WHILE / 10);
            drop(future);
            assert_eq!(blocked.join().unwrap(), Ok(4));
            sent.join().unwrap().unwrap();
        }
    });
}
