//! Locks of ranges of bytes: POSIX's, which belong to the process.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys::posix::fcntl::{self, ByteLock};

/// Takes some bytes, alone or together with all that take them so; `false` if another
/// process is in the way. Never waits.
///
/// # Errors
/// `ENOLCK` when the system is out of locks.
pub(crate) fn take(fd: BorrowedFd<'_>, together: bool, start: u64, len: u64) -> io::Result<bool> {
    let lock = match together {
        true => ByteLock::Shared,
        false => ByteLock::Exclusive,
    };
    fcntl::set(fd, libc::F_SETLK, lock, start, len)
}

/// Gives some bytes up.
///
/// # Errors
/// Those of `fcntl`.
pub(crate) fn give_up(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<()> {
    fcntl::set(fd, libc::F_SETLK, ByteLock::Free, start, len).map(drop)
}

/// Whether another process holds a byte, in whichever way. Takes nothing.
///
/// # Errors
/// Those of `fcntl`.
pub(crate) fn is_taken(fd: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    fcntl::conflicts(fd, libc::F_GETLK, byte)
}
