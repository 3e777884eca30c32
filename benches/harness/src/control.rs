//! How a program and its workers converse, over a Unix socket: lines of JSON, with descriptors
//! beside them.

use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Descriptors that one line may carry: as many as the kernel lets through.
const MOST_FDS: usize = 253;

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// One end of the conversation.
pub struct Control {
    stream: UnixStream,
    /// Read, but not yet asked for.
    pending: Vec<u8>,
}

impl Control {
    /// Converse over this socket.
    pub fn new(stream: UnixStream) -> Self {
        Control {
            stream,
            pending: Vec::new(),
        }
    }

    /// The same end once more, for what goes out.
    pub fn another(&self) -> Result<Control> {
        Ok(Control::new(self.stream.try_clone()?))
    }

    /// How long `receive` waits.
    pub fn set_timeout(&self, span: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(span))?)
    }

    /// Say it, and hand over the descriptors.
    pub fn send(&mut self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            bail!("{} descriptors are too many for one message", fds.len());
        }
        let slices = [IoSlice::new(&line)];
        let sent = sendmsg(&self.stream, &slices, &mut ancillary, SendFlags::NOSIGNAL)?;
        // The descriptors went with the first byte.
        self.stream.write_all(&line[sent..])?;
        Ok(())
    }

    /// Hear the next message. `None`: the other side is gone.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<(M, Vec<OwnedFd>)>> {
        let mut fds = Vec::new();
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some((serde_json::from_slice(&line)?, fds)));
            }
            let mut piece = [0; 16 << 10];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                self.stream.as_fd(),
                &mut [IoSliceMut::new(&mut piece)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            let received = match received {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => bail!("it did not answer in time"),
                other => other.context("cannot hear the other process")?.bytes,
            };
            if received == 0 {
                return Ok(None);
            }
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    fds.extend(rights);
                }
            }
            self.pending.extend_from_slice(&piece[..received]);
        }
    }
}
