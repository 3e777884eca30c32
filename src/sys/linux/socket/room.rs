//! Whether a socket takes another message now.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::net::sockopt;

/// Whether the send buffer of `socket` has room for one more message, or for the beginning of one:
/// that is so as long as what it counts for those under way is less than its size.
pub(crate) fn has_room(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let size = sockopt::socket_send_buffer_size(socket)?;
    let mut used: libc::c_int = 0;
    // SAFETY: O2: the kernel writes one whole integer, which is ours; any value is valid.
    let failed = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut used) } != 0;
    match failed {
        true => Err(io::Error::last_os_error()),
        false => Ok(usize::try_from(used).is_ok_and(|used| used < size)),
    }
}
