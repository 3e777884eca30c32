//! Many messages in one call.

mod into_slice;
mod limited;
#[cfg(all(test, not(loom)))]
mod tests;

use super::outcome;
use super::receiver::{Opened, Receiver};
use super::sender::Sender;
use super::waiting::{self, Wait, WaitError};
use crate::error::{RecvError, SendBatchError, Side, TryRecvError, TrySendBatchError};
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::ring::memory::{Memory, View, arranged};
use crate::ring::{Claim, ClaimError, Pairing, ReceiveSide, SendSide};
use crate::sys::failpoints::failpoint;

/// So many messages of a batch are acknowledged together, where one release can
/// do it: senders have their room soon enough.
const ACK_BATCH: usize = 16;

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Sends `messages` in order as long as there is room, without waiting, and returns how many
    /// were sent. Each is sent as by [`Sender::try_send`], before the iterator is asked for the
    /// next one. Pass `iter.by_ref()` to go on with the rest later.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut numbers = 1..=6;
    /// let error = tx.try_send_batch(numbers.by_ref()).unwrap_err();
    /// assert_eq!((error.sent, error.cause.into_inner()), (4, 5));
    /// assert_eq!(rx.recv()?, 1);
    /// assert_eq!(tx.try_send_batch(numbers)?, 1); // the 6
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::try_send`], with the first message that was not sent and
    /// the number of those that were.
    pub fn try_send_batch<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
    ) -> Result<usize, TrySendBatchError<T::Unsent>> {
        send_each(messages, |message| self.try_send(message))
            .map_err(|(sent, cause)| TrySendBatchError { sent, cause })
    }

    /// Sends all of `messages` in order, waiting for room as long as it takes, and returns how
    /// many were sent.
    ///
    /// Each is sent as by [`Sender::send`], before the iterator is asked for the next one: an
    /// iterator that is slow, that waits or that panics delays or loses no message that it gave
    /// before. [`Sender::send_slice`] is faster, for messages that you already have.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// assert_eq!(tx.send_batch((1..4).map(|number| number * number))?, 3);
    /// assert_eq!([rx.recv()?, rx.recv()?, rx.recv()?], [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`], with the first message that was not sent and the number of those that
    /// were. If the ring is closed meanwhile, the next message returns the error, however many
    /// messages are left.
    pub fn send_batch<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
    ) -> Result<usize, SendBatchError<T::Unsent>> {
        send_each(messages, |message| self.send(message))
            .map_err(|(sent, cause)| SendBatchError { sent, cause })
    }
}

/// Has `send` send one message after the other, and counts. The caller's iterator runs
/// outside of all operations.
#[inline]
fn send_each<M, E>(
    messages: impl IntoIterator<Item = M>,
    mut send: impl FnMut(M) -> Result<(), E>,
) -> Result<usize, (usize, E)> {
    let mut sent = 0;
    for message in messages {
        send(message).map_err(|cause| (sent, cause))?;
        sent += 1;
    }
    Ok(sent)
}

