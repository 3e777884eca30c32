//! One leased message, and the ways to read it in place.

#![allow(unsafe_code)]

use std::marker::PhantomData;

use crate::channel::receiver::Receiver;
use crate::channel::segment::Segment;
use crate::message::{Blank, Message, Untyped};
use crate::ring::Claim;
use crate::ring::kind::Kind;
use crate::ring::payload::Payload;

/// One message of a [`LeaseBatch`](crate::LeaseBatch), to read in place.
///
/// ```
/// # use memring::{Ring, Spsc};
/// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// tx.send(b"a line")?;
/// let lease = rx.lease()?;
/// let message = lease.message();
/// assert_eq!((message.len(), message.is_empty()), (6, false));
/// let mut start = [0; 4];
/// assert_eq!(message.copy_to(&mut start), 4);
/// assert_eq!((&start, message.read()), (b"a li", b"a line".to_vec()));
/// assert_eq!((message.redeliveries(), message.is_redelivered()), (0, false));
/// // SAFETY: V5: no other process has the ring.
/// assert_eq!(unsafe { *message.as_ptr() }, b'a');
/// lease.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LeasedMessage<'b, T: Message + ?Sized> {
    pub(super) payload: Payload,
    /// Its region is asked at each use: the process may fork between two.
    segment: &'b Segment,
    length: usize,
    claim: Claim,
    message: PhantomData<&'b T>,
}

impl<'b, T: Message + ?Sized> LeasedMessage<'b, T> {
    /// The message at `index` of those that `receiver` has leased.
    #[inline(always)]
    pub(super) fn of<K: Kind>(receiver: &'b Receiver<T, K>, index: usize) -> Option<Self> {
        let (claim, length) = receiver.leased.get(index)?;
        Some(LeasedMessage {
            payload: receiver.view.payload(claim.position),
            segment: &receiver.connection.segment,
            length,
            claim,
            message: PhantomData,
        })
    }

    /// Returns a copy of the message. (In a forked child, which does not have the ring's memory,
    /// this is zeroes, or no bytes.)
    #[inline]
    pub fn read(&self) -> T::Received {
        match self.mapped_length() {
            0 => T::decode(&Blank, 0),
            length => T::decode(&self.payload, length),
        }
    }

    /// Bytes of the message that are there to be read: none in a forked child.
    #[inline(always)]
    pub(super) fn mapped_length(&self) -> usize {
        match self.segment.region.is_mapped() {
            true => self.length,
            false => 0,
        }
    }

    /// How often the message was given back before this receipt: 0 at the first.
    pub fn redeliveries(&self) -> u8 {
        self.claim.redeliveries
    }

    /// Whether another receiver may have seen this message before.
    pub fn is_redelivered(&self) -> bool {
        self.claim.redeliveries > 0
    }

    /// The number of the message in the order of its ring, from 0 when the ring was made.
    /// It is the same when the message is given back and received again, so who remembers
    /// numbers can tell whether it is done already. Later messages have higher ones; of a
    /// ring with many senders, numbers are left out where a sender gave its position up.
    /// Where messages are given back, they may come in another order.
    ///
    /// `None` of a rendezvous ring, which numbers nothing.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[10, 20, 30])?;
    /// rx.recv()?;
    /// let batch = rx.lease_batch(16)?;
    /// assert_eq!(batch.iter().filter_map(|m| m.position()).collect::<Vec<_>>(), [1, 2]);
    /// batch.requeue();
    /// assert_eq!(rx.lease()?.message().position(), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn position(&self) -> Option<u64> {
        self.segment.number(self.claim.position)
    }

    /// Returns the address of the message's first byte, for reading in place. It is valid while
    /// the lease lives, in the process that took the lease: in a forked child there is no memory
    /// at the address, or other memory. A hostile peer may write there at any time.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.payload.as_ptr()
    }
}

impl<'b, T> LeasedMessage<'b, T>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// The message in place.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u64; 512], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # tx.send([3; 512])?;
    /// let lease = rx.lease()?;
    /// let message = lease.message();
    /// // SAFETY: V5: no other process has the ring.
    /// let page = unsafe { message.as_ref() }; // no copy is made
    /// assert_eq!(page.iter().sum::<u64>(), 1536);
    /// lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to
    /// this slot, which a process that keeps to this crate's rules never does;
    /// and this process has not forked into the one that calls.
    #[inline]
    pub unsafe fn as_ref(&self) -> &'b T {
        // SAFETY: V5: aligned and in bounds (V1, V3); any bytes are a valid `T`
        // (`AnyBitPattern`); that no process writes meanwhile is the caller's promise.
        unsafe { &*self.as_ptr().cast::<T>() }
    }
}

impl<'b> LeasedMessage<'b, [u8]> {
    /// Bytes of the message, checked once when it was leased. (In a forked child, which
    /// does not have the ring's memory: 0.)
    #[inline]
    pub fn len(&self) -> usize {
        self.mapped_length()
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies as much of the message as fits, from its beginning, and returns how many bytes.
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let length = self.mapped_length().min(buffer.len());
        if length > 0 {
            self.payload.load(&mut buffer[..length]);
        }
        length
    }

    /// The bytes in place.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(b"a line")?;
    /// let lease = rx.lease()?;
    /// let message = lease.message();
    /// // SAFETY: V5: no other process has the ring.
    /// assert!(unsafe { message.as_ref() }.starts_with(b"a "));
    /// lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to
    /// this slot, which a process that keeps to this crate's rules never does;
    /// and this process has not forked into the one that calls.
    #[inline]
    pub unsafe fn as_ref(&self) -> &'b [u8] {
        // SAFETY: V5: `length` was checked against the slot (V3) and is private;
        // mapped memory is initialised; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.length) }
    }
}

impl LeasedMessage<'_, Untyped> {
    /// Bytes of the message. (In a forked child, which does not have the ring's memory: 0.)
    ///
    /// ```
    /// # use memring::{Ring, Spsc, Untyped};
    /// # let ring = Ring::<Untyped, Spsc>::builder().message_layout(4, 4).anonymous()?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(&7u32.to_ne_bytes())?;
    /// let lease = rx.lease()?;
    /// let mut bytes = [0; 4];
    /// assert_eq!((lease.message().size(), lease.message().copy_to(&mut bytes)), (4, 4));
    /// assert_eq!(u32::from_ne_bytes(bytes), 7);
    /// lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn size(&self) -> usize {
        self.mapped_length()
    }

    /// Copies as much of the message as fits, from its beginning, and says how many bytes.
    ///
    /// Example: [`size`](LeasedMessage::size).
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let length = self.mapped_length().min(buffer.len());
        if length > 0 {
            self.payload.load(&mut buffer[..length]);
        }
        length
    }
}

impl<T: Message + ?Sized> std::fmt::Debug for LeasedMessage<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LeasedMessage");
        shown
            .field("redeliveries", &self.redeliveries())
            .finish_non_exhaustive()
    }
}
