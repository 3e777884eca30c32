//! No process is a fork of another here, so nothing has to be told from a parent's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::file::{self, FileId};
use crate::sys::handle::{BorrowedFd, OwnedFd, Unusable};

/// The process in which something was made: always this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessToken;

impl ProcessToken {
    /// This process.
    ///
    /// # Errors
    /// None here.
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self)
    }

    /// Whether this is the process that [`ProcessToken::here`] was called in: it is.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        true
    }
}

/// A status word. Clones share it.
#[derive(Clone)]
pub(crate) struct Sentinel(Arc<AtomicU32>);

impl Sentinel {
    /// The status after [`Sentinel::new`].
    pub(crate) const USABLE: u32 = 1;
    /// The status in a forked child, of which there are none.
    pub(crate) const FORKED: u32 = 0;

    /// A sentinel with the status [`Sentinel::USABLE`].
    ///
    /// # Errors
    /// None here.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(AtomicU32::new(Self::USABLE))))
    }

    /// The status. Relaxed: it carries no data with it.
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the status. Relaxed, as [`Sentinel::get`], its partner, is.
    pub(crate) fn set(&self, status: u32) {
        self.0.store(status, Ordering::Relaxed);
    }
}

/// Holds off forks, of which there are none.
pub(crate) struct ForkHold;

impl ForkHold {
    /// # Errors
    /// None here.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }
}

/// A handle of a file. That the program closes it behind our back is not found out here.
#[derive(Debug)]
pub(crate) struct PrivateFd {
    fd: OwnedFd,
    file: FileId,
}

impl PrivateFd {
    /// Takes over the handle that `open` returns.
    ///
    /// # Errors
    /// That of `open`; those of [`file::metadata`].
    pub(crate) fn open(open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Self> {
        let fd = open()?;
        let file = file::metadata(&fd)?.id();
        Ok(Self { fd, file })
    }

    /// Handles of two values are never the same.
    pub(crate) fn yield_to(&self, _other: &Self) {}

    /// Which file it was opened for.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Whether this is a forked child of the process that opened it: it is not.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        false
    }

    /// The handle.
    ///
    /// # Errors
    /// None here.
    pub(crate) fn verified(&self) -> Result<BorrowedFd<'_>, Unusable> {
        Ok(&self.fd)
    }

    /// Asks something of the handle.
    ///
    /// # Errors
    /// None here.
    pub(crate) fn made_sure<'fd, R>(
        &'fd self,
        ask: impl FnOnce(BorrowedFd<'fd>) -> R,
    ) -> Result<R, Unusable> {
        Ok(ask(&self.fd))
    }
}
