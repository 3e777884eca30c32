//! An open region: the memory, the locks of its file, and whether both are good.

#![allow(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use super::header::Description;
use super::layout::{
    ENTRY_SIZE, MARK_OFFSET, REMOVED, REMOVED_AFTER_END, TABLE_ENTRIES, TABLE_OFFSET, USERS_BYTE,
    epoch_offset, wait_word_offset,
};
use super::os_error;
use crate::error::{Corruption, Failure, RingError};
use crate::events;
use crate::members::{Liveness, MemberId};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering};
use crate::sys::file::{FileId, Metadata};
use crate::sys::fork::Sentinel;
use crate::sys::handle::{AsFd, AsRawFd, BorrowedFd, OwnedFd, Unusable};
use crate::sys::lock::{Acquired, LockFile, ProbeError};
use crate::sys::map::Mapping;
use crate::sys::{file, membarrier};

/// An option about memory that the system did not grant. The object works without.
#[derive(Debug, thiserror::Error)]
#[error("{what} not granted: {source}")]
#[non_exhaustive]
pub struct Warning {
    /// What was asked for.
    pub what: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// What to ask of the system about the memory of a region.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MapOptions {
    pub huge_pages: bool,
    pub prefault: bool,
    pub lock_memory: bool,
}

/// What a region is mapped for.
#[derive(Clone, Copy, Debug)]
pub(super) enum MapMode {
    /// To take part.
    Use(MapOptions),
    /// To look at it: mapped for reading.
    Observe,
}

/// States of the sentinel beside usable and forked.
const CORRUPTED: u32 = 2;
/// Good, for an object whose calls all take the slow path.
const SLOW: u32 = 3;

/// An open region of shared memory.
///
/// V6: the mapping lives as long as `self`, begins on a page boundary, and is as
/// long as `size` says, which is at least [`DATA_OFFSET`](super::layout::DATA_OFFSET);
/// the description is private and was checked against the file.
pub(crate) struct Region {
    // Before the locks, so that it goes first: a mapping pins its locks.
    mapping: Mapping,
    locks: LockFile,
    path: Option<PathBuf>,
    /// Whether the file has a name, or had one when it was opened, by its number of names:
    /// `false` on a file system that does not count them.
    has_name: bool,
    /// A descriptor without locks, to pass on.
    share: OnceLock<SharedFd>,
    sentinel: Sentinel,
    /// Set by one thread alone, the one that has set `is_poisoned`: to set it is to take
    /// its lock, and to read it is not.
    corruption: OnceLock<Corruption>,
    is_poisoned: AtomicBool,
    /// A probe has found the descriptor closed: from then on nobody's death can be told.
    has_lost_descriptor: AtomicBool,
    warnings: Vec<Warning>,
}

impl Region {
    /// Puts the parts together. `locks` is of a file whose size is at least what
    /// `description` says, by the caller's check.
    pub(super) fn assemble(
        locks: LockFile,
        description: &Description,
        path: Option<PathBuf>,
        has_name: bool,
        share: Option<OwnedFd>,
        access: MapMode,
    ) -> Result<Region, RingError> {
        let os = |action| os_error(action, &path);
        let size = usize::try_from(description.size).expect("sizes are checked before");
        let map = match access {
            MapMode::Use(_) => Mapping::shared,
            MapMode::Observe => Mapping::read_only,
        };
        let mapping = locks
            .as_fd()
            .and_then(|fd| map(fd, size))
            .map_err(os("map"))?;
        debug_assert_eq!(mapping.len(), size, "V6");
        let share = share
            .map(SharedFd::new)
            .transpose()
            .map_err(os("look at"))?;
        let sentinel = Sentinel::new().map_err(os("make a fork sentinel for"))?;
        let mut warnings = Vec::new();
        if let MapMode::Use(options) = access {
            if description.fences == Fences::Membarrier {
                register_barrier()?;
            }
            warnings = grant(&mapping, options);
        }
        Ok(Region {
            mapping,
            locks,
            path,
            has_name,
            share: share.map(OnceLock::from).unwrap_or_default(),
            sentinel,
            corruption: OnceLock::new(),
            is_poisoned: AtomicBool::new(false),
            has_lost_descriptor: AtomicBool::new(false),
            warnings,
        })
    }

