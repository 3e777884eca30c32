//! Receiving into the caller's memory.

use std::time::{Duration, Instant};

use super::Receiver;
use crate::channel::outcome;
use crate::channel::waiting::{Wait, WaitError};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// As [`Receiver::try_recv`], into `message`; returns how many bytes.
    ///
    /// A typed message is copied once, straight into `message`, and never to the stack: for types
    /// that are large. A `Vec<u8>` gets the length of the message, and its allocation is used
    /// again.
    ///
    /// Example: [`Receiver::recv_into`].
    ///
    /// # Errors
    /// As [`Receiver::try_recv`]; then `message` is unchanged.
    pub fn try_recv_into(&mut self, message: &mut T::Received) -> Result<usize, TryRecvError> {
        self.receive_into(Wait::Not, message, outcome::try_recv)
    }

    /// As [`Receiver::try_recv_into`], waiting for a message as long as it takes.
    ///
    /// ```
    /// use memring::{Ring, Spsc};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ring = Ring::<[u64; 4096], Spsc>::anonymous(4)?;
    /// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let (mut block, mut copy) = (vec![[0; 4096]], vec![[0; 4096]]);
    /// block[0][4095] = 7;
    /// tx.send_ref(&block[0])?; // 32 KiB, from the heap
    /// assert_eq!(rx.recv_into(&mut copy[0])?, 32768); // to the heap
    /// assert_eq!(copy, block);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`]; then `message` is unchanged.
    pub fn recv_into(&mut self, message: &mut T::Received) -> Result<usize, RecvError> {
        self.receive_into(Wait::Forever, message, outcome::recv)
    }

    /// As [`Receiver::recv_into`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`]; then `message` is unchanged.
    pub fn recv_into_timeout(
        &mut self,
        message: &mut T::Received,
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.receive_into(Wait::at_most(timeout), message, outcome::recv_timeout)
    }

    /// As [`Receiver::recv_into`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`]; then `message` is unchanged.
    pub fn recv_into_deadline(
        &mut self,
        message: &mut T::Received,
        deadline: Instant,
    ) -> Result<usize, RecvTimeoutError> {
        self.receive_into(Wait::until(deadline), message, outcome::recv_timeout)
    }

    fn receive_into<E>(
        &mut self,
        wait: Wait,
        message: &mut T::Received,
        error: impl FnOnce(WaitError) -> E,
    ) -> Result<usize, E> {
        let read = |payload: &_, length| T::decode_into(payload, length, message);
        self.receive(wait, read, error)
    }
}
