//! Locks of ranges of bytes: `LockFileEx`. They belong to an open file, and end with its last
//! handle or its process; after the end of a process perhaps a little later.
//!
//! They also bar others from reading and writing these bytes. So the bytes are such that hold
//! nothing, and a write of one byte that fails tells that it is locked.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::fs::FileExt;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::sys::handle::BorrowedFd;

/// Takes some bytes, alone or together with all that take them so; `false` if another
/// open file is in the way. Never waits.
///
/// # Errors
/// Those of `LockFileEx`.
pub(crate) fn take(fd: BorrowedFd<'_>, together: bool, start: u64, len: u64) -> io::Result<bool> {
    let kind = if together { 0 } else { LOCKFILE_EXCLUSIVE_LOCK };
    let (low, high) = halves(len);
    let mut place = at(start);
    // SAFETY: O2, O3: the handle is open, and `place` is a whole `OVERLAPPED`, ours for the
    // length of the call: the handle is not for overlapped work, so nothing comes later.
    let taken = unsafe {
        LockFileEx(
            fd.as_raw_handle(),
            kind | LOCKFILE_FAIL_IMMEDIATELY,
            0,
            low,
            high,
            &mut place,
        )
    };
    match taken {
        0 => match io::Error::last_os_error() {
            error if is_conflict(&error) => Ok(false),
            error => Err(error),
        },
        _ => Ok(true),
    }
}

/// Gives up bytes that were taken by one call.
///
/// # Errors
/// Those of `UnlockFileEx`.
pub(crate) fn give_up(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<()> {
    let (low, high) = halves(len);
    let mut place = at(start);
    // SAFETY: O2, O3: as in `take`.
    match unsafe { UnlockFileEx(fd.as_raw_handle(), 0, low, high, &mut place) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether another open file has locked a byte, in whichever way. Takes nothing: it writes
/// to the byte, which neither kind of lock lets others do.
///
/// # Errors
/// Those of `WriteFile`.
pub(crate) fn is_taken(fd: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    match fd.seek_write(&[0], byte) {
        Ok(_) => Ok(false),
        Err(error) if is_conflict(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

fn is_conflict(error: &io::Error) -> bool {
    let number = error.raw_os_error().and_then(|it| u32::try_from(it).ok());
    matches!(number, Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING))
}

fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

fn at(start: u64) -> OVERLAPPED {
    let mut place = OVERLAPPED::default();
    let (low, high) = halves(start);
    place.Anonymous.Anonymous.Offset = low;
    place.Anonymous.Anonymous.OffsetHigh = high;
    place
}
