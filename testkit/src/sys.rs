//! System calls that have no safe form: forks, signals, namespaces, users, tracing. Beside
//! [`words`](crate::words) the one file of the tests with `unsafe` of their own.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Pid;

/// An error of the C library, if `result` says that there was one.
fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What the processor clock of a process says.
pub(crate) fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut clock = 0;
    // SAFETY: it writes the number of a clock into ours; any process id is valid.
    let found = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) };
    if found != 0 {
        return Err(io::Error::from_raw_os_error(found));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes a time into ours; any clock is valid.
    done(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Forks. The child has one thread, runs `act` and ends with the status that it returns, without
/// the parent's destructors; with 101 if it panics.
pub(crate) fn fork(act: impl FnOnce() -> i32) -> Pid {
    // SAFETY: the child runs `act`, which needs no lock that another thread of this process
    // might hold; the allocator's are seen to by the C library.
    in_child(unsafe { libc::fork() }, act)
}

/// As [`fork`], by the bare system call: no handler runs, those of the allocator included, so
/// `act` must not allocate unless this process has one thread.
pub(crate) fn bare_fork(act: impl FnOnce() -> i32) -> Pid {
    let flags = libc::c_long::from(libc::SIGCHLD);
    // SAFETY: as in `fork`. Without CLONE_VM it is a fork, whatever the order
    // of the other arguments is on this architecture: they are zero.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    in_child(child as libc::pid_t, act)
}

fn in_child(child: libc::pid_t, act: impl FnOnce() -> i32) -> Pid {
    if child == 0 {
        // SAFETY: no arguments to get wrong. The alarm kills a child that
        // hangs, and `_exit` runs no destructor of the parent's.
        unsafe {
            libc::alarm(60);
            libc::_exit(catch_unwind(AssertUnwindSafe(act)).unwrap_or(101));
        }
    }
    assert!(child > 0, "{}", io::Error::last_os_error());
    Pid::from_raw(child).expect("a process id")
}

/// How many signals have interrupted this process.
pub static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn note_interruption(_signal: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
}

/// Counts this signal, and has it interrupt system calls.
fn interrupt_by(signal: libc::c_int) -> io::Result<()> {
    // The handler only touches an atomic.
    handle_by(note_interruption, signal, 0)
}

fn handle_by(
    handler: extern "C" fn(libc::c_int),
    signal: libc::c_int,
    flags: libc::c_int,
) -> io::Result<()> {
    // SAFETY: integers and a null pointer, for which zero is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = flags;
    // SAFETY: the handler is a function of the right type; what it may do is its own care.
    done(unsafe { libc::sigaction(signal, &action, null_mut()) })
}

/// What [`handle_every_millisecond`] has been given.
static HANDLER: OnceLock<fn()> = OnceLock::new();

extern "C" fn handle(_signal: libc::c_int) {
    // SAFETY: the address of this thread's own error number, which the interrupted code may be
    // about to read.
    let error = unsafe { *libc::__errno_location() };
    if let Some(handler) = HANDLER.get() {
        handler();
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = error };
}

/// From now on the calling thread is interrupted every millisecond, wherever it is, and runs
/// `handler`, which does only what a signal handler may. System calls are restarted.
pub fn handle_every_millisecond(handler: fn()) -> io::Result<()> {
    HANDLER.set(handler).expect("there is one handler");
    handle_by(handle, libc::SIGALRM, libc::SA_RESTART)?;
    alarm_every_millisecond()
}

/// From now on the calling thread gets a SIGALRM every millisecond, whose
/// handler does not restart system calls.
pub fn interrupt_every_millisecond() -> io::Result<()> {
    interrupt_by(libc::SIGALRM)?;
    alarm_every_millisecond()
}

fn alarm_every_millisecond() -> io::Result<()> {
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
    done(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) })?;
    let millisecond = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    let every = libc::itimerspec {
        it_interval: millisecond,
        it_value: millisecond,
    };
    // SAFETY: the timer was just made; the value is whole and only read.
    done(unsafe { libc::timer_settime(timer, 0, &every, null_mut()) })
}

