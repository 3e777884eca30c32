//! Pages of memory, and names of memory, beside what the crate `shared_memory` does.
#![allow(unsafe_code)]

use std::io;
use std::ptr;

use shared_memory::{Shmem, ShmemConf, ShmemError};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualLock,
};

/// Where the crate `shared_memory` has the files that its memory is in, below the directory of
/// temporary files.
const MEMORY_DIRECTORY: &str = "shared_memory-rs";

/// Memory of this process alone, all zero, aligned to a page.
///
/// # Errors
/// Those of `VirtualAlloc`.
pub(crate) fn allocate(len: usize) -> io::Result<*mut u8> {
    let kind = MEM_COMMIT | MEM_RESERVE;
    // SAFETY: O1: a null hint: the system picks an address that is not in use.
    let base = unsafe { VirtualAlloc(ptr::null(), len, kind, PAGE_READWRITE) };
    match base.is_null() {
        true => Err(io::Error::last_os_error()),
        false => Ok(base.cast()),
    }
}

/// Gives back what [`allocate`] gave.
///
/// # Safety
/// `base` came from [`allocate`], in this process, and is used no more.
pub(crate) unsafe fn free(base: *mut u8, _len: usize) -> io::Result<()> {
    // SAFETY: O1: the caller's contract. A length of 0 stands for all that was allocated.
    match unsafe { VirtualFree(base.cast(), 0, MEM_RELEASE) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Shared memory that is mapped, until the drop. The system has it for as long as a process
/// has a handle of it, so the crate's value is kept.
pub(crate) struct OpenedMemory(Shmem);

impl OpenedMemory {
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.0.as_ptr()
    }
}

/// Maps shared memory of this name; or says how long it is, if that is too short.
///
/// # Errors
/// [`io::ErrorKind::NotFound`]; those of the crate.
pub(crate) fn open(os_name: &str, len: usize) -> io::Result<Result<OpenedMemory, u64>> {
    match ShmemConf::new().os_id(os_name).open() {
        Ok(memory) if memory.len() >= len => Ok(Ok(OpenedMemory(memory))),
        Ok(memory) => Ok(Err(memory.len() as u64)),
        Err(ShmemError::MapOpenFailed(number)) => {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            Err(io::Error::from_raw_os_error(number))
        }
        Err(other) => Err(io::Error::other(other.to_string())),
    }
}

/// Keeps every page in memory.
///
/// # Errors
/// Those of `VirtualLock`, beyond the process's working set.
///
/// # Safety
/// The range is mapped, and the caller's.
pub(crate) unsafe fn lock(base: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: O1: the caller's contract.
    match unsafe { VirtualLock(base.cast(), len) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Takes the name of shared memory away: its file gets another name, and is deleted with the
/// last of its handles.
pub(crate) fn unlink(os_name: &str) {
    if let Ok(mut memory) = ShmemConf::new().os_id(os_name).open() {
        // The drop of an owner does it.
        memory.set_owner(true);
        return;
    }
    // A creator that was killed may have left a file of length 0, which cannot be opened so.
    let directory = std::env::temp_dir().join(MEMORY_DIRECTORY);
    let _ = std::fs::remove_file(directory.join(os_name.trim_start_matches('/')));
}

/// The system sets it aside when the memory is made.
pub(crate) fn reserve(_os_name: &str, _size: usize) -> io::Result<()> {
    Ok(())
}
