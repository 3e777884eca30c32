//! Locks of bytes by `fcntl`: of an open file description, or of a process, as the command
//! says.
#![allow(unsafe_code)]
#![allow(
    clippy::useless_conversion,
    reason = "the types of the constants differ between systems"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What is done with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteLock {
    /// Taken by one holder.
    Exclusive,
    /// Taken together with all that take them so.
    Shared,
    /// Given up.
    Free,
}

/// Does so by `command`, which sets locks and does not wait; `false` if another holder is in
/// the way. A length of 0: to the end, wherever that is.
///
/// # Errors
/// Those of `fcntl`; [`io::ErrorKind::InvalidInput`] beyond what an `off_t` can say.
pub(crate) fn set(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    lock: ByteLock,
    start: u64,
    len: u64,
) -> io::Result<bool> {
    match call(fd, command, lock, start, len) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Whether another holder has a byte, in whichever way, by `command`, which tells. Takes
/// nothing, and allocates nothing: a probe may be made in a signal handler.
///
/// # Errors
/// As [`set`].
pub(crate) fn conflicts(fd: BorrowedFd<'_>, command: libc::c_int, byte: u64) -> io::Result<bool> {
    let found = call(fd, command, ByteLock::Exclusive, byte, 1)?;
    Ok(i32::from(found.l_type) != i32::from(libc::F_UNLCK))
}

fn call(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    lock: ByteLock,
    start: u64,
    len: u64,
) -> io::Result<libc::flock> {
    let offset = |value: u64| {
        libc::off_t::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    let kind = match lock {
        ByteLock::Exclusive => i32::from(libc::F_WRLCK),
        ByteLock::Shared => i32::from(libc::F_RDLCK),
        ByteLock::Free => i32::from(libc::F_UNLCK),
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
        // ours to write to, which is what such commands take.
        if unsafe { libc::fcntl(fd.as_raw_fd(), command, &mut request) } == 0 {
            return Ok(request);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
