//! Pages of memory, and names of memory, beside what the crate `shared_memory` does.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags};

use crate::sys::posix::file;

/// Memory of this process alone, all zero, aligned to a page.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn allocate(len: usize) -> io::Result<*mut u8> {
    let (rights, kind) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: O1: a null hint: the system picks an address that is not in use.
    Ok(unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, rights, kind) }?.cast())
}

/// Gives back what [`allocate`] gave.
///
/// # Safety
/// `base` came from [`allocate`] for this `len`, in this process, and is used no more.
pub(crate) unsafe fn free(base: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: O1: the caller's contract.
    Ok(unsafe { rustix::mm::munmap(base.cast(), len) }?)
}

/// Shared memory that is mapped, until the drop.
pub(crate) struct OpenedMemory {
    base: NonNull<u8>,
    len: usize,
}

impl OpenedMemory {
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }
}

impl Drop for OpenedMemory {
    fn drop(&mut self) {
        // SAFETY: O1: mapped by `open` in this process; the code that took the pointer
        // promised not to use it beyond the life of `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Maps shared memory of this name; or says how long it is, if that is too short.
///
/// (Not by the crate: its value keeps the descriptor, and closes the number when it is
/// dropped, whatever has it by then.)
///
/// # Errors
/// [`io::ErrorKind::NotFound`]; those of `shm_open` and `mmap`.
pub(crate) fn open(os_name: &str, len: usize) -> io::Result<Result<OpenedMemory, u64>> {
    let flags = rustix::shm::OFlags::RDWR;
    let memory = rustix::shm::open(os_name, flags, rustix::fs::Mode::empty())?;
    let found = file::metadata(memory.as_fd())?.size;
    if usize::try_from(found).is_ok_and(|found| found < len) {
        return Ok(Err(found));
    }
    let (rights, kind) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: O1: a null hint: the system picks an address that is not in use.
    let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, rights, kind, &memory, 0) }?;
    let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    Ok(Ok(OpenedMemory { base, len }))
}

/// Keeps every page in memory.
///
/// # Errors
/// `ENOMEM` or `EPERM` beyond the process's limit.
///
/// # Safety
/// The range is mapped, and the caller's.
pub(crate) unsafe fn lock(base: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: O1: the caller's contract.
    Ok(unsafe { rustix::mm::mlock(base.cast(), len) }?)
}

/// Takes the name of shared memory away. (Not by the drop of an owner: that needs to open it,
/// which fails at a length of 0.)
pub(crate) fn unlink(os_name: &str) {
    let _ = rustix::shm::unlink(os_name);
}

/// Has the system set the storage aside, so that no later write can meet a full device.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(os_name: &str, size: usize) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, Mode};
    use rustix::shm::OFlags;

    let memory = rustix::shm::open(os_name, OFlags::RDWR, Mode::empty())?;
    let all = || rustix::fs::fallocate(&memory, FallocateFlags::empty(), 0, size as u64);
    Ok(rustix::io::retry_on_intr(all)?)
}

/// There is no call for it here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_os_name: &str, _size: usize) -> io::Result<()> {
    Ok(())
}
