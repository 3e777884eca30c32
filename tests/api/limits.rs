//! The time limits at both ends: zero is the call that does not wait, `Duration::MAX` is for
//! ever. And strategies of the users' own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use memring::failpoints::Failpoint;
use memring::{
    Idle, IdleStrategy, Kind, Message, OneReceiver, Receiver, RecvError, RecvTimeoutError, Ring,
    Select, SendTimeoutError, Sender, Wakeups, failpoints,
};
use memring_testkit::for_each_kind;
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::time::in_time;

const ZERO: Duration = Duration::ZERO;
const MAX: Duration = Duration::MAX;
const SHORT: Duration = Duration::from_millis(20);

/// A strategy that counts how often it is asked, and looks again.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU32>);

impl IdleStrategy for Counted {
    fn idle(&self, _looks: u32) -> Idle {
        self.0.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        Idle::Look
    }
}

impl Counted {
    fn is_zero(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// No look finds nothing but the one of the `try_` verb.
fn zero_does_not_wait<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let asked = Counted::default();
    rx.set_idle_strategy(asked.clone());
    tx.set_idle_strategy(asked.clone());
    let late = Some(RecvTimeoutError::Timeout(None));
    let (mut message, mut batch) = (0, Vec::new());
    assert_eq!(rx.recv_timeout(ZERO).err(), late);
    assert_eq!(rx.recv_into_timeout(&mut message, ZERO).err(), late);
    assert_eq!(rx.recv_batch_timeout(&mut batch, 2, ZERO).err(), late);
    assert_eq!(rx.lease_timeout(ZERO).err(), late);
    assert_eq!(rx.lease_batch_timeout(2, ZERO).err(), late);
    tx.send_timeout(1, ZERO).unwrap();
    let late = Some(SendTimeoutError::Timeout(2, None));
    assert_eq!(tx.send_timeout(2, ZERO).err(), late);
    let none = Some(SendTimeoutError::Timeout((), None));
    assert_eq!(tx.reserve_timeout(ZERO).err(), none);
    assert_eq!(tx.send_ref_timeout(&2, ZERO).err(), none);
    let batch = tx.send_batch_timeout([2], ZERO).unwrap_err();
    assert_eq!(Some(batch.cause), late);
    assert_eq!(rx.recv_timeout(ZERO), Ok(1));
    assert!(asked.is_zero());
    // But a call that waits does ask.
    assert!(rx.recv_timeout(SHORT).is_err());
    assert!(!asked.is_zero());
}

type Receive<K> = fn(&mut Receiver<u64, K>) -> u64;
type Send<K> = fn(&mut Sender<u64, K>);

/// Each verb of one side waits until the other comes, without a limit.
fn the_longest_is_for_ever<K: Kind>() {
    let receive: [Receive<K>; 5] = [
        |rx| rx.recv_timeout(MAX).unwrap(),
        |rx| {
            let mut message = 0;
            rx.recv_into_timeout(&mut message, MAX).unwrap();
            message
        },
        |rx| {
            let mut batch = Vec::new();
            rx.recv_batch_timeout(&mut batch, 1, MAX).unwrap();
            batch[0]
        },
        |rx| {
            let lease = rx.lease_timeout(MAX).unwrap();
            let message = lease.read();
            lease.release();
            message
        },
        |rx| {
            let mut select = Select::new();
            let token = select.recv(rx);
            assert_eq!(select.ready_timeout(MAX), Ok(0));
            select[token].recv_timeout(ZERO).unwrap()
        },
    ];
    let send: [Send<K>; 5] = [
        |tx| tx.send_timeout(7, MAX).unwrap(),
        |tx| tx.send_ref_timeout(&7, MAX).unwrap(),
        |tx| assert_eq!(tx.send_batch_timeout([7], MAX).unwrap(), 1),
        |tx| {
            let mut grant = tx.reserve_timeout(MAX).unwrap();
            grant.write(7).unwrap();
            grant.commit().unwrap();
        },
        |tx| {
            let mut select = Select::new();
            let token = select.send(tx);
            assert_eq!(select.ready_timeout(MAX), Ok(0));
            select[token].send_timeout(7, ZERO).unwrap();
        },
    ];
    for (receive, send) in receive.into_iter().zip(send) {
        let ring = Ring::<u64, K>::anonymous(1).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let sender = thread::spawn(move || {
            rx_waits();
            send(&mut tx);
            // And now it is the sender that waits.
            send(&mut tx);
            tx
        });
        in_time(move || {
            assert_eq!(receive(&mut rx), 7);
            thread::sleep(SHORT);
            assert_eq!(receive(&mut rx), 7);
        });
        sender.join().unwrap();
    }
}

fn rx_waits() {
    thread::sleep(SHORT);
}

for_each_kind!(zero_does_not_wait, the_longest_is_for_ever);

fn peeks<K: OneReceiver>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let asked = Counted::default();
    rx.set_idle_strategy(asked.clone());
    let late = Err(RecvTimeoutError::Timeout(None));
    assert_eq!(rx.peek_timeout(ZERO), late);
    assert!(asked.is_zero());
    let sender = thread::spawn(move || {
        thread::sleep(SHORT);
        tx.send(3).unwrap();
        tx
    });
    assert_eq!(in_time(move || rx.peek_timeout(MAX)), Ok(3));
    sender.join().unwrap();
}

