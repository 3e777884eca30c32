//! Files and directories: the links of regions.
//!
//! Nothing here follows a symbolic link in the last component of a name, and
//! every descriptor is closed over `exec`.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

pub(crate) use super::leftovers::{clean_up, discard};
use super::link::{LOCK_SUFFIX, LONGEST_FILE, Link, MemoryId, PART_SUFFIX};
use super::map::Mapping;
use super::memory;
use crate::sys::handle::{AsFd, BorrowedFd, OwnedFd};
pub(crate) use crate::sys::system::file::{
    FileId, FileKind, Metadata, effective_user, flock_exclusive, funlock, is_sparse,
    make_directory, metadata, metadata_at, name_problem, names, open, open_directory, read_start,
    refused_kind, rename, split, unlink, write_start,
};
use crate::sys::system::file::{rename_new, set_mode};

/// Whether a ring can be passed on by a descriptor of its file.
pub(crate) const PASSES_DESCRIPTORS: bool = false;

/// Whether what has a link open may find its memory gone, once the link has lost its name.
pub(crate) const MEMORY_GOES_WITH_NAME: bool = true;

/// How names end that begin as those of replacements do, and that this backend keeps for
/// files of its own.
pub(crate) const OWN_SUFFIXES: [&str; 2] = [LOCK_SUFFIX, PART_SUFFIX];

/// Where the default directory of regions is made.
pub(crate) fn memory_directory() -> PathBuf {
    std::env::temp_dir()
}

/// Bytes of the region that a link leads to. For a file that is no link, which the check
/// of its header refuses or which another backend made, its own size.
///
/// # Errors
/// Those of `pread`.
pub(crate) fn region_size(file: BorrowedFd<'_>, facts: &Metadata) -> io::Result<u64> {
    Ok(Link::read(file)?.map_or(facts.size, |link| link.size))
}

/// Makes the link of memory that is to be made, with these permissions. It has the name
/// [`MemoryId::part_name`] in `dir` until it is published.
pub(crate) fn create_part(dir: BorrowedFd<'_>, id: MemoryId, mode: u32) -> io::Result<OwnedFd> {
    let file = create_new(dir, &id.part_name())?;
    let memory = Some(id);
    let link = Link {
        memory,
        size: 0,
        is_copy: false,
    };
    link.write(file.as_fd())?;
    set_mode(file.as_fd(), mode)?;
    Ok(file)
}

/// Makes a file that must not exist yet, for this user alone.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] where files may not be as long as those here are: to go
/// beyond is answered by a signal that ends the process. Those of `openat`.
pub(crate) fn create_new(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match size_limit() {
        Some(limit) if limit < LONGEST_FILE => Err(io::ErrorKind::FileTooLarge.into()),
        _ => crate::sys::system::file::create_new(dir, name),
    }
}

/// Makes the link of memory without a name: a file that has lost its own.
pub(crate) fn create_nameless() -> io::Result<OwnedFd> {
    let at = open_directory(&std::env::temp_dir().canonicalize()?)?;
    let dir = at.as_fd();
    let name = MemoryId::random().part_name();
    let file = create_new(dir, &name)?;
    unlink(dir, &name)?;
    let nothing = Link {
        memory: None,
        size: 0,
        is_copy: false,
    };
    nothing.write(file.as_fd())?;
    Ok(file)
}

/// Makes the memory of a link: `size` bytes, all of them zero. On Linux they are backed by
/// real storage.
///
/// # Errors
/// Those of [`memory::create`].
pub(crate) fn allocate(file: BorrowedFd<'_>, size: u64) -> io::Result<()> {
    let link = Link::expect(file)?;
    if let Some(id) = link.memory {
        memory::create(id, size)?;
    }
    Link { size, ..link }.write(file)?;
    let whole = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    // What the system does not give is found out now, while it can be said that there is no room.
    Mapping::shared(file, whole).map(drop)
}

/// Gives a link its name, in one step.
///
/// # Errors
/// As [`rename_new`].
pub(crate) fn publish(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let id = Link::expect(file)?.memory.ok_or(io::ErrorKind::NotFound)?;
    rename_new(dir, &id.part_name(), name)
}

/// Another descriptor of the same file. (A file without a name cannot be opened again;
/// locks do not depend on it here.)
pub(crate) fn reopen(file: BorrowedFd<'_>, _write: bool) -> io::Result<OwnedFd> {
    file.try_clone_to_owned()
}

/// The longest that this process may make a file. On Linux memory is one, too.
pub(crate) fn size_limit() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    #[cfg(not(target_os = "linux"))]
    None
}

/// Nothing is passed here, so nothing is sealed.
pub(crate) fn seal(_file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Nothing is passed here, so nothing is looked at.
pub(crate) fn missing_seal(_file: BorrowedFd<'_>) -> Option<&'static str> {
    None
}

/// Nothing is passed here, so nothing is looked at.
pub(crate) fn is_on_tmpfs(_file: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(true)
}
