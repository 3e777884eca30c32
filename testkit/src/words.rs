//! Memory shared between processes, as atomic words.
//!
//! The file needs `unsafe`: std has no safe way to share an
//! atomic between processes.

#![allow(unsafe_code)]

use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

use anyhow::{Context, Result, bail};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// The first words of a file, mapped by every process that shares them: all zero at first.
pub struct Words {
    base: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and all that is done through it is
// done by atomic words.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// A file of so many words in memory, which nobody can shorten.
    pub fn file(count: usize) -> Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("memring-words", flags).context("cannot make shared memory")?;
        let length = (count * size_of::<AtomicU64>()) as u64;
        ftruncate(&file, length).context("cannot size shared memory")?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .context("cannot seal shared memory")?;
        Ok(file)
    }

    /// Map all words of this file: see [`Words::map`].
    pub fn map_all(file: impl AsFd) -> Result<Self> {
        let length = fstat(&file)
            .context("cannot look at shared memory")?
            .st_size;
        Words::map(file, length as usize / size_of::<AtomicU64>())
    }

    /// Map the first `count` words of this file, which nobody may shorten afterwards: it is a
    /// sealed memfd, or lies in a directory of the program's own.
    pub fn map(file: impl AsFd, count: usize) -> Result<Self> {
        let length = count * size_of::<AtomicU64>();
        let found = fstat(&file)
            .context("cannot look at shared memory")?
            .st_size;
        if count == 0 || (found as u64) < length as u64 {
            bail!("expected {length} bytes of shared memory, found {found}");
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a null hint without MAP_FIXED lets the kernel choose a range that nothing uses,
        // so no memory of this process is replaced.
        let base = unsafe { mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file, 0) };
        let base = base.context("cannot map shared memory")?;
        let base = NonNull::new(base.cast()).context("mapped at address zero")?;
        Ok(Words { base, count })
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `base` is the start of a mapping of `count` words, made in `map` and unmapped
        // only in `drop`, so it is valid for as long as `self` is borrowed, and aligned to a page.
        // The file was that long when it was mapped, and is not shortened (see `map`), so its
        // pages are always there. Every process that maps it was started by one program and
        // touches it by this method only: all accesses are atomic, and any value is valid.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let length = self.count * size_of::<AtomicU64>();
        // SAFETY: the range is exactly the mapping made in `map`, which this value owns; the
        // references that `deref` gave out are gone, since they borrow `self`. The result is of no
        // use: the only failures are a range that is none, and a full table of mappings.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), length) };
    }
}

/// A word that this process shares with the children that it forks; never freed.
pub fn shared_word() -> &'static AtomicU32 {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a null hint without MAP_FIXED: as in `map`.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), 4096, access, MapFlags::SHARED) };
    let word = page.expect("map shared memory").cast::<AtomicU32>();
    // SAFETY: mapped for good, aligned to a page, and zero is a valid value.
    unsafe { &*word }
}
