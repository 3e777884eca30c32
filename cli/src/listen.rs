//! `memring listen`: the end of a rendezvous that waits for the other.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Error, Result};
use clap::Args as ClapArgs;
use memring::uds::{RendezvousError, SocketAddress};

use crate::complain::complain;
use crate::duplex::{ByteRendezvous, CAPACITY, LIMIT, carry};
use crate::format::printable;
use crate::making::{parse_nonzero, parse_size};
use crate::standard;

const AFTER_HELP: &str = "\
Two processes of the same user connect by a Unix domain socket. After that,
their bytes go through shared memory, by one ring for each direction. The socket
at PATH exists until they have connected. A socket that a killed listener left
is replaced. A name that begins with '@' is abstract: it is in no directory.

The command ends when both directions have ended: when standard input has ended
and the other end has written all of it, and the same the other way round.

Exit status:
  0  both directions ended
  1  the other end ended or died before that, or another error; one line on
     standard error says what
  2  the command line is wrong

Examples:
  memring listen /tmp/copy.sock < /dev/null > copy.tar
  memring listen @chat";

/// Wait for memring connect, and carry standard input and output both ways
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Listen at this path, or abstract name with '@'
    path: String,

    /// Let this many messages be under way in each direction [default: 64]
    #[arg(long, value_name = "N", value_parser = parse_nonzero)]
    capacity: Option<NonZeroUsize>,

    /// Cut the bytes into messages of up to this many bytes, such as 512, 16K, 1M or 1G [default:
    /// 16K]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    slot_size: Option<usize>,
}

/// Run `memring listen`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_input()?;
    standard::check_output()?;
    let listener = ByteRendezvous::new()
        .capacity(args.capacity.map_or(CAPACITY, NonZeroUsize::get))
        .message_limit(args.slot_size.unwrap_or(LIMIT))
        .on_refused(|peer, why| {
            // What is wrong with this end, when another is known, ends the command, which says so.
            if peer.is_some() && !why.is_of_peer() {
                return;
            }
            let peer = peer.map_or("a process".to_owned(), |peer| peer.to_string());
            complain(&format!("refused {peer}: {}", reason(why)));
        })
        .bind(args.path.as_str());
    let mut listener = listener.map_err(|error| not_met("listen", &args.path, error))?;
    let connection = listener
        .accept()
        .map_err(|error| not_met("listen", &args.path, error))?;
    // Others find nobody, and the path is free.
    drop(listener);
    carry(connection)
}

/// The error of an address, with what can be done about it.
pub fn not_met(action: &str, path: &str, error: RendezvousError) -> Error {
    let shown = printable(path);
    let address = SocketAddress::from(path);
    let directory = address.path().and_then(Path::parent);
    let is_missing = |it: &Path| !it.as_os_str().is_empty() && !it.is_dir();
    match (directory.filter(|it| is_missing(it)), &error) {
        (Some(directory), _) => Error::msg(format!(
            "cannot {action} at {shown}: there is no directory {}; make it, or choose another path",
            directory.display()
        )),
        (None, RendezvousError::NotAdmitted { peer }) => Error::msg(format!(
            "cannot {action} at {shown}: {peer} is there: {}",
            reason(&error)
        )),
        (None, _) => Error::new(error).context(format!("cannot {action} at {shown}")),
    }
}

/// Why the two did not meet. The library's remedy for another user's process is a method of its
/// own, which the command line does not have.
fn reason(why: &RendezvousError) -> String {
    match why {
        RendezvousError::NotAdmitted { .. } => {
            "it is of another user; run both ends as the same user".into()
        }
        why => why.to_string(),
    }
}
