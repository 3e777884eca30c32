//! Locks and shared values: what one is, and how it is measured.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;
use memring_testkit::time::now;

use crate::threads::{Work, on_threads};
use memring_harness::board::Board;
use memring_harness::contestant::{Contestant, Home, Link, Made, Profile, does, known_by, link};
use memring_harness::task::{Outcome, Quantity, Task};
use memring_harness::times::{Times, histogram};
use memring_harness::worker;

/// What a lock guards: two words that agree whenever it is free.
pub type Guarded = [u64; 2];
/// A value that is read: of 64 bytes.
pub type Value = [u64; 8];

/// Rounds that are timed together.
const STRIDE: u64 = 1000;
/// Rounds between two looks at the clock of those that compete.
const LOOK: u64 = 64;

/// A lock.
pub trait Lock: Profile {
    /// Whether it is between processes.
    const HOME: Home;
    /// One thread's or process's handle.
    type Handle: Send + Clone;
    /// Make one, in a process that does not use it.
    fn make(link: &Link) -> Result<Made>;
    /// A handle; of one between threads, a lock of its own.
    fn open(link: &Link) -> Result<Self::Handle>;
    /// Take the lock, look at the value or change it, and give the lock back.
    fn with(handle: &Self::Handle, act: impl FnOnce(&mut Guarded));
}

/// A value that is read while nobody writes.
pub trait Shared: Profile {
    /// Reads.
    type Reader;
    /// Make one, and a reader. What it borrows lives as long as the process.
    fn open(link: &Link) -> Result<Self::Reader>;
    /// Read.
    fn read(reader: &Self::Reader) -> Value;
}

/// A contestant that is a lock.
pub struct Locks<L>(pub L);
/// A contestant that is a shared value.
pub struct Values<V>(pub V);

impl<L: Lock> Contestant for Locks<L> {
    known_by!(L, L::HOME);

    fn does(&self, quantity: Quantity) -> bool {
        does::<L>(quantity)
    }

    fn make(&self, task: &Task) -> Result<Vec<Made>> {
        match L::HOME {
            Home::Threads => Ok(Vec::new()),
            Home::Processes => Ok(vec![L::make(&link(task, 0))?]),
        }
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        let Quantity::Lock(workers) = task.quantity else {
            bail!("{} has no locks", task.quantity);
        };
        let handle = L::open(&link(task, 0))?;
        if workers == 1 {
            worker::pin(task, 0)?;
            return Ok(vec![alone::<L>(&handle, task)]);
        }
        let board = task.board()?;
        if let Some(worker) = task.worker {
            worker::pin(task, worker)?;
            return Ok(vec![compete::<L>(&handle, task, board)?]);
        }
        let work = |_| -> Work<'_> {
            let handle = handle.clone();
            Box::new(move || compete::<L>(&handle, task, board))
        };
        on_threads(task, (0..workers).map(work).collect())
    }
}

/// Changes the value, and looks whether another is at it.
#[inline(always)]
fn change(guarded: &mut Guarded) {
    let [left, right] = *guarded;
    assert_eq!(left, right, "two had the lock");
    *guarded = [left + 1, right + 1];
}

/// The time of locking and unlocking.
fn alone<L: Lock>(handle: &L::Handle, task: &Task) -> Outcome {
    let mut taken = histogram();
    let end = now() + task.millis * 1_000_000;
    let mut before = now();
    while before < end && taken.len() * STRIDE < task.most {
        for _ in 0..STRIDE {
            L::with(handle, change);
        }
        let after = now();
        taken.saturating_record(after - before);
        before = after;
    }
    timed(&taken)
}

/// The times of one round, from those of many.
fn timed(taken: &Histogram<u64>) -> Outcome {
    Outcome::Times(Times::of_rounds(taken, STRIDE), 0)
}

/// How often it gets the lock while others want it.
fn compete<L: Lock>(handle: &L::Handle, task: &Task, board: &Board) -> Result<Outcome> {
    let workers = task.quantity.workers();
    board.gather(workers)?;
    let begin = now();
    let end = begin + task.millis * 1_000_000;
    let (mut count, mut after) = (0, begin);
    while after < end && count < task.most {
        for _ in 0..LOOK {
            L::with(handle, change);
        }
        count += LOOK;
        after = now();
    }
    // Read after all have parted: it is the sum of all.
    board
        .received(0)
        .fetch_add(count, std::sync::atomic::Ordering::AcqRel);
    board.part(workers)?;
    let mut found = 0;
    L::with(handle, |guarded| found = guarded[0]);
    let sum = board.received(0).load(std::sync::atomic::Ordering::Acquire);
    ensure!(
        found == sum,
        "mismatch: {sum} changes were made, {found} are there"
    );
    Ok(Outcome::Done {
        count,
        nanos: after - begin,
    })
}

impl<V: Shared> Contestant for Values<V> {
    known_by!(V, Home::Processes);

    fn does(&self, quantity: Quantity) -> bool {
        does::<V>(quantity)
    }

    fn make(&self, _: &Task) -> Result<Vec<Made>> {
        Ok(Vec::new())
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        worker::pin(task, 0)?;
        let reader = V::open(&link(task, 0))?;
        let mut taken = histogram();
        let end = now() + task.millis * 1_000_000;
        let mut before = now();
        while before < end && taken.len() * STRIDE < task.most {
            for _ in 0..STRIDE {
                black_box(V::read(&reader));
            }
            let after = now();
            taken.saturating_record(after - before);
            before = after;
        }
        ensure!(V::read(&reader) == VALUE, "mismatch: another value");
        Ok(vec![timed(&taken)])
    }
}

/// The value that is read.
pub const VALUE: Value = [1, 2, 3, 4, 5, 6, 7, 8];
