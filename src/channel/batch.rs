//! Many messages in one call: one entry, one notification.

use super::receiver::Receiver;
use super::sender::Sender;
use super::{ReceiveSideOf, answer, waiting};
use crate::error::{RecvError, SendBatchError, TryRecvError, TrySendBatchError};
use crate::kind::Kind;
use crate::layout::Bell;
use crate::message::Message;
use crate::points::{Point, reach};
use crate::ring::memory::Memory;
use crate::ring::{ReceiveSide, SendSide, Stall};

/// So many messages of a batch are acknowledged together, where one release can
/// do it: senders have their room soon enough.
const TOGETHER: usize = 16;

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Sends `messages` in order as long as there is room, without waiting, and
    /// says how many they were; receivers are notified once for all. Give it
    /// `iter.by_ref()` to go on with the rest later.
    ///
    /// # Errors
    /// As [`Sender::try_send`], with the first message that was not sent and
    /// the number of those that were.
    pub fn try_send_batch<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
    ) -> Result<usize, TrySendBatchError<T::Sent<'m>>> {
        self.offer_batch(messages, Self::try_send)
            .map_err(|(sent, cause)| TrySendBatchError { sent, cause })
    }

    /// Sends all of `messages` in order, waiting for room as long as it takes,
    /// and says how many they were; receivers are notified once for each run
    /// that there was room for. The fastest way to send many small messages.
    ///
    /// # Errors
    /// As [`Sender::send`], with the first message that was not sent and the
    /// number of those that were.
    pub fn send_batch<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
    ) -> Result<usize, SendBatchError<T::Sent<'m>>> {
        self.offer_batch(messages, Self::send)
            .map_err(|(sent, cause)| SendBatchError { sent, cause })
    }

    /// Runs of messages that there is room for, and between them `one` by itself,
    /// which waits, or tells why not, with the number of those before it.
    fn offer_batch<'m, E>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
        mut one: impl FnMut(&mut Self, T::Sent<'m>) -> Result<(), E>,
    ) -> Result<usize, (usize, E)> {
        let mut messages = messages.into_iter();
        let mut sent = 0;
        while let Some(message) = self.offer_all(&mut messages, &mut sent) {
            match one(self, message) {
                Ok(()) => sent += 1,
                Err(cause) => return Err((sent, cause)),
            }
        }
        Ok(sent)
    }

    /// Sends while there is room, and counts. The message that it stopped at, if
    /// they were not all; why, sending it by itself tells.
    fn offer_all<'m>(
        &mut self,
        messages: &mut impl Iterator<Item = T::Sent<'m>>,
        sent: &mut usize,
    ) -> Option<T::Sent<'m>> {
        let mut message = messages.next()?;
        if self.enter().is_err() {
            return Some(message);
        }
        let view = self.view;
        let batch = &mut Batch {
            sender: self,
            is_any: false,
        };
        loop {
            if batch.sender.check_length(&message).is_err() {
                return Some(message);
            }
            let side = &mut batch.sender.side;
            let Ok(position) = side.claim_another(&view) else {
                return Some(message);
            };
            view.payload(position).store(T::encode(&message));
            reach(Point::Written);
            side.publish(&view, position);
            batch.is_any = true;
            *sent += 1;
            // The caller's iterator runs while nothing is claimed: should it
            // panic, `batch` leaves the operation, and that is all.
            message = messages.next()?;
        }
    }
}

/// The bracket of a batch: leaves the operation and notifies, come what may.
struct Batch<'s, T: Message + ?Sized, K: Kind> {
    sender: &'s mut Sender<T, K>,
    is_any: bool,
}

impl<T: Message + ?Sized, K: Kind> Drop for Batch<'_, T, K> {
    fn drop(&mut self) {
        let Sender {
            side, view, port, ..
        } = &mut *self.sender;
        side.end(view);
        if self.is_any {
            port.notify(view, Bell::Receivers);
            reach(Point::MessageAnnounced);
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Appends up to `max` messages that are there now, and says how many.
    /// Senders are notified once for all.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`] if there was not even one. `max` 0 is `Ok(0)`.
    pub fn try_recv_batch(
        &mut self,
        messages: &mut Vec<T::Received>,
        max: usize,
    ) -> Result<usize, TryRecvError> {
        if max == 0 {
            return Ok(0);
        }
        let first = self.take_all(messages, max);
        waiting::once(self, first, |receiver| receiver.take_all(messages, max))
            .map_err(answer::try_recv)
    }

    /// As [`Receiver::try_recv_batch`], waiting for the first message as long
    /// as it takes.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn recv_batch(
        &mut self,
        messages: &mut Vec<T::Received>,
        max: usize,
    ) -> Result<usize, RecvError> {
        if max == 0 {
            return Ok(0);
        }
        let first = self.take_all(messages, max);
        waiting::until(self, None, first, |receiver| {
            receiver.take_all(messages, max)
        })
        .map_err(answer::recv)
    }

    /// At most as many as there are slots: more were not there when it began, and
    /// a hostile sender must not decide when it ends.
    fn take_all(&mut self, messages: &mut Vec<T::Received>, max: usize) -> Result<usize, Stall> {
        let max = max.min(self.view.geometry().capacity() as usize);
        let view = self.view;
        let (mut claim, mut payload, mut length) = self.start()?;
        let mut taken = 0;
        let stall = loop {
            messages.push(T::decode(&payload, length));
            reach(Point::Read);
            taken += 1;
            let is_due = !ReceiveSideOf::<K>::IN_ORDER || taken % TOGETHER == 0 || taken == max;
            if is_due {
                self.side.release(&view, claim);
            }
            if taken == max {
                break None;
            }
            match self.claim_another() {
                Ok(next) => (claim, payload, length) = next,
                Err(stall) => {
                    if !is_due {
                        self.side.release(&view, claim);
                        self.side.settle(&view); // R8: it was found empty
                    }
                    break Some(stall);
                }
            }
        };
        self.port.notify(&self.view, Bell::Senders);
        reach(Point::RoomAnnounced);
        if let Some(Stall::Impossible(found)) = stall {
            self.port.segment.poison(found);
        }
        Ok(taken)
    }
}
