//! Making a region: whole before it has a name, so that no opener ever sees half of
//! one and a creator that dies leaves nothing behind.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use super::header::Description;
use super::name::RegionPath;
use super::os_error;
use super::region::{MapMode, MapOptions, Region};
use crate::error::RingError;
use crate::sys::failpoints::failpoint;
use crate::sys::file;
use crate::sys::handle::{AsFd, BorrowedFd};
use crate::sys::lock::LockFile;

/// Makes a region and gives it a name, which must be free. `prepare` writes the
/// object's first words.
pub(crate) fn named(
    at: &RegionPath,
    description: &Description,
    mode: u32,
    options: MapOptions,
    prepare: impl FnOnce(&Region),
) -> Result<Region, RingError> {
    let taken = || RingError::AlreadyExists {
        path: at.path.clone(),
    };
    // First, although the last step finds out as well: it is of no use to free space for
    // a ring whose name is taken.
    if file::metadata_at(at.directory.as_fd(), &at.name).is_ok() {
        return Err(taken());
    }
    file::clean_up(at.directory.as_fd());
    let mut region = unnamed(at, description, mode, options, prepare)?;
    let os = |action| os_error(action, &Some(at.path.clone()));
    let fd = region.file().map_err(os("use"))?;
    match file::publish(fd, at.directory.as_fd(), &at.name) {
        Ok(()) => {
            region.look_for_name();
            failpoint!(NamePublished);
            Ok(region)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken()),
        Err(error) => Err(os("name")(error)),
    }
}

/// Makes a region for the name at `at`, which it does not have yet.
pub(crate) fn unnamed(
    at: &RegionPath,
    description: &Description,
    mode: u32,
    options: MapOptions,
    prepare: impl FnOnce(&Region),
) -> Result<Region, RingError> {
    let path = Some(at.path.clone());
    let os = |action| os_error(action, &path);
    let directory = at.directory.as_fd();
    let locks = LockFile::create(directory, mode).map_err(os("make a file without a name for"))?;
    failpoint!(FileMade);
    let fd = locks.as_fd().map_err(os("use"))?;
    fill(fd, description, &path)?;
    let region = Region::assemble(
        locks,
        description,
        path.clone(),
        false,
        None,
        MapMode::Use(options),
    )?;
    prepare(&region);
    // Before the name: a process that meets it finds it in use.
    region.mark_in_use().map_err(os("lock"))?;
    failpoint!(UsersLocked);
    Ok(region)
}

/// Makes a region without a name: a sealed memfd.
pub(crate) fn anonymous(
    description: &Description,
    options: MapOptions,
    prepare: impl FnOnce(&Region),
) -> Result<Region, RingError> {
    let os = |action| os_error(action, &None);
    let made = LockFile::in_memory(OsStr::new("memring"));
    let (locks, share) = made.map_err(os("make a memfd for"))?;
    failpoint!(FileMade);
    fill(locks.as_fd().map_err(os("use"))?, description, &None)?;
    if let Some(share) = &share {
        file::seal(share.as_fd()).map_err(os("seal"))?;
    }
    failpoint!(FileSealed);
    let options = MapMode::Use(options);
    let region = Region::assemble(locks, description, None, false, share, options)?;
    prepare(&region);
    region.mark_in_use().map_err(os("lock"))?;
    failpoint!(UsersLocked);
    Ok(region)
}

/// Gives the file its size, every block allocated, and its header.
fn fill(
    fd: BorrowedFd<'_>,
    description: &Description,
    path: &Option<PathBuf>,
) -> Result<(), RingError> {
    let size = description.size;
    // Asked first: to go beyond it is answered by a signal that ends the process.
    if let Some(limit) = file::size_limit()
        && size > limit
    {
        return Err(RingError::FileSizeLimit {
            needed: size,
            limit,
            path: path.clone(),
        });
    }
    file::allocate(fd, size).map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::OutOfMemory => RingError::NoSpace {
            needed: size,
            path: path.clone(),
        },
        _ => os_error("allocate", path)(source),
    })?;
    failpoint!(FileAllocated);
    file::write_start(fd, bytemuck::bytes_of(&description.to_header()))
        .map_err(os_error("write the header of", path))?;
    failpoint!(HeaderWritten);
    Ok(())
}
