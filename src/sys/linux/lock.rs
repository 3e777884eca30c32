//! Byte locks: held by processes that are alive, dropped by the kernel at death.
//!
//! These are open file description locks. They end with the last descriptor
//! and mapping of their open file description, whatever ends that; a stopped
//! process keeps them; closing some other descriptor of the file does not end
//! them. Two locks through one description never conflict, so a table says
//! what this one holds. The bytes need not exist in the file.
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use super::file::FileId;
use super::file::{self, Metadata};
use super::fork::PrivateFd;
#[cfg(test)]
use crate::sys::bytes::LOCK_BYTES;
pub(crate) use crate::sys::bytes::{Acquired, ProbeError};
use crate::sys::bytes::{ByteSet, check_byte};
use crate::sys::handle::Unusable;
use crate::sys::posix::fcntl::{self, ByteLock};

/// The bytes that this description holds. They change only under the lock of `changes`,
/// one at a time: a byte comes in after the kernel has given it, and goes out after the
/// kernel has it back. So a byte that is not in here was not yet given to a caller.
#[derive(Debug)]
struct HeldLocks {
    exclusive: ByteSet,
    shared: ByteSet,
    changes: Mutex<()>,
}

impl HeldLocks {
    const fn new() -> Self {
        HeldLocks {
            exclusive: ByteSet::new(),
            shared: ByteSet::new(),
            changes: Mutex::new(()),
        }
    }

    fn has(&self, byte: u64) -> bool {
        self.exclusive.has(byte) || self.shared.has(byte)
    }
}

/// A file by whose bytes processes tell each other that they live.
///
/// Every call makes sure that the descriptor is still the one it was: in a
/// forked child, and after the program has closed it behind our back, each
/// returns an error that says so and touches no file. Dropping it gives up
/// every byte, even if a copy of the descriptor or a mapping lives on.
///
/// [`LockFile::is_held`] takes no lock of this process; what takes or gives up a byte
/// does, for as long as one system call.
#[derive(Debug)]
pub(crate) struct LockFile {
    fd: PrivateFd,
    held: HeldLocks,
}

