//! The verbs of a receiver.

use std::time::{Duration, Instant};

use memring::{
    Kind, Lease, LeaseBatch, LeaseChunk, Mpmc, Mpsc, OneReceiver, Receiver, Spmc, Spsc, select,
};
use memring_testkit::futures::block_on;

use super::Waits;
use super::said::Said;

/// A verb: receives at least one message, within the time, if it has a limit.
pub struct ReceivingVerb<K: Kind> {
    pub name: &'static str,
    pub waits: Waits,
    /// It needs a message that lies in the ring, and in a rendezvous ring none does.
    pub needs_place: bool,
    pub receive: ReceiveSome<K>,
}

/// Adds what it receives to the messages.
type ReceiveSome<K> = fn(&mut Receiver<u64, K>, &mut Vec<u64>, Duration) -> Result<(), Said>;

impl<K: Kind> ReceivingVerb<K> {
    /// Whether it has a meaning at this capacity.
    pub fn can(&self, capacity: usize) -> bool {
        capacity > 0 || !self.needs_place
    }

    /// Whether it gives messages back. Of a ring of many receivers they come again when they
    /// may, and not at once.
    pub fn gives_back(&self) -> bool {
        self.name.contains("lease_batch") || self.name.contains("lease_chunk")
    }
}

fn release<K: Kind>(lease: Lease<'_, u64, K>, messages: &mut Vec<u64>) -> Result<(), Said> {
    messages.push(lease.read());
    lease.release();
    Ok(())
}

/// All but the last of several are acknowledged, and it comes again.
fn release_batch<K: Kind>(
    mut batch: LeaseBatch<'_, u64, K>,
    messages: &mut Vec<u64>,
) -> Result<(), Said> {
    let count = batch.len();
    let kept = count.saturating_sub(1).max(1);
    messages.extend(batch.iter().take(kept).map(|message| message.read()));
    batch.release_first(kept);
    Ok(())
}

fn release_chunk<K: Kind>(
    mut chunk: LeaseChunk<'_, u64, K>,
    messages: &mut Vec<u64>,
) -> Result<(), Said> {
    let mut copies = vec![0; chunk.len()];
    let copied = chunk.copy_to_slice(&mut copies);
    let kept = copied.saturating_sub(1).max(1);
    messages.extend(&copies[..kept]);
    chunk.release_first(kept);
    Ok(())
}

/// What was looked at is received.
fn take<K: Kind>(
    rx: &mut Receiver<u64, K>,
    seen: u64,
    messages: &mut Vec<u64>,
) -> Result<(), Said> {
    let message = rx.try_recv()?;
    assert_eq!(message, seen);
    messages.push(message);
    Ok(())
}

