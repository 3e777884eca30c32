//! The `memring` command: measure rings, kill their users, carry standard input
//! through them to standard output; answer calls, and call; run commands under a lock;
//! list what there is, and remove it.

mod bench;
mod call;
mod complain;
mod connect;
mod duplex;
mod format;
mod lines;
mod list;
mod listen;
mod lock;
mod open;
mod progress;
mod recv;
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

use clap::{Parser, Subcommand};
use complain::{complain, told};
use usage::exit_status;

/// Rings, calls, sockets and locks between processes, from the shell
#[derive(Parser)]
#[command(name = "memring", version, max_term_width = 80, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
A ring is a bounded queue between processes on one machine. It outlives the
processes that use it, and survives their being killed at any moment: messages
that were committed are there for the next process that opens the ring. So do
services, which answer calls, and locks; a death is told to those that wait.

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
  memring list                        what is there, and what uses it?
  memring remove jobs                 remove the name and free the memory

See 'memring COMMAND --help' for one command.";

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
    /// A process that becomes the command of `serve` or `lock`
    #[command(hide = true)]
    Tied(tied::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Torture(args) => torture::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Recv(args) => recv::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Lock(args) => match lock::run(&args) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Command::List(args) => list::run(&args),
        Command::Remove(args) => remove::run(&args),
        Command::BenchPeer => bench::peer(),
        Command::TorturePeer { order } => torture::peer(&order),
        Command::Tied(args) => tied::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The process that closed our output has stopped listening, and knows it.
            if !is_broken_pipe(&error) {
                complain(&told(&error));
            }
            ExitCode::from(exit_status(&error))
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
