//! Looking at the next message without taking it.

use std::time::{Duration, Instant};

use super::Receiver;
use crate::channel::outcome;
use crate::channel::waiting::{Wait, WaitError};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::message::Message;
use crate::ring::ReceiveSide;
use crate::ring::kind::OneReceiver;

/// These methods exist only for kinds with one receiver. With many receivers, another one may
/// take the message, so a peek would say nothing about what the next call gets. There, take a
/// [`lease`](Receiver::lease), read the message, and give it back with
/// [`requeue`](crate::Lease::requeue) if you do not want it: it is then marked as redelivered.
impl<T: Message + ?Sized, K: OneReceiver> Receiver<T, K> {
    /// Returns a copy of the next message, if there is one now. The message stays in the ring,
    /// and the next call gets it.
    ///
    /// Example: [`Receiver::peek`].
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    pub fn try_peek(&mut self) -> Result<T::Received, TryRecvError> {
        self.peek_within(Wait::Not).map_err(outcome::try_recv)
    }

    /// As [`Receiver::try_peek`], waiting for a message as long as it takes.
    ///
    /// ```
    /// use memring::{Ring, Spsc};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// assert_eq!(rx.peek()?, 7);
    /// assert_eq!(rx.slots(), 1); // it is still there
    /// assert_eq!(rx.recv()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn peek(&mut self) -> Result<T::Received, RecvError> {
        self.peek_within(Wait::Forever).map_err(outcome::recv)
    }

    /// As [`Receiver::peek`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<T::Received, RecvTimeoutError> {
        let wait = Wait::at_most(timeout);
        self.peek_within(wait).map_err(outcome::recv_timeout)
    }

    /// As [`Receiver::peek`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn peek_deadline(&mut self, deadline: Instant) -> Result<T::Received, RecvTimeoutError> {
        let wait = Wait::until(deadline);
        self.peek_within(wait).map_err(outcome::recv_timeout)
    }

    /// A claim of the one receiver shows nowhere before it is handed out or released.
    fn peek_within(&mut self, wait: Wait) -> Result<T::Received, WaitError> {
        let opened = self.claim(wait)?;
        let message = T::decode(&opened.payload, opened.length);
        self.side.unclaim(&self.view, opened.claim);
        Ok(message)
    }
}
