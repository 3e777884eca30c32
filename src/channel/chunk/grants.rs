//! Several places to write messages to.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use super::parts_of;
use crate::channel::sender::Sender;
use crate::channel::waiting::{Wait, WaitError, WaitingEndpoint};
use crate::channel::{outcome, rendezvous};
use crate::error::{SendBatchError, SendError, SendTimeoutError, TrySendError};
use crate::message::Message;
use crate::ring::SendSide;
use crate::ring::kind::Kind;
use crate::sys::failpoints::failpoint;

/// Places of several messages that this sender may write to, from [`Sender::reserve_chunk`].
///
/// The places are filled from the front, by [`copy_from_slice`](GrantChunk::copy_from_slice) and
/// [`fill_with`](GrantChunk::fill_with), and sent together by [`commit`](GrantChunk::commit).
/// Messages that are written in place ([`as_mut_slices`](GrantChunk::as_mut_slices),
/// [`get_mut`](GrantChunk::get_mut)) are not counted: [`commit_first`](GrantChunk::commit_first)
/// sends them. Places that are not sent are given up, as with a [`Grant`](crate::Grant) that is
/// dropped.
///
/// ```
/// use memring::{Ring, Spsc};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = Ring::<u64, Spsc>::anonymous(100)?;
/// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// let mut chunk = tx.reserve_chunk(8)?;
/// chunk.copy_from_slice(&[1, 2, 3]);
/// let mut next = 3;
/// chunk.fill_with(|| { next += 1; next });
/// assert_eq!(chunk.commit()?, 8);
/// let mut received = [0; 8];
/// assert_eq!(rx.recv_into_slice(&mut received)?, 8);
/// assert_eq!(received, [1, 2, 3, 4, 5, 6, 7, 8]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a chunk that is dropped sends nothing; call `commit`"]
pub struct GrantChunk<'s, T, K: Kind>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    sender: &'s mut Sender<T, K>,
    /// So many, from the front, hold messages.
    written: usize,
}

impl<T, K: Kind> Sender<T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// Claims room for up to `most` messages, as far as there is room now (at least one, even if
    /// `most` is 0), to write them in place and send them together.
    ///
    /// Example: [`Sender::reserve_chunk`].
    ///
    /// # Errors
    /// As [`Sender::try_send`] if there is not even room for one.
    pub fn try_reserve_chunk(
        &mut self,
        most: usize,
    ) -> Result<GrantChunk<'_, T, K>, TrySendError<()>> {
        self.reserve_chunk_within(Wait::Not, most)
            .map_err(|cause| outcome::try_send(cause, ()))
    }

    /// As [`Sender::try_reserve_chunk`], waiting for room for the first message as long as
    /// it takes.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut chunk = tx.reserve_chunk(16)?; // as many as there is room for, up to 16
    /// assert_eq!(chunk.len(), 4);
    /// assert_eq!(chunk.copy_from_slice(&[1, 2, 3]), 3);
    /// assert_eq!(chunk.commit()?, 3);
    /// assert_eq!(rx.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn reserve_chunk(&mut self, most: usize) -> Result<GrantChunk<'_, T, K>, SendError<()>> {
        self.reserve_chunk_within(Wait::Forever, most)
            .map_err(|cause| outcome::send(cause, ()))
    }

    /// As [`Sender::reserve_chunk`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn reserve_chunk_timeout(
        &mut self,
        most: usize,
        timeout: Duration,
    ) -> Result<GrantChunk<'_, T, K>, SendTimeoutError<()>> {
        self.reserve_chunk_within(Wait::at_most(timeout), most)
            .map_err(|cause| outcome::send_timeout(cause, ()))
    }

    /// As [`Sender::reserve_chunk`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn reserve_chunk_deadline(
        &mut self,
        most: usize,
        deadline: Instant,
    ) -> Result<GrantChunk<'_, T, K>, SendTimeoutError<()>> {
        self.reserve_chunk_within(Wait::until(deadline), most)
            .map_err(|cause| outcome::send_timeout(cause, ()))
    }

    fn reserve_chunk_within(
        &mut self,
        wait: Wait,
        most: usize,
    ) -> Result<GrantChunk<'_, T, K>, WaitError> {
        let first = match WaitingEndpoint::try_slow(self) {
            Ok(first) => first,
            Err(_) => rendezvous::claim_on_ring(self, wait)?,
        };
        self.granted.push(first);
        // A peer that frees slots for ever must not decide how long it gets (R20).
        let most = most.min(self.capacity());
        if most > 1 {
            self.side
                .claim_more(&self.view, most - 1, &mut self.granted);
        }
        Ok(GrantChunk {
            sender: self,
            written: 0,
        })
    }

    /// Sends the first `count` messages of a chunk; the others are given up.
    fn publish_chunk(&mut self, count: usize) -> Result<usize, SendBatchError<()>> {
        if count == 0 {
            self.take_back_grant();
            return Ok(0);
        }
        failpoint!(Written);
        self.side.publish_chunk(&self.view, &self.granted[..count]);
        let has_gaps = self.give_up(count);
        let is_open = self.side.complete(&self.view);
        self.announce(&self.view);
        if has_gaps {
            self.announce_gaps();
        }
        let late = match is_open {
            true => 0,
            false => self.count_late().min(count),
        };
        match late {
            0 => Ok(count),
            _ => Err(SendBatchError {
                sent: count - late,
                cause: outcome::send(self.closed(), ()),
            }),
        }
    }
}

