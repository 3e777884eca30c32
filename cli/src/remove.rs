//! `memring remove`: unlink rings, services, locks and other shared objects.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use memring::{Inspection, Mismatch, Peer, RingError};

use crate::complain::{complain, words};
use crate::format::printable;
use crate::usage::{Usage, is_usage};
use crate::what::What;

const AFTER_HELP: &str = "\
What is in use is removed only with --force. The processes that use a ring are
told: senders fail at the next message, receivers when they have received what
is in it. So are the servers and clients of a service. Those that use a lock, or
another shared object, go on with it; it has no name any more.

With a service go the answers to clients that were killed. (The client that is
alive removes its own.)

With --force, also a file is removed that begins like a ring, but is damaged, or
of another version. A file that does not begin like a ring is never removed.

Exit status:
  0  all are removed
  1  some are not
  2  the command line is wrong

Examples:
  memring remove jobs logs
  memring remove --force jobs";

/// Remove rings, services, locks and other shared objects, with what is in them
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Remove these: names in the default directory, or paths with '/'
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    /// Remove even what is in use, damaged, or of another version
    #[arg(long, short)]
    force: bool,
}

/// Run `memring remove`. One that cannot be removed does not keep the others.
pub fn run(args: &Args) -> Result<()> {
    let mut kept = 0;
    let mut is_wrong = false;
    for name in &args.names {
        if let Err(error) = remove(name, args.force) {
            kept += 1;
            if args.names.len() == 1 {
                return Err(error);
            }
            is_wrong |= is_usage(&error);
            complain(&words(&error));
        }
    }
    let text = format!("{kept} of {} not removed", args.names.len());
    match (kept, is_wrong) {
        (0, _) => Ok(()),
        (_, true) => Err(Usage(text).into()),
        (_, false) => bail!(text),
    }
}

fn remove(name: &str, force: bool) -> Result<()> {
    let found = What::of(Path::new(name), memring::inspect(name));
    let found = match found {
        Ok(found) => Some(found),
        Err(RingError::NotFound { path }) => bail!(
            "no ring, and nothing else of ours, at {}: memring list tells what there is",
            path.display()
        ),
        Err(_) if force => None,
        Err(error) if is_ours(&error) => {
            bail!("{error}: remove it all the same with --force")
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(found) = found.as_ref().filter(|found| found.is_in_use() && !force) {
        bail!(
            "{} is in use ({}): stop the processes that have it open, or remove it all the same \
             with --force",
            described(name, found),
            users(found)
        );
    }
    match found {
        Some(What::Ring(_) | What::Replies(_) | What::Shared(_)) => memring::remove(name)?,
        // What cannot be told may have been a service.
        Some(What::Service(..)) | None => memring::rpc::remove(name)?,
    }
    Ok(())
}

/// Whether the file begins like one of ours, so that --force removes it.
fn is_ours(error: &RingError) -> bool {
    match error {
        RingError::Mismatch { mismatch, .. } => !matches!(mismatch, Mismatch::Magic { .. }),
        _ => false,
    }
}

fn described(name: &str, found: &What) -> String {
    let name = format!("{:?}", printable(name));
    match found {
        What::Ring(_) => format!("ring {name}"),
        What::Service(..) => format!("service {name}"),
        What::Replies(_) | What::Shared(_) => format!("{name}, {found},"),
    }
}

/// Who uses it.
fn users(found: &What) -> String {
    let alive = |peers: &[Peer]| peers.iter().filter(|peer| peer.alive).count();
    let ends = |ring: &Inspection| (alive(&ring.stats.senders), alive(&ring.stats.receivers));
    match found {
        What::Ring(ring) | What::Replies(ring) => {
            let (senders, receivers) = ends(ring);
            format!("{senders} senders and {receivers} receivers attached")
        }
        What::Service(ring, _) => {
            let (clients, servers) = ends(ring);
            format!("{servers} servers and {clients} clients attached")
        }
        What::Shared(shared) => format!("{} handles open", alive(&shared.handles)),
    }
}
