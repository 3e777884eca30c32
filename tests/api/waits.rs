//! Waiting, with and without an end to it, and the iterators.

use std::thread;
use std::time::{Duration, Instant};

use memring::{
    Kind, Mpmc, RecvError, RecvTimeoutError, Ring, SendTimeoutError, Spmc, TryRecvError,
    WaitForPeerError, WaitStrategy, Wakeups,
};
use memring_testkit::for_each_kind;
use memring_testkit::time::{LONG, in_time};

const SHORT: Duration = Duration::from_millis(20);
const STRATEGIES: [WaitStrategy; 4] = [
    WaitStrategy::Spin,
    WaitStrategy::SpinThenPark { spins: 10 },
    WaitStrategy::SpinThenPark { spins: 1000 },
    WaitStrategy::Park,
];

fn timeouts_and_deadlines<K: Kind>() {
    for strategy in STRATEGIES {
        let ring = Ring::<u64, K>::anonymous(1).unwrap();
        let mut sender = ring.sender_with(strategy).unwrap();
        let mut receiver = ring.receiver_with(strategy).unwrap();
        let start = Instant::now();
        let past = start.checked_sub(LONG).unwrap_or(start);
        for timeout in [Duration::ZERO, SHORT] {
            assert_eq!(
                receiver.recv_timeout(timeout),
                Err(RecvTimeoutError::Timeout(None))
            );
            let leased = receiver.lease_timeout(timeout);
            assert!(matches!(leased, Err(RecvTimeoutError::Timeout(None))));
        }
        // Six times 20 ms in all: never before its time.
        assert!(start.elapsed() >= 2 * SHORT);
        for deadline in [past, Instant::now(), Instant::now() + SHORT] {
            assert_eq!(
                receiver.recv_deadline(deadline),
                Err(RecvTimeoutError::Timeout(None))
            );
            let leased = receiver.lease_deadline(deadline);
            assert!(matches!(leased, Err(RecvTimeoutError::Timeout(None))));
            assert!(Instant::now() >= deadline);
        }
        // What is there is received, whatever the deadline.
        sender.send_deadline(1, past).unwrap();
        assert_eq!(receiver.recv_deadline(past), Ok(1));
        sender.send_timeout(2, Duration::ZERO).unwrap();
        for timeout in [Duration::ZERO, SHORT] {
            let late = SendTimeoutError::Timeout(3, None);
            assert_eq!(sender.send_timeout(3, timeout), Err(late));
            assert_eq!(sender.send_deadline(3, Instant::now() + timeout), Err(late));
            let reserved = sender.reserve_timeout(timeout).map(drop);
            assert_eq!(reserved, Err(SendTimeoutError::Timeout((), None)));
            let reserved = sender.reserve_deadline(Instant::now() + timeout);
            assert_eq!(reserved.map(drop), Err(SendTimeoutError::Timeout((), None)));
        }
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(2));
        sender.send_timeout(4, Duration::MAX).unwrap();
    }
}

/// One waits, the other comes late, in both directions.
fn who_waits_is_woken<K: Kind>() {
    for strategy in STRATEGIES {
        let ring = Ring::<u64, K>::anonymous(1).unwrap();
        let mut sender = ring.sender_with(strategy).unwrap();
        let mut receiver = ring.receiver_with(strategy).unwrap();
        let late = thread::spawn(move || {
            thread::sleep(SHORT);
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            in_time(move || {
                // Waits for the slot of 2.
                sender.send_timeout(3, LONG).unwrap();
                sender.reserve_timeout(LONG).unwrap().commit().unwrap();
            });
        });
        let mut receiver = in_time(move || {
            assert_eq!(receiver.recv_timeout(LONG), Ok(1));
            receiver
        });
        thread::sleep(SHORT);
        in_time(move || {
            assert_eq!(receiver.recv(), Ok(2));
            let lease = receiver.lease_timeout(LONG).unwrap();
            assert_eq!(lease.read(), 3);
            lease.release();
            let mut rest = Vec::new();
            assert_eq!(receiver.recv_batch(&mut rest, 3), Ok(1));
        });
        late.join().unwrap();
    }
}

fn before_the_other_side_has_ever_come<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut receiver = ring.receiver().unwrap();
    let other = ring.clone();
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        let mut sender = other.sender().unwrap();
        thread::sleep(SHORT);
        sender.send(1).unwrap();
        sender
    });
    assert_eq!(in_time(move || receiver.recv()), Ok(1));
    drop(late.join().unwrap());
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut sender = ring.sender().unwrap();
    sender.send(2).unwrap();
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        ring.receiver().unwrap().recv()
    });
    in_time(move || sender.send(3)).unwrap();
    assert_eq!(late.join().unwrap(), Ok(2));
}

fn spinners_spin<K: Kind>() {
    let ring = Ring::<u64, K>::builder()
        .wakeups(Wakeups::SpinOnly)
        .capacity(1);
    let ring = ring.anonymous().unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(
        receiver.recv_timeout(SHORT),
        Err(RecvTimeoutError::Timeout(None))
    );
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        for value in 0..100 {
            sender.send(value).unwrap();
        }
    });
    in_time(move || assert!(receiver.iter().take(100).eq((0..100).map(Ok))));
    late.join().unwrap();
}

