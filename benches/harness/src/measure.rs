//! Measures one thing once: makes the links, has the workers use them, puts their outcomes
//! together.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result, bail, ensure};

use crate::board::Board;
use crate::contestant::{Contestant, Home};
use crate::message::Total;
use crate::task::{Outcome, Quantity, Task};
use crate::times::{Interval, Times};
use crate::workers::Workers;

/// What one measurement came to.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Messages a second, or nanoseconds.
    pub value: f64,
    /// Of times: all of them.
    pub times: Option<Times>,
    /// Messages that were checked by those who received them.
    pub checked: u64,
}

/// How many worker processes a measurement needs.
pub fn processes(contestant: &dyn Contestant, quantity: Quantity) -> usize {
    match contestant.home() {
        Home::Threads => 1,
        Home::Processes => quantity.workers(),
    }
}

/// Measures what the task says, once. There must be as many workers as [`processes`] says.
pub fn measure(
    contestant: &dyn Contestant,
    mut task: Task,
    workers: &mut Workers,
) -> Result<Figure> {
    let quantity = task.quantity;
    let board = Board::make(quantity.ends().1)?;
    let made = contestant.make(&task)?;
    task.links = made.iter().map(|made| made.fds.len()).collect();
    let mut fds: Vec<BorrowedFd<'_>> = vec![board.as_fd()];
    fds.extend(made.iter().flat_map(|made| &made.fds).map(AsFd::as_fd));
    let of_worker = |worker| {
        let mut task = task.clone();
        task.worker = Some(worker);
        task
    };
    let tasks: Vec<Task> = match contestant.home() {
        Home::Threads => vec![task],
        Home::Processes => (0..quantity.workers()).map(of_worker).collect(),
    };
    let outcomes = workers.run(&tasks, &fds)?;
    // What a contestant keeps while it is measured goes only now.
    drop(made);
    figure(quantity, &outcomes)
}

/// What the outcomes of all workers come to.
fn figure(quantity: Quantity, outcomes: &[Outcome]) -> Result<Figure> {
    let (mut sent, mut received) = (Total::default(), Total::default());
    let mut interval = Interval::default();
    let (mut times, mut echoed, mut rate) = (None, 0, 0.0);
    for (worker, outcome) in outcomes.iter().enumerate() {
        match outcome {
            // Senders come first, in the order of their numbers.
            Outcome::Sent(count) => sent = sent.plus(Total::sent(worker, *count)),
            Outcome::Received(total, timed) => {
                received = received.plus(*total);
                interval = interval.and(*timed);
            }
            Outcome::Times(taken, good) => times = Some((taken, *good)),
            Outcome::Echoed(count) => echoed += count,
            Outcome::Done { count, nanos } => rate += *count as f64 * 1e9 / *nanos as f64,
        }
    }
    if let Some((times, came)) = times {
        // Sent by one end and received by the other, or there and back.
        let went = sent.count.max(echoed);
        ensure!(
            went == 0 || went == came,
            "mismatch: {went} messages were sent, {came} received"
        );
        return Ok(Figure {
            value: times.middle(),
            times: Some(times.clone()),
            checked: came + echoed,
        });
    }
    // A sender to many queues numbers its messages by the queue, and not one by one.
    let is_same = quantity.queues() > 1 || sent == received;
    if sent.count != received.count || !is_same {
        let same = match sent.count == received.count {
            true => ", not the same ones",
            false => "",
        };
        bail!(
            "mismatch: {} messages were sent, {} received{same}",
            sent.count,
            received.count
        );
    }
    if rate == 0.0 {
        rate = interval
            .rate()
            .context("too few messages came to be timed")?;
    }
    Ok(Figure {
        value: rate,
        times: None,
        checked: received.count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interval of a million messages a second.
    const TIMED: Interval = Interval {
        from: 1_000,
        to: 2_000_000_000 + 1_000,
        count: 2_000_000,
    };

    #[test]
    fn rates_are_those_of_the_interval() {
        let total = Total::sent(0, 5).plus(Total::sent(1, 3));
        let sent = [Outcome::Sent(5), Outcome::Sent(3)];
        let none = Outcome::Received(Total::default(), Interval::default());
        let received = [Outcome::Received(total, TIMED), none];
        let figure = figure(Quantity::Mpmc(2, 2), &[sent, received].concat());
        let figure = figure.expect("all came");
        assert_eq!((figure.value, figure.checked), (1e6, 8));
    }

    #[test]
    fn a_mismatch_is_an_error() {
        let other = Total {
            count: 5,
            digest: 1,
        };
        for (total, words) in [(Total::sent(0, 4), "4 received"), (other, "not the same")] {
            let outcomes = [Outcome::Sent(5), Outcome::Received(total, TIMED)];
            let error = figure(Quantity::Mpmc(1, 1), &outcomes).expect_err("a mismatch");
            assert!(error.to_string().contains(words), "{error}");
        }
        let times = || Outcome::Times(Times::once(7), 5);
        assert!(figure(Quantity::Wake, &[times(), Outcome::Echoed(4)]).is_err());
        let good = figure(Quantity::Wake, &[times(), Outcome::Echoed(5)]);
        assert_eq!(good.expect("all came back").checked, 10);
    }

    #[test]
    fn what_was_not_timed_is_no_figure() {
        let none = Outcome::Received(Total::default(), Interval::default());
        assert!(figure(Quantity::Mpmc(1, 1), &[Outcome::Sent(0), none]).is_err());
        assert!(figure(Quantity::Lock(2), &[Outcome::nothing()]).is_err());
        let done = Outcome::Done {
            count: 10,
            nanos: 1_000,
        };
        let both = figure(Quantity::Lock(2), &[done.clone(), done]);
        assert_eq!(both.expect("timed").value, 2e7);
    }
}
