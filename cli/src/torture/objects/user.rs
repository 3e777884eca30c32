//! A process that uses an object, and its life.

use std::hint;
use std::path::Path;
use std::sync::atomic::{Ordering, compiler_fence};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::board::{Board, Count, UserId};
use crate::torture::home;
use crate::torture::ledger::{Ledger, Stage, Step};
use crate::torture::order::{Assignment, Sabotage};
use crate::torture::plan::Verbs;
use crate::torture::random::Random;

/// How often a process at rest looks whether the rest is over.
const REST: Duration = Duration::from_micros(200);

/// An object, and what is done with it.
pub trait Shared: Sized {
    /// Make it, for so many handles.
    fn create(path: &Path, handles: u16, processes: usize) -> Result<()>;

    /// Open it.
    fn open(path: &Path) -> Result<Self>;

    /// Use it once.
    fn step(&self, user: &mut User<'_>) -> Result<()>;

    /// Hold the invariant against what was written down, when all are at rest or dead.
    fn audit(&self, audit: &Audit<'_>) -> Result<()>;

    /// Handles of dead processes that nobody has cleaned up after.
    fn has_dead(&self) -> bool;
}

/// What an audit is held against.
pub struct Audit<'a> {
    /// What was written down.
    pub board: &'a Board,
    /// Processes killed so far.
    pub kills: u64,
    /// How long a call may take.
    pub limit: Duration,
}

/// How a step takes a lock or a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Waits as long as it takes.
    Wait,
    /// Does not wait.
    Try,
    /// Waits for so long at most.
    Limited(Duration),
}

/// A process of the storm.
pub struct User<'u> {
    assignment: &'u Assignment,
    /// Where the storm tells what to do.
    pub ledger: &'u Ledger,
    /// What is written down.
    pub board: &'u Board,
    /// Its own choices.
    pub random: Random,
    /// Who it is.
    pub id: UserId,
}

impl<'u> User<'u> {
    /// The process of this assignment.
    pub fn new(assignment: &'u Assignment, ledger: &'u Ledger, board: &'u Board) -> Self {
        User {
            assignment,
            ledger,
            board,
            random: Random::new(assignment.traffic.seed),
            id: UserId::new(assignment.place, assignment.incarnation),
        }
    }

    /// Which place it has.
    pub fn place(&self) -> usize {
        self.assignment.place
    }

    /// Use the object until killed.
    pub fn live<O: Shared>(&mut self) -> Result<()> {
        let path = home::ring(&self.assignment.dir);
        loop {
            self.stage(Stage::Attaching);
            let object = O::open(&path).context("cannot open the object")?;
            self.stage(Stage::Ready);
            for _ in 0..self.assignment.traffic.term {
                self.rest_if_told();
                object.step(self)?;
            }
        }
    }

    /// Say that it runs.
    pub fn begin(&self) {
        self.stage(Stage::Begun);
    }

    fn stage(&self, stage: Stage) {
        let Assignment {
            place, incarnation, ..
        } = *self.assignment;
        self.ledger.set_stage(place, incarnation, stage);
    }

    /// Whether it is to go on.
    pub fn goes_on(&self) -> bool {
        self.ledger.phase().step == Step::Go
    }

    /// While the storm looks at the object, no process uses it.
    fn rest_if_told(&self) {
        loop {
            let phase = self.ledger.phase();
            if phase.step == Step::Go {
                return;
            }
            self.ledger.see(self.assignment.place, phase);
            sleep(REST);
        }
    }

    /// How to take it this time.
    pub fn taking(&mut self) -> Taking {
        match self.assignment.traffic.verbs.one_of(&mut self.random) {
            Verbs::One => Taking::Wait,
            Verbs::Try => Taking::Try,
            _ => Taking::Limited(Duration::from_micros(self.random.below(3_000))),
        }
    }

    /// It was not there.
    pub fn missed(&mut self) {
        if self.random.one_in(16) {
            sleep(Duration::from_micros(self.random.below(200)));
        }
        hint::spin_loop();
    }

    /// Linger while something is held.
    pub fn linger(&mut self) {
        if self.assignment.traffic.lingers && self.random.one_in(64) {
            sleep(Duration::from_micros(self.random.below(300)));
        }
    }

    /// Count a step of this sort, and time the first one after a kill.
    pub fn count(&self, count: Count) {
        self.board.count(self.id, count);
        self.ledger.stop_clock(memring_testkit::time::now);
    }

    /// Whether it is to break the contract in this way, now.
    pub fn breaks(&mut self, how: Sabotage) -> bool {
        self.assignment.sabotage == Some(how) && self.random.one_in(16)
    }

    /// Be inside for a while, as if it held the lock.
    pub fn enter_without_lock(&self) -> Result<()> {
        self.board.enter(self.id, true)?;
        sleep(Duration::from_millis(2));
        self.board.leave(self.id)
    }

    /// Stop working, if that is how it breaks the contract.
    pub fn hang_if_told(&mut self) {
        if self.breaks(Sabotage::Hang) {
            sleep(Duration::from_secs(600));
        }
    }
}

/// What comes before this in the program is done before what comes after it, where a kill comes
/// between; and memory is read again.
pub fn in_order<T: ?Sized>(value: &T) -> &T {
    compiler_fence(Ordering::SeqCst);
    hint::black_box(value)
}

/// The same, of what is changed.
pub fn in_order_mut<T: ?Sized>(value: &mut T) -> &mut T {
    compiler_fence(Ordering::SeqCst);
    hint::black_box(value)
}

/// What an object counts, of which a process that was killed may not have written down one.
pub fn expect_count(what: &str, found: u64, written: u64, kills: u64) -> Result<()> {
    if found < written || found - written > kills {
        bail!(
            "the value counts {found} {what}, and {written} were written down, with {kills} \
             processes killed"
        );
    }
    Ok(())
}
