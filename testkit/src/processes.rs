//! Processes by their numbers: what the kernel says of them, and signals.

use std::fs::{self, DirEntry};
use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::sys;
use crate::time::wait_until;

/// Should the parent be killed, so is this process, whatever it is doing.
pub fn tie_to_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie to the parent")
}

/// Sends a signal to a process that is there.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process id");
    kill_process(pid, signal).expect("signal a process");
}

/// The state of a process or thread by its file in `/proc`: `S` asleep, `T` stopped, `Z` dead.
/// `None` if there is no such process.
fn state_in(stat: &str) -> Option<char> {
    let stat = fs::read_to_string(stat).ok()?;
    // After the name, which is in parentheses and may be anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The state of a process, as the kernel names it.
pub fn state_of(pid: u32) -> Option<char> {
    state_in(&format!("/proc/{pid}/stat"))
}

/// The states of all threads of a process.
pub fn thread_states(pid: u32) -> Vec<char> {
    let state = |task: io::Result<DirEntry>| {
        let path = task.expect("a thread").path().join("stat");
        state_in(path.to_str().expect("a path of ASCII")) // or it has just ended
    };
    tasks(pid).filter_map(state).collect()
}

fn tasks(pid: u32) -> fs::ReadDir {
    fs::read_dir(format!("/proc/{pid}/task")).expect("list the threads")
}

/// Time on a processor of a process: of all its threads, those that have ended too.
pub fn processor_time(pid: u32) -> Duration {
    sys::processor_time(pid).expect("the clock of a process")
}

/// The children of a process, once it has `count` of them.
pub fn children_of(pid: u32, count: usize) -> Vec<u32> {
    let list = || {
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let list = list.expect("the children of a process");
        let pids = list.split_whitespace();
        pids.map(|pid| pid.parse().expect("a number"))
            .collect::<Vec<u32>>()
    };
    wait_until(
        || list().len() == count,
        || format!("{} children, not {count}", list().len()),
    );
    list()
}

/// Waits until a process has ended. One that nobody has waited for yet counts as ended.
pub fn wait_until_gone(pid: u32) {
    wait_until(
        || matches!(state_of(pid), None | Some('Z')),
        || format!("process {pid} lives on"),
    );
}
