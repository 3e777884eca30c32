//! A ring of single bytes as a stream, as a pipe is.

use std::io::{self, Read, Write};

use super::{Receiver, Sender};
use crate::error::RecvError;
use crate::ring::kind::Kind;

/// Waits until all bytes are in the ring. As with [`Sender::send_slice`], bytes are published in
/// runs: a reader gets the first of them while the rest waits for room. Flushing does nothing.
///
/// Bytes of several senders mix, also within one `write`. For messages that stay whole, use a
/// ring of `[u8]`.
///
/// ```
/// use memring::{Ring, Spsc};
/// use std::io::{self, Write};
///
/// # fn main() -> io::Result<()> {
/// let ring = Ring::<u8, Spsc>::anonymous(4096)?;
/// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// writeln!(tx, "{} bytes fit", tx.capacity())?;
/// ring.close()?; // the reader's end of file
/// assert_eq!(io::read_to_string(&mut rx)?, "4096 bytes fit\n");
/// # Ok(())
/// # }
/// ```
impl<K: Kind> Write for Sender<u8, K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.send_slice(bytes) {
            // The next call finds out again.
            Err(error) if error.sent > 0 => Ok(error.sent),
            sent => Ok(sent?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for the first byte. End of file is reported when the ring is closed and drained. If all
/// senders have detached or died and none has closed the ring, what they wrote may be cut short.
/// This is an error of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// Bytes that are read are acknowledged, as by [`Receiver::recv_into_slice`].
impl<K: Kind> Read for Receiver<u8, K> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.recv_into_slice(bytes) {
            Err(RecvError::Closed) => Ok(0),
            received => Ok(received?),
        }
    }
}
