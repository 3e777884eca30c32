//! What parent and children say to each other, over a Unix socket: lines of JSON, with descriptors
//! beside them.

use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::check::Total;
use super::link::{Contender, Size};

/// Descriptors that one line may carry.
const MOST_FDS: usize = 2;

/// From the parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Run on this CPU only.
    Pin(usize),
    /// Open the ends whose descriptors come along (a sending one first, if there are two), say
    /// `Ready`, and wait for `Go`.
    Prepare(Task),
    /// Begin.
    Go,
}

/// From a child.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The order before is carried out.
    Ready,
    /// The task is.
    Done(Outcome),
    /// It went wrong.
    Failed(String),
}

/// One process's part in one measurement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Over what.
    pub contender: Contender,
    /// Messages of what size.
    pub size: Size,
    /// Which part.
    pub role: Role,
    /// For how long the process that begins goes on.
    pub millis: u64,
}

/// Which part.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Send, `batch` messages a call.
    Send {
        /// The number of this sender.
        sender: u16,
        /// 1: one message a publication.
        batch: usize,
    },
    /// Receive until all senders are done.
    Receive {
        /// How many there are.
        senders: u16,
        /// At most so many messages a call.
        batch: usize,
    },
    /// Send one message, wait for it to come back, and so on.
    Ping,
    /// Send back what comes.
    Echo,
}

/// What came of a task.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// So many messages were sent.
    Sent(u64),
    /// What was received, and the interval of it that was timed.
    Received(Total, Interval),
    /// Round trips by their nanoseconds: (value, count); and what came back.
    Pinged(Vec<(u64, u64)>, Total),
    /// What was sent back.
    Echoed(Total),
}

/// A interval of receiving, in nanoseconds of the monotonic clock, which all processes share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its begin.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// Messages in it.
    pub count: u64,
}

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
            bail!("too many descriptors for one message");
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
            if let Some(end) = memchr::memchr(b'\n', &self.pending) {
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
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => bail!("it did not answer in time"),
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
