//! Reading messages in place.

#![allow(unsafe_code)]

mod copies;
mod iter;
mod message;
mod owned;
mod reader;
mod verbs;

pub use copies::LeaseSnapshot;
pub use iter::LeaseIter;
pub use message::LeasedMessage;
pub(crate) use owned::OwnedLease;
pub use reader::LeaseReader;

use super::ViewOf;
use super::receiver::Receiver;
use crate::message::Message;
use crate::ring::kind::Kind;

/// Messages that this receiver holds, from [`Receiver::lease_batch`].
///
/// **Only a release acknowledges**: [`release`](LeaseBatch::release) all of them, and
/// [`release_first`](LeaseBatch::release_first) those at the front. Senders can then use their
/// slots again. Messages that were not released when the batch is dropped (by a panic, a `?`, an
/// early `return`) are given back as by [`requeue`](LeaseBatch::requeue). Each is received again,
/// by this receiver or another, marked as redelivered; or, if it was delivered as often as the
/// ring allows ([`max_deliveries`](crate::RingBuilder::max_deliveries)), it is dropped and
/// counted as lost. This is also true with [`OnDeath::Discard`](crate::OnDeath::Discard), which
/// applies only to the death of the process. If the process dies while it holds the batch, other
/// receivers get the messages (`OnDeath::Redeliver`), or the messages count as lost
/// (`OnDeath::Discard`). If the batch is leaked (`mem::forget`), its messages are given back at
/// the receiver's next call or at its drop.
///
/// ```
/// # use memring::{Ring, Spsc};
/// fn work(number: u64) -> Result<(), String> {
///     (number != 301).then_some(()).ok_or(format!("cannot do {number}"))
/// }
///
/// fn work_off(rx: &mut memring::Receiver<u64, Spsc>) -> Result<(), Box<dyn std::error::Error>> {
///     let mut batch = rx.lease_batch(16)?;
///     while let Some(message) = batch.get(0) {
///         work(message.read())?; // gives this one back, and those behind it
///         batch.release_first(1);
///     }
///     Ok(())
/// }
///
/// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// for number in [300, 301, 302] {
///     tx.send(number)?;
/// }
/// assert!(work_off(&mut rx).is_err());
/// let again = rx.lease_batch(16)?;
/// assert_eq!(again.iter().map(|m| m.read()).collect::<Vec<_>>(), [301, 302]);
/// assert!(again.iter().all(|m| m.is_redelivered()));
/// again.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "messages of a batch that is dropped are given back; call `release`"]
pub struct LeaseBatch<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
}

impl<'r, T: Message + ?Sized, K: Kind> LeaseBatch<'r, T, K> {
    pub(super) fn new(receiver: &'r mut Receiver<T, K>) -> Self {
        LeaseBatch { receiver }
    }

    /// How many messages are held: at least one, until all are released by
    /// [`release_first`](LeaseBatch::release_first).
    ///
    /// Example: [`get`](LeaseBatch::get).
    pub fn len(&self) -> usize {
        self.receiver.leased.len()
    }

    /// Whether all messages are released.
    ///
    /// Example: [`get`](LeaseBatch::get).
    pub fn is_empty(&self) -> bool {
        self.receiver.leased.is_empty()
    }

    /// Returns the message at `index`, in the order of receipt, of those that are held.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[10, 20, 30])?;
    /// let mut batch = rx.lease_batch(16)?;
    /// assert_eq!((batch.len(), batch.get(2).map(|message| message.read())), (3, Some(30)));
    /// batch.release_first(2);
    /// assert_eq!((batch.len(), batch.get(0).map(|message| message.read())), (1, Some(30)));
    /// batch.release_first(1);
    /// assert!(batch.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self, index: usize) -> Option<LeasedMessage<'_, T>> {
        LeasedMessage::of(self.receiver, index)
    }

    /// The ring's memory, and the positions of the first and the last message; none if all
    /// are released, and in a forked child.
    pub(super) fn view_and_ends(&self) -> Option<ViewAndEnds<'_, T, K>> {
        let leased = &self.receiver.leased;
        let ((first, _), (last, _)) = (leased.get(0)?, leased.get(leased.len() - 1)?);
        let is_mapped = self.receiver.connection.is_mapped();
        is_mapped.then_some((&self.receiver.view, (first.position, last.position)))
    }

    /// Takes up to `max` more messages that are there now, behind those that are held, and
    /// says how many; 0 if there are none, and whenever the receiver could not take one: its
    /// next call tells why. So a stream can be received with a window of messages in
    /// hand, of which the first are released as they are done.
    ///
    /// All are held by this batch: at most as many as the ring's capacity. Of a rendezvous
    /// ring, which hands over one message at a time, always 0.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[10, 20])?;
    /// let mut batch = rx.lease_batch(16)?;
    /// tx.send_slice(&[30, 40])?;
    /// batch.release_first(1);
    /// assert_eq!(batch.extend(1), 1);
    /// assert_eq!(batch.iter().map(|message| message.read()).collect::<Vec<_>>(), [20, 30]);
    /// assert_eq!((batch.extend(16), batch.extend(16), batch.len()), (1, 0, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend(&mut self, max: usize) -> usize {
        self.receiver.extend_leases(max)
    }

    /// Acknowledges all messages that are held.
    #[inline]
    pub fn release(self) {
        self.receiver.release_leases();
    }

    /// Acknowledges the first `count` messages of those that are held, or all if fewer are held.
    /// The others stay held, and the first of them is then at index 0.
    ///
    /// Each call notifies senders. If the work for each message is short, release a few messages
    /// at a time.
    pub fn release_first(&mut self, count: usize) {
        self.receiver.release_first_leases(count);
    }

    /// Gives back the messages that are held, to be received again, as dropping does. Each is
    /// then marked as redelivered once more, or dropped and counted as lost if it was delivered
    /// as often as the ring allows.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2])?;
    /// rx.lease_batch(16)?.requeue(); // this receiver cannot do them now
    /// let again = rx.lease_batch(16)?;
    /// assert!(again.iter().all(|message| message.redeliveries() == 1));
    /// again.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn requeue(self) {}
}