impl<T, K: Kind> GrantChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// How many messages there is room for: at least one.
    ///
    /// Example: [`fill_from_iter`](GrantChunk::fill_from_iter).
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.sender.granted.len()
    }

    /// How many messages were written, from the front.
    ///
    /// Example: [`fill_from_iter`](GrantChunk::fill_from_iter).
    pub fn written(&self) -> usize {
        self.written
    }

    /// Writes as many of `messages` as there is room for, after those that were written before,
    /// and returns how many. (In a forked child, where the memory is not mapped: 0.)
    pub fn copy_from_slice(&mut self, messages: &[T]) -> usize {
        let mut messages = messages.iter();
        let before = self.written;
        self.fill(|| messages.next().copied());
        self.written - before
    }

    /// Calls `message` for each place that is not written yet, and writes the result there.
    pub fn fill_with(&mut self, mut message: impl FnMut() -> T) {
        self.fill(|| Some(message()));
    }

    /// As [`fill_with`](GrantChunk::fill_with), as long as the iterator gives messages. Returns
    /// how many were written.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut chunk = tx.reserve_chunk(4)?;
    /// assert_eq!(chunk.fill_from_iter([10, 20]), 2);
    /// assert_eq!((chunk.written(), chunk.len()), (2, 4));
    /// assert_eq!(chunk.commit()?, 2);
    /// assert_eq!([rx.recv()?, rx.recv()?], [10, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fill_from_iter(&mut self, messages: impl IntoIterator<Item = T>) -> usize {
        let mut messages = messages.into_iter();
        let before = self.written;
        self.fill(|| messages.next());
        self.written - before
    }

    /// A panic in `message` leaves what was written before. It may fork, too: the child
    /// does not have the ring's memory.
    fn fill(&mut self, mut message: impl FnMut() -> Option<T>) {
        while let Some(position) = self.sender.granted.get(self.written) {
            let Some(message) = message() else { return };
            if !self.sender.connection.has_fast_paths() {
                return;
            }
            let payload = self.sender.view.payload(*position);
            payload.store(T::encode(&message));
            self.written += 1;
        }
    }

    /// Sends the messages that were written, in order, and returns how many. Messages that were
    /// written in place are not among them: [`commit_first`](GrantChunk::commit_first) sends
    /// those. The messages are published together: by one store for each line of memory.
    ///
    /// # Errors
    /// As [`Grant::commit`](crate::Grant::commit), with the number of messages that were sent:
    /// the ring may have been closed meanwhile.
    pub fn commit(self) -> Result<usize, SendBatchError<()>> {
        let written = self.written;
        self.commit_first(written)
    }

    /// Sends the first `count` messages, in whatever way they were written, and returns how many:
    /// at most [`len`](GrantChunk::len). (A place that was not written still has what an earlier
    /// message left there: any bytes are a valid `T`.)
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut chunk = tx.reserve_chunk(4)?;
    /// chunk.copy_from_slice(&[1, 2, 3]);
    /// assert_eq!(chunk.commit_first(2)?, 2); // the third is given up
    /// assert_eq!(rx.slots(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`commit`](GrantChunk::commit).
    pub fn commit_first(self, count: usize) -> Result<usize, SendBatchError<()>> {
        let connection = &self.sender.connection;
        if !connection.has_fast_paths() {
            let checked = connection.segment.region.check();
            let failed = |failure| SendBatchError {
                sent: 0,
                cause: SendError::Failed((), failure),
            };
            return checked.map(|()| 0).map_err(failed);
        }
        let count = count.min(self.len());
        self.sender.publish_chunk(count)
    }

    /// Returns the place of one message; `None` if `index` is not less than
    /// [`len`](GrantChunk::len). Send it by [`commit_first`](GrantChunk::commit_first).
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut chunk = tx.reserve_chunk(2)?;
    /// for index in 0..2 {
    ///     // SAFETY: V5: no other process has the ring.
    ///     let place = unsafe { chunk.get_mut(index) }.expect("a place");
    ///     *place = 10 + index as u64;
    /// }
    /// chunk.commit_first(2)?;
    /// assert_eq!([rx.recv()?, rx.recv()?], [10, 11]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to this place,
    /// which a process that keeps to this crate's rules never does; and this process has
    /// not forked into the one that calls.
    pub unsafe fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let position = *self.sender.granted.get(index)?;
        let at = self.sender.view.payload(position).as_ptr().cast::<T>();
        // SAFETY: V5: aligned and in bounds (V1, V3); any bytes are a valid `T`
        // (`AnyBitPattern`); that no process writes meanwhile is the caller's promise.
        Some(unsafe { &mut *at })
    }

    /// Returns the places as two slices; the second is empty if the places do not wrap. `None` if
    /// the places do not lie one after the other: then use them one by one. They lie one after
    /// the other in a dense ring ([`Layout::Dense`](crate::Layout)), and if there is only one.
    ///
    /// ```
    /// # use memring::{Layout, Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::builder().layout(Layout::Dense).capacity(8).anonymous()?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut chunk = tx.reserve_chunk(3)?;
    /// // SAFETY: V5: no other process has the ring.
    /// let (front, wrapped) = unsafe { chunk.as_mut_slices() }.expect("a dense ring");
    /// assert!(wrapped.is_empty());
    /// front.copy_from_slice(&[1, 2, 3]);
    /// chunk.commit_first(3)?;
    /// assert_eq!(rx.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// As [`get_mut`](GrantChunk::get_mut), for all of them.
    pub unsafe fn as_mut_slices(&mut self) -> Option<(&mut [T], &mut [T])> {
        let granted = &self.sender.granted;
        let ends = (*granted.first()?, *granted.last()?);
        let parts = parts_of(&self.sender.view, ends, granted.len())?;
        // SAFETY: V5: as in `get_mut`; the messages of a part lie one after the other, and no
        // two parts share one.
        let [first, second] = parts
            .map(|(at, count)| unsafe { std::slice::from_raw_parts_mut(at.cast::<T>(), count) });
        Some((first, second))
    }
}

impl<T, K: Kind> Drop for GrantChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    fn drop(&mut self) {
        if !self.sender.granted.is_empty() {
            self.sender.take_back_grant();
        }
    }
}

impl<T, K: Kind> std::fmt::Debug for GrantChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("GrantChunk");
        shown
            .field("len", &self.len())
            .field("written", &self.written);
        shown.finish()
    }
}
