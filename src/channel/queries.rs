//! What an endpoint reports of its ring, and closing the ring.

use std::sync::Arc;

use super::receiver::Receiver;
use super::ring::Ring;
use super::sender::Sender;
use super::stats::Stats;
use crate::error::Failure;
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::ring::{ReceiveSide, SendSide};

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    /// Whether [`Ring::len`] equals the capacity, roughly. [`Sender::is_full`] is exact.
    ///
    /// Example: [`Sender::is_full`].
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Whether both are handles of the same ring: clones, or handles opened separately, even by
    /// different names of its file. Clones are recognized without a system call; for other
    /// handles the kernel is asked. `false` if the kernel does not answer (this program has
    /// closed all descriptors).
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// let (one, two) = (Ring::<u64, Spsc>::anonymous(4)?, Ring::<u64, Spsc>::anonymous(4)?);
    /// let opened = Ring::<u64, Spsc>::from_fd(one.share_fd()?)?;
    /// assert!(one.same_channel(&opened) && !one.same_channel(&two));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn same_channel(&self, other: &Ring<T, K>) -> bool {
        let (ours, theirs) = (self.segment(), other.segment());
        if Arc::ptr_eq(ours, theirs) {
            return true;
        }
        match (ours.region.metadata(), theirs.region.metadata()) {
            (Ok(ours), Ok(theirs)) => ours.id() == theirs.id(),
            _ => false,
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Closes the ring for good; see [`Ring::close`].
    ///
    /// # Errors
    /// As [`Ring::close`].
    pub fn close(&self) -> Result<(), Failure> {
        self.ring.close()
    }

    /// The ring this endpoint is attached to.
    pub fn ring(&self) -> &Ring<T, K> {
        &self.ring
    }

    /// Whether the ring is closed.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// Messages sent and not yet received, roughly; see [`Ring::len`].
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is no message; see [`Ring::is_empty`].
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The most messages that the ring holds; see [`Ring::capacity`].
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Figures of the ring; see [`Ring::stats`].
    pub fn stats(&self) -> Stats {
        self.ring.stats()
    }

    /// For how many messages there is room now. Another sender may take the room first, and a
    /// receiver may make more. For a single sender it is a promise: that many sends will not
    /// wait.
    ///
    /// If there are many endpoints on a side, this reads each free slot: do not call it on a hot
    /// path. 0 in a forked child.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(1)?;
    /// assert_eq!((tx.free(), rx.slots()), (3, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn free(&self) -> usize {
        if !self.connection.has_fast_paths() {
            return 0;
        }
        self.side.count_room(&self.view)
    }

    /// Whether there is no room for a message now. Exact at the moment of the check.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3, 4])?;
    /// assert!(tx.is_full() && ring.is_full() && rx.is_full());
    /// rx.recv()?;
    /// assert!(!tx.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.free() == 0
    }

    /// This endpoint's id in the ring's table. [`Holder`](crate::Holder), [`Stats`] and the
    /// [`peers`](Receiver::peers) of the other side name the endpoint by it. Clones have the same
    /// id.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// assert_ne!(tx.id(), rx.id());
    /// assert_eq!(ring.stats().senders[0].id, tx.id());
    /// assert_eq!(tx.peers()[0].id, rx.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> u16 {
        self.connection.id().0
    }

    /// Whether both send to the same ring; see [`Ring::same_channel`].
    ///
    /// ```
    /// # use memring::{Mpmc, Ring};
    /// # let (one, two) = (Ring::<u64, Mpmc>::anonymous(4)?, Ring::<u64, Mpmc>::anonymous(4)?);
    /// let (a, b, c) = (one.sender()?, one.sender()?, two.sender()?);
    /// assert!(a.same_channel(&b) && !a.same_channel(&c));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn same_channel(&self, other: &Sender<T, K>) -> bool {
        self.ring().same_channel(other.ring())
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Closes the ring for good; see [`Ring::close`].
    ///
    /// # Errors
    /// As [`Ring::close`].
    pub fn close(&self) -> Result<(), Failure> {
        self.ring.close()
    }

    /// The ring this endpoint is attached to.
    pub fn ring(&self) -> &Ring<T, K> {
        &self.ring
    }

    /// Whether the ring is closed; there may still be messages in it.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// Messages sent and not yet received, roughly; see [`Ring::len`].
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is no message that this receiver could take now. Also `true` when messages
    /// lie behind an unfinished claim of another sender: [`Receiver::try_recv`] then returns
    /// `Held`.
    pub fn is_empty(&self) -> bool {
        match self.taking.is_some() {
            true => self.count_offers() == 0,
            // In a forked child the memory is not there.
            false => !self.connection.has_fast_paths() || !self.side.has_message(&self.view),
        }
    }

    /// The most messages that the ring holds; see [`Ring::capacity`].
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Figures of the ring; see [`Ring::stats`].
    pub fn stats(&self) -> Stats {
        self.ring.stats()
    }

    /// How many messages can be taken now. Another receiver may take them first, and a sender may
    /// add more. For a single receiver it is a promise: that many calls will not wait. Unlike
    /// [`len`](Receiver::len), it counts neither messages that other receivers hold nor messages
    /// behind one that is still being written.
    ///
    /// This reads each of them, and with many receivers each slot: do not call it on a hot path.
    /// 0 in a forked child.
    ///
    /// ```
    /// # use memring::{Mpsc, Ring};
    /// # let ring = Ring::<u64, Mpsc>::anonymous(4)?;
    /// # let (mut tx, mut other, rx) = (ring.sender()?, ring.sender()?, ring.receiver()?);
    /// tx.send(1)?;
    /// let grant = tx.reserve()?; // the second position
    /// other.send(3)?; // the third
    /// assert_eq!((rx.slots(), rx.len()), (1, 3));
    /// # drop(grant);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slots(&self) -> usize {
        if !self.connection.has_fast_paths() {
            return self.count_offers();
        }
        self.side.count_messages(&self.view)
    }

    /// Whether the ring is full, roughly; see [`Ring::is_full`].
    ///
    /// Example: [`Sender::is_full`].
    pub fn is_full(&self) -> bool {
        self.ring().is_full()
    }

    /// This endpoint's id in the ring's table. [`Holder`](crate::Holder), [`Stats`] and the
    /// [`peers`](Sender::peers) of the other side name the endpoint by it. Clones have the same
    /// id.
    ///
    /// Example: [`Sender::id`].
    pub fn id(&self) -> u16 {
        self.connection.id().0
    }

    /// Whether both receive from the same ring; see [`Ring::same_channel`].
    ///
    /// Example, of senders: [`Sender::same_channel`].
    pub fn same_channel(&self, other: &Receiver<T, K>) -> bool {
        self.ring().same_channel(other.ring())
    }
}
