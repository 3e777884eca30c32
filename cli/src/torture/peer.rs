//! A process of the storm: what it is told, and its life.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use memring::{Kind, Ring, RingKind, WaitStrategy};
use rustix::process::{Pid, getppid};
use serde::{Deserialize, Serialize};

use super::account::{Receiving, Sending};
use super::home;
use super::ledger::{Ledger, Stage};
use super::load::{Job, Load, Size, dispatch};
use super::plan::{Traffic, Wait};
use super::receive::{self, Receiver};
use super::send::{self, Sender};
use memring_testkit::processes::tie_to_parent;

/// How often whoever rests looks whether it is over.
const REST: Duration = Duration::from_micros(200);

/// What a process is told, in its one argument.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Take part.
    Serve(Box<Assignment>),
    /// Outlive the run and remove its directory.
    Guard(PathBuf),
}

/// A place and who takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// Where ring and ledger are.
    pub dir: PathBuf,
    /// The ring's kind, by name.
    pub kind: String,
    /// What messages are like.
    pub size: Size,
    /// Whether it sends.
    pub sends: bool,
    /// Which place.
    pub place: usize,
    /// Which process of this kind's storm.
    pub incarnation: u32,
    /// Whether it keeps receivers awake on the way to rest.
    pub nudges: bool,
    /// How it uses the ring.
    pub traffic: Traffic,
    /// How it misbehaves, to see that that is found.
    pub sabotage: Option<Sabotage>,
    /// Who starts it.
    pub parent: i32,
}

/// A breach of the contract, made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Sabotage {
    /// A message is written down as sent, and is not.
    Lose,
    /// A message is sent twice.
    Double,
    /// A message is spoilt.
    Tear,
    /// Two messages change places.
    Swap,
    /// A sender stops working.
    Hang,
}

/// Live as this order says.
pub fn serve(order: &str) -> Result<()> {
    match serde_json::from_str(order).context("cannot understand the order")? {
        Order::Guard(dir) => home::guard(&dir),
        Order::Serve(assignment) => {
            tie_to_parent()?;
            if getppid() != Pid::from_raw(assignment.parent) {
                bail!("the process that started this one is gone");
            }
            let kind: RingKind = assignment.kind.parse()?;
            dispatch(kind, assignment.size, &*assignment)
        }
    }
}

impl Job for &Assignment {
    type Out = Result<()>;

    fn run<T: Load + ?Sized, K: Kind>(self) -> Result<()> {
        let ledger = Ledger::open(&home::ledger(&self.dir))?;
        let context = PeerContext {
            assignment: self,
            ledger: &ledger,
        };
        context.stage(Stage::Begun);
        let outcome = match self.sends {
            true => {
                let sending = Sending::new(&ledger, self.incarnation);
                Sender::<T, K>::new(&context, sending).run()
            }
            false => {
                let receiving = Receiving::new(&ledger, self.place);
                Receiver::<T, K>::new(&context, receiving).run()
            }
        };
        // Whatever it is: the next kill may be faster than an exit status.
        outcome.inspect_err(|error| ledger.accuse(&format!("{error:#}")))
    }
}

/// What senders and receivers have at hand.
pub struct PeerContext<'p> {
    /// What they were told.
    pub assignment: &'p Assignment,
    /// The run's ledger.
    pub ledger: &'p Ledger,
}

impl PeerContext<'_> {
    /// Open the ring.
    pub fn open<T: Load + ?Sized, K: Kind>(&self) -> Result<Ring<T, K>> {
        open(&self.assignment.dir)
    }

    /// How to wait.
    pub fn strategy(&self) -> WaitStrategy {
        match self.assignment.traffic.wait {
            Wait::Default => WaitStrategy::default(),
            Wait::Park => WaitStrategy::Park,
            Wait::Spin => WaitStrategy::Spin,
        }
    }

    /// Say how far this incarnation is.
    pub fn stage(&self, stage: Stage) {
        let Assignment {
            place, incarnation, ..
        } = *self.assignment;
        self.ledger.set_stage(place, incarnation, stage);
    }

    /// Rest for a moment.
    pub fn rest(&self) {
        sleep(REST);
    }
}

/// Open the run's ring: whoever is gone will be succeeded, so calls wait for that.
pub fn open<T: Load + ?Sized, K: Kind>(dir: &Path) -> Result<Ring<T, K>> {
    let builder = Ring::builder().wait_through_disconnect(true);
    let name = home::ring(dir);
    let name = name.to_str().context("the directory's name is no text")?;
    builder.open(name).context("cannot open the ring")
}

/// Linger with something in the hands.
pub fn linger(traffic: &Traffic, random: &mut super::random::Random) {
    if traffic.lingers && random.one_in(64) {
        sleep(Duration::from_micros(random.below(300)));
    }
}

pub use receive::drain;
pub use send::fill;
