//! Reading messages in place.

#![allow(unsafe_code)]

mod copies;
mod reader;
mod verbs;

use std::marker::PhantomData;

pub use copies::Snapshot;
pub use reader::LeaseReader;

use super::receiver::Receiver;
use crate::message::{Blank, Message};
use crate::ring::kind::Kind;
use crate::ring::payload::Payload;

/// Messages that this receiver holds, from [`Receiver::lease_batch`].
///
/// Released or dropped, they are acknowledged, and senders have their slots
/// again. If this process dies before, other receivers get them
/// (`OnDeath::Redeliver`). Leaked (`mem::forget`), they are given back at the
/// receiver's next call or at its drop.
pub struct LeaseBatch<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
}

impl<'r, T: Message + ?Sized, K: Kind> LeaseBatch<'r, T, K> {
    pub(super) fn new(receiver: &'r mut Receiver<T, K>) -> Self {
        LeaseBatch { receiver }
    }

    /// How many messages: at least one.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.receiver.leased.len()
    }

    /// The message at `index`, in the order of receipt.
    #[inline]
    pub fn get(&self, index: usize) -> Option<LeasedMessage<'_, T>> {
        let (claim, length) = *self.receiver.leased.get(index)?;
        Some(LeasedMessage {
            payload: self.receiver.view.payload(claim.position),
            length: if self.receiver.connection.is_mapped() {
                length
            } else {
                0
            },
            redeliveries: claim.redeliveries,
            message: PhantomData,
        })
    }

    /// The messages in the order of receipt.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = LeasedMessage<'_, T>> {
        let all = 0..self.len();
        all.map(|index| self.get(index).expect("the index is below the length"))
    }

    /// Acknowledges the messages, as dropping does.
    pub fn release(self) {}

    /// Gives the messages back, to be received again: each is then marked as
    /// attempted once more, and dropped and counted as lost if that were more
    /// often than the ring allows.
    pub fn requeue(self) {
        self.receiver.give_back_leases();
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for LeaseBatch<'_, T, K> {
    fn drop(&mut self) {
        self.receiver.release_leases();
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for LeaseBatch<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseBatch")
            .field("len", &self.len())
            .finish()
    }
}

/// One message of a [`LeaseBatch`], to read in place.
pub struct LeasedMessage<'b, T: Message + ?Sized> {
    payload: Payload,
    length: usize,
    redeliveries: u8,
    message: PhantomData<&'b T>,
}

impl<T: Message + ?Sized> LeasedMessage<'_, T> {
    /// A copy of the message. (In a forked child, which does not have the
    /// ring's memory: zeroes, or no bytes.)
    #[inline]
    pub fn read(&self) -> T::Received {
        if self.length == 0 {
            return T::decode(&Blank, 0);
        }
        T::decode(&self.payload, self.length)
    }

    /// How often the message was given back before: 0 at the first receipt.
    pub fn redeliveries(&self) -> u8 {
        self.redeliveries
    }

    /// Whether another receiver may have seen this message before.
    pub fn is_redelivered(&self) -> bool {
        self.redeliveries > 0
    }

    /// Address of the message's first byte, for reading in place. Valid while
    /// the lease lives, in the process that took it. A hostile peer may write
    /// there at any time.
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
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to
    /// this slot, which a process that keeps to this crate's rules never does;
    /// and this process has not forked into the one that calls.
    #[inline]
    pub unsafe fn as_ref(&self) -> &'b T {
        // SAFETY: V5: aligned and in bounds (V1, V3); any bytes are a valid `T`
        // (`AnyBitPattern`); that no process writes meanwhile is the caller's word.
        unsafe { &*self.as_ptr().cast::<T>() }
    }
}

impl<'b> LeasedMessage<'b, [u8]> {
    /// Bytes of the message, checked once when it was leased.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies as much of the message as fits, from its beginning, and says how
    /// many bytes.
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let length = self.length.min(buffer.len());
        if length > 0 {
            self.payload.load(&mut buffer[..length]);
        }
        length
    }

    /// The bytes in place.
    ///
    /// # Safety
    /// Peers cooperate: while the reference lives, no other process writes to
    /// this slot, which a process that keeps to this crate's rules never does;
    /// and this process has not forked into the one that calls.
    #[inline]
    pub unsafe fn as_ref(&self) -> &'b [u8] {
        // SAFETY: V5: `length` was checked against the slot (V3) and is private;
        // mapped memory is initialised; the rest is the caller's word.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.length) }
    }
}

impl<T: Message + ?Sized> std::fmt::Debug for LeasedMessage<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LeasedMessage");
        shown
            .field("redeliveries", &self.redeliveries)
            .finish_non_exhaustive()
    }
}

/// One message that this receiver holds, from [`Receiver::lease`].
///
/// As [`LeaseBatch`], which it is one of.
pub struct Lease<'r, T: Message + ?Sized, K: Kind> {
    batch: LeaseBatch<'r, T, K>,
}

impl<'r, T: Message + ?Sized, K: Kind> Lease<'r, T, K> {
    pub(super) fn new(batch: LeaseBatch<'r, T, K>) -> Self {
        Lease { batch }
    }

    /// The message in place, with all ways to read it.
    #[inline]
    pub fn message(&self) -> LeasedMessage<'_, T> {
        self.batch.get(0).expect("a batch has at least one message")
    }

    /// A copy of the message; see [`LeasedMessage::read`].
    #[inline]
    pub fn read(&self) -> T::Received {
        self.message().read()
    }

    /// How often the message was given back before: 0 at the first receipt.
    pub fn redeliveries(&self) -> u8 {
        self.message().redeliveries()
    }

    /// Whether another receiver may have seen this message before.
    pub fn is_redelivered(&self) -> bool {
        self.message().is_redelivered()
    }

    /// Address of the message's first byte; see [`LeasedMessage::as_ptr`].
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.message().as_ptr()
    }

    /// Acknowledges the message, as dropping does.
    pub fn release(self) {
        self.batch.release();
    }

    /// Gives the message back; see [`LeaseBatch::requeue`].
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
    /// # Safety
    /// As [`LeasedMessage::as_ref`].
    #[inline]
    pub unsafe fn as_ref(&self) -> &T {
        // SAFETY: V5: the caller's word.
        unsafe { self.message().as_ref() }
    }
}

impl<K: Kind> Lease<'_, [u8], K> {
    /// Bytes of the message, checked once when it was leased.
    #[inline]
    pub fn len(&self) -> usize {
        self.message().len()
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.message().is_empty()
    }

    /// Copies as much of the message as fits; see [`LeasedMessage::copy_to`].
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        self.message().copy_to(buffer)
    }

    /// The bytes in place.
    ///
    /// # Safety
    /// As [`LeasedMessage::as_ref`].
    #[inline]
    pub unsafe fn as_ref(&self) -> &[u8] {
        // SAFETY: V5: the caller's word.
        unsafe { self.message().as_ref() }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Lease<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.message()).finish()
    }
}
