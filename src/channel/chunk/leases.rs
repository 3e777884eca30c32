//! Several messages to read in place.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use super::parts_of;
use crate::channel::lease::{LeaseBatch, LeaseIter, LeasedMessage};
use crate::channel::outcome;
use crate::channel::receiver::Receiver;
use crate::channel::waiting::Wait;
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::message::Message;
use crate::ring::kind::Kind;

/// Messages of one type that this receiver holds, from [`Receiver::lease_chunk`]: a
/// [`LeaseBatch`] that can be read as slices.
///
/// A chunk is released and given back like a batch: only [`release`](LeaseChunk::release) and
/// [`release_first`](LeaseChunk::release_first) acknowledge.
///
/// ```
/// use memring::{Layout, Ring, Spsc};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = Ring::<u64, Spsc>::builder().layout(Layout::Dense).anonymous()?;
/// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// tx.send_slice(&[3, 4, 5])?;
/// let mut chunk = rx.lease_chunk(16)?;
/// let mut first = [0; 2];
/// assert_eq!(chunk.copy_to_slice(&mut first), 2);
/// chunk.release_first(2);
/// // SAFETY: V5: no process that could write there has the ring.
/// let (rest, wrapped) = unsafe { chunk.as_slices() }.expect("a dense ring");
/// assert_eq!((first, rest, wrapped), ([3, 4], &[5][..], &[][..]));
/// chunk.release();
/// # Ok(())
/// # }
/// ```
#[must_use = "messages of a chunk that is dropped are given back; call `release`"]
pub struct LeaseChunk<'r, T, K: Kind>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    batch: LeaseBatch<'r, T, K>,
}

impl<T, K: Kind> Receiver<T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// Leases up to `most` messages that are there now (at least one, even if `most` is 0), to
    /// read them in place.
    ///
    /// Example: [`Receiver::lease_chunk`].
    ///
    /// # Errors
    /// As [`Receiver::try_recv`] if there was not even one.
    pub fn try_lease_chunk(&mut self, most: usize) -> Result<LeaseChunk<'_, T, K>, TryRecvError> {
        self.lease_within(Wait::Not, most)
            .map(|batch| LeaseChunk { batch })
            .map_err(outcome::try_recv)
    }

    /// As [`Receiver::try_lease_chunk`], waiting for the first message as long as it takes.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// let chunk = rx.lease_chunk(16)?; // what is there, up to 16
    /// let sum: u64 = chunk.iter().map(|message| message.read()).sum();
    /// assert_eq!((chunk.len(), sum), (3, 6));
    /// chunk.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn lease_chunk(&mut self, most: usize) -> Result<LeaseChunk<'_, T, K>, RecvError> {
        self.lease_within(Wait::Forever, most)
            .map(|batch| LeaseChunk { batch })
            .map_err(outcome::recv)
    }

    /// As [`Receiver::lease_chunk`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_chunk_timeout(
        &mut self,
        most: usize,
        timeout: Duration,
    ) -> Result<LeaseChunk<'_, T, K>, RecvTimeoutError> {
        self.lease_within(Wait::at_most(timeout), most)
            .map(|batch| LeaseChunk { batch })
            .map_err(outcome::recv_timeout)
    }

    /// As [`Receiver::lease_chunk`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_chunk_deadline(
        &mut self,
        most: usize,
        deadline: Instant,
    ) -> Result<LeaseChunk<'_, T, K>, RecvTimeoutError> {
        self.lease_within(Wait::until(deadline), most)
            .map(|batch| LeaseChunk { batch })
            .map_err(outcome::recv_timeout)
    }
}

impl<T, K: Kind> LeaseChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// How many messages are held: at least one, until all are released by
    /// [`release_first`](LeaseChunk::release_first).
    ///
    /// Example: [`Receiver::lease_chunk`].
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether all messages are released.
    ///
    /// Example: [`get`](LeaseChunk::get).
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Returns the message at `index`, in the order of receipt, of those that are held.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2])?;
    /// let mut chunk = rx.lease_chunk(16)?;
    /// assert_eq!(chunk.get(1).map(|message| message.read()), Some(2));
    /// chunk.release_first(chunk.len());
    /// assert!(chunk.is_empty() && chunk.get(0).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, index: usize) -> Option<LeasedMessage<'_, T>> {
        self.batch.get(index)
    }

    /// Returns an iterator over the messages that are held, in the order of receipt.
    ///
    /// Example: [`Receiver::lease_chunk`].
    pub fn iter(&self) -> LeaseIter<'_, T, K> {
        self.batch.iter()
    }

    /// Copies messages from the front, as many as there are and fit, and returns how many.
    pub fn copy_to_slice(&self, messages: &mut [T]) -> usize {
        let pairs = messages.iter_mut().zip(self.iter());
        pairs.map(|(to, message)| *to = message.read()).count()
    }

    /// Returns the messages as two slices; the second is empty if the messages do not wrap.
    /// `None` if the messages do not lie one after the other: then read them one by one. They lie
    /// one after the other in a dense ring ([`Layout::Dense`](crate::Layout)), and if there is
    /// only one.
    ///
    /// # Safety
    /// Peers cooperate: while the slices live, no other process writes to these messages,
    /// which a process that keeps to this crate's rules never does; and this process has
    /// not forked into the one that calls.
    pub unsafe fn as_slices(&self) -> Option<(&[T], &[T])> {
        if self.is_empty() {
            return Some((&[], &[]));
        }
        let (view, ends) = self.batch.view_and_ends()?;
        let parts = parts_of(view, ends, self.len())?;
        // SAFETY: V5: aligned and in bounds (V1, V3), one after the other; any bytes are a
        // valid `T` (`AnyBitPattern`); that no process writes meanwhile is the caller's
        // promise.
        let [first, second] =
            parts.map(|(at, count)| unsafe { std::slice::from_raw_parts(at.cast::<T>(), count) });
        Some((first, second))
    }

    /// Acknowledges all messages that are held.
    pub fn release(self) {
        self.batch.release();
    }

    /// Acknowledges the first `count` messages of those that are held, or all if fewer are held.
    pub fn release_first(&mut self, count: usize) {
        self.batch.release_first(count);
    }

    /// Gives back the messages that are held; see [`LeaseBatch::requeue`].
    pub fn requeue(self) {}
}

impl<'c, T, K: Kind> IntoIterator for &'c LeaseChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    type Item = LeasedMessage<'c, T>;
    type IntoIter = LeaseIter<'c, T, K>;

    fn into_iter(self) -> LeaseIter<'c, T, K> {
        self.iter()
    }
}

impl<T, K: Kind> std::fmt::Debug for LeaseChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseChunk")
            .field("len", &self.len())
            .finish()
    }
}
