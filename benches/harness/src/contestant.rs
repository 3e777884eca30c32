//! What a contestant must be able to do.

use std::any::Any;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::ends::{End, Rx, Tx};
use crate::task::{Outcome, Quantity, Rest, Shape, Task, Wait, Way};
use crate::worker;

/// What somebody takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skill {
    /// Throughput, one message a call.
    Single,
    /// Throughput in batches.
    Batch,
    /// Throughput in place.
    InPlace,
    /// Round trips by polling.
    Spin,
    /// Round trips by polling, then sleeping.
    Park,
    /// Round trips by sleeping.
    Sleep,
    /// Several senders and receivers.
    Many,
    /// Being woken.
    Wake,
    /// Waiting long.
    Idle,
    /// Being opened.
    Attach,
    /// Round trips to an end that sleeps at one queue, by calls that block: what such trips
    /// through many queues, and by futures, are measured against.
    Nap,
    /// Waiting at many queues.
    Select,
    /// Round trips to an end that sleeps at many queues, and no more of them.
    SelectAsleep,
    /// Futures.
    Async,
    /// Locking.
    Lock,
    /// Reading a shared value.
    Load,
    /// Being called, by polling.
    CallSpin,
    /// Being called, by sleeping.
    CallPark,
    /// Being called by several.
    Calls,
}

/// Whether ends are threads of one process, or processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// Threads.
    Threads,
    /// Processes.
    Processes,
}

/// Who it is.
pub trait Profile: Sync {
    /// On the command line and in tables.
    const NAME: &'static str;
    /// By which calls it is driven.
    const HOW: &'static str;
    /// What it takes part in.
    const SKILLS: &'static [Skill];
    /// Whether it carries messages of this many bytes.
    fn carries(bytes: usize) -> bool {
        let _ = bytes;
        true
    }
}

/// A queue between processes.
pub trait Crossing: Profile {
    /// Its sending end.
    type Tx<const N: usize>: Tx<N>;
    /// Its receiving end.
    type Rx<const N: usize>: Rx<N>;
    /// Make one, in a process that does not use it.
    fn make<const N: usize>(link: &Link) -> Result<Made>;
    /// A sending end.
    fn tx<const N: usize>(link: &Link) -> Result<Self::Tx<N>>;
    /// A receiving end.
    fn rx<const N: usize>(link: &Link) -> Result<Self::Rx<N>>;
}

/// One link of a measurement, as each process sees it.
pub struct Link {
    /// A name that is this link's own.
    pub path: PathBuf,
    /// What it must offer.
    pub shape: Shape,
    /// Descriptors that were handed over.
    fds: Arc<[OwnedFd]>,
}

impl Link {
    /// The descriptor at `index` of those that were handed over: one more of it.
    pub fn fd(&self, index: usize) -> Result<OwnedFd> {
        let fd = self.fds.get(index).context("a descriptor is missing")?;
        Ok(fd.try_clone()?)
    }
}

/// What must live while a link is used.
#[derive(Default)]
pub struct Made {
    /// Handed over to the workers, which get them by [`Link::fd`].
    pub fds: Vec<OwnedFd>,
    /// Kept.
    pub keep: Option<Box<dyn Any>>,
}

/// Somebody who is measured.
pub trait Contestant: Sync {
    /// See [`Profile`].
    fn name(&self) -> &'static str;
    /// See [`Profile`].
    fn how(&self) -> &'static str;
    /// Threads or processes.
    fn home(&self) -> Home;
    /// Whether it takes part in this.
    fn does(&self, quantity: Quantity) -> bool;
    /// Before the workers begin: make the links.
    fn make(&self, task: &Task) -> Result<Vec<Made>>;
    /// In a worker: do the work of one worker, or of all.
    fn play(&self, task: &Task) -> Result<Vec<Outcome>>;
}

/// Who a contestant is, by its profile, and whether its ends are threads or processes.
#[macro_export]
#[doc(hidden)]
macro_rules! known_by {
    ($profile:ty, $home:expr) => {
        fn name(&self) -> &'static str {
            <$profile>::NAME
        }

        fn how(&self) -> &'static str {
            <$profile>::HOW
        }

        fn home(&self) -> $crate::contestant::Home {
            $home
        }
    };
}
pub use known_by;

/// A contestant of processes.
pub struct Processes<F>(pub F);

