//! Byte locks: held by processes that are alive, dropped by the kernel at death.
//!
//! These are open file description locks. They end with the last descriptor
//! and mapping of their open file description, whatever ends that; a stopped
//! process keeps them; closing some other descriptor of the file does not end
//! them. Two locks through one description never conflict, so a table says
//! what this one holds. The bytes need not exist in the file.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use super::file::FileId;
use super::fork::PrivateFd;

/// What came of asking for an exclusive lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It is ours now.
    Taken,
    /// This description holds the byte already, exclusively or shared.
    HeldHere,
    /// Another description holds the byte, in whichever way.
    HeldElsewhere,
}

/// The bytes that this description holds.
#[derive(Debug, Default)]
struct HeldLocks {
    exclusive: BTreeSet<u64>,
    shared: BTreeSet<u64>,
}

impl HeldLocks {
    fn has(&self, byte: u64) -> bool {
        self.exclusive.contains(&byte) || self.shared.contains(&byte)
    }

    fn is_empty(&self) -> bool {
        self.exclusive.is_empty() && self.shared.is_empty()
    }
}

/// A file by whose bytes processes tell each other that they live.
///
/// Every call makes sure that the descriptor is still the one it was: in a
/// forked child, and after the program has closed it behind our back, each
/// returns an error that says so and touches no file. Dropping it gives up
/// every byte, even if a copy of the descriptor or a mapping lives on.
#[derive(Debug)]
pub(crate) struct LockFile {
    fd: PrivateFd,
    held: Mutex<HeldLocks>,
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
            held: Mutex::default(),
        })
    }

    /// Takes a byte for this description alone, if it is free. A lock that is
    /// held here, shared or not, stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`]; `EBADF` for a descriptor that may not write;
    /// `ENOLCK` when the kernel is out of locks.
    pub(crate) fn try_exclusive(&self, byte: u64) -> io::Result<Acquired> {
        let (fd, mut held) = self.enter()?;
        if held.has(byte) {
            return Ok(Acquired::HeldHere);
        }
        if !set(fd, libc::F_WRLCK, byte)? {
            return Ok(Acquired::HeldElsewhere);
        }
        held.exclusive.insert(byte);
        Ok(Acquired::Taken)
    }

    /// Takes a byte together with all that take it shared; whether it is held
    /// shared now. `false` if a description, this one included, holds it
    /// exclusively.
    ///
    /// # Errors
    /// See [`LockFile`]; `ENOLCK` when the kernel is out of locks.
    pub(crate) fn shared(&self, byte: u64) -> io::Result<bool> {
        let (fd, mut held) = self.enter()?;
        if held.has(byte) {
            return Ok(held.shared.contains(&byte));
        }
        let taken = set(fd, libc::F_RDLCK, byte)?;
        if taken {
            held.shared.insert(byte);
        }
        Ok(taken)
    }

    /// Gives a byte up. One that is not held here stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn unlock(&self, byte: u64) -> io::Result<()> {
        let (fd, mut held) = self.enter()?;
        if held.has(byte) {
            set(fd, libc::F_UNLCK, byte)?;
            held.exclusive.remove(&byte);
            held.shared.remove(&byte);
        }
        Ok(())
    }

    /// Whether a process holds a byte, in whichever way, this description
    /// included. Takes nothing; a descriptor for reading will do.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn is_held(&self, byte: u64) -> io::Result<bool> {
        let (fd, held) = self.enter()?;
        Ok(held.has(byte) || conflicts(fd, byte)?)
    }

    /// The descriptor, made sure of.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.fd.verified()
    }

    /// Which file it is.
    #[cfg(test)]
    pub(crate) fn file(&self) -> FileId {
        self.fd.file()
    }

    /// The descriptor first: in a forked child the table may be locked by a
    /// thread that is not there.
    fn enter(&self) -> io::Result<(BorrowedFd<'_>, MutexGuard<'_, HeldLocks>)> {
        let fd = self.fd.verified()?;
        // The table changes only after the kernel has agreed, in one step.
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((fd, held))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if let Ok((fd, held)) = self.enter()
            && !held.is_empty()
        {
            // From byte 0 to the end: all of them. It cannot fail, and if it
            // does, the end of the description does the same.
            let _ = call(fd, libc::F_OFD_SETLK, libc::F_UNLCK, 0, 0);
        }
    }
}

/// Sets the lock of one byte; `false` if another description is in the way.
fn set(fd: BorrowedFd<'_>, kind: libc::c_int, byte: u64) -> io::Result<bool> {
    match call(fd, libc::F_OFD_SETLK, kind, byte, 1) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Whether another description holds a byte, in whichever way.
fn conflicts(fd: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    let found = call(fd, libc::F_OFD_GETLK, libc::F_WRLCK, byte, 1)?;
    Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
}

fn call(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    kind: libc::c_int,
    start: u64,
    len: u64,
) -> io::Result<libc::flock> {
    let offset = |value: u64| {
        libc::off_t::try_from(value).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("expected a lock offset that the kernel can express, found {value}"),
            )
        })
    };
    // SAFETY: O2: integers only, for which zero is valid. In particular `l_pid`
    // must be 0.
    let mut request: libc::flock = unsafe { mem::zeroed() };
    request.l_type = kind as libc::c_short;
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = offset(start)?;
    request.l_len = offset(len)?;
    loop {
        // SAFETY: O2, O3: the descriptor is open, and `request` is a whole `flock`,
        // ours to write to, which is what both commands take.
        if unsafe { libc::fcntl(fd.as_raw_fd(), command, &mut request) } == 0 {
            return Ok(request);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
