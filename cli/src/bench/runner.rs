//! What a child does: the one place where messages are sent, received, echoed and timed, whatever
//! carries them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::check::{Ledger, message};
use super::contenders::{Visit, visit};
use super::control::{Control, Interval, Order, Outcome, Reply, Role, Task};
use super::findings::histogram;
use super::link::{Link, Rx, Tx};
use memring_testkit::processes::tie_to_parent;
use memring_testkit::time::now;

/// Messages between two looks at the clock: it must not weigh on messages of two nanoseconds.
const STRIDE: u64 = 256;
/// Round trips before the first that is timed.
const WARM_UP: u64 = 10;

/// A child's whole life: carry out orders until the parent is gone.
pub fn serve() -> Result<()> {
    tie_to_parent()?;
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let mut control = Control::new(stdin.into());
    while let Some((order, fds)) = control.receive()? {
        let reply = match carry_out(order, fds, &mut control) {
            Ok(reply) => reply,
            Err(error) => Reply::Failed(format!("{error:#}")),
        };
        control.send(&reply, &[])?;
    }
    Ok(())
}

fn carry_out(order: Order, fds: Vec<OwnedFd>, control: &mut Control) -> Result<Reply> {
    match order {
        Order::Pin(cpu) => {
            let mut set = CpuSet::new();
            set.set(cpu);
            sched_setaffinity(None, &set).with_context(|| format!("cannot run on CPU {cpu}"))?;
            Ok(Reply::Ready)
        }
        Order::Prepare(task) => {
            let part = Part { task, fds, control };
            visit(task.contender, task.size, part).map(Reply::Done)
        }
        Order::Go => bail!("told to go with nothing prepared"),
    }
}

/// A task with what is needed to begin it.
struct Part<'a> {
    task: Task,
    fds: Vec<OwnedFd>,
    control: &'a mut Control,
}

impl Visit for Part<'_> {
    type Out = Result<Outcome>;

    fn visit<const N: usize>(mut self, link: impl Link<N>) -> Result<Outcome> {
        match self.task.role {
            Role::Send { sender, batch } => {
                let tx = link.tx(self.fd()?)?;
                let end = self.begin()?;
                send(tx, sender, batch, end)
            }
            Role::Receive { senders, batch } => {
                let rx = link.rx(self.fd()?)?;
                self.begin()?;
                receive(rx, senders, batch)
            }
            Role::Ping => {
                let (tx, rx) = (link.tx(self.fd()?)?, link.rx(self.fd()?)?);
                let end = self.begin()?;
                ping(tx, rx, end)
            }
            Role::Echo => {
                let (tx, rx) = (link.tx(self.fd()?)?, link.rx(self.fd()?)?);
                self.begin()?;
                echo(tx, rx)
            }
        }
    }
}

impl Part<'_> {
    fn fd(&mut self) -> Result<OwnedFd> {
        if self.fds.is_empty() {
            bail!("a descriptor is missing");
        }
        Ok(self.fds.remove(0))
    }

    /// Wait for the word to begin: when to end, by [`now`].
    fn begin(&mut self) -> Result<u64> {
        self.control.send(&Reply::Ready, &[])?;
        match self.control.receive()? {
            Some((Order::Go, _)) => Ok(now() + self.task.millis * 1_000_000),
            other => bail!("expected the word to go, got {other:?}"),
        }
    }
}

fn send<const N: usize>(
    mut tx: impl Tx<N>,
    sender: u16,
    batch: usize,
    end: u64,
) -> Result<Outcome> {
    let mut number = 0;
    let mut made = Vec::with_capacity(batch);
    while now() < end {
        let stop = number + STRIDE;
        if batch == 1 {
            while number < stop {
                tx.send(message(sender, number))?;
                number += 1;
            }
        } else {
            while number < stop {
                let next = number + batch as u64;
                made.clear();
                made.extend((number..next).map(|number| message(sender, number)));
                tx.send_batch(&made)?;
                number = next;
            }
        }
    }
    Ok(Outcome::Sent(number))
}

fn receive<const N: usize>(mut rx: impl Rx<N>, senders: u16, batch: usize) -> Result<Outcome> {
    let mut ledger = Ledger::new(senders);
    let mut timer = Timer::default();
    if batch == 1 {
        while let Some(message) = rx.recv()? {
            ledger.check(&message)?;
            timer.at(ledger.count());
        }
    } else {
        let mut messages = Vec::with_capacity(batch);
        loop {
            rx.recv_batch(&mut messages, batch)?;
            if messages.is_empty() {
                break;
            }
            for message in &messages {
                ledger.check(message)?;
            }
            timer.at(ledger.count());
        }
    }
    Ok(Outcome::Received(ledger.total(), timer.interval))
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
    #[inline]
    fn at(&mut self, count: u64) {
        if count >= self.due {
            self.look(count);
        }
    }

    fn look(&mut self, count: u64) {
        let now = now();
        if self.due == 0 {
            self.before = count;
            self.interval.from = now;
        }
        self.due = count + STRIDE;
        self.interval.to = now;
        self.interval.count = count - self.before;
    }
}

/// A round trip is the time from one message sent to the next one sent, so from its own sending
/// through the echo's answer and the check to the next sending. The clock is read, and the time
/// entered, while the message is under way: neither adds to what is measured.
fn ping<const N: usize>(mut tx: impl Tx<N>, mut rx: impl Rx<N>, end: u64) -> Result<Outcome> {
    let mut times = histogram();
    let mut ledger = Ledger::new(1);
    let mut number = 0;
    tx.send(message(0, number))?;
    let mut sent = now();
    loop {
        let Some(answer) = rx.recv()? else {
            bail!("the echo ended after {number} round trips");
        };
        ledger.check(&answer)?;
        number += 1;
        // On a busy machine it may all have been warming up until then: one is timed at least.
        if sent >= end && number > WARM_UP + 1 {
            break;
        }
        tx.send(message(0, number))?;
        let next = now();
        if number > WARM_UP {
            times.saturating_record(next - sent);
        }
        sent = next;
    }
    let times = times.iter_recorded();
    let times = times.map(|step| (step.value_iterated_to(), step.count_at_value()));
    Ok(Outcome::Pinged(times.collect(), ledger.total()))
}

fn echo<const N: usize>(mut tx: impl Tx<N>, mut rx: impl Rx<N>) -> Result<Outcome> {
    let mut ledger = Ledger::new(1);
    while let Some(message) = rx.recv()? {
        ledger.check(&message)?;
        tx.send(message)?;
    }
    Ok(Outcome::Echoed(ledger.total()))
}
