//! Files and directories, by calls that every Unix has.
//!
//! Nothing here follows a symbolic link in the last component of a name, and
//! every descriptor is closed over `exec`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::clock::MonotonicTime;

/// What sort of thing a name or a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file, a memfd included.
    Regular,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A fifo, a socket or a device.
    Other,
}

/// Which file it is: as long as a process has it open, no other file has the
/// same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    /// The device that holds the file.
    pub(crate) device: u64,
    /// Its number on that device.
    pub(crate) inode: u64,
}

/// What `stat` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The device that holds the file.
    pub(crate) device: u64,
    /// Its number on that device.
    pub(crate) inode: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// The permission bits, set-id and sticky bits included; not the kind.
    pub(crate) mode: u32,
    /// The user id of the owner.
    pub(crate) owner: u32,
    /// What sort of thing it is.
    pub(crate) kind: FileKind,
    /// How many names it has; 0 once it is unlinked.
    pub(crate) links: u64,
}

impl Metadata {
    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        FileId {
            device: self.device,
            inode: self.inode,
        }
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the field types differ between architectures"
    )]
    fn from_stat(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode as u32 & 0o7777,
            owner: stat.st_uid as u32,
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => FileKind::Regular,
                FileType::Symlink => FileKind::Symlink,
                FileType::Directory => FileKind::Directory,
                _ => FileKind::Other,
            },
            links: stat.st_nlink as u64,
        }
    }
}

/// The facts of an open file.
pub(crate) fn metadata(fd: BorrowedFd<'_>) -> io::Result<Metadata> {
    Ok(Metadata::from_stat(&rustix::fs::fstat(fd)?))
}

/// The facts of what `name` in `dir` stands for; of a link itself, not of what
/// it leads to.
pub(crate) fn metadata_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Metadata> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Metadata::from_stat(&stat))
}

/// Opens a directory. A symbolic link as the last component is refused (with
/// `ENOTDIR`, as anything is that is no directory); a trailing slash does not
/// change that.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    // The kernel follows a last link if a slash comes after it.
    let path = path.components().as_path();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::open(path, flags, Mode::empty());
    Ok(retry_on_intr(open)?)
}

/// Gives the file that has the name `from` in `dir` the name `to`, in one step: what had
/// that name has it no more.
pub(crate) fn rename(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::renameat(dir, from, dir, to)?)
}

/// Opens `name` in `dir`, for reading or for both reading and writing. A
/// symbolic link is refused with `ELOOP`, and a fifo does not block the call.
pub(crate) fn open(dir: BorrowedFd<'_>, name: &OsStr, write: bool) -> io::Result<OwnedFd> {
    let flags = access(write) | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = || rustix::fs::openat(dir, name, flags, Mode::empty());
    Ok(retry_on_intr(open)?)
}

/// Removes the name; the file lives on for processes that have it open.
pub(crate) fn unlink(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
}

/// Takes the exclusive `flock` of an open file or directory, and waits for it
/// until `deadline`. It lasts until the last descriptor is closed.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when others have it until then: a process that may
/// read a file may hold its lock, for however long.
pub(crate) fn flock_exclusive(file: BorrowedFd<'_>, deadline: MonotonicTime) -> io::Result<()> {
    let lock = || rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    loop {
        match retry_on_intr(lock) {
            Err(Errno::WOULDBLOCK) if MonotonicTime::now() < deadline => {
                thread::sleep(BETWEEN_TRIES)
            }
            Err(Errno::WOULDBLOCK) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "expected its flock to be free soon, found that another process keeps it: \
                     see /proc/locks for which",
                ));
            }
            other => return Ok(other?),
        }
    }
}

/// Reads the first bytes of a file, as many as there are, into `bytes`.
///
/// # Errors
/// Those of `pread`.
pub(crate) fn read_start(file: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        let rest = &mut bytes[read..];
        match retry_on_intr(|| rustix::io::pread(file, &mut *rest, read as u64))? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// Writes all of `bytes` to the start of a file.
///
/// # Errors
/// Those of `pwrite`; [`io::ErrorKind::WriteZero`].
pub(crate) fn write_start(file: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match retry_on_intr(|| rustix::io::pwrite(file, &bytes[written..], written as u64))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => written += more,
        }
    }
    Ok(())
}

/// The names in a directory, without `.` and `..`, in no order.
///
/// # Errors
/// Those of `openat` and `getdents`.
pub(crate) fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}

/// Gives up what [`flock_exclusive`] took.
///
/// # Errors
/// Those of `flock`.
pub(crate) fn funlock(file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::Unlock)?)
}

/// The effective user of this process.
pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// How long to wait before asking for a taken `flock` again.
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// For reading, or for both reading and writing.
pub(crate) fn access(write: bool) -> OFlags {
    if write { OFlags::RDWR } else { OFlags::RDONLY }
}

/// Why a descriptor is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// This is a forked child of the process that opened it.
    Forked,
    /// The program has closed the number behind our back.
    Closed(RawFd),
}

impl From<Unusable> for io::Error {
    fn from(reason: Unusable) -> io::Error {
        io::Error::other(match reason {
            Unusable::Forked => "expected the process that opened this descriptor, found a forked \
                                 child of it: open the file in the child itself"
                .to_owned(),
            Unusable::Closed(number) => format!(
                "expected descriptor {number} to stand for the file it was opened for, found it \
                 closed or used for another file: do not close descriptors that are not yours"
            ),
        })
    }
}
