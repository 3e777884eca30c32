//! Opening a ring: nothing in the file is believed before it has been copied
//! and checked, and nothing is read twice.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::place::Place;
use super::terms::{Expected, Terms};
use super::{Segment, Wishes};
use crate::error::{Mismatch, RingError};
use crate::layout::{Header, USERS_BYTE};
use crate::sys::file::{self, FileKind, Metadata};
use crate::sys::lock::LockFile;

/// How often a name may change under our hands before we give up.
pub(crate) const TRIES: u32 = 100;

/// Opens the ring at `place`, if it is the one expected.
pub(crate) fn named(
    place: &Place,
    expected: &Expected,
    allow_foreign: bool,
    wishes: Wishes,
) -> Result<Segment, RingError> {
    let path = Some(place.path.clone());
    let os = |action| os_error(action, &path);
    for _ in 0..TRIES {
        let locks =
            LockFile::open(|| open_file(place, true)).map_err(|error| open_error(error, place))?;
        let facts = locks
            .as_fd()
            .and_then(file::metadata)
            .map_err(os("look at"))?;
        check_file(&facts, allow_foreign).map_err(|mismatch| wrong(&path, mismatch))?;
        locks.shared(USERS_BYTE).map_err(os("lock"))?;
        // Between opening and locking it may have been removed as unused.
        match file::metadata_at(place.directory.as_fd(), &place.name) {
            Ok(now) if now.id() == facts.id() => {}
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(os("look at")(error)),
        }
        let fd = locks.as_fd().map_err(os("use"))?;
        let terms = read_terms(fd, facts.size, &path)?;
        terms
            .check(expected)
            .map_err(|mismatch| wrong(&path, mismatch))?;
        return Segment::assemble(locks, terms, path, None, Some(wishes));
    }
    Err(RingError::Unstable {
        path: place.path.clone(),
        tries: TRIES,
    })
}

/// Opens the ring behind a descriptor that was inherited or received.
pub(crate) fn from_fd(
    fd: BorrowedFd<'_>,
    expected: &Expected,
    allow_foreign: bool,
    wishes: Wishes,
) -> Result<Segment, RingError> {
    let os = |action| os_error(action, &None);
    // First what it is: to open a socket or a directory anew fails with less
    // to say.
    let given = file::metadata(fd).map_err(os("look at"))?;
    check_kind(&given).map_err(|mismatch| wrong(&None, mismatch))?;
    // Its open file description may be shared with the giver, whose death and
    // whose locks would then be ours.
    let locks = LockFile::open(|| file::reopen(fd, true)).map_err(os("reopen"))?;
    let own = locks.as_fd().map_err(os("use"))?;
    let facts = file::metadata(own).map_err(os("look at"))?;
    if facts.links == 0 {
        check_seals(own).map_err(|mismatch| wrong(&None, mismatch))?;
        // No seal keeps the giver from making holes. In ordinary pages they are
        // zeroes; in huge ones, of which none may be left, a SIGBUS.
        if !file::is_on_tmpfs(own).map_err(os("look at"))? {
            return Err(wrong(&None, Mismatch::NotTmpfs));
        }
    } else {
        check_file(&facts, allow_foreign).map_err(|mismatch| wrong(&None, mismatch))?;
    }
    locks.shared(USERS_BYTE).map_err(os("lock"))?;
    // The size as of now: before the seals were seen it might still change.
    let size = file::metadata(own).map_err(os("look at"))?.size;
    let terms = read_terms(own, size, &None)?;
    terms
        .check(expected)
        .map_err(|mismatch| wrong(&None, mismatch))?;
    Segment::assemble(locks, terms, None, None, Some(wishes))
}

/// Opens the ring at `place`, whatever it is, for looking at it only.
pub(crate) fn observe(place: &Place) -> Result<Segment, RingError> {
    let path = Some(place.path.clone());
    let locks =
        LockFile::open(|| open_file(place, false)).map_err(|error| open_error(error, place))?;
    let fd = locks.as_fd().map_err(os_error("use", &path))?;
    let facts = file::metadata(fd).map_err(os_error("look at", &path))?;
    check_file(&facts, true).map_err(|mismatch| wrong(&path, mismatch))?;
    let terms = read_terms(fd, facts.size, &path)?;
    Segment::assemble(locks, terms, path, None, None)
}

