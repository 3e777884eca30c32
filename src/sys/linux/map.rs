//! Mapped memory.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::fork::{ForkHold, ProcessToken};

/// A file's bytes in memory, shared with all processes that have mapped it.
///
/// There is a raw pointer only, no slice: others write to these bytes at any
/// time. A forked child does not have the mapping at all, and the address may
/// be something else there, so dropping it in the child does nothing.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    token: ProcessToken,
}

// SAFETY: O7: the mapping belongs to the process, not to a thread; the value hands
// out a raw pointer and reads or writes nothing itself.
unsafe impl Send for Mapping {}
// SAFETY: O7, as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of a file for reading and writing. The
    /// mapping keeps the open file description alive, and with it its locks.
    ///
    /// # Errors
    /// `EINVAL` for a length of 0, `EACCES` for a descriptor that may not
    /// write, `ENOMEM`. A length beyond the end of the file is no error here:
    /// touching what is not there kills the process, so check first.
    pub(crate) fn shared(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        Self::map(fd, len, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// As [`Mapping::shared`], for reading only: a write kills the process.
    ///
    /// # Errors
    /// As [`Mapping::shared`].
    pub(crate) fn read_only(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        Self::map(fd, len, ProtFlags::READ)
    }

    fn map(fd: BorrowedFd<'_>, len: usize, rights: ProtFlags) -> io::Result<Self> {
        let token = ProcessToken::here()?;
        // A child forked before the advice would have the mapping, and keep
        // its parent's locks with it.
        let _hold = ForkHold::new()?;
        // SAFETY: O1: a null hint: the kernel picks an address that is not in use.
        let base =
            unsafe { rustix::mm::mmap(ptr::null_mut(), len, rights, MapFlags::SHARED, fd, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Self { base, len, token };
        mapping.advise(Advice::LinuxDontFork)?;
        Ok(mapping)
    }

    /// Where it begins, aligned to a page. Valid as long as the mapping lives,
    /// and not in a forked child.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Its length in bytes, as asked for.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Asks for huge pages.
    ///
    /// # Errors
    /// `EINVAL` when the kernel has none; in a forked child.
    pub(crate) fn huge_pages(&self) -> io::Result<()> {
        self.advise(Advice::LinuxHugepage)
    }

    /// Makes every page present and writable now. No byte changes.
    ///
    /// # Errors
    /// `EINVAL` before Linux 5.14 and for a read-only mapping, `ENOMEM`,
    /// `EFAULT` beyond the end of the file; in a forked child.
    pub(crate) fn prefault(&self) -> io::Result<()> {
        rustix::io::retry_on_intr(|| self.try_advise(Advice::LinuxPopulateWrite))?;
        Ok(())
    }

    /// Keeps every page in memory.
    ///
    /// # Errors
    /// `ENOMEM` or `EPERM` beyond the process's limit; in a forked child.
    pub(crate) fn lock_memory(&self) -> io::Result<()> {
        if !self.token.is_here() {
            return Err(rustix::io::Errno::NOMEM.into());
        }
        // SAFETY: O1: the range is ours, mapped until the drop.
        unsafe { rustix::mm::mlock(self.base.as_ptr().cast(), self.len) }?;
        Ok(())
    }

    fn advise(&self, advice: Advice) -> io::Result<()> {
        Ok(self.try_advise(advice)?)
    }

    fn try_advise(&self, advice: Advice) -> rustix::io::Result<()> {
        if !self.token.is_here() {
            // What the kernel says of a range that is not mapped.
            return Err(rustix::io::Errno::NOMEM);
        }
        // SAFETY: O1: the range is ours, mapped until the drop, and none of the
        // advice given here changes what it holds.
        unsafe { rustix::mm::madvise(self.base.as_ptr().cast(), self.len, advice) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.token.is_here() {
            return;
        }
        // SAFETY: O1: mapped by `map` in this very process, and the code that
        // took the pointer promised not to use it beyond the life of `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests {
    use std::ffi::OsStr;
    use std::os::fd::{AsFd, OwnedFd};

    use memring_testkit::forks;

    use super::*;
    use crate::sys::file;

    const LEN: usize = 3 * 4096;

    fn memory() -> OwnedFd {
        let file = file::memfd(OsStr::new("map")).unwrap();
        file::allocate(file.as_fd(), LEN as u64).unwrap();
        file
    }

    fn read(mapping: &Mapping, offset: usize) -> u8 {
        assert!(offset < mapping.len());
        // SAFETY: O1: in range and mapped; the file is as long.
        unsafe { mapping.as_ptr().add(offset).read_volatile() }
    }

    fn write(mapping: &Mapping, offset: usize, value: u8) {
        assert!(offset < mapping.len());
        // SAFETY: O1: in range and mapped writable; the file is as long.
        unsafe { mapping.as_ptr().add(offset).write_volatile(value) }
    }

    #[test]
    fn two_mappings_share_their_bytes() {
        let file = memory();
        let one = Mapping::shared(file.as_fd(), LEN).unwrap();
        let other = Mapping::read_only(file.as_fd(), LEN).unwrap();
        drop(file);
        write(&one, LEN - 1, 77);
        assert_eq!(read(&other, LEN - 1), 77);
        assert_eq!(one.len(), LEN);
        assert_eq!(one.as_ptr().as_ptr() as usize % 4096, 0);
    }

    #[test]
    fn nothing_and_the_unwritable_are_refused() {
        let file = memory();
        let refusal = Mapping::shared(file.as_fd(), 0).unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::InvalidInput);
        let unwritable = file::reopen(file.as_fd(), false).unwrap();
        let refusal = Mapping::shared(unwritable.as_fd(), LEN).unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::PermissionDenied);
        Mapping::read_only(unwritable.as_fd(), LEN).unwrap();
    }

    #[test]
    fn prefault_makes_pages_and_keeps_bytes() {
        let file = file::memfd(OsStr::new("map")).unwrap();
        rustix::fs::ftruncate(&file, LEN as u64).unwrap();
        let mapping = Mapping::shared(file.as_fd(), LEN).unwrap();
        write(&mapping, 1, 5);
        let blocks = rustix::fs::fstat(&file).unwrap().st_blocks;
        mapping.prefault().unwrap();
        assert!(rustix::fs::fstat(&file).unwrap().st_blocks > blocks);
        assert_eq!(read(&mapping, 1), 5);
        let unwritable = Mapping::read_only(file.as_fd(), LEN).unwrap();
        assert!(unwritable.prefault().is_err());
    }

    #[test]
    fn memory_can_be_locked() {
        let mapping = Mapping::shared(memory().as_fd(), LEN).unwrap();
        mapping.lock_memory().unwrap();
        // Whether there are huge pages is up to the kernel: no test of success.
        let _ = mapping.huge_pages();
    }

    #[test]
    fn a_child_neither_has_nor_unmaps_it() {
        let file = memory();
        let mapping = Mapping::shared(file.as_fd(), LEN).unwrap();
        let address = mapping.as_ptr().as_ptr();
        let mut mapping = Some(mapping);
        let child = forks::fork_checked(|| {
            let rights = ProtFlags::READ | ProtFlags::WRITE;
            let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
            // SAFETY: O1: never replaces a mapping: it fails if the child has one.
            let reused = unsafe { rustix::mm::mmap_anonymous(address.cast(), LEN, rights, flags) };
            let Ok(reused) = reused else {
                return false;
            };
            let refused = mapping.as_ref().is_some_and(|it| it.prefault().is_err());
            drop(mapping.take());
            // SAFETY: O1: mapped above, and still so unless the drop unmapped it,
            // which `madvise` tells without touching it.
            let kept = unsafe { rustix::mm::madvise(reused, LEN, Advice::Normal) }.is_ok();
            refused && kept
        });
        assert!(child.succeeded());
        assert_eq!(read(mapping.as_ref().unwrap(), 0), 0);
    }
}
