//! Files and directories.
//!
//! Nothing here follows a symbolic link in the last component of a name, and
//! every descriptor is closed over `exec`.
#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::sys::posix::file::access;
pub(crate) use crate::sys::posix::file::{
    FileId, FileKind, Metadata, effective_user, flock_exclusive, funlock, is_sparse,
    make_directory, metadata, metadata_at, name_problem, names, open, open_directory, read_start,
    refused_kind, rename, split, unlink, write_start,
};

/// Whether a ring can be passed on by a descriptor of its file.
pub(crate) const PASSES_DESCRIPTORS: bool = true;

/// Whether what has a file open may find its memory gone, once the file has lost its name.
pub(crate) const MEMORY_GOES_WITH_NAME: bool = false;

/// How names end that begin as those of replacements do, and that this backend keeps for
/// files of its own.
pub(crate) const OWN_SUFFIXES: [&str; 0] = [];

/// Where the default directory of regions is made.
pub(crate) fn memory_directory() -> PathBuf {
    "/dev/shm".into()
}

/// Bytes of the region in a file of these facts.
///
/// # Errors
/// None: it is the file's own size.
pub(crate) fn region_size(_file: BorrowedFd<'_>, facts: &Metadata) -> io::Result<u64> {
    Ok(facts.size)
}

/// Gives back what a file without a name led to: nothing, for it is the memory itself.
pub(crate) fn discard(_dir: BorrowedFd<'_>, _file: BorrowedFd<'_>) {}

/// Gives back what creators left in `dir` that were killed: they leave nothing.
pub(crate) fn clean_up(_dir: BorrowedFd<'_>) {}

/// What the seals of a passed file allow that they must not.
pub(crate) fn missing_seal(file: BorrowedFd<'_>) -> Option<&'static str> {
    // A file that knows no seals has none.
    let seals = seals(file).unwrap_or(SealFlags::empty());
    let needed = [
        (SealFlags::SHRINK, "shrinking"),
        (SealFlags::GROW, "growing"),
        (SealFlags::SEAL, "more seals"),
    ];
    let mut missing = needed
        .into_iter()
        .filter(|(seal, _)| !seals.contains(*seal));
    missing.next().map(|(_, missing)| missing)
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

/// The most bytes that this process may give a file (`RLIMIT_FSIZE`), if there is a
/// limit. To ask for more raises SIGXFSZ, which ends the process.
pub(crate) fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
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

/// What the kernel says of a file system that is a tmpfs.
const TMPFS: u64 = 0x0102_1994;

/// Where the kernel shows a process its own descriptors.
const PROC: &str = "/proc/self/fd";

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

/// Allocates as much at a time as succeeds between two signals.
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
