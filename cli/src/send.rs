//! `memring send`: standard input into a ring.

use std::fs::File;

use anyhow::{Context, Result, anyhow};
use clap::Args as ClapArgs;
use memring::{Kind, Ring, SendError, Sender};

use crate::lines::{self, Lines, READ, split_lines};
use crate::open::{Job, Opening, Retry};
use crate::standard;

/// What is said to hold no more than its limit.
const HOLDER: &str = "a slot of this ring";

const AFTER_HELP: &str = "\
Raw input (the default) is cut where it happens to arrive, in messages of at
most a slot; with one sender and one receiver the same bytes come out in the
same order. With several of either they are not ordered: pieces of different
senders mix, and each receiver gets some of them. Use --lines then.

At end of input the ring is closed if no other sender is attached, so that
receivers drain it and end. A sender that has not started yet is not counted:
if more are to come, give --keep-open to all but the last. An error leaves the
ring open, for another try.

While no receiver is attached, send fills the ring and then waits.

Exit status:
  0  all input is in the ring
  1  it is not; one line on standard error says why
  2  the command line is wrong

Examples:
  memring send jobs --wait --lines < work.txt
  tar c . | memring send backup --create --slot-size 64K
  tail -f log | memring send logs --lines --keep-open";

/// Carry standard input into a ring
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    opening: Opening,

    /// Send one message per line, without its newline; a line longer than a slot is an error
    #[arg(long)]
    lines: bool,

    /// Leave the ring open at end of input
    #[arg(long)]
    keep_open: bool,
}

/// Run `memring send`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_input()?;
    args.opening.run(true, args)
}

impl Job for &Args {
    const DRAINS: bool = false;

    fn run<K: Kind>(self, ring: Ring<[u8], K>, retry: &Retry) -> Result<()> {
        let mut sender = retry.attach(|| ring.sender())?;
        let feed = Feed {
            input: lines::input()?,
            limit: ring.message_size(),
        };
        if self.lines {
            feed.lines(&mut sender)?;
        } else {
            feed.raw(&mut sender)?;
        }
        // Detach first, look then: of senders that end together the last to detach sees no other.
        // Two may both see no other and both close, which is the same as once.
        drop(sender);
        if !self.keep_open && !ring.stats().senders.iter().any(|peer| peer.alive) {
            ring.close().context("cannot close the ring")?;
        }
        Ok(())
    }
}

/// Standard input, and what a message may hold.
struct Feed {
    input: File,
    limit: usize,
}

impl Feed {
    fn raw<K: Kind>(mut self, sender: &mut Sender<[u8], K>) -> Result<()> {
        let mut buffer = vec![0; READ.max(self.limit)];
        loop {
            let filled = lines::read(&mut self.input, &mut buffer)?;
            if filled == 0 {
                return Ok(());
            }
            send_all(sender, buffer[..filled].chunks(self.limit))?;
        }
    }

    fn lines<K: Kind>(self, sender: &mut Sender<[u8], K>) -> Result<()> {
        let limit = self.limit;
        let lines = Lines {
            input: self.input,
            limit,
            holder: HOLDER,
        };
        lines.pieces(|text, number| send_lines(sender, text, number, limit))
    }
}

/// Send the lines of `text`, before which there were `number`; those before one that is too
/// long are sent.
fn send_lines<K: Kind>(
    sender: &mut Sender<[u8], K>,
    text: &[u8],
    mut number: u64,
    limit: usize,
) -> Result<()> {
    let mut too_long = None;
    let lines = split_lines(text).map_while(|line| {
        number += 1;
        if line.len() > limit {
            too_long = Some(line.len());
        }
        too_long.is_none().then_some(line)
    });
    send_all(sender, lines)?;
    match too_long {
        None => Ok(()),
        Some(length) => Err(lines::too_long(number, length, HOLDER, limit)),
    }
}

fn send_all<'a, K: Kind>(
    sender: &mut Sender<[u8], K>,
    messages: impl Iterator<Item = &'a [u8]>,
) -> Result<()> {
    match sender.send_batch(messages) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.cause {
            SendError::Closed(_) => anyhow!(
                "the ring was closed: not all input was sent (a closed ring stays closed: \
                 remove it and make a new one)"
            ),
            SendError::Disconnected(_) => anyhow!("the receiver is gone"),
            SendError::Removed(()) => anyhow!("the ring was removed: not all input was sent"),
            SendError::Cancelled(()) => anyhow!("cancelled: not all input was sent"),
            SendError::Failed(_, failure) => anyhow::Error::new(failure).context("cannot send"),
        }),
    }
}
