//! A message of each family, on a ring that a peer writes to.

use std::mem;

use memring::{
    Kind, Message, Receiver, SendBatchError, SendError, Sender, TryRecvError, TrySendError,
};

use crate::oracle::Guard;

/// The longest byte message: in a slot or a line of 64 bytes.
pub(super) const LIMIT: usize = 40;
/// So many bytes; see [`Sample`].
pub(super) const BYTES: [u8; LIMIT] = [3; LIMIT];

/// A message that is made of bytes, and whose value cannot be wrong.
///
/// Messages of a fixed size can be sent by slices and chunks too. `None` is the answer of a
/// family that has none.
pub(super) trait Sample: Message {
    fn sent(bytes: &[u8]) -> Self::Sent<'_>;
    fn check(received: Self::Received);

    fn send_slice<K: Kind>(
        _tx: &mut Sender<Self, K>,
        _count: usize,
    ) -> Option<Result<(), TrySendError<()>>> {
        None
    }

    fn receive_slice<K: Kind>(
        _rx: &mut Receiver<Self, K>,
        _most: usize,
    ) -> Option<Result<(), TryRecvError>> {
        None
    }

    /// Reserves a chunk; `meanwhile` runs while it is held.
    fn grant_chunk<K: Kind>(
        _tx: &mut Sender<Self, K>,
        _most: usize,
        _guard: &Guard,
        _meanwhile: impl FnOnce(),
    ) -> Option<Result<(), TrySendError<()>>> {
        None
    }

    /// Leases a chunk; `meanwhile` runs while it is held.
    fn lease_chunk<K: Kind>(
        _rx: &mut Receiver<Self, K>,
        _most: usize,
        _guard: &Guard,
        _meanwhile: impl FnOnce(),
    ) -> Option<Result<(), TryRecvError>> {
        None
    }
}

impl Sample for [u8] {
    fn sent(bytes: &[u8]) -> &[u8] {
        bytes
    }
    fn check(received: Vec<u8>) {
        assert!(received.len() <= LIMIT);
    }
}

impl Sample for u64 {
    fn sent(bytes: &[u8]) -> u64 {
        bytes.len() as u64
    }
    fn check(_any: u64) {}

    fn send_slice<K: Kind>(
        tx: &mut Sender<u64, K>,
        count: usize,
    ) -> Option<Result<(), TrySendError<()>>> {
        Some(match tx.try_send_slice(&vec![3; count]) {
            Ok(sent) => {
                assert_eq!(sent, count);
                Ok(())
            }
            Err(error) => {
                assert!(error.sent < count);
                Err(error.cause)
            }
        })
    }

    fn receive_slice<K: Kind>(
        rx: &mut Receiver<u64, K>,
        most: usize,
    ) -> Option<Result<(), TryRecvError>> {
        let received = rx.try_recv_into_slice(&mut vec![0; most]);
        Some(received.map(|count| assert!(count <= most)))
    }

    fn grant_chunk<K: Kind>(
        tx: &mut Sender<u64, K>,
        most: usize,
        guard: &Guard,
        meanwhile: impl FnOnce(),
    ) -> Option<Result<(), TrySendError<()>>> {
        let capacity = tx.capacity();
        let mut chunk = match tx.try_reserve_chunk(most) {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        // At least one, whatever is asked for.
        assert!((1..=most.clamp(1, capacity)).contains(&chunk.len()));
        meanwhile();
        chunk.fill_with(|| 3);
        let sent = match guard {
            Guard::Finish => chunk.commit(),
            Guard::Requeue => chunk.commit_first(most / 2),
            Guard::Drop => {
                drop(chunk);
                Ok(0)
            }
            Guard::Forget => {
                mem::forget(chunk);
                Ok(0)
            }
        };
        Some(match sent {
            Err(SendBatchError {
                cause: SendError::Failed((), failure),
                ..
            }) => Err(TrySendError::Failed((), failure)),
            // That the ring is closed, or has lost its receivers, is for a peer to say too.
            Ok(_) | Err(_) => Ok(()),
        })
    }

    fn lease_chunk<K: Kind>(
        rx: &mut Receiver<u64, K>,
        most: usize,
        guard: &Guard,
        meanwhile: impl FnOnce(),
    ) -> Option<Result<(), TryRecvError>> {
        let capacity = rx.capacity();
        let mut chunk = match rx.try_lease_chunk(most) {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        let count = chunk.len();
        assert!((1..=most.clamp(1, capacity)).contains(&count)); // as above
        let mut messages = vec![0; count];
        assert_eq!(chunk.copy_to_slice(&mut messages), count);
        meanwhile();
        // What is read again may have changed, and lies where it did.
        assert_eq!(chunk.copy_to_slice(&mut messages), count);
        assert!(chunk.iter().all(|leased| leased.redeliveries() < 16));
        chunk.release_first(most / 2);
        match guard {
            Guard::Finish => chunk.release(),
            Guard::Drop => drop(chunk),
            Guard::Requeue => chunk.requeue(),
            Guard::Forget => mem::forget(chunk),
        }
        Some(Ok(()))
    }
}
