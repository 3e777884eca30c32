//! Taking a ring's name away. Whoever has it open keeps it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::open;
use super::place::Place;
use crate::error::{Mismatch, RingError};
use crate::layout::MAGIC;
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::sys::file::{self, Metadata};

/// How long to wait for another remover, who may be stopped, or may be somebody
/// who only holds the lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Unlinks the ring at `place`, if it is one, and if it still is the one that
/// was there at the beginning: another that was made meanwhile is left alone.
pub(crate) fn named(place: &Place) -> Result<(), RingError> {
    let path = Some(place.path.clone());
    // Only a regular file is opened at all.
    open::check_kind(&facts(place)?).map_err(|mismatch| open::wrong(&path, mismatch))?;
    let file = open::open_file(place, false).map_err(|error| open::open_error(error, place))?;
    let file = file.as_fd();
    check_magic(place, file)?;
    // One remover of this file at a time, from the last look at its name to its
    // unlinking: else two might agree on an old file, and the second take a new
    // one's name.
    let now = MonotonicTime::now();
    file::flock_exclusive(file, now.checked_add(PATIENCE).unwrap_or(now))
        .map_err(open::os_error("lock, to remove it,", &path))?;
    failpoint!(RemovalLocked);
    let removed = unlink_if_same(place, file);
    // The lock goes with the last copy of the descriptor, which a child that was
    // forked meanwhile may have.
    file::funlock(file).map_err(open::os_error("unlock", &path))?;
    removed
}

/// What the name stands for now.
fn facts(place: &Place) -> Result<Metadata, RingError> {
    file::metadata_at(place.directory.as_fd(), &place.name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_found(place),
        _ => open::os_error("look at", &Some(place.path.clone()))(error),
    })
}

/// A ring of whatever version, or one whose header somebody has overwritten:
/// the first bytes decide, so that no other file is lost to a wrong name.
fn check_magic(place: &Place, file: BorrowedFd<'_>) -> Result<(), RingError> {
    let path = Some(place.path.clone());
    let mut found = [0; 8];
    let read = file::read_start(file, &mut found).map_err(open::os_error("read", &path))?;
    if read == found.len() && found == MAGIC {
        return Ok(());
    }
    Err(open::wrong(
        &path,
        Mismatch::Magic {
            expected: MAGIC,
            found,
        },
    ))
}

/// Unlinks the name if it still leads to `file`, whose lock we have; else what
/// was to be removed has gone.
fn unlink_if_same(place: &Place, file: BorrowedFd<'_>) -> Result<(), RingError> {
    let path = Some(place.path.clone());
    let own = file::metadata(file).map_err(open::os_error("look at", &path))?;
    if facts(place)?.id() != own.id() {
        return Err(not_found(place));
    }
    file::unlink(place.directory.as_fd(), &place.name).map_err(open::os_error("remove", &path))?;
    failpoint!(NameRemoved);
    Ok(())
}

fn not_found(place: &Place) -> RingError {
    RingError::NotFound {
        path: place.path.clone(),
    }
}
