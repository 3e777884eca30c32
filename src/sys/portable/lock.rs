//! Byte locks: held by processes that are alive, dropped by the system at death.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
#[cfg(test)]
use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;

use super::file::{self, Metadata};
use super::fork::PrivateFd;
use super::link::{Link, MemoryId};
use super::registry::{self, CREATOR_BYTE, ProcessLocks, Way};
pub(crate) use crate::sys::bytes::{Acquired, ProbeError};
use crate::sys::bytes::{ByteSet, LOCK_BYTES, check_byte};
use crate::sys::handle::{AsFd, BorrowedFd, OwnedFd, Unusable};

/// How often a shared byte is asked for that a cleanup has for a moment, and how long to wait
/// in between.
const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// How often memory is made that a cleanup takes for a leftover before it is locked.
const CREATIONS: u32 = 100;

/// A region's link, and the bytes by which processes tell each other that they live.
///
/// In a forked child, and after the program has closed a descriptor behind our back, each
/// call returns an error that says so. Dropping it gives up every byte.
#[derive(Debug)]
pub(crate) struct LockFile {
    link: PrivateFd,
    /// `None`: only to look at the link; nobody's life can be told.
    locks: Option<Arc<ProcessLocks>>,
    exclusive: ByteSet,
    shared: ByteSet,
    /// Of a creator: where its link is to be published, if it ever is.
    unpublished: Option<(OwnedFd, MemoryId)>,
}

impl LockFile {
    fn new(link: PrivateFd, locks: Option<Arc<ProcessLocks>>) -> Self {
        Self {
            link,
            locks,
            exclusive: ByteSet::new(),
            shared: ByteSet::new(),
            unpublished: None,
        }
    }

