//! Several messages in place, by all kinds.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytemuck::Pod;
use memring::{
    Kind, Layout, Mpsc, Ring, RingKind, SendError, SendTimeoutError, Spsc, TryRecvError,
    TrySendError,
};
use memring_testkit::for_each_kind;

const SHORT: Duration = Duration::from_millis(1);

fn received<K: Kind>(ring: &Ring<u64, K>) -> Vec<u64> {
    let mut rx = ring.receiver().unwrap();
    std::iter::from_fn(|| rx.try_recv().ok()).collect()
}

fn what_was_written_is_sent<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(16).unwrap();
    let mut tx = ring.sender().unwrap();
    let mut chunk = tx.reserve_chunk(6).unwrap();
    assert_eq!((chunk.len(), chunk.written()), (6, 0));
    assert_eq!(chunk.copy_from_slice(&[1, 2]), 2);
    assert_eq!(chunk.fill_from_iter(3..5), 2);
    assert_eq!(chunk.written(), 4);
    // Two places were not written: they are given up.
    assert_eq!(chunk.commit(), Ok(4));
    let mut chunk = tx.try_reserve_chunk(2).unwrap();
    assert_eq!(chunk.copy_from_slice(&[5, 6, 7]), 2);
    chunk.fill_with(|| unreachable!("no place is left"));
    assert_eq!(chunk.commit(), Ok(2));
    tx.send(7).unwrap();
    assert_eq!(received(&ring), [1, 2, 3, 4, 5, 6, 7]);
}

fn a_prefix_is_sent<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let mut tx = ring.sender().unwrap();
    for (count, sent) in [(0, 0), (2, 2), (3, 3), (9, 3)] {
        let mut chunk = tx.reserve_chunk(3).unwrap();
        chunk.copy_from_slice(&[1, 2, 3]);
        assert_eq!(chunk.commit_first(count), Ok(sent));
        assert_eq!(received(&ring), [1, 2, 3][..sent]);
    }
}

fn what_is_dropped_is_given_up<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let mut tx = ring.sender().unwrap();
    for _ in 0..5 {
        let mut chunk = tx.reserve_chunk(3).unwrap();
        chunk.copy_from_slice(&[1, 2, 3]);
        drop(chunk);
        assert!(received(&ring).is_empty());
        std::mem::forget(tx.reserve_chunk(2).unwrap());
        tx.send(4).unwrap();
        assert_eq!(received(&ring), [4]);
        // A panic of what fills it.
        let mut chunk = tx.reserve_chunk(3).unwrap();
        let mut next = 0;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            chunk.fill_with(|| {
                next += 1;
                assert!(next < 3, "no more");
                next
            })
        }));
        assert!(panicked.is_err());
        assert_eq!((chunk.written(), chunk.commit()), (2, Ok(2)));
        assert_eq!(received(&ring), [1, 2]);
    }
}

fn as_many_as_there_is_room_for<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let mut tx = ring.sender().unwrap();
    let keep = ring.receiver().unwrap();
    tx.send_slice(&[1, 2, 3]).unwrap();
    let mut chunk = tx.reserve_chunk(100).unwrap();
    assert_eq!(chunk.len(), 5);
    chunk.fill_with(|| 4);
    assert_eq!(chunk.commit(), Ok(5));
    assert_eq!(tx.try_reserve_chunk(1).unwrap_err(), TrySendError::Full(()));
    let late = tx.reserve_chunk_timeout(1, SHORT).unwrap_err();
    assert_eq!(late, SendTimeoutError::Timeout((), None));
    let late = tx.reserve_chunk_deadline(1, Instant::now()).unwrap_err();
    assert_eq!(late, SendTimeoutError::Timeout((), None));
    drop(keep);
    ring.close().unwrap();
    assert_eq!(tx.reserve_chunk(1).unwrap_err(), SendError::Closed(()));
}