impl LockFile {
    /// Takes over the descriptor that `open` returns; no fork comes between.
    /// No other code has its open file description: there is no duplicate of it,
    /// in this process or another. For `open` the rules of [`PrivateFd::open`]
    /// hold.
    ///
    /// # Errors
    /// That of `open`, and those of [`PrivateFd::open`].
    pub(crate) fn open(open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            fd: PrivateFd::open(open)?,
            held: HeldLocks::new(),
        })
    }

    /// Makes a file without a name in `dir`, with these permissions.
    ///
    /// # Errors
    /// Those of [`LockFile::open`] and [`file::create_unnamed`].
    pub(crate) fn create(dir: BorrowedFd<'_>, mode: u32) -> io::Result<Self> {
        Self::open(|| file::create_unnamed(dir, mode))
    }

    /// Opens the file `name` in `dir`, for reading or for both reading and writing.
    ///
    /// # Errors
    /// Those of [`LockFile::open`] and [`file::open`].
    pub(crate) fn open_at(dir: BorrowedFd<'_>, name: &OsStr, write: bool) -> io::Result<Self> {
        Self::open(|| file::open(dir, name, write))
    }

    /// Opens the file behind a descriptor again, for reading and writing.
    ///
    /// # Errors
    /// Those of [`LockFile::open`] and [`file::reopen`].
    pub(crate) fn reopen(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::open(|| file::reopen(fd, true))
    }

    /// Makes a memfd: it, to be passed on, and an open file description of our own, for
    /// what is passed on must not carry our locks. The name is for display.
    ///
    /// # Errors
    /// Those of [`LockFile::open`] and [`file::memfd`].
    pub(crate) fn in_memory(name: &OsStr) -> io::Result<(Self, Option<OwnedFd>)> {
        let share = file::memfd(name)?;
        let locks = Self::reopen(share.as_fd())?;
        Ok((locks, Some(share)))
    }

    /// Takes a byte for this description alone, if it is free. A lock that is
    /// held here, shared or not, stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`]; `EBADF` for a descriptor that may not write;
    /// `ENOLCK` when the kernel is out of locks.
    pub(crate) fn try_exclusive(&self, byte: u64) -> io::Result<Acquired> {
        let (fd, _changes) = self.enter()?;
        check_byte(byte)?;
        if self.held.has(byte) {
            return Ok(Acquired::HeldHere);
        }
        if !set(fd, ByteLock::Exclusive, byte)? {
            return Ok(Acquired::HeldElsewhere);
        }
        self.held.exclusive.insert(byte);
        Ok(Acquired::Taken)
    }

    /// Takes a byte together with all that take it shared; whether it is held
    /// shared now. `false` if a description, this one included, holds it
    /// exclusively.
    ///
    /// # Errors
    /// See [`LockFile`]; `ENOLCK` when the kernel is out of locks.
    pub(crate) fn shared(&self, byte: u64) -> io::Result<bool> {
        let (fd, _changes) = self.enter()?;
        check_byte(byte)?;
        if self.held.has(byte) {
            return Ok(self.held.shared.has(byte));
        }
        let taken = set(fd, ByteLock::Shared, byte)?;
        if taken {
            self.held.shared.insert(byte);
        }
        Ok(taken)
    }

    /// Gives a byte up. One that is not held here stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn unlock(&self, byte: u64) -> io::Result<()> {
        let (fd, _changes) = self.enter()?;
        if self.held.has(byte) {
            set(fd, ByteLock::Free, byte)?;
            self.held.exclusive.remove(byte);
            self.held.shared.remove(byte);
        }
        Ok(())
    }

    /// Whether a process holds a byte, in whichever way, this description
    /// included. Takes nothing, no lock of this process either; a descriptor for
    /// reading is enough.
    ///
    /// `false` while another thread is about to take it here: that call has not
    /// returned when this one begins.
    ///
    /// # Errors
    /// What [`LockFile`] says, as [`ProbeError::Unusable`].
    pub(crate) fn is_held(&self, byte: u64) -> Result<bool, ProbeError> {
        // Ours first: to the kernel, what is ours is in nobody's way.
        let probe = |fd| match self.held.has(byte) {
            true => Ok(true),
            false => conflicts(fd, byte),
        };
        self.fd.made_sure(probe)?.map_err(|_| ProbeError::System)
    }

    /// The facts of the file. Takes no lock and allocates nothing, as
    /// [`LockFile::is_held`].
    ///
    /// # Errors
    /// What [`LockFile`] says, as [`ProbeError::Unusable`].
    pub(crate) fn metadata(&self) -> Result<Metadata, ProbeError> {
        let facts = self.fd.made_sure(file::metadata)?;
        facts.map_err(|_| ProbeError::System)
    }

    /// The file has got its name. (One that has none goes by itself here.)
    pub(crate) fn note_published(&mut self) {}

    /// The descriptor, made sure of.
    ///
    /// # Errors
    /// See [`LockFile`]; to make the error allocates.
    pub(crate) fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.fd.verified()?)
    }

    /// Keeps others from taking and giving up bytes.
    #[cfg(test)]
    pub(crate) fn hold_changes(&self) -> MutexGuard<'_, ()> {
        self.enter().expect("a good descriptor").1
    }

    /// Which file it is.
    #[cfg(test)]
    pub(crate) fn file(&self) -> FileId {
        self.fd.file()
    }

    /// The descriptor first: in a forked child the lock may be held by a
    /// thread that is not there.
    fn enter(&self) -> Result<(BorrowedFd<'_>, MutexGuard<'_, ()>), Unusable> {
        let fd = self.fd.verified()?;
        let changes = self.held.changes.lock();
        Ok((fd, changes.unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if let Ok((fd, _changes)) = self.enter()
            && !(self.held.exclusive.is_empty() && self.held.shared.is_empty())
        {
            // From byte 0 to the end: all of them. It cannot fail, and if it
            // does, the end of the description does the same.
            let _ = fcntl::set(fd, libc::F_OFD_SETLK, ByteLock::Free, 0, 0);
        }
    }
}

/// Sets the lock of one byte; `false` if another description is in the way.
fn set(fd: BorrowedFd<'_>, lock: ByteLock, byte: u64) -> io::Result<bool> {
    fcntl::set(fd, libc::F_OFD_SETLK, lock, byte, 1)
}

/// Whether another description holds a byte, in whichever way.
fn conflicts(fd: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    fcntl::conflicts(fd, libc::F_OFD_GETLK, byte)
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
