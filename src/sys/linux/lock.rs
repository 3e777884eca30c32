//! Byte locks: held by processes that are alive, dropped by the kernel at death.
//!
//! These are open file description locks. They end with the last descriptor
//! and mapping of their open file description, whatever ends that; a stopped
//! process keeps them; closing some other descriptor of the file does not end
//! them. Two locks through one description never conflict, so a table says
//! what this one holds. The bytes need not exist in the file.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use super::file::FileId;
use super::file::{self, Metadata};
use super::fork::{PrivateFd, Unusable};

/// What came of asking for an exclusive lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It is ours now.
    Taken,
    /// This description holds the byte already, exclusively or shared.
    HeldHere,
    /// Another description holds the byte, in whichever way.
    HeldElsewhere,
}

/// Bytes that can be locked, from 0 on: one for each id, and one for each writer.
pub(crate) const LOCK_BYTES: u64 = 2048;

/// A set of bytes, which can be looked at without a lock.
#[derive(Debug)]
struct ByteSet([AtomicU64; (LOCK_BYTES / 64) as usize]);

impl ByteSet {
    const fn new() -> Self {
        ByteSet([const { AtomicU64::new(0) }; (LOCK_BYTES / 64) as usize])
    }

    fn word(&self, byte: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.0.get(usize::try_from(byte / 64).ok()?)?;
        Some((word, 1 << (byte % 64)))
    }

    /// SeqCst here and below: the looks of one thread and the changes of another come in
    /// an order that the system calls around them fit into.
    fn has(&self, byte: u64) -> bool {
        self.word(byte)
            .is_some_and(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }

    fn insert(&self, byte: u64) {
        if let Some((word, bit)) = self.word(byte) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    fn remove(&self, byte: u64) {
        if let Some((word, bit)) = self.word(byte) {
            word.fetch_and(!bit, Ordering::SeqCst);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::SeqCst) == 0)
    }
}

/// The bytes that this description holds. They change only under the lock of `changes`,
/// one at a time: a byte comes in after the kernel has given it, and goes out after the
/// kernel has it back. So a byte that is not in here was not yet given to a caller.
#[derive(Debug)]
struct HeldLocks {
    exclusive: ByteSet,
    shared: ByteSet,
    changes: Mutex<()>,
}

impl HeldLocks {
    const fn new() -> Self {
        HeldLocks {
            exclusive: ByteSet::new(),
            shared: ByteSet::new(),
            changes: Mutex::new(()),
        }
    }

