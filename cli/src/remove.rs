//! `memring remove`: unlink rings.

use anyhow::{Result, bail};
use clap::Args as ClapArgs;

use crate::complain::complain;

const AFTER_HELP: &str = "\
A ring in use is removed only with --force. The processes that use it are told:
senders fail at the next message, receivers when they have received what is in
it. So is a file that begins like a ring, but is damaged, or of another version.
A file that does not begin like a ring is never removed.

Exit status:
  0  all are removed
  1  some are not
  2  the command line is wrong

Examples:
  memring remove jobs logs
  memring remove --force jobs";

/// Remove rings, with the messages in them
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Remove these rings: names in the default directory, or paths with '/'
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    /// Remove even a ring that is in use, damaged, or of another version
    #[arg(long, short)]
    force: bool,
}

/// Run `memring remove`. One ring that cannot be removed does not keep the others.
pub fn run(args: &Args) -> Result<()> {
    let mut kept = 0;
    for name in &args.names {
        if let Err(error) = remove(name, args.force) {
            kept += 1;
            if args.names.len() == 1 {
                return Err(error);
            }
            complain(&format!("{error:#}"));
        }
    }
    if kept > 0 {
        bail!("{kept} of {} not removed", args.names.len());
    }
    Ok(())
}

fn remove(name: &str, force: bool) -> Result<()> {
    if !force {
        let ring = memring::inspect(name)?;
        if ring.in_use {
            let alive = |peers: &[memring::Peer]| peers.iter().filter(|peer| peer.alive).count();
            bail!(
                "ring {name:?} is in use ({} senders and {} receivers attached): stop the \
                 processes that have it open, or remove it all the same with --force",
                alive(&ring.stats.senders),
                alive(&ring.stats.receivers)
            );
        }
    }
    memring::remove(name)?;
    Ok(())
}
