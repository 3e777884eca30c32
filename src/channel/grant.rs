//! Writing a message in place.

#![allow(unsafe_code)]

use std::io;
use std::time::{Duration, Instant};

use super::sender::{Sender, check_length};
use super::waiting::{Wait, WaitError};
use super::{outcome, rendezvous};
use crate::error::{Failure, SendError, SendTimeoutError, TrySendError};
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::ring::memory::arranged;
use crate::ring::payload::Payload;
use crate::sys::failpoints::failpoint;

/// The place of a message that this sender may write to, from [`Sender::reserve`].
///
/// [`commit`](Grant::commit) sends the message; dropping the grant gives the position up. With
/// one sender the next message takes the position; with many senders, receivers pass it. A grant
/// that is leaked (`mem::forget`) is given up at the sender's next call or at its drop.
///
/// With many senders, a position that is given up is used up: until receivers
/// have passed it, the ring may be full with one message less.
///
/// The place holds what an earlier message left there. A typed message has that value until it is
/// written (any bytes are a valid `T`). A byte message begins with length 0.
///
/// ```
/// # use memring::{Ring, Spsc};
/// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// tx.send(1)?;
/// let mut grant = tx.reserve()?;
/// grant.write(2)?; // where the message will lie
/// assert_eq!(rx.recv()?, 1); // the next one is not there yet
/// assert_eq!(rx.slots(), 0);
/// grant.commit()?;
/// assert_eq!(rx.recv()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a grant that is dropped sends nothing; call `commit`"]
pub struct Grant<'s, T: Message + ?Sized, K: Kind> {
    sender: &'s mut Sender<T, K>,
    position: u64,
    /// Byte rings: how many bytes are the message, so far.
    length: usize,
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Claims the place of a message, to write the message in place, if there is room now.
    ///
    /// While the grant lives, this sender holds its position: with many senders, receivers wait
    /// at it. If the grant is dropped without [`commit`](Grant::commit), the position is given
    /// up.
    ///
    /// Example: [`Sender::reserve`].
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    #[inline]
    pub fn try_reserve(&mut self) -> Result<Grant<'_, T, K>, TrySendError<()>> {
        self.reserve_within(Wait::Not, outcome::try_send)
    }

    /// As [`Sender::try_reserve`], waiting for room as long as it takes.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut grant = tx.reserve()?;
    /// grant.write(7)?;
    /// grant.commit()?;
    /// drop(tx.reserve()?); // given up: nothing is sent
    /// assert_eq!((rx.recv()?, rx.slots()), (7, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`].
    #[inline]
    pub fn reserve(&mut self) -> Result<Grant<'_, T, K>, SendError<()>> {
        self.reserve_within(Wait::Forever, outcome::send)
    }

    /// As [`Sender::reserve`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn reserve_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Grant<'_, T, K>, SendTimeoutError<()>> {
        self.reserve_within(Wait::at_most(timeout), outcome::send_timeout)
    }

    /// As [`Sender::reserve`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn reserve_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Grant<'_, T, K>, SendTimeoutError<()>> {
        self.reserve_within(Wait::until(deadline), outcome::send_timeout)
    }

    #[inline(always)]
    fn reserve_within<E>(
        &mut self,
        wait: Wait,
        error: impl FnOnce(WaitError, ()) -> E,
    ) -> Result<Grant<'_, T, K>, E> {
        let view = self.view; // a copy, as in `send`
        let position = match arranged!(view => self.claim_fast(&view)) {
            Some(position) => position,
            None => rendezvous::claim_on_ring(self, wait).map_err(|outcome| error(outcome, ()))?,
        };
        self.granted.push(position);
        Ok(Grant::new(self, position))
    }
}

impl<'s, T: Message + ?Sized, K: Kind> Grant<'s, T, K> {
    #[inline(always)]
    pub(super) fn new(sender: &'s mut Sender<T, K>, position: u64) -> Self {
        let grant = Grant {
            sender,
            position,
            length: 0,
        };
        grant.payload().set_length(0);
        grant
    }

    #[inline(always)]
    fn payload(&self) -> Payload {
        self.sender.view.payload(self.position)
    }

    /// Writes the whole message. In byte rings this also sets the message's length.
    ///
    /// # Errors
    /// [`Failure::TooLong`] if it does not fit: nothing is written.
    /// [`Failure::Forked`] in a forked child, where the memory is not mapped.
    #[inline]
    pub fn write(&mut self, message: T::Sent<'_>) -> Result<(), Failure> {
        self.write_bytes(T::encode(&message))
    }

