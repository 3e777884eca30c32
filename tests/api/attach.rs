//! Handles and endpoints: who may have them, and what they tell.

use memring::{
    AttachError, Grant, Kind, Lease, Mpmc, Mpsc, OnDeath, Receiver, Ring, RingBuilder, RingKind,
    Sender, Side, Spmc, Spsc, WaitStrategy, Wakeups,
};
use memring_testkit::for_each_kind;
use memring_testkit::text::says;

#[test]
fn what_may_go_to_other_threads() {
    fn sends<T: Send>() {}
    fn shares<T: Send + Sync>() {}
    fn clones<T: Clone>() {}
    fn shows<T: std::fmt::Debug>() {}
    fn kind<K: Kind>() {
        shares::<Ring<u64, K>>();
        shares::<Ring<[u8], K>>();
        shares::<RingBuilder<u64, K>>();
        sends::<Sender<u64, K>>();
        sends::<Sender<[u8], K>>();
        sends::<Receiver<u64, K>>();
        sends::<Receiver<[u8], K>>();
        clones::<Ring<[u8], K>>();
        clones::<RingBuilder<[u8], K>>();
        shows::<Ring<u64, K>>();
        shows::<Sender<u64, K>>();
        shows::<Receiver<u64, K>>();
        shows::<Grant<'static, u64, K>>();
        shows::<Lease<'static, u64, K>>();
    }
    kind::<Spsc>();
    kind::<Mpsc>();
    kind::<Spmc>();
    kind::<Mpmc>();
    clones::<Sender<u64, Mpsc>>();
    clones::<Sender<u64, Mpmc>>();
    clones::<Receiver<u64, Spmc>>();
    clones::<Receiver<u64, Mpmc>>();
    shares::<memring::RingError>();
    shares::<memring::AttachError>();
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn a_single_side_is_occupied() {
    let ring = Ring::<u64, Spsc>::anonymous(2).unwrap();
    let sender = ring.sender().unwrap();
    let receiver = ring.receiver().unwrap();
    let pid = std::process::id();
    for (error, side, many) in [
        (ring.sender().unwrap_err(), Side::Sender, "senders"),
        (ring.receiver().unwrap_err(), Side::Receiver, "receivers"),
    ] {
        says(
            &error,
            &["attached already", &pid.to_string(), "detach", many],
        );
        assert!(
            matches!(error, AttachError::Occupied { side: found, holder } if (found, holder) == (side, Some(pid)))
        );
    }
    // The same through another handle of the same ring.
    let other = Ring::<u64, Spsc>::from_fd(ring.share_fd().unwrap()).unwrap();
    assert!(matches!(other.sender(), Err(AttachError::Occupied { .. })));
    drop(sender);
    other.sender().unwrap();
    drop(receiver);
    other.receiver().unwrap();
}

#[test]
fn a_side_of_many_has_many_places_and_no_more() {
    let ring = Ring::<u64, Mpsc>::anonymous(2).unwrap();
    let mut senders: Vec<_> = (0..511).map(|_| ring.sender().unwrap()).collect();
    let error = ring.sender().unwrap_err();
    says(&error, &["all 511 places", "senders", "detach one"]);
    assert!(matches!(
        error,
        AttachError::TooMany {
            side: Side::Sender,
            limit: 511
        }
    ));
    // Clones share a place.
    let _clone = senders[0].clone();
    senders.pop();
    ring.sender().unwrap();
    assert_eq!(ring.stats().senders.len(), 510);
    let ring = Ring::<u64, Spmc>::anonymous(2).unwrap();
    let receivers: Vec<_> = (0..512).map(|_| ring.receiver().unwrap()).collect();
    let error = ring.receiver().unwrap_err();
    assert!(matches!(
        error,
        AttachError::TooMany {
            side: Side::Receiver,
            limit: 512
        }
    ));
    drop(receivers);
    assert!(ring.stats().receivers.is_empty());
}

fn spinners_cannot_park<K: Kind>() {
    let ring = Ring::<u64, K>::builder()
        .wakeups(Wakeups::SpinOnly)
        .anonymous()
        .unwrap();
    for strategy in [WaitStrategy::Park, WaitStrategy::default()] {
        let errors = [
            ring.sender_with(strategy).err().unwrap(),
            ring.receiver_with(strategy).err().unwrap(),
        ];
        for error in errors {
            assert!(matches!(error, AttachError::CannotPark));
            says(
                &error,
                &["SpinOnly", "WaitStrategy::Spin", "Wakeups::Blocking"],
            );
        }
    }
    let mut sender = ring.sender_with(WaitStrategy::Spin).unwrap();
    sender.send(1).unwrap();
    assert_eq!(ring.receiver().unwrap().recv(), Ok(1));
}

fn figures<K: Kind>() {
    let ring = Ring::<u64, K>::builder().capacity(4).max_deliveries(2);
    let ring = ring
        .on_receiver_death(OnDeath::Discard)
        .anonymous()
        .unwrap();
    assert_eq!(
        (ring.capacity(), ring.message_size(), ring.path()),
        (4, 8, None)
    );
    let stats = ring.stats();
    assert_eq!(
        (stats.len, stats.capacity, stats.sent, stats.received),
        (0, 4, 0, 0)
    );
    assert!(stats.senders.is_empty() && stats.receivers.is_empty() && !stats.closed);
    let mut sender = ring.sender().unwrap();
    let mut receiver = ring.receiver().unwrap();
    for value in 0..3 {
        sender.send(value).unwrap();
    }
    assert_eq!(receiver.recv(), Ok(0));
    let stats = sender.stats();
    assert_eq!((stats.len, stats.sent, stats.received), (2, 3, 1));
    assert_eq!((sender.len(), receiver.len(), ring.len()), (2, 2, 2));
    assert!(!ring.is_empty() && !sender.is_empty() && !receiver.is_empty());
    for (peers, ids) in [(&stats.senders, 1..512), (&stats.receivers, 512..1024)] {
        assert_eq!(peers.len(), 1);
        assert!(ids.contains(&peers[0].id) && peers[0].alive);
        assert_eq!(peers[0].pid, std::process::id());
    }
    // Given back by hand, whatever the policy; twice is too often.
    receiver.lease().unwrap().requeue();
    let stats = receiver.stats();
    assert_eq!((stats.lost, stats.redelivered), (0, 1));
    let many = K::KIND.has_many_receivers();
    let leased = receiver.lease_batch(4).unwrap();
    let rest: Vec<u64> = leased.iter().map(|m| m.read()).collect();
    leased.release();
    assert_eq!(rest, if many { [2, 1] } else { [1, 2] });
    sender.send(3).unwrap();
    let first = receiver.try_recv().unwrap();
    assert_eq!(first, 3);
    sender.send(4).unwrap();
    receiver.lease().unwrap().requeue();
    receiver.lease().unwrap().requeue();
    let stats = ring.stats();
    assert_eq!((stats.lost, stats.redelivered), (1, 2));
    assert!(receiver.is_empty());
    ring.close().unwrap();
    assert!(ring.stats().closed && ring.is_closed() && sender.is_closed() && receiver.is_closed());
    drop((sender, receiver));
    assert!(ring.stats().senders.is_empty() && ring.stats().receivers.is_empty());
}

fn clones_share_a_place_and_debug_says_what<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let again = ring.clone();
    let sender = again.sender().unwrap();
    assert_eq!(ring.stats().senders.len(), 1);
    assert_eq!(sender.ring().capacity(), 2);
    let text = format!("{ring:?} {sender:?}");
    assert!(
        text.contains("capacity: 2") && text.contains("Sender"),
        "{text}"
    );
    let kind = format!("{:?}", K::KIND);
    assert!(text.contains(&kind), "{text}");
}

for_each_kind!(
    spinners_cannot_park,
    figures,
    clones_share_a_place_and_debug_says_what
);

#[test]
fn kinds_have_names() {
    for kind in RingKind::ALL {
        assert_eq!(kind.to_string().parse::<RingKind>().unwrap(), kind);
    }
    let error = "ring".parse::<RingKind>().unwrap_err();
    says(&error, &["\"ring\"", "expected spsc, mpsc, spmc or mpmc"]);
}
