//! What workers do where one of them sleeps, by calls that block.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use memring_testkit::time::now;
use rustix::time::{ClockId, clock_gettime};

use crate::board::Board;
use crate::ends::{Rx, Tx};
use crate::message::{Check, Exact, Source, good};
use crate::task::{Outcome, Quantity, Task};
use crate::times::{Times, WARM_UP, histogram};

/// What a receiver is left to fall asleep.
pub const NAP: Duration = Duration::from_micros(400);

/// Send now and then, to somebody who sleeps by then.
pub fn call<const N: usize>(tx: &mut impl Tx<N>, task: &Task, board: &Board) -> Result<Outcome> {
    let mut source = Source::new(0);
    let end = now() + task.millis * 1_000_000;
    if task.quantity == Quantity::Idle {
        thread::sleep(Duration::from_millis(task.millis));
    }
    while now() < end && source.count() < task.most {
        thread::sleep(NAP);
        // Read by the receiver after the message, which orders it.
        board.stamp().store(now(), Ordering::Release);
        tx.send(&mut source);
    }
    thread::sleep(NAP);
    tx.send(&mut Source::stop());
    Ok(Outcome::Sent(source.count()))
}

/// Receive what comes now and then, asleep in between.
pub fn be_woken<const N: usize>(rx: &mut impl Rx<N>, board: &Board) -> Result<Outcome> {
    let mut taken = histogram();
    let mut check = Exact::default();
    loop {
        rx.recv(&mut check);
        let awake = now();
        if check.ended() {
            break;
        }
        let stamp = board.stamp().load(Ordering::Acquire);
        taken.saturating_record(awake.saturating_sub(stamp));
    }
    good(&check)?;
    Ok(Outcome::Times(Times::of(&taken), check.count()))
}

/// The time of a round trip that begins when the other end sleeps.
pub fn ping<const N: usize>(
    tx: &mut impl Tx<N>,
    rx: &mut impl Rx<N>,
    task: &Task,
) -> Result<Outcome> {
    let mut taken = histogram();
    let (mut source, mut check) = (Source::new(0), Exact::default());
    let end = now() + task.millis * 1_000_000;
    let is_due = |count| now() < end || count <= 2 * WARM_UP;
    while is_due(source.count()) && source.count() < task.most && !check.ended() {
        thread::sleep(NAP);
        let sent = now();
        tx.send(&mut source);
        rx.recv(&mut check);
        if source.count() > WARM_UP {
            taken.saturating_record(now() - sent);
        }
    }
    tx.send(&mut Source::stop());
    good(&check)?;
    Ok(Outcome::Times(Times::of(&taken), check.count()))
}

/// Processor time of this thread for a message that is long in coming.
pub fn idle<const N: usize>(rx: &mut impl Rx<N>) -> Result<Outcome> {
    let mut check = Exact::default();
    let before = spent(ClockId::ThreadCPUTime);
    while !check.ended() {
        rx.recv(&mut check);
    }
    good(&check)?;
    let spent = spent(ClockId::ThreadCPUTime) - before;
    Ok(Outcome::Times(Times::once(spent), check.count()))
}

/// Nanoseconds of processor time, of a thread or a process.
pub fn spent(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
