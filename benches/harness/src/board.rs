//! What the workers of one measurement share beside the queue: who is ready, and who is done.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memring_testkit::Words;

/// Words between two that different workers write: two cache lines.
const APART: usize = 16;
const READY: usize = 0;
const DONE: usize = 1;
const SENT: usize = 2;
const STAMP: usize = 3;
const LEFT: usize = 4;
const RECEIVED: usize = 5;
/// Nobody needs so long, however busy the machine.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The board.
pub struct Board {
    words: Words,
}

impl Board {
    /// Makes one for so many receivers: a file in memory, for each worker to open.
    pub fn make(receivers: usize) -> Result<OwnedFd> {
        Words::file((RECEIVED + receivers) * APART)
    }

    /// Opens it.
    pub fn open(file: OwnedFd) -> Result<Self> {
        Ok(Board {
            words: Words::map_all(file)?,
        })
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.words[at * APART]
    }

    /// Wait until all workers are there.
    pub fn gather(&self, workers: usize) -> Result<()> {
        self.meet(READY, workers)
    }

    /// Wait until all workers are done: what a sender has sent need not survive it.
    pub fn part(&self, workers: usize) -> Result<()> {
        self.meet(LEFT, workers)
    }

    fn meet(&self, at: usize, workers: usize) -> Result<()> {
        // Pairs with the Acquire loads of the others.
        self.word(at).fetch_add(1, Ordering::AcqRel);
        let begun = Instant::now();
        let mut looks = 0_u32;
        while self.word(at).load(Ordering::Acquire) < workers as u64 {
            looks += 1;
            if looks > 2000 {
                thread::sleep(Duration::from_micros(50));
            } else {
                thread::yield_now();
            }
            if begun.elapsed() > TIMEOUT {
                bail!("the others did not come");
            }
        }
        Ok(())
    }

    /// A sender is done. The last of them is told so; if messages may overtake each other, it
    /// waits until all were received.
    pub fn done(
        &self,
        sent: u64,
        (senders, receivers): (usize, usize),
        is_in_order: bool,
    ) -> Result<bool> {
        self.word(SENT).fetch_add(sent, Ordering::AcqRel);
        if self.word(DONE).fetch_add(1, Ordering::AcqRel) + 1 < senders as u64 {
            return Ok(false);
        }
        let begun = Instant::now();
        if !is_in_order {
            // Not every queue keeps the order of different senders, and many queues have none
            // between them: an end that overtakes would leave messages behind.
            let received = || -> u64 {
                let counts = (0..receivers).map(|at| self.received(at).load(Ordering::Acquire));
                counts.sum()
            };
            while received() < self.word(SENT).load(Ordering::Acquire) {
                thread::yield_now();
                if begun.elapsed() > TIMEOUT {
                    let sent = self.word(SENT).load(Ordering::Acquire);
                    bail!("{} of {sent} messages were received", received());
                }
            }
        }
        Ok(true)
    }

    /// Where a receiver says how many it has received.
    pub fn received(&self, receiver: usize) -> &AtomicU64 {
        self.word(RECEIVED + receiver)
    }

    /// Where a sender leaves the time at which it sent.
    pub fn stamp(&self) -> &AtomicU64 {
        self.word(STAMP)
    }
}
