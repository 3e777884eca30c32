//! Batches into the caller's memory.

use std::time::{Duration, Instant};

use crate::channel::outcome;
use crate::channel::receiver::Receiver;
use crate::channel::waiting::{Wait, WaitError};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T, K: Kind> Receiver<T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    /// As [`Receiver::try_recv_batch`], into the beginning of `messages`: as many messages as
    /// there are now and fit. The rest of the slice stays as it was.
    ///
    /// Example: [`Receiver::recv_into_slice`].
    ///
    /// # Errors
    /// As [`Receiver::try_recv`] if there was not even one. An empty slice is `Ok(0)`.
    pub fn try_recv_into_slice(&mut self, messages: &mut [T]) -> Result<usize, TryRecvError> {
        self.receive_into_slice(Wait::Not, messages)
            .map_err(outcome::try_recv)
    }

    /// As [`Receiver::try_recv_into_slice`], waiting for the first message as long as it
    /// takes.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// let mut messages = [0; 4];
    /// assert_eq!(rx.recv_into_slice(&mut messages)?, 3);
    /// assert_eq!(messages, [1, 2, 3, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn recv_into_slice(&mut self, messages: &mut [T]) -> Result<usize, RecvError> {
        self.receive_into_slice(Wait::Forever, messages)
            .map_err(outcome::recv)
    }

    /// As [`Receiver::recv_into_slice`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn recv_into_slice_timeout(
        &mut self,
        messages: &mut [T],
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.receive_into_slice(Wait::at_most(timeout), messages)
            .map_err(outcome::recv_timeout)
    }

    /// As [`Receiver::recv_into_slice`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn recv_into_slice_deadline(
        &mut self,
        messages: &mut [T],
        deadline: Instant,
    ) -> Result<usize, RecvTimeoutError> {
        self.receive_into_slice(Wait::until(deadline), messages)
            .map_err(outcome::recv_timeout)
    }

    fn receive_into_slice(&mut self, wait: Wait, messages: &mut [T]) -> Result<usize, WaitError> {
        let max = messages.len();
        let mut rest = Rest(messages.iter_mut());
        self.receive_many(wait, &mut rest, max)
    }
}

/// The messages of a slice that nothing was received into yet.
struct Rest<'m, T>(std::slice::IterMut<'m, T>);

impl<T> Extend<T> for Rest<'_, T> {
    #[inline]
    fn extend<I: IntoIterator<Item = T>>(&mut self, messages: I) {
        // (The slice is never shorter: no more were asked for.)
        messages
            .into_iter()
            .zip(&mut self.0)
            .for_each(|(message, place)| *place = message);
    }
}