    fn has(&self, byte: u64) -> bool {
        self.exclusive.has(byte) || self.shared.has(byte)
    }
}

/// A file by whose bytes processes tell each other that they live.
///
/// Every call makes sure that the descriptor is still the one it was: in a
/// forked child, and after the program has closed it behind our back, each
/// returns an error that says so and touches no file. Dropping it gives up
/// every byte, even if a copy of the descriptor or a mapping lives on.
///
/// [`LockFile::is_held`] takes no lock of this process; what takes or gives up a byte
/// does, for as long as one system call.
#[derive(Debug)]
pub(crate) struct LockFile {
    fd: PrivateFd,
    held: HeldLocks,
}

impl LockFile {
    /// Takes over the descriptor that `open` returns; no fork comes between.
    /// No other code has its open file description: there is no duplicate of it,
    /// in this process or another. For `open` the rules of [`PrivateFd::open`]
    /// hold.
    ///
    /// # Errors
    /// That of `open`, and those of [`PrivateFd::open`].
    pub(crate) fn open(open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            fd: PrivateFd::open(open)?,
            held: HeldLocks::new(),
        })
    }

    /// Takes a byte for this description alone, if it is free. A lock that is
    /// held here, shared or not, stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`]; `EBADF` for a descriptor that may not write;
    /// `ENOLCK` when the kernel is out of locks.
    pub(crate) fn try_exclusive(&self, byte: u64) -> io::Result<Acquired> {
        let (fd, _changes) = self.enter()?;
        check_byte(byte)?;
        if self.held.has(byte) {
            return Ok(Acquired::HeldHere);
        }
        if !set(fd, libc::F_WRLCK, byte)? {
            return Ok(Acquired::HeldElsewhere);
        }
        self.held.exclusive.insert(byte);
        Ok(Acquired::Taken)
    }

    /// Takes a byte together with all that take it shared; whether it is held
    /// shared now. `false` if a description, this one included, holds it
    /// exclusively.
    ///
    /// # Errors
    /// See [`LockFile`]; `ENOLCK` when the kernel is out of locks.
    pub(crate) fn shared(&self, byte: u64) -> io::Result<bool> {
        let (fd, _changes) = self.enter()?;
        check_byte(byte)?;
        if self.held.has(byte) {
            return Ok(self.held.shared.has(byte));
        }
        let taken = set(fd, libc::F_RDLCK, byte)?;
        if taken {
            self.held.shared.insert(byte);
        }
        Ok(taken)
    }

    /// Gives a byte up. One that is not held here stays as it is.
    ///
    /// # Errors
    /// See [`LockFile`].
    pub(crate) fn unlock(&self, byte: u64) -> io::Result<()> {
        let (fd, _changes) = self.enter()?;
        if self.held.has(byte) {
            set(fd, libc::F_UNLCK, byte)?;
            self.held.exclusive.remove(byte);
            self.held.shared.remove(byte);
        }
        Ok(())
    }

    /// Whether a process holds a byte, in whichever way, this description
    /// included. Takes nothing, no lock of this process either; a descriptor for
    /// reading will do.
    ///
    /// `false` while another thread is about to take it here: that call has not
    /// returned when this one begins.
    ///
    /// # Errors
    /// What [`LockFile`] says, as [`ProbeError::Unusable`].
    pub(crate) fn is_held(&self, byte: u64) -> Result<bool, ProbeError> {
        // Ours first: to the kernel, what is ours is in nobody's way.
        let probe = |fd| match self.held.has(byte) {
            true => Ok(true),
            false => conflicts(fd, byte),
        };
        self.fd.made_sure(probe)?.map_err(|_| ProbeError::System)
    }

    /// The facts of the file. Takes no lock and allocates nothing, as
    /// [`LockFile::is_held`].
    ///
    /// # Errors
    /// What [`LockFile`] says, as [`ProbeError::Unusable`].
    pub(crate) fn metadata(&self) -> Result<Metadata, ProbeError> {
        let facts = self.fd.made_sure(file::metadata)?;
        facts.map_err(|_| ProbeError::System)
    }

    /// The descriptor, made sure of.
    ///
    /// # Errors
    /// See [`LockFile`]; to make the error allocates.
    pub(crate) fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.fd.verified()?)
    }

    /// Keeps others from taking and giving up bytes.
    #[cfg(test)]
    pub(crate) fn hold_changes(&self) -> MutexGuard<'_, ()> {
        self.enter().expect("a good descriptor").1
    }

    /// Which file it is.
    #[cfg(test)]
    pub(crate) fn file(&self) -> FileId {
        self.fd.file()
    }

    /// The descriptor first: in a forked child the lock may be held by a
    /// thread that is not there.
    fn enter(&self) -> Result<(BorrowedFd<'_>, MutexGuard<'_, ()>), Unusable> {
        let fd = self.fd.verified()?;
        let changes = self.held.changes.lock();
        Ok((fd, changes.unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Why it could not be found out whether a byte is held.
#[derive(Debug)]
pub(crate) enum ProbeError {
    /// The descriptor is of no use any more.
    Unusable(Unusable),
    /// The system refused the call.
    System,
}

impl From<Unusable> for ProbeError {
    fn from(reason: Unusable) -> ProbeError {
        ProbeError::Unusable(reason)
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if let Ok((fd, _changes)) = self.enter()
            && !(self.held.exclusive.is_empty() && self.held.shared.is_empty())
        {
            // From byte 0 to the end: all of them. It cannot fail, and if it
            // does, the end of the description does the same.
            let _ = call(fd, libc::F_OFD_SETLK, libc::F_UNLCK, 0, 0);
        }
    }
}

fn check_byte(byte: u64) -> io::Result<()> {
    if byte < LOCK_BYTES {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("expected the offset of a lock below {LOCK_BYTES}, found {byte}"),
    ))
}

/// Sets the lock of one byte; `false` if another description is in the way.
fn set(fd: BorrowedFd<'_>, kind: libc::c_int, byte: u64) -> io::Result<bool> {
    match call(fd, libc::F_OFD_SETLK, kind, byte, 1) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Whether another description holds a byte, in whichever way.
fn conflicts(fd: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    let found = call(fd, libc::F_OFD_GETLK, libc::F_WRLCK, byte, 1)?;
    Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
}

fn call(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    kind: libc::c_int,
    start: u64,
    len: u64,
) -> io::Result<libc::flock> {
    // Callers have checked the byte, or it is held by nobody. No allocation here: a
    // probe may be made in a signal handler.
    let offset = |value: u64| {
        libc::off_t::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    // SAFETY: O2: integers only, for which zero is valid. In particular `l_pid`
    // must be 0.
    let mut request: libc::flock = unsafe { mem::zeroed() };
    request.l_type = kind as libc::c_short;
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = offset(start)?;
    request.l_len = offset(len)?;
    loop {
        // SAFETY: O2, O3: the descriptor is open, and `request` is a whole `flock`,
        // ours to write to, which is what both commands take.
        if unsafe { libc::fcntl(fd.as_raw_fd(), command, &mut request) } == 0 {
            return Ok(request);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
