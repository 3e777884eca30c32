//! Receiving byte messages into a buffer that is used again.

use super::receiver::Receiver;
use super::{answer, waiting};
use crate::error::{RecvError, TryRecvError};
use crate::kind::Kind;
use crate::ring::Stall;

impl<K: Kind> Receiver<[u8], K> {
    /// As [`Receiver::try_recv`], into `buffer`, which is cleared first and
    /// whose allocation is used again. Says how many bytes.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`]; `buffer` is as it was then.
    pub fn try_recv_into(&mut self, buffer: &mut Vec<u8>) -> Result<usize, TryRecvError> {
        let first = self.take_into(buffer);
        waiting::once(self, first, |receiver| receiver.take_into(buffer)).map_err(answer::try_recv)
    }

    /// As [`Receiver::recv`], into `buffer`, which is cleared first and whose
    /// allocation is used again. Says how many bytes.
    ///
    /// # Errors
    /// As [`Receiver::recv`]; `buffer` is as it was then.
    pub fn recv_into(&mut self, buffer: &mut Vec<u8>) -> Result<usize, RecvError> {
        let first = self.take_into(buffer);
        waiting::until(self, None, first, |receiver| receiver.take_into(buffer))
            .map_err(answer::recv)
    }

    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Stall> {
        self.take_with(|payload, length| {
            buffer.resize(length, 0);
            payload.load(buffer);
            length
        })
    }
}