/// Opens the file itself, following no symbolic link.
pub(crate) fn open_file(place: &Place, write: bool) -> io::Result<OwnedFd> {
    file::open(place.directory.as_fd(), &place.name, write)
}

/// What a failed [`open_file`] means.
pub(crate) fn open_error(error: io::Error, place: &Place) -> RingError {
    let path = place.path.clone();
    let mismatch = |mismatch| RingError::Mismatch {
        path: Some(place.path.clone()),
        mismatch,
    };
    match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::NOENT) => RingError::NotFound { path },
        Some(rustix::io::Errno::LOOP) => mismatch(Mismatch::Symlink),
        Some(rustix::io::Errno::ISDIR) => mismatch(Mismatch::FileType { found: "directory" }),
        // A socket, or a device that is not there.
        Some(rustix::io::Errno::NXIO) => mismatch(Mismatch::FileType {
            found: "socket or pipe",
        }),
        _ => os_error("open", &Some(path))(error),
    }
}

/// Checks what kind of file it is, who may write to it, and that it has no
/// other name.
pub(crate) fn check_file(facts: &Metadata, allow_foreign: bool) -> Result<(), Mismatch> {
    check_kind(facts)?;
    if allow_foreign {
        return Ok(());
    }
    let user = file::effective_user();
    if facts.owner != user {
        return Err(Mismatch::Owner {
            expected: user,
            found: facts.owner,
        });
    }
    if facts.mode & 0o022 != 0 {
        return Err(Mismatch::Permissions {
            found: facts.mode & 0o7777,
        });
    }
    // A ring has one name. With two, somebody else may have given it the one
    // that led us here, to have us take one ring of ours for another.
    if facts.links > 1 {
        return Err(Mismatch::Links { found: facts.links });
    }
    Ok(())
}

/// Checks that it is a regular file.
pub(crate) fn check_kind(facts: &Metadata) -> Result<(), Mismatch> {
    match facts.kind {
        FileKind::Regular => Ok(()),
        FileKind::Symlink => Err(Mismatch::Symlink),
        FileKind::Directory => Err(Mismatch::FileType { found: "directory" }),
        FileKind::Other => Err(Mismatch::FileType {
            found: "device, pipe or socket",
        }),
    }
}

fn check_seals(fd: BorrowedFd<'_>) -> Result<(), Mismatch> {
    // A file that knows no seals has none.
    let seals = file::seals(fd).unwrap_or(rustix::fs::SealFlags::empty());
    for (seal, missing) in [
        (rustix::fs::SealFlags::SHRINK, "shrinking"),
        (rustix::fs::SealFlags::GROW, "growing"),
        (rustix::fs::SealFlags::SEAL, "more seals"),
    ] {
        if !seals.contains(seal) {
            return Err(Mismatch::Unsealed { missing });
        }
    }
    Ok(())
}

/// Copies the header into private memory, once, and checks it there.
pub(crate) fn read_terms(
    fd: BorrowedFd<'_>,
    file_size: u64,
    path: &Option<PathBuf>,
) -> Result<Terms, RingError> {
    let mut bytes = [0; size_of::<Header>()];
    let read = file::read_start(fd, &mut bytes).map_err(os_error("read", path))?;
    let header: Header = bytemuck::pod_read_unaligned(&bytes);
    // A short file that does not even begin like a ring is no ring.
    if read < bytes.len() && (read < 8 || header.magic == crate::layout::MAGIC) {
        return Err(wrong(
            path,
            Mismatch::TooShort {
                expected: bytes.len() as u64,
                found: read as u64,
            },
        ));
    }
    Terms::from_header(&header, file_size).map_err(|mismatch| wrong(path, mismatch))
}

pub(crate) fn wrong(path: &Option<PathBuf>, mismatch: Mismatch) -> RingError {
    RingError::Mismatch {
        path: path.clone(),
        mismatch,
    }
}

pub(crate) fn os_error(
    action: &'static str,
    path: &Option<PathBuf>,
) -> impl FnOnce(io::Error) -> RingError + use<> {
    let path = path.clone();
    move |source| RingError::Os {
        action,
        path,
        source,
    }
}
