//! A descriptor that can be polled: a pair of sockets.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::Wake;

/// Readable from a signal until it is cleared. Non-blocking, close-on-exec. It holds no
/// lock, so a forked child may keep it.
#[derive(Debug)]
pub(crate) struct EventFd {
    read: UnixStream,
    write: UnixStream,
}

impl EventFd {
    /// # Errors
    /// No descriptors are left.
    pub(crate) fn new() -> io::Result<EventFd> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(EventFd { read, write })
    }

    /// From now on it is readable.
    pub(crate) fn signal(&self) {
        // Fails only when the socket is full: it is readable then.
        let _ = (&self.write).write(&[1]);
    }

    /// From now on it is not readable.
    pub(crate) fn clear(&self) {
        // Each signal is a byte. An error: none is left, or a signal handler ran, and then
        // the descriptor stays readable, which costs its owner a look.
        while let Ok(1..) = (&self.read).read(&mut [0; 64]) {}
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

impl Wake for EventFd {
    fn wake(self: Arc<Self>) {
        self.signal();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal();
    }
}
