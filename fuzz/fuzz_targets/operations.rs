//! Sequences of operations against a model: a queue, and beside it the
//! messages that were given back. One process, so every answer is determined,
//! but for the order of redelivery and for room that is waiting to be noticed.

#![no_main]

use std::collections::VecDeque;
use std::mem;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memring::{
    AttachError, Failure, Kind, Message, Mpmc, Mpsc, OnDeath, Receiver, Ring, Sender, Spmc, Spsc,
    TryRecvError, TrySendError,
};

/// The most endpoints on a side of many.
const ENDPOINTS: usize = 3;
/// The longest byte message.
const LIMIT: usize = 40;

#[derive(Arbitrary, Debug)]
struct Input {
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
enum Wrap {
    Zero,
    Laps,
    Positions,
}

#[derive(Arbitrary, Debug)]
enum Guard {
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
enum Operation {
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

/// A message of each family, made from its number.
trait Numbered: Message {
    const VARIES: bool;
    /// The message, which may borrow from `bytes`, those of [`bytes_of`].
    fn sent(id: u64, bytes: &[u8]) -> Self::Sent<'_>;
    fn number(received: Self::Received) -> u64;
}

impl Numbered for u64 {
    const VARIES: bool = false;
    fn sent(id: u64, _bytes: &[u8]) -> u64 {
        id
    }
    fn number(received: u64) -> u64 {
        received
    }
}

impl Numbered for [u8] {
    const VARIES: bool = true;
    fn sent(_id: u64, bytes: &[u8]) -> &[u8] {
        bytes
    }
    fn number(received: Vec<u8>) -> u64 {
        let id = u64::from_ne_bytes(received[..8].try_into().expect("8 bytes"));
        assert_eq!(received, bytes_of(id));
        id
    }
}

/// The bytes of a message: its number, and so many more up to [`LIMIT`].
fn bytes_of(id: u64) -> Vec<u8> {
    let mut bytes = id.to_ne_bytes().to_vec();
    bytes.resize(8 + id as usize % (LIMIT - 7), id as u8);
    bytes
}

/// A message under way, and how often it was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Under {
    id: u64,
    attempt: u8,
}

/// The ring as it should be.
struct Model {
    queue: VecDeque<Under>,
    /// Given back where there are many receivers: received in any order.
    back: Vec<Under>,
    next: u64,
    lost: u64,
    redelivered: u64,
    closed: bool,
    had_sender: bool,
    had_receiver: bool,
    /// The ring may be full before its time. A message that was given back
    /// keeps its slot, and one that was dropped may keep its until receivers
    /// pass it; a claim of many senders that was given up has used up a position,
    /// so the next one's slot may still hold a message of the lap before.
    crowded: bool,
}

impl Model {
    /// A send was refused, of a ring of so many slots and living receivers.
    fn refused(&self, reason: TrySendError<()>, capacity: usize, receivers: usize) {
        let gone = self.had_receiver && receivers == 0;
        match reason {
            TrySendError::Closed(()) => assert!(self.closed),
            TrySendError::Full(()) => assert!(!self.closed && !gone),
            TrySendError::Disconnected(()) => assert!(!self.closed && gone),
            TrySendError::Failed((), failure) => panic!("{failure}"),
        }
        if !self.closed {
            self.assert_full(capacity);
        }
    }

    fn assert_full(&self, capacity: usize) {
        let under_way = self.queue.len() + self.back.len();
        assert!(under_way == capacity || self.crowded);
    }

