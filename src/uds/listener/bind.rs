//! Taking an address, and giving it back.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::clock::MonotonicTime;
use crate::sys::file::flock_exclusive;
use crate::sys::fork::{PrivateFd, ProcessToken};
use crate::sys::socket::{self, SocketAddrUnix};
use crate::uds::address::SocketAddress;
use crate::uds::error::RendezvousError;

/// How long to wait for another that takes an address in the same directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one that listens may take to say so.
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);

/// Listens there. Of a path also what takes it away again.
pub(super) fn bind(
    address: &SocketAddress,
    mode: u32,
) -> Result<(PrivateFd, Option<BoundPath>), RendezvousError> {
    let unix = address
        .to_unix()
        .map_err(|reason| RendezvousError::InvalidAddress {
            address: address.clone(),
            reason,
        })?;
    match address.path() {
        Some(path) => {
            let (socket, bound) = bind_path(address, &unix, path, mode)?;
            Ok((socket, Some(bound)))
        }
        None => {
            let socket = listen(&unix, mode).map_err(|error| taken(address, error))?;
            Ok((socket, None))
        }
    }
}

fn listen(unix: &SocketAddrUnix, mode: u32) -> io::Result<PrivateFd> {
    // The file is made with the socket's mode, so it never has a wider one.
    PrivateFd::open(|| socket::listen(unix, |fd| socket::set_mode(fd, mode)))
}

fn taken(address: &SocketAddress, error: io::Error) -> RendezvousError {
    match error.kind() {
        io::ErrorKind::AddrInUse => RendezvousError::AddressInUse {
            address: address.clone(),
            by: "by another listener",
        },
        _ => RendezvousError::os("listen at an address")(error),
    }
}

fn bind_path(
    address: &SocketAddress,
    unix: &SocketAddrUnix,
    path: &Path,
    mode: u32,
) -> Result<(PrivateFd, BoundPath), RendezvousError> {
    // Over all of it: between its bind and its listen another listener looks like a dead one.
    let _lock = lock_directory(path)?;
    let socket = match listen(unix, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_dead(address, unix, path)?;
            listen(unix, mode).map_err(|error| taken(address, error))?
        }
        listening => listening.map_err(|error| taken(address, error))?,
    };
    let os = RendezvousError::os("look at the socket of a listener");
    let bound = BoundPath::new(path).map_err(&os)?;
    // Whatever the umask.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(&os)?;
    Ok((socket, bound))
}

/// `None`: the directory cannot be read, so that nothing is locked.
fn lock_directory(path: &Path) -> Result<Option<File>, RendezvousError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let Ok(directory) = File::open(parent.unwrap_or(Path::new("."))) else {
        return Ok(None);
    };
    let now = MonotonicTime::now();
    let deadline = now.checked_add(LOCK_TIMEOUT).unwrap_or(now);
    flock_exclusive(directory.as_fd(), deadline)
        .map_err(RendezvousError::os("lock the directory of a listener"))?;
    Ok(Some(directory))
}

/// Removes what a listener has left that has died.
fn remove_dead(
    address: &SocketAddress,
    unix: &SocketAddrUnix,
    path: &Path,
) -> Result<(), RendezvousError> {
    let in_use = |by| RendezvousError::AddressInUse {
        address: address.clone(),
        by,
    };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RendezvousError::os("look at an address")(error)),
    };
    if !found.file_type().is_socket() {
        return Err(in_use("by a file that is not a socket"));
    }
    match socket::connect(unix, PROBE_TIMEOUT) {
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(RendezvousError::os("remove the socket of a dead listener")(
                        error,
                    ))
                }
                _ => Ok(()),
            }
        }
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            Err(in_use("by a socket of another type"))
        }
        _ => Err(in_use("by another listener")),
    }
}

/// The file of a listener; removed when this is dropped, by the process that made it.
pub(super) struct BoundPath {
    path: PathBuf,
    file: (u64, u64),
    token: ProcessToken,
}

impl BoundPath {
    fn new(path: &Path) -> io::Result<BoundPath> {
        let token = ProcessToken::here()?;
        let found = fs::symlink_metadata(path)?;
        Ok(BoundPath {
            // Whatever the current directory is then.
            path: std::path::absolute(path)?,
            file: (found.dev(), found.ino()),
            token,
        })
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let is_ours = self.token.is_here()
            && fs::symlink_metadata(&self.path)
                .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}
