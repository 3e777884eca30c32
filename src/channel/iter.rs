//! A receiver as an iterator.

use std::iter::FusedIterator;
use std::task::{Poll, ready};

use super::receiver::Receiver;
use crate::error::{RecvError, TryRecvError};
use crate::members::Observed;
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Returns an iterator over messages until the ring is closed and drained. It waits for each
    /// message. `for message in &mut receiver` and `for message in receiver` do the same.
    ///
    /// The iterator ends (`None`) when the ring is closed and drained, and after an error other
    /// than `Disconnected`: that error is the last item.
    ///
    /// [`RecvError::Disconnected`] is an item, once each time that it becomes true: the ring is
    /// drained, and every sender that this receiver saw has detached or died. The next call then
    /// waits until a sender attaches, or a message is there, or the ring is closed. To end the
    /// loop with the last sender, break at that item. To serve the next sender too, ignore the
    /// item.
    ///
    /// ```
    /// # use memring::{RecvError, Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2])?;
    /// drop(tx);
    /// let mut sum = 0;
    /// for message in &mut rx {
    ///     match message {
    ///         Ok(number) => sum += number,
    ///         Err(RecvError::Disconnected) => break, // or `{}`, to wait for another sender
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// } // ends by itself when the ring is closed
    /// assert_eq!(sum, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&mut self) -> Iter<'_, T, K> {
        Iter {
            receiver: self,
            state: Iteration::default(),
        }
    }

    /// Returns an iterator over messages that are there now. It never blocks.
    ///
    /// The iterator ends (`None`) when the ring is empty, or closed and drained. Any other error
    /// is the last item, also [`TryRecvError::Disconnected`], once. After its end the iterator
    /// returns no more messages: call this method again later.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// let numbers: Result<Vec<_>, _> = rx.try_iter().collect();
    /// assert_eq!(numbers?, [1, 2, 3]);
    /// assert!(rx.try_iter().next().is_none()); // empty
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_iter(&mut self) -> TryIter<'_, T, K> {
        TryIter {
            receiver: self,
            is_over: false,
        }
    }
}

/// Where an iteration is, by calls that wait or by polls.
#[derive(Debug, Default)]
pub(super) struct Iteration {
    is_over: bool,
    /// `Disconnected` was the last item. The other side as observed from then on.
    since_disconnected: Option<Observed>,
}

impl Iteration {
    fn next<T: Message + ?Sized, K: Kind>(
        &mut self,
        receiver: &mut Receiver<T, K>,
    ) -> Option<Result<T::Received, RecvError>> {
        let item = self.step(receiver, |receiver| Poll::Ready(receiver.recv()));
        match item {
            Poll::Ready(item) => item,
            Poll::Pending => None, // `recv` waits
        }
    }

    /// The next item: what `receive` comes to.
    pub(super) fn step<T: Message + ?Sized, K: Kind>(
        &mut self,
        receiver: &mut Receiver<T, K>,
        receive: impl FnOnce(&mut Receiver<T, K>) -> Poll<Result<T::Received, RecvError>>,
    ) -> Poll<Option<Result<T::Received, RecvError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let observed = self.since_disconnected.take();
        let before = observed.map(|observed| receiver.connection.judge_by(observed));
        let received = receive(receiver);
        if let Some(before) = before
            && (received.is_pending() || !receiver.connection.has_seen_any_peer())
        {
            // Other calls find what they found before.
            let observed = receiver.connection.judge_by(before);
            self.since_disconnected = received.is_pending().then_some(observed);
        }
        let received = ready!(received);
        match received {
            Ok(_) => {}
            Err(RecvError::Disconnected) => {
                self.since_disconnected = Some(receiver.connection.observe_from_now());
            }
            Err(error) => {
                self.is_over = true;
                if error == RecvError::Closed {
                    return Poll::Ready(None);
                }
            }
        }
        Poll::Ready(Some(received))
    }

    #[cfg(feature = "futures")]
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Messages as they come: see [`Receiver::iter`].
#[must_use = "an iterator does nothing unless it is asked for messages"]
pub struct Iter<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
    state: Iteration,
}

impl<T: Message + ?Sized, K: Kind> Iterator for Iter<'_, T, K> {
    type Item = Result<T::Received, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.state.next(self.receiver)
    }
}

impl<T: Message + ?Sized, K: Kind> FusedIterator for Iter<'_, T, K> {}

/// Messages as they come, by a receiver that the iterator owns: see [`Receiver::iter`].
#[must_use = "an iterator does nothing unless it is asked for messages"]
pub struct IntoIter<T: Message + ?Sized, K: Kind> {
    receiver: Receiver<T, K>,
    state: Iteration,
}

impl<T: Message + ?Sized, K: Kind> IntoIter<T, K> {
    /// Returns the receiver.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2])?;
    /// let mut messages = rx.into_iter();
    /// assert_eq!(messages.next(), Some(Ok(1)));
    /// let mut rx = messages.into_inner();
    /// assert_eq!(rx.recv()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> Receiver<T, K> {
        self.receiver
    }
}

impl<T: Message + ?Sized, K: Kind> Iterator for IntoIter<T, K> {
    type Item = Result<T::Received, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.state.next(&mut self.receiver)
    }
}

impl<T: Message + ?Sized, K: Kind> FusedIterator for IntoIter<T, K> {}

/// Messages that are there now: see [`Receiver::try_iter`].
#[must_use = "an iterator does nothing unless it is asked for messages"]
pub struct TryIter<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
    is_over: bool,
}

impl<T: Message + ?Sized, K: Kind> Iterator for TryIter<'_, T, K> {
    type Item = Result<T::Received, TryRecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.receiver.try_recv();
        self.is_over = received.is_err();
        match received {
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            received => Some(received),
        }
    }
}

impl<T: Message + ?Sized, K: Kind> FusedIterator for TryIter<'_, T, K> {}
// By hand: derived, they would ask for `K: Debug` and `T: Debug`.
impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for IntoIter<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("IntoIter").field(&self.receiver).finish()
    }
}

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
    type Item = Result<T::Received, RecvError>;
    type IntoIter = Iter<'r, T, K>;

    fn into_iter(self) -> Iter<'r, T, K> {
        self.iter()
    }
}

impl<T: Message + ?Sized, K: Kind> IntoIterator for Receiver<T, K> {
    type Item = Result<T::Received, RecvError>;
    type IntoIter = IntoIter<T, K>;

    fn into_iter(self) -> IntoIter<T, K> {
        IntoIter {
            receiver: self,
            state: Iteration::default(),
        }
    }
}
