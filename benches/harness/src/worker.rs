//! What a worker does: the one place where messages are sent, received, echoed and timed, over any
//! contestant.

use std::hint;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use memring_testkit::time::now;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::asleep;
use crate::board::{Board, TIMEOUT};
use crate::ends::{End, Rx, Tx};
use crate::message::{Check, Exact, Rising, Source, good};
use crate::task::{BATCH, Outcome, Quantity, Task, Way};
use crate::times::{Interval, Times, WARM_UP, histogram};

/// Messages between two looks at the clock.
const STRIDE: u64 = 256;
/// Looks of a waiting end before it yields at each look.
const LOOKS: u32 = 128;

/// How everybody waits who has no blocking calls: some looks, then a yield at each look.
#[derive(Default)]
pub struct Pause {
    looks: u32,
    since: Option<Instant>,
}

impl Pause {
    /// Between two looks.
    #[inline(always)]
    pub fn wait(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if self.looks < LOOKS {
            hint::spin_loop();
        } else {
            self.rest();
        }
    }

    #[cold]
    #[inline(never)]
    fn rest(&mut self) {
        thread::yield_now();
        if self.looks.is_multiple_of(1 << 14) {
            let since = *self.since.get_or_insert_with(Instant::now);
            assert!(since.elapsed() < TIMEOUT, "nothing moves any more");
        }
        self.looks = self.looks.max(LOOKS);
    }
}

/// Look until there is something, waiting as everybody does.
#[inline(always)]
pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    if let Some(found) = look() {
        return found;
    }
    let mut pause = Pause::default();
    loop {
        pause.wait();
        if let Some(found) = look() {
            return found;
        }
    }
}

/// Run on this CPU from now on.
pub fn pin_to(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on CPU {cpu}"))
}

/// Run on the CPU of this worker from now on.
pub fn pin(task: &Task, worker: usize) -> Result<()> {
    pin_to(*task.cpus.get(worker).context("a worker has no CPU")?)
}

/// Do what this worker is for. `STREAM`: it is about a stream of one sender and one receiver.
pub fn take<const N: usize, const STREAM: bool>(
    mut end: End<impl Tx<N>, impl Rx<N>>,
    worker: usize,
    task: &Task,
    board: &Board,
) -> Result<Outcome> {
    let workers = task.quantity.workers();
    board.gather(workers)?;
    let outcome = perform::<N, STREAM>(&mut end, worker, task, board)?;
    board.part(workers)?;
    Ok(outcome)
}

fn perform<const N: usize, const STREAM: bool>(
    end: &mut End<impl Tx<N>, impl Rx<N>>,
    worker: usize,
    task: &Task,
    board: &Board,
) -> Result<Outcome> {
    let quantity = task.quantity;
    if STREAM {
        return match (end, quantity) {
            (End::Tx(tx), Quantity::Spsc(_, way)) => send(tx, worker, way, task, board),
            (End::Rx(rx), Quantity::Spsc(_, way)) => receive(rx, Exact::default(), 0, way, board),
            _ => bail!("{quantity} is no stream"),
        };
    }
    let (senders, _) = quantity.ends();
    match (end, quantity) {
        (End::Tx(tx), Quantity::Wake | Quantity::Idle) => asleep::call(tx, task, board),
        (End::Rx(rx), Quantity::Wake) => asleep::be_woken(rx, board),
        (End::Rx(rx), Quantity::Idle) => asleep::idle(rx),
        (End::Rx(rx), Quantity::Select(queues, _)) => {
            receive(rx, Rising::new(queues), 0, Way::Single, board)
        }
        (End::Tx(tx), _) => send(tx, worker, Way::Single, task, board),
        (End::Rx(rx), _) if quantity.workers() == 2 => {
            receive(rx, Exact::default(), 0, Way::Single, board)
        }
        (End::Rx(rx), _) => {
            let check = Rising::new(senders);
            receive(rx, check, worker - senders, Way::Single, board)
        }
        (End::Ping(tx, rx), _) if quantity.is_to_sleeper() => asleep::ping(tx, rx, task),
        (End::Ping(tx, rx), _) => ping(tx, rx, task),
        (End::Echo(tx, rx), Quantity::Select(queues, _)) => echo(tx, rx, Rising::new(queues)),
        (End::Echo(tx, rx), _) => echo(tx, rx, Exact::default()),
    }
}

