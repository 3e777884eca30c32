//! Chunks, which messages of one type have.

use std::time::{Duration, Instant};

use memring::{GrantChunk, Kind, LeaseChunk, Message, Receiver, Sender};

use super::answer::{Answer, Delivery, Refusal};
use super::step::{Guard, Verb};

/// A call for a chunk, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// The most messages that are asked for.
    pub most: u8,
    /// So many of them are sent, or released, before or by what `guard` says.
    pub first: u8,
    /// How to wait.
    pub verb: Verb,
    /// What becomes of it.
    pub guard: Guard,
}

/// Fills a chunk with the messages that `make` gives, and sends as many as it says.
pub(super) fn reserve<T, K: Kind>(
    tx: &mut Sender<T, K>,
    chunk: Chunk,
    number: u64,
    make: fn(u64) -> T,
) -> Answer
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let most = chunk.most.into();
    let result = match chunk.verb {
        Verb::Try => tx.try_reserve_chunk(most).map_err(|e| Refusal::from(&e)),
        Verb::Block => tx.reserve_chunk(most).map_err(|e| Refusal::from(&e)),
        Verb::Timeout => {
            let result = tx.reserve_chunk_timeout(most, Duration::ZERO);
            result.map_err(|e| Refusal::from(&e))
        }
        Verb::Deadline => {
            let result = tx.reserve_chunk_deadline(most, Instant::now());
            result.map_err(|e| Refusal::from(&e))
        }
    };
    match result {
        Ok(granted) => finish_granted(granted, chunk, (number..).map(make)),
        Err(refusal) => Answer::Sent {
            count: 0,
            refusal: Some(refusal),
            returned: None,
        },
    }
}

fn finish_granted<T, K: Kind>(
    mut granted: GrantChunk<'_, T, K>,
    chunk: Chunk,
    messages: impl Iterator<Item = T>,
) -> Answer
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let (room, first) = (granted.len(), usize::from(chunk.first));
    let messages: Vec<T> = messages.take(room).collect();
    // Only what is to be sent is written, or all; in two steps, by different methods.
    let written = match chunk.most % 2 {
        0 => first.min(room),
        _ => room,
    };
    let ahead = written / 2;
    assert_eq!(granted.copy_from_slice(&messages[..ahead]), ahead);
    let rest = messages[ahead..written].iter().copied();
    assert_eq!(granted.fill_from_iter(rest), written - ahead);
    assert_eq!((granted.len(), granted.written()), (room, written));
    let sent = match chunk.guard {
        Guard::Finish if written == first => granted.commit(),
        Guard::Finish => granted.commit_first(first),
        Guard::Drop | Guard::Requeue => {
            drop(granted);
            Ok(0)
        }
        Guard::Forget => {
            std::mem::forget(granted);
            Ok(0)
        }
    };
    Answer::Chunk {
        room,
        sent: sent.expect("an open ring"),
    }
}

/// Takes a chunk, releases its first messages, and does with the rest as it says.
pub(super) fn lease<T, K: Kind>(
    rx: &mut Receiver<T, K>,
    chunk: Chunk,
    fingerprint: fn(&T) -> u64,
) -> Answer
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let most = chunk.most.into();
    let result = match chunk.verb {
        Verb::Try => rx.try_lease_chunk(most).map_err(Refusal::from),
        Verb::Block => rx.lease_chunk(most).map_err(Refusal::from),
        Verb::Timeout => {
            let result = rx.lease_chunk_timeout(most, Duration::ZERO);
            result.map_err(Refusal::from)
        }
        Verb::Deadline => {
            let result = rx.lease_chunk_deadline(most, Instant::now());
            result.map_err(Refusal::from)
        }
    };
    match result {
        Ok(leased) => finish_leased(leased, chunk, fingerprint),
        Err(refusal) => Answer::nothing(refusal),
    }
}

fn finish_leased<T, K: Kind>(
    mut leased: LeaseChunk<'_, T, K>,
    chunk: Chunk,
    fingerprint: fn(&T) -> u64,
) -> Answer
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let held = |leased: &LeaseChunk<'_, T, K>| -> Vec<Delivery> {
        let messages = leased.iter();
        assert_eq!(messages.len(), leased.len());
        messages
            .map(|message| Delivery::of(&message, fingerprint))
            .collect()
    };
    let messages = held(&leased);
    let mut copies: Vec<T> = leased.iter().map(|message| message.read()).collect();
    copies.reverse();
    assert_eq!(leased.copy_to_slice(&mut copies), messages.len());
    let copied = copies.iter().map(fingerprint);
    assert!(copied.eq(messages.iter().map(|delivery| delivery.message)));
    leased.release_first(chunk.first.into());
    // What is left lies where it did.
    let released = messages.len().min(chunk.first.into());
    assert_eq!(held(&leased), messages[released..]);
    assert!(leased.get(messages.len() - released).is_none());
    match chunk.guard {
        Guard::Finish => leased.release(),
        Guard::Drop => drop(leased),
        Guard::Forget => std::mem::forget(leased),
        Guard::Requeue => leased.requeue(),
    }
    Answer::Received {
        messages,
        refusal: None,
    }
}
