//! What the senders and receivers of the storm work with.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use memring::{Kind, Ring, WaitStrategy};

use super::home;
use super::ledger::{Ledger, Stage};
use super::load::Load;
use super::order::{Assignment, RingAssignment};
use super::plan::{Traffic, Wait};
use super::random::Random;

/// How often a process at rest looks whether the rest is over.
const REST: Duration = Duration::from_micros(200);

/// What senders and receivers work with.
pub struct PeerContext<'p> {
    /// What they were told.
    pub assignment: &'p RingAssignment,
    /// The run's ledger.
    pub ledger: &'p Ledger,
}

impl PeerContext<'_> {
    /// Open the ring.
    pub fn open<T: Load + ?Sized, K: Kind>(&self) -> Result<Ring<T, K>> {
        open(&self.assignment.common.dir)
    }

    /// How to wait.
    pub fn strategy(&self) -> WaitStrategy {
        match self.assignment.common.traffic.wait {
            Wait::Default => WaitStrategy::default(),
            Wait::Park => WaitStrategy::Park,
            Wait::Spin => WaitStrategy::Spin,
        }
    }

    /// Say how far this incarnation is.
    pub fn stage(&self, stage: Stage) {
        let Assignment {
            place, incarnation, ..
        } = self.assignment.common;
        self.ledger.set_stage(place, incarnation, stage);
    }

    /// Rest for a moment.
    pub fn rest(&self) {
        sleep(REST);
    }
}

/// Open the run's ring: a process that is gone gets a successor, so calls wait for that.
pub fn open<T: Load + ?Sized, K: Kind>(dir: &Path) -> Result<Ring<T, K>> {
    let builder = Ring::builder().wait_through_disconnect(true);
    let name = home::ring(dir);
    let name = name.to_str().context("the directory's name is no text")?;
    builder.open(name).context("cannot open the ring")
}

/// Linger while something is held.
pub fn linger(traffic: &Traffic, random: &mut Random) {
    if traffic.lingers && random.one_in(64) {
        sleep(Duration::from_micros(random.below(300)));
    }
}
