//! Two endpoints of one single side in one process.

use memring::{AttachError, Kind, Ring, RingKind, Side};

use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{Line, get, put};
use crate::common::home::Home;
use crate::common::load::Load;

/// Attaches to `side` and lets go again; says who had it, if it was taken.
fn attach<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, side: Side) -> Option<Option<u32>> {
    let attached = match side {
        Side::Sender => ring.sender().map(drop),
        Side::Receiver => ring.receiver().map(drop),
    };
    match attached {
        Ok(()) => None,
        Err(AttachError::Occupied {
            side: found,
            holder,
        }) => {
            assert_eq!(found, side);
            Some(holder)
        }
        Err(error) => panic!("{error}"),
    }
}

/// By whichever way the process has come to another handle of the ring.
#[test]
fn a_second_endpoint_of_a_single_side_is_refused_and_harms_nothing() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let ring = Ring::<T, K>::create(&home.ring(), 4).expect("make a ring");
            let open = || Ring::<T, K>::open(&home.ring()).expect("open the ring");
            let by_fd = |ring: &Ring<T, K>| {
                Ring::<T, K>::from_fd(ring.as_fd().expect("a descriptor")).expect("by descriptor")
            };
            let opened = open();
            let others = [
                ("the same", ring.clone()),
                ("a second open", open()),
                ("a descriptor", by_fd(&ring)),
                ("a descriptor of a second open", by_fd(&opened)),
            ];
            let sides = [
                (Side::Sender, K::KIND.has_many_senders()),
                (Side::Receiver, K::KIND.has_many_receivers()),
            ];
            // Whichever handle the first endpoints are of.
            for first in [&ring, &opened] {
                let mut tx = first.sender().expect("attach a sender");
                let mut rx = first.receiver().expect("attach a receiver");
                put(&mut tx, 0..3);
                assert_eq!(get(&mut rx), (0, 0));
                for (way, other) in &others {
                    for (side, many) in sides {
                        let expected = (!many).then_some(Some(std::process::id()));
                        assert_eq!(attach(other, side), expected, "{side} by {way}");
                    }
                }
                // Nor does a handle that goes take anything with it.
                let refused = open();
                for (side, many) in sides {
                    assert_eq!(attach(&refused, side).is_some(), !many);
                }
                drop(refused);
                for (side, many) in sides {
                    assert_eq!(attach(&others[1].1, side).is_some(), !many);
                }
                put(&mut tx, 3..4);
                for number in 1..4 {
                    assert_eq!(get(&mut rx), (number, 0));
                }
                let stats = ring.stats();
                assert_eq!((stats.senders.len(), stats.receivers.len()), (1, 1));
                assert_eq!((stats.redelivered, stats.lost), (0, 0));
                drop((tx, rx));
                for (way, other) in &others {
                    for (side, _) in sides {
                        assert_eq!(attach(other, side), None, "{side} by {way}");
                    }
                }
            }
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

/// On a side of many, each handle's endpoint has a place of its own.
#[test]
fn endpoints_of_many_handles_are_told_apart() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let ring = Ring::<T, K>::create(&home.ring(), 8).expect("make a ring");
            let other = Ring::<T, K>::open(&home.ring()).expect("open the ring");
            let mut one = ring.sender().expect("attach a sender");
            let mut two = other.sender().expect("attach another");
            let grant = one.reserve().expect("reserve");
            put(&mut two, 0..2);
            let senders = ring.stats().senders;
            assert!(senders.len() == 2 && senders.iter().all(|peer| peer.alive));
            assert_ne!(senders[0].id, senders[1].id);
            // The end of one handle is the end of its own endpoints only.
            drop((two, other));
            let senders = ring.stats().senders;
            assert!(senders.len() == 1 && senders[0].alive, "{senders:?}");
            drop(grant);
            let mut rx = ring.receiver().expect("attach a receiver");
            for number in 0..2 {
                assert_eq!(get(&mut rx), (number, 0));
            }
        }
    }
    for kind in [RingKind::Mpsc, RingKind::Mpmc] {
        dispatch(kind, Line::NAME, Test);
    }
}