    /// Where the memory begins. The caller keeps the region alive as long as it
    /// uses the address.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.mapping.as_ptr()
    }

    /// Bytes of the region.
    pub(crate) fn size(&self) -> usize {
        self.mapping.len()
    }

    /// The entry of `id` in the table of members.
    pub(crate) fn entry(&self, id: MemberId) -> &AtomicU64 {
        self.word(TABLE_OFFSET + usize::from(id.0) % TABLE_ENTRIES * ENTRY_SIZE)
    }

    /// The process id that the holder of `id` gave.
    pub(crate) fn pid(&self, id: MemberId) -> &AtomicU64 {
        self.word(TABLE_OFFSET + usize::from(id.0) % TABLE_ENTRIES * ENTRY_SIZE + 8)
    }

    /// The epoch of the role of this index.
    pub(crate) fn epoch(&self, role: usize) -> &AtomicU64 {
        self.word(epoch_offset(role))
    }

    /// Marks the region as removed, unless it is marked. `after_end`: its object had
    /// ended before.
    pub(crate) fn set_mark(&self, after_end: bool) {
        let mark = match after_end {
            false => REMOVED,
            true => REMOVED_AFTER_END,
        };
        // Release: pairs with the load in `mark`. The object's own end is stored later,
        // and is what tells members to look here. A failure: others marked it.
        let word = self.word(MARK_OFFSET);
        let _ = word.compare_exchange(0, mark, Ordering::Release, Ordering::Relaxed);
    }

    /// Whether the region was removed, and that was the end of its object. Call after
    /// the object was seen to have ended.
    pub(crate) fn is_ended_by_removal(&self) -> bool {
        self.mark() == REMOVED
    }

    /// Whether the region was removed, as far as its mark or its file tells.
    pub(crate) fn is_removed(&self) -> bool {
        self.mark() != 0 || self.has_lost_its_name()
    }

    /// Whether the file had a name and has none any more. `false` if that cannot be
    /// found out. System calls; may be asked in a signal handler.
    pub(crate) fn has_lost_its_name(&self) -> bool {
        self.has_name && self.locks.metadata().is_ok_and(|now| now.links == 0)
    }

    fn mark(&self) -> u64 {
        // Acquire: pairs with `set_mark`.
        self.word(MARK_OFFSET).load(Ordering::Acquire)
    }

    /// The word that members of the role of this index sleep on.
    pub(crate) fn wait_word(&self, role: usize) -> &AtomicU32 {
        let offset = wait_word_offset(role);
        // SAFETY: V6: below the data, so in bounds, and 4-aligned; this word is
        // only ever a 32-bit atomic.
        unsafe { self.base().add(offset).cast::<AtomicU32>().as_ref() }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset.is_multiple_of(8));
        // SAFETY: V6: the offsets are those of words below the data, so in bounds,
        // and multiples of 8; these words are only ever 64-bit atomics.
        unsafe { self.base().add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// Is this handle good, and may fast paths be taken? One relaxed load.
    #[inline(always)]
    pub(crate) fn has_fast_paths(&self) -> bool {
        self.sentinel.get() == Sentinel::USABLE
    }

    /// What tells whether this handle is good, to have it at hand.
    pub(crate) fn sentinel(&self) -> &Sentinel {
        &self.sentinel
    }

    /// Is this handle good? Asked where [`has_fast_paths`](Region::has_fast_paths) said no, or where
    /// it does not matter which path is taken.
    #[cold]
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.sentinel.get(), Sentinel::USABLE | SLOW)
    }

    /// Has all calls take the slow path, and none that is meant for an object with fast ones: [`has_fast_paths`](Region::has_fast_paths) is `false` from
    /// now on. For an object that has no fast paths, before it is used.
    pub(crate) fn forgo_fast_paths(&self) {
        self.sentinel.set(SLOW);
    }

    /// Is the memory there? In a forked child it is not.
    #[inline(always)]
    pub(crate) fn is_mapped(&self) -> bool {
        self.sentinel.get() != Sentinel::FORKED
    }

    /// Why this handle is not good, if it is not.
    #[cold]
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.sentinel.get() {
            Sentinel::USABLE | SLOW => Ok(()),
            Sentinel::FORKED => Err(Failure::Forked),
            _ => Err(Failure::Corrupted(self.corruption(Corruption {
                what: "value",
                position: 0,
                found: 0,
            }))),
        }
    }

    /// Refuses all work from now on: a peer broke the rules.
    #[cold]
    pub(crate) fn poison(&self, found: Corruption) -> Failure {
        // Never waits: the first sets it, and others only look. AcqRel: the only one
        // that finds `false` goes on; pairs with itself.
        if !self.is_poisoned.swap(true, Ordering::AcqRel) {
            let _ = self.corruption.set(found);
            events::poisoned(self.path(), &found);
        }
        self.sentinel.set(CORRUPTED);
        Failure::Corrupted(self.corruption(found))
    }

    /// What the handle was poisoned for, or `unknown`, if that is being set.
    fn corruption(&self, unknown: Corruption) -> Corruption {
        self.corruption.get().copied().unwrap_or(unknown)
    }

    /// Whether deaths can be told still: no probe has found the descriptor closed.
    ///
    /// # Errors
    /// [`Failure::DescriptorClosed`], for good.
    #[inline]
    pub(crate) fn check_descriptor(&self) -> Result<(), Failure> {
        // Relaxed: pairs with the store in `is_alive`; that it is set is all there is.
        match self.has_lost_descriptor.load(Ordering::Relaxed) {
            true => Err(Failure::DescriptorClosed),
            false => Ok(()),
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Locks all that this region has to lock.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn hold_locks(&self) -> impl Drop + '_ {
        self.locks.hold_changes()
    }

    /// Whether any process has the region open, this one included; `true` if that
    /// cannot be found out.
    pub(crate) fn is_in_use(&self) -> bool {
        self.locks.is_held(USERS_BYTE).unwrap_or(true)
    }

    /// From now on the region counts as in use, as long as `self` lives.
    pub(super) fn mark_in_use(&self) -> io::Result<bool> {
        self.locks.shared(USERS_BYTE)
    }

    /// Looks whether the file has got its name.
    pub(super) fn look_for_name(&mut self) {
        self.has_name = self.locks.metadata().is_ok_and(|now| now.links > 0);
        self.locks.note_published();
    }

    /// The descriptor of the file, made sure of.
    pub(super) fn file(&self) -> io::Result<BorrowedFd<'_>> {
        self.locks.as_fd()
    }

    /// What `stat` says of the file.
    pub(crate) fn metadata(&self) -> Result<Metadata, RingError> {
        let metadata = self.file().and_then(file::metadata);
        metadata.map_err(os_error("look at", &self.path))
    }

    /// Bytes of the region.
    pub(crate) fn file_size(&self) -> Result<u64, RingError> {
        let facts = self.metadata()?;
        let size = self.file().and_then(|fd| file::region_size(fd, &facts));
        size.map_err(os_error("look at", &self.path))
    }

    /// A descriptor to pass on: its open file description holds no locks.
    pub(crate) fn share(&self) -> Result<BorrowedFd<'_>, RingError> {
        check_passing()?;
        // A forked child passes on what its parent had; what is corrupted is not
        // passed on.
        if let Err(failure @ Failure::Corrupted(_)) = self.check() {
            return Err(failure.into());
        }
        let os = |action| os_error(action, &self.path);
        if self.is_mapped() {
            // Closed behind our back they are all together.
            self.file().map_err(os("use"))?;
        }
        if let Some(shared) = self.share.get() {
            return shared.verified().map_err(os("use"));
        }
        self.check()?;
        let fd = self
            .file()
            .and_then(|fd| SharedFd::new(file::reopen(fd, true)?))
            .map_err(os("reopen"))?;
        let shared = self.share.get_or_init(|| fd);
        shared.verified().map_err(os("use"))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A program that has closed our descriptors may have opened this very file again,
        // at one of their numbers.
        if self.is_mapped()
            && self.file().is_err()
            && let Some(shared) = self.share.get_mut()
        {
            shared.leave();
        }
    }
}

