//! Batches with a time limit.

use std::time::{Duration, Instant};

use crate::channel::outcome;
use crate::channel::receiver::Receiver;
use crate::channel::sender::Sender;
use crate::channel::waiting::Wait;
use crate::error::{RecvTimeoutError, SendBatchTimeoutError, SendTimeoutError};
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::sys::clock::MonotonicTime;

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// As [`Sender::send_batch`], for at most `timeout`. The limit is for all of `messages`
    /// together, including the time that their iterator takes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let error = tx.send_batch_timeout(0..9, Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.sent, 4);
    /// assert!(error.cause.is_timeout());
    /// assert_eq!(error.cause.into_message(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send_timeout`], with the first message that was not sent and the number of
    /// those that were. More than a tick of the coarse clock (some milliseconds) after the
    /// deadline, only the first message is still sent, if there is room.
    pub fn send_batch_timeout<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
        timeout: Duration,
    ) -> Result<usize, SendBatchTimeoutError<T::Unsent>> {
        self.send_batch_within(messages, Wait::at_most(timeout))
    }

    /// As [`Sender::send_batch_timeout`], until `deadline` at the latest.
    ///
    /// Example: [`Sender::send_batch`].
    ///
    /// # Errors
    /// As [`Sender::send_batch_timeout`].
    pub fn send_batch_deadline<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
        deadline: Instant,
    ) -> Result<usize, SendBatchTimeoutError<T::Unsent>> {
        self.send_batch_within(messages, Wait::until(deadline))
    }

    fn send_batch_within<'m>(
        &mut self,
        messages: impl IntoIterator<Item = T::Sent<'m>>,
        wait: Wait,
    ) -> Result<usize, SendBatchTimeoutError<T::Unsent>> {
        let mut sent = 0;
        for message in messages {
            // There may be room for each of an endless iterator. (The coarse clock costs
            // little, and lags by a tick.)
            let is_late = sent > 0
                && matches!(wait, Wait::Until(deadline) if MonotonicTime::coarse() >= deadline);
            let one = match is_late {
                true => Err(SendTimeoutError::Timeout(T::unsent(message), None)),
                false => self.send_within(message, wait, outcome::send_timeout),
            };
            match one {
                Ok(()) => sent += 1,
                Err(cause) => return Err(SendBatchTimeoutError { sent, cause }),
            }
        }
        Ok(sent)
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// As [`Receiver::recv_batch`], waiting for the first message for at most `timeout`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut batch = Vec::new();
    /// let error = rx.recv_batch_timeout(&mut batch, 64, Duration::from_millis(1));
    /// assert!(error.unwrap_err().is_timeout());
    /// tx.send(7)?;
    /// assert_eq!(rx.recv_batch_timeout(&mut batch, 64, Duration::from_millis(1))?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`] if there was not even one. `max` 0 is `Ok(0)`.
    pub fn recv_batch_timeout(
        &mut self,
        messages: &mut Vec<T::Received>,
        max: usize,
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.receive_batch(Wait::at_most(timeout), messages, max)
            .map_err(outcome::recv_timeout)
    }

    /// As [`Receiver::recv_batch_timeout`], until `deadline` at the latest.
    ///
    /// Example: [`Receiver::recv_batch`].
    ///
    /// # Errors
    /// As [`Receiver::recv_batch_timeout`].
    pub fn recv_batch_deadline(
        &mut self,
        messages: &mut Vec<T::Received>,
        max: usize,
        deadline: Instant,
    ) -> Result<usize, RecvTimeoutError> {
        self.receive_batch(Wait::until(deadline), messages, max)
            .map_err(outcome::recv_timeout)
    }
}
