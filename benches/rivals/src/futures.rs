//! Futures: what a channel of them is, and how one is measured.
//!
//! Everybody's futures run in the same executor, tokio's of one thread, with all its drivers on,
//! as in most programs.

use std::future::Future;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use memring_testkit::time::now;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::ClockId;
use tokio::runtime::{self, Runtime};

use crate::threads::{Work, on_threads};
use memring_harness::asleep::{NAP, spent};
use memring_harness::contestant::{Contestant, Home, Link, Made, Profile, does, known_by, link};
use memring_harness::message::{Check, Exact, Source, good};
use memring_harness::task::{CROWD, Outcome, Quantity, Rest, Task};
use memring_harness::times::{Times, WARM_UP, histogram};
use memring_harness::worker;

/// What goes through.
pub type Message = [u64; 1];

/// Slots of a queue at which a receiver waits for nothing.
const IDLE_SLOTS: usize = 2;
/// Round trips without waiting that are timed together.
const STRIDE: u64 = 100;

/// Sends.
pub trait AsyncTx: Send + 'static {
    /// Send one message.
    fn send(&mut self, message: Message) -> impl Future<Output = ()> + Send;
}

/// Receives.
pub trait AsyncRx: Send + 'static {
    /// Receive one message.
    fn recv(&mut self) -> impl Future<Output = Message> + Send;
}

/// A channel whose verbs are futures. All of it is called within the runtime.
pub trait Channel: Profile {
    /// Whether its ends can be in two processes; if not, only `pair` is called.
    const HOME: Home;
    /// Its sending end.
    type Tx: AsyncTx;
    /// Its receiving end.
    type Rx: AsyncRx;
    /// Both ends in one process, with so many slots.
    fn pair(capacity: usize) -> Result<(Self::Tx, Self::Rx)>;
    /// Make one, in a process that does not use it, outside of the runtime.
    fn make(link: &Link) -> Result<Made>;
    /// A sending end.
    fn tx(link: &Link) -> Result<Self::Tx>;
    /// A receiving end.
    fn rx(link: &Link) -> Result<Self::Rx>;
}

/// A contestant whose verbs are futures.
pub struct Futures<F>(pub F);

impl<F: Channel> Contestant for Futures<F> {
    known_by!(F, F::HOME);

    fn does(&self, quantity: Quantity) -> bool {
        does::<F>(quantity)
    }

    fn make(&self, task: &Task) -> Result<Vec<Made>> {
        if F::HOME == Home::Threads || task.quantity.workers() == 1 {
            return Ok(Vec::new());
        }
        let links = 0..task.quantity.links();
        links.map(|index| F::make(&link(task, index))).collect()
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        let outcome = match (task.quantity, task.worker) {
            (Quantity::Async(Rest::Ready), _) => at_hand::<F>(task)?,
            (Quantity::AsyncIdle, _) => idle::<F>(task)?,
            (Quantity::Async(Rest::Asleep), Some(worker)) => {
                worker::pin(task, worker)?;
                let (there, back) = (link(task, 0), link(task, 1));
                match worker {
                    0 => trips(task, || Ok((F::tx(&there)?, F::rx(&back)?)), ping)?,
                    _ => trips(task, || Ok((F::tx(&back)?, F::rx(&there)?)), echo)?,
                }
            }
            (Quantity::Async(Rest::Asleep), None) => return in_threads::<F>(task),
            (quantity, _) => bail!("{quantity} has no futures"),
        };
        Ok(vec![outcome])
    }
}

fn runtime() -> Result<Runtime> {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all().build().context("tokio does not start")
}

fn in_threads<F: Channel>(task: &Task) -> Result<Vec<Outcome>> {
    let capacity = task.shape().capacity;
    let (there, back) = (F::pair(capacity)?, F::pair(capacity)?);
    let works: Vec<Work<'_>> = vec![
        Box::new(move || trips(task, || Ok((there.0, back.1)), ping)),
        Box::new(move || trips(task, || Ok((back.0, there.1)), echo)),
    ];
    on_threads(task, works)
}