fn a_closed_ring_says_how_many<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(8).unwrap();
    let mut tx = ring.sender().unwrap();
    let mut chunk = tx.reserve_chunk(3).unwrap();
    chunk.copy_from_slice(&[1, 2, 3]);
    ring.close().unwrap();
    if K::KIND == RingKind::Spsc {
        // The receiver ends the ring, and waits for nobody.
        assert!(received(&ring).is_empty());
        let error = chunk.commit().unwrap_err();
        assert_eq!((error.sent, error.cause), (0, SendError::Closed(())));
    } else {
        assert_eq!(chunk.commit(), Ok(3));
        assert_eq!(received(&ring), [1, 2, 3]);
    }
}

#[test]
fn the_first_to_see_the_end_fixes_it_after_its_chunk() {
    let ring = Ring::<u64, Spsc>::anonymous(8).unwrap();
    let mut tx = ring.sender().unwrap();
    let mut chunk = tx.reserve_chunk(3).unwrap();
    chunk.copy_from_slice(&[1, 2, 3]);
    ring.close().unwrap();
    assert_eq!(chunk.commit(), Ok(3));
    assert_eq!(tx.try_send(4), Err(TrySendError::Closed(4)));
    assert_eq!(received(&ring), [1, 2, 3]);
}

fn leases_are_released_and_given_back<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(32).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(rx.try_lease_chunk(3).unwrap_err(), TryRecvError::Empty);
    assert!(rx.lease_chunk_timeout(3, SHORT).unwrap_err().is_timeout());
    assert!(
        rx.lease_chunk_deadline(3, Instant::now())
            .unwrap_err()
            .is_timeout()
    );
    tx.send_slice(&(0..18).collect::<Vec<u64>>()).unwrap();
    let mut chunk = rx.lease_chunk(20).unwrap();
    assert_eq!(chunk.len(), 18);
    let mut copy = [0; 30];
    assert_eq!(chunk.copy_to_slice(&mut copy), 18);
    assert!(copy[..18].iter().copied().eq(0..18));
    chunk.release_first(9); // in the middle of a line
    assert_eq!(chunk.get(0).map(|message| message.read()), Some(9));
    assert_eq!(chunk.iter().len(), 9);
    chunk.requeue();
    let again = rx.lease_chunk(9).unwrap();
    let marks: Vec<_> = again.iter().map(|m| (m.read(), m.redeliveries())).collect();
    assert!(marks.into_iter().eq((9..18).map(|number| (number, 1))));
    again.release();
    tx.send_slice(&[18, 19]).unwrap();
    drop(rx.lease_chunk(1).unwrap());
    let mut rest = rx.lease_chunk(5).unwrap();
    // With many receivers, what was given back comes after what lies ahead.
    let mut messages: Vec<_> = rest.iter().map(|message| message.read()).collect();
    messages.sort_unstable();
    assert_eq!(messages, [18, 19]);
    rest.release_first(2);
    assert!(rest.is_empty() && rest.copy_to_slice(&mut copy) == 0);
    // SAFETY: V5: there is no message.
    assert_eq!(unsafe { rest.as_slices() }, Some((&[][..], &[][..])));
    rest.release();
    assert!(rx.is_empty());
}

fn into_a_slice<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(32).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut messages = [9; 20];
    assert_eq!(rx.recv_into_slice(&mut []), Ok(0));
    assert_eq!(
        rx.try_recv_into_slice(&mut messages),
        Err(TryRecvError::Empty)
    );
    let late = rx.recv_into_slice_timeout(&mut messages, SHORT);
    assert!(late.unwrap_err().is_timeout());
    let late = rx.recv_into_slice_deadline(&mut messages, Instant::now());
    assert!(late.unwrap_err().is_timeout());
    tx.send_slice(&(0..25).collect::<Vec<u64>>()).unwrap();
    assert_eq!(rx.recv_into_slice(&mut messages), Ok(20));
    assert!(messages.iter().copied().eq(0..20));
    assert_eq!(rx.try_recv_into_slice(&mut messages), Ok(5));
    assert!(messages.iter().copied().eq((20..25).chain(5..20)));
}

