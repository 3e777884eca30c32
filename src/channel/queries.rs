//! Questions about a ring that change nothing in it.

use std::sync::Arc;

use super::receiver::Receiver;
use super::ring::Ring;
use super::sender::Sender;
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::ring::{ReceiveSide, SendSide};

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    /// Whether [`Ring::len`] is the capacity; [`Sender::is_full`] is exact.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Whether both are handles of the same ring: clones, or opened by themselves, even
    /// by different names of its file. Clones are told apart from others by a look; of
    /// others the kernel is asked. `false` if it does not answer (all descriptors were
    /// closed under us).
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
    /// Room for so many messages now. Another sender may take it first, and a receiver
    /// make more; of a single sender it is a promise: so many sends will not wait.
    ///
    /// Looks at each free slot, where there are many endpoints on a side: not for a hot
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

    /// Whether there is no room for a message now. Exact at the moment of the look.
    pub fn is_full(&self) -> bool {
        self.free() == 0
    }

    /// Its id in the ring's table, which [`Holder`](crate::Holder), [`Stats`](crate::Stats)
    /// and the [`peers`](Receiver::peers) of the other side name it by. Clones have the same.
    pub fn id(&self) -> u16 {
        self.connection.id().0
    }

    /// Whether both send to the same ring; see [`Ring::same_channel`].
    pub fn same_channel(&self, other: &Sender<T, K>) -> bool {
        self.ring().same_channel(other.ring())
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Messages that are there to be taken now. Another receiver may take them first, and
    /// a sender add more; of a single receiver it is a promise: so many calls will not
    /// wait. Unlike [`len`](Receiver::len), it counts neither what others hold nor what
    /// lies behind a message that is being written.
    ///
    /// Looks at each of them, and with many receivers at each slot: not for a hot path. 0
    /// in a forked child.
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
    pub fn is_full(&self) -> bool {
        self.ring().is_full()
    }

    /// Its id in the ring's table, which [`Holder`](crate::Holder), [`Stats`](crate::Stats)
    /// and the [`peers`](Sender::peers) of the other side name it by. Clones have the same.
    pub fn id(&self) -> u16 {
        self.connection.id().0
    }

    /// Whether both receive from the same ring; see [`Ring::same_channel`].
    pub fn same_channel(&self, other: &Receiver<T, K>) -> bool {
        self.ring().same_channel(other.ring())
    }
}
