//! `memring lock`: a command, while a named mutex is held.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args as ClapArgs;
use memring::RingError;
use memring::sync::{
    LockError, LockTimeoutError, Mutex, MutexGuard, PoisonError, SharedInspection, TryLockError,
};

use crate::complain::complain;
use crate::format::printable;
use crate::making::parse_seconds;
use crate::standard;
use crate::tied;
use crate::what::{self, What};

/// The most handles that may be open: as many as there can be.
const HANDLES: u16 = 1023;

const AFTER_HELP: &str = "\
The lock is a mutex without a value. It is made if it does not exist, and stays
until it is removed. Programs share it as memring::sync::Mutex<()>. memring lock
itself holds the lock, and releases it when the command has ended. If memring
lock is killed, for example by a signal from the terminal, the command is killed
too, and the lock is free. Processes that the command leaves behind do not hold
the lock. The kernel spares a command that changes its user, such as sudo: it
would go on without the lock. So write sudo memring lock, not memring lock sudo.

A stopped holder keeps the lock. With --timeout, the error names the holder.

If the last holder was killed, one line on standard error says so, and the
command runs. It has to check in which state the last holder left things.

Exit status:
  that of the command; 128 and the signal's number, if it was killed by a signal
  1         an error, or the lock was not free; one line on standard error says
            which
  2         the command line is wrong
  126, 127  the command cannot be started, or was not found

Examples:
  memring lock nightly --nonblock -- ./backup.sh
  memring lock deploy --timeout 60 -- sh -c 'git pull && make install'";

/// Run a command while a lock is held
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The lock: a name in the default directory, or a path with '/'
    name: String,

    /// Fail at once if another process holds it
    #[arg(long, short, conflicts_with = "timeout")]
    nonblock: bool,

    /// Fail if it is not free after this many seconds (fractions are allowed)
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,

    /// Open a lock of another user's, or one that others may write to
    #[arg(long)]
    allow_foreign: bool,

    /// Run this command, with these arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Run `memring lock`.
pub fn run(args: &Args) -> Result<ExitCode> {
    // The command has them, and would read and write nothing.
    standard::check_input()?;
    standard::check_output()?;
    let mutex = args.open()?;
    let guard = args.lock(&mutex)?;
    let mut command = tied::command(&args.command);
    let status = command.status().context("cannot start a process")?;
    drop(guard);
    Ok(ExitCode::from(tied::exit_code(status)))
}

impl Args {
    fn open(&self) -> Result<Mutex<()>> {
        let builder = Mutex::<()>::builder().max_handles(HANDLES);
        let opened = builder
            .allow_foreign(self.allow_foreign)
            .open_or_create(&self.name, ());
        opened.map_err(|error| self.advise(error))
    }

    /// What else stands under the name.
    fn advise(&self, error: RingError) -> anyhow::Error {
        if let RingError::Mismatch { .. } = error
            && let Ok(Some(found)) = what::look(&self.name)
            && !is_lock(&found)
        {
            return what::is_other(&self.name, "a mutex without a value", &found);
        }
        anyhow::Error::new(error).context("cannot open the lock")
    }

    fn lock<'m>(&self, mutex: &'m Mutex<()>) -> Result<MutexGuard<'m, ()>> {
        let poisoned = match (self.nonblock, self.timeout) {
            (true, _) => match mutex.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(poisoned)) => poisoned,
                Err(error) => return Err(self.not_had(error.without_guard())),
            },
            (false, Some(timeout)) => match mutex.lock_timeout(timeout) {
                Ok(guard) => return Ok(guard),
                Err(LockTimeoutError::Poisoned(poisoned)) => poisoned,
                Err(error) => return Err(self.not_had(error.without_guard())),
            },
            (false, None) => match mutex.lock() {
                Ok(guard) => return Ok(guard),
                Err(LockError::Poisoned(poisoned)) => poisoned,
                Err(error) => return Err(self.not_had(error.without_guard())),
            },
        };
        Ok(self.repaired(mutex, poisoned))
    }

    fn not_had(&self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        anyhow!(error).context(format!("cannot lock {}", printable(&self.name)))
    }

    /// There is no value that could be half changed: what the command works on is for it to
    /// look at.
    fn repaired<'m>(
        &self,
        mutex: &Mutex<()>,
        poisoned: PoisonError<MutexGuard<'m, ()>>,
    ) -> MutexGuard<'m, ()> {
        let guard = poisoned.into_inner();
        mutex.clear_poison();
        complain(&format!(
            "the last holder of {} died while it held the lock: look at what it may have left",
            printable(&self.name)
        ));
        guard
    }
}

/// Whether this is what this command makes.
fn is_lock(found: &What) -> bool {
    let is_plain = |shared: &SharedInspection| {
        matches!(&shared.parts[..], [only] if only.kind == "mutex" && only.size == 0)
            && !shared.is_group()
    };
    matches!(found, What::Shared(shared) if is_plain(shared))
}
