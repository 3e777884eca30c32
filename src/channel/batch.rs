//! Many messages in one call: one entry, one notification.

use super::outcome;
use super::receiver::{Opened, Receiver};
use super::sender::Sender;
use super::waiting::{Wait, WaitError};
use crate::error::{RecvError, SendBatchError, Side, TryRecvError, TrySendBatchError};
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::ring::memory::{Memory, View};
use crate::ring::{Claim, ReceiveSide, SendSide};
use crate::sys::failpoints::failpoint;

/// So many messages of a batch are acknowledged together, where one release can
/// do it: senders have their room soon enough.
const ACK_BATCH: usize = 16;

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
    ) -> Result<usize, TrySendBatchError<T::Unsent>> {
        self.send_runs(messages, Self::try_send)
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
    ) -> Result<usize, SendBatchError<T::Unsent>> {
        self.send_runs(messages, Self::send)
            .map_err(|(sent, cause)| SendBatchError { sent, cause })
    }

    /// Runs of messages that there is room for, and between them `one` by itself,
    /// which waits, or says why not, with the number of those before it.
    fn send_runs<'m, E>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
        mut one: impl FnMut(&mut Self, T::Sent<'m>) -> Result<(), E>,
    ) -> Result<usize, (usize, E)> {
        let mut messages = messages.into_iter();
        let mut sent = 0;
        while let Some(message) = self.send_at_hand(&mut messages, &mut sent) {
            match one(self, message) {
                Ok(()) => sent += 1,
                Err(cause) => return Err((sent, cause)),
            }
        }
        Ok(sent)
    }

    /// Sends while there is room, and counts. Returns the message that it stopped at, if
    /// any: to send that by itself tells why.
    fn send_at_hand<'m>(
        &mut self,
        messages: &mut impl Iterator<Item = T::Sent<'m>>,
        sent: &mut usize,
    ) -> Option<T::Sent<'m>> {
        let mut message = messages.next()?;
        if self.enter().is_err() {
            return Some(message);
        }
        // A copy, whose address is not taken: it stays in registers.
        let view = self.view;
        let mut batch = SendBatch {
            sender: self,
            sent,
            count: 0,
        };
        loop {
            if batch.sender.check_length(&message).is_err() {
                return Some(message);
            }
            let side = &mut batch.sender.side;
            let position = match side.try_claim_fast(&view) {
                Some(position) => position,
                None => match side.claim(&batch.sender.view) {
                    Ok(position) => position,
                    Err(_) => return Some(message),
                },
            };
            view.payload(position).store(T::encode(&message));
            failpoint!(Written);
            side.publish_in_batch(&view, position);
            batch.count += 1;
            // The caller's iterator runs while nothing is claimed: should it
            // panic, `batch` leaves the operation, and that is all.
            message = messages.next()?;
        }
    }
}

/// The bracket of a batch: leaves the operation and notifies, come what may.
struct SendBatch<'s, T: Message + ?Sized, K: Kind> {
    sender: &'s mut Sender<T, K>,
    sent: &'s mut usize,
    /// How many of those are this batch's.
    count: usize,
}

impl<T: Message + ?Sized, K: Kind> Drop for SendBatch<'_, T, K> {
    #[inline(always)]
    fn drop(&mut self) {
        let Sender {
            side,
            view,
            connection,
            ..
        } = &mut *self.sender;
        side.end_batch(view);
        *self.sent += self.count;
        if self.count > 0 {
            connection.notify(view, Side::Receiver);
            failpoint!(MessageAnnounced);
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
        self.receive_batch(Wait::Not, messages, max)
            .map_err(outcome::try_recv)
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
        self.receive_batch(Wait::Forever, messages, max)
            .map_err(outcome::recv)
    }

    /// At most as many as there are slots: more were not there when it began, and
    /// a hostile sender must not decide when it ends.
    fn receive_batch(
        &mut self,
        wait: Wait,
        messages: &mut Vec<T::Received>,
        max: usize,
    ) -> Result<usize, WaitError> {
        if max == 0 {
            return Ok(0);
        }
        let max = max.min(self.view.geometry().capacity() as usize);
        let first = self.claim(wait)?;
        // A copy, as in `send_at_hand`.
        let view = self.view;
        let mut batch = RecvBatch {
            messages,
            taken: 0,
            due: None,
        };
        batch.add(&mut *self.side, &view, first);
        let end = 'taking: loop {
            // What is at hand, by itself: joined with the slow path, it takes a side of
            // many a third more instructions.
            while batch.taken < max {
                if T::FIXED.is_some() && batch.add_run(&mut *self.side, &view, max) {
                    continue;
                }
                let Some(claim) = self.side.try_claim_fast(&view) else {
                    break;
                };
                match Self::open(&view, claim) {
                    Ok(opened) => batch.add(&mut *self.side, &view, opened),
                    Err(error) => break 'taking Some(error),
                }
            }
            if batch.taken >= max {
                break None;
            }
            match self.claim_slow() {
                Ok(opened) => batch.add(&mut *self.side, &view, opened),
                Err(error) => break Some(error),
            }
        };
        let taken = batch.taken;
        if let Some(claim) = batch.due {
            self.side.release(&view, claim);
        }
        self.connection.notify(&self.view, Side::Sender);
        failpoint!(RoomAnnounced);
        if let Some(error) = end {
            self.refuse(error);
        }
        Ok(taken)
    }
}

/// What a batch has taken so far.
struct RecvBatch<'m, R> {
    messages: &'m mut Vec<R>,
    taken: usize,
    /// Received, and not yet acknowledged: this one, and those before it.
    due: Option<Claim>,
}

impl<R> RecvBatch<'_, R> {
    /// Reads a message, and acknowledges it, with others if one release can do it.
    #[inline(always)]
    fn add<T: Message<Received = R> + ?Sized, S: ReceiveSide>(
        &mut self,
        side: &mut S,
        view: &View<T>,
        opened: Opened,
    ) {
        self.messages
            .push(T::decode(&opened.payload, opened.length));
        self.taken += 1;
        self.acknowledge(side, view, opened.claim);
    }

    /// As [`RecvBatch::add`], for all messages at hand that one release is for. `false`
    /// if there are none, or they must be taken one by one. Not for messages whose
    /// lengths have to be checked.
    #[inline(always)]
    fn add_run<T: Message<Received = R> + ?Sized, S: ReceiveSide>(
        &mut self,
        side: &mut S,
        view: &View<T>,
        max: usize,
    ) -> bool {
        let most = ACK_BATCH - self.taken % ACK_BATCH;
        let (first, count) = side.claim_run_fast(view, most.min(max - self.taken));
        if count == 0 {
            return false;
        }
        let positions = (0..count).map(|offset| first.wrapping_add(offset as u64));
        self.messages
            .extend(positions.map(|at| T::decode(&view.payload(at), view.limit())));
        self.taken += count;
        let last = Claim {
            position: first.wrapping_add(count as u64 - 1),
            redeliveries: 0, // which matters to leases only
        };
        self.acknowledge(side, view, last);
        true
    }

    #[inline(always)]
    fn acknowledge<S: ReceiveSide>(&mut self, side: &mut S, memory: &impl Memory, claim: Claim) {
        failpoint!(Read);
        if S::IN_ORDER && !self.taken.is_multiple_of(ACK_BATCH) {
            self.due = Some(claim);
        } else {
            self.due = None;
            side.release(memory, claim);
        }
    }
}
