//! Mapped memory.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::fork::ProcessToken;
use super::link::Link;
use super::memory;
use super::pages::{self, OpenedMemory};
use crate::sys::handle::BorrowedFd;

/// The memory that a link leads to, shared with all processes that have mapped it.
///
/// There is a raw pointer only, no slice: others write to these bytes at any
/// time. A forked child has the mapping still, and must not use it; dropping it in the
/// child does nothing.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    token: ProcessToken,
    /// `None`: memory without a name, which this value unmaps.
    memory: ManuallyDrop<Option<OpenedMemory>>,
}

// SAFETY: O7: the mapping belongs to the process, not to a thread; the value hands
// out a raw pointer and reads or writes nothing itself.
unsafe impl Send for Mapping {}
// SAFETY: O7, as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of the memory that the link in `fd` leads to, for
    /// reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a length of 0; those of [`Link::expect`] and
    /// [`memory::open`]; `ENOMEM`.
    pub(crate) fn shared(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let token = ProcessToken::here()?;
        let link = Link::expect(fd)?;
        if len == 0 || u64::try_from(len).is_ok_and(|len| len > link.size) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let memory = link.memory.map(|id| memory::open(id, len)).transpose()?;
        let base = match &memory {
            Some(memory) => memory.as_ptr(),
            None => pages::allocate(len)?,
        };
        Ok(Self {
            base: NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?,
            len,
            token,
            memory: ManuallyDrop::new(memory),
        })
    }

    /// As [`Mapping::shared`]: for an observer: that it writes nothing is all that
    /// keeps it from it.
    ///
    /// # Errors
    /// As [`Mapping::shared`].
    pub(crate) fn read_only(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        Self::shared(fd, len)
    }

    /// Where it begins, aligned to a page. Valid as long as the mapping lives,
    /// and not to be used in a forked child.
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
    /// Always [`io::ErrorKind::Unsupported`].
    pub(crate) fn huge_pages(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes every page present and writable now.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub(crate) fn prefault(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Keeps every page in memory.
    ///
    /// # Errors
    /// Those of [`pages::lock`]; in a forked child.
    pub(crate) fn lock_memory(&self) -> io::Result<()> {
        if !self.token.is_here() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: O1: the range is ours, mapped until the drop.
        unsafe { pages::lock(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.token.is_here() {
            return;
        }
        // SAFETY: O1: taken out once, in the drop, and not used afterwards.
        match unsafe { ManuallyDrop::take(&mut self.memory) } {
            // It unmaps, and keeps the name: no mapping here is its owner's.
            Some(memory) => drop(memory),
            None => {
                // SAFETY: O1: mapped by `shared` in this very process, and the code that
                // took the pointer promised not to use it beyond the life of `self`.
                let unmapped = unsafe { pages::free(self.base.as_ptr(), self.len) };
                debug_assert!(unmapped.is_ok());
            }
        }
    }
}
