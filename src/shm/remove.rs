//! Taking a region's name away. Processes that have it open keep it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::layout::MAGIC;
use super::name::RegionPath;
use super::{mismatch, open, os_error};
use crate::error::{Mismatch, RingError};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::sys::file::{self, Metadata};

/// How long to wait for another remover, which may be stopped, or may be a process
/// that only holds the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Unlinks the ring at `at`, if it is one, and if it still is the one that
/// was there at the beginning: another that was made meanwhile is left alone.
pub(crate) fn named(at: &RegionPath) -> Result<(), RingError> {
    let path = Some(at.path.clone());
    // Only a regular file is opened at all.
    open::check_kind(&metadata(at)?).map_err(|wrong| mismatch(&path, wrong))?;
    let file = open::open_file(at, false).map_err(|error| open::open_error(error, at))?;
    let file = file.as_fd();
    check_magic(at, file)?;
    // One remover of this file at a time, from the last look at its name to its
    // unlinking: else two might agree on an old file, and the second take a new
    // one's name.
    let now = MonotonicTime::now();
    file::flock_exclusive(file, now.checked_add(LOCK_TIMEOUT).unwrap_or(now))
        .map_err(os_error("lock, to remove it,", &path))?;
    failpoint!(RemovalLocked);
    let removed = unlink_if_same(at, file);
    // The lock goes with the last copy of the descriptor, which a child that was
    // forked meanwhile may have.
    file::funlock(file).map_err(os_error("unlock", &path))?;
    removed
}

/// What the name stands for now.
fn metadata(at: &RegionPath) -> Result<Metadata, RingError> {
    file::metadata_at(at.directory.as_fd(), &at.name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_found(at),
        _ => os_error("look at", &Some(at.path.clone()))(error),
    })
}

/// A ring of whatever version, or one whose header was overwritten:
/// the first bytes decide, so that no other file is lost to a wrong name.
fn check_magic(at: &RegionPath, file: BorrowedFd<'_>) -> Result<(), RingError> {
    let path = Some(at.path.clone());
    let mut found = [0; 8];
    let read = file::read_start(file, &mut found).map_err(os_error("read", &path))?;
    if read == found.len() && found == MAGIC {
        return Ok(());
    }
    Err(mismatch(
        &path,
        Mismatch::Magic {
            expected: MAGIC,
            found,
        },
    ))
}

/// Unlinks the name if it still leads to `file`, whose lock we have; else what
/// was to be removed has gone.
fn unlink_if_same(at: &RegionPath, file: BorrowedFd<'_>) -> Result<(), RingError> {
    let path = Some(at.path.clone());
    let own = file::metadata(file).map_err(os_error("look at", &path))?;
    if metadata(at)?.id() != own.id() {
        return Err(not_found(at));
    }
    file::unlink(at.directory.as_fd(), &at.name).map_err(os_error("remove", &path))?;
    failpoint!(NameRemoved);
    Ok(())
}

fn not_found(at: &RegionPath) -> RingError {
    RingError::NotFound {
        path: at.path.clone(),
    }
}
