//! Taking a region's name away, and giving it to another region. Processes that have the
//! old one open keep its memory, and are told (see [`open::unlinked`]).

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::layout::MAGIC;
use super::name::{self, RegionPath};
use super::region::Region;
use super::{mismatch, open, os_error};
use crate::error::{Mismatch, RingError};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::sys::file::{self, Metadata};
use crate::sys::handle::{AsFd, BorrowedFd, OwnedFd};

/// How long to wait for another remover, which may be stopped, or may be a process
/// that only holds the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The right to take a name from its region: one process at a time has it.
#[derive(Debug)]
pub(crate) struct Removal<'a> {
    at: &'a RegionPath,
    file: OwnedFd,
    identity: Metadata,
}

impl<'a> Removal<'a> {
    /// Locks the region at `at`, if there is one, and if it still is the one that was
    /// there at the beginning: another that was made meanwhile is left alone.
    pub(crate) fn begin(at: &'a RegionPath) -> Result<Removal<'a>, RingError> {
        Removal::begin_within(at, LOCK_TIMEOUT)
    }

    /// As [`Removal::begin`], waiting for another remover for at most `timeout`.
    fn begin_within(at: &'a RegionPath, timeout: Duration) -> Result<Removal<'a>, RingError> {
        let path = Some(at.path.clone());
        // Only a regular file is opened at all.
        open::check_kind(&metadata(at)?).map_err(|wrong| mismatch(&path, wrong))?;
        let file = open::open_file(at).map_err(|error| open::open_error(error, at))?;
        check_magic(at, file.as_fd())?;
        let identity = file::metadata(file.as_fd()).map_err(os_error("look at", &path))?;
        // One remover of this file at a time, from the last look at its name to its
        // unlinking: else two might agree on an old file, and the second take a new
        // one's name.
        let now = MonotonicTime::now();
        let deadline = now.checked_add(timeout).unwrap_or(now);
        file::flock_exclusive(file.as_fd(), deadline)
            .map_err(os_error("lock, to remove it,", &path))?;
        failpoint!(RemovalLocked);
        let removal = Removal { at, file, identity };
        removal.check_name()?;
        Ok(removal)
    }

    /// Whether it is the region's file that is to be removed.
    pub(crate) fn is_of(&self, region: &Region) -> bool {
        let own = region.metadata();
        own.is_ok_and(|own| own.id() == self.identity.id())
    }

    /// Takes the name away. The file is the caller's, to tell the members.
    pub(crate) fn unlink(self) -> Result<Removed<'a>, RingError> {
        let directory = self.at.directory.as_fd();
        file::unlink(directory, &self.at.name).map_err(self.os("remove"))?;
        failpoint!(NameRemoved);
        // Of a process that died while it replaced this very file.
        let _ = file::unlink(directory, &self.replacement());
        Ok(Removed(self))
    }

    /// Gives the name to `new`, in one step.
    pub(crate) fn replace_by(self, new: &mut Region) -> Result<Removed<'a>, RingError> {
        let directory = self.at.directory.as_fd();
        let name = self.replacement();
        let fd = new.file().map_err(self.os("use"))?;
        let mut named = file::publish(fd, directory, &name);
        if matches!(&named, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            // Of a process that died here: we have its lock.
            file::unlink(directory, &name).map_err(self.os("clean up after"))?;
            named = file::publish(fd, directory, &name);
        }
        named.map_err(self.os("name"))?;
        // Now, while no other process takes that name away.
        new.look_for_name();
        failpoint!(ReplacementNamed);
        let renamed = self.check_name().and_then(|()| {
            file::rename(directory, &name, &self.at.name).map_err(self.os("replace"))
        });
        if let Err(error) = renamed {
            let _ = file::unlink(directory, &name);
            return Err(error);
        }
        failpoint!(Replaced);
        Ok(Removed(self))
    }

    /// Makes sure that the name still leads to the file; else what was to be removed
    /// has gone.
    fn check_name(&self) -> Result<(), RingError> {
        match metadata(self.at)?.id() == self.identity.id() {
            true => Ok(()),
            false => Err(not_found(self.at)),
        }
    }

    /// The name that a replacement has before it has the right one. No other process
    /// uses it while this one has the lock of the file.
    fn replacement(&self) -> OsString {
        name::of_replacement(self.identity.inode)
    }

    fn os(&self, action: &'static str) -> impl FnOnce(io::Error) -> RingError + use<> {
        os_error(action, &Some(self.at.path.clone()))
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        // The lock goes with the last copy of the descriptor, which a child that was
        // forked meanwhile may have.
        let _ = file::funlock(self.file.as_fd());
    }
}

/// Removes the region at `at`, if no process has it open. Says whether it did. Waits for no
/// other remover.
///
/// It is for names that are given once: no second region ever has this one's.
pub(crate) fn if_unused(at: &RegionPath) -> Result<bool, RingError> {
    if !open::is_unused(at) {
        return Ok(false);
    }
    let removal = Removal::begin_within(at, Duration::ZERO)?;
    removal.unlink().map(|_| true)
}

/// A file whose name was taken away.
#[derive(Debug)]
pub(crate) struct Removed<'a>(Removal<'a>);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // After its members were told, for which it was mapped once more.
        file::discard(self.0.at.directory.as_fd(), self.0.file.as_fd());
    }
}

impl AsFd for Removed<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
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

fn not_found(at: &RegionPath) -> RingError {
    RingError::NotFound {
        path: at.path.clone(),
    }
}
