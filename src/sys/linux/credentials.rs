//! Which process made the other end of a Unix domain socket.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The ids of a process, as its kernel gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessIds {
    /// 0: a process that has no number in this PID namespace.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The process that connected, listened or made the pair: `SO_PEERCRED`. The kernel noted
/// it at that time, so a process that changes its user since does not change this.
///
/// (Not by `rustix`, whose process number cannot be 0.)
///
/// # Errors
/// Not a Unix domain socket, or not connected.
pub(crate) fn peer_of(socket: BorrowedFd<'_>) -> io::Result<ProcessIds> {
    let mut ids = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: O2, O3: one whole structure of ours, with its size; any bytes are valid in it.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut ids).cast(),
            &raw mut length,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    if length as usize != size_of::<libc::ucred>() || ids.uid == u32::MAX {
        return Err(io::Error::from(io::ErrorKind::NotConnected));
    }
    Ok(ProcessIds {
        pid: u32::try_from(ids.pid).unwrap_or(0),
        uid: ids.uid,
        gid: ids.gid,
    })
}
