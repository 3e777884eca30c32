//! Calls: what a service is, and how one is measured.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use memring_testkit::time::now;

use memring_harness::contestant::{Contestant, Home, Link, Made, Profile, does, known_by, link};
use memring_harness::task::{Outcome, Quantity, Task, Wait};
use memring_harness::times::{Times, WARM_UP, histogram};
use memring_harness::worker;

/// A service whose requests and responses are so many words.
pub trait Calls: Profile {
    /// Calls.
    type Client<const N: usize>;
    /// Answers.
    type Server<const N: usize>;
    /// Make the service, in a process that does not use it.
    fn make<const N: usize>(link: &Link) -> Result<Made>;
    /// A client that waits so.
    fn client<const N: usize>(link: &Link, wait: Wait) -> Result<Self::Client<N>>;
    /// A server that waits so.
    fn server<const N: usize>(link: &Link, wait: Wait) -> Result<Self::Server<N>>;
    /// Call, and wait for the response.
    fn call<const N: usize>(client: &mut Self::Client<N>, request: [u64; N]) -> Result<[u64; N]>;
    /// Answer each request with its own words, turned about, until `is_over`; one that waits is
    /// told by [`Calls::end`].
    fn serve<const N: usize>(
        server: &mut Self::Server<N>,
        is_over: impl Fn() -> bool + Send,
    ) -> Result<()>;
    /// Called by one client when all are done, after `is_over` holds.
    fn end<const N: usize>(client: &mut Self::Client<N>, link: &Link) -> Result<()>;
}

/// What a server answers.
pub fn answer<const N: usize>(request: &[u64; N]) -> [u64; N] {
    let mut response = *request;
    response[0] = !request[0];
    response
}

/// A contestant that is a service.
pub struct Services<F>(pub F);

/// Words of the board: clients that are done.
const DONE: usize = 0;

impl<F: Calls> Contestant for Services<F> {
    known_by!(F, Home::Processes);

    fn does(&self, quantity: Quantity) -> bool {
        does::<F>(quantity)
    }

    fn make(&self, task: &Task) -> Result<Vec<Made>> {
        let link = link(task, 0);
        let made = match task.quantity.size() {
            8 => F::make::<1>(&link),
            64 => F::make::<8>(&link),
            4096 => F::make::<512>(&link),
            size => bail!("no calls of {size} bytes are measured"),
        };
        Ok(vec![made?])
    }

    fn play(&self, task: &Task) -> Result<Vec<Outcome>> {
        let outcome = match task.quantity.size() {
            8 => take::<F, 1>(task),
            64 => take::<F, 8>(task),
            4096 => take::<F, 512>(task),
            size => bail!("no calls of {size} bytes are measured"),
        };
        Ok(vec![outcome?])
    }
}

fn take<F: Calls, const N: usize>(task: &Task) -> Result<Outcome> {
    let worker = task.worker.context("no worker was given")?;
    worker::pin(task, worker)?;
    let (clients, _) = task.quantity.ends();
    let wait = match task.quantity {
        Quantity::Call(_, wait) => wait,
        _ => Wait::Park,
    };
    let board = task.board()?;
    let (workers, link) = (task.quantity.workers(), link(task, 0));
    let done = board.received(DONE);
    let is_over = || done.load(Ordering::Acquire) == clients as u64;
    if worker >= clients {
        let mut server = F::server::<N>(&link, wait)?;
        board.gather(workers)?;
        F::serve(&mut server, is_over)?;
        board.part(workers)?;
        return Ok(Outcome::nothing());
    }
    let mut client = F::client::<N>(&link, wait)?;
    board.gather(workers)?;
    let outcome = call::<F, N>(&mut client, task)?;
    // Read by the servers.
    done.fetch_add(1, Ordering::AcqRel);
    if worker == 0 {
        while !is_over() {
            std::thread::yield_now();
        }
        F::end(&mut client, &link)?;
    }
    board.part(workers)?;
    Ok(outcome)
}

/// One client: the times of its calls, or how many it made.
fn call<F: Calls, const N: usize>(client: &mut F::Client<N>, task: &Task) -> Result<Outcome> {
    let mut taken = histogram();
    let begin = now();
    let end = begin + task.millis * 1_000_000;
    let (mut before, mut count) = (begin, 0);
    let mut request = [0; N];
    while before < end && count < task.most {
        request.fill(count);
        let response = F::call(client, request)?;
        ensure!(response == answer(&request), "mismatch at call {count}");
        count += 1;
        let after = now();
        if count > WARM_UP {
            taken.saturating_record(after - before);
        }
        before = after;
    }
    Ok(match task.quantity {
        Quantity::Call(..) => Outcome::Times(Times::of(&taken), count),
        _ => Outcome::Done {
            count,
            nanos: before - begin,
        },
    })
}