#[test]
fn a_peek_has_the_same_limits() {
    peeks::<memring::Spsc>();
    peeks::<memring::Mpsc>();
}

/// Naps twice, then sleeps.
struct Naps;

impl IdleStrategy for Naps {
    fn idle(&self, looks: u32) -> Idle {
        match looks {
            0..2 => {
                thread::sleep(Duration::from_millis(1));
                Idle::Look
            }
            _ => Idle::Sleep,
        }
    }
}

fn stream<T: Message<Received = u64>, K: Kind>(
    mut rx: Receiver<T, K>,
    count: u64,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        in_time(move || {
            for number in 0..count {
                assert_eq!(rx.recv(), Ok(number));
            }
            assert_eq!(rx.recv(), Err(RecvError::Closed));
        });
    })
}

fn endpoints_wait_by_a_strategy_of_the_users<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    rx.set_idle_strategy(Naps);
    tx.set_idle_strategy(Naps);
    let receiver = stream(rx, 20);
    for number in 0..20 {
        tx.send(number).unwrap();
        if number % 5 == 0 {
            thread::sleep(SHORT);
        }
    }
    ring.close().unwrap();
    receiver.join().unwrap();
    // Where nothing wakes it cannot sleep, and looks on.
    let ring = Ring::<u64, K>::builder().wakeups(Wakeups::SpinOnly);
    let ring = ring.capacity(2).anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    rx.set_idle_strategy(Naps);
    let receiver = stream(rx, 1);
    thread::sleep(SHORT);
    tx.send(0).unwrap();
    ring.close().unwrap();
    receiver.join().unwrap();
}

for_each_kind!(endpoints_wait_by_a_strategy_of_the_users);

/// `Look` never sleeps, `Sleep` does.
#[test]
fn the_strategy_says_when_to_sleep() {
    if ran_in_own_process() {
        return;
    }
    failpoints::watch();
    let sleeps = || failpoints::reached()[Failpoint::Woken as usize];
    let ring = Ring::<u64, memring::Mpmc>::anonymous(1).unwrap();
    let mut rx = ring.receiver().unwrap();
    rx.set_idle_strategy(Counted::default());
    assert!(rx.recv_timeout(SHORT).is_err());
    assert_eq!(sleeps(), 0);
    rx.set_idle_strategy(Naps);
    assert!(rx.recv_timeout(SHORT).is_err());
    assert!(sleeps() > 0);
}
