//! What a contestant must be able to do, and the table that turns a name into a type.

use std::any::Any;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::message::{Check, Source};
use crate::task::{Outcome, Quantity, Rest, Shape, Task, Wait, Way};
use crate::worker::{self, End};

/// Sends.
pub trait Tx<const N: usize> {
    /// Send the next message as one publication.
    fn send(&mut self, source: &mut Source);

    /// Send the next `count` messages in the way that is best for it.
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        for _ in 0..count {
            self.send(source);
        }
    }

    /// Send the next message, written where it will lie.
    fn send_in_place(&mut self, source: &mut Source) {
        self.send(source);
    }
}

/// Receives.
pub trait Rx<const N: usize> {
    /// Receive one message.
    fn recv(&mut self, check: &mut impl Check);

    /// Receive at least one message, at most `most`.
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        let _ = most;
        self.recv(check);
    }

    /// Read at least one message, at most `most`, where they lie.
    fn recv_in_place(&mut self, check: &mut impl Check, most: usize) {
        self.recv_batch(check, most);
    }
}

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

/// A queue within one process.
pub trait InProcess: Profile {
    /// Its sending end.
    type Tx<const N: usize>: Tx<N> + Send;
    /// Its receiving end.
    type Rx<const N: usize>: Rx<N> + Send;
    /// Make one, with all its ends.
    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>>;
}

/// Sending and receiving ends.
pub type Ends<T, R> = (Vec<T>, Vec<R>);

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
    /// Descriptors that were handed down.
    pub fds: Vec<i32>,
}

/// What must live while a link is used.
#[derive(Default)]
pub struct Made {
    /// Handed down to the children, which find their numbers in [`Link::fds`].
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
    /// Before the children are started: make the links.
    fn make(&self, task: &Task) -> Result<Vec<Made>>;
    /// In a child: do the work of one worker, or of all.
    fn play(&self, task: &Task) -> Result<Vec<Outcome>>;
}

/// Who a contestant is, by its profile, and whether its ends are threads or processes.
macro_rules! known_by {
    ($profile:ty, $home:expr) => {
        fn name(&self) -> &'static str {
            <$profile>::NAME
        }

        fn how(&self) -> &'static str {
            <$profile>::HOW
        }

        fn home(&self) -> Home {
            $home
        }
    };
}
pub(crate) use known_by;

/// A contestant of threads.
pub struct Threads<F>(pub F);
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
        Quantity::Sleep(_) => &[Skill::Sleep],
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
        Quantity::Call(_, Wait::Park) => &[Skill::CallPark],
        Quantity::Calls(..) => &[Skill::Calls],
    };
    let has = |skill: &Skill| F::SKILLS.contains(skill);
    skills.iter().any(has) && F::carries(quantity.size())
}

/// Call a function with a const number of words, and whether it is about a stream of one sender
/// and one receiver: nothing else is compiled for messages that only streams are made of.
macro_rules! by_size {
    ($quantity:expr, $call:ident::<$family:ty>($($argument:expr),*)) => {
        match ($quantity, $quantity.size()) {
            (Quantity::Spsc(..), 8) => $call::<$family, 1, true>($($argument),*),
            (Quantity::Spsc(..), 16) => $call::<$family, 2, true>($($argument),*),
            (Quantity::Spsc(..), 24) => $call::<$family, 3, true>($($argument),*),
            (Quantity::Spsc(..), 32) => $call::<$family, 4, true>($($argument),*),
            (Quantity::Spsc(..), 56) => $call::<$family, 7, true>($($argument),*),
            (Quantity::Spsc(..), 64) => $call::<$family, 8, true>($($argument),*),
            (Quantity::Spsc(..), 256) => $call::<$family, 32, true>($($argument),*),
            (Quantity::Spsc(..), 1024) => $call::<$family, 128, true>($($argument),*),
            (Quantity::Spsc(..), 4096) => $call::<$family, 512, true>($($argument),*),
            (_, 8) => $call::<$family, 1, false>($($argument),*),
            (_, 56) => $call::<$family, 7, false>($($argument),*),
            (_, 64) => $call::<$family, 8, false>($($argument),*),
            (_, size) => bail!("no messages of {size} bytes are measured"),
        }
    };
}

impl<F: InProcess> Contestant for Threads<F> {
    known_by!(F, Home::Threads);

    fn does(&self, quantity: Quantity) -> bool {
        quantity != Quantity::Attach && does::<F>(quantity)
    }

    fn make(&self, _: &Task) -> Result<Vec<Made>> {
        Ok(Vec::new())
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        by_size!(task.quantity, in_threads::<F>(task))
    }
}

fn in_threads<F: InProcess, const N: usize, const STREAM: bool>(
    task: &Task,
) -> Result<Vec<Outcome>> {
    let (txs, rxs) = F::open::<N>(task.shape());
    let (mut txs, mut rxs) = (txs.into_iter(), rxs.into_iter());
    let mut ends = Vec::new();
    if task.quantity.is_trip() {
        let (mut back_txs, mut back_rxs) = F::open::<N>(task.shape());
        let missing = "an end is missing";
        ends.push(End::Ping(
            txs.next().context(missing)?,
            back_rxs.pop().context(missing)?,
        ));
        ends.push(End::Echo(
            back_txs.pop().context(missing)?,
            rxs.next().context(missing)?,
        ));
    } else {
        ends.extend(txs.map(End::Tx));
        ends.extend(rxs.map(End::Rx));
    }
    let board = &Board::open(&task.place)?;
    let works = ends
        .into_iter()
        .enumerate()
        .map(|(worker, end)| -> Work<'_> {
            Box::new(move || worker::take::<N, STREAM>(end, worker, task, board))
        });
    on_threads(task, works.collect())
}

/// What one thread is to do.
pub type Work<'w> = Box<dyn FnOnce() -> Result<Outcome> + Send + 'w>;

/// Do all of it at the same time, each on its CPU.
pub fn on_threads(task: &Task, works: Vec<Work<'_>>) -> Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let workers = works.into_iter().enumerate().map(|(worker, work)| {
            scope.spawn(move || {
                worker::pin(task, worker)?;
                work()
            })
        });
        let workers: Vec<_> = workers.collect();
        let outcomes = workers.into_iter().map(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("a thread panicked"),
        });
        outcomes.collect()
    })
}

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
        fds: task.fds.get(index).cloned().unwrap_or_default(),
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
    let board = Board::open(&task.place)?;
    let end = match (task.quantity.is_trip(), worker) {
        (true, 0) => End::Ping(F::tx::<N>(&there)?, F::rx::<N>(&link(task, 1))?),
        (true, _) => End::Echo(F::tx::<N>(&link(task, 1))?, F::rx::<N>(&there)?),
        (false, worker) if worker < there.shape.senders => End::Tx(F::tx::<N>(&there)?),
        (false, _) => End::Rx(F::rx::<N>(&there)?),
    };
    Ok(vec![worker::take::<N, STREAM>(end, worker, task, &board)?])
}

impl Made {
    /// The numbers of the descriptors.
    pub fn numbers(&self) -> Vec<i32> {
        self.fds.iter().map(AsRawFd::as_raw_fd).collect()
    }
}
