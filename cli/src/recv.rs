//! `memring recv`: a ring's messages to standard output.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use memring::{Kind, Receiver, RecvError, Ring};

use crate::open::{Job, Opening, Retry};
use crate::standard;

/// Messages written at a time, at most; and never more than a quarter of the ring, so that
/// senders have room while they are being written.
const BATCH: usize = 1024;

const AFTER_HELP: &str = "\
A message is removed from the ring only after it was written: if recv is killed,
or its output fails, the messages it holds stay in the ring for the next
receiver. So a message may be written twice, but none is lost.

recv ends when the ring is closed and empty; send closes it at end of input.
When all senders are gone but none closed it, recv waits for one to come back,
unless --end-on-disconnect is given. If a ring was closed with messages left,
recv --create takes these messages, and ends. So after a kill the same command
can be started again, and the start after that makes a fresh ring.

Several receivers share the messages of an spmc or mpmc ring: each gets some.
Raw messages of several senders, or shared among several receivers, are not
ordered: use --lines there, at both ends.

Exit status:
  0  the ring is closed and empty
  1  an error; one line on standard error says what
  2  the command line is wrong

Examples:
  memring recv jobs --create --kind mpmc --slot-size 4K --lines
  memring recv backup --wait --timeout 30 > backup.tar
  memring recv logs --lines --end-on-disconnect | grep ERROR";

/// Carry a ring's messages to standard output
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    opening: Opening,

    /// Write a newline after each message
    #[arg(long)]
    lines: bool,

    /// End, with success, also when the ring is empty and all senders are gone without closing it
    #[arg(long)]
    end_on_disconnect: bool,
}

/// Run `memring recv`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_output()?;
    args.opening.run(!args.end_on_disconnect, args)
}

impl Job for &Args {
    const DRAINS: bool = true;

    fn run<K: Kind>(self, ring: Ring<[u8], K>, retry: &Retry) -> Result<()> {
        let receiver = retry.attach(|| ring.receiver())?;
        let output = standard::output()?;
        // Whether it was closed or left, is the same here.
        drain(receiver, output, self.lines).map(drop)
    }
}

/// How a ring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was closed.
    Closed,
    /// All senders have gone.
    Disconnected,
}

/// Lease, write, flush, and only then release, until the ring ends.
pub fn drain<K: Kind>(
    mut receiver: Receiver<[u8], K>,
    mut output: impl Write,
    lines: bool,
) -> Result<End> {
    let most = (receiver.capacity() / 4).clamp(1, BATCH);
    let mut text = Vec::new();
    loop {
        let batch = match receiver.lease_batch(most) {
            Ok(batch) => batch,
            Err(RecvError::Closed) => return Ok(End::Closed),
            Err(RecvError::Disconnected) => return Ok(End::Disconnected),
            Err(error @ (RecvError::Removed | RecvError::Cancelled)) => {
                return Err(error).context("cannot receive");
            }
            Err(RecvError::Failed(failure)) => {
                return Err(failure).context("cannot receive");
            }
        };
        let mut used = 0;
        for message in batch.iter() {
            let end = used + message.len();
            // Grown, never shrunk: filling it with zeroes each time would cost a pass.
            if text.len() < end + 1 {
                text.resize((end + 1).next_power_of_two(), 0);
            }
            message.copy_to(&mut text[used..end]);
            used = end;
            if lines {
                text[used] = b'\n';
                used += 1;
            }
        }
        let written = output
            .write_all(&text[..used])
            .and_then(|()| output.flush());
        match written {
            Ok(()) => batch.release(),
            Err(error) => {
                batch.requeue();
                return Err(error).context(
                    "cannot write standard output; what was not written stays in the ring",
                );
            }
        }
    }
}
