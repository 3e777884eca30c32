//! Forks without exec, and tests that need a process of their own.
//!
//! A fork copies the calling thread alone: what other threads hold just then stays held in the
//! child. So [`in_child`] is for processes in which nothing else runs: [`ran_in_own_process`].

use std::env;
use std::thread;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, geteuid, kill_process, waitpid};

use crate::children::this_binary;
use crate::processes::tie_to_parent;
use crate::programs::Running;
use crate::sys;
pub use crate::sys::{become_user, set_variable, unset_variable};
use crate::text::print;

/// A user without privileges.
pub const NOBODY: u32 = 65534;

/// Set in a process that runs one test.
const ALONE: &str = "MEMRING_TEST_ALONE";

/// Runs the calling test in a process of its own, this binary again for this test alone, and
/// says `true`: it is done. There, says `false`, and the test goes on: its environment, user,
/// limits and descriptors are its own to change and to count, and it may fork.
///
/// A test begins with it: `if ran_in_own_process() { return; }`.
#[track_caller]
#[must_use]
pub fn ran_in_own_process() -> bool {
    if env::var_os(ALONE).is_some() {
        tie_to_parent().expect("die with the parent");
        return false;
    }
    let thread = thread::current();
    let test = thread.name().expect("the thread of a test");
    let mut command = this_binary(test);
    command.env(ALONE, "1");
    let ended = Running::start(&mut command, test).finish();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.err);
    assert!(ended.text().contains("1 passed"), "no test {test}");
    if !ended.err.is_empty() {
        print(ended.err.trim_end());
    }
    true
}

/// Runs `act` in a forked child; fails if the child did.
#[track_caller]
pub fn in_child(act: impl FnOnce()) {
    assert!(
        env::var_os(ALONE).is_some(),
        "other tests run here: see ran_in_own_process"
    );
    let status = fork(act).wait();
    assert_eq!(status.exit_status(), Some(0), "the child: {status:?}");
}

/// A forked child beside its parent; killed when dropped.
pub struct Forked(Option<Pid>);

/// Runs `act` in a forked child, which goes on beside this process.
pub fn fork(act: impl FnOnce()) -> Forked {
    fork_to_exit(|| {
        act();
        0
    })
}

/// As [`fork`], by a child that has failed unless `act` returns `true`.
pub fn fork_checked(act: impl FnOnce() -> bool) -> Forked {
    fork_to_exit(|| i32::from(!act()))
}

/// As [`fork`], by a child that ends with the status that `act` returns.
pub fn fork_to_exit(act: impl FnOnce() -> i32) -> Forked {
    Forked(Some(sys::fork(act)))
}

/// As [`fork_checked`], by the bare system call: no handler runs, those of the allocator included,
/// so `act` must not allocate unless this process has one thread.
pub fn bare_fork_checked(act: impl FnOnce() -> bool) -> Forked {
    Forked(Some(sys::bare_fork(|| i32::from(!act()))))
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

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_failure_in_a_process_of_its_own_is_one_of_the_test() {
        match catch_unwind(ran_in_own_process) {
            Ok(false) => panic!("on purpose"), // there
            Ok(true) => panic!("the failure was not seen"),
            Err(_) => {}
        }
    }

    #[test]
    fn a_failure_of_a_forked_child_is_one_of_the_test() {
        assert!(env::var_os(ALONE).is_some() || catch_unwind(|| in_child(|| {})).is_err());
        if ran_in_own_process() {
            return;
        }
        in_child(|| {});
        assert!(catch_unwind(|| in_child(|| panic!("on purpose"))).is_err());
        assert!(fork_checked(|| true).succeeded());
        assert!(!fork_checked(|| false).succeeded());
        assert!(!bare_fork_checked(|| false).succeeded());
        let sleeper = fork(|| thread::sleep(std::time::Duration::from_secs(50)));
        let pid = sleeper.pid().as_raw_nonzero().get() as u32;
        sleeper.kill();
        assert_eq!(crate::processes::state_of(pid), None);
    }
}
