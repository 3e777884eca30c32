//! The kernel's byte streams: a pipe and a Unix socket. A message is one write and one read; a
//! batch is one write and one read as well.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};
use bytemuck::{cast_slice, cast_slice_mut};
use rustix::pipe::{PipeFlags, pipe_with};

use super::link::{Link, Rx, Tx};

/// A pipe.
pub struct PipeLink;

/// A connected pair of Unix stream sockets, used one way.
pub struct SocketLink;

/// One end of a stream.
pub struct Stream<const N: usize> {
    file: File,
}

impl<const N: usize> Stream<N> {
    fn new(fd: OwnedFd) -> Self {
        Stream {
            file: File::from(fd),
        }
    }

    /// Read whole messages into `into`, as many as are there but at least one: how many. 0: the
    /// stream is at its end.
    fn read(&mut self, into: &mut [[u64; N]]) -> Result<usize> {
        let size = size_of::<[u64; N]>();
        let bytes: &mut [u8] = cast_slice_mut(into);
        let mut filled = 0;
        loop {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return Ok(0),
                Ok(0) => bail!("mismatch: the stream ends within a message"),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot receive"),
            }
            if filled.is_multiple_of(size) {
                return Ok(filled / size);
            }
        }
    }
}

impl<const N: usize> Link<N> for PipeLink {
    type Tx = Stream<N>;
    type Rx = Stream<N>;

    fn make(&self) -> Result<[OwnedFd; 2]> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        Ok([writer, reader])
    }

    fn tx(&self, fd: OwnedFd) -> Result<Self::Tx> {
        Ok(Stream::new(fd))
    }

    fn rx(&self, fd: OwnedFd) -> Result<Self::Rx> {
        Ok(Stream::new(fd))
    }
}

impl<const N: usize> Link<N> for SocketLink {
    type Tx = Stream<N>;
    type Rx = Stream<N>;

    fn make(&self) -> Result<[OwnedFd; 2]> {
        let (a, b) = UnixStream::pair().context("cannot make a Unix socket")?;
        Ok([a.into(), b.into()])
    }

    fn tx(&self, fd: OwnedFd) -> Result<Self::Tx> {
        Ok(Stream::new(fd))
    }

    fn rx(&self, fd: OwnedFd) -> Result<Self::Rx> {
        Ok(Stream::new(fd))
    }
}

impl<const N: usize> Tx<N> for Stream<N> {
    fn send(&mut self, message: [u64; N]) -> Result<()> {
        self.file
            .write_all(cast_slice(&message))
            .context("cannot send")
    }

    fn send_batch(&mut self, messages: &[[u64; N]]) -> Result<()> {
        self.file
            .write_all(cast_slice(messages))
            .context("cannot send")
    }
}

impl<const N: usize> Rx<N> for Stream<N> {
    fn recv(&mut self) -> Result<Option<[u64; N]>> {
        let mut message = [[0; N]];
        Ok(match self.read(&mut message)? {
            0 => None,
            _ => Some(message[0]),
        })
    }

    fn recv_batch(&mut self, into: &mut Vec<[u64; N]>, most: usize) -> Result<()> {
        into.resize(most, [0; N]);
        let received = self.read(into)?;
        into.truncate(received);
        Ok(())
    }
}