    /// There was nothing to receive, with so many living senders.
    fn nothing(&mut self, error: TryRecvError, senders: usize) {
        assert!(self.queue.is_empty() && self.back.is_empty(), "{error}");
        self.crowded = false;
        let expected = if self.closed {
            TryRecvError::Closed
        } else if self.had_sender && senders == 0 {
            TryRecvError::Disconnected
        } else {
            TryRecvError::Empty
        };
        assert_eq!(error, expected);
    }
}

struct Machine<T: Message + ?Sized, K: Kind> {
    ring: Ring<T, K>,
    senders: Vec<Sender<T, K>>,
    receivers: Vec<Receiver<T, K>>,
    attempts: u8,
    model: Model,
}

fuzz_target!(|input: Input| {
    match (input.kind % 4, input.typed) {
        (0, true) => run::<u64, Spsc>(input),
        (1, true) => run::<u64, Mpsc>(input),
        (2, true) => run::<u64, Spmc>(input),
        (_, true) => run::<u64, Mpmc>(input),
        (0, false) => run::<[u8], Spsc>(input),
        (1, false) => run::<[u8], Mpsc>(input),
        (2, false) => run::<[u8], Spmc>(input),
        (_, false) => run::<[u8], Mpmc>(input),
    }
});

fn run<T: Numbered + ?Sized, K: Kind>(input: Input) {
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
        .attempts(attempts)
        .on_receiver_death(policy)
        .start_position(base.wrapping_sub(input.before.into()))
        .anonymous()
        .expect("an anonymous ring");
    let mut machine = Machine {
        ring,
        senders: Vec::new(),
        receivers: Vec::new(),
        attempts,
        model: Model {
            queue: VecDeque::new(),
            back: Vec::new(),
            next: 0,
            lost: 0,
            redelivered: 0,
            closed: false,
            had_sender: false,
            had_receiver: false,
            crowded: false,
        },
    };
    for operation in &input.operations {
        machine.step(operation);
        machine.check();
    }
    machine.drain();
}

fn pick<E>(endpoints: &mut [E], who: u8) -> Option<&mut E> {
    let index = usize::from(who).checked_rem(endpoints.len())?;
    endpoints.get_mut(index)
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
            Operation::Close => {
                self.ring.close().expect("a live ring");
                self.model.closed = true;
            }
        }
    }

    fn check(&self) {
        let stats = self.ring.stats();
        let model = &self.model;
        assert_eq!((stats.lost, stats.closed), (model.lost, model.closed));
        assert_eq!(stats.redelivered, model.redelivered);
        assert_eq!(stats.senders.len(), self.senders.len());
        assert_eq!(stats.receivers.len(), self.receivers.len());
        assert!(stats.len <= stats.capacity);
        assert!(model.queue.len() + model.back.len() <= stats.capacity);
        let is_empty = model.queue.is_empty() && model.back.is_empty();
        for receiver in &self.receivers {
            assert!(receiver.is_empty() || !is_empty);
        }
    }

    /// In the end everything that is under way comes out.
    fn drain(&mut self) {
        self.step(&Operation::Close);
        if self.receivers.is_empty() {
            self.attach_receiver();
        }
        while !self.model.queue.is_empty() || !self.model.back.is_empty() {
            self.receive(0);
        }
        assert_eq!(
            self.receivers[0].try_recv().map(T::number),
            Err(TryRecvError::Closed)
        );
        self.check();
    }

    fn attach_sender(&mut self) {
        if K::KIND.has_many_senders() && self.senders.len() == ENDPOINTS {
            return;
        }
        match self.ring.sender() {
            Ok(sender) => self.senders.push(sender),
            Err(AttachError::Occupied { .. }) => {
                assert!(!K::KIND.has_many_senders() && self.senders.len() == 1);
            }
            Err(error) => panic!("{error}"),
        }
        self.model.had_sender = true;
    }

    fn attach_receiver(&mut self) {
        if K::KIND.has_many_receivers() && self.receivers.len() == ENDPOINTS {
            return;
        }
        match self.ring.receiver() {
            Ok(receiver) => self.receivers.push(receiver),
            Err(AttachError::Occupied { .. }) => {
                assert!(!K::KIND.has_many_receivers() && self.receivers.len() == 1);
            }
            Err(error) => panic!("{error}"),
        }
        self.model.had_receiver = true;
    }

