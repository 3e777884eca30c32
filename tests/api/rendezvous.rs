//! Rendezvous rings: a message passes directly to a receiver.

mod forms;
mod found;

use std::thread;
use std::time::{Duration, Instant};

use memring::{
    Kind, Mpmc, RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, Side, TryRecvError,
    TrySendError, Wakeups,
};
use memring_testkit::for_each_kind;
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, in_time, wait_until};

const SHORT: Duration = Duration::from_millis(20);

fn rendezvous<K: Kind>() -> Ring<u64, K> {
    Ring::builder().rendezvous().anonymous().unwrap()
}

/// Waits until as many sends of `ring` as these have begun.
fn offered<K: Kind>(ring: &Ring<u64, K>, sends: u64) {
    wait_until(|| ring.stats().sent >= sends, || "no offer".into());
}

fn a_send_waits_for_its_receiver<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        assert_eq!((ring.capacity(), ring.len(), ring.layout()), (0, 0, None));
        assert!(ring.is_empty() && ring.is_full() && tx.is_full() && rx.is_empty());
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
        let began = Instant::now();
        let late = tx.send_timeout(1, SHORT);
        assert_eq!(late, Err(SendTimeoutError::Timeout(1, None)));
        assert!(began.elapsed() >= SHORT);
        // It was taken back.
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        let late = rx.recv_timeout(SHORT);
        assert_eq!(late, Err(RecvTimeoutError::Timeout(None)));
        for number in 0..200 {
            thread::scope(|scope| {
                let sent = scope.spawn(|| tx.send(number));
                if number % 3 == 0 {
                    offered(&ring, 2 + number);
                }
                match number % 4 {
                    0 => assert_eq!(rx.recv(), Ok(number)),
                    1 => {
                        let lease = rx.lease().unwrap();
                        assert_eq!((lease.read(), lease.redeliveries()), (number, 0));
                        lease.release();
                    }
                    2 => {
                        let mut many = Vec::new();
                        assert_eq!(rx.recv_batch(&mut many, 5), Ok(1));
                        assert_eq!(many, [number]);
                    }
                    _ => {
                        let mut message = 0;
                        rx.recv_into(&mut message).unwrap();
                        assert_eq!(message, number);
                    }
                }
                assert_eq!(sent.join().unwrap(), Ok(()));
            });
        }
    });
}

for_each_kind!(a_send_waits_for_its_receiver);

/// `Ok` comes after the release of a lease, and not before.
fn a_send_is_ok_when_it_was_acknowledged<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send(7));
            let lease = rx.lease().unwrap();
            thread::sleep(SHORT);
            assert!(!sent.is_finished());
            lease.requeue();
            let again = rx.lease().unwrap();
            assert_eq!((again.read(), again.redeliveries()), (7, 1));
            assert!(!sent.is_finished());
            again.release();
            assert_eq!(sent.join().unwrap(), Ok(()));
        });
        assert_eq!((ring.stats().redelivered, ring.stats().lost), (1, 0));
    });
}

for_each_kind!(a_send_is_ok_when_it_was_acknowledged);

/// A receiver that has the message in hand at the deadline is named, and what it does then is
/// its own business.
fn in_whose_hand_it_is<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for gives_back in [false, true] {
            thread::scope(|scope| {
                let sent = scope.spawn(|| tx.send_timeout(7, 4 * SHORT));
                let lease = rx.lease().unwrap();
                let error = sent.join().unwrap().unwrap_err();
                assert!(error.is_in_hand() && !error.is_timeout(), "{error}");
                let holder = error.holder().unwrap();
                assert_eq!(
                    (holder.side, holder.pid),
                    (Side::Receiver, std::process::id())
                );
                assert!(error.to_string().contains("receiver"), "{error}");
                assert_eq!(error.into_message(), 7);
                match gives_back {
                    false => lease.release(),
                    true => drop(lease),
                }
            });
            match gives_back {
                false => assert_eq!(rx.try_recv(), Err(TryRecvError::Empty)),
                true => assert_eq!(rx.try_recv(), Ok(7)),
            }
        }
        // And the slot is there for what follows.
        for _ in 0..200 {
            let late = tx.send_timeout(1, Duration::ZERO);
            assert_eq!(late, Err(SendTimeoutError::Timeout(1, None)));
        }
    });
}