/// All of them, `recv` first.
pub fn verbs<K: Peeking>() -> Vec<ReceivingVerb<K>> {
    use Waits::{Forever, Limited, Not, Otherwise};
    let mut verbs = Vec::new();
    let mut add = |name, waits, needs_place, receive: ReceiveSome<K>| {
        verbs.push(ReceivingVerb {
            name,
            waits,
            needs_place,
            receive,
        });
    };
    add("recv", Forever, false, |rx, messages, _| {
        messages.push(rx.recv()?);
        Ok(())
    });
    add("recv_timeout", Limited, false, |rx, messages, limit| {
        messages.push(rx.recv_timeout(limit)?);
        Ok(())
    });
    add("recv_deadline", Limited, false, |rx, messages, limit| {
        messages.push(rx.recv_deadline(Instant::now() + limit)?);
        Ok(())
    });
    add("try_recv", Not, false, |rx, messages, _| {
        messages.push(rx.try_recv()?);
        Ok(())
    });
    add("recv_into", Forever, false, |rx, messages, _| {
        let mut message = 0;
        rx.recv_into(&mut message)?;
        messages.push(message);
        Ok(())
    });
    add(
        "recv_into_timeout",
        Limited,
        false,
        |rx, messages, limit| {
            let mut message = 0;
            rx.recv_into_timeout(&mut message, limit)?;
            messages.push(message);
            Ok(())
        },
    );
    add(
        "recv_into_deadline",
        Limited,
        false,
        |rx, messages, limit| {
            let mut message = 0;
            rx.recv_into_deadline(&mut message, Instant::now() + limit)?;
            messages.push(message);
            Ok(())
        },
    );
    add("try_recv_into", Not, false, |rx, messages, _| {
        let mut message = 0;
        rx.try_recv_into(&mut message)?;
        messages.push(message);
        Ok(())
    });
    add("recv_batch", Forever, false, |rx, messages, _| {
        Ok(rx.recv_batch(messages, 2).map(drop)?)
    });
    add(
        "recv_batch_timeout",
        Limited,
        false,
        |rx, messages, limit| Ok(rx.recv_batch_timeout(messages, 2, limit).map(drop)?),
    );
    add(
        "recv_batch_deadline",
        Limited,
        false,
        |rx, messages, limit| {
            let deadline = Instant::now() + limit;
            Ok(rx.recv_batch_deadline(messages, 2, deadline).map(drop)?)
        },
    );
    add("try_recv_batch", Not, false, |rx, messages, _| {
        Ok(rx.try_recv_batch(messages, 2).map(drop)?)
    });
    add("recv_into_slice", Forever, false, |rx, messages, _| {
        let mut slice = [0; 2];
        let count = rx.recv_into_slice(&mut slice)?;
        messages.extend(&slice[..count]);
        Ok(())
    });
    add(
        "recv_into_slice_timeout",
        Limited,
        false,
        |rx, messages, limit| {
            let mut slice = [0; 2];
            let count = rx.recv_into_slice_timeout(&mut slice, limit)?;
            messages.extend(&slice[..count]);
            Ok(())
        },
    );
    add(
        "recv_into_slice_deadline",
        Limited,
        false,
        |rx, messages, limit| {
            let mut slice = [0; 2];
            let count = rx.recv_into_slice_deadline(&mut slice, Instant::now() + limit)?;
            messages.extend(&slice[..count]);
            Ok(())
        },
    );
    add("try_recv_into_slice", Not, false, |rx, messages, _| {
        let mut slice = [0; 2];
        let count = rx.try_recv_into_slice(&mut slice)?;
        messages.extend(&slice[..count]);
        Ok(())
    });
    add("lease", Forever, false, |rx, messages, _| {
        release(rx.lease()?, messages)
    });
    add("lease_timeout", Limited, false, |rx, messages, limit| {
        release(rx.lease_timeout(limit)?, messages)
    });
    add("lease_deadline", Limited, false, |rx, messages, limit| {
        release(rx.lease_deadline(Instant::now() + limit)?, messages)
    });
    add("try_lease", Not, false, |rx, messages, _| {
        release(rx.try_lease()?, messages)
    });
    add("lease_batch", Forever, false, |rx, messages, _| {
        release_batch(rx.lease_batch(3)?, messages)
    });
    add(
        "lease_batch_timeout",
        Limited,
        false,
        |rx, messages, limit| release_batch(rx.lease_batch_timeout(3, limit)?, messages),
    );
    add(
        "lease_batch_deadline",
        Limited,
        false,
        |rx, messages, limit| {
            let deadline = Instant::now() + limit;
            release_batch(rx.lease_batch_deadline(3, deadline)?, messages)
        },
    );
    add("try_lease_batch", Not, false, |rx, messages, _| {
        release_batch(rx.try_lease_batch(3)?, messages)
    });
    add("lease_chunk", Forever, false, |rx, messages, _| {
        release_chunk(rx.lease_chunk(3)?, messages)
    });
    add(
        "lease_chunk_timeout",
        Limited,
        false,
        |rx, messages, limit| release_chunk(rx.lease_chunk_timeout(3, limit)?, messages),
    );
    add(
        "lease_chunk_deadline",
        Limited,
        false,
        |rx, messages, limit| {
            let deadline = Instant::now() + limit;
            release_chunk(rx.lease_chunk_deadline(3, deadline)?, messages)
        },
    );
    add("try_lease_chunk", Not, false, |rx, messages, _| {
        release_chunk(rx.try_lease_chunk(3)?, messages)
    });
    add("iter", Forever, false, |rx, messages, _| {
        // Closed is the end of an iteration.
        messages.push(
            rx.iter()
                .next()
                .unwrap_or(Err(memring::RecvError::Closed))?,
        );
        Ok(())
    });
    add("recv_async", Otherwise, false, |rx, messages, _| {
        messages.push(block_on(rx.recv_async())?);
        Ok(())
    });
    add("lease_async", Otherwise, false, |rx, messages, _| {
        release(block_on(rx.lease_async())?, messages)
    });
    add("ready_async", Otherwise, false, |rx, messages, _| {
        block_on(rx.ready_async())?;
        messages.push(rx.try_recv()?);
        Ok(())
    });
    add("select! recv", Otherwise, false, |rx, messages, _| {
        let received = select! {
            recv(rx) -> received => received,
        };
        messages.push(received?);
        Ok(())
    });
    verbs.extend(K::peeks());
    verbs
}

/// A kind, with the verbs that look at a message, which only a ring of one receiver has.
pub trait Peeking: Kind + Sized {
    fn peeks() -> Vec<ReceivingVerb<Self>> {
        Vec::new()
    }
}

impl Peeking for Spsc {
    fn peeks() -> Vec<ReceivingVerb<Self>> {
        peeks()
    }
}

impl Peeking for Mpsc {
    fn peeks() -> Vec<ReceivingVerb<Self>> {
        peeks()
    }
}

impl Peeking for Spmc {}

impl Peeking for Mpmc {}

fn peeks<K: OneReceiver>() -> Vec<ReceivingVerb<K>> {
    use Waits::{Forever, Limited, Not};
    let mut verbs = Vec::new();
    let mut add = |name, waits, needs_place, receive: ReceiveSome<K>| {
        verbs.push(ReceivingVerb {
            name,
            waits,
            needs_place,
            receive,
        });
    };
    add("peek", Forever, true, |rx, messages, _| {
        let seen = rx.peek()?;
        take(rx, seen, messages)
    });
    add("peek_timeout", Limited, true, |rx, messages, limit| {
        let seen = rx.peek_timeout(limit)?;
        take(rx, seen, messages)
    });
    add("peek_deadline", Limited, true, |rx, messages, limit| {
        let seen = rx.peek_deadline(Instant::now() + limit)?;
        take(rx, seen, messages)
    });
    add("try_peek", Not, true, |rx, messages, _| {
        let seen = rx.try_peek()?;
        take(rx, seen, messages)
    });
    verbs
}
