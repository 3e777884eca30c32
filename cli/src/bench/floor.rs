//! The floor: what a round trip costs when it is nothing but a cache line each way.
//!
//! Each direction is one shared word, alone on its page. The sender stores a new value, the
//! receiver polls until it sees it. Nothing that passes messages between two cores can be faster.

use std::hint;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::link::{Link, Rx, Tx};
use memring_testkit::Words;

/// The length of the mapping: one page.
const LENGTH: usize = 4096;
/// Stored by a sender that is done.
const DONE: u64 = u64::MAX;
/// Polls between two yields. Far more than a round trip takes: it matters only when both ends
/// have to share one CPU.
const POLLS: u32 = 1 << 14;

/// A shared cache line. Carries one word; the receiver must be as fast as the sender, as the
/// echo of a round trip is.
pub struct Floor;

impl Link<1> for Floor {
    type Tx = LineTx;
    type Rx = LineRx;

    fn make(&self) -> Result<[OwnedFd; 2]> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create("memring-floor", flags).context("cannot make shared memory")?;
        ftruncate(&fd, LENGTH as u64).context("cannot size shared memory")?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .context("cannot seal shared memory")?;
        Ok([fd.try_clone()?, fd])
    }

    fn tx(&self, fd: OwnedFd) -> Result<LineTx> {
        Ok(LineTx(Line::map(fd)?))
    }

    fn rx(&self, fd: OwnedFd) -> Result<LineRx> {
        Ok(LineRx {
            line: Line::map(fd)?,
            seen: 0,
        })
    }
}

/// The mapped word.
struct Line(Words);

impl Line {
    fn map(fd: OwnedFd) -> Result<Self> {
        Words::map(fd, 1).map(Line)
    }

    fn word(&self) -> &AtomicU64 {
        &self.0[0]
    }
}

/// Stores.
pub struct LineTx(Line);

impl Tx<1> for LineTx {
    fn send(&mut self, [value]: [u64; 1]) -> Result<()> {
        // Zero is what a fresh page holds, so values are stored one higher.
        // Pairs with the Acquire load in `LineRx::recv`.
        self.0.word().store(value + 1, Ordering::Release);
        Ok(())
    }

    fn send_batch(&mut self, messages: &[[u64; 1]]) -> Result<()> {
        // A line holds one message: only the last of a batch could ever be seen.
        messages
            .last()
            .map_or(Ok(()), |message| self.send(*message))
    }
}

impl Drop for LineTx {
    fn drop(&mut self) {
        // Pairs with the Acquire load in `LineRx::recv`.
        self.0.word().store(DONE, Ordering::Release);
    }
}

/// Polls.
pub struct LineRx {
    line: Line,
    seen: u64,
}

impl Rx<1> for LineRx {
    fn recv(&mut self) -> Result<Option<[u64; 1]>> {
        let mut polls = 0_u32;
        loop {
            // Pairs with the Release stores of `LineTx`.
            let value = self.line.word().load(Ordering::Acquire);
            if value == DONE {
                return Ok(None);
            }
            if value != self.seen {
                self.seen = value;
                return Ok(Some([value - 1]));
            }
            polls = polls.wrapping_add(1);
            if polls.is_multiple_of(POLLS) {
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }

    fn recv_batch(&mut self, into: &mut Vec<[u64; 1]>, _most: usize) -> Result<()> {
        into.clear();
        into.extend(self.recv()?);
        Ok(())
    }
}
