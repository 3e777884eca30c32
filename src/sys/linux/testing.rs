//! What the tests of this floor share: children, signals, a shared word.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::mm::{MapFlags, ProtFlags};

/// Against hanging: no test waits longer for what must come at once.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

/// A forked child.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Waits for its end; whether what it ran returned `true`.
    pub(crate) fn succeeded(self) -> bool {
        let mut status = 0;
        loop {
            // SAFETY: `status` is ours to write to.
            let ended = unsafe { libc::waitpid(self.0, &mut status, 0) };
            if ended == self.0 {
                return libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            }
            let error = std::io::Error::last_os_error();
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
        }
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(self) {
        // SAFETY: a child of ours that was not waited for yet.
        assert_eq!(unsafe { libc::kill(self.0, libc::SIGKILL) }, 0);
        assert!(!self.succeeded());
    }
}

/// Runs `act` in a forked child, by `fork` of the C library.
pub(crate) fn fork(act: impl FnOnce() -> bool) -> Child {
    // SAFETY: the child runs `act`, which takes no lock that another thread of
    // this process might hold (the allocator's are seen to by the C library).
    spawn(act, || unsafe { libc::fork() })
}

/// The same by the bare system call: no handler runs, those of the allocator
/// included, so `act` must not allocate unless this process has one thread.
pub(crate) fn bare_fork(act: impl FnOnce() -> bool) -> Child {
    let flags = libc::c_long::from(libc::SIGCHLD);
    // SAFETY: as in `fork`. Without CLONE_VM it is a fork, whatever the order
    // of the other arguments is on this architecture: they are zero.
    spawn(act, || unsafe {
        libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as libc::pid_t
    })
}

fn spawn(act: impl FnOnce() -> bool, fork: impl FnOnce() -> libc::pid_t) -> Child {
    let child = fork();
    if child == 0 {
        // SAFETY: no arguments to get wrong. The alarm kills a child that
        // hangs, and `_exit` runs no destructor of the parent's.
        unsafe {
            libc::alarm(60);
            let good = catch_unwind(AssertUnwindSafe(act)).unwrap_or(false);
            libc::_exit(i32::from(!good));
        }
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    Child(child)
}

/// A word that children share with their parent; never freed.
pub(crate) fn shared_word() -> &'static AtomicU32 {
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a null hint: the kernel picks an address that is not in use.
    let page =
        unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), 4096, rights, MapFlags::SHARED) };
    let word: NonNull<AtomicU32> = NonNull::new(page.unwrap().cast()).unwrap();
    // SAFETY: mapped for good, aligned, and zero is a valid value.
    unsafe { word.as_ref() }
}

/// Waits until `word` is at least `value`; whether it was so in time.
pub(crate) fn await_at_least(word: &AtomicU32, value: u32) -> bool {
    let start = std::time::Instant::now();
    // Acquire pairs with whatever the test stored the value with.
    while word.load(Ordering::Acquire) < value {
        if start.elapsed() > GUARD {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// Runs `blocking` in a thread that is sent a signal again and again until it
/// returns; `after_each` hears how many signals have been handled. The handler
/// does nothing and is installed without `SA_RESTART`.
pub(crate) fn with_signals<T: Send>(
    blocking: impl FnOnce() -> T + Send,
    mut after_each: impl FnMut(u32),
) -> T {
    static HANDLED: AtomicU32 = AtomicU32::new(0);
    extern "C" fn handle(_: libc::c_int) {
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: a zeroed `sigaction` is a valid one; the handler only counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
    }
    let before = HANDLED.load(Ordering::Relaxed);
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
            after_each(HANDLED.load(Ordering::Relaxed) - before);
        }
        thread.join().unwrap()
    })
}
