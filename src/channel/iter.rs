//! A receiver as an iterator.

use super::receiver::Receiver;
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Messages until the ring is closed and drained, or all senders have
    /// gone, or the endpoint fails; waits for each.
    pub fn iter(&mut self) -> Iter<'_, T, K> {
        Iter { receiver: self }
    }

    /// Messages that are there now; never blocks.
    pub fn try_iter(&mut self) -> TryIter<'_, T, K> {
        TryIter { receiver: self }
    }
}

/// Messages as they come: see [`Receiver::iter`].
pub struct Iter<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
}

impl<T: Message + ?Sized, K: Kind> Iterator for Iter<'_, T, K> {
    type Item = T::Received;

    fn next(&mut self) -> Option<T::Received> {
        self.receiver.recv().ok()
    }
}

/// Messages that are there: see [`Receiver::try_iter`].
pub struct TryIter<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
}

impl<T: Message + ?Sized, K: Kind> Iterator for TryIter<'_, T, K> {
    type Item = T::Received;

    fn next(&mut self) -> Option<T::Received> {
        self.receiver.try_recv().ok()
    }
}

// By hand: derived, they would ask for `K: Debug` and `T: Debug`.
impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Iter<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Iter").field(&self.receiver).finish()
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for TryIter<'_, T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TryIter").field(&self.receiver).finish()
    }
}

impl<'r, T: Message + ?Sized, K: Kind> IntoIterator for &'r mut Receiver<T, K> {
    type Item = T::Received;
    type IntoIter = Iter<'r, T, K>;

    fn into_iter(self) -> Iter<'r, T, K> {
        self.iter()
    }
}
