//! Children of a test: the test binary again, with a role.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::str::FromStr;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, setrlimit};

use crate::boards::Board;
use crate::processes::{self, state_of, thread_states, tie_to_parent};
use crate::time::wait_until;

/// More address space than any child needs: a wild size fails instead of
/// taking the machine's memory.
const ADDRESS_SPACE: u64 = 4 << 30;

const ROLE: &str = "MEMRING_TEST_ROLE";
const ARGS: &str = "MEMRING_TEST_ARGS";
const HOME: &str = "MEMRING_TEST_HOME";
const PARENT: &str = "MEMRING_TEST_PARENT";
const UNLIMITED: &str = "MEMRING_TEST_UNLIMITED";

/// A child process, as its parent sees it. Killed when dropped.
pub struct Child {
    process: std::process::Child,
    role: String,
}

/// Arguments of a child, which asks for them by key.
pub type Pairs<'a> = [(&'a str, &'a dyn Display)];

/// Writes into `command` what [`enter`] reads.
fn describe(command: &mut Command, role: &str, args: &Pairs<'_>, home: &Path) {
    let args: Vec<String> = args.iter().map(|(k, v)| format!("{k}={v}")).collect();
    command
        .env(ROLE, role)
        .env(ARGS, args.join(","))
        .env(HOME, home)
        .env(PARENT, std::process::id().to_string());
}

/// This very binary, to run one test and nothing else.
pub(crate) fn this_binary(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test's own path"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// This very binary, to play `role` in the test whose place is `home`.
pub fn command(home: &Path, role: &str, args: &Pairs<'_>) -> Command {
    let mut command = this_binary("child");
    command.env("MEMRING_DIR", home.join("rings"));
    describe(&mut command, role, args, home);
    command
}

/// Tells a child that it is the first process of a PID namespace, where its
/// parent has no number.
pub fn without_parent(command: &mut Command) {
    command.env(PARENT, "0");
}

/// Leaves the address space of a child unlimited: a sanitizer takes more than any child needs.
pub fn without_limit(command: &mut Command) {
    command.env(UNLIMITED, "1");
}

impl Child {
    /// Starts a child in `role`.
    pub fn spawn(command: Command, role: &str) -> Child {
        Child::try_spawn(command, role).expect("start a child")
    }

    /// As [`Child::spawn`], where the system may not permit it.
    pub fn try_spawn(mut command: Command, role: &str) -> io::Result<Child> {
        Ok(Child {
            process: command.spawn()?,
            role: role.into(),
        })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, and nothing of it is left.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGSTOP, and it has stopped.
    pub fn stop(&self) {
        processes::signal(self.pid(), Signal::STOP);
        // The signal is on its way: wait until the kernel says so.
        self.wait_for_state('T');
    }

    /// SIGCONT.
    pub fn resume(&self) {
        processes::signal(self.pid(), Signal::CONT);
    }

    /// Waits until the kernel says that the child is in `state`: `S` asleep,
    /// `T` stopped.
    #[track_caller]
    pub fn wait_for_state(&self, state: char) {
        let is_so = || {
            let now = state_of(self.pid());
            assert_ne!(now, Some('Z'), "{} has ended", self.role);
            now == Some(state)
        };
        wait_until(is_so, || format!("{}: never {state}", self.role));
    }

    /// Waits until the child is stopped, or has ended. Says whether it is stopped.
    #[track_caller]
    pub fn stops(&self) -> bool {
        let is_over = || matches!(state_of(self.pid()), Some('T' | 'Z'));
        wait_until(is_over, || format!("{}: neither stops nor ends", self.role));
        state_of(self.pid()) == Some('T')
    }

    /// Waits until every thread of the child is asleep.
    #[track_caller]
    pub fn wait_until_asleep(&self) {
        let is_so = || thread_states(self.pid()).iter().all(|state| *state == 'S');
        wait_until(is_so, || format!("{}: a thread never sleeps", self.role));
    }

    /// Waits for the child to end by itself, and well.
    #[track_caller]
    pub fn finish(mut self) {
        let status = self.wait();
        assert!(status.success(), "{} ended with {status}", self.role);
    }

    /// Waits for the child to be killed: by itself, or by another process.
    #[track_caller]
    pub fn dies(mut self) {
        let status = self.wait();
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(
            killed,
            "{} ended with {status}, and was not killed",
            self.role
        );
    }

    /// Waits for the child to be ended by a signal, whichever.
    #[track_caller]
    pub fn ends_by_signal(mut self) {
        let status = self.wait();
        let role = &self.role;
        assert!(status.signal().is_some(), "{role} ended with {status}");
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let has_ended = || {
            status = self.process.try_wait().expect("wait for a child");
            status.is_some()
        };
        wait_until(has_ended, || format!("{} does not end", self.role));
        status.expect("it has ended")
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
    /// The argument called `key`.
    pub fn get<V: FromStr<Err: Debug>>(&self, key: &str) -> V {
        let value = self.values.get(key);
        let value = value.unwrap_or_else(|| panic!("a child without {key}"));
        value.parse().expect("what the parent wrote")
    }

    /// All of them, for a child of this child.
    pub fn pairs(&self) -> Vec<(&str, &dyn Display)> {
        let pairs = self.values.iter();
        pairs
            .map(|(key, value)| (key.as_str(), value as &dyn Display))
            .collect()
    }

    /// The board that the parent made under this name.
    pub fn board(&self, name: &str) -> Board {
        Board::open(&self.path(name))
    }

    /// A path in the directory of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A child of this child, not yet started.
    pub fn command(&self, role: &str, args: &Pairs<'_>) -> Command {
        command(&self.home, role, args)
    }
}

/// What a child does, by name.
pub type Role = (&'static str, fn(&Args));

/// What a child does, of a function that is generic in the kind, which the child is told as
/// `kind`; in kind and message, with `kind` and `load`: `of_kind!(K => play::<K>)`,
/// `of_kind!(T, K => play::<T, K>)`.
#[macro_export]
macro_rules! of_kind {
    ($K:ident => $play:expr) => {
        |args: &$crate::children::Args| $crate::with_kind!(args.get("kind"), $K => $play(args))
    };
    ($T:ident, $K:ident => $play:expr) => {
        |args: &$crate::children::Args| {
            let load: String = args.get("load");
            $crate::with_load!(
                load.as_str(),
                $T => $crate::with_kind!(args.get("kind"), $K => $play(args))
            )
        }
    };
}

/// The body of a test binary's `#[test] fn child()`: plays the role that the
/// environment names, or does nothing in an ordinary run.
pub fn enter(roles: &[Role]) {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let told = |key| std::env::var(key).expect("the parent has set all of them");
    tie_to_parent().expect("die with the parent");
    let parent: i32 = told(PARENT).parse().expect("a process id");
    if getppid() != Pid::from_raw(parent) {
        return; // it has died already
    }
    if std::env::var_os(UNLIMITED).is_none() {
        let limit = Rlimit {
            current: Some(ADDRESS_SPACE),
            maximum: Some(ADDRESS_SPACE),
        };
        setrlimit(Resource::As, limit).expect("limit the address space");
    }
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
