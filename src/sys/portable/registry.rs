//! The files of locks that this process has open, each of them once.
//!
//! The locks are of ranges of bytes: they end with the process and are not inherited.
//! POSIX's belong to the process, so two handles of one ring in it have to be told
//! apart by counts; and they all end when *any* descriptor of the file is closed, so there
//! is but one.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fork::{ForkHold, PrivateFd, ProcessToken};
use super::link::{LONGEST_FILE, MemoryId, identity};
use super::range_lock;
use crate::sys::bytes::LOCK_BYTES;
use crate::sys::handle::{AsFd, BorrowedFd, OwnedFd, Unusable};
use crate::sys::system::file::{self, FileId};

/// The byte that a creator has until it is done, beyond those of members.
pub(crate) const CREATOR_BYTE: u64 = LOCK_BYTES;
/// Bytes of which there is a count.
const COUNTED: u64 = CREATOR_BYTE + 1;

/// Where a file of locks says which file it is: beyond the bytes that are locked, for on
/// Windows these cannot be read, and a probe writes to them.
const IDENTITY_AT: u64 = COUNTED.next_multiple_of(64);
const IDENTITY_LEN: u64 = 16;
const _: () = assert!(IDENTITY_AT + IDENTITY_LEN <= LONGEST_FILE);

/// The count of a byte that is held exclusively.
const EXCLUSIVE: u32 = u32::MAX;

/// What this process holds of the bytes of one file, or of one region that has no file.
#[derive(Debug)]
pub(crate) struct ProcessLocks {
    /// `None`: no other process can open the region.
    fd: Option<PrivateFd>,
    /// For each byte: 0, how many hold it shared, or [`EXCLUSIVE`].
    counts: Vec<AtomicU32>,
    changes: Mutex<()>,
}

/// How a byte is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By one holder.
    Alone,
    /// Together with all that take it so.
    Together,
}

impl ProcessLocks {
    fn new(fd: Option<PrivateFd>) -> Self {
        Self {
            fd,
            counts: (0..COUNTED).map(|_| AtomicU32::new(0)).collect(),
            changes: Mutex::new(()),
        }
    }

    /// For a region that no other process can open.
    pub(crate) fn local() -> Arc<Self> {
        Arc::new(Self::new(None))
    }

    fn count(&self, byte: u64) -> io::Result<&AtomicU32> {
        let at = usize::try_from(byte).ok();
        let count = at.and_then(|at| self.counts.get(at));
        count.ok_or(io::ErrorKind::InvalidInput.into())
    }

    /// Takes a byte; whether it was free for that.
    pub(crate) fn take(&self, byte: u64, way: Way) -> io::Result<bool> {
        let fd = self.fd()?;
        let _changes = self.lock();
        let count = self.count(byte)?;
        // The counts change under the lock only. SeqCst: pairs with `holds`.
        let held = count.load(Ordering::SeqCst);
        let then = match way {
            Way::Alone if held == 0 => EXCLUSIVE,
            Way::Together if held < EXCLUSIVE - 1 => held + 1,
            _ => return Ok(false),
        };
        if held == 0
            && let Some(fd) = fd
            && !range_lock::take(fd, way == Way::Together, byte, 1)?
        {
            return Ok(false);
        }
        count.store(then, Ordering::SeqCst);
        Ok(true)
    }

    /// Gives up a byte that one holder had taken.
    pub(crate) fn give_up(&self, byte: u64) -> io::Result<()> {
        let fd = self.fd()?;
        let _changes = self.lock();
        let count = self.count(byte)?;
        let then = match count.load(Ordering::SeqCst) {
            0 => return Ok(()),
            EXCLUSIVE => 0,
            shared => shared - 1,
        };
        if then == 0
            && let Some(fd) = fd
        {
            range_lock::give_up(fd, byte, 1)?;
        }
        count.store(then, Ordering::SeqCst);
        Ok(())
    }

    /// Whether a byte is held, here or in another process. Takes no lock and allocates
    /// nothing.
    pub(crate) fn is_held(&self, byte: u64) -> Result<io::Result<bool>, Unusable> {
        let here = || {
            self.count(byte)
                .map(|count| count.load(Ordering::SeqCst) != 0)
        };
        let Some(fd) = &self.fd else {
            return Ok(here());
        };
        // Ours first: to the system, what is ours is in nobody's way.
        fd.made_sure(|fd| match here()? {
            true => Ok(true),
            false => range_lock::is_taken(fd, byte),
        })
    }

