//! Wakes a task that accepts.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::Waker;

use crate::sys::clock::MonotonicTime;
use crate::sys::epoll::{Epoll, EventFlags};
use crate::uds::watcher::{FdRegistration, Interest, WakeSlot, Watch};

/// The sockets of a listener, in a set of their own, which is one descriptor to the watching
/// thread.
pub(super) struct AcceptWaiter {
    sockets: Epoll,
    slot: Arc<WakeSlot>,
    /// `None`: it is being dropped.
    registration: Option<FdRegistration>,
}

impl AcceptWaiter {
    /// # Errors
    /// The system gives no descriptor or thread.
    pub(super) fn new(listening: BorrowedFd<'_>) -> io::Result<AcceptWaiter> {
        let sockets = Epoll::new()?;
        let slot = Arc::<WakeSlot>::default();
        let watch: Arc<dyn Watch> = Arc::clone(&slot) as _;
        let registration = FdRegistration::new(sockets.poll_fd()?, Interest::Readable, watch)?;
        let waiter = AcceptWaiter {
            sockets,
            slot,
            registration: Some(registration),
        };
        waiter.add(listening)?;
        Ok(waiter)
    }

    /// Waits for this one, too, as long as it is there.
    pub(super) fn add(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.sockets.add(socket, 0, EventFlags::IN)
    }

    pub(super) fn remove(&self, socket: BorrowedFd<'_>) {
        self.sockets.remove(socket);
    }

    /// Has `waker` woken when one of the sockets has something, or did already, and at
    /// `expires`; once.
    pub(super) fn arm(&self, waker: &Waker, expires: Option<MonotonicTime>) -> io::Result<()> {
        self.slot.set(waker);
        if let Some(registration) = &self.registration {
            registration.arm(self.sockets.poll_fd()?, Interest::Readable)?;
            if let Some(expires) = expires {
                registration.call_at(expires);
            }
        }
        Ok(())
    }

    pub(super) fn stop(&self) {
        drop(self.slot.take());
    }
}

impl Drop for AcceptWaiter {
    fn drop(&mut self) {
        self.stop();
        if let Some(registration) = self.registration.take() {
            registration.end(self.sockets.poll_fd().ok());
        }
    }
}
