//! Faults that were found by readers: each was red.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use memring::{
    Idle, IdleStrategy, Mpmc, Ring, Select, TrySendError, WaitStrategy, failpoints, select,
};
use memring_testkit::forks::{self, ran_in_own_process};
use memring_testkit::time::{LONG, in_time, wait_until};

use super::{SHORT, rendezvous};

/// A sender in a set sleeps until a receiver announces itself, and no longer.
#[test]
fn a_receiver_that_begins_to_wait_wakes_a_set() {
    if ran_in_own_process() {
        return;
    }
    failpoints::raise_sleep_cap(2 * LONG);
    in_time(|| {
        let ring = rendezvous::<Mpmc>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let received = thread::spawn(move || {
            thread::sleep(5 * SHORT);
            rx.recv()
        });
        let mut select = Select::with_strategy(WaitStrategy::Park);
        let sender = select.send(&mut tx);
        assert_eq!(select.ready(), sender.index());
        while select[sender].try_send(7).is_err() {}
        assert_eq!(received.join().unwrap(), Ok(7));
    });
}

/// One of two that sleep is bound, and the other may be the one that is woken.
#[test]
fn each_that_waits_is_seen() {
    if ran_in_own_process() {
        return;
    }
    failpoints::raise_sleep_cap(2 * LONG);
    in_time(|| {
        for _ in 0..10 {
            let ring = rendezvous::<Mpmc>();
            let mut tx = ring.sender().unwrap();
            let attach = |_| ring.receiver_with(WaitStrategy::Park).unwrap();
            let receivers: Vec<_> = (0..2).map(attach).collect();
            // The one that is woken first is not the one that is found first.
            let receivers = receivers.into_iter().rev().map(|mut rx| {
                // It stays attached: its going would wake the other.
                let received = thread::spawn(move || (rx.recv().unwrap(), rx));
                thread::sleep(SHORT);
                received
            });
            let receivers: Vec<_> = receivers.collect();
            for message in 0..2 {
                wait_until(
                    || tx.try_send(message).is_ok(),
                    || "no receiver waits".into(),
                );
            }
            let received = receivers.into_iter().map(|one| one.join().unwrap());
            let received: Vec<_> = received.collect();
            assert_eq!(received.iter().map(|(message, _)| message).sum::<u64>(), 1);
        }
    });
}

/// A receiver that died while it waited is nobody to send to.
#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn a_dead_receiver_is_not_awaiting() {
    if ran_in_own_process() {
        return;
    }
    in_time(|| {
        let ring = rendezvous::<Mpmc>();
        let fd = ring.share_fd().unwrap();
        let dying = forks::fork(|| {
            let ring = Ring::<u64, Mpmc>::from_fd(fd).unwrap();
            let _ = ring.receiver().unwrap().recv();
        });
        let (mut tx, _rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut set = Select::new();
        let sender = set.send(&mut tx);
        assert_eq!(set.ready(), sender.index());
        drop(dying); // killed
        select! {
            send(tx, 1) -> sent => panic!("{sent:?}"),
            default(SHORT) => {}
        }
    });
}

struct Panics;

impl IdleStrategy for Panics {
    fn idle(&self, looks: u32) -> Idle {
        assert!(looks < 10, "enough (expected)");
        Idle::Look
    }
}

/// A panic in the user's way of waiting leaves neither an offer nor an announcement.
#[test]
fn a_panic_while_it_waits_leaves_nothing() {
    let ring = rendezvous::<Mpmc>();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.set_idle_strategy(Panics);
    rx.set_idle_strategy(Panics);
    for _ in 0..100 {
        catch_unwind(AssertUnwindSafe(|| tx.send(1))).unwrap_err();
        assert_eq!(rx.slots(), 0);
        catch_unwind(AssertUnwindSafe(|| rx.recv())).unwrap_err();
        assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    }
}

#[test]
fn a_receiver_is_empty_unless_a_message_is_offered() {
    let ring = rendezvous::<Mpmc>();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert!(rx.is_empty());
    thread::scope(|scope| {
        scope.spawn(move || tx.send(1).unwrap());
        wait_until(|| !rx.is_empty(), || "no offer".into());
        assert_eq!(rx.recv(), Ok(1));
    });
    assert!(rx.is_empty());
}

/// A lease that was leaked is given back when its receiver is next asked for anything.
#[test]
fn a_set_gives_a_leaked_lease_back() {
    let ring = rendezvous::<Mpmc>();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    thread::scope(|scope| {
        let sent = scope.spawn(move || tx.send(1));
        std::mem::forget(rx.lease().unwrap());
        let mut select = Select::new();
        let receiver = select.recv(&mut rx);
        assert_eq!(select.ready_timeout(LONG), Ok(receiver.index()));
        assert_eq!(select[receiver].recv_timeout(Duration::ZERO), Ok(1));
        sent.join().unwrap().unwrap();
    });
}
