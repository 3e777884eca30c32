//! `memring bridge`: the command `memring-bridge`, which is installed by itself, for its
//! engines are large.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

const PROGRAM: &str = "memring-bridge";

const AFTER_HELP: &str = "\
Exit status:
  0  the source ring was closed, and all is acknowledged; or told to end
  1  an error, or memring-bridge is not installed
  2  the command line is wrong

Examples:
  memring bridge receive jobs --into jobs --create --listen tcp/10.0.0.2:7447
  memring bridge send jobs --to jobs --connect tcp/10.0.0.2:7447";

/// Carry rings between hosts, by memring-bridge if that is installed
///
/// Runs memring-bridge with these arguments: that which lies beside this
/// program, or else that in PATH. See `memring bridge -- --help`, and
/// docs/hosts.md.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// What memring-bridge is told
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    arguments: Vec<OsString>,
}

/// Becomes `memring-bridge`. Returns if that cannot be.
pub fn run(args: &Args) -> Result<()> {
    let program = beside().unwrap_or_else(|| PROGRAM.into());
    let error = Command::new(&program).args(&args.arguments).exec();
    if error.kind() == ErrorKind::NotFound {
        bail!(
            "{PROGRAM} is not installed, neither beside this program nor in PATH: install it with \
             `cargo install --path bridge` in memring's repository"
        );
    }
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

/// The program beside this one, if it is there.
fn beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.with_file_name(PROGRAM);
    program.is_file().then_some(program)
}
