//! Pages of memory, and names of memory, beside what the crate `shared_memory` does.
#![allow(unsafe_code)]

use std::io;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags};

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
