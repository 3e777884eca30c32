//! Opening a region: nothing in the file is believed before it has been copied
//! and checked, and nothing is read twice.

use std::io;
use std::path::PathBuf;

use super::header::Description;
use super::layout::{Header, MAGIC, USERS_BYTE};
use super::name::RegionPath;
use super::region::{MapMode, MapOptions, Region, check_passing};
use super::{mismatch, os_error};
use crate::error::{Mismatch, RingError};
use crate::sys::file::{self, FileKind, Metadata};
use crate::sys::handle::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::lock::LockFile;

/// How often a name may change its file while it is opened.
pub(crate) const MAX_TRIES: u32 = 100;

/// Opens the region at `at`. `accept` checks the object, and says what is known of
/// it.
pub(crate) fn named<C>(
    at: &RegionPath,
    allow_foreign: bool,
    options: MapOptions,
    accept: impl Fn(&Description) -> Result<C, Mismatch>,
) -> Result<(Region, C), RingError> {
    let path = Some(at.path.clone());
    let os = |action| os_error(action, &path);
    for _ in 0..MAX_TRIES {
        let locks = open_locks(at, true)?;
        let metadata = locks
            .as_fd()
            .and_then(file::metadata)
            .map_err(os("look at"))?;
        check_file(&metadata, allow_foreign).map_err(|wrong| mismatch(&path, wrong))?;
        locks.shared(USERS_BYTE).map_err(os("lock"))?;
        // Between opening and locking it may have been removed as unused.
        let now = match file::metadata_at(at.directory.as_fd(), &at.name) {
            Ok(now) if now.id() == metadata.id() => now,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(os("look at")(error)),
        };
        // Not all file systems count the names.
        let has_name = now.links > 0;
        let options = MapMode::Use(options);
        match assemble(locks, &metadata, path.clone(), has_name, options, &accept) {
            Err(_) if has_gone(at, &metadata) => continue,
            opened => return opened,
        }
    }
    Err(unstable(at))
}

/// Opens the region behind a descriptor that was inherited or received.
pub(crate) fn from_fd<C>(
    fd: BorrowedFd<'_>,
    allow_foreign: bool,
    options: MapOptions,
    accept: impl FnOnce(&Description) -> Result<C, Mismatch>,
) -> Result<(Region, C), RingError> {
    check_passing()?;
    let os = |action| os_error(action, &None);
    let wrong = |wrong| mismatch(&None, wrong);
    // First what it is: to open a socket or a directory again fails with less
    // to say.
    let given = file::metadata(fd).map_err(os("look at"))?;
    check_kind(&given).map_err(wrong)?;
    // Its open file description may be shared with the giver, whose death and
    // whose locks would then be ours.
    let locks = LockFile::reopen(fd).map_err(os("reopen"))?;
    let own = locks.as_fd().map_err(os("use"))?;
    let metadata = file::metadata(own).map_err(os("look at"))?;
    if metadata.links == 0 {
        check_seals(own).map_err(wrong)?;
        // No seal keeps the giver from making holes. In ordinary pages they are
        // zeroes; in huge ones, of which none may be left, a SIGBUS.
        if !file::is_on_tmpfs(own).map_err(os("look at"))? {
            return Err(wrong(Mismatch::NotTmpfs));
        }
    } else {
        check_file(&metadata, allow_foreign).map_err(wrong)?;
    }
    locks.shared(USERS_BYTE).map_err(os("lock"))?;
    // The size as of now: before the seals were seen it might still change.
    let now = file::metadata(own).map_err(os("look at"))?;
    let has_name = metadata.links > 0;
    assemble(locks, &now, None, has_name, MapMode::Use(options), accept)
}

/// Opens the region at `at`, to look at it only.
pub(crate) fn observe<C>(
    at: &RegionPath,
    accept: impl Fn(&Description) -> Result<C, Mismatch>,
) -> Result<(Region, C), RingError> {
    let path = Some(at.path.clone());
    for _ in 0..MAX_TRIES {
        let locks = open_locks(at, false)?;
        let fd = locks.as_fd().map_err(os_error("use", &path))?;
        let metadata = file::metadata(fd).map_err(os_error("look at", &path))?;
        check_file(&metadata, true).map_err(|wrong| mismatch(&path, wrong))?;
        let (has_name, access) = (metadata.links > 0, MapMode::Observe);
        match assemble(locks, &metadata, path.clone(), has_name, access, &accept) {
            Err(_) if has_gone(at, &metadata) => continue,
            opened => return opened,
        }
    }
    Err(unstable(at))
}

/// Whether no process has the region at `at` open, if only to make it: a region is in use before
/// it has its name. `false` if that cannot be found out.
pub(crate) fn is_unused(at: &RegionPath) -> bool {
    let directory = at.directory.as_fd();
    let is_regular = file::metadata_at(directory, &at.name).is_ok_and(|it| check_kind(&it).is_ok());
    is_regular
        && LockFile::open_at(directory, &at.name, false)
            .is_ok_and(|locks| matches!(locks.is_held(USERS_BYTE), Ok(false)))
}

/// Whether a file that was opened has lost its name meanwhile, and its memory perhaps with
/// it: then the name has to be looked at again.
fn has_gone(at: &RegionPath, opened: &Metadata) -> bool {
    let is_same = |now: Metadata| now.id() == opened.id();
    file::MEMORY_GOES_WITH_NAME
        && !file::metadata_at(at.directory.as_fd(), &at.name).is_ok_and(is_same)
}