for_each_kind!(in_whose_hand_it_is);

/// `try_send` succeeds if a receiver is in a call that waits, and is what that call gets.
fn try_send_needs_a_receiver_that_waits<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for number in 0..200 {
            assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
            thread::scope(|scope| {
                let received = scope.spawn(|| match number % 3 {
                    0 => rx.recv(),
                    1 => rx.recv_timeout(LONG).map_err(|_| RecvError::Closed),
                    _ => rx.lease().map(|lease| {
                        let message = lease.read();
                        lease.release();
                        message
                    }),
                });
                let mut tries = 0u64;
                while let Err(error) = tx.try_send(number) {
                    assert_eq!(error, TrySendError::Full(number));
                    tries += 1;
                    thread::yield_now();
                }
                assert_eq!(received.join().unwrap(), Ok(number), "{tries} tries");
            });
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    });
}

for_each_kind!(try_send_needs_a_receiver_that_waits);

/// A receiver whose time is up, and a sender that binds it at that moment: both or neither.
fn a_receiver_takes_what_it_was_bound_to<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut both = 0;
        for number in 0..600 {
            let timeout = Duration::from_micros(number % 60);
            thread::scope(|scope| {
                let received = scope.spawn(|| rx.recv_timeout(timeout));
                for _ in 0..number % 50 {
                    std::hint::spin_loop();
                }
                let mut sent = Err(TrySendError::Full(0));
                for _ in 0..100 {
                    sent = tx.try_send(number);
                    if sent.is_ok() || received.is_finished() {
                        break;
                    }
                }
                match received.join().unwrap() {
                    Ok(message) => {
                        assert_eq!((message, sent), (number, Ok(())));
                        both += 1;
                    }
                    Err(late) => {
                        assert_eq!(late, RecvTimeoutError::Timeout(None));
                        assert_eq!(sent, Err(TrySendError::Full(number)));
                    }
                }
            });
        }
        println!("{both} met");
    });
}

for_each_kind!(a_receiver_takes_what_it_was_bound_to);

fn closing_gives_the_message_back<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send(7));
            offered(&ring, 1);
            ring.close().unwrap();
            assert_eq!(sent.join().unwrap(), Err(SendError::Closed(7)));
        });
        assert_eq!(tx.try_send(8), Err(TrySendError::Closed(8)));
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    });
}

for_each_kind!(closing_gives_the_message_back);

/// What is in hand when the ring is closed is still acknowledged.
fn what_is_in_hand_outlives_the_closing<K: Kind>() {
    in_time(|| {
        for gives_back in [false, true] {
            let ring = rendezvous::<K>();
            let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
            thread::scope(|scope| {
                let sent = scope.spawn(|| tx.send(7));
                let lease = rx.lease().unwrap();
                ring.close().unwrap();
                thread::sleep(SHORT);
                assert!(!sent.is_finished());
                if gives_back {
                    drop(lease);
                    assert_eq!(sent.join().unwrap(), Err(SendError::Closed(7)));
                } else {
                    lease.release();
                    assert_eq!(sent.join().unwrap(), Ok(()));
                }
            });
            assert_eq!(rx.recv(), Err(RecvError::Closed));
        }
    });
}

for_each_kind!(what_is_in_hand_outlives_the_closing);

fn a_removed_ring_says_so<K: Kind>() {
    let home = Home::new();
    in_time(move || {
        let name = home.named("handed");
        let ring = Ring::<u64, K>::create(&name, 0).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send(7));
            offered(&ring, 1);
            memring::remove(&name).unwrap();
            assert_eq!(sent.join().unwrap(), Err(SendError::Removed(7)));
        });
        assert_eq!(rx.recv(), Err(RecvError::Removed));
    });
}

