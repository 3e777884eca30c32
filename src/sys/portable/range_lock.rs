//! Locks of ranges of bytes: POSIX's, which belong to the process.
#![allow(unsafe_code)]
#![allow(
    clippy::useless_conversion,
    reason = "the types of the constants differ between systems"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Takes some bytes, alone or together with all that take them so; `false` if another
/// process is in the way. Never waits.
///
/// # Errors
/// `ENOLCK` when the system is out of locks.
pub(crate) fn take(fd: BorrowedFd<'_>, together: bool, start: u64, len: u64) -> io::Result<bool> {
    let kind = if together {
        libc::F_RDLCK
    } else {
        libc::F_WRLCK
    };
    match call(fd, libc::F_SETLK, kind.into(), start, len) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Gives some bytes up.
///
/// # Errors
/// Those of `fcntl`.
pub(crate) fn give_up(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<()> {
    call(fd, libc::F_SETLK, libc::F_UNLCK.into(), start, len).map(drop)
}

/// Whether another process holds a byte, in whichever way. Takes nothing.
///
/// # Errors
/// Those of `fcntl`.
pub(crate) fn is_taken(fd: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    let found = call(fd, libc::F_GETLK, libc::F_WRLCK.into(), byte, 1)?;
    Ok(i32::from(found.l_type) != i32::from(libc::F_UNLCK))
}

fn call(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    kind: i32,
    start: u64,
    len: u64,
) -> io::Result<libc::flock> {
    // No allocation here: a probe may be made in a signal handler.
    let offset = |value: u64| {
        libc::off_t::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    // SAFETY: O2: integers only, for which zero is valid.
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
