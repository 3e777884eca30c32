//! Files and directories.
//!
//! Nothing here follows a symbolic link in the last component of a name, and
//! every descriptor is closed over `exec`.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, FlockOperation, MemfdFlags, Mode, OFlags, SealFlags,
    Stat,
};
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

/// Creates a file without a name in `dir`, open for reading and writing. Its
/// permissions are exactly `mode`, whatever the umask. Unless it is published
/// it is gone with its last descriptor and mapping.
pub(crate) fn create_unnamed(dir: BorrowedFd<'_>, mode: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let create = || rustix::fs::openat(dir, ".", flags, Mode::RUSR | Mode::WUSR);
    let file = retry_on_intr(create)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(file)
}

/// Gives the file `size` bytes, all of them zero and backed by real storage,
/// so that no later write can meet a full device.
///
/// # Errors
/// `ENOSPC` when there is no room. In memory that no mount limits (a memfd)
/// the kernel would rather kill processes than say so; there, more than the
/// whole memory of the machine is refused, and less is the caller's risk.
pub(crate) fn allocate(file: BorrowedFd<'_>, size: u64) -> io::Result<()> {
    allocate_within(file, size, memory_limit(file)?)
}

/// Gives an unnamed file its name, in one step.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when the name is taken (it is never
/// replaced); [`io::ErrorKind::Unsupported`] when `/proc` is needed for this
/// and is not mounted.
pub(crate) fn publish(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    publish_through(PROC, file, dir, name)
}

/// Gives the file that has the name `from` in `dir` the name `to`, in one step: what had
/// that name has it no more.
pub(crate) fn rename(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::renameat(dir, from, dir, to)?)
}

/// The most bytes that this process may give a file (`RLIMIT_FSIZE`), if there is a
/// limit. To ask for more raises SIGXFSZ, which ends the process.
pub(crate) fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// Opens `name` in `dir`, for reading or for both reading and writing. A
/// symbolic link is refused with `ELOOP`, and a fifo does not block the call.
pub(crate) fn open(dir: BorrowedFd<'_>, name: &OsStr, write: bool) -> io::Result<OwnedFd> {
    let flags = access(write) | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = || rustix::fs::openat(dir, name, flags, Mode::empty());
    Ok(retry_on_intr(open)?)
}

/// Reopens the file behind a descriptor: the result has an open file
/// description of its own, and so locks of its own. The permissions of the
/// file are checked again.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] when `/proc` is not mounted, or is not what
/// it seems.
pub(crate) fn reopen(file: BorrowedFd<'_>, write: bool) -> io::Result<OwnedFd> {
    reopen_through(PROC, file, write)
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

/// Creates a file that lives in memory only and may be sealed. The name is for
/// display in `/proc`.
pub(crate) fn memfd(name: &OsStr) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create(name, flags)?)
}

/// The seals that [`seal`] sets.
pub(crate) const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// Fixes the length of a memfd, and its seals, for good.
pub(crate) fn seal(file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::fs::fcntl_add_seals(file, SEALS)?)
}

/// The seals of a file; `EINVAL` for a file that cannot have any.
pub(crate) fn seals(file: BorrowedFd<'_>) -> io::Result<SealFlags> {
    Ok(rustix::fs::fcntl_get_seals(file)?)
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

/// Whether a file is in memory of ordinary pages: on a tmpfs, or a memfd that
/// is not of huge pages.
///
/// # Errors
/// Those of `fstatfs`.
pub(crate) fn is_on_tmpfs(file: BorrowedFd<'_>) -> io::Result<bool> {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the field types differ between architectures"
    )]
    let kind = rustix::fs::fstatfs(file)?.f_type as u64;
    Ok(kind == TMPFS)
}

/// The effective user of this process.
pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What the kernel says of a file system that is a tmpfs.
const TMPFS: u64 = 0x0102_1994;

/// How long to wait before asking for a taken `flock` again.
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// Where the kernel shows a process its own descriptors.
const PROC: &str = "/proc/self/fd";

fn access(write: bool) -> OFlags {
    if write { OFlags::RDWR } else { OFlags::RDONLY }
}

/// How much a file in unlimited memory can ever have; `None` if its file
/// system knows its own limit.
fn memory_limit(file: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    // What a tmpfs without a limit says, and the kernel's own for memfds.
    if rustix::fs::fstatfs(file)?.f_blocks != 0 {
        return Ok(None);
    }
    // SAFETY: O2: integers only, for which zero is valid.
    let mut info: libc::sysinfo = unsafe { mem::zeroed() };
    // SAFETY: O2: `info` is a whole `sysinfo`, ours to write to.
    if unsafe { libc::sysinfo(&mut info) } != 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(
        clippy::unnecessary_cast,
        reason = "the field types differ between architectures"
    )]
    let units = (info.totalram as u64).saturating_add(info.totalswap as u64);
    Ok(Some(units.saturating_mul(info.mem_unit.into())))
}

fn allocate_within(file: BorrowedFd<'_>, size: u64, limit: Option<u64>) -> io::Result<()> {
    if limit.is_some_and(|limit| size > limit) {
        return Err(Errno::NOSPC.into());
    }
    // In one go, so that too much is refused before any of it is taken. But
    // the tmpfs of older kernels gives everything back when a signal comes,
    // and with a steady timer a retry of the whole would never end.
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::INTR) => allocate_in_pieces(file, size),
        other => Ok(other?),
    }
}

/// Allocates as much at a time as can be had between two signals.
fn allocate_in_pieces(file: BorrowedFd<'_>, size: u64) -> io::Result<()> {
    const PIECE: usize = 1 << 20;
    for start in (0..size).step_by(PIECE) {
        let len = (size - start).min(PIECE as u64);
        let allocate = || rustix::fs::fallocate(file, FallocateFlags::empty(), start, len);
        retry_on_intr(allocate)?;
    }
    Ok(())
}

fn publish_through(
    proc: &str,
    file: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &OsStr,
) -> io::Result<()> {
    let path = format!("{proc}/{}", file.as_raw_fd());
    let linked = rustix::fs::linkat(CWD, &path, dir, name, AtFlags::SYMLINK_FOLLOW);
    match linked {
        // Either `dir` is gone or `/proc` is not there: the latter can be seen.
        Err(Errno::NOENT | Errno::NOTDIR)
            if rustix::fs::statat(CWD, &path, AtFlags::empty()).is_err() =>
        {
            // This way needs a privilege, or Linux 6.10 or later. Without
            // either, the answer is ENOENT.
            match rustix::fs::linkat(file, "", dir, name, AtFlags::EMPTY_PATH) {
                Err(Errno::NOENT) => Err(without_proc(proc)),
                other => Ok(other?),
            }
        }
        other => Ok(other?),
    }
}

fn reopen_through(proc: &str, file: BorrowedFd<'_>, write: bool) -> io::Result<OwnedFd> {
    let path = format!("{proc}/{}", file.as_raw_fd());
    let flags = access(write) | OFlags::CLOEXEC | OFlags::NONBLOCK;
    // No NOFOLLOW: the entries of `/proc` are links.
    let fresh = match retry_on_intr(|| rustix::fs::open(&path, flags, Mode::empty())) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(without_proc(proc)),
        other => other?,
    };
    let fresh_metadata = metadata(fresh.as_fd())?;
    if fresh_metadata.id() != metadata(file)?.id() {
        return Err(without_proc(proc));
    }
    Ok(fresh)
}

fn without_proc(proc: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "expected the open descriptors of this process under {proc}, found none: \
             mount /proc (in a container or a chroot: that of its own PID namespace)"
        ),
    )
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
