//! The `memring` command: measure rings, kill their users, carry standard input
//! through them to standard output; answer calls, and call; run commands under a lock;
//! make rings, list what there is, and remove it.

mod bench;
mod bridge;
mod call;
mod complain;
mod connect;
mod create;
mod duplex;
mod format;
mod lines;
mod list;
mod listen;
mod lock;
mod making;
mod manual;
mod named;
mod open;
mod progress;
mod recv;
mod remedy;
mod remove;
mod send;
mod serve;
mod standard;
mod tied;
mod torture;
mod usage;
mod what;
mod worker;

use std::io;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};
use complain::{complain, words};
use usage::exit_status;

/// Of this program, and of what it reads and writes: programs that use a ring have to agree on
/// the latter alone.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let format = memring::FORMAT_VERSION;
    format!("{} (format version {format})", env!("CARGO_PKG_VERSION"))
});

/// Rings, calls, sockets and locks between processes, from the shell
#[derive(Parser)]
#[command(name = "memring", version = VERSION.as_str(), max_term_width = 80, after_help = AFTER_HELP)]
struct Cli<C: Subcommand> {
    #[command(subcommand)]
    command: C,
}

const AFTER_HELP: &str = "\
A ring is a bounded queue between processes on one machine. It outlives the
processes that use it, even if they are killed at any moment: messages that were
committed are there for the next process that opens the ring. Services and
locks outlive their processes, too. A process that waits for a dead one is told.

Names:
  A name without '/' is in the default directory: $MEMRING_DIR if set, else
  /dev/shm/memring-UID. A name with '/' is a path.

Exit status:
  0  done
  1  an error; one line on standard error names it and what to do
  2  the command line is wrong
  lock has that of the command that it runs.

Examples:
  memring bench                       how fast are rings on this machine?
  memring torture                     do they survive what they should?
  memring recv jobs --create > out &  make a ring and print what arrives
  memring send jobs --wait < in       feed it; close it at end of input
  memring serve upper -- tr a-z A-Z & answer requests by a command
  memring call upper < in             a request for each line; print the answers
  memring listen @chat &              meet another process at a socket ...
  memring connect @chat               ... and carry standard streams both ways
  memring lock nightly -- ./backup    run a command while holding a lock
  memring create jobs --kind mpmc     make a ring, for others to use
  memring list                        what is there, and what uses it?
  memring remove jobs                 remove the name and free the memory
  memring bridge send jobs --to jobs  carry a ring to another host

Manual pages, and completions for bash, zsh and fish:
  memring manual --dir ~/.local/share installs them.

See 'memring COMMAND --help' for one command.";

/// All commands.
#[derive(Subcommand)]
enum AnyCommand {
    #[command(flatten)]
    Shown(Command),
    #[command(flatten)]
    Hidden(Hidden),
}

/// Those of the manual, and of completions.
#[derive(Subcommand)]
enum Command {
    Bench(bench::Args),
    Torture(torture::Args),
    Send(send::Args),
    Recv(recv::Args),
    Serve(serve::Args),
    Call(call::Args),
    Listen(listen::Args),
    Connect(connect::Args),
    Lock(lock::Args),
    Create(create::Args),
    List(list::Args),
    Remove(remove::Args),
    Bridge(bridge::Args),
}

/// Those that this program, or an installation of it, runs.
#[derive(Subcommand)]
enum Hidden {
    /// Write the manual pages and the completions of shells
    #[command(hide = true)]
    Manual(manual::Args),
    /// A process that `bench` starts to measure with
    #[command(hide = true)]
    BenchPeer,
    /// A process that `torture` starts to be killed
    #[command(hide = true)]
    TorturePeer { order: String },
    /// A process that becomes the command of `serve` or `lock`
    #[command(hide = true)]
    Tied(tied::Args),
}

fn main() -> ExitCode {
    let command = match Cli::<AnyCommand>::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return not_a_command(&error),
    };
    let result = match command {
        AnyCommand::Shown(command) => run(command),
        AnyCommand::Hidden(hidden) => run_hidden(hidden).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        // The process that closed our output has stopped listening, and knows it.
        if !is_broken_pipe(&error) {
            complain(&words(&error));
        }
        ExitCode::from(exit_status(&error))
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::Torture(args) => torture::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Recv(args) => recv::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Lock(args) => return lock::run(&args),
        Command::Create(args) => create::run(args),
        Command::List(args) => list::run(&args),
        Command::Remove(args) => remove::run(&args),
        Command::Bridge(args) => bridge::run(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn run_hidden(hidden: Hidden) -> anyhow::Result<()> {
    match hidden {
        Hidden::Manual(args) => manual::run(&args, Cli::<Command>::command()),
        Hidden::BenchPeer => bench::peer(),
        Hidden::TorturePeer { order } => torture::peer(&order),
        Hidden::Tied(args) => tied::run(&args),
    }
}

/// What was asked for is help, or the version, or cannot be understood.
fn not_a_command(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // A closed standard error is no failure of ours.
        let _ = error.print();
        return ExitCode::from(2);
    }
    let printed = standard::check_output().and_then(|()| Ok(error.print()?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !is_broken_pipe(&error) {
                complain(&words(&error.context("cannot write standard output")));
            }
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
