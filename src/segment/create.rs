//! Making a ring: whole before it has a name, so that nobody ever sees half of
//! one and a creator that dies leaves nothing behind.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use super::place::Place;
use super::terms::Terms;
use super::{Segment, Wishes, open};
use crate::error::RingError;
use crate::layout::USERS_BYTE;
use crate::ring;
use crate::sys::failpoints::failpoint;
use crate::sys::file;
use crate::sys::lock::LockFile;

/// Makes a ring and gives it a name, which must be free.
pub(crate) fn named(
    place: &Place,
    terms: Terms,
    mode: u32,
    wishes: Wishes,
) -> Result<Segment, RingError> {
    let header = terms.to_header()?;
    let path = Some(place.path.clone());
    let os = |action| open::os_error(action, &path);
    let directory = place.directory.as_fd();
    let locks = LockFile::open(|| file::create_unnamed(directory, mode))
        .map_err(os("make a file without a name for"))?;
    failpoint!(FileMade);
    let fd = locks.as_fd().map_err(os("use"))?;
    fill(fd, &header, &path)?;
    let segment = Segment::assemble(locks, terms, path.clone(), None, Some(wishes))?;
    ring::start_at(&segment.block(), terms.start);
    // Before the name: whoever meets it finds it in use.
    segment.locks.shared(USERS_BYTE).map_err(os("lock"))?;
    failpoint!(UsersLocked);
    let fd = segment.locks.as_fd().map_err(os("use"))?;
    match file::publish(fd, directory, &place.name) {
        Ok(()) => {
            failpoint!(NamePublished);
            Ok(segment)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(RingError::AlreadyExists {
                path: place.path.clone(),
            })
        }
        Err(error) => Err(os("name")(error)),
    }
}

/// Makes a ring without a name: a sealed memfd.
pub(crate) fn anonymous(terms: Terms, wishes: Wishes) -> Result<Segment, RingError> {
    let header = terms.to_header()?;
    let os = |action| open::os_error(action, &None);
    let share = file::memfd(OsStr::new("memring")).map_err(os("make a memfd for"))?;
    failpoint!(FileMade);
    fill(share.as_fd(), &header, &None)?;
    file::seal(share.as_fd()).map_err(os("seal"))?;
    failpoint!(FileSealed);
    // What is passed on must not carry our locks: an open file description of
    // our own for them.
    let locks = LockFile::open(|| file::reopen(share.as_fd(), true)).map_err(os("reopen"))?;
    let segment = Segment::assemble(locks, terms, None, Some(share), Some(wishes))?;
    ring::start_at(&segment.block(), terms.start);
    segment.locks.shared(USERS_BYTE).map_err(os("lock"))?;
    failpoint!(UsersLocked);
    Ok(segment)
}

/// Gives the file its size, every block allocated, and its header.
fn fill(
    fd: BorrowedFd<'_>,
    header: &crate::layout::Header,
    path: &Option<PathBuf>,
) -> Result<(), RingError> {
    let size = header.total_size;
    file::allocate(fd, size).map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::OutOfMemory => RingError::NoSpace {
            needed: size,
            path: path.clone(),
        },
        _ => open::os_error("allocate", path)(source),
    })?;
    failpoint!(FileAllocated);
    file::write_start(fd, bytemuck::bytes_of(header))
        .map_err(open::os_error("write the header of", path))?;
    failpoint!(HeaderWritten);
    Ok(())
}