    #[inline(always)]
    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        check_length::<T>(bytes.len(), self.limit())?;
        if !self.sender.connection.has_fast_paths() {
            self.sender.connection.segment.region.check()?;
        }
        self.payload().store(bytes);
        self.length = bytes.len();
        Ok(())
    }

    /// As [`write`](Grant::write), by reference: for types that are large.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u64; 4096], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let page = vec![[7; 4096]];
    /// let mut grant = tx.reserve()?;
    /// grant.write_ref(&page[0])?; // 32 KiB, that are never on the stack
    /// grant.commit()?;
    /// assert_eq!(rx.slots(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Grant::write).
    #[inline]
    pub fn write_ref(&mut self, message: &T) -> Result<(), Failure> {
        self.write_bytes(T::bytes_of(message))
    }

    /// Sends the message.
    ///
    /// As with [`Sender::try_send`], its publication is a release store.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Removed`] if the ring was closed while the grant
    /// lived. (A ring with many endpoints on a side waits for the grant, and there the result is
    /// `Ok`.) [`SendError::Failed`] in a forked child, and if this handle was poisoned meanwhile.
    /// After an error, nothing was sent.
    #[inline]
    pub fn commit(self) -> Result<(), SendError<()>> {
        if !self.sender.connection.has_fast_paths() {
            let checked = self.sender.connection.segment.region.check();
            return checked.map_err(|failure| SendError::Failed((), failure));
        }
        failpoint!(Written);
        if !self.sender.granted.is_empty() {
            self.sender.granted.clear();
            let view = self.sender.view;
            if !arranged!(view => self.sender.publish(&view, self.position)) {
                return Err(outcome::send(self.sender.closed(), ()));
            }
        }
        Ok(())
    }

    /// The most bytes that a message may have.
    ///
    /// ```
    /// # use memring::{Failure, Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::builder().message_limit(200).anonymous()?;
    /// # let mut tx = ring.sender()?;
    /// let mut grant = tx.reserve()?;
    /// assert_eq!(grant.limit(), 200);
    /// assert!(matches!(grant.write(&[0; 300]), Err(Failure::TooLong { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn limit(&self) -> usize {
        self.sender.view.limit()
    }

    /// Returns the address of the message's first byte, for writing in place. It is valid for
    /// [`limit`](Grant::limit) bytes while the grant lives, in the process that made it. A
    /// hostile peer may read and write there at any time.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut grant = tx.reserve()?;
    /// // SAFETY: V5: no other process has the ring; a byte ring's message may have 1024 bytes.
    /// unsafe { grant.as_mut_ptr().copy_from(b"seven".as_ptr(), 5) };
    /// grant.set_len(5)?;
    /// grant.commit()?;
    /// assert_eq!(rx.recv()?, b"seven");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.payload().as_ptr()
    }
}

impl<T, K: Kind> Grant<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// The message in place.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut grant = tx.reserve()?;
    /// // SAFETY: V5: no other process has the ring.
    /// *unsafe { grant.as_mut() } = 7;
    /// grant.commit()?;
    /// assert_eq!(rx.recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to
    /// this place, which a process that keeps to this crate's rules never does.
    #[inline]
    pub unsafe fn as_mut(&mut self) -> &mut T {
        // SAFETY: V5: aligned and in bounds (V1, V3); any bytes are a valid `T`
        // (`AnyBitPattern`); that no process writes meanwhile is the caller's promise.
        unsafe { &mut *self.as_mut_ptr().cast::<T>() }
    }
}

impl<K: Kind> Grant<'_, [u8], K> {
    /// Sets how many of the bytes in place are the message.
    ///
    /// Example: [`as_mut_ptr`](Grant::as_mut_ptr).
    ///
    /// # Errors
    /// [`Failure::TooLong`] if `length` is more than the [`limit`](Grant::limit).
    pub fn set_len(&mut self, length: usize) -> Result<(), Failure> {
        let limit = self.limit();
        if length > limit {
            return Err(Failure::TooLong { length, limit });
        }
        if !self.sender.connection.has_fast_paths() {
            self.sender.connection.segment.region.check()?;
        }
        self.payload().set_length(length);
        self.length = length;
        Ok(())
    }

    /// All the bytes in place, as many as the [`limit`](Grant::limit) says.
    /// [`set_len`](Grant::set_len) says how many of them are the message.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut grant = tx.reserve()?;
    /// // SAFETY: V5: no other process has the ring.
    /// let place = unsafe { grant.as_mut() };
    /// place[..5].copy_from_slice(b"seven");
    /// grant.set_len(5)?;
    /// grant.commit()?;
    /// assert_eq!(rx.recv()?, b"seven");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to
    /// this place, which a process that keeps to this crate's rules never does.
    #[inline]
    pub unsafe fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: V5: in bounds (V1, V3), and always initialised, being mapped;
        // that no process writes meanwhile is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.limit()) }
    }
}

/// Appends to the message, for `write!`, `io::copy` and serializers. Bytes that do not fit are
/// not taken: `write_all` then ends with [`ErrorKind::WriteZero`](std::io::ErrorKind::WriteZero).
/// (The method [`Grant::write`] is different: it writes the whole message, from its beginning.)
///
/// ```
/// use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = memring::Ring::<[u8], memring::Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// let mut grant = tx.reserve()?;
/// write!(grant, "{} and ", 6)?;
/// grant.write_all(b"seven")?;
/// grant.commit()?;
/// assert_eq!(rx.recv()?, b"6 and seven");
/// # Ok(())
/// # }
/// ```
impl<K: Kind> io::Write for Grant<'_, [u8], K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sender.connection.segment.region.check()?;
        let written = self.payload().store_at(self.length, bytes);
        self.length += written;
        self.payload().set_length(self.length);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for Grant<'_, T, K> {
    #[inline]
    fn drop(&mut self) {
        if !self.sender.granted.is_empty() {
            self.sender.take_back_grant();
        }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Grant<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Grant");
        shown.field("limit", &self.limit()).finish_non_exhaustive()
    }
}
