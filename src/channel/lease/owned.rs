//! Leases that borrow no receiver: held side by side, and released in any order.

use super::{Lease, LeaseBatch};
use crate::channel::receiver::Receiver;
use crate::message::Message;
use crate::ring::kind::{Kind, ManyReceivers};

/// A message that was leased, with a share in the endpoint that leased it: its place in the
/// ring's table is kept as long as this lives. Of a side with many receivers, where each slot
/// says who holds it.
///
/// As with a [`Lease`], only [`release`](OwnedLease::release) acknowledges the message; dropped
/// before, it is given back.
pub(crate) struct OwnedLease<T: Message + ?Sized, K: Kind> {
    /// A clone, which has this one message leased and takes no other.
    receiver: Receiver<T, K>,
}

impl<T: Message + ?Sized, K: ManyReceivers> Lease<'_, T, K> {
    /// The same lease, apart from its receiver, which can go on. Not of a rendezvous ring.
    pub(crate) fn into_owned(self) -> OwnedLease<T, K> {
        let leasing = &mut *self.batch.receiver;
        debug_assert!(leasing.taking.is_none());
        let mut receiver = leasing.clone();
        std::mem::swap(&mut receiver.leased, &mut leasing.leased);
        OwnedLease { receiver }
    }
}

impl<T: Message + ?Sized, K: Kind> OwnedLease<T, K> {
    /// The same lease, of a receiver of the same endpoint again, which has none now.
    pub(crate) fn back_to(mut self, receiver: &mut Receiver<T, K>) -> Lease<'_, T, K> {
        debug_assert!(receiver.leased.is_empty());
        std::mem::swap(&mut self.receiver.leased, &mut receiver.leased);
        Lease::new(LeaseBatch::new(receiver))
    }

    /// Acknowledges the message.
    pub(crate) fn release(mut self) {
        self.receiver.release_leases();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::channel::Ring;
    use crate::error::TryRecvError;
    use crate::ring::kind::Mpmc;

    #[test]
    fn owned_leases_end_in_any_order() {
        let ring = Ring::<u64, Mpmc>::anonymous(8).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        (0..4).for_each(|number| tx.send(number).unwrap());
        let mut held: Vec<_> = (0..3)
            .map(|_| Some(rx.lease().unwrap().into_owned()))
            .collect();
        assert_eq!(rx.recv(), Ok(3)); // the receiver goes on
        held[1].take().unwrap().release();
        std::thread::scope(|scope| {
            let last = held[2].take().unwrap();
            scope.spawn(move || last.release());
        });
        drop(held[0].take()); // gives it back
        let again = rx.try_lease().unwrap();
        assert_eq!((again.read(), again.redeliveries()), (0, 1));
        again.release();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!((ring.len(), ring.stats().redelivered), (0, 1));
    }

    #[test]
    fn an_owned_lease_outlives_its_receiver() {
        let ring = Ring::<u64, Mpmc>::anonymous(8).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        tx.send(1).unwrap();
        let held = rx.lease().unwrap().into_owned();
        drop(rx);
        assert_eq!(ring.stats().receivers.len(), 1);
        let mut other = ring.receiver().unwrap();
        assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
        held.release();
        assert_eq!(ring.stats().receivers.len(), 1); // the other
        assert_eq!(ring.stats().redelivered, 0);
    }
}
