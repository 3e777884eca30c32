//! Sequences of operations, and between them, and inside guards, writes of a
//! peer that keeps to no rule. Every call comes back, with a value in bounds or
//! with an error; a handle that has called the ring corrupted does so for good.

use std::fs::File;
use std::mem;
use std::time::Duration;

use arbitrary::Arbitrary;
use memring::{
    AttachError, Failure, FenceMode, Kind, OnDeath, Receiver, RecvTimeoutError, Ring,
    SendTimeoutError, Sender, TryRecvError, TrySendError, Wakeups,
};

use super::dispatch;
use super::sample::{BYTES, LIMIT, Sample};
use super::writes::Patch;
use crate::oracle::Guard;
use crate::shapes::Shape;

/// The most endpoints on a side.
const ENDPOINTS: usize = 3;

/// A ring, and what is done to it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    kind: u8,
    typed: bool,
    /// Capacity as a power of two, modulo 4; or, from 64 on, one more than modulo 13. From 128
    /// on messages lie dense.
    capacity: u8,
    sleeps: bool,
    discard: bool,
    attempts: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Write(Patch),
    Attach {
        sender: bool,
    },
    Detach {
        sender: bool,
        who: u8,
    },
    Send {
        who: u8,
        waits: bool,
    },
    SendBatch {
        who: u8,
        count: u8,
    },
    Grant {
        who: u8,
        guard: Guard,
        meanwhile: Option<Patch>,
    },
    Receive {
        who: u8,
        waits: bool,
    },
    ReceiveBatch {
        who: u8,
        max: u8,
    },
    Lease {
        who: u8,
        max: u8,
        guard: Guard,
        meanwhile: Option<Patch>,
    },
    Look,
    Close,
    /// Another handle for the same ring, and endpoints of it.
    Reopen,
}

/// Carries the steps out.
///
/// # Panics
/// If a call does something that it must not do.
pub fn run(input: Input) {
    dispatch!(input.kind, input.typed, run_one(input));
}

struct Machine<T: Sample + ?Sized, K: Kind> {
    file: File,
    shape: Shape,
    ring: Ring<T, K>,
    senders: Vec<Sender<T, K>>,
    receivers: Vec<Receiver<T, K>>,
    /// This handle has said so.
    corrupted: bool,
}

fn run_one<T: Sample + ?Sized, K: Kind>(input: Input) {
    let ring = Ring::<T, K>::builder()
        .capacity(super::capacity(input.capacity))
        .layout(super::layout(input.capacity))
        .message_limit(LIMIT)
        .max_deliveries(1 + input.attempts % 15)
        .on_receiver_death(if input.discard {
            OnDeath::Discard
        } else {
            OnDeath::Redeliver
        })
        .wakeups(if input.sleeps {
            Wakeups::Blocking
        } else {
            Wakeups::SpinOnly
        })
        .fence_mode(FenceMode::Fence)
        .anonymous()
        .expect("an anonymous ring");
    let file = ring.share_fd().expect("a descriptor").try_clone_to_owned();
    let file = File::from(file.expect("a copy of it"));
    let mut machine = Machine {
        shape: Shape::of(&file),
        file,
        ring,
        senders: Vec::new(),
        receivers: Vec::new(),
        corrupted: false,
    };
    for step in &input.steps {
        machine.step(step);
    }
}

fn pick<E>(endpoints: &mut [E], who: u8) -> Option<&mut E> {
    let index = usize::from(who).checked_rem(endpoints.len())?;
    endpoints.get_mut(index)
}

/// Whether a step is of its other form: batches of slices, guards of chunks. An endpoint is
/// picked by the rest of the number.
fn other_form(who: u8) -> bool {
    who >= 128
}

