//! Processes stopped for as long as it pleases: never taken for dead.

use memring::{AttachError, Kind, RecvTimeoutError, Ring, RingKind, SendTimeoutError, Side};

use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{A_WHILE, HELD, Line, Scene, get, put};
use crate::common::load::{Load, Stamp};

fn occupant<E>(attached: Result<E, AttachError>, expected: Side) -> Option<u32> {
    match attached {
        Err(AttachError::Occupied { side, holder }) if side == expected => holder,
        Err(error) => panic!("expected an occupied side, found {error}"),
        Ok(_) => panic!("a living {expected} was robbed of its place"),
    }
}

/// Single sides name their holder, stopped or not, and no longer when it died.
#[test]
fn a_single_side_is_occupied_while_its_holder_lives() {
    struct Test(Side);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Test(side) = self;
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let attach = || match side {
                Side::Sender => occupant(scene.ring.sender(), side),
                Side::Receiver => occupant(scene.ring.receiver(), side),
            };
            if side == Side::Receiver {
                put(&mut scene.ring.sender().expect("attach a sender"), 0..1);
            }
            let holder = scene.hold(side, 1);
            assert_eq!(attach(), Some(holder.pid()));
            holder.stop();
            std::thread::sleep(A_WHILE);
            assert_eq!(attach(), Some(holder.pid()));
            holder.kill();
            match side {
                Side::Sender => drop(scene.ring.sender().expect("the place is free")),
                Side::Receiver => drop(scene.ring.receiver().expect("the place is free")),
            }
        }
    }
    for kind in RingKind::ALL {
        if !kind.has_many_senders() {
            dispatch(kind, Line::NAME, Test(Side::Sender));
        }
        if !kind.has_many_receivers() {
            dispatch(kind, Line::NAME, Test(Side::Receiver));
        }
    }
}

#[test]
fn the_claim_of_a_stopped_sender_is_waited_for() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let holder = scene.hold(Side::Sender, 0);
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            holder.stop();
            let others = if K::KIND.has_many_senders() {
                let mut tx = scene.ring.sender().expect("attach a sender");
                put(&mut tx, 0..3); // and then the ring is full
                let made = T::make(Stamp {
                    sender: 0,
                    number: 3,
                });
                let full = tx.send_timeout(T::lend(&made), A_WHILE);
                assert!(
                    matches!(full, Err(SendTimeoutError::Timeout(_))),
                    "{full:?}"
                );
                3
            } else {
                0
            };
            // Also what lies behind the claim waits.
            let late = rx.recv_timeout(A_WHILE).err();
            assert_eq!(late, Some(RecvTimeoutError::Timeout));
            holder.resume();
            scene.let_go(holder);
            assert_eq!(get(&mut rx), (HELD, 0));
            for number in 0..others {
                assert_eq!(get(&mut rx), (number, 0));
            }
            assert_eq!(
                rx.recv_timeout(A_WHILE).err(),
                Some(RecvTimeoutError::Disconnected)
            );
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

#[test]
fn the_lease_of_a_stopped_receiver_is_left_to_it() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let mut tx = scene.ring.sender().expect("attach a sender");
            put(&mut tx, 0..4);
            let holder = scene.hold(Side::Receiver, 1);
            holder.stop();
            if K::KIND.has_many_receivers() {
                // Others pass by, and get the rest, but not that.
                let mut rx = scene.ring.receiver().expect("attach a receiver");
                for number in 1..4 {
                    assert_eq!(get(&mut rx), (number, 0));
                }
                let empty = rx.recv_timeout(A_WHILE).err();
                assert_eq!(empty, Some(RecvTimeoutError::Timeout));
            }
            // Nothing is written over it.
            let made = T::make(Stamp {
                sender: 0,
                number: 4,
            });
            let full = tx.send_timeout(T::lend(&made), A_WHILE);
            assert!(
                matches!(full, Err(SendTimeoutError::Timeout(_))),
                "{full:?}"
            );
            holder.resume();
            scene.let_go(holder);
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            let left = if K::KIND.has_many_receivers() {
                4..4
            } else {
                1..4
            };
            put(&mut tx, 4..5);
            for number in left.chain(4..5) {
                assert_eq!(get(&mut rx), (number, 0));
            }
            let stats = scene.ring.stats();
            assert_eq!((stats.redelivered, stats.lost), (0, 0));
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}
