//! `memring create`: a ring for others to use.

use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;
use memring::{Kind, Ring};

use crate::making::{Making, parse_seconds};
use crate::open::{Job, Opening, Retry};

const AFTER_HELP: &str = "\
An existing ring that has what was asked for is left as it is, so the command can
be run again. A ring that is closed, empty and not attached to is replaced.

The ring is for byte messages: programs open it as Ring<[u8], K>. It stays until
it is removed.

Other users reach a ring by its path alone, in a directory that they may enter;
the default directory is its user's own.

Exit status:
  0  the ring is there
  1  it is not, or not as asked for; one line on standard error says why
  2  the command line is wrong

Examples:
  memring create jobs --kind mpmc --capacity 64K --slot-size 256
  memring create jobs --exclusive || echo 'another was first'
  memring create /srv/rings/shared --mode 660";

/// Make a ring for byte messages, unless it is there
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The ring: a name in the default directory, or a path with '/'
    name: String,

    #[command(flatten)]
    making: Making,

    /// Wait until a closed ring that is in the way can be replaced
    #[arg(long, help_heading = "Ring")]
    wait: bool,

    /// Stop waiting after this many seconds (fractions are allowed)
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = parse_seconds,
        requires = "wait",
        help_heading = "Ring"
    )]
    timeout: Option<Duration>,
}

/// Run `memring create`.
pub fn run(args: Args) -> Result<()> {
    let Args {
        name,
        making,
        wait,
        timeout,
    } = args;
    let opening = Opening {
        name,
        create: true,
        making,
        wait,
        timeout,
    };
    opening.run(true, JustMade)
}

/// Nothing more.
struct JustMade;

impl Job for JustMade {
    const DRAINS: bool = false;

    fn run<K: Kind>(self, _: Ring<[u8], K>, _: &Retry) -> Result<()> {
        Ok(())
    }
}
