//! Two endpoints of one single side in one process.

use memring::{Kind, Ring, Side};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{expect_in_order, get, put};
use memring_testkit::homes::Home;
use memring_testkit::kinds::{has_many, occupant};
use memring_testkit::loads::Line;

/// By whichever way the process has come to another handle of the ring.
fn a_second_endpoint_of_a_single_side_is_refused_and_harms_nothing<K: Kind>() {
    let home = Home::new();
    let ring = Ring::<Line, K>::create(home.ring(), 4).expect("make a ring");
    let open = || Ring::<Line, K>::open(home.ring()).expect("open the ring");
    let by_fd = |ring: &Ring<Line, K>| {
        Ring::<Line, K>::from_fd(ring.share_fd().expect("a descriptor")).expect("by descriptor")
    };
    let opened = open();
    let others = [
        ("the same", ring.clone()),
        ("a second open", open()),
        ("a descriptor", by_fd(&ring)),
        ("a descriptor of a second open", by_fd(&opened)),
    ];
    let sides = [Side::Sender, Side::Receiver].map(|side| (side, has_many(K::KIND, side)));
    // Whichever handle the first endpoints are of.
    for first in [&ring, &opened] {
        let mut tx = first.sender().expect("attach a sender");
        let mut rx = first.receiver().expect("attach a receiver");
        put(&mut tx, 0..3);
        assert_eq!(get(&mut rx), (0, 0));
        for (way, other) in &others {
            for (side, many) in sides {
                let expected = (!many).then_some(std::process::id());
                assert_eq!(occupant(other, side), expected, "{side} by {way}");
            }
        }
        // Nor does a handle that goes take anything with it.
        let refused = open();
        for (side, many) in sides {
            assert_eq!(occupant(&refused, side).is_some(), !many);
        }
        drop(refused);
        for (side, many) in sides {
            assert_eq!(occupant(&others[1].1, side).is_some(), !many);
        }
        put(&mut tx, 3..4);
        expect_in_order(&mut rx, 1..4);
        let stats = ring.stats();
        assert_eq!((stats.senders.len(), stats.receivers.len()), (1, 1));
        assert_eq!((stats.redelivered, stats.lost), (0, 0));
        drop((tx, rx));
        for (way, other) in &others {
            for (side, _) in sides {
                assert_eq!(occupant(other, side), None, "{side} by {way}");
            }
        }
    }
}

for_each_kind!(a_second_endpoint_of_a_single_side_is_refused_and_harms_nothing);

/// On a side of many, each handle's endpoint has a place of its own.
fn endpoints_of_many_handles_are_told_apart<K: Kind>() {
    let home = Home::new();
    let ring = Ring::<Line, K>::create(home.ring(), 8).expect("make a ring");
    let other = Ring::<Line, K>::open(home.ring()).expect("open the ring");
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
    expect_in_order(&mut rx, 0..2);
}

for_each_kind!([mpsc mpmc] endpoints_of_many_handles_are_told_apart);