/// A descriptor that is lent, and the file that it was opened for: the program may close
/// it behind our back, and the number be given to another file. Unlike a
/// [`PrivateFd`](crate::sys::fork::PrivateFd) it stays with forked children.
struct SharedFd {
    fd: Option<OwnedFd>,
    file: FileId,
}

impl SharedFd {
    fn new(fd: OwnedFd) -> io::Result<SharedFd> {
        let file = file::metadata(fd.as_fd())?.id();
        Ok(SharedFd { fd: Some(fd), file })
    }

    /// The descriptor, if it stands for the file that it did.
    fn verified(&self) -> io::Result<BorrowedFd<'_>> {
        let fd = self.fd.as_ref().ok_or(io::ErrorKind::NotFound)?.as_fd();
        match file::metadata(fd) {
            Ok(now) if now.id() == self.file => Ok(fd),
            _ => Err(Unusable::Closed(fd.as_raw_fd()).into()),
        }
    }

    /// The number is another's now, or nobody's: not to be closed.
    fn leave(&mut self) {
        std::mem::forget(self.fd.take());
    }
}

impl Drop for SharedFd {
    fn drop(&mut self) {
        if self.verified().is_err() {
            self.leave();
        }
    }
}

impl Liveness for Region {
    type Error = io::Error;