fn iterators<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(receiver.try_iter().next(), None);
    sender.send_batch(0..5).unwrap();
    assert!(receiver.try_iter().eq((0..5).map(Ok)));
    sender.send_batch(0..3).unwrap();
    let mut seen = Vec::new();
    for message in &mut receiver {
        seen.push(message.unwrap());
        if message == Ok(2) {
            sender.send(9).unwrap();
            break;
        }
    }
    assert_eq!(seen, [0, 1, 2]);
    drop(sender);
    let mut messages = receiver.iter();
    assert_eq!(messages.next(), Some(Ok(9)));
    assert_eq!(messages.next(), Some(Err(RecvError::Disconnected)));
    let mut there = receiver.try_iter();
    assert_eq!(there.next(), Some(Err(TryRecvError::Disconnected)));
    assert_eq!(there.next(), None);
    // Other calls find the same again.
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
    ring.close().unwrap();
    let mut messages = receiver.into_iter();
    assert_eq!((messages.next(), messages.next()), (None, None));
    assert!(messages.into_inner().is_closed());
}

/// `Disconnected` is one item each time that it becomes true, and the next call waits: so
/// `flatten` comes by all that senders send who start when others have gone.
fn iteration_goes_on_with_the_next_sender<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let receiver = ring.receiver().unwrap();
    let (mut first, other) = (ring.sender().unwrap(), ring.clone());
    let senders = thread::spawn(move || {
        first.send(1).unwrap();
        drop(first);
        for _ in 0..2 {
            thread::sleep(SHORT);
            // Comes and goes, and has sent nothing.
            drop(other.sender().unwrap());
        }
        let mut second = other.sender().unwrap();
        second.send(2).unwrap();
        other.close().unwrap();
    });
    let got = in_time(move || receiver.into_iter().flatten().collect::<Vec<_>>());
    assert_eq!(got, [1, 2]);
    senders.join().unwrap();
}

/// A call after the item waits, and finds a peer that came and went.
fn each_time_that_it_becomes_true<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let mut receiver = ring.receiver().unwrap();
    let mut messages = receiver.iter();
    for _ in 0..3 {
        drop(ring.sender().unwrap());
        assert_eq!(messages.next(), Some(Err(RecvError::Disconnected)));
    }
    // Once only: the next call waits for what comes now.
    let late = ring.clone();
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        late.close().unwrap();
    });
    assert_eq!(messages.next(), None);
    late.join().unwrap();
}

fn who_waits_for_a_peer_is_woken<K: Kind>() {
    for strategy in STRATEGIES {
        let ring = Ring::<u64, K>::anonymous(1).unwrap();
        let mut receiver = ring.receiver_with(strategy).unwrap();
        let timeout = Err(WaitForPeerError::Timeout);
        assert_eq!(receiver.wait_for_peer(Duration::ZERO), timeout);
        assert_eq!(receiver.wait_for_peer(SHORT), timeout);
        assert!(receiver.peers().is_empty() && !receiver.is_disconnected());
        let other = ring.clone();
        let late = thread::spawn(move || {
            thread::sleep(SHORT);
            other.sender().unwrap()
        });
        let mut receiver = in_time(move || {
            receiver.wait_for_peer(Duration::MAX).unwrap();
            receiver
        });
        let mut sender = late.join().unwrap();
        assert_eq!(sender.wait_for_peer(Duration::ZERO), Ok(()));
        let [senders, receivers] = [receiver.peers(), sender.peers()];
        assert_eq!((senders.len(), receivers.len()), (1, 1));
        assert_eq!(senders[0].pid, std::process::id());
        drop(sender);
        assert!(receiver.is_disconnected());
        ring.close().unwrap();
        let closed = Err(WaitForPeerError::Closed);
        assert_eq!(receiver.wait_for_peer(LONG), closed);
    }
}

/// The iterator waits for the next peer; other calls find what they found before.
fn a_message_without_a_new_peer_ends_no_disconnection<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut first, mut second) = (ring.receiver().unwrap(), ring.receiver().unwrap());
    let mut sender = ring.sender().unwrap();
    sender.send(1).unwrap();
    drop(sender);
    let lease = first.lease().unwrap();
    let mut messages = second.iter();
    assert_eq!(messages.next(), Some(Err(RecvError::Disconnected)));
    lease.requeue();
    assert_eq!(messages.next(), Some(Ok(1)));
    assert_eq!(second.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_message_that_was_given_back_ends_no_disconnection() {
    a_message_without_a_new_peer_ends_no_disconnection::<Spmc>();
    a_message_without_a_new_peer_ends_no_disconnection::<Mpmc>();
}

for_each_kind!(
    timeouts_and_deadlines,
    who_waits_is_woken,
    before_the_other_side_has_ever_come,
    spinners_spin,
    iteration_goes_on_with_the_next_sender,
    each_time_that_it_becomes_true,
    who_waits_for_a_peer_is_woken,
    iterators,
);