/// One end of round trips, from its making to its end.
fn trips<T: AsyncTx, R: AsyncRx>(
    task: &Task,
    open: impl FnOnce() -> Result<(T, R)>,
    part: impl AsyncFnOnce(&mut T, &mut R, &Task) -> Result<Outcome>,
) -> Result<Outcome> {
    let board = task.board()?;
    let workers = task.quantity.workers();
    runtime()?.block_on(async {
        let (mut tx, mut rx) = open()?;
        board.gather(workers)?;
        let outcome = part(&mut tx, &mut rx, task).await?;
        board.part(workers)?;
        Ok(outcome)
    })
}

/// The time of a round trip that begins when the other end sleeps.
async fn ping<T: AsyncTx, R: AsyncRx>(tx: &mut T, rx: &mut R, task: &Task) -> Result<Outcome> {
    let mut taken = histogram();
    let (mut source, mut check) = (Source::new(0), Exact::default());
    let end = now() + task.millis * 1_000_000;
    let is_due = |count| now() < end || count <= 2 * WARM_UP;
    while is_due(source.count()) && source.count() < task.most && !check.ended() {
        thread::sleep(NAP); // nothing else runs here
        let sent = now();
        tx.send(source.next()).await;
        check.take(&rx.recv().await);
        if source.count() > WARM_UP {
            taken.saturating_record(now() - sent);
        }
    }
    tx.send(Source::stop().next()).await;
    good(&check)?;
    Ok(Outcome::Times(Times::of(&taken), check.count()))
}

async fn echo<T: AsyncTx, R: AsyncRx>(tx: &mut T, rx: &mut R, _: &Task) -> Result<Outcome> {
    let (mut source, mut check) = (Source::new(0), Exact::default());
    loop {
        check.take(&rx.recv().await);
        if check.ended() {
            break;
        }
        tx.send(source.next()).await;
    }
    good(&check)?;
    Ok(Outcome::Echoed(check.count()))
}

/// The time of a message there and one back if all is in one task, which therefore never waits.
fn at_hand<F: Channel>(task: &Task) -> Result<Outcome> {
    worker::pin(task, 0)?;
    runtime()?.block_on(async {
        let capacity = task.shape().capacity;
        let (mut there, mut back) = (F::pair(capacity)?, F::pair(capacity)?);
        let mut taken = histogram();
        let (mut source, mut answers) = (Source::new(0), Source::new(0));
        let (mut check, mut returned) = (Exact::default(), Exact::default());
        let end = now() + task.millis * 1_000_000;
        let mut before = now();
        while before < end && source.count() < task.most {
            for _ in 0..STRIDE {
                there.0.send(source.next()).await;
                check.take(&there.1.recv().await);
                back.0.send(answers.next()).await;
                returned.take(&back.1.recv().await);
            }
            let after = now();
            taken.saturating_record(after - before);
            before = after;
        }
        good(&check)?;
        good(&returned)?;
        let times = Times::of_rounds(&taken, STRIDE);
        Ok(Outcome::Times(times, check.count() + returned.count()))
    })
}

/// Processor time a second of a process in which very many receivers wait, each a task.
fn idle<F: Channel>(task: &Task) -> Result<Outcome> {
    worker::pin(task, 0)?;
    // Some need a few descriptors for each.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    runtime()?.block_on(async {
        let (mut txs, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..CROWD {
            let (tx, mut rx) = F::pair(IDLE_SLOTS)?;
            txs.push(tx);
            tasks.push(tokio::spawn(async move { rx.recv().await }));
        }
        // In this time all of them fall asleep for as long as they ever do.
        tokio::time::sleep(Duration::from_millis(task.millis * 2 / 5)).await;
        let (before, begun) = (spent(ClockId::ProcessCPUTime), now());
        tokio::time::sleep(Duration::from_millis(task.millis)).await;
        let (after, ended) = (spent(ClockId::ProcessCPUTime), now());
        // All of them are there, and awake as soon as there is something.
        let (mut source, mut check) = (Source::new(0), Exact::default());
        for tx in &mut txs {
            tx.send(source.next()).await;
        }
        for task in tasks {
            check.take(&task.await?);
        }
        good(&check)?;
        ensure!(check.count() == CROWD as u64, "messages were lost");
        let share = (after - before) as f64 / (ended - begun) as f64;
        Ok(Outcome::Times(
            Times::once((share * 1e9) as u64),
            check.count(),
        ))
    })
}