impl<T: Sample + ?Sized, K: Kind> Machine<T, K> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(patch) => patch.apply(&self.file, &self.shape),
            Step::Attach { sender: true } if self.senders.len() < ENDPOINTS => {
                match self.ring.sender() {
                    Ok(sender) => self.senders.push(sender),
                    Err(AttachError::Failed(failure)) => self.failed(failure),
                    Err(_) => {}
                }
            }
            Step::Attach { sender: false } if self.receivers.len() < ENDPOINTS => {
                match self.ring.receiver() {
                    Ok(receiver) => self.receivers.push(receiver),
                    Err(AttachError::Failed(failure)) => self.failed(failure),
                    Err(_) => {}
                }
            }
            Step::Attach { .. } => {}
            Step::Detach { sender: true, who } if !self.senders.is_empty() => {
                let who = usize::from(*who) % self.senders.len();
                self.senders.swap_remove(who);
            }
            Step::Detach { sender: false, who } if !self.receivers.is_empty() => {
                let who = usize::from(*who) % self.receivers.len();
                self.receivers.swap_remove(who);
            }
            Step::Detach { .. } => {}
            Step::Send { who, waits } => self.send(*who, *waits),
            Step::SendBatch { who, count } => self.send_batch(*who, *count),
            Step::Grant {
                who,
                guard,
                meanwhile,
            } => self.grant(*who, guard, meanwhile.as_ref()),
            Step::Receive { who, waits } => self.receive(*who, *waits),
            Step::ReceiveBatch { who, max } => self.receive_batch(*who, *max),
            Step::Lease {
                who,
                max,
                guard,
                meanwhile,
            } => self.lease(*who, *max, guard, meanwhile.as_ref()),
            Step::Look => self.look(),
            Step::Close => drop(self.ring.close()),
            Step::Reopen => self.reopen(),
        }
    }

    /// A failure is a corruption, and the last word of its handle.
    fn failed(&mut self, failure: Failure) {
        assert!(matches!(failure, Failure::Corrupted(_)), "{failure}");
        self.corrupted = true;
    }

    /// Something has succeeded.
    fn succeeded(&self) {
        assert!(!self.corrupted, "a corrupted handle goes on");
    }

    fn refused<M>(&mut self, error: TrySendError<M>) {
        match error {
            TrySendError::Failed(_, failure) => self.failed(failure),
            _ => self.succeeded(),
        }
    }

    fn nothing(&mut self, error: TryRecvError) {
        match error {
            TryRecvError::Failed(failure) => self.failed(failure),
            _ => self.succeeded(),
        }
    }

    /// What came of sending up to `count` messages. To send none succeeds at any handle.
    fn sent_or_refused(&mut self, count: u8, result: Result<(), TrySendError<()>>) {
        match result {
            Ok(()) if count == 0 => {}
            Ok(()) => self.succeeded(),
            Err(error) => self.refused(error),
        }
    }

    /// What came of receiving up to `count` messages, as in `sent_or_refused`.
    fn received_or_nothing(&mut self, count: u8, result: Result<(), TryRecvError>) {
        match result {
            Ok(()) if count == 0 => {}
            Ok(()) => self.succeeded(),
            Err(error) => self.nothing(error),
        }
    }

    fn send(&mut self, who: u8, waits: bool) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let message = T::sent(&BYTES[..usize::from(who) % LIMIT]);
        if waits {
            match sender.send_timeout(message, Duration::ZERO) {
                Err(SendTimeoutError::Failed(_, failure)) => self.failed(failure),
                _ => self.succeeded(),
            }
            return;
        }
        match sender.try_send(message) {
            Ok(()) => self.succeeded(),
            Err(error) => self.refused(error),
        }
    }

    fn send_batch(&mut self, who: u8, count: u8) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        if other_form(who)
            && let Some(result) = T::send_slice(sender, count.into())
        {
            return self.sent_or_refused(count, result);
        }
        let messages = (0..count).map(|length| T::sent(&BYTES[..usize::from(length) % LIMIT]));
        match sender.try_send_batch(messages) {
            Ok(sent) => assert_eq!(sent, usize::from(count)),
            Err(error) => {
                assert!(error.sent < usize::from(count));
                self.refused(error.cause);
            }
        }
    }

    fn grant(&mut self, who: u8, guard: &Guard, meanwhile: Option<&Patch>) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let write = || {
            meanwhile
                .iter()
                .for_each(|patch| patch.apply(&self.file, &self.shape))
        };
        if other_form(who)
            && let Some(result) = T::grant_chunk(sender, (who % 128).into(), guard, write)
        {
            return self.sent_or_refused(1, result); // a chunk is of one at least
        }
        let error = match sender.try_reserve() {
            Ok(mut grant) => {
                assert!(grant.limit() <= LIMIT);
                write();
                let _ = grant.write(T::sent(&BYTES));
                match guard {
                    Guard::Finish => drop(grant.commit()),
                    Guard::Drop | Guard::Requeue => drop(grant),
                    Guard::Forget => mem::forget(grant),
                }
                return;
            }
            Err(error) => error,
        };
        self.refused(error);
    }

    fn receive(&mut self, who: u8, waits: bool) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        if waits {
            match receiver.recv_timeout(Duration::ZERO) {
                Ok(message) => T::check(message),
                Err(RecvTimeoutError::Failed(failure)) => return self.failed(failure),
                Err(_) => {}
            }
            return self.succeeded();
        }
        match receiver.try_recv() {
            Ok(message) => {
                T::check(message);
                self.succeeded();
            }
            Err(error) => self.nothing(error),
        }
    }

    fn receive_batch(&mut self, who: u8, max: u8) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        if other_form(who)
            && let Some(result) = T::receive_slice(receiver, max.into())
        {
            return self.received_or_nothing(max, result);
        }
        let mut messages = Vec::new();
        match receiver.try_recv_batch(&mut messages, max.into()) {
            Ok(count) => {
                assert_eq!(count, messages.len());
                assert!(count <= max.into());
                messages.into_iter().for_each(T::check);
            }
            Err(error) => self.nothing(error),
        }
    }

    fn lease(&mut self, who: u8, max: u8, guard: &Guard, meanwhile: Option<&Patch>) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        let write = || {
            meanwhile
                .iter()
                .for_each(|patch| patch.apply(&self.file, &self.shape))
        };
        if other_form(who)
            && let Some(result) = T::lease_chunk(receiver, max.into(), guard, write)
        {
            return self.received_or_nothing(1, result); // as above
        }
        let capacity = receiver.capacity();
        let error = match receiver.try_lease_batch(max.into()) {
            Ok(leases) => {
                assert!((1..=capacity).contains(&leases.len()), "{leases:?}");
                write();
                for leased in leases.iter() {
                    T::check(leased.read());
                    assert!(leased.redeliveries() < 16);
                }
                match guard {
                    Guard::Finish => leases.release(),
                    Guard::Drop => drop(leases),
                    Guard::Requeue => leases.requeue(),
                    Guard::Forget => mem::forget(leases),
                }
                return;
            }
            Err(error) => error,
        };
        self.nothing(error);
    }

    fn look(&mut self) {
        let stats = self.ring.stats();
        assert!(stats.len <= stats.capacity && self.ring.len() <= self.ring.capacity());
        for peer in stats.senders.iter().chain(&stats.receivers) {
            assert!((1..1024).contains(&peer.id));
        }
        for holder in [stats.senders_blocked_by, stats.receivers_blocked_by] {
            assert!(holder.is_none_or(|holder| holder.id < 1024));
        }
        for receiver in &self.receivers {
            let _ = receiver.is_empty();
        }
    }

    fn reopen(&mut self) {
        self.senders.clear();
        self.receivers.clear();
        // Refused if the header was written to; the old handle serves then.
        if let Ok(ring) = Ring::from_fd(&self.file) {
            self.ring = ring;
            self.corrupted = false;
        }
    }
}
