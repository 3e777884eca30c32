//! Commands that `serve` and `lock` run: killed by the kernel when this process is, so that none
//! works on for a caller that has been told of the death, or without the lock.
//!
//! A process asks for that itself. So this program is started again, asks, and becomes the
//! command.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use memring_testkit::processes::tie_to_parent;
use rustix::process::{Pid, getppid};

use crate::usage::CannotStart;

/// The name of the hidden subcommand, as clap derives it.
const SUBCOMMAND: &str = "tied";

/// What becomes the command.
#[derive(ClapArgs)]
pub struct Args {
    /// The process that started this one
    parent: i32,

    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// `command` with its arguments, tied to the thread that starts it: that has to live as long.
pub fn command(command: &[OsString]) -> Command {
    // Of the child: the same program, whatever has become of its path.
    let mut tied = Command::new("/proc/self/exe");
    tied.arg(SUBCOMMAND).arg(std::process::id().to_string());
    tied.arg("--").args(command);
    tied
}

/// Become the command.
pub fn run(args: &Args) -> Result<()> {
    tie_to_parent()?;
    // It may have died before that.
    if getppid() != Pid::from_raw(args.parent) {
        bail!("the process that started this one is gone");
    }
    let (program, rest) = match args.command.split_first() {
        Some((program, rest)) => (program.as_os_str(), rest),
        None => (OsStr::new(""), &[][..]),
    };
    let error = Command::new(program).args(rest).exec();
    Err(cannot_start(program, &error).into())
}

/// As the shell and `env` tell it.
fn cannot_start(program: &OsStr, error: &io::Error) -> CannotStart {
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    CannotStart {
        text: format!("cannot start {}: {error}", program.display()),
        status: if is_missing { 127 } else { 126 },
    }
}

/// How a command ended that failed.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The exit status of a shell whose command ended so.
pub fn exit_code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map_or(1, |signal| 128 + signal);
    // Both are below 256.
    u8::try_from(status.code().unwrap_or_else(signal)).unwrap_or(1)
}
