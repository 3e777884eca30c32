//! A forked child and its parent's endpoints.

use std::io::Read;
use std::time::Duration;

use memring::{
    AttachError, Failure, Kind, Receiver, RecvError, RecvTimeoutError, Ring, RingError, SendError,
    SendTimeoutError, Sender, Spsc, TryRecvError, TrySendError,
};
use memring_testkit::for_each_kind;
use memring_testkit::forks::{fork, in_child, ran_in_own_process};
use memring_testkit::text::says;
use memring_testkit::time::in_time;

use crate::place::Place;

const NO_TIME: Duration = Duration::ZERO;

fn sender_is_refused<K: Kind>(sender: &mut Sender<u64, K>) {
    let forked = Failure::Forked;
    assert_eq!(sender.try_send(1), Err(TrySendError::Failed(1, forked)));
    assert_eq!(sender.send(1), Err(SendError::Failed(1, forked)));
    let late = SendTimeoutError::Failed(1, forked);
    assert_eq!(sender.send_timeout(1, NO_TIME), Err(late));
    let error = sender.try_send_batch([1]).unwrap_err();
    assert_eq!(
        (error.sent, error.cause),
        (0, TrySendError::Failed(1, forked))
    );
    let error = sender.send_batch([1]).unwrap_err();
    assert_eq!((error.sent, error.cause), (0, SendError::Failed(1, forked)));
    says(
        &error,
        &["forked child", "open the ring again in the child"],
    );
    assert!(matches!(
        sender.try_reserve(),
        Err(TrySendError::Failed((), Failure::Forked))
    ));
    assert!(matches!(
        sender.reserve(),
        Err(SendError::Failed((), Failure::Forked))
    ));
    let reserved = sender.reserve_timeout(NO_TIME).map(drop);
    assert_eq!(reserved, Err(SendTimeoutError::Failed((), forked)));
    assert_eq!(sender.close(), Err(forked));
    assert_eq!(
        (sender.len(), sender.is_empty(), sender.is_closed()),
        (0, true, false)
    );
    assert_eq!(sender.stats(), memring::Stats::default());
}

fn receiver_is_refused<K: Kind>(receiver: &mut Receiver<u64, K>) {
    let forked = Failure::Forked;
    let mut none = Vec::new();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Failed(forked)));
    assert_eq!(receiver.recv(), Err(RecvError::Failed(forked)));
    let late = RecvTimeoutError::Failed(forked);
    assert_eq!(receiver.recv_timeout(NO_TIME), Err(late));
    assert_eq!(
        receiver.recv_batch(&mut none, 1),
        Err(RecvError::Failed(forked))
    );
    let batch = receiver.try_recv_batch(&mut none, 1);
    assert_eq!(batch, Err(TryRecvError::Failed(forked)));
    assert!(matches!(
        receiver.try_lease(),
        Err(TryRecvError::Failed(Failure::Forked))
    ));
    assert!(matches!(
        receiver.lease(),
        Err(RecvError::Failed(Failure::Forked))
    ));
    let lease = receiver.try_lease_batch(2).map(drop);
    assert_eq!(lease, Err(TryRecvError::Failed(forked)));
    assert_eq!(receiver.iter().next(), Some(Err(RecvError::Failed(forked))));
    let error = TryRecvError::Failed(forked);
    assert_eq!(receiver.try_iter().next(), Some(Err(error)));
    assert_eq!(receiver.close(), Err(forked));
    assert_eq!((receiver.len(), receiver.is_empty()), (0, true));
    assert_eq!(receiver.stats(), memring::Stats::default());
}

fn ring_is_refused<K: Kind>(ring: &Ring<u64, K>) {
    assert!(matches!(
        ring.sender(),
        Err(AttachError::Failed(Failure::Forked))
    ));
    assert!(matches!(
        ring.receiver(),
        Err(AttachError::Failed(Failure::Forked))
    ));
    assert_eq!(ring.close(), Err(Failure::Forked));
    assert_eq!(
        (ring.len(), ring.is_empty(), ring.is_closed()),
        (0, true, false)
    );
    assert_eq!(ring.stats(), memring::Stats::default());
    drop(format!("{ring:?}"));
}

/// What a child inherits is refused and does no harm, and what it opens itself
/// works.
fn inherited<K: Kind>() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let mut ends = Some((ring.sender().unwrap(), ring.receiver().unwrap()));
    let (sender, _) = ends.as_mut().unwrap();
    sender.send_batch([1, 2]).unwrap();
    in_child(|| {
        let (mut sender, mut receiver) = ends.take().unwrap();
        sender_is_refused(&mut sender);
        receiver_is_refused(&mut receiver);
        ring_is_refused(&ring);
        drop((sender, receiver));
        drop(ring.clone());
    });
    // The parent has noticed nothing: not the drops, not the closing.
    let (mut sender, mut receiver) = ends.unwrap();
    let stats = ring.stats();
    assert_eq!((stats.senders.len(), stats.receivers.len()), (1, 1));
    assert!(stats.senders[0].alive && stats.receivers[0].alive && !stats.closed);
    sender.send(3).unwrap();
    assert!(receiver.try_iter().eq([1, 2, 3].map(Ok)));
    // A child that opens the ring itself talks with its parent.
    drop(sender);
    in_child(|| {
        let mine = Ring::<u64, K>::from_fd(ring.share_fd().unwrap()).unwrap();
        mine.sender().unwrap().send(4).unwrap();
        if !K::KIND.has_many_receivers() {
            let occupied = mine.receiver();
            assert!(matches!(occupied, Err(AttachError::Occupied { .. })));
        }
    });
    assert_eq!(receiver.recv(), Ok(4));
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
}

