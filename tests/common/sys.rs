//! The one file of these tests with `unsafe` in it: shared memory, signals,
//! forks and namespaces.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};
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

/// An error of the C library, if `result` says that there was one.
fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Forks; the child, which has one thread, runs `act` and ends. Nobody waits
/// for it, and it outlives this process.
pub fn fork(act: impl FnOnce()) -> u32 {
    // SAFETY: the child runs `act` and ends without the parent's destructors;
    // what it needs of the C library is seen to by the C library.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: no arguments to get wrong; the alarm kills a child that
        // hangs, for it has no parent to do so.
        unsafe {
            libc::alarm(60);
            let ended = catch_unwind(AssertUnwindSafe(act));
            libc::_exit(i32::from(ended.is_err()));
        }
    }
    assert!(child > 0, "{}", io::Error::last_os_error());
    child as u32
}

/// Closes every descriptor from `first` on, whoever opened it.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: numbers. Whoever finds its descriptor closed is what is tested.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    done(result as libc::c_int)
}

/// From now on `signal` does nothing to this process.
pub fn ignore(signal: libc::c_int) {
    // SAFETY: no handler is installed.
    let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Makes `command` begin in a mount namespace of its own, in which it may
/// mount what it likes: as the superuser, or as the one of a user namespace.
pub fn with_own_mounts(command: &mut Command) {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    let enter = move || {
        if !user.is_root() {
            unshare(libc::CLONE_NEWUSER)?;
            std::fs::write("/proc/self/setgroups", "deny")?;
            std::fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
            std::fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))?;
        }
        unshare(libc::CLONE_NEWNS)?;
        // What is mounted here is nobody else's.
        // SAFETY: a path, and no other strings; nothing is kept.
        done(unsafe {
            let flags = libc::MS_REC | libc::MS_PRIVATE;
            libc::mount(null(), c"/".as_ptr(), null(), flags, null())
        })
    };
    // SAFETY: runs in the forked child, which has one thread; memory may be
    // taken there, by the C library's word.
    unsafe { command.pre_exec(enter) };
}

/// Makes `command`, the first process of a PID namespace, begin with that
/// namespace's `/proc`.
pub fn with_own_proc(command: &mut Command) {
    let enter = || {
        unshare(libc::CLONE_NEWNS)?;
        mount("proc", Path::new("/proc"), "")
    };
    // SAFETY: as in `with_own_mounts`.
    unsafe { command.pre_exec(enter) };
}

/// The children that this process makes from now on are in a PID namespace of
/// their own, whose first process is the first of them.
pub fn unshare_children() -> io::Result<()> {
    unshare(libc::CLONE_NEWPID)
}

fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: a number; memory stays as it is.
    done(unsafe { libc::unshare(flags) })
}

/// Mounts a file system that is not on a device.
pub fn mount(kind: &str, at: &Path, options: &str) -> io::Result<()> {
    let kind = CString::new(kind)?;
    let at = CString::new(at.as_os_str().as_bytes())?;
    let options = CString::new(options)?;
    // SAFETY: strings that live until the call returns.
    done(unsafe {
        libc::mount(
            kind.as_ptr(),
            at.as_ptr(),
            kind.as_ptr(),
            0,
            options.as_ptr().cast(),
        )
    })
}