impl<T, K: Kind> Sender<T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// Sends all of `messages` in order without waiting, as [`Sender::send_slice`] does, and
    /// returns how many were sent.
    ///
    /// # Errors
    /// As [`Sender::try_send`], with the number of messages that were sent before the error: the
    /// rest is `&messages[error.sent..]`.
    ///
    /// ```
    /// # use memring::{Ring, Spsc, TrySendError};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let error = tx.try_send_slice(&[1, 2, 3, 4, 5]).unwrap_err();
    /// assert_eq!(error.sent, 4);
    /// assert_eq!(error.cause, TrySendError::Full(()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_slice(&mut self, messages: &[T]) -> Result<usize, TrySendBatchError<()>> {
        self.send_runs(messages, |sender, message| {
            sender.send_ref_within(message, Wait::Not, outcome::try_send)
        })
        .map_err(|(sent, cause)| TrySendBatchError { sent, cause })
    }

    /// Sends all of `messages` in order, waiting for room as long as it takes, and returns how
    /// many were sent. This is the fastest way to send many small messages that you already have.
    ///
    /// The messages are published in runs, each as long as there is room. Receivers are notified
    /// once for each run, so at least once a lap of the ring.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// assert_eq!(tx.send_slice(&[1, 2, 3])?, 3);
    /// assert_eq!(rx.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`], with the number of messages that were sent before the error: the
    /// first unsent one is `messages[sent]`. If the ring is closed meanwhile, the call ends
    /// within a lap of the ring.
    pub fn send_slice(&mut self, messages: &[T]) -> Result<usize, SendBatchError<()>> {
        self.send_runs(messages, |sender, message| {
            sender.send_ref_within(message, Wait::Forever, outcome::send)
        })
        .map_err(|(sent, cause)| SendBatchError { sent, cause })
    }

    /// Runs of messages that there is room for, and between them `one` by itself,
    /// which waits, or says why not, with the number of those before it.
    fn send_runs<E>(
        &mut self,
        messages: &[T],
        mut one: impl FnMut(&mut Self, &T) -> Result<(), E>,
    ) -> Result<usize, (usize, E)> {
        // (A rendezvous ring has no room for a run: one by one.)
        let most = self.capacity().max(1);
        let mut sent = 0;
        while sent < messages.len() {
            // At most a lap: it is looked whether the ring is closed before and after it.
            let end = messages.len().min(sent.saturating_add(most));
            sent += self.send_at_hand(&messages[sent..end]);
            if sent < end {
                one(self, &messages[sent]).map_err(|cause| (sent, cause))?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    /// Sends while there is room, in one operation, and says how many. To send the next
    /// one by itself tells why there were no more.
    #[inline(always)]
    fn send_at_hand(&mut self, messages: &[T]) -> usize {
        if self.enter().is_err() {
            return 0;
        }
        // A copy, whose address is not taken: it stays in registers.
        let view = self.view;
        let sent = arranged!(view => {
            let mut source = messages.iter();
            self.side.send_run(&view, messages.len(), |position| {
                let message = source.next().expect("a run is no longer than the messages");
                view.payload(position).store(T::encode(message));
            })
        });
        if sent == 0 {
            self.side.end(&view);
            return 0;
        }
        let is_open = self.side.complete(&view);
        self.announce(&view);
        match is_open {
            true => sent,
            false => sent.saturating_sub(self.count_late()),
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Appends up to `max` messages that are there now, and returns how many. Senders are
    /// notified once for all of them.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut batch = Vec::new();
    /// assert!(rx.try_recv_batch(&mut batch, 64).unwrap_err().is_empty());
    /// tx.send_slice(&[1, 2, 3])?;
    /// assert_eq!(rx.try_recv_batch(&mut batch, 2)?, 2);
    /// assert_eq!(batch, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// let mut batch = Vec::new();
    /// while batch.len() < 3 {
    ///     rx.recv_batch(&mut batch, 64)?;
    /// }
    /// assert_eq!(batch, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    fn receive_batch(
        &mut self,
        wait: Wait,
        messages: &mut Vec<T::Received>,
        max: usize,
    ) -> Result<usize, WaitError> {
        self.receive_many(wait, messages, max)
    }

    /// At most as many as the capacity: more were not there when it began, and
    /// a hostile sender must not decide when it ends.
    pub(super) fn receive_many(
        &mut self,
        wait: Wait,
        messages: &mut impl Extend<T::Received>,
        max: usize,
    ) -> Result<usize, WaitError> {
        if max == 0 {
            return Ok(0);
        }
        let first = match self.claim_at_once() {
            Some(first) => first,
            None if self.taking.is_some() => return self.take_many(wait, messages, max),
            None => waiting::claim(self, wait)?,
        };
        let max = max.min(self.capacity());
        // A copy, as in `send_at_hand`.
        let view = self.view;
        let mut batch = RecvBatch {
            messages,
            taken: 0,
            due: None,
            unacknowledged: 0,
        };
        batch.add(&mut *self.side, &view, first);
        let end = loop {
            // What is at hand, by itself: joined with the slow path, it takes a side of
            // many a third more instructions.
            let at_hand = arranged!(view => batch.add_at_hand(&mut *self.side, &view, max));
            if at_hand.is_err() || batch.taken >= max {
                break at_hand.err();
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
struct RecvBatch<'m, E> {
    messages: &'m mut E,
    taken: usize,
    /// Received, and not yet acknowledged: this one, and those before it,
    due: Option<Claim>,
    /// so many.
    unacknowledged: usize,
}

impl<E> RecvBatch<'_, E> {
    /// Reads a message, and acknowledges it, with others if one release can do it.
    #[inline(always)]
    fn add<T: Message + ?Sized, P: Pairing, S: ReceiveSide>(
        &mut self,
        side: &mut S,
        view: &View<T, P>,
        opened: Opened,
    ) where
        E: Extend<T::Received>,
    {
        let message = T::decode(&opened.payload, opened.length);
        self.messages.extend([message]);
        self.taken += 1;
        self.acknowledge(side, view, opened.claim, 1);
    }

    /// As [`RecvBatch::add`], for all messages at hand, up to `max` in all.
    #[inline(always)]
    fn add_at_hand<T: Message + ?Sized, P: Pairing, S: ReceiveSide>(
        &mut self,
        side: &mut S,
        view: &View<T, P>,
        max: usize,
    ) -> Result<(), ClaimError>
    where
        E: Extend<T::Received>,
    {
        while self.taken < max {
            if T::FIXED.is_some() && self.add_run(side, view, max) {
                continue;
            }
            let Some(claim) = side.try_claim_fast(view) else {
                break;
            };
            let opened = super::receiver::open(side, view, claim)?;
            self.add(side, view, opened);
        }
        Ok(())
    }

    /// As [`RecvBatch::add`], for all messages at hand that one release is for. `false`
    /// if there are none, or they must be taken one by one. Not for messages whose
    /// lengths have to be checked.
    #[inline(always)]
    fn add_run<T: Message + ?Sized, P: Pairing, S: ReceiveSide>(
        &mut self,
        side: &mut S,
        view: &View<T, P>,
        max: usize,
    ) -> bool
    where
        E: Extend<T::Received>,
    {
        let most = ACK_BATCH.min(max - self.taken);
        let (first, count) = side.claim_run_fast(view, most);
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
        self.acknowledge(side, view, last, count);
        true
    }

    #[inline(always)]
    fn acknowledge<S: ReceiveSide>(
        &mut self,
        side: &mut S,
        memory: &impl Memory,
        claim: Claim,
        messages: usize,
    ) {
        failpoint!(Read);
        self.unacknowledged += messages;
        if S::IN_ORDER && self.unacknowledged < ACK_BATCH {
            self.due = Some(claim);
        } else {
            self.due = None;
            self.unacknowledged = 0;
            side.release(memory, claim);
        }
    }
}
