//! One sender, one receiver: what is given back in the middle of a line, or at its end.

use memring::{Layout, Ring, RingBuilder, Spsc, TryRecvError};

/// Seven of these lie in a line, so that ten take two; and the same dense.
fn each(act: impl Fn(RingBuilder<u64, Spsc>)) {
    for layout in [Layout::Lines, Layout::Dense] {
        for start in [0, 8, u64::MAX - 11] {
            let builder = Ring::builder().capacity(10).layout(layout);
            act(builder.start_position(start));
        }
    }
}

/// What is there, with redeliveries; acknowledged.
fn take(rx: &mut memring::Receiver<u64, Spsc>, max: usize) -> Vec<(u64, u8)> {
    let mut got = Vec::new();
    while got.len() < max {
        let Ok(leased) = rx.try_lease_batch(max - got.len()) else {
            break;
        };
        got.extend(leased.iter().map(|m| (m.read(), m.redeliveries())));
        leased.release();
    }
    got
}

#[test]
fn a_prefix_is_released_in_the_middle_of_a_line() {
    each(|builder| {
        for released in 0..=9 {
            let ring = builder.clone().anonymous().unwrap();
            let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
            tx.try_send_slice(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
            let mut batch = rx.lease_batch(9).unwrap();
            batch.release_first(released);
            assert_eq!(batch.len(), 9 - released);
            drop(batch);
            // As much room, and no more.
            assert_eq!((tx.free(), rx.slots()), (released, 10 - released));
            let more = tx.try_send_batch(10..).unwrap_err().sent;
            assert_eq!(more, released);
            let given_back = (released as u64..9).map(|number| (number, 1));
            let others = (9..10 + released as u64).map(|number| (number, 0));
            let expected: Vec<_> = given_back.chain(others).collect();
            assert_eq!(take(&mut rx, 99), expected, "{released}");
            let stats = ring.stats();
            assert_eq!((stats.lost, stats.redelivered), (0, 9 - released as u64));
        }
    });
}

#[test]
fn each_message_is_received_as_often_as_it_may_be() {
    each(|builder| {
        let ring = builder.max_deliveries(3).anonymous().unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        tx.try_send_slice(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        for attempt in 0..2 {
            let batch = rx.lease_batch(9).unwrap();
            let marks: Vec<u8> = batch.iter().map(|leased| leased.redeliveries()).collect();
            assert_eq!(marks, [attempt; 9]);
            batch.requeue();
        }
        assert_eq!((ring.stats().redelivered, rx.slots()), (18, 10));
        // The third time for the first eight: they are lost, and their room is there.
        let batch = rx.lease_batch(8).unwrap();
        assert!(batch.iter().all(|leased| leased.redeliveries() == 2));
        drop(batch);
        let stats = ring.stats();
        assert_eq!((stats.lost, stats.redelivered, stats.len), (8, 18, 2));
        assert_eq!((tx.free(), rx.slots()), (8, 2));
        assert_eq!(take(&mut rx, 99), [(8, 2), (9, 0)]);
        // The marks are those of the messages, not of their places.
        for lap in 0..3 {
            let numbers: Vec<u64> = (0..10).map(|at| 100 * lap + at).collect();
            tx.try_send_slice(&numbers).unwrap();
            let expected: Vec<_> = numbers.iter().map(|number| (*number, 0)).collect();
            assert_eq!(take(&mut rx, 99), expected);
        }
        assert_eq!(ring.stats().lost, 8);
    });
}

#[test]
fn a_successor_knows_how_often() {
    each(|builder| {
        let ring = builder.anonymous().unwrap();
        let mut tx = ring.sender().unwrap();
        for lap in 0..4 {
            let numbers: Vec<u64> = (0..10).map(|at| 100 * lap + at).collect();
            tx.try_send_slice(&numbers).unwrap();
            for attempt in 0..3 {
                let mut rx = ring.receiver().unwrap();
                let leased = rx.lease_batch(8).unwrap();
                let marks: Vec<u8> = leased.iter().map(|one| one.redeliveries()).collect();
                assert_eq!(marks, [attempt; 8], "lap {lap}");
                // Given back when its receiver is dropped.
                std::mem::forget(leased);
            }
            let marks = [3, 3, 3, 3, 3, 3, 3, 3, 0, 0];
            let expected: Vec<_> = numbers.into_iter().zip(marks).collect();
            assert_eq!(take(&mut ring.receiver().unwrap(), 99), expected);
        }
        assert_eq!((ring.stats().lost, ring.stats().redelivered), (0, 96));
    });
}

#[test]
fn a_look_at_the_end_of_a_line_takes_nothing() {
    each(|builder| {
        let ring = builder.anonymous().unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for number in 0..40 {
            assert_eq!(rx.try_peek(), Err(TryRecvError::Empty));
            tx.try_send(number).unwrap();
            let before = ring.stats();
            assert_eq!((rx.try_peek(), rx.try_peek()), (Ok(number), Ok(number)));
            assert_eq!((ring.stats(), rx.slots()), (before, 1));
            if number % 3 == 0 {
                // A look, a lease that is given back, and a look at it.
                drop(rx.try_lease().unwrap());
                assert_eq!(rx.try_peek(), Ok(number));
                let lease = rx.try_lease().unwrap();
                assert_eq!((lease.read(), lease.redeliveries()), (number, 1));
                lease.release();
            } else {
                assert_eq!(rx.try_recv(), Ok(number));
            }
        }
    });
}
