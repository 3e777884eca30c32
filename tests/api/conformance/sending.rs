//! The verbs of a sender.

use std::time::{Duration, Instant};

use memring::{Grant, GrantChunk, Kind, Sender, select};
use memring_testkit::futures::block_on;

use super::Waits;
use super::said::Said;

/// A verb: sends the first of the messages or more of them, within the time, if it has a
/// limit, and says how many.
pub struct SendingVerb<K: Kind> {
    pub name: &'static str,
    pub waits: Waits,
    /// It needs room in the ring, which a rendezvous ring has not.
    pub needs_place: bool,
    pub send: SendRun<K>,
}

/// Says how many it has sent.
type SendRun<K> = fn(&mut Sender<u64, K>, &[u64], Duration) -> Result<usize, Said>;

impl<K: Kind> SendingVerb<K> {
    /// Whether it has a meaning at this capacity.
    pub fn can(&self, capacity: usize) -> bool {
        capacity > 0 || !self.needs_place
    }
}

fn commit<K: Kind>(mut grant: Grant<'_, u64, K>, message: u64) -> Result<usize, Said> {
    grant.write(message)?;
    grant.commit()?;
    Ok(1)
}

fn commit_chunk<K: Kind>(
    mut chunk: GrantChunk<'_, u64, K>,
    messages: &[u64],
) -> Result<usize, Said> {
    chunk.copy_from_slice(messages);
    Ok(chunk.commit()?)
}

/// All of them, `send` first.
pub fn verbs<K: Kind>() -> Vec<SendingVerb<K>> {
    use Waits::{Forever, Limited, Not, Otherwise};
    let mut verbs = Vec::new();
    let mut add = |name, waits, needs_place, send: SendRun<K>| {
        verbs.push(SendingVerb {
            name,
            waits,
            needs_place,
            send,
        });
    };
    add("send", Forever, false, |tx, messages, _| {
        Ok(tx.send(messages[0]).map(|()| 1)?)
    });
    add("send_timeout", Limited, false, |tx, messages, limit| {
        Ok(tx.send_timeout(messages[0], limit).map(|()| 1)?)
    });
    add("send_deadline", Limited, false, |tx, messages, limit| {
        let deadline = Instant::now() + limit;
        Ok(tx.send_deadline(messages[0], deadline).map(|()| 1)?)
    });
    add("try_send", Not, false, |tx, messages, _| {
        Ok(tx.try_send(messages[0]).map(|()| 1)?)
    });
    add("send_ref", Forever, false, |tx, messages, _| {
        Ok(tx.send_ref(&messages[0]).map(|()| 1)?)
    });
    add("send_ref_timeout", Limited, false, |tx, messages, limit| {
        Ok(tx.send_ref_timeout(&messages[0], limit).map(|()| 1)?)
    });
    add(
        "send_ref_deadline",
        Limited,
        false,
        |tx, messages, limit| {
            let deadline = Instant::now() + limit;
            Ok(tx.send_ref_deadline(&messages[0], deadline).map(|()| 1)?)
        },
    );
    add("try_send_ref", Not, false, |tx, messages, _| {
        Ok(tx.try_send_ref(&messages[0]).map(|()| 1)?)
    });
    add("send_batch", Forever, false, |tx, messages, _| {
        Ok(tx.send_batch(messages.iter().copied())?)
    });
    add(
        "send_batch_timeout",
        Limited,
        false,
        |tx, messages, limit| Ok(tx.send_batch_timeout(messages.iter().copied(), limit)?),
    );
    add(
        "send_batch_deadline",
        Limited,
        false,
        |tx, messages, limit| {
            let deadline = Instant::now() + limit;
            Ok(tx.send_batch_deadline(messages.iter().copied(), deadline)?)
        },
    );
    add("try_send_batch", Not, false, |tx, messages, _| {
        match tx.try_send_batch(messages.iter().copied()) {
            Ok(sent) => Ok(sent),
            Err(error) if error.sent > 0 => Ok(error.sent),
            Err(error) => Err(error.into()),
        }
    });
    add("send_slice", Forever, false, |tx, messages, _| {
        Ok(tx.send_slice(messages)?)
    });
    add("try_send_slice", Not, false, |tx, messages, _| {
        match tx.try_send_slice(messages) {
            Ok(sent) => Ok(sent),
            Err(error) if error.sent > 0 => Ok(error.sent),
            Err(error) => Err(error.into()),
        }
    });
    add("reserve", Forever, true, |tx, messages, _| {
        commit(tx.reserve()?, messages[0])
    });
    add("reserve_timeout", Limited, true, |tx, messages, limit| {
        commit(tx.reserve_timeout(limit)?, messages[0])
    });
    add("reserve_deadline", Limited, true, |tx, messages, limit| {
        commit(tx.reserve_deadline(Instant::now() + limit)?, messages[0])
    });
    add("try_reserve", Not, true, |tx, messages, _| {
        commit(tx.try_reserve()?, messages[0])
    });
    add("reserve_chunk", Forever, true, |tx, messages, _| {
        commit_chunk(tx.reserve_chunk(messages.len())?, messages)
    });
    add(
        "reserve_chunk_timeout",
        Limited,
        true,
        |tx, messages, limit| {
            commit_chunk(tx.reserve_chunk_timeout(messages.len(), limit)?, messages)
        },
    );
    add(
        "reserve_chunk_deadline",
        Limited,
        true,
        |tx, messages, limit| {
            let deadline = Instant::now() + limit;
            commit_chunk(
                tx.reserve_chunk_deadline(messages.len(), deadline)?,
                messages,
            )
        },
    );
    add("try_reserve_chunk", Not, true, |tx, messages, _| {
        commit_chunk(tx.try_reserve_chunk(messages.len())?, messages)
    });
    add("send_async", Otherwise, false, |tx, messages, _| {
        Ok(block_on(tx.send_async(messages[0])).map(|()| 1)?)
    });
    add("reserve_async", Otherwise, true, |tx, messages, _| {
        commit(block_on(tx.reserve_async())?, messages[0])
    });
    add("select! send", Otherwise, false, |tx, messages, _| {
        let sent = select! {
            send(tx, messages[0]) -> sent => sent,
        };
        Ok(sent.map(|()| 1)?)
    });
    verbs
}