impl<T: Message + ?Sized, K: Kind> Drop for LeaseBatch<'_, T, K> {
    #[inline]
    fn drop(&mut self) {
        if !self.receiver.leased.is_empty() {
            self.receiver.give_back_leases();
        }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for LeaseBatch<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseBatch")
            .field("len", &self.len())
            .finish()
    }
}

/// A ring's memory, and two positions in it.
type ViewAndEnds<'b, T, K> = (&'b ViewOf<T, K>, (u64, u64));

/// One message that this receiver holds, from [`Receiver::lease`].
///
/// **Only [`release`](Lease::release) acknowledges it.** If the lease is dropped before, by a
/// panic, a `?` or an early `return`, the message is given back, to be received again; see
/// [`LeaseBatch`].
///
/// ```
/// # use memring::{Ring, Spsc};
/// # fn work(_: u64) -> Result<(), std::num::ParseIntError> { "x".parse::<u64>().map(drop) }
/// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// # tx.send(7)?;
/// let mut attempt = || {
///     let lease = rx.lease()?;
///     work(lease.read())?; // an error gives the message back
///     lease.release(); // it is done, and only now acknowledged
///     Ok::<(), Box<dyn std::error::Error>>(())
/// };
/// assert!(attempt().is_err());
/// assert!(rx.lease()?.is_redelivered());
/// assert_eq!(ring.stats().redelivered, 2); // for that one was dropped, too
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a lease that is dropped gives its message back; call `release`"]
pub struct Lease<'r, T: Message + ?Sized, K: Kind> {
    batch: LeaseBatch<'r, T, K>,
}

impl<'r, T: Message + ?Sized, K: Kind> Lease<'r, T, K> {
    pub(super) fn new(batch: LeaseBatch<'r, T, K>) -> Self {
        Lease { batch }
    }

    /// Returns the message in place, with all ways to read it.
    ///
    /// Example: [`LeasedMessage`].
    #[inline]
    pub fn message(&self) -> LeasedMessage<'_, T> {
        self.batch.get(0).expect("a batch has at least one message")
    }

    /// Returns a copy of the message; see [`LeasedMessage::read`].
    #[inline]
    pub fn read(&self) -> T::Received {
        self.message().read()
    }

    /// How often the message was given back before this receipt: 0 at the first.
    ///
    /// Example: [`requeue`](Lease::requeue).
    pub fn redeliveries(&self) -> u8 {
        self.message().redeliveries()
    }

    /// Whether another receiver may have seen this message before.
    pub fn is_redelivered(&self) -> bool {
        self.message().is_redelivered()
    }

    /// Address of the message's first byte; see [`LeasedMessage::as_ptr`].
    ///
    /// Example: [`LeasedMessage`].
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.message().as_ptr()
    }

    /// Acknowledges the message.
    #[inline]
    pub fn release(self) {
        self.batch.release();
    }

    /// Gives the message back, as dropping does; see [`LeaseBatch::requeue`].
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// rx.lease()?.requeue(); // as a drop, in words
    /// let again = rx.lease()?;
    /// assert_eq!((again.read(), again.redeliveries(), again.is_redelivered()), (7, 1, true));
    /// again.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn requeue(self) {
        self.batch.requeue();
    }
}

impl<T, K: Kind> Lease<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// The message in place.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// let lease = rx.lease()?;
    /// // SAFETY: V5: no other process has the ring.
    /// assert_eq!(unsafe { *lease.as_ref() }, 7);
    /// lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// As [`LeasedMessage::as_ref`].
    #[inline]
    pub unsafe fn as_ref(&self) -> &T {
        // SAFETY: V5: the caller's promise.
        unsafe { self.message().as_ref() }
    }
}

impl<K: Kind> Lease<'_, [u8], K> {
    /// Bytes of the message, checked once when it was leased.
    ///
    /// Example: [`LeasedMessage`].
    #[inline]
    pub fn len(&self) -> usize {
        self.message().len()
    }

    /// Whether the message has no bytes.
    ///
    /// Example: [`LeasedMessage`].
    pub fn is_empty(&self) -> bool {
        self.message().is_empty()
    }

    /// Copies as much of the message as fits; see [`LeasedMessage::copy_to`].
    ///
    /// Example: [`LeasedMessage`].
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        self.message().copy_to(buffer)
    }

    /// The bytes in place.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(b"a line")?;
    /// let lease = rx.lease()?;
    /// // SAFETY: V5: no other process has the ring.
    /// assert_eq!(unsafe { lease.as_ref() }, b"a line");
    /// lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// As [`LeasedMessage::as_ref`].
    #[inline]
    pub unsafe fn as_ref(&self) -> &[u8] {
        // SAFETY: V5: the caller's promise.
        unsafe { self.message().as_ref() }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Lease<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.message()).finish()
    }
}
