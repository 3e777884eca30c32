//! Receivers killed with messages in their hands.

use std::time::Duration;

use memring::{Kind, OnDeath, RecvTimeoutError, Ring, RingKind, Side};

use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{A_WHILE, Line, Scene, get, get_sorted, put};
use crate::common::load::Load;

#[test]
fn what_the_dead_held_is_delivered_again_and_marked() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(8));
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..6);
            scene.hold(Side::Receiver, 3).kill();
            scene.hold(Side::Receiver, 2).kill();
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            let got = get_sorted(&mut rx, 6);
            assert_eq!(got, [(0, 2), (1, 2), (2, 1), (3, 0), (4, 0), (5, 0)]);
            assert_eq!(rx.try_recv().ok().map(|message| T::stamp(&message)), None);
            let stats = scene.ring.stats();
            assert_eq!((stats.redelivered, stats.lost), (5, 0));
            // And all of the ring is there for what follows.
            put(&mut tx, 6..14);
            let got = get_sorted(&mut rx, 8);
            assert!(got.into_iter().eq((6..14).map(|number| (number, 0))));
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

/// What the dead one had acknowledged does not come again.
#[test]
fn only_what_the_dead_held_is_delivered_again() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(64));
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..20);
            // Not so many that senders have been told of the room.
            scene.hold_after(5, Side::Receiver, 2).kill();
            scene.hold_after(3, Side::Receiver, 1).kill();
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            let got = get_sorted(&mut rx, 12);
            assert!(
                got.into_iter()
                    .eq((8..20).map(|number| (number, u8::from(number == 8))))
            );
            assert!(rx.try_recv().is_err());
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

/// A receiver that sleeps on an empty ring when another dies finds out.
#[test]
fn a_sleeping_survivor_gets_what_the_dead_held() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..2);
            let holder = scene.hold(Side::Receiver, 2);
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    std::thread::sleep(A_WHILE);
                    holder.kill();
                });
                let empty = rx.recv_timeout(Duration::from_millis(50));
                assert_eq!(empty.err(), Some(RecvTimeoutError::Timeout(None)));
                assert_eq!(get_sorted(&mut rx, 2), [(0, 1), (1, 1)]);
            });
        }
    }
    for kind in [RingKind::Spmc, RingKind::Mpmc] {
        dispatch(kind, Line::NAME, Test);
    }
}

#[test]
fn discarded_messages_are_counted() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let builder = Ring::<T, K>::builder().capacity(8);
            let scene = Scene::new(builder.on_receiver_death(OnDeath::Discard));
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..8);
            scene.hold(Side::Receiver, 3).kill();
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            let got = get_sorted(&mut rx, 5);
            assert!(got.into_iter().eq((3..8).map(|number| (number, 0))));
            let stats = scene.ring.stats();
            assert_eq!((stats.lost, stats.redelivered), (3, 0));
            put(&mut tx, 8..16);
            let got = get_sorted(&mut rx, 8);
            assert!(got.into_iter().eq((8..16).map(|number| (number, 0))));
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

/// A message that kills its receivers does not do so for ever.
#[test]
fn attempts_come_to_an_end() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(2).max_deliveries(3));
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..1);
            for _ in 0..3 {
                scene.hold(Side::Receiver, 1).kill();
            }
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            let empty = rx.recv_timeout(A_WHILE).err();
            assert_eq!(empty, Some(RecvTimeoutError::Timeout(None)));
            let stats = scene.ring.stats();
            assert_eq!((stats.lost, stats.redelivered), (1, 2));
            for number in 1..9 {
                put(&mut tx, number..number + 1);
                assert_eq!(get(&mut rx), (number, 0));
            }
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

/// Positions that senders gave up lie between the messages in dead hands.
#[test]
fn gaps_are_no_messages() {
    struct Test(OnDeath);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let builder = Ring::<T, K>::builder().capacity(16);
            let scene = Scene::new(builder.on_receiver_death(self.0));
            let mut tx = scene.ring.sender().expect("attach a sender");
            let mut next = 0;
            for _ in 0..20 {
                for part in [1, 2, 1] {
                    put(&mut tx, next..next + part);
                    next += part;
                    drop(tx.try_reserve().expect("there is room"));
                }
                scene.hold(Side::Receiver, 4).kill();
                let mut rx = scene.ring.receiver().expect("attach a receiver");
                if self.0 == OnDeath::Redeliver {
                    let got = get_sorted(&mut rx, 4);
                    assert!(
                        got.into_iter()
                            .eq((next - 4..next).map(|number| (number, 1)))
                    );
                }
                assert!(rx.try_recv().is_err());
            }
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            put(&mut tx, next..next + 16);
            let got = get_sorted(&mut rx, 16);
            assert!(
                got.into_iter()
                    .eq((next..next + 16).map(|number| (number, 0)))
            );
            let stats = scene.ring.stats();
            let expected = match self.0 {
                OnDeath::Redeliver => (next, 0),
                OnDeath::Discard => (0, next),
            };
            assert_eq!((stats.redelivered, stats.lost), expected);
        }
    }
    for kind in RingKind::ALL {
        for policy in [OnDeath::Redeliver, OnDeath::Discard] {
            dispatch(kind, Line::NAME, Test(policy));
        }
    }
}
