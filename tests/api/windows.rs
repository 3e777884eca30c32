//! A window of leases that grows while its front is released, and the numbers of messages.

use memring::{Kind, Mpmc, Mpsc, Ring, Spmc, Spsc, Untyped};

fn numbers<K: Kind>(batch: &memring::LeaseBatch<'_, u64, K>) -> Vec<(u64, u64)> {
    let number = |message: memring::LeasedMessage<'_, u64>| {
        (
            message.position().expect("not a rendezvous"),
            message.read(),
        )
    };
    batch.iter().map(number).collect()
}

/// Through several laps, with a window of `window`.
fn slide<K: Kind>(capacity: usize, window: usize) {
    let ring = Ring::<u64, K>::anonymous(capacity).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut sent = 0;
    let mut next = 0; // to be released
    while tx.try_send(sent).is_ok() {
        sent += 1;
    }
    let mut batch = rx.lease_batch(window).unwrap();
    for step in 0..5 * capacity as u64 {
        let held = batch.len();
        let wanted: Vec<_> = (next..next + held as u64).map(|n| (n, n)).collect();
        assert_eq!(numbers(&batch), wanted, "step {step}");
        let count = 1 + (step as usize * 7) % held;
        batch.release_first(count);
        next += count as u64;
        while tx.try_send(sent).is_ok() {
            sent += 1;
        }
        let there = (sent - next) as usize;
        let room = window - batch.len();
        let more = room.min(there - batch.len());
        assert_eq!(batch.extend(room), more);
    }
    // What is given back has the same numbers, in whatever order it comes.
    let held = numbers(&batch);
    batch.requeue();
    let mut found = Vec::new();
    while let Ok(again) = rx.try_lease_batch(window) {
        let marked = again.iter().map(|message| message.is_redelivered());
        found.extend(numbers(&again).into_iter().zip(marked));
        again.release();
    }
    found.sort_unstable();
    let wanted = (next..sent).map(|n| ((n, n), held.contains(&(n, n))));
    assert_eq!(found, wanted.collect::<Vec<_>>());
}

#[test]
fn a_window_slides_in_rings_of_each_kind() {
    for (capacity, window) in [(8, 8), (16, 5), (64, 1), (100, 30)] {
        slide::<Spsc>(capacity, window);
        slide::<Mpsc>(capacity, window);
        slide::<Spmc>(capacity, window);
        slide::<Mpmc>(capacity, window);
    }
}

#[test]
fn numbers_count_from_the_beginning_of_the_ring_wherever_that_is() {
    for start in [0, 5, 1 << 40, u64::MAX - 20] {
        let ring = Ring::<u64, Mpmc>::builder()
            .capacity(8)
            .start_position(start);
        let ring = ring.anonymous().unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for number in 0..40 {
            tx.send(number).unwrap();
            let lease = rx.lease().unwrap();
            assert_eq!(lease.message().position(), Some(number));
            lease.release();
        }
    }
}

#[test]
fn a_rendezvous_numbers_nothing_and_a_window_of_it_does_not_grow() {
    let ring = Ring::<u64, Spsc>::builder()
        .rendezvous()
        .anonymous()
        .unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || tx.send(1).unwrap());
        let mut batch = rx.lease_batch(4).unwrap();
        assert_eq!(batch.get(0).unwrap().position(), None);
        assert_eq!(batch.extend(3), 0);
        batch.release();
    });
}

fn untyped<K: Kind>(size: usize, align: usize) {
    let builder = Ring::<Untyped, K>::builder().capacity(8);
    assert!(builder.clone().anonymous().is_err(), "it has no size");
    let ring = builder.message_layout(size, align).anonymous().unwrap();
    assert_eq!(ring.message_size(), size);
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for round in 0..30u8 {
        let message: Vec<u8> = (0..size).map(|at| round ^ at as u8).collect();
        for wrong in [&message[1..], &[&message[..], &[0]].concat()] {
            assert!(tx.try_send(wrong).is_err(), "{} bytes", wrong.len());
        }
        tx.try_send(&message).unwrap();
        let lease = rx.lease().unwrap();
        let mut bytes = vec![0; size];
        assert_eq!(lease.message().copy_to(&mut bytes), size);
        assert_eq!(bytes, message);
        lease.release();
    }
}

#[test]
fn untyped_messages_have_the_size_of_their_ring() {
    for (size, align) in [(1, 1), (8, 8), (12, 4), (56, 8), (64, 64), (1000, 8)] {
        untyped::<Spsc>(size, align);
        untyped::<Mpsc>(size, align);
        untyped::<Spmc>(size, align);
        untyped::<Mpmc>(size, align);
    }
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn typed_and_untyped_handles_share_a_ring_and_bytes_are_another_shape() {
    let ring = Ring::<[u32; 3], Mpmc>::anonymous(8).unwrap();
    let open = || Ring::<Untyped, Mpmc>::from_fd(ring.share_fd().unwrap());
    let other = open().unwrap();
    ring.sender().unwrap().send([1, 2, 3]).unwrap();
    let bytes = other.receiver().unwrap().recv().unwrap();
    assert_eq!(bytes, bytemuck::bytes_of(&[1u32, 2, 3]));
    other.sender().unwrap().send(&bytes).unwrap();
    assert_eq!(ring.receiver().unwrap().recv().unwrap(), [1, 2, 3]);
    let wrong = Ring::<Untyped, Mpmc>::builder().message_layout(12, 8);
    assert!(wrong.from_fd(ring.share_fd().unwrap()).is_err());
    assert!(Ring::<[u8], Mpmc>::from_fd(ring.share_fd().unwrap()).is_err());
    let bytes = Ring::<[u8], Mpmc>::anonymous(8).unwrap();
    assert!(Ring::<Untyped, Mpmc>::from_fd(bytes.share_fd().unwrap()).is_err());
}

#[test]
fn the_state_of_bridges_is_no_ring() {
    let error = Ring::<u64, Spsc>::create(".bridge", 8).unwrap_err();
    assert!(error.to_string().contains("bridges"), "{error}");
}
