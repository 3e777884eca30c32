//! Guards, and what they lead to.
#![allow(unsafe_code)]

use memring::{Failure, Kind, Ring};
use memring_testkit::for_each_kind;

fn typed_messages_in_place<K: Kind>() {
    let ring = Ring::<[u64; 64], K>::anonymous(2).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut grant = sender.reserve().unwrap();
    assert_eq!(grant.limit(), 512);
    assert_eq!(grant.as_mut_ptr().align_offset(align_of::<u64>()), 0);
    // SAFETY: nobody else writes to this ring.
    unsafe { *grant.as_mut() = std::array::from_fn(|index| index as u64) };
    grant.commit().unwrap();
    let lease = receiver.lease().unwrap();
    // SAFETY: as above.
    let seen = unsafe { lease.as_ref() };
    assert!(seen.iter().copied().eq(0..64));
    assert_eq!((lease.redeliveries(), lease.is_redelivered()), (0, false));
    assert_eq!(lease.as_ptr().cast(), seen.as_ptr());
    lease.release();
    assert!(receiver.is_empty());
}

fn byte_messages_in_place<K: Kind>() {
    let ring = Ring::<[u8], K>::builder().capacity(2).message_limit(300);
    let ring = ring.anonymous().unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut grant = sender.reserve().unwrap();
    let too_long = Err(Failure::TooLong {
        length: 301,
        limit: 300,
    });
    assert_eq!(grant.write(&[0; 301]), too_long);
    assert_eq!(grant.set_len(301), too_long);
    // SAFETY: nobody else writes to this ring.
    unsafe { grant.as_mut()[..5].copy_from_slice(b"hello") };
    grant.set_len(5).unwrap();
    grant.commit().unwrap();
    // Without a word of it, a message of no bytes.
    sender.reserve().unwrap().commit().unwrap();
    let lease = receiver.lease().unwrap();
    assert_eq!((lease.len(), lease.is_empty()), (5, false));
    // SAFETY: as above.
    assert_eq!(unsafe { lease.as_ref() }, b"hello");
    let mut some = [b'.'; 7];
    assert_eq!(lease.copy_to(&mut some), 5);
    assert_eq!(&some, b"hello..");
    assert_eq!(lease.copy_to(&mut some[..2]), 2);
    assert_eq!(lease.read(), b"hello");
    lease.release();
    let lease = receiver.lease().unwrap();
    assert!(lease.is_empty());
    lease.release();
    let mut buffer = b"old".to_vec();
    assert!(receiver.try_recv_into(&mut buffer).is_err());
    assert_eq!(buffer, b"old");
    sender.send(b"to be kept").unwrap();
    assert_eq!(receiver.recv_into(&mut buffer), Ok(10));
    assert_eq!(buffer, b"to be kept");
    sender.send(b"").unwrap();
    assert_eq!(receiver.try_recv_into(&mut buffer), Ok(0));
    assert!(buffer.is_empty());
}

fn what_was_given_back_is_marked<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(sender.send_batch([1, 2]).unwrap(), 2);
    receiver.lease_batch(2).unwrap().requeue();
    let lease = receiver.lease().unwrap();
    assert_eq!(
        (lease.read(), lease.redeliveries(), lease.is_redelivered()),
        (1, 1, true)
    );
    std::mem::forget(lease);
    // A leaked lease is given back at the receiver's drop.
    drop(receiver);
    let mut receiver = ring.receiver().unwrap();
    let batch = receiver.lease_batch(9).unwrap();
    let mut seen: Vec<_> = batch.iter().map(|m| (m.read(), m.redeliveries())).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 2), (2, 1)]);
}

fn a_leaked_grant_is_given_up<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    std::mem::forget(sender.reserve().unwrap());
    drop(sender);
    let mut sender = ring.sender().unwrap();
    sender.send(7).unwrap();
    assert_eq!(receiver.try_recv(), Ok(7));
}

fn a_batch_whose_iterator_panics<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for all in [true, false] {
        let panics = (1..9u64).map(|value| {
            if value == 3 {
                panic!("no third")
            } else {
                value
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match all {
            true => sender.send_batch(panics).map_err(drop),
            false => sender.try_send_batch(panics).map_err(drop),
        }));
        assert!(ended.is_err());
        sender.send(4).unwrap();
        let mut got = Vec::new();
        assert_eq!(receiver.try_recv_batch(&mut got, 9), Ok(3));
        assert_eq!(got, [1, 2, 4]);
        // No hole: positions that were used are messages.
        assert_eq!(ring.stats().sent, ring.stats().received);
        assert_eq!(ring.stats().sent % 3, 0);
    }
    // And nothing under way, which the end would wait for.
    ring.close().unwrap();
    assert_eq!(receiver.recv(), Err(memring::RecvError::Closed));
}

for_each_kind!(
    typed_messages_in_place,
    byte_messages_in_place,
    what_was_given_back_is_marked,
    a_leaked_grant_is_given_up,
    a_batch_whose_iterator_panics,
);
