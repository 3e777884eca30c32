//! What these test programs share: forked children, a guard against hanging.
#![allow(dead_code, unsafe_code)]

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// Against hanging: nothing here takes that long.
pub const GUARD: Duration = Duration::from_secs(30);

/// A user without privileges.
pub const NOBODY: u32 = 65534;

/// One fork at a time, and no other test of this program in the middle of
/// something meanwhile: what another thread holds stays held in the child.
static QUIET: Mutex<()> = Mutex::new(());

/// In a child: what its panics said.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Runs `act` in a forked child; panics as the child did, if it did.
///
/// The child has one thread and an environment of its own to change. It ends
/// without running the parent's destructors.
pub fn in_child(act: impl FnOnce()) {
    let _quiet = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
    fork_and_wait(act);
}

/// As [`in_child`], for a process with one thread: a child of a child.
pub fn fork_and_wait(act: impl FnOnce()) {
    let mut ends = [0; 2];
    // SAFETY: two descriptors, written into an array of two.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both were just opened, and each gets one owner.
    let [reader, writer] = ends.map(|end| unsafe { std::fs::File::from_raw_fd(end) });
    // SAFETY: the child runs `act` and ends; what it needs of the C library is
    // seen to by the C library, and no other test holds anything (`QUIET`).
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut writer = writer;
        std::panic::set_hook(Box::new(|panic| {
            let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&panic.to_string());
        }));
        // SAFETY: no arguments to get wrong; an alarm kills a child that hangs.
        unsafe { libc::alarm(60) };
        let ended = catch_unwind(AssertUnwindSafe(act));
        let code = match ended {
            Ok(()) => 0,
            Err(_) => {
                let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writer.write_all(said.as_bytes());
                1
            }
        };
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(code) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    drop(writer);
    let mut status = 0;
    // SAFETY: our own child, and a status of our own.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    // What it said is in the pipe, of which its own children may have the
    // other end still.
    // SAFETY: an open descriptor and a flag.
    unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let mut said = Vec::new();
    let _ = { reader }.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    let exited = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
    assert!(exited, "in the child (status {status:#x}): {said}");
}

/// A forked child beside its parent; killed when dropped.
pub struct Aside(libc::pid_t);

/// Runs `act` in a forked child, which goes on beside this process. For
/// processes with one thread.
pub fn aside(act: impl FnOnce()) -> Aside {
    // SAFETY: as in `fork_and_wait`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: no arguments to get wrong; the alarm kills a child that hangs.
        unsafe {
            libc::alarm(60);
            let ended = catch_unwind(AssertUnwindSafe(act));
            libc::_exit(i32::from(ended.is_err()));
        }
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    Aside(child)
}

impl Aside {
    /// Waits for its end, and says which signal killed it, if one did.
    pub fn killed_by(self) -> Option<libc::c_int> {
        let mut status = 0;
        // SAFETY: our own child, and a status of our own.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, 0) }, self.0);
        std::mem::forget(self);
        libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let mut status = 0;
        // SAFETY: our own child, which nobody has waited for.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, &mut status, 0);
        }
    }
}

/// Whether this process may do what the superuser may.
pub fn is_root() -> bool {
    // SAFETY: no arguments to get wrong.
    unsafe { libc::geteuid() == 0 }
}

/// Becomes `user` for good. For children of the superuser.
pub fn become_user(user: u32) {
    // SAFETY: numbers, and an empty list of groups.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setgid(user), 0);
        assert_eq!(libc::setuid(user), 0);
    }
    assert!(!is_root());
}

/// Sets a variable of a child's own environment.
pub fn set_variable(name: &str, value: impl AsRef<std::ffi::OsStr>) {
    // SAFETY: only called in forked children, which have one thread.
    unsafe { std::env::set_var(name, value) }
}

/// Unsets a variable of a child's own environment.
pub fn unset_variable(name: &str) {
    // SAFETY: as in `set_variable`.
    unsafe { std::env::remove_var(name) }
}

/// Runs `act` in a thread; fails if it is not done in time.
pub fn in_time<R: Send + 'static>(act: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = mpsc::channel();
    let worker = thread::spawn(move || {
        let _ = done.send(act());
    });
    match result.recv_timeout(GUARD) {
        Ok(result) => {
            worker.join().expect("it has returned");
            result
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done after {GUARD:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it returns"),
        },
    }
}

/// Every word of `words` is in the text of `error`.
#[track_caller]
pub fn says(error: &impl std::fmt::Display, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(!text.contains('\n'), "more than a line: {text}");
}

/// Prints from a child, past the capture of test output.
pub fn print(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
