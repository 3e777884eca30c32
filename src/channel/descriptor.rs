//! A descriptor that is readable when an endpoint may have something to do.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use super::future::check_patiently;
use super::receiver::Receiver;
use super::select::{Readiness, ReadyEndpoint};
use super::sender::Sender;
use super::waiting::WaitingEndpoint;
use super::watch::Descriptor;
use crate::error::AttachError;
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::sys::event::EventFd;
use crate::wait::Operation;

/// A descriptor for event loops (epoll, mio, libuv, asyncio), from [`Receiver::ready_fd`] or
/// [`Sender::ready_fd`]: readable when there may be something to do. It is an eventfd,
/// non-blocking and close-on-exec. Clones share one descriptor, which stays open as long as any
/// of them, or the endpoint, exists.
///
/// Wait until the descriptor is readable, level- or edge-triggered, and do not read from it.
/// Readability is a hint. [`Receiver::rearm`] shows the loop.
#[derive(Clone, Debug)]
pub struct ReadyFd(Arc<EventFd>);

impl AsFd for ReadyFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ReadyFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Returns a descriptor, armed, that is readable when there may be a message, or when a call
    /// may fail. Each call returns the same one.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// use std::os::fd::AsRawFd;
    ///
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let mut rx = ring.receiver()?;
    /// let fd = rx.ready_fd()?; // for `epoll_ctl`, or `AsyncFd::new`
    /// assert_eq!(fd.as_raw_fd(), rx.ready_fd()?.as_raw_fd());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AttachError::CannotPark`] on a ring of spinners, where nothing wakes a waiter;
    /// [`AttachError::Os`] if the system gives no descriptor, or no thread;
    /// [`AttachError::Failed`] in a forked child.
    pub fn ready_fd(&mut self) -> Result<ReadyFd, AttachError> {
        ready_fd(self)
    }

    /// Clears the descriptor of [`Receiver::ready_fd`], and arms it again: it becomes readable
    /// when there may be something to do, which may be at once. Returns whether it is readable
    /// already; then there is no need to ask the event loop. (Makes the descriptor if there is
    /// none.)
    ///
    /// The loop: wait until the descriptor is readable; make calls that do not wait, until one
    /// returns `Empty` or `Held`; arm again. A loop that waits sooner may sleep while there are
    /// messages. So a limit of messages in a row is only for a loop that comes back by itself. No
    /// wake-up is lost: `rearm` sees what comes before the arming, and what comes after makes the
    /// descriptor readable.
    ///
    /// `rearm` costs a check of the ring and two or three system calls. A wake-up costs some
    /// microseconds in the waiting thread (see `docs/async.md`). A message that is there when the
    /// loop checks costs none of that. The descriptor is readable now and then although nothing
    /// has come: dead peers are found in this way.
    ///
    /// # Errors
    /// As [`Receiver::ready_fd`].
    ///
    /// ```
    /// # use memring::{Ring, Spsc, TryRecvError};
    /// # use std::os::fd::AsFd;
    /// # fn wait_until_readable(fd: impl AsFd) {}
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # tx.send(1)?;
    /// # ring.close()?;
    /// # let mut sum = 0;
    /// let fd = rx.ready_fd()?;
    /// 'events: loop {
    ///     wait_until_readable(&fd); // epoll_wait, among other descriptors
    ///     loop {
    ///         match rx.try_recv() {
    ///             Ok(message) => sum += message,
    ///             Err(TryRecvError::Empty | TryRecvError::Held(_)) => match rx.rearm()? {
    ///                 true => {} // something has come meanwhile
    ///                 false => break, // wait
    ///             },
    ///             Err(TryRecvError::Closed) => break 'events,
    ///             Err(error) => return Err(error.into()),
    ///         }
    ///     }
    /// }
    /// # assert_eq!(sum, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rearm(&mut self) -> Result<bool, AttachError> {
        rearm(self)
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Returns a descriptor that is readable when there may be room, or when a call may fail; as
    /// [`Receiver::ready_fd`] otherwise.
    ///
    /// # Errors
    /// As [`Receiver::ready_fd`].
    pub fn ready_fd(&mut self) -> Result<ReadyFd, AttachError> {
        ready_fd(self)
    }

    /// As [`Receiver::rearm`]. Call it after a call that returned `Full` or `Held`.
    ///
    /// # Errors
    /// As [`Receiver::ready_fd`].
    pub fn rearm(&mut self) -> Result<bool, AttachError> {
        rearm(self)
    }
}

fn ready_fd<E: ReadyEndpoint>(endpoint: &mut E) -> Result<ReadyFd, AttachError> {
    rearm(endpoint)?;
    let connection = endpoint.connection();
    connection
        .descriptor
        .event()
        .map(ReadyFd)
        .ok_or(AttachError::CannotPark)
}

pub(super) fn rearm<E: ReadyEndpoint>(endpoint: &mut E) -> Result<bool, AttachError> {
    let connection = endpoint.connection();
    if !connection.is_mapped() {
        connection.segment.region.check()?;
    }
    if !connection.can_sleep() {
        return Err(AttachError::CannotPark);
    }
    // Out of the endpoint, which is looked at meanwhile.
    let mut own = std::mem::take(&mut connection.descriptor);
    let descriptor = own.get(&connection.segment, connection.side());
    let armed = descriptor.and_then(|descriptor| {
        descriptor.event.clear();
        arm(endpoint, descriptor)
    });
    endpoint.connection().descriptor = own;
    armed.map_err(|source| AttachError::Os {
        action: "make a descriptor to poll",
        source,
    })
}

/// As a future's poll does. Says whether the descriptor is readable.
fn arm<E: ReadyEndpoint>(endpoint: &mut E, descriptor: &mut Descriptor) -> io::Result<bool> {
    let mut readiness = Readiness(endpoint);
    // What takes milliseconds is not for a call that does not wait.
    readiness.connection().waits = false;
    let mut is_ready = check_patiently(&mut readiness).is_ready();
    if !is_ready {
        // W2: announce, check again, and then the thread sleeps for us.
        let word = readiness.register();
        is_ready = check_patiently(&mut readiness).is_ready() || readiness.reclaim();
        if !is_ready {
            let is_held_up = readiness.connection().is_held_up();
            descriptor
                .waiter
                .wait(word, is_held_up, &descriptor.waker)?;
        }
    }
    if is_ready {
        descriptor.waiter.stop();
        descriptor.event.signal();
    }
    Ok(is_ready)
}