for_each_kind!(a_removed_ring_says_so);

/// Nobody ever waits for a peer that has gone, and everybody for one that may come.
fn peers_that_have_gone<K: Kind>() {
    in_time(|| {
        let ring = rendezvous::<K>();
        let (mut tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        assert_eq!((tx.peers().len(), rx.peers().len()), (1, 1));
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send(7));
            offered(&ring, 1);
            drop(rx);
            assert_eq!(sent.join().unwrap(), Err(SendError::Disconnected(7)));
        });
        assert_eq!(tx.try_send(8), Err(TrySendError::Disconnected(8)));
        let mut rx = ring.receiver().unwrap();
        thread::scope(|scope| {
            let sent = scope.spawn(|| tx.send(9));
            assert_eq!(rx.recv(), Ok(9));
            assert_eq!(sent.join().unwrap(), Ok(()));
        });
        drop(tx);
        assert_eq!(rx.recv(), Err(RecvError::Disconnected));
    });
}

for_each_kind!(peers_that_have_gone);

#[test]
fn many_pairs_meet_once_each() {
    const EACH: u64 = 500;
    in_time(|| {
        for wakeups in [Wakeups::Blocking, Wakeups::SpinOnly] {
            let ring = Ring::<u64, Mpmc>::builder().rendezvous().wakeups(wakeups);
            let ring = ring.anonymous().unwrap();
            let mut all: Vec<u64> = thread::scope(|scope| {
                let receivers: Vec<_> = (0..3)
                    .map(|_| {
                        let mut rx = ring.receiver().unwrap();
                        scope.spawn(move || {
                            let mut got = Vec::new();
                            while let Ok(message) = rx.recv() {
                                got.push(message);
                            }
                            got
                        })
                    })
                    .collect();
                // All are attached before one is done: else the receivers may find that all
                // senders have left.
                let senders: Vec<_> = (0..4u64).map(|_| ring.sender().unwrap()).collect();
                let senders: Vec<_> = (0..)
                    .zip(senders)
                    .map(|(sender, mut tx): (u64, _)| {
                        scope.spawn(move || {
                            for number in sender * EACH..(sender + 1) * EACH {
                                match number % 5 {
                                    0 => while tx.try_send(number).is_err() {},
                                    1 => {
                                        while let Err(error) = tx.send_timeout(number, SHORT / 100)
                                        {
                                            assert!(error.is_timeout() || error.is_in_hand());
                                            if error.is_in_hand() {
                                                break; // it is acknowledged at once
                                            }
                                        }
                                    }
                                    _ => tx.send(number).unwrap(),
                                }
                            }
                        })
                    })
                    .collect();
                for sender in senders {
                    sender.join().unwrap();
                }
                ring.close().unwrap();
                let got = receivers.into_iter().map(|one| one.join().unwrap());
                got.flatten().collect()
            });
            all.sort();
            assert!(all.into_iter().eq(0..4 * EACH), "{wakeups:?}");
        }
    });
}

/// Any number of leases stands in the way of no other message.
#[test]
fn leases_do_not_hold_others_up() {
    in_time(|| {
        let ring = rendezvous::<Mpmc>();
        let (mut slow, mut quick) = (ring.receiver().unwrap(), ring.receiver().unwrap());
        let (mut held, mut tx) = (ring.sender().unwrap(), ring.sender().unwrap());
        thread::scope(|scope| {
            let sent = scope.spawn(|| held.send(1));
            let lease = slow.lease().unwrap();
            for number in 0..300 {
                thread::scope(|scope| {
                    let sent = scope.spawn(|| tx.send(number));
                    assert_eq!(quick.recv(), Ok(number));
                    assert_eq!(sent.join().unwrap(), Ok(()));
                });
            }
            assert!(!sent.is_finished());
            lease.release();
            assert_eq!(sent.join().unwrap(), Ok(()));
        });
    });
}
