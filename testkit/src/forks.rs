//! Forks without exec, and tests that need a process of their own.
//!
//! A fork copies the calling thread alone: what other threads hold just then stays held in the
//! child. So [`in_child`] is for processes in which nothing else runs: [`in_own_process`].

use std::env;
use std::thread;

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, geteuid, kill_process, waitpid,
};

use crate::homes::this_binary;
use crate::processes::tie_to_parent;
use crate::programs::Running;
use crate::text::print;
pub use crate::sys::{become_user, set_variable, unset_variable};
use crate::sys;

/// A user without privileges.
pub const NOBODY: u32 = 65534;

/// Set in a process that runs one test.
const ALONE: &str = "MEMRING_TEST_ALONE";

/// Runs the rest of a test in a process of its own: this binary again, for this test alone. Its
/// environment, user, limits and descriptors are its own to change and to count, and it may
/// fork. Where `act` fails, so does the test, with what was said.
#[track_caller]
pub fn in_own_process(act: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        tie_to_parent().expect("die with the parent");
        return act();
    }
    let thread = thread::current();
    let test = thread.name().expect("the thread of a test");
    let mut command = this_binary(test);
    command.env(ALONE, "1");
    let ended = Running::start(&mut command, test).finish();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.err);
    if !ended.err.is_empty() {
        print(ended.err.trim_end());
    }
}

/// Runs `act` in a forked child; fails if the child did.
#[track_caller]
pub fn in_child(act: impl FnOnce()) {
    assert!(
        env::var_os(ALONE).is_some(),
        "other tests run here: call in_own_process first"
    );
    let status = fork(act).wait();
    assert_eq!(status.exit_status(), Some(0), "the child: {status:?}");
}

/// A forked child beside its parent; killed when dropped.
pub struct Forked(Option<Pid>);

/// Runs `act` in a forked child, which goes on beside this process.
pub fn fork(act: impl FnOnce()) -> Forked {
    Forked(Some(sys::fork(|| {
        act();
        true
    })))
}

/// As [`fork`], by the bare system call: no handler runs, those of the allocator included, so
/// `act` must not allocate unless this process has one thread.
pub fn bare_fork(act: impl FnOnce()) -> Forked {
    Forked(Some(sys::bare_fork(|| {
        act();
        true
    })))
}

impl Forked {
    /// Waits for its end, or for its next stop if it is traced.
    pub fn next_change(&self) -> WaitStatus {
        let pid = self.pid();
        let waited = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
        waited.expect("wait for a child").expect("a change").1
    }

    /// Waits for its end.
    pub fn wait(mut self) -> WaitStatus {
        let status = self.next_change();
        self.0 = None;
        status
    }

    /// Waits for its end, and says which signal killed it, if one did.
    pub fn killed_by(self) -> Option<i32> {
        self.wait().terminating_signal()
    }

    /// Waits for its end; whether it did not fail.
    pub fn succeeded(self) -> bool {
        self.wait().exit_status() == Some(0)
    }

    /// SIGKILL, and nothing of it is left.
    pub fn kill(self) {
        drop(self);
    }

    /// Its process number.
    pub fn pid(&self) -> Pid {
        self.0.expect("not waited for yet")
    }

    /// Leaves it to itself: it outlives this process, and a minute at most.
    pub fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if self.0.is_some() {
            // It may have ended, and then both do nothing.
            let _ = kill_process(self.pid(), Signal::KILL);
            let _ = self.next_change();
        }
    }
}

/// Whether this process may do what the superuser may.
pub fn is_root() -> bool {
    geteuid().is_root()
}