/// Runs `blocking` in a thread that is sent a signal again and again until it returns;
/// `after_each` hears how many signals have been handled. They do not restart system calls.
pub fn with_signals<T: Send>(
    blocking: impl FnOnce() -> T + Send,
    mut after_each: impl FnMut(u64),
) -> T {
    interrupt_by(libc::SIGUSR1).expect("install a handler");
    let before = INTERRUPTIONS.load(Ordering::Relaxed);
    let target = AtomicUsize::new(0);
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: always right.
            let me = unsafe { libc::pthread_self() };
            target.store(me as usize, Ordering::Relaxed);
            blocking()
        });
        while !thread.is_finished() {
            thread::sleep(Duration::from_millis(1));
            let me = target.load(Ordering::Relaxed);
            if me != 0 {
                // SAFETY: the thread is not joined before the end of this loop.
                unsafe { libc::pthread_kill(me as libc::pthread_t, libc::SIGUSR1) };
            }
            after_each(INTERRUPTIONS.load(Ordering::Relaxed) - before);
        }
        thread.join().expect("it returns")
    })
}

/// From now on `signal` does nothing to this process.
pub fn ignore(signal: libc::c_int) {
    // SAFETY: no handler is installed.
    let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Closes every descriptor from `first` on, no matter which code opened it.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: numbers. What the owner of a closed descriptor does is what is tested.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    done(result as libc::c_int)
}

/// Becomes `user` for good. For children of the superuser.
pub fn become_user(user: u32) {
    // SAFETY: numbers, and an empty list of groups.
    unsafe {
        assert_eq!(libc::setgroups(0, null()), 0);
        assert_eq!(libc::setgid(user), 0);
        assert_eq!(libc::setuid(user), 0);
    }
}

/// Sets a variable of a process that runs one test, or of its forked child.
pub fn set_variable(name: &str, value: impl AsRef<OsStr>) {
    // SAFETY: such a process has no thread that reads the environment meanwhile: the one beside
    // this one waits for it.
    unsafe { std::env::set_var(name, value) }
}

/// Unsets a variable, as [`set_variable`] sets one.
pub fn unset_variable(name: &str) {
    // SAFETY: as in `set_variable`.
    unsafe { std::env::remove_var(name) }
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
        own_mounts()
    };
    // SAFETY: runs in the forked child, which has one thread; memory may be
    // taken there, by the C library's word.
    unsafe { command.pre_exec(enter) };
}

/// A mount namespace of this process's own: what is mounted or unmounted here, is so nowhere else.
fn own_mounts() -> io::Result<()> {
    unshare(libc::CLONE_NEWNS)?;
    // SAFETY: a path, and no other strings; nothing is kept.
    done(unsafe {
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        libc::mount(null(), c"/".as_ptr(), null(), flags, null())
    })
}

/// Takes `/proc` away from this process, and from no other.
pub fn unmount_proc() -> io::Result<()> {
    own_mounts()?;
    // SAFETY: a path and a flag.
    done(unsafe { libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) })
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

/// Locks `count` bytes of a file from `start` on against writers, for this open file.
pub fn lock_to_read(file: &File, start: i64, count: i64) -> io::Result<()> {
    // SAFETY: integers only, for which zero is valid.
    let mut ask: libc::flock = unsafe { std::mem::zeroed() };
    (ask.l_type, ask.l_start, ask.l_len) = (libc::F_RDLCK as _, start, count);
    // SAFETY: an open descriptor, and a whole `flock` of ours.
    done(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &mut ask) })
}

/// Takes (`F_RDLCK`) or gives back (`F_UNLCK`) a read lease, which the kernel takes back as soon
/// as the file is opened for writing.
pub fn set_lease(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: an open descriptor, and numbers.
    done(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
}

/// The lease that this process has on a file.
pub fn lease_of(file: &File) -> libc::c_int {
    // SAFETY: an open descriptor, and a number.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) }
}

/// Has the parent trace this process, and stops until it does.
pub fn stop_to_be_traced() -> io::Result<()> {
    let none = null_mut::<libc::c_void>();
    // SAFETY: numbers; with them the kernel takes no memory of ours.
    unsafe {
        if libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) != 0 {
            return Err(io::Error::last_os_error());
        }
        done(libc::raise(libc::SIGSTOP))
    }
}

/// Lets a traced child that has stopped run to the begin or end of its next system call.
pub fn run_to_system_call(child: Pid) -> io::Result<()> {
    let none = null_mut::<libc::c_void>();
    let child = child.as_raw_nonzero().get();
    // SAFETY: a stopped child of ours, and no signal.
    let result = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, child, none, none) };
    done(result as libc::c_int)
}
