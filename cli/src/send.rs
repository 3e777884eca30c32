//! `memring send`: standard input into a ring.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args as ClapArgs;
use memchr::{memchr_iter, memrchr};
use memring::{Kind, Ring, SendError, Sender};

use crate::open::{Job, Opening, Retry};
use crate::standard;

/// Input is read in pieces of up to this many bytes, or one slot if that is more.
const READ: usize = 256 << 10;

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
        // Read the descriptor itself: the standard handle has a buffer of its own, too small.
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let feed = Feed {
            input,
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
            let filled = self.read(&mut buffer)?;
            if filled == 0 {
                return Ok(());
            }
            send_all(sender, buffer[..filled].chunks(self.limit))?;
        }
    }

    fn lines<K: Kind>(mut self, sender: &mut Sender<[u8], K>) -> Result<()> {
        // Room for a line that is too long as well, so that its length can be shown.
        let mut buffer = vec![0; READ.max(2 * self.limit + 2)];
        let mut filled = 0;
        let mut number = 0;
        loop {
            let added = self.read(&mut buffer[filled..])?;
            let whole = memrchr(b'\n', &buffer[filled..filled + added]).map(|at| filled + at + 1);
            filled += added;
            let whole = match whole {
                Some(whole) => whole,
                None if added == 0 && filled == 0 => return Ok(()),
                // The last line lacks its newline: a line all the same.
                None if added == 0 => {
                    return self.send_lines(sender, &buffer[..filled], &mut number);
                }
                None if filled == buffer.len() => bail!(
                    "line {} has more than {filled} bytes, a slot of this ring holds {}",
                    number + 1,
                    self.limit
                ),
                None => continue,
            };
            self.send_lines(sender, &buffer[..whole], &mut number)?;
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }

    /// Send the lines of `text`; those before one that is too long are sent.
    fn send_lines<K: Kind>(
        &self,
        sender: &mut Sender<[u8], K>,
        text: &[u8],
        number: &mut u64,
    ) -> Result<()> {
        let mut too_long = None;
        let lines = split_lines(text).map_while(|line| {
            *number += 1;
            if line.len() > self.limit {
                too_long = Some(line.len());
            }
            too_long.is_none().then_some(line)
        });
        send_all(sender, lines)?;
        match too_long {
            None => Ok(()),
            Some(length) => bail!(
                "line {number} has {length} bytes, a slot of this ring holds {}",
                self.limit
            ),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.context("cannot read standard input"),
            }
        }
    }
}

/// The lines of `text` without their newlines. The last one may lack it.
fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let unended = !text.ends_with(b"\n") && !text.is_empty();
    let ends = memchr_iter(b'\n', text).chain(unended.then_some(text.len()));
    ends.scan(0, |start, end| {
        let line = &text[*start..end];
        *start = end + 1;
        Some(line)
    })
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

#[cfg(test)]
mod tests {
    use super::split_lines;

    #[test]
    fn lines_are_split_at_newlines_only() {
        let split = |text| split_lines(text).collect::<Vec<&[u8]>>();
        assert_eq!(split(b""), Vec::<&[u8]>::new());
        assert_eq!(split(b"\n"), [b""]);
        assert_eq!(split(b"a\n\nbc\n"), [&b"a"[..], b"", b"bc"]);
        assert_eq!(split(b"a\r\nb"), [&b"a\r"[..], b"b"]);
    }
}
