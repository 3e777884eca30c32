//! What users of other channels look for: by the names, the traits and the ways that they know.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::iter::FusedIterator;
use std::panic::catch_unwind;
use std::thread;

use memring::{
    Failure, Kind, Mpmc, Ring, RingKind, SendError, SendTimeoutError, Side, Spsc, TrySendError,
    channel,
};
use memring_testkit::for_each_kind;
use memring_testkit::time::in_time;

#[test]
fn an_error_gives_its_message_by_either_name() {
    let failure = Failure::Forked;
    for error in [
        SendError::Closed(7),
        SendError::Disconnected(7),
        SendError::Removed(7),
        SendError::Failed(7, failure),
    ] {
        assert_eq!((error.into_inner(), error.into_message()), (7, 7));
        assert_eq!(TrySendError::from(error).into_inner(), 7);
        assert_eq!(SendTimeoutError::from(error).into_inner(), 7);
    }
    assert_eq!(TrySendError::Full(7).into_inner(), 7);
    assert_eq!(SendTimeoutError::Timeout(7, None).into_inner(), 7);
}

/// Held messages, one after the other, from both ends.
fn leased_messages_are_iterated<K: Kind>() {
    let (mut tx, mut rx) = channel::<u64, K>(4).unwrap();
    for number in [1, 2, 3, 4] {
        tx.send(number).unwrap();
    }
    let mut batch = rx.lease_batch(4).unwrap();
    let mut seen = Vec::new();
    for message in &batch {
        seen.push(message.read());
    }
    assert_eq!(seen, [1, 2, 3, 4]);
    let mut messages = batch.iter();
    assert_eq!((messages.len(), messages.size_hint()), (4, (4, Some(4))));
    assert_eq!(messages.next().unwrap().read(), 1);
    assert_eq!(messages.next_back().unwrap().read(), 4);
    // What others know of them does not change.
    let mut others = messages.clone();
    assert_eq!(messages.by_ref().map(|it| it.read()).sum::<u64>(), 5);
    assert!(messages.next().is_none() && messages.next_back().is_none());
    assert_eq!((others.len(), others.next().unwrap().read()), (2, 2));
    assert!(format!("{others:?}").starts_with("LeaseIter"));
    // Those that are released are passed over.
    batch.release_first(3);
    assert_eq!(batch.iter().map(|it| it.read()).collect::<Vec<_>>(), [4]);
    batch.release_first(1);
    assert_eq!(batch.iter().count(), 0);
    drop(batch);
    tx.send(5).unwrap();
    let chunk = rx.lease_chunk(4).unwrap();
    for message in &chunk {
        assert_eq!(message.read(), 5);
    }
    assert_eq!(chunk.iter().rev().count(), 1);
    chunk.release();
}

/// The id by which the other side, and errors, name an endpoint.
fn endpoints_know_their_ids<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(rx.peers()[0].id, tx.id());
    assert_eq!(tx.peers()[0].id, rx.id());
    let _grant = tx.reserve().unwrap();
    if K::KIND == RingKind::Spsc {
        return; // nothing shows a grant there
    }
    let holder = ring.stats().receivers_blocked_by.unwrap();
    assert_eq!((holder.side, holder.id), (Side::Sender, rx.peers()[0].id));
}

#[test]
fn clones_have_one_id_and_others_another() {
    let ring = Ring::<u64, Mpmc>::anonymous(1).unwrap();
    let (first, second) = (ring.sender().unwrap(), ring.sender().unwrap());
    assert_eq!(first.id(), first.clone().id());
    assert_ne!(first.id(), second.id());
    let (first, second) = (ring.receiver().unwrap(), ring.receiver().unwrap());
    assert_eq!(first.id(), first.clone().id());
    assert_ne!(first.id(), second.id());
}

