//! A byte message as a stream.

use std::io::{self, BufRead, Read};

use super::{Lease, LeasedMessage};
use crate::ring::kind::Kind;

/// The most bytes that are buffered at a time.
const BUFFER: usize = 8192;

impl<'b> LeasedMessage<'b, [u8]> {
    /// Returns the bytes of the message as a stream.
    ///
    /// Example: [`LeaseReader`].
    pub fn reader(self) -> LeaseReader<'b> {
        LeaseReader {
            message: self,
            position: 0,
            buffer: Vec::new(),
            consumed: 0,
        }
    }
}

impl<K: Kind> Lease<'_, [u8], K> {
    /// Returns the bytes of the message as a stream; see [`LeaseReader`].
    pub fn reader(&self) -> LeaseReader<'_> {
        self.message().reader()
    }
}

/// The bytes of a leased message as a stream, from [`Lease::reader`].
///
/// Each byte is copied out of the ring once, and nothing refers to shared memory. A peer that
/// breaks the rules and writes to the message meanwhile changes what is read later, but not what
/// was read before. `BufRead` copies into a buffer of its own, of up to 8 KiB; `Read` copies
/// straight into the caller's.
///
/// ```
/// use std::io::{BufRead, Read};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = memring::Ring::<[u8], memring::Spsc>::anonymous(4)?;
/// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// tx.send(b"GET /\nbody")?;
/// let lease = rx.lease()?;
/// let (mut reader, mut line, mut body) = (lease.reader(), String::new(), Vec::new());
/// reader.read_line(&mut line)?;
/// reader.read_to_end(&mut body)?;
/// assert_eq!((line.as_str(), body.as_slice()), ("GET /\n", &b"body"[..]));
/// # drop(reader);
/// lease.release();
/// # Ok(())
/// # }
/// ```
pub struct LeaseReader<'b> {
    message: LeasedMessage<'b, [u8]>,
    /// Bytes of the message that were copied.
    position: usize,
    /// The last of these,
    buffer: Vec<u8>,
    /// of which so many were handed out.
    consumed: usize,
}

impl LeaseReader<'_> {
    /// Bytes that are still to be read.
    ///
    /// ```
    /// use std::io::Read;
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<[u8], Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(b"headbody")?;
    /// let lease = rx.lease()?;
    /// let mut reader = lease.reader();
    /// reader.read_exact(&mut [0; 4])?;
    /// assert_eq!(reader.remaining(), 4);
    /// # lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remaining(&self) -> usize {
        self.buffered().len() + self.uncopied()
    }

    fn buffered(&self) -> &[u8] {
        &self.buffer[self.consumed..]
    }

    fn uncopied(&self) -> usize {
        self.message.len().saturating_sub(self.position)
    }
}

impl std::fmt::Debug for LeaseReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LeaseReader");
        shown.field("remaining", &self.remaining());
        shown.finish_non_exhaustive()
    }
}

impl Read for LeaseReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffered = self.buffered();
        if !buffered.is_empty() {
            let read = buffered.read(bytes)?;
            self.consumed += read;
            return Ok(read);
        }
        let length = bytes.len().min(self.uncopied());
        if length == 0 {
            return Ok(0);
        }
        let payload = &self.message.payload;
        let read = payload.load_at(self.position, &mut bytes[..length]);
        self.position += read;
        Ok(read)
    }
}

impl BufRead for LeaseReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffered().is_empty() {
            let length = self.uncopied().min(BUFFER);
            self.buffer.resize(length, 0);
            self.consumed = 0;
            if length > 0 {
                let payload = &self.message.payload;
                self.position += payload.load_at(self.position, &mut self.buffer);
            }
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, amount: usize) {
        self.consumed = self.buffer.len().min(self.consumed + amount);
    }
}
