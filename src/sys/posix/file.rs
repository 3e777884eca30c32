//! Files and directories, by calls that every Unix has.
//!
//! Nothing here follows a symbolic link in the last component of a name, and
//! every descriptor is closed over `exec`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

#[cfg(any(feature = "portable", not(target_os = "linux")))]
use rustix::fs::RenameFlags;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use crate::sys::clock::MonotonicTime;
pub(crate) use crate::sys::metadata::{FileId, FileKind, Metadata};

/// The facts of an open file.
pub(crate) fn metadata(fd: BorrowedFd<'_>) -> io::Result<Metadata> {
    Ok(from_stat(&rustix::fs::fstat(fd)?))
}

/// The facts of what `name` in `dir` stands for; of a link itself, not of what
/// it leads to.
pub(crate) fn metadata_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Metadata> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(from_stat(&stat))
}

/// Whether a file has less storage than its length: no region that this crate makes does.
pub(crate) fn is_sparse(path: &Path) -> bool {
    const UNIT: u64 = 512; // of `st_blocks`
    fs::metadata(path).is_ok_and(|facts| facts.blocks().saturating_mul(UNIT) < facts.len())
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

/// Gives the file that has the name `from` in `dir` the name `to`, in one step.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when the name is taken (it is never replaced);
/// [`io::ErrorKind::Unsupported`] on a file system that cannot tell.
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub(crate) fn rename_new(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "expected a file system that renames without replacing, found one that does not: \
             set MEMRING_DIR to a directory on a local disk",
        )),
        other => Ok(other?),
    }
}

/// Makes a file that must not exist yet, for this user alone.
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub(crate) fn create_new(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR);
    Ok(retry_on_intr(create)?)
}

/// Gives a file these permissions.
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub(crate) fn set_mode(file: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode as _))?)
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
    read_at(file, bytes, 0)
}

/// Reads a file from `offset` on, as much as there is, into `bytes`.
///
/// # Errors
/// As [`read_start`].
pub(crate) fn read_at(file: BorrowedFd<'_>, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        let (rest, at) = (&mut bytes[read..], offset + read as u64);
        match retry_on_intr(|| rustix::io::pread(file, &mut *rest, at))? {
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
    write_at(file, bytes, 0)
}

/// Writes all of `bytes` to a file, from `offset` on.
///
/// # Errors
/// As [`write_start`].
pub(crate) fn write_at(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match retry_on_intr(|| rustix::io::pwrite(file, bytes, offset))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => {
                bytes = &bytes[more..];
                offset += more as u64;
            }
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

/// Makes a directory for this user alone.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; those of `mkdir`.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// A path's directory, if it names one, and what comes after it: all after the last slash,
/// which may be nothing.
pub(crate) fn split(path: &Path) -> (Option<&Path>, &OsStr) {
    let bytes = path.as_os_str().as_bytes();
    match bytes.iter().rposition(|byte| *byte == b'/') {
        None => (None, path.as_os_str()),
        Some(at) => (
            Some(Path::new(OsStr::from_bytes(&bytes[..at.max(1)]))),
            OsStr::from_bytes(&bytes[at + 1..]),
        ),
    }
}

/// Why a name without a slash cannot be a file's here, beside what every system refuses.
pub(crate) fn name_problem(_name: &OsStr) -> Option<&'static str> {
    None
}

/// What is there, if [`open`] failed because it opens no such thing.
pub(crate) fn refused_kind(error: &io::Error) -> Option<FileKind> {
    match Errno::from_io_error(error)? {
        Errno::LOOP => Some(FileKind::Symlink),
        Errno::ISDIR => Some(FileKind::Directory),
        // A socket, or a device that is not there.
        Errno::NXIO => Some(FileKind::Other),
        _ => None,
    }
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

#[allow(
    clippy::unnecessary_cast,
    reason = "the field types differ between architectures"
)]
fn from_stat(stat: &Stat) -> Metadata {
    Metadata {
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
