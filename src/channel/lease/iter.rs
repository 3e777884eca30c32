//! The messages of a batch, one after the other.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use super::{LeaseBatch, LeasedMessage};
use crate::channel::receiver::Receiver;
use crate::message::Message;
use crate::ring::kind::Kind;

/// Messages that are held, in the order of receipt: see [`LeaseBatch::iter`].
#[must_use = "an iterator does nothing unless it is asked for messages"]
pub struct LeaseIter<'b, T: Message + ?Sized, K: Kind> {
    receiver: &'b Receiver<T, K>,
    /// Indices of those that are to come.
    rest: Range<usize>,
}

impl<T: Message + ?Sized, K: Kind> LeaseBatch<'_, T, K> {
    /// Returns an iterator over the messages that are held, in the order of receipt. `for message
    /// in &batch` does the same.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// let batch = rx.lease_batch(16)?;
    /// let mut sum = 0;
    /// for message in &batch {
    ///     sum += message.read();
    /// }
    /// batch.release();
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> LeaseIter<'_, T, K> {
        LeaseIter {
            receiver: self.receiver,
            rest: 0..self.len(),
        }
    }
}

impl<'b, T: Message + ?Sized, K: Kind> LeaseIter<'b, T, K> {
    fn at(&self, index: Option<usize>) -> Option<LeasedMessage<'b, T>> {
        LeasedMessage::of(self.receiver, index?)
    }
}

impl<'b, T: Message + ?Sized, K: Kind> Iterator for LeaseIter<'b, T, K> {
    type Item = LeasedMessage<'b, T>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.rest.next();
        self.at(index)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl<T: Message + ?Sized, K: Kind> DoubleEndedIterator for LeaseIter<'_, T, K> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let index = self.rest.next_back();
        self.at(index)
    }
}

impl<T: Message + ?Sized, K: Kind> ExactSizeIterator for LeaseIter<'_, T, K> {}

impl<T: Message + ?Sized, K: Kind> FusedIterator for LeaseIter<'_, T, K> {}

impl<T: Message + ?Sized, K: Kind> Clone for LeaseIter<'_, T, K> {
    fn clone(&self) -> Self {
        LeaseIter {
            receiver: self.receiver,
            rest: self.rest.clone(),
        }
    }
}

// By hand: derived, it would ask for `K: Debug` and `T: Debug`.
impl<T: Message + ?Sized, K: Kind> fmt::Debug for LeaseIter<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseIter")
            .field("rest", &self.rest.len())
            .finish()
    }
}

impl<'b, T: Message + ?Sized, K: Kind> IntoIterator for &'b LeaseBatch<'_, T, K> {
    type Item = LeasedMessage<'b, T>;
    type IntoIter = LeaseIter<'b, T, K>;

    fn into_iter(self) -> LeaseIter<'b, T, K> {
        self.iter()
    }
}
