//! Copies of leased messages, which no peer can change.

use std::ops::Deref;

use super::{Lease, LeasedMessage};
use crate::message::{Blank, Message};
use crate::ring::kind::Kind;

impl<T: Message + ?Sized> LeasedMessage<'_, T> {
    /// As [`read`](LeasedMessage::read), into `message`; returns how many bytes. A typed message
    /// is never copied to the stack. A `Vec<u8>` gets the length of the message, and its
    /// allocation is used again.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # tx.send(b"first")?;
    /// # tx.send(b"second")?;
    /// let batch = rx.lease_batch(16)?;
    /// let mut line = Vec::new(); // one allocation for all
    /// let mut bytes = 0;
    /// for message in &batch {
    ///     bytes += message.read_into(&mut line);
    /// }
    /// assert_eq!((bytes, line.as_slice()), (11, &b"second"[..]));
    /// batch.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_into(&self, message: &mut T::Received) -> usize {
        match self.mapped_length() {
            0 => T::decode_into(&Blank, 0, message),
            length => T::decode_into(&self.payload, length, message),
        }
    }
}

impl<'r, T: Message + ?Sized, K: Kind> Lease<'r, T, K> {
    /// A copy of the message into `message`; see [`LeasedMessage::read_into`].
    pub fn read_into(&self, message: &mut T::Received) -> usize {
        self.message().read_into(message)
    }

    /// Copies the message, and keeps the copy with its lease.
    ///
    /// Example: [`LeaseSnapshot`].
    pub fn snapshot(self) -> LeaseSnapshot<'r, T, K> {
        LeaseSnapshot {
            message: self.read(),
            lease: self,
        }
    }
}

/// A copy of a message, and the [`Lease`] that it was made of, from [`Lease::snapshot`].
///
/// A snapshot dereferences to the message. A lease itself does not: a broken or hostile peer may
/// write to the ring at any time, so a safe `&T` into the ring would be unsound. The copy is made
/// once, and no other process can change it.
///
/// The message is acknowledged by [`release`](LeaseSnapshot::release). If the snapshot is
/// dropped, the same happens to the message as if the lease is dropped.
///
/// ```
/// # use memring::{Ring, Spsc};
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(C)]
/// struct Job {
///     id: u64,
///     limit: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = Ring::<Job, Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// # tx.send(Job { id: 7, limit: 100 })?;
/// let job = rx.lease()?.snapshot();
/// let found = (0..job.limit).filter(|n| n % job.id == 0).count();
/// job.release();
/// # assert_eq!(found, 15);
/// # Ok(())
/// # }
/// ```
#[must_use = "only `release` says that the message is done"]
pub struct LeaseSnapshot<'r, T: Message + ?Sized, K: Kind> {
    message: T::Received,
    lease: Lease<'r, T, K>,
}

impl<'r, T: Message + ?Sized, K: Kind> LeaseSnapshot<'r, T, K> {
    /// Acknowledges the message, and returns the copy.
    pub fn release(self) -> T::Received {
        self.lease.release();
        self.message
    }

    /// Gives the message back; see [`Lease::requeue`].
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// let job = rx.lease()?.snapshot();
    /// assert_eq!((*job, job.redeliveries()), (7, 0));
    /// job.requeue(); // not now
    /// let job = rx.lease()?.snapshot();
    /// assert!(job.is_redelivered());
    /// job.into_lease().release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn requeue(self) {
        self.lease.requeue();
    }

    /// Returns the lease alone.
    ///
    /// Example: [`requeue`](LeaseSnapshot::requeue).
    pub fn into_lease(self) -> Lease<'r, T, K> {
        self.lease
    }

    /// How often the message was given back before this receipt: 0 at the first.
    ///
    /// Example: [`requeue`](LeaseSnapshot::requeue).
    pub fn redeliveries(&self) -> u8 {
        self.lease.redeliveries()
    }

    /// Whether another receiver may have seen this message before.
    ///
    /// Example: [`requeue`](LeaseSnapshot::requeue).
    pub fn is_redelivered(&self) -> bool {
        self.lease.is_redelivered()
    }
}

impl<T: Message + ?Sized, K: Kind> Deref for LeaseSnapshot<'_, T, K> {
    type Target = T::Received;

    fn deref(&self) -> &T::Received {
        &self.message
    }
}

// By hand: derived, it would ask for `K: Debug`; and messages may be no `Debug`.
impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for LeaseSnapshot<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LeaseSnapshot");
        shown.field("lease", &self.lease).finish_non_exhaustive()
    }
}
