//! The one file of the tests with `unsafe` in it: shared memory and signals.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file mapped as words that several processes share.
pub struct Words {
    base: *mut AtomicU64,
    count: usize,
}

// SAFETY: the words are atomics in memory that stays mapped as long as the
// value lives; the address is the same in every thread.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps the whole of `file`, whose length nobody changes.
    pub fn map(file: &File) -> io::Result<Words> {
        let count = file.metadata()?.len() as usize / 8;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let base = unsafe {
            mmap(
                null_mut(),
                count * 8,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file.as_fd(),
                0,
            )
        }?;
        Ok(Words {
            base: base.cast(),
            count,
        })
    }

    pub fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: mapped in `map`, page-aligned, `count` words, until the drop
        // of `self`; every process treats them as atomics only.
        unsafe { std::slice::from_raw_parts(self.base, self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`; the slice above does not outlive `self`.
        let _ = unsafe { munmap(self.base.cast(), self.count * 8) };
    }
}

/// How many signals have interrupted this process.
pub static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn note_interruption(_signal: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
}

/// From now on the calling thread gets a SIGALRM every millisecond, whose
/// handler does not restart system calls.
pub fn interrupt_every_millisecond() -> io::Result<()> {
    // SAFETY: integers and a null pointer, for which zero is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note_interruption as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler only touches an atomic; no flags, so no SA_RESTART.
    if unsafe { libc::sigaction(libc::SIGALRM, &action, null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // An interval timer of the process would do, were it not that the kernel
    // gives its signals to the main thread, which only waits for this one.
    // SAFETY: integers and a null pointer, for which zero is valid.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGALRM;
    // SAFETY: asks for a number.
    event.sigev_notify_thread_id = unsafe { libc::gettid() };
    let mut timer = null_mut();
    // SAFETY: a whole `sigevent`, only read, and a place for the timer.
    if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let millisecond = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    let every = libc::itimerspec {
        it_interval: millisecond,
        it_value: millisecond,
    };
    // SAFETY: the timer was just made; the value is whole and only read.
    if unsafe { libc::timer_settime(timer, 0, &every, null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