/// Whether somebody of this profile takes part in this.
pub fn does<F: Profile>(quantity: Quantity) -> bool {
    let skills: &[Skill] = match quantity {
        Quantity::Spsc(_, Way::Single) => &[Skill::Single],
        Quantity::Spsc(_, Way::Batch) => &[Skill::Batch],
        Quantity::Spsc(_, Way::InPlace) => &[Skill::InPlace],
        Quantity::Mpmc(..) => &[Skill::Many],
        Quantity::Trip(_, Wait::Spin) => &[Skill::Spin],
        Quantity::Trip(_, Wait::Park) => &[Skill::Park],
        Quantity::Trip(_, Wait::Sleep) | Quantity::Sleep(_) => &[Skill::Sleep],
        Quantity::Wake => &[Skill::Wake],
        Quantity::Idle => &[Skill::Idle],
        Quantity::Attach => &[Skill::Attach],
        Quantity::Select(1, Rest::Asleep) => &[Skill::Select, Skill::SelectAsleep, Skill::Nap],
        Quantity::Select(_, Rest::Asleep) => &[Skill::Select, Skill::SelectAsleep],
        Quantity::Select(_, Rest::Ready) => &[Skill::Select],
        Quantity::Async(Rest::Asleep) => &[Skill::Async, Skill::Nap],
        Quantity::Async(Rest::Ready) | Quantity::AsyncIdle => &[Skill::Async],
        Quantity::Lock(_) => &[Skill::Lock],
        Quantity::Load => &[Skill::Load],
        Quantity::Call(_, Wait::Spin) => &[Skill::CallSpin],
        Quantity::Call(_, Wait::Park | Wait::Sleep) => &[Skill::CallPark],
        Quantity::Calls(..) => &[Skill::Calls],
    };
    let has = |skill: &Skill| F::SKILLS.contains(skill);
    skills.iter().any(has) && F::carries(quantity.size())
}

/// Call a function with a const number of words, and whether it is about a stream of one sender
/// and one receiver: nothing else is compiled for messages that only streams are made of.
#[macro_export]
#[doc(hidden)]
macro_rules! by_size {
    ($quantity:expr, $call:ident::<$family:ty>($($argument:expr),*)) => {
        match ($quantity, $quantity.size()) {
            ($crate::task::Quantity::Spsc(..), 8) => $call::<$family, 1, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 16) => $call::<$family, 2, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 24) => $call::<$family, 3, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 32) => $call::<$family, 4, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 56) => $call::<$family, 7, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 64) => $call::<$family, 8, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 256) => $call::<$family, 32, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 1024) => $call::<$family, 128, true>($($argument),*),
            ($crate::task::Quantity::Spsc(..), 4096) => $call::<$family, 512, true>($($argument),*),
            (_, 8) => $call::<$family, 1, false>($($argument),*),
            (_, 56) => $call::<$family, 7, false>($($argument),*),
            (_, 64) => $call::<$family, 8, false>($($argument),*),
            (_, size) => anyhow::bail!("no messages of {size} bytes are measured"),
        }
    };
}
pub use by_size;

impl<F: Crossing> Contestant for Processes<F> {
    known_by!(F, Home::Processes);

    fn does(&self, quantity: Quantity) -> bool {
        does::<F>(quantity)
    }

    fn make(&self, task: &Task) -> Result<Vec<Made>> {
        by_size!(task.quantity, make_links::<F>(task))
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        by_size!(task.quantity, in_process::<F>(task))
    }
}

/// A link of a task. The first lead there; the one after them, if any, leads back.
pub fn link(task: &Task, index: usize) -> Link {
    Link {
        path: task.place.join(format!("link{index}")),
        shape: task.shape(),
        fds: task.fds(index),
    }
}

fn make_links<F: Crossing, const N: usize, const STREAM: bool>(task: &Task) -> Result<Vec<Made>> {
    (0..task.quantity.links())
        .map(|index| F::make::<N>(&link(task, index)))
        .collect()
}

fn in_process<F: Crossing, const N: usize, const STREAM: bool>(
    task: &Task,
) -> Result<Vec<Outcome>> {
    let worker = task.worker.context("no worker was given")?;
    worker::pin(task, worker)?;
    let there = link(task, 0);
    if task.quantity == Quantity::Attach {
        return Ok(vec![worker::attach(task, || F::rx::<N>(&there))?]);
    }
    let end = match (task.quantity.is_trip(), worker) {
        (true, 0) => End::Ping(F::tx::<N>(&there)?, F::rx::<N>(&link(task, 1))?),
        (true, _) => End::Echo(F::tx::<N>(&link(task, 1))?, F::rx::<N>(&there)?),
        (false, worker) if worker < there.shape.senders => End::Tx(F::tx::<N>(&there)?),
        (false, _) => End::Rx(F::rx::<N>(&there)?),
    };
    Ok(vec![worker::take::<N, STREAM>(
        end,
        worker,
        task,
        task.board()?,
    )?])
}