    fn try_lock(&self, id: MemberId) -> io::Result<bool> {
        Ok(self.locks.try_exclusive(id.0.into())? == Acquired::Taken)
    }

    fn unlock(&self, id: MemberId) {
        // A lock that cannot be given back goes with the region's descriptor.
        let _ = self.locks.unlock(id.0.into());
    }

    /// A caller that needs to tell `true` from unknown asks
    /// [`Region::check_descriptor`] afterwards.
    fn is_alive(&self, id: MemberId) -> bool {
        self.locks.is_held(id.0.into()).unwrap_or_else(|error| {
            if let ProbeError::Unusable(Unusable::Closed(_)) = error {
                // Relaxed: pairs with the load in `check_descriptor`.
                self.has_lost_descriptor.store(true, Ordering::Relaxed);
            }
            true
        })
    }
}

/// Asks for what `options` name, and says what was refused.
fn grant(mapping: &Mapping, options: MapOptions) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (wanted, what, ask) in [
        (
            options.huge_pages,
            "huge pages",
            Mapping::huge_pages as fn(&Mapping) -> _,
        ),
        (options.prefault, "prefaulting", Mapping::prefault),
        (options.lock_memory, "memory lock", Mapping::lock_memory),
    ] {
        if wanted && let Err(source) = ask(mapping) {
            warnings.push(Warning { what, source });
        }
    }
    warnings
}

/// Registers this process for `membarrier`, which regions with it require of every
/// user: a process that is not registered would miss its barriers.
pub(crate) fn register_barrier() -> Result<(), RingError> {
    membarrier::register().map_err(|_| RingError::Unsupported {
        what: "membarrier (global expedited), which this ring was made for",
        remedy: "make the ring with FenceMode::Fence",
    })
}

/// Whether rings can be passed on by descriptors here at all.
pub(super) fn check_passing() -> Result<(), RingError> {
    match file::PASSES_DESCRIPTORS {
        true => Ok(()),
        false => Err(RingError::Unsupported {
            what: "passing a ring by descriptor, which the portable backend cannot",
            remedy: "give the ring a name, and open it by that",
        }),
    }
}
