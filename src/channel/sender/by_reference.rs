//! Sending messages by reference.

use std::time::{Duration, Instant};

use super::{Sender, check_length};
use crate::channel::outcome;
use crate::channel::waiting::{self, Wait, WaitError};
use crate::error::{SendError, SendTimeoutError, TrySendError};
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::sys::failpoints::failpoint;

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// As [`Sender::try_send`], by reference.
    ///
    /// The message is copied once, straight into the ring, and never to the stack: for types that
    /// are large. (In byte rings, the same as [`Sender::try_send`].)
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u64; 4096], Spsc>::anonymous(1)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let pages = vec![[7; 4096], [8; 4096]];
    /// tx.try_send_ref(&pages[0])?;
    /// assert!(tx.try_send_ref(&pages[1]).unwrap_err().is_full());
    /// assert_eq!(rx.slots(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::try_send`]; the message does not come back, since the caller has it.
    #[inline]
    pub fn try_send_ref(&mut self, message: &T) -> Result<(), TrySendError<()>> {
        self.send_ref_within(message, Wait::Not, outcome::try_send)
    }

    /// As [`Sender::try_send_ref`], waiting for room as long as it takes. See
    /// [`Receiver::recv_into`](crate::Receiver::recv_into) for an example.
    ///
    /// # Errors
    /// As [`Sender::send`]; the message does not come back, since the caller has it.
    #[inline]
    pub fn send_ref(&mut self, message: &T) -> Result<(), SendError<()>> {
        self.send_ref_within(message, Wait::Forever, outcome::send)
    }

    /// As [`Sender::send_ref`], for at most `timeout`.
    ///
    /// Example: [`Receiver::recv_into`](crate::Receiver::recv_into).
    ///
    /// # Errors
    /// As [`Sender::send_timeout`]; the message does not come back, since the caller has it.
    pub fn send_ref_timeout(
        &mut self,
        message: &T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<()>> {
        self.send_ref_within(message, Wait::at_most(timeout), outcome::send_timeout)
    }

    /// As [`Sender::send_ref`], until `deadline` at the latest.
    ///
    /// Example: [`Receiver::recv_into`](crate::Receiver::recv_into).
    ///
    /// # Errors
    /// As [`Sender::send_timeout`]; the message does not come back, since the caller has it.
    pub fn send_ref_deadline(
        &mut self,
        message: &T,
        deadline: Instant,
    ) -> Result<(), SendTimeoutError<()>> {
        self.send_ref_within(message, Wait::until(deadline), outcome::send_timeout)
    }

    /// As [`Sender::send_within`].
    #[inline(always)]
    pub(in crate::channel) fn send_ref_within<E>(
        &mut self,
        message: &T,
        wait: Wait,
        error: impl FnOnce(WaitError, ()) -> E,
    ) -> Result<(), E> {
        let bytes = T::bytes_of(message);
        let (length, limit) = (bytes.len(), self.view.limit());
        if let Err(failure) = check_length::<T>(length, limit) {
            return Err(error(WaitError::Failed(failure), ()));
        }
        let view = self.view; // a copy, as in `send_within`
        let position = match self.claim_fast(&view) {
            Some(position) => position,
            None => match self.claim_or_hand_over(bytes, wait) {
                Ok(Some(position)) => position,
                Ok(None) => return Ok(()),
                Err(cause) => return Err(error(cause, ())),
            },
        };
        view.payload(position).store(bytes);
        failpoint!(Written);
        match self.publish(&view, position) {
            true => Ok(()),
            false => Err(error(self.closed(), ())),
        }
    }

    /// The slow path of a claim. None: the message was handed over, on a rendezvous ring.
    #[cold]
    #[inline(never)]
    fn claim_or_hand_over(&mut self, message: &[u8], wait: Wait) -> Result<Option<u64>, WaitError> {
        match self.giving.is_some() {
            true => self.hand_over(message, wait).map(|()| None),
            false => waiting::claim(self, wait).map(Some),
        }
    }
}