fn unstable(at: &RegionPath) -> RingError {
    RingError::Unstable {
        path: at.path.clone(),
        tries: MAX_TRIES,
    }
}

/// Opens the region behind `fd` to tell its members that it was removed, if that is
/// safe: the file is ours alone, has no name any more, and holds a whole region. So it
/// is none that another name leads to, and none that others could have prepared.
pub(crate) fn unlinked<C>(
    fd: BorrowedFd<'_>,
    accept: impl FnOnce(&Description) -> Result<C, Mismatch>,
) -> Option<(Region, C)> {
    let locks = LockFile::reopen(fd).ok()?;
    let metadata = locks.as_fd().and_then(file::metadata).ok()?;
    if check_file(&metadata, false).is_err() || metadata.links > 0 {
        return None;
    }
    let options = MapMode::Use(MapOptions::default());
    assemble(locks, &metadata, None, false, options, accept).ok()
}

/// Reads and checks the header, then maps what it describes.
fn assemble<C>(
    locks: LockFile,
    metadata: &Metadata,
    path: Option<PathBuf>,
    has_name: bool,
    access: MapMode,
    accept: impl FnOnce(&Description) -> Result<C, Mismatch>,
) -> Result<(Region, C), RingError> {
    let fd = locks.as_fd().map_err(os_error("use", &path))?;
    let size = file::region_size(fd, metadata).map_err(os_error("find the memory of", &path))?;
    let description = read_description(fd, size, &path)?;
    let known = accept(&description).map_err(|wrong| mismatch(&path, wrong))?;
    let region = Region::assemble(locks, &description, path, has_name, None, access)?;
    Ok((region, known))
}

/// Opens the file with its locks.
fn open_locks(at: &RegionPath, write: bool) -> Result<LockFile, RingError> {
    let locks = LockFile::open_at(at.directory.as_fd(), &at.name, write);
    locks.map_err(|error| open_error(error, at))
}

/// Opens the file itself for reading, following no symbolic link.
pub(crate) fn open_file(at: &RegionPath) -> io::Result<OwnedFd> {
    file::open(at.directory.as_fd(), &at.name, false)
}

/// What a failed [`open_file`] means.
pub(crate) fn open_error(error: io::Error, at: &RegionPath) -> RingError {
    let path = at.path.clone();
    let wrong = |wrong| mismatch(&Some(at.path.clone()), wrong);
    if error.kind() == io::ErrorKind::NotFound {
        return RingError::NotFound { path };
    }
    match file::refused_kind(&error) {
        Some(FileKind::Symlink) => wrong(Mismatch::Symlink),
        Some(FileKind::Directory) => wrong(Mismatch::FileType { found: "directory" }),
        Some(_) => wrong(Mismatch::FileType {
            found: "socket or pipe",
        }),
        None => os_error("open", &Some(path))(error),
    }
}

/// Checks what kind of file it is, who may write to it, and that it has no
/// other name.
pub(crate) fn check_file(metadata: &Metadata, allow_foreign: bool) -> Result<(), Mismatch> {
    check_kind(metadata)?;
    if allow_foreign {
        return Ok(());
    }
    let user = file::effective_user();
    if metadata.owner != user {
        return Err(Mismatch::Owner {
            expected: user,
            found: metadata.owner,
        });
    }
    if metadata.mode & 0o022 != 0 {
        return Err(Mismatch::Permissions {
            found: metadata.mode & 0o7777,
        });
    }
    // A region has one name. With two, another user may have given it the one that
    // led here, to have us take one object of ours for another.
    if metadata.links > 1 {
        return Err(Mismatch::Links {
            found: metadata.links,
        });
    }
    Ok(())
}

/// Checks that it is a regular file.
pub(crate) fn check_kind(metadata: &Metadata) -> Result<(), Mismatch> {
    match metadata.kind {
        FileKind::Regular => Ok(()),
        FileKind::Symlink => Err(Mismatch::Symlink),
        FileKind::Directory => Err(Mismatch::FileType { found: "directory" }),
        FileKind::Other => Err(Mismatch::FileType {
            found: "device, pipe or socket",
        }),
    }
}

fn check_seals(fd: BorrowedFd<'_>) -> Result<(), Mismatch> {
    match file::missing_seal(fd) {
        Some(missing) => Err(Mismatch::Unsealed { missing }),
        None => Ok(()),
    }
}

/// Copies the header into private memory, once, and checks it there.
fn read_description(
    fd: BorrowedFd<'_>,
    file_size: u64,
    path: &Option<PathBuf>,
) -> Result<Description, RingError> {
    let mut bytes = [0; size_of::<Header>()];
    let read = file::read_start(fd, &mut bytes).map_err(os_error("read", path))?;
    let header: Header = bytemuck::pod_read_unaligned(&bytes);
    // A short file that does not even begin like a region is none.
    if read < bytes.len() && (read < 8 || header.magic == MAGIC) {
        return Err(mismatch(
            path,
            Mismatch::TooShort {
                expected: bytes.len() as u64,
                found: read as u64,
            },
        ));
    }
    Description::from_header(&header, file_size).map_err(|wrong| mismatch(path, wrong))
}
