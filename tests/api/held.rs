//! What a call that does not wait says of a slot that another endpoint is at: `Held`, and by
//! which. `Empty` and `Full` mean that no message, and no room, was there.

use memring::{Kind, Mpmc, Receiver, Ring, Sender, Side, TryRecvError, TrySendError};
use memring_testkit::for_each_kind;

fn ring<K: Kind>(capacity: usize) -> (Ring<u64, K>, Sender<u64, K>, Receiver<u64, K>) {
    let ring = Ring::anonymous(capacity).expect("make a ring");
    let tx = ring.sender().expect("attach a sender");
    let rx = ring.receiver().expect("attach a receiver");
    (ring, tx, rx)
}

fn a_message_behind_a_claim_is_held<K: Kind>() {
    let (ring, mut slow, mut rx) = ring::<K>(4);
    let mut quick = ring.sender().expect("attach another sender");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let mut grant = slow.reserve().expect("reserve");
    quick.send(7).expect("send");
    for _ in 0..3 {
        match rx.try_recv() {
            Err(TryRecvError::Held(holder)) => {
                let pid = std::process::id();
                assert_eq!(
                    (holder.side, holder.position, holder.pid),
                    (Side::Sender, 0, pid)
                );
            }
            other => panic!("expected Held, found {other:?}"),
        }
        assert!(matches!(rx.try_lease().err(), Some(TryRecvError::Held(_))));
        let batch = rx.try_recv_batch(&mut Vec::new(), 4);
        assert!(matches!(batch, Err(TryRecvError::Held(_))), "{batch:?}");
    }
    grant.write(6).expect("write");
    grant.commit().expect("commit");
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(6), Ok(7)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

/// With many receivers: the oldest slot is leased, and those behind it are free.
fn room_behind_a_lease_is_held<K: Kind>() {
    let (ring, mut tx, mut slow) = ring::<K>(2);
    let mut quick = ring.receiver().expect("attach another receiver");
    (0..2).for_each(|message| tx.try_send(message).expect("room"));
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    let lease = slow.lease().expect("lease");
    assert_eq!(quick.recv(), Ok(1));
    for _ in 0..3 {
        is_held(tx.try_send(2));
        is_held(tx.try_reserve().map(|_| ()));
    }
    lease.release();
    assert_eq!(tx.try_send(2), Ok(()));
    assert_eq!(quick.recv(), Ok(2));
}

/// With one receiver: all that there is, it has in hand.
fn room_that_the_one_receiver_leases_is_held<K: Kind>() {
    let (_ring, mut tx, mut rx) = ring::<K>(2);
    (0..2).for_each(|message| tx.try_send(message).expect("room"));
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    let leased = rx.lease_batch(2).expect("lease");
    is_held(tx.try_send(2));
    leased.release();
    assert_eq!(tx.try_send(2), Ok(()));
}

#[track_caller]
fn is_held<M>(result: Result<(), TrySendError<M>>) {
    match result {
        Err(TrySendError::Held(_, holder)) => {
            assert_eq!((holder.side, holder.position), (Side::Receiver, 0));
        }
        other => panic!("expected Held, found {other:?}"),
    }
}

for_each_kind!([mpsc mpmc] a_message_behind_a_claim_is_held);
for_each_kind!([spmc mpmc] room_behind_a_lease_is_held);
for_each_kind!([spsc mpsc] room_that_the_one_receiver_leases_is_held);

/// Each of four threads sends a message and then takes one: there is one for each, always, and
/// room for all of them. So `Empty` and `Full` would be lies.
#[test]
fn empty_and_full_are_never_said_of_a_ring_that_is_neither() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 100_000;
    let ring = Ring::<u64, Mpmc>::anonymous(2 * THREADS as usize).expect("make a ring");
    let sum = std::thread::scope(|scope| {
        let threads = (0..THREADS).map(|thread| {
            let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
            scope.spawn(move || {
                let mut sum = 0u64;
                for round in 0..ROUNDS {
                    while let Err(error) = tx.try_send(thread * ROUNDS + round) {
                        assert!(matches!(error, TrySendError::Held(..)), "{error:?} sending");
                        std::thread::yield_now();
                    }
                    sum += loop {
                        match rx.try_recv() {
                            Ok(message) => break message,
                            Err(TryRecvError::Held(_)) => std::thread::yield_now(),
                            Err(error) => panic!("{error:?} receiving, in round {round}"),
                        }
                    };
                }
                sum
            })
        });
        let threads: Vec<_> = threads.collect();
        let sums = threads.into_iter().map(|it| it.join().expect("no lie"));
        sums.sum::<u64>()
    });
    let all = THREADS * ROUNDS;
    assert_eq!(sum, all * (all - 1) / 2);
}