    /// Makes a link without a name of its own in `dir`, with these permissions. Unless it is
    /// published it is gone with the value, or at the next creation in `dir`.
    ///
    /// # Errors
    /// Those of `openat`.
    pub(crate) fn create(dir: BorrowedFd<'_>, mode: u32) -> io::Result<Self> {
        let at = dir.try_clone_to_owned()?;
        for _ in 0..CREATIONS {
            let id = MemoryId::random();
            let name = id.lock_name();
            let locks = match registry::create(|| file::create_new(dir, &name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            };
            // From here on no cleanup takes it; unless one just has.
            let is_kept = match locks.take(CREATOR_BYTE, Way::Alone) {
                Ok(taken) => taken && file::metadata_at(dir, &name).is_ok(),
                Err(error) => {
                    let _ = file::unlink(dir, &name);
                    registry::close(locks);
                    return Err(error);
                }
            };
            if !is_kept {
                registry::close(locks);
                continue;
            }
            let link = match PrivateFd::open(|| file::create_part(dir, id, mode)) {
                Ok(link) => link,
                Err(error) => {
                    let _ = file::unlink(dir, &id.part_name());
                    let _ = file::unlink(dir, &name);
                    registry::close(locks);
                    return Err(error);
                }
            };
            let mut made = Self::new(link, Some(locks));
            made.unpublished = Some((at, id));
            return Ok(made);
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Opens the link `name` in `dir`, for reading or for both reading and writing, and
    /// the file of locks beside it.
    ///
    /// # Errors
    /// Those of `openat`; [`io::ErrorKind::Other`] if there is no file of locks.
    pub(crate) fn open_at(dir: BorrowedFd<'_>, name: &OsStr, write: bool) -> io::Result<Self> {
        let link = PrivateFd::open(|| file::open(dir, name, write))?;
        let fd = link.verified()?;
        let facts = file::metadata(fd)?;
        let is_regular = facts.kind == file::FileKind::Regular;
        // What is no link is refused later, by its kind or its header.
        let said = if is_regular { Link::read(fd)? } else { None };
        if said.is_some_and(|link| link.is_copy) {
            return Err(io::Error::other(
                "expected the link of a ring, found a copy of one, whose memory is the \
                 original's: open that, and delete the copy",
            ));
        }
        let Some(id) = said.and_then(|link| link.memory) else {
            return Ok(Self::new(link, None));
        };
        let locks = match registry::open(dir, id) {
            Ok(locks) => Some(locks),
            // Removed, or replaced, since: the caller looks at the name again.
            Err(_) if file::metadata(fd)?.links == 0 => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(io::Error::other(format!(
                    "expected its file of locks {} in the same directory, found none, or a copy \
                     of it: a ring of the portable backend cannot be moved or copied; move it \
                     back, or remove it and make it again",
                    id.lock_name().display()
                )));
            }
            Err(error) => return Err(error),
        };
        Ok(Self::new(link, locks))
    }

    /// Looks at a link once more, without its locks.
    ///
    /// # Errors
    /// Those of `dup`.
    pub(crate) fn reopen(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::new(PrivateFd::open(|| file::reopen(fd, true))?, None))
    }

    /// For memory without a name, which only this process has: there is nothing to pass on.
    ///
    /// # Errors
    /// Those of `openat`, in the directory of temporary files.
    pub(crate) fn in_memory(_name: &OsStr) -> io::Result<(Self, Option<OwnedFd>)> {
        let link = PrivateFd::open(file::create_nameless)?;
        Ok((Self::new(link, Some(ProcessLocks::local())), None))
    }

    /// Takes a byte for this handle alone, if it is free. A lock that is held here, shared
    /// or not, stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`]; `ENOLCK` when the system is out of locks.
    pub(crate) fn try_exclusive(&self, byte: u64) -> io::Result<Acquired> {
        check_byte(byte)?;
        let locks = self.locks()?.ok_or(io::ErrorKind::Unsupported)?;
        if self.has(byte) {
            return Ok(Acquired::HeldHere);
        }
        if !locks.take(byte, Way::Alone)? {
            return Ok(Acquired::HeldElsewhere);
        }
        self.exclusive.insert(byte);
        Ok(Acquired::Taken)
    }

    /// Takes a byte together with all that take it shared; whether it is held
    /// shared now.
    ///
    /// # Errors
    /// See [`LockFile`]; `ENOLCK` when the system is out of locks.
    pub(crate) fn shared(&self, byte: u64) -> io::Result<bool> {
        check_byte(byte)?;
        let Some(locks) = self.locks()? else {
            return Ok(false);
        };
        if self.has(byte) {
            return Ok(self.shared.has(byte));
        }
        for _ in 0..TRIES {
            if locks.take(byte, Way::Together)? {
                self.shared.insert(byte);
                return Ok(true);
            }
            thread::sleep(BETWEEN_TRIES);
        }
        // No cleanup takes so long.
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// The link has got its name: it is not this value's to take away any more.
    pub(crate) fn note_published(&mut self) {
        if self.unpublished.take().is_some()
            && let Some(locks) = &self.locks
        {
            let _ = locks.give_up(CREATOR_BYTE);
        }
    }

    /// Gives a byte up. One that is not held here stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn unlock(&self, byte: u64) -> io::Result<()> {
        let Some(locks) = self.locks()? else {
            return Ok(());
        };
        if self.has(byte) {
            locks.give_up(byte)?;
            self.exclusive.remove(byte);
            self.shared.remove(byte);
        }
        Ok(())
    }

    /// Whether a process holds a byte, in whichever way, this one included. Takes
    /// nothing, no lock of this process either.
    ///
    /// # Errors
    /// What [`LockFile`] says, as [`ProbeError::Unusable`].
    pub(crate) fn is_held(&self, byte: u64) -> Result<bool, ProbeError> {
        if self.link.is_forked() {
            return Err(ProbeError::Unusable(Unusable::Forked));
        }
        let locks = self.locks.as_ref().ok_or(ProbeError::System)?;
        locks.is_held(byte)?.map_err(|_| ProbeError::System)
    }

    /// The facts of the link. Takes no lock and allocates nothing.
    ///
    /// # Errors
    /// What [`LockFile`] says, as [`ProbeError::Unusable`].
    pub(crate) fn metadata(&self) -> Result<Metadata, ProbeError> {
        let facts = self.link.made_sure(file::metadata)?;
        facts.map_err(|_| ProbeError::System)
    }

    /// The descriptor of the link, made sure of.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.link.verified()?)
    }

    /// Keeps others from taking and giving up bytes.
    #[cfg(test)]
    pub(crate) fn hold_changes(&self) -> MutexGuard<'_, ()> {
        let locks = self.locks.as_ref().expect("a region that is used");
        locks.hold_changes()
    }

    fn has(&self, byte: u64) -> bool {
        self.exclusive.has(byte) || self.shared.has(byte)
    }

    fn locks(&self) -> io::Result<Option<&ProcessLocks>> {
        self.link.verified()?;
        Ok(self.locks.as_deref())
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // A child has none of the locks, and leaves the rest to its parent.
        if self.link.is_forked() {
            return;
        }
        if let Some((dir, id)) = &self.unpublished {
            let part = file::metadata_at(dir.as_fd(), &id.part_name());
            if part.is_ok_and(|facts| facts.id() == self.link.file()) {
                let _ = file::unlink(dir.as_fd(), &id.part_name());
            }
            if let Ok(link) = self.link.verified() {
                file::discard(dir.as_fd(), link);
            }
        }
        let Some(locks) = self.locks.take() else {
            return;
        };
        if self.unpublished.is_some() {
            let _ = locks.give_up(CREATOR_BYTE);
        }
        let holds = !(self.exclusive.is_empty() && self.shared.is_empty());
        for byte in (0..LOCK_BYTES).filter(|_| holds) {
            if self.has(byte) {
                let _ = locks.give_up(byte);
            }
        }
        registry::close(locks);
    }
}