for_each_kind!(what_was_written_is_sent);
for_each_kind!(a_prefix_is_sent);
for_each_kind!(what_is_dropped_is_given_up);
for_each_kind!(as_many_as_there_is_room_for);
for_each_kind!(a_closed_ring_says_how_many);
for_each_kind!(leases_are_released_and_given_back);
for_each_kind!(into_a_slice);

/// Many laps of chunks of all sizes, over the wrap of positions.
fn laps<const N: usize>(layout: Layout, capacity: usize)
where
    [u64; N]: Pod,
{
    let builder = Ring::<[u64; N], Spsc>::builder().layout(layout);
    let builder = builder.capacity(capacity).start_position(u64::MAX - 40);
    let ring = builder.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let (mut sent, mut taken) = (0, 0);
    for round in 0..200 {
        let mut chunk = tx.try_reserve_chunk(round % 7 + 1).unwrap();
        let begun = sent;
        chunk.fill_with(|| {
            sent += 1;
            [sent; N]
        });
        // One of them is not sent, now and then.
        let count = chunk.len() - usize::from(round % 5 == 4);
        assert_eq!(chunk.commit_first(count), Ok(count));
        sent = begun + count as u64;
        while rx.slots() > (capacity - 1).min(round % 3) {
            let leased = rx.try_lease_chunk(round % 4 + 1).unwrap();
            for message in leased.iter() {
                taken += 1;
                assert_eq!(message.read(), [taken; N]);
            }
            leased.release();
        }
    }
    assert_eq!(rx.slots() as u64, sent - taken);
}

#[test]
fn chunks_go_round() {
    for capacity in [1, 2, 5, 10, 64] {
        laps::<1>(Layout::Lines, capacity);
        laps::<2>(Layout::Lines, capacity);
        laps::<3>(Layout::Lines, capacity);
        laps::<7>(Layout::Lines, capacity);
        laps::<1>(Layout::Dense, capacity);
        laps::<9>(Layout::Dense, capacity);
    }
}

#[test]
fn dense_messages_are_slices_and_two_at_the_wrap() {
    let ring = Ring::<[u64; 3], Spsc>::builder().layout(Layout::Dense);
    let ring = ring.capacity(8).anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send_slice(&[[0; 3]; 6]).unwrap();
    rx.recv_batch(&mut Vec::new(), 6).unwrap();
    let mut chunk = tx.reserve_chunk(5).unwrap();
    // SAFETY: V5: nobody else has the ring.
    let (first, second) = unsafe { chunk.as_mut_slices() }.unwrap();
    assert_eq!((first.len(), second.len()), (2, 3));
    for (number, message) in (1..).zip(first.iter_mut().chain(second)) {
        *message = [number; 3];
    }
    // SAFETY: V5: as above.
    unsafe { *chunk.get_mut(4).unwrap() = [50; 3] };
    // SAFETY: V5: as above.
    assert!(unsafe { chunk.get_mut(5) }.is_none());
    assert_eq!(chunk.commit_first(5), Ok(5));
    let chunk = rx.lease_chunk(9).unwrap();
    // SAFETY: V5: as above.
    let (first, second) = unsafe { chunk.as_slices() }.unwrap();
    assert_eq!(first, [[1; 3], [2; 3]]);
    assert_eq!(second, [[3; 3], [4; 3], [50; 3]]);
    chunk.release();
}

#[test]
fn others_are_no_slices_but_one_by_one() {
    let ring = Ring::<u64, Mpsc>::anonymous(8).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut chunk = tx.reserve_chunk(2).unwrap();
    // SAFETY: V5: nobody else has the ring.
    assert!(unsafe { chunk.as_mut_slices() }.is_none());
    chunk.fill_with(|| 1);
    assert_eq!(chunk.commit(), Ok(2));
    let chunk = rx.lease_chunk(2).unwrap();
    // SAFETY: V5: nobody else has the ring.
    assert!(unsafe { chunk.as_slices() }.is_none());
    chunk.release();
}