/// Guards that were alive at the fork.
fn inherited_guards<K: Kind>() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    sender.send_batch([1, 2]).unwrap();
    let grant = sender.reserve().unwrap();
    let lease = receiver.lease().unwrap();
    let guards = std::cell::Cell::new(Some((grant, lease)));
    in_child(|| {
        let (mut grant, lease) = guards.take().unwrap();
        assert_eq!(grant.write(9), Err(Failure::Forked));
        assert_eq!(lease.read(), 0, "the memory is not here");
        assert_eq!(grant.commit(), Err(SendError::Failed((), Failure::Forked)));
        lease.requeue();
    });
    in_child(|| drop(guards.take()));
    let (mut grant, lease) = guards.into_inner().unwrap();
    let message = lease.message(); // made here, and read there
    in_child(|| assert_eq!(message.read(), 0));
    assert_eq!(lease.read(), 1);
    lease.release();
    grant.write(3).unwrap();
    grant.commit().unwrap();
    assert!(receiver.try_iter().eq([2, 3].map(Ok)));
    assert_eq!((ring.stats().redelivered, ring.stats().lost), (0, 0));
}

/// A chunk that was alive at the fork: the child has no place to write to.
fn inherited_chunks<K: Kind>() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut chunk = sender.reserve_chunk(3).unwrap();
    assert_eq!(chunk.copy_from_slice(&[1]), 1);
    let chunk = std::cell::Cell::new(Some(chunk));
    in_child(|| {
        let mut chunk = chunk.take().unwrap();
        assert_eq!(chunk.copy_from_slice(&[9, 9]), 0);
        assert_eq!(chunk.fill_from_iter([9, 9]), 0);
        let error = chunk.commit().unwrap_err();
        let cause = SendError::Failed((), Failure::Forked);
        assert_eq!((error.sent, error.cause), (0, cause));
    });
    let mut chunk = chunk.into_inner().unwrap();
    chunk.fill_with(|| 2);
    assert_eq!(chunk.commit(), Ok(3));
    assert!(receiver.try_iter().eq([1, 2, 2].map(Ok)));
}

/// Bytes that were leased before the fork: each way to read them finds none there.
fn inherited_bytes<K: Kind>() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<[u8], K>::anonymous(4).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    sender.send(b"bytes").unwrap();
    let mut batch = receiver.lease_batch(2).unwrap();
    let message = batch.get(0).unwrap();
    in_child(|| {
        assert_eq!((message.len(), message.is_empty()), (0, true));
        assert_eq!(message.copy_to(&mut [9; 9]), 0);
        assert_eq!(message.read(), b"");
    });
    in_child(|| batch.release_first(1));
    assert_eq!(batch.get(0).unwrap().read(), b"bytes");
    batch.release();
    assert_eq!((ring.len(), ring.stats().redelivered), (0, 0));
}

/// A child that outlives its parent does not keep it alive.
fn a_child_keeps_no_parent_alive<K: Kind>() {
    if ran_in_own_process() {
        return;
    }
    let place = Place::empty();
    let name = place.name();
    let ring = Ring::<u64, K>::create(name, 4).unwrap();
    let (wait, release) = std::io::pipe().unwrap();
    let mut release = Some(release);
    let mut receiver = ring.receiver().unwrap();
    in_child(|| {
        // Parent of a grandchild that inherits its endpoint and stays.
        let mine = Ring::<u64, K>::open(name).unwrap();
        let mut sender = mine.sender().unwrap();
        sender.send(1).unwrap();
        // It waits for the end of the pipe.
        let grandchild = fork(|| {
            drop(release.take());
            let _ = (&wait).read(&mut [0]);
        });
        grandchild.leave();
        std::mem::forget(sender);
    });
    in_time(move || {
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
    });
    ring.sender().unwrap();
    drop(release);
}

for_each_kind!(
    inherited,
    inherited_guards,
    inherited_bytes,
    inherited_chunks
);
for_each_kind!([spsc mpmc] a_child_keeps_no_parent_alive);

#[test]
fn a_named_ring_is_opened_by_its_name() {
    if ran_in_own_process() {
        return;
    }
    let place = Place::empty();
    let name = place.name();
    let ring = Ring::<u64, Spsc>::create(name, 4).unwrap();
    let mut receiver = ring.receiver().unwrap();
    in_child(|| {
        let descriptor = ring.share_fd().err();
        assert!(matches!(
            descriptor,
            Some(RingError::Failed(Failure::Forked))
        ));
        let mine = Ring::<u64, Spsc>::open(name).unwrap();
        mine.sender().unwrap().send(1).unwrap();
    });
    assert_eq!(receiver.recv(), Ok(1));
}
