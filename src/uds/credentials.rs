//! The process at the other end, and whether it is admitted.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::sys::credentials::peer_of;
use crate::sys::file::effective_user;

/// The process at the other end, as the kernel recorded it (`SO_PEERCRED`) when it connected, or
/// began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// Its process id in this process's PID namespace; 0 if it has none there. The kernel reuses
    /// ids, so use this for display only.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl PeerCredentials {
    pub(super) fn of(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
        let ids = peer_of(socket)?;
        Ok(PeerCredentials {
            pid: ids.pid,
            uid: ids.uid,
            gid: ids.gid,
        })
    }
}

impl fmt::Display for PeerCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PeerCredentials { pid, uid, gid } = self;
        write!(f, "process {pid} of user {uid} and group {gid}")
    }
}

/// Who is admitted.
#[derive(Clone)]
pub(super) enum Policy {
    /// Processes of this process's effective user.
    SameUser,
    /// As the user's closure says.
    Asked(Arc<dyn Fn(&PeerCredentials) -> bool + Send + Sync>),
}

impl Policy {
    pub(super) fn admits(&self, peer: &PeerCredentials) -> bool {
        match self {
            Policy::SameUser => peer.uid == effective_user(),
            Policy::Asked(admits) => admits(peer),
        }
    }
}
