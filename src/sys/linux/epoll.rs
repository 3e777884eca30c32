//! Waiting for many descriptors.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub(crate) use rustix::event::epoll::EventFlags;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};
use rustix::io::Errno;

use super::fork::PrivateFd;

/// A set of descriptors, each with a number. A forked child does not have it.
pub(crate) struct Epoll(PrivateFd);

impl Epoll {
    /// # Errors
    /// No descriptors are left; those of [`PrivateFd::open`].
    pub(crate) fn new() -> io::Result<Epoll> {
        PrivateFd::open(|| Ok(epoll::create(CreateFlags::CLOEXEC)?)).map(Epoll)
    }

    fn get(&self) -> io::Result<BorrowedFd<'_>> {
        // In a child the set is its parent's: nothing may be changed in it.
        self.0
            .verified()
            .map_err(|_| io::ErrorKind::Unsupported.into())
    }

    /// The set as a descriptor, which is readable when one of its own is ready.
    ///
    /// # Errors
    /// In a forked child.
    pub(crate) fn poll_fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.get()
    }

    /// Adds a descriptor. No wake-up is lost: what it is ready for already counts.
    pub(crate) fn add(
        &self,
        fd: BorrowedFd<'_>,
        number: u64,
        interest: EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::add(
            self.get()?,
            fd,
            EventData::new_u64(number),
            interest,
        )?)
    }

    /// Looks for something else from now on, or once more.
    pub(crate) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        number: u64,
        interest: EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::modify(
            self.get()?,
            fd,
            EventData::new_u64(number),
            interest,
        )?)
    }

    /// Takes a descriptor out. To be done before it is closed.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        if let Ok(set) = self.get() {
            // Fails if the program has closed it: then it is out of the set already.
            let _ = epoll::delete(set, fd);
        }
    }

    /// The numbers of descriptors that are ready, a few at a time.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<u64>> {
        const AT_ONCE: usize = 64;
        let empty = Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        };
        let mut events = [empty; AT_ONCE];
        let timeout = timeout.and_then(|left| left.try_into().ok());
        let ready = match epoll::wait(self.get()?, &mut events[..], timeout.as_ref()) {
            Ok(ready) => ready,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let ready = events.iter().take(ready);
        Ok(ready.map(|event| event.data.u64()).collect())
    }
}
