//! Sequences of operations against a model: a queue, and beside it the
//! messages that were given back. One process, so every answer is determined,
//! but for the order of redelivery and for room that is waiting to be noticed.

mod machine;
mod model;

use arbitrary::Arbitrary;
use memring::{FenceMode, Kind, OnDeath, Ring};

use super::dispatch;
use machine::Machine;
use model::{LIMIT, Model, Numbered};

#[derive(Arbitrary, Debug)]
pub struct Input {
    kind: u8,
    typed: bool,
    /// Capacity as a power of two, modulo 5.
    capacity: u8,
    /// How far before the wrap of positions, of laps or of nothing to start.
    before: u8,
    wrap: Wrap,
    discard: bool,
    attempts: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
pub enum Wrap {
    Zero,
    Laps,
    Positions,
}

#[derive(Arbitrary, Debug)]
pub enum Guard {
    /// Commit, or release.
    Finish,
    /// Drop: an abandoned grant, or a released lease.
    Drop,
    /// Leak it; the next call on the endpoint takes it back.
    Forget,
    /// Leases only: give back. A grant is abandoned.
    Requeue,
}

#[derive(Arbitrary, Debug)]
pub enum Operation {
    Attach { sender: bool },
    Detach { sender: bool, who: u8 },
    Send { who: u8 },
    SendBatch { who: u8, count: u8 },
    TooLong { who: u8 },
    Grant { who: u8, guard: Guard },
    Receive { who: u8 },
    ReceiveBatch { who: u8, max: u8 },
    Lease { who: u8, max: u8, guard: Guard },
    Close,
}

pub fn run(input: Input) {
    dispatch!(input.kind, input.typed, run_one(input));
}

fn run_one<T: Numbered + ?Sized, K: Kind>(input: Input) {
    let capacity = 1 << (input.capacity % 5);
    let attempts = 1 + input.attempts % 15;
    let base = match input.wrap {
        Wrap::Zero => input.before.into(),
        Wrap::Laps => (1u64 << 48) * capacity as u64,
        Wrap::Positions => 0,
    };
    let policy = if input.discard {
        OnDeath::Discard
    } else {
        OnDeath::Redeliver
    };
    let ring = Ring::<T, K>::builder()
        .capacity(capacity)
        .message_limit(LIMIT)
        .max_deliveries(attempts)
        .on_receiver_death(policy)
        // The thorough barrier before the end takes milliseconds.
        .fence_mode(FenceMode::Fence)
        .start_position(base.wrapping_sub(input.before.into()))
        .anonymous()
        .expect("an anonymous ring");
    let mut machine = Machine {
        ring,
        senders: Vec::new(),
        receivers: Vec::new(),
        attempts,
        model: Model::default(),
    };
    for operation in &input.operations {
        machine.step(operation);
        machine.check();
    }
    machine.drain();
}

impl<T: Numbered + ?Sized, K: Kind> Machine<T, K> {
    fn step(&mut self, operation: &Operation) {
        match *operation {
            Operation::Attach { sender: true } => self.attach_sender(),
            Operation::Attach { sender: false } => self.attach_receiver(),
            Operation::Detach { sender: true, who } if !self.senders.is_empty() => {
                self.senders
                    .swap_remove(usize::from(who) % self.senders.len());
            }
            Operation::Detach { sender: false, who } if !self.receivers.is_empty() => {
                self.receivers
                    .swap_remove(usize::from(who) % self.receivers.len());
            }
            Operation::Detach { .. } => {}
            Operation::Send { who } => self.send(who),
            Operation::SendBatch { who, count } => self.send_batch(who, count % 20),
            Operation::TooLong { who } => self.send_too_long(who),
            Operation::Grant { who, ref guard } => self.grant(who, guard),
            Operation::Receive { who } => self.receive(who),
            Operation::ReceiveBatch { who, max } => self.receive_batch(who, max % 20),
            Operation::Lease {
                who,
                max,
                ref guard,
            } => self.lease(who, max % 20, guard),
            Operation::Close => self.close(),
        }
    }
}
