//! Children of a test: this binary again, with a role.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, kill_process, set_parent_process_death_signal,
    setrlimit,
};

use super::board::Board;
use super::home::{self, board_of};

/// No test takes that long, unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// More address space than any child needs: a wild size fails instead of
/// taking the machine's memory.
const ADDRESS_SPACE: u64 = 4 << 30;

const ROLE: &str = "MEMRING_TEST_ROLE";
const ARGS: &str = "MEMRING_TEST_ARGS";
const HOME: &str = "MEMRING_TEST_HOME";
const PARENT: &str = "MEMRING_TEST_PARENT";

/// A child process, as its parent sees it. Killed when dropped.
pub struct Child {
    process: std::process::Child,
    role: String,
}

/// Writes into `command` what [`enter`] reads.
pub fn describe(command: &mut Command, role: &str, args: &[(&str, &dyn Display)], home: &Path) {
    let args: Vec<String> = args.iter().map(|(k, v)| format!("{k}={v}")).collect();
    command
        .env(ROLE, role)
        .env(ARGS, args.join(","))
        .env(HOME, home)
        .env(PARENT, std::process::id().to_string());
}

/// Tells a child that it is the first process of a PID namespace, where its
/// parent has no number.
pub fn without_parent(command: &mut Command) {
    command.env(PARENT, "0");
}

impl Child {
    pub fn spawn(command: Command, role: &str) -> Child {
        Child::try_spawn(command, role).expect("start a child")
    }

    pub fn try_spawn(mut command: Command, role: &str) -> io::Result<Child> {
        Ok(Child {
            process: command.spawn()?,
            role: role.into(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, and nothing of it is left.
    pub fn kill(mut self) {
        self.end();
    }

    pub fn stop(&self) {
        self.signal(Signal::STOP);
        // The signal is on its way: wait until the kernel says so.
        self.wait_for_state('T');
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits until the kernel says that the child is in `state`: `S` asleep,
    /// `T` stopped.
    pub fn wait_for_state(&self, state: char) {
        let path = format!("/proc/{}/stat", self.pid());
        let late = Instant::now() + LIMIT;
        loop {
            let stat = std::fs::read_to_string(&path).expect("look at a child");
            let (_, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
            if rest.starts_with(state) {
                return;
            }
            assert!(
                Instant::now() < late && !rest.starts_with('Z'),
                "{}: never {state}: {stat}",
                self.role
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The state of each of its threads, as in [`Child::wait_for_state`].
    pub fn threads(&self) -> Vec<char> {
        let tasks = format!("/proc/{}/task", self.pid());
        let tasks = std::fs::read_dir(tasks).expect("list the threads");
        let stat = |task: io::Result<std::fs::DirEntry>| {
            let path = task.expect("a thread").path().join("stat");
            std::fs::read_to_string(path).ok() // or it has just ended
        };
        let stats = tasks.filter_map(stat);
        let state = |stat: String| {
            stat.rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next())
        };
        stats.filter_map(state).collect()
    }

    /// Waits for the child to end by itself, and well.
    pub fn finish(mut self) {
        let status = self.end_of_it();
        assert!(status.success(), "{} ended with {status}", self.role);
    }

    /// Waits for the child to be killed: by itself, or by somebody else.
    pub fn dies(mut self) {
        let status = self.end_of_it();
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(
            killed,
            "{} ended with {status}, and was not killed",
            self.role
        );
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn end_of_it(&mut self) -> ExitStatus {
        let late = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().expect("wait for a child") {
                return status;
            }
            assert!(Instant::now() < late, "{} does not end", self.role);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("a child has a process id");
        kill_process(pid, signal).expect("signal a child");
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a child was told.
pub struct Args {
    values: HashMap<String, String>,
    home: PathBuf,
}

impl Args {
    pub fn get<V: FromStr<Err: Debug>>(&self, key: &str) -> V {
        let value = self.values.get(key);
        let value = value.unwrap_or_else(|| panic!("a child without {key}"));
        value.parse().expect("what the parent wrote")
    }

    /// All of it, for a child of this child.
    pub fn pairs(&self) -> Vec<(&str, &dyn Display)> {
        let pairs = self.values.iter();
        pairs
            .map(|(key, value)| (key.as_str(), value as &dyn Display))
            .collect()
    }

    pub fn board(&self, name: &str) -> Board {
        board_of(&self.home, name)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A child of this child, not yet started.
    pub fn command(&self, role: &str, args: &[(&str, &dyn Display)]) -> Command {
        home::command(&self.home, role, args)
    }
}

/// What a child does, by name.
pub type Role = (&'static str, fn(&Args));

/// The body of a test binary's `#[test] fn child()`: plays the role that the
/// environment names, or does nothing in an ordinary run.
pub fn enter(roles: &[Role]) {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let told = |key| std::env::var(key).expect("the parent has set all of them");
    set_parent_process_death_signal(Some(Signal::KILL)).expect("die with the parent");
    let parent: i32 = told(PARENT).parse().expect("a process id");
    if getppid() != Pid::from_raw(parent) {
        return; // it has died already
    }
    let limit = Rlimit {
        current: Some(ADDRESS_SPACE),
        maximum: Some(ADDRESS_SPACE),
    };
    setrlimit(Resource::As, limit).expect("limit the address space");
    let args = Args {
        values: told(ARGS)
            .split_terminator(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
        home: told(HOME).into(),
    };
    let play = roles.iter().find(|(name, _)| *name == role);
    let (_, play) = play.unwrap_or_else(|| panic!("no role {role}"));
    play(&args);
}