fn send<const N: usize>(
    tx: &mut impl Tx<N>,
    sender: usize,
    way: Way,
    task: &Task,
    board: &Board,
) -> Result<Outcome> {
    let mut source = Source::new(sender);
    let end = now() + task.millis * 1_000_000;
    while now() < end && source.count() < task.most {
        let stop = source.count() + STRIDE;
        while source.count() < stop {
            match way {
                Way::Single => tx.send(&mut source),
                Way::Batch => tx.send_batch(&mut source, BATCH),
                Way::InPlace => tx.send_in_place(&mut source),
            }
        }
    }
    let ends = task.quantity.ends();
    if board.done(source.count(), ends, task.quantity.is_in_order())? {
        for _ in 0..ends.1 {
            tx.send(&mut Source::stop());
        }
    }
    Ok(Outcome::Sent(source.count()))
}

fn receive<const N: usize, C: Check>(
    rx: &mut impl Rx<N>,
    mut check: C,
    receiver: usize,
    way: Way,
    board: &Board,
) -> Result<Outcome> {
    let received = board.received(receiver);
    let mut timer = Timer::default();
    while !check.ended() {
        match way {
            Way::Single => rx.recv(&mut check),
            Way::Batch => rx.recv_batch(&mut check, BATCH),
            Way::InPlace => rx.recv_in_place(&mut check, BATCH),
        }
        timer.at(check.count());
        // Read by the last sender when all have sent: see `Board::done`.
        received.store(check.count(), Ordering::Release);
    }
    good(&check)?;
    Ok(Outcome::Received(check.total(), timer.interval))
}

/// Times the receiving from the first message to the last full stride: neither the wait for the
/// first message nor the finding out that there are no more is in it.
#[derive(Default)]
struct Timer {
    due: u64,
    /// Messages before the interval.
    before: u64,
    interval: Interval,
}

impl Timer {
    #[inline(always)]
    fn at(&mut self, count: u64) {
        if count >= self.due {
            self.look(count);
        }
    }

    #[cold]
    fn look(&mut self, count: u64) {
        let now = now();
        if self.due == 0 {
            (self.before, self.interval.from) = (count, now);
        }
        self.due = count + STRIDE;
        (self.interval.to, self.interval.count) = (now, count - self.before);
    }
}

/// A round trip is the time from one message sent to the next one sent. The clock is read, and
/// the time entered, while the message is under way: neither adds to what is measured.
fn ping<const N: usize>(tx: &mut impl Tx<N>, rx: &mut impl Rx<N>, task: &Task) -> Result<Outcome> {
    let mut taken = histogram();
    let (mut source, mut check) = (Source::new(0), Exact::default());
    let end = now() + task.millis * 1_000_000;
    tx.send(&mut source);
    let mut sent = now();
    loop {
        rx.recv(&mut check);
        // On a busy machine it may all have been warming up until then: one is timed at least.
        let is_over = sent >= end && source.count() > WARM_UP + 1;
        if is_over || source.count() >= task.most || check.ended() {
            break;
        }
        tx.send(&mut source);
        let next = now();
        if source.count() > WARM_UP {
            taken.saturating_record(next - sent);
        }
        sent = next;
    }
    tx.send(&mut Source::stop());
    good(&check)?;
    if check.count() != source.count() {
        bail!("{} messages came back of {}", check.count(), source.count());
    }
    Ok(Outcome::Times(Times::of(&taken), check.count()))
}

fn echo<const N: usize, C: Check>(
    tx: &mut impl Tx<N>,
    rx: &mut impl Rx<N>,
    mut check: C,
) -> Result<Outcome> {
    let mut source = Source::new(0);
    loop {
        rx.recv(&mut check);
        if check.ended() {
            break;
        }
        tx.send(&mut source);
    }
    good(&check)?;
    Ok(Outcome::Echoed(check.count()))
}

/// Open and attach again and again.
pub fn attach<R>(task: &Task, mut open: impl FnMut() -> Result<R>) -> Result<Outcome> {
    let mut taken = histogram();
    let end = now() + task.millis * 1_000_000;
    while now() < end && taken.len() < task.most {
        let before = now();
        let opened = open()?;
        taken.saturating_record(now() - before);
        drop(opened);
    }
    Ok(Outcome::Times(Times::of(&taken), 0))
}
