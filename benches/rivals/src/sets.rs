//! One end that waits at many queues: what it is, and how one is measured.
//!
//! The queues are those of contestants that are measured singly too; what is new is the set by
//! which their receivers are waited for.

use std::marker::PhantomData;

use anyhow::{Context, Result};

use crate::threads::{InProcess, Work, on_threads};
use memring_harness::contestant::{
    Contestant, Crossing, Home, Made, Profile, does, known_by, link,
};
use memring_harness::ends::End;
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::Source;
use memring_harness::task::{Outcome, Quantity, Task};
use memring_harness::worker;

/// Waits at many receivers of the type `R`.
pub trait Set<R>: Profile {
    /// Receives one message from whichever has one.
    type Rx: Rx<1>;
    /// Make one of all of them.
    fn gather(receivers: Vec<R>) -> Result<Self::Rx>;
}

/// A set over queues `F` between processes.
pub struct ProcessSet<S, F>(pub PhantomData<(S, F)>);
/// The same between threads.
pub struct ThreadSet<S, F>(pub PhantomData<(S, F)>);

/// The sending end of many queues, of which a message goes to one.
struct Scatter<T> {
    queues: Vec<T>,
}

impl<T: Tx<1>> Tx<1> for Scatter<T> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let queue = source.route(self.queues.len());
        self.queues[queue].send(source);
    }
}

/// The end that sends to many queues, and hears from one, if there is one.
fn sending<T, R>(queues: Vec<T>, back: Option<R>) -> End<Scatter<T>, R> {
    let tx = Scatter { queues };
    match back {
        Some(rx) => End::Ping(tx, rx),
        None => End::Tx(tx),
    }
}

/// The end that waits at many queues, and answers by one, if there is one.
fn selecting<T, R>(set: R, back: Option<T>) -> End<T, R> {
    match back {
        Some(tx) => End::Echo(tx, set),
        None => End::Rx(set),
    }
}

impl<F: Crossing, S: Set<F::Rx<1>> + Sync> Contestant for ProcessSet<S, F>
where
    Self: Sync,
{
    known_by!(S, Home::Processes);

    fn does(&self, quantity: Quantity) -> bool {
        does::<S>(quantity)
    }

    fn make(&self, task: &Task) -> Result<Vec<Made>> {
        let links = 0..task.quantity.links();
        links
            .map(|index| F::make::<1>(&link(task, index)))
            .collect()
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        let worker = task.worker.context("no worker was given")?;
        worker::pin(task, worker)?;
        let queues = task.quantity.queues();
        let back = task.quantity.is_trip().then(|| link(task, queues));
        let board = task.board()?;
        let outcome = if worker == 0 {
            let txs = (0..queues).map(|index| F::tx::<1>(&link(task, index)));
            let back = back.map(|link| F::rx::<1>(&link)).transpose()?;
            let end = sending(txs.collect::<Result<_>>()?, back);
            worker::take::<1, false>(end, worker, task, board)
        } else {
            let rxs = (0..queues).map(|index| F::rx::<1>(&link(task, index)));
            let back = back.map(|link| F::tx::<1>(&link)).transpose()?;
            let end = selecting(S::gather(rxs.collect::<Result<_>>()?)?, back);
            worker::take::<1, false>(end, worker, task, board)
        };
        Ok(vec![outcome?])
    }
}

impl<F: InProcess, S: Set<F::Rx<1>, Rx: Send> + Sync> Contestant for ThreadSet<S, F>
where
    Self: Sync,
{
    known_by!(S, Home::Threads);

    fn does(&self, quantity: Quantity) -> bool {
        does::<S>(quantity)
    }

    fn make(&self, _: &Task) -> Result<Vec<Made>> {
        Ok(Vec::new())
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        let (mut txs, mut rxs) = (Vec::new(), Vec::new());
        for _ in 0..task.quantity.links() {
            let (mut tx, mut rx) = F::open::<1>(task.shape());
            txs.append(&mut tx);
            rxs.append(&mut rx);
        }
        let is_trip = task.quantity.is_trip();
        let back = (is_trip.then(|| txs.pop()), is_trip.then(|| rxs.pop()));
        let sender = sending(txs, back.1.flatten());
        let selecting = selecting(S::gather(rxs)?, back.0.flatten());
        let board = task.board()?;
        let works: Vec<Work<'_>> = vec![
            Box::new(move || worker::take::<1, false>(sender, 0, task, board)),
            Box::new(move || worker::take::<1, false>(selecting, 1, task, board)),
        ];
        on_threads(task, works)
    }
}