    fn fd(&self) -> Result<Option<BorrowedFd<'_>>, Unusable> {
        self.fd.as_ref().map(PrivateFd::verified).transpose()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps others from taking and giving up bytes.
    #[cfg(test)]
    pub(crate) fn hold_changes(&self) -> MutexGuard<'_, ()> {
        self.lock()
    }

    fn is_of(&self, file: FileId) -> bool {
        let fd = self.fd.as_ref();
        fd.is_some_and(|fd| fd.file() == file && fd.verified().is_ok())
    }
}

/// Changed under a [`ForkHold`] only.
static OPEN: Mutex<Vec<Arc<ProcessLocks>>> = Mutex::new(Vec::new());

fn open_files() -> MutexGuard<'static, Vec<Arc<ProcessLocks>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locks of this memory, in `dir`.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if there is no such file; those of `openat`.
pub(crate) fn open(dir: BorrowedFd<'_>, id: MemoryId) -> io::Result<Arc<ProcessLocks>> {
    let _hold = ForkHold::new()?;
    let mut open = open_files();
    let name = id.lock_name();
    let file = file::metadata_at(dir, &name)?.id();
    // Those of a parent are of no use here, nor those that were closed behind our back.
    if let Some(locks) = open.iter().find(|locks| locks.is_of(file)) {
        return Ok(Arc::clone(locks));
    }
    insert(&mut open, || {
        let fd = file::open(dir, &name, true)?;
        match is_original(fd.as_fd())? {
            Original::Yes => Ok(fd),
            Original::NotYet => Err(io::ErrorKind::NotFound.into()),
        }
    })
}

/// Whether a file of locks is the one that the memory's creator made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Original {
    Yes,
    /// It says nothing: its creator was killed before it made anything else.
    NotYet,
}

/// # Errors
/// [`io::ErrorKind::NotFound`] of a copy: there is nothing of the memory here.
fn is_original(fd: BorrowedFd<'_>) -> io::Result<Original> {
    let mut said = [0; IDENTITY_LEN as usize];
    match file::read_at(fd, &mut said, IDENTITY_AT)? {
        0 => Ok(Original::NotYet),
        16 if said == identity(fd)? => Ok(Original::Yes),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Makes the file of locks of this memory with `make`.
///
/// # Errors
/// Those of `make`.
pub(crate) fn create(make: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Arc<ProcessLocks>> {
    let _hold = ForkHold::new()?;
    insert(&mut open_files(), || {
        let fd = make()?;
        file::write_at(fd.as_fd(), &identity(fd.as_fd())?, IDENTITY_AT)?;
        Ok(fd)
    })
}

fn insert(
    open: &mut Vec<Arc<ProcessLocks>>,
    make: impl FnOnce() -> io::Result<OwnedFd>,
) -> io::Result<Arc<ProcessLocks>> {
    let fd = PrivateFd::open(make)?;
    let others = open.iter().filter_map(|locks| locks.fd.as_ref());
    others.for_each(|other| other.yield_to(&fd));
    let locks = Arc::new(ProcessLocks::new(Some(fd)));
    open.push(Arc::clone(&locks));
    Ok(locks)
}

/// Gives the locks back; the last of this process closes the file. Not to be called in a
/// forked child.
pub(crate) fn close(locks: Arc<ProcessLocks>) {
    let Ok(_hold) = ForkHold::new() else {
        return;
    };
    let mut open = open_files();
    let at = open.iter().position(|one| Arc::ptr_eq(one, &locks));
    // Ours and the registry's: nobody else has it, nor can get it meanwhile.
    if let Some(at) = at
        && Arc::strong_count(&locks) == 2
    {
        drop(locks);
        open.swap_remove(at);
    }
}

/// Calls `act` while this process holds all bytes of the memory's file of locks, if no
/// process, this one included, holds any, and it is no copy.
pub(super) fn while_unused(dir: BorrowedFd<'_>, id: MemoryId, act: impl FnOnce(Original)) {
    let (Ok(_hold), Ok(_)) = (ForkHold::new(), ProcessToken::here()) else {
        return;
    };
    // The registry stays locked: a descriptor is closed in here, and with it would go the
    // locks of one that was opened meanwhile.
    let open = open_files();
    let name = id.lock_name();
    let Ok(facts) = file::metadata_at(dir, &name) else {
        return;
    };
    let is_ours = facts.kind == file::FileKind::Regular && facts.owner == file::effective_user();
    if !is_ours || open.iter().any(|locks| locks.is_of(facts.id())) {
        return;
    }
    let Ok(fd) = file::open(dir, &name, true) else {
        return;
    };
    if let Ok(true) = range_lock::take(fd.as_fd(), false, 0, COUNTED)
        && let Ok(original) = is_original(fd.as_fd())
    {
        act(original);
    }
}
