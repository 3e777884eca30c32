//! `memring connect`: the end of a rendezvous that comes to the other.

use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;
use memring::uds::RendezvousError;

use crate::duplex::{ByteRendezvous, carry};
use crate::listen::not_met;
use crate::making::parse_seconds;
use crate::open::Retry;
use crate::standard;

const AFTER_HELP: &str = "\
The other end is memring listen, whose help says more, or a program that listens
for bytes both ways: memring::uds::Listener::<[u8], [u8]>.

Exit status:
  0  both directions ended
  1  the other end ended or died before that, or another error; one line on
     standard error says what
  2  the command line is wrong

Examples:
  tar c . | memring connect /tmp/copy.sock
  memring connect @chat --wait --timeout 10";

/// Connect to memring listen, and carry standard input and output both ways
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Connect to this path, or abstract name with '@'
    path: String,

    /// Wait until a process listens at the path
    #[arg(long)]
    wait: bool,

    /// Stop waiting after this many seconds (fractions are allowed)
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, requires = "wait")]
    timeout: Option<Duration>,
}

/// Run `memring connect`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_input()?;
    standard::check_output()?;
    let retry = Retry::new(args.wait, args.timeout);
    let connect = || ByteRendezvous::new().connect(args.path.as_str());
    let connection = retry.run(connect, |error| {
        matches!(error, RendezvousError::NotListening { .. })
    });
    carry(connection.map_err(|error| not_met("connect", &args.path, error))?)
}