/// A panic beside endpoints, and one in the middle of a batch, leave them as they should be.
fn endpoints_are_used_after_a_panic<K: Kind>() {
    let (mut tx, mut rx) = channel::<u64, K>(4).unwrap();
    let ring = tx.ring().clone();
    let panicked = catch_unwind(move || {
        tx.send_batch([1, 2].into_iter().chain(std::iter::once_with(|| {
            std::panic::resume_unwind(Box::new("no third")) // says nothing on standard error
        })))
        .unwrap();
    });
    assert!(panicked.is_err());
    assert_eq!((rx.recv(), rx.recv()), (Ok(1), Ok(2)));
    let mut tx = ring.sender().unwrap(); // the place is free
    tx.send(3).unwrap();
    let seen = catch_unwind(|| (tx.len(), rx.len(), ring.len())).unwrap();
    assert_eq!(seen, (1, 1, 1));
}

/// Bytes as through a pipe, in pieces that do not fit the ring.
fn bytes_are_a_stream<K: Kind>() {
    let (mut tx, mut rx) = channel::<u8, K>(64).unwrap();
    let bytes: Vec<u8> = (0..10_000_u32).map(|number| (number % 251) as u8).collect();
    let sent = bytes.clone();
    let writer = thread::spawn(move || {
        for piece in sent.chunks(97) {
            tx.write_all(piece)?;
        }
        tx.flush()?;
        tx.close()?;
        // Nothing is said to be written that was not.
        assert_eq!(tx.write(b"late").unwrap_err().kind(), ErrorKind::BrokenPipe);
        io::Result::Ok(())
    });
    let read = in_time(move || {
        let mut read = Vec::new();
        rx.read_to_end(&mut read)?;
        assert_eq!(rx.read(&mut [0; 4])?, 0, "the end stays");
        io::Result::Ok(read)
    });
    writer.join().unwrap().unwrap();
    assert!(read.unwrap() == bytes);
}

/// The reader learns that a stream was not ended by its writer.
fn a_stream_that_was_cut_short_is_an_error<K: Kind>() {
    let (mut tx, mut rx) = channel::<u8, K>(64).unwrap();
    assert_eq!(tx.write(b"half of").unwrap(), 7);
    drop(tx);
    let mut read = Vec::new();
    let error = rx.read_to_end(&mut read).unwrap_err();
    assert_eq!(
        (error.kind(), &read[..]),
        (ErrorKind::BrokenPipe, &b"half of"[..])
    );
    assert_eq!(rx.read(&mut []).unwrap(), 0, "nothing was asked for");
}

/// A write that its readers leave says how much of it they could have.
fn a_write_that_is_left_alone_says_how_much_is_written<K: Kind>() {
    let (mut tx, rx) = channel::<u8, K>(4).unwrap();
    drop(rx);
    assert_eq!(tx.write(b"too long").unwrap(), 4);
    assert_eq!(tx.write(b"long").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(tx.write(b"").unwrap(), 0);
}

for_each_kind!(
    leased_messages_are_iterated,
    endpoints_know_their_ids,
    endpoints_are_used_after_a_panic,
    bytes_are_a_stream,
    a_stream_that_was_cut_short_is_an_error,
    a_write_that_is_left_alone_says_how_much_is_written,
);

/// Iterators that are over stay over, and errors are values: traits that code which is
/// generic in its channel asks for.
#[test]
fn traits_are_there() {
    fn fused<I: FusedIterator>() {}
    fn value<E: Error + Clone + Copy + PartialEq + Eq>() {}
    fused::<memring::Iter<'_, u64, Spsc>>();
    fused::<memring::TryIter<'_, u64, Spsc>>();
    fused::<memring::IntoIter<u64, Spsc>>();
    fused::<memring::LeaseIter<'_, u64, Spsc>>();
    value::<memring::RecvError>();
    value::<memring::TryRecvError>();
    value::<memring::RecvTimeoutError>();
    value::<memring::WaitForPeerError>();
    value::<SendError<u64>>();
    value::<TrySendError<u64>>();
    value::<SendTimeoutError<u64>>();
    value::<memring::SendBatchError<u64>>();
    value::<memring::TrySendBatchError<u64>>();
    value::<memring::SendBatchTimeoutError<u64>>();
}
