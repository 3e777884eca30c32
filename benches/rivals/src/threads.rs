//! Contestants whose ends are threads of one process.

use std::thread;

use anyhow::{Context, Result, bail};
use memring_harness::contestant::{Contestant, Home, Made, Profile, by_size, does, known_by};
use memring_harness::ends::{End, Rx, Tx};
use memring_harness::task::{Outcome, Quantity, Shape, Task};
use memring_harness::worker;

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

/// A contestant of threads.
pub struct Threads<F>(pub F);
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
    let board = task.board()?;
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