    fn send(&mut self, who: u8) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let id = self.model.next;
        let answer = sender.try_send(T::sent(id, &bytes_of(id))).map_err(reason);
        match answer {
            Ok(()) => self.sent(1),
            Err(reason) => self
                .model
                .refused(reason, self.ring.capacity(), self.receivers.len()),
        }
    }

    fn send_batch(&mut self, who: u8, count: u8) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let ids = self.model.next..self.model.next + u64::from(count);
        let bytes: Vec<Vec<u8>> = ids.clone().map(bytes_of).collect();
        let messages = ids.zip(&bytes).map(|(id, bytes)| T::sent(id, bytes));
        match sender.try_send_batch(messages) {
            Ok(sent) => {
                assert_eq!(sent, usize::from(count));
                self.sent(sent as u64);
            }
            Err(error) => {
                assert!(error.sent < count.into());
                let reason = reason(error.cause);
                self.sent(error.sent as u64);
                self.model
                    .refused(reason, self.ring.capacity(), self.receivers.len());
            }
        }
    }

    fn send_too_long(&mut self, who: u8) {
        if !T::VARIES {
            return;
        }
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let (length, limit) = (LIMIT + 1, LIMIT);
        let answer = sender.try_send(T::sent(0, &[0; LIMIT + 1])).map_err(reason);
        let failure = Failure::TooLong { length, limit };
        assert_eq!(answer, Err(TrySendError::Failed((), failure)));
    }

    fn grant(&mut self, who: u8, guard: &Guard) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let id = self.model.next;
        let mut grant = match sender.try_reserve() {
            Ok(grant) => grant,
            Err(error) => {
                return self
                    .model
                    .refused(error, self.ring.capacity(), self.receivers.len());
            }
        };
        let bytes = bytes_of(id);
        grant
            .write(T::sent(id, &bytes))
            .expect("a message that fits");
        match guard {
            Guard::Finish => {
                grant.commit().expect("a live ring");
                self.sent(1);
            }
            Guard::Drop | Guard::Requeue => {
                drop(grant);
                self.model.crowded |= K::KIND.has_many_senders();
            }
            Guard::Forget => {
                mem::forget(grant);
                self.model.crowded |= K::KIND.has_many_senders();
                // Taken back by the next call, or by the drop.
                self.send(who);
            }
        }
    }

    fn sent(&mut self, count: u64) {
        assert!(count == 0 || !self.model.closed);
        for _ in 0..count {
            let id = self.model.next;
            self.model.queue.push_back(Under { id, attempt: 0 });
            self.model.next += 1;
        }
    }

    fn receive(&mut self, who: u8) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        match receiver.try_recv() {
            Ok(message) => {
                self.take(T::number(message), None);
            }
            Err(error) => self.model.nothing(error, self.senders.len()),
        }
    }

    fn receive_batch(&mut self, who: u8, max: u8) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        let mut messages = Vec::new();
        match receiver.try_recv_batch(&mut messages, max.into()) {
            Ok(count) => {
                assert_eq!(messages.len(), count);
                assert!(count <= max.into() && (count > 0 || max == 0));
                for message in messages {
                    self.take(T::number(message), None);
                }
            }
            Err(error) => {
                assert!(max > 0);
                self.model.nothing(error, self.senders.len());
            }
        }
    }

    fn lease(&mut self, who: u8, max: u8, guard: &Guard) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        let leases = match receiver.try_lease_batch(max.into()) {
            Ok(leases) => leases,
            Err(error) => return self.model.nothing(error, self.senders.len()),
        };
        assert!(leases.len() <= usize::from(max).max(1));
        let seen: Vec<(u64, u8)> = leases
            .iter()
            .map(|leased| (T::number(leased.read()), leased.attempt()))
            .collect();
        match guard {
            Guard::Finish => leases.release(),
            Guard::Drop => drop(leases),
            Guard::Forget => mem::forget(leases),
            Guard::Requeue => leases.requeue(),
        }
        let taken: Vec<Under> = seen
            .into_iter()
            .map(|(id, attempt)| self.take(id, Some(attempt)))
            .collect();
        match guard {
            Guard::Finish | Guard::Drop => {}
            Guard::Requeue => self.give_back(taken),
            Guard::Forget => {
                // Taken back by the next call on that endpoint.
                self.give_back(taken);
                self.receive(who);
            }
        }
    }

    /// This message was received: it was its turn.
    fn take(&mut self, id: u64, attempt: Option<u8>) -> Under {
        let model = &mut self.model;
        let found = match model.back.iter().position(|under| under.id == id) {
            Some(index) => model.back.swap_remove(index),
            None => {
                let under = model.queue.pop_front().expect("a message");
                assert_eq!(under.id, id);
                under
            }
        };
        assert!(attempt.is_none_or(|attempt| attempt == found.attempt));
        found
    }

    fn give_back(&mut self, taken: Vec<Under>) {
        let model = &mut self.model;
        for mut under in taken.into_iter().rev() {
            model.crowded = true;
            under.attempt += 1;
            if under.attempt >= self.attempts {
                model.lost += 1;
                continue;
            }
            model.redelivered += 1;
            if K::KIND.has_many_receivers() {
                model.back.push(under);
            } else {
                model.queue.push_front(under);
            }
        }
    }
}

/// Why, without the message.
fn reason<M>(error: TrySendError<M>) -> TrySendError<()> {
    match error {
        TrySendError::Full(_) => TrySendError::Full(()),
        TrySendError::Closed(_) => TrySendError::Closed(()),
        TrySendError::Disconnected(_) => TrySendError::Disconnected(()),
        TrySendError::Failed(_, failure) => TrySendError::Failed((), failure),
    }
}
