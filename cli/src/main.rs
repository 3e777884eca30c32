//! The `memring` command: measure rings, kill their users, carry standard input
//! through them to standard output, list them and remove them.

mod bench;
mod complain;
mod format;
mod list;
mod open;
mod progress;
mod recv;
mod remove;
mod send;
mod standard;
mod torture;
mod usage;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use complain::complain;
use usage::is_usage;

/// Rings in shared memory, from the shell
#[derive(Parser)]
#[command(name = "memring", version, max_term_width = 80, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
A ring is a bounded queue between processes on one machine. It outlives the
processes that use it, and survives their being killed at any moment: messages
that were committed are there for the next process that opens the ring.

Names:
  A name without '/' is a ring in the default directory: $MEMRING_DIR if set,
  else /dev/shm/memring-UID. A name with '/' is a path.

Exit status:
  0  done
  1  an error; one line on standard error names it and what to do
  2  the command line is wrong

Examples:
  memring bench                       how fast are rings on this machine?
  memring torture                     do they survive what they should?
  memring recv jobs --create > out &  make a ring and print what arrives
  memring send jobs --wait < in       feed it; close it at end of input
  memring list                        what rings are there, and what uses them?
  memring remove jobs                 remove the name and free the memory

See 'memring COMMAND --help' for one command.";

#[derive(Subcommand)]
enum Command {
    Bench(bench::Args),
    Torture(torture::Args),
    Send(send::Args),
    Recv(recv::Args),
    List(list::Args),
    Remove(remove::Args),
    /// A process that `bench` starts to measure with
    #[command(hide = true)]
    BenchPeer,
    /// A process that `torture` starts to be killed
    #[command(hide = true)]
    TorturePeer {
        order: String,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Torture(args) => torture::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Recv(args) => recv::run(&args),
        Command::List(args) => list::run(&args),
        Command::Remove(args) => remove::run(&args),
        Command::BenchPeer => bench::peer(),
        Command::TorturePeer { order } => torture::peer(&order),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The process that closed our output has stopped listening, and knows it.
            if !is_broken_pipe(&error) {
                complain(&format!("{error:#}"));
            }
            match is_usage(&error) {
                true => ExitCode::from(2),
                false => ExitCode::FAILURE,
            }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
