//! Carries out the same steps on a ring and on the ledger.

use std::time::Duration;

use memring::{
    AttachError, Failure, Receiver, Ring, SendBatchError, SendError, SendTimeoutError, Sender,
    Side, TrySendError,
};
use proptest::prelude::*;

use crate::Cloning;
use crate::answers::split;
use crate::ledger::{Ledger, No};
use crate::loads::Load;

/// Which of the verbs of a call. Those that would block are not tried.
#[derive(Clone, Copy, Debug)]
pub enum Verb {
    Try,
    Blocking,
    NoTime,
}

#[derive(Clone, Copy, Debug)]
pub enum After {
    Keep,
    Drop,
    Forget,
    GiveBack,
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Send(usize, Verb),
    SendBatch(usize, usize, Verb),
    TooLong(usize, usize),
    Reserve(usize, Verb, After),
    Receive(usize, Verb),
    ReceiveBatch(usize, usize, Verb),
    Lease(usize, usize, Verb, After),
    CloneSender(usize),
    CloneReceiver(usize),
    DropSender(usize),
    DropReceiver(usize),
    AttachSender,
    AttachReceiver,
    Close,
}

pub fn step() -> impl Strategy<Value = Step> {
    let who = || 0..4usize;
    let verb =
        || prop_oneof![3 => Just(Verb::Try), 1 => Just(Verb::Blocking), 1 => Just(Verb::NoTime)];
    let after = || {
        let forget = Just(After::Forget);
        prop_oneof![2 => Just(After::Keep), 1 => Just(After::Drop), 1 => forget, 1 => Just(After::GiveBack)]
    };
    prop_oneof![
        12 => (who(), verb()).prop_map(|(who, verb)| Step::Send(who, verb)),
        4 => (who(), 0..7usize, verb()).prop_map(|(who, n, verb)| Step::SendBatch(who, n, verb)),
        1 => (who(), 0..9usize).prop_map(|(who, more)| Step::TooLong(who, more)),
        6 => (who(), verb(), after()).prop_map(|(who, verb, after)| Step::Reserve(who, verb, after)),
        9 => (who(), verb()).prop_map(|(who, verb)| Step::Receive(who, verb)),
        4 => (who(), 0..7usize, verb()).prop_map(|(who, n, verb)| Step::ReceiveBatch(who, n, verb)),
        7 => (who(), 0..4usize, verb(), after())
            .prop_map(|(who, n, verb, after)| Step::Lease(who, n, verb, after)),
        1 => who().prop_map(Step::CloneSender),
        1 => who().prop_map(Step::CloneReceiver),
        1 => who().prop_map(Step::DropSender),
        1 => who().prop_map(Step::DropReceiver),
        2 => Just(Step::AttachSender),
        2 => Just(Step::AttachReceiver),
        1 => prop_oneof![1 => Just(Step::Close), 3 => Just(Step::AttachSender)],
    ]
}

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub capacity: usize,
    pub attempts: u8,
    pub start: u64,
}

pub fn settings() -> impl Strategy<Value = Settings> {
    let capacity = prop_oneof![Just(1usize), Just(2), Just(4), Just(64)];
    let attempts = prop_oneof![1..4u8, Just(15)];
    (capacity, attempts, 0..4usize, any::<u64>()).prop_map(|(capacity, attempts, which, any)| {
        let lap = (1u64 << 48).wrapping_mul(capacity as u64);
        let start = [0, u64::MAX - 3, lap.wrapping_sub(3), any][which];
        Settings {
            capacity,
            attempts,
            start,
        }
    })
}

struct Tx<L: Load, K: Cloning> {
    end: Sender<L::Message, K>,
    /// The position of a grant that was leaked.
    leaked: Option<u64>,
}

struct Rx<L: Load, K: Cloning> {
    end: Receiver<L::Message, K>,
    fresh: bool,
    /// The positions of leases that were leaked.
    leaked: Vec<u64>,
}

struct World<L: Load, K: Cloning> {
    ring: Ring<L::Message, K>,
    ledger: Ledger<L::Owned>,
    senders: Vec<Tx<L, K>>,
    receivers: Vec<Rx<L, K>>,
    seed: u64,
}

pub fn run<L: Load, K: Cloning>(settings: Settings, steps: &[Step]) {
    let ring = Ring::<L::Message, K>::builder()
        .capacity(settings.capacity)
        .max_deliveries(settings.attempts)
        .message_limit(L::LIMIT.unwrap_or(0))
        .start_position(settings.start)
        .anonymous()
        .expect("an anonymous ring");
    let capacity = settings.capacity as u64;
    let mut world = World::<L, K> {
        ledger: Ledger::new(K::KIND, capacity, settings.attempts),
        ring,
        senders: Vec::new(),
        receivers: Vec::new(),
        seed: 0,
    };
    world.check();
    for step in steps {
        world.carry_out(*step);
        world.check();
    }
}

impl<L: Load, K: Cloning> World<L, K> {
    fn carry_out(&mut self, step: Step) {
        let (senders, receivers) = (self.senders.len(), self.receivers.len());
        match step {
            Step::AttachSender => self.attach_sender(),
            Step::AttachReceiver => self.attach_receiver(),
            Step::Close => {
                self.ring.close().unwrap();
                self.ledger.closed = true;
            }
            Step::Send(who, verb) if senders > 0 => self.send(who % senders, verb),
            Step::SendBatch(who, n, verb) if senders > 0 => {
                self.send_batch(who % senders, n, verb);
            }
            Step::TooLong(who, more) if senders > 0 => self.send_too_long(who % senders, more),
            Step::Reserve(who, verb, after) if senders > 0 => {
                self.reserve(who % senders, verb, after);
            }
            Step::CloneSender(who) if senders > 0 && senders < 4 => {
                if let Some(end) = K::clone_sender::<L>(&self.senders[who % senders].end) {
                    self.senders.push(Tx { end, leaked: None });
                    self.ledger.senders = Some(senders + 1);
                }
            }
            Step::DropSender(who) if senders > 0 => {
                let gone = self.senders.remove(who % senders);
                if let Some(position) = gone.leaked {
                    self.ledger.abandon(position);
                }
                self.ledger.senders = Some(senders - 1);
            }
            Step::Receive(who, verb) if receivers > 0 => self.receive(who % receivers, verb),
            Step::ReceiveBatch(who, n, verb) if receivers > 0 => {
                self.receive_batch(who % receivers, n, verb);
            }
            Step::Lease(who, n, verb, after) if receivers > 0 => {
                self.lease(who % receivers, n, verb, after);
            }
            Step::CloneReceiver(who) if receivers > 0 && receivers < 4 => {
                if let Some(end) = K::clone_receiver::<L>(&self.receivers[who % receivers].end) {
                    self.add_receiver(end);
                }
            }
            Step::DropReceiver(who) if receivers > 0 => {
                let gone = self.receivers.remove(who % receivers);
                self.ledger.requeue(&gone.leaked);
                self.ledger.receivers = Some(receivers - 1);
            }
            _ => {} // nobody to do it
        }
    }

    fn check(&mut self) {
        let stats = self.ring.stats();
        assert_eq!(stats.lost, self.ledger.lost);
        assert_eq!(stats.redelivered, self.ledger.redelivered);
        assert_eq!(stats.closed, self.ledger.closed);
        assert!(stats.len <= stats.capacity);
        if self.ledger.plain && !self.ledger.closed {
            assert_eq!(self.ring.len(), self.ledger.len());
            assert_eq!(self.ring.is_empty(), self.ledger.len() == 0);
            assert_eq!(stats.sent, self.ledger.tail);
        }
        for rx in self.receivers.iter().filter(|rx| rx.leaked.is_empty()) {
            assert_eq!(rx.end.is_empty(), self.ledger.next(rx.fresh).is_err());
        }
    }

    fn attach_sender(&mut self) {
        let present = self.senders.len();
        match self.ring.sender() {
            Err(AttachError::Occupied { side, holder }) => {
                assert!(!K::KIND.has_many_senders() && present == 1);
                assert_eq!((side, holder), (Side::Sender, Some(std::process::id())));
            }
            end => {
                assert!(K::KIND.has_many_senders() || present == 0);
                let end = end.expect("room for a sender");
                self.senders.push(Tx { end, leaked: None });
                self.ledger.senders = Some(present + 1);
            }
        }
    }

    fn attach_receiver(&mut self) {
        let present = self.receivers.len();
        match self.ring.receiver() {
            Err(AttachError::Occupied { side, holder }) => {
                assert!(!K::KIND.has_many_receivers() && present == 1);
                assert_eq!((side, holder), (Side::Receiver, Some(std::process::id())));
            }
            end => {
                assert!(K::KIND.has_many_receivers() || present == 0);
                self.add_receiver(end.expect("room for a receiver"));
            }
        }
    }

    fn add_receiver(&mut self, end: Receiver<L::Message, K>) {
        let leaked = Vec::new();
        self.receivers.push(Rx {
            end,
            fresh: true,
            leaked,
        });
        self.ledger.receivers = Some(self.receivers.len());
    }

    fn value(&mut self) -> L::Owned {
        self.seed += 1;
        L::make(self.seed)
    }

    /// A call of a sender gives up the grant that it leaked.
    fn begin_send(&mut self, who: usize) {
        if let Some(position) = self.senders[who].leaked.take() {
            self.ledger.abandon(position);
        }
    }

    fn send(&mut self, who: usize, verb: Verb) {
        self.begin_send(who);
        let value = self.value();
        let expected = self.ledger.send(value.clone());
        let end = &mut self.senders[who].end;
        let message = L::borrow(&value);
        let (answer, back) = match verb {
            Verb::Blocking if expected != Err(No::Now) => {
                split(end.send(message), SendError::into_message)
            }
            Verb::NoTime => split(
                end.send_timeout(message, Duration::ZERO),
                SendTimeoutError::into_message,
            ),
            _ => split(end.try_send(message), TrySendError::into_message),
        };
        assert_eq!(answer, expected);
        if let Some(back) = back {
            assert_eq!(L::own(back), value, "the message comes back");
        }
    }

    fn send_batch(&mut self, who: usize, count: usize, verb: Verb) {
        let values: Vec<L::Owned> = (0..count).map(|_| self.value()).collect();
        if count > 0 {
            self.begin_send(who);
        }
        let mut expected = Ok(0);
        for value in &values {
            match self.ledger.send(value.clone()) {
                Ok(()) => expected = expected.map(|sent| sent + 1),
                Err(no) => {
                    // As far as it went, for those who do not wait.
                    expected = Err((expected.unwrap_or_default(), no));
                    break;
                }
            }
        }
        let end = &mut self.senders[who].end;
        let messages = values.iter().map(L::borrow);
        match (verb, expected) {
            (Verb::Blocking, Ok(_) | Err((_, No::Closed | No::Disconnected))) => {
                match (end.send_batch(messages), expected) {
                    (Ok(sent), Ok(expected)) => assert_eq!(sent, expected),
                    (Err(SendBatchError { sent, cause, .. }), Err((expected, no))) => {
                        assert_eq!((sent, No::from(&cause)), (expected, no));
                        assert_eq!(L::own(cause.into_message()), values[sent]);
                    }
                    (found, expected) => panic!("{:?} for {expected:?}", found.map_err(|e| e.sent)),
                }
            }
            (_, Ok(expected)) => assert_eq!(end.try_send_batch(messages).ok(), Some(expected)),
            (_, Err(expected)) => {
                let error = end.try_send_batch(messages).unwrap_err();
                assert_eq!((error.sent, No::from(&error.cause)), expected);
                assert_eq!(L::own(error.cause.into_message()), values[error.sent]);
            }
        }
    }

    fn send_too_long(&mut self, who: usize, more: usize) {
        let Some(message) = L::too_long(more) else {
            return;
        };
        let (length, limit) = (L::LIMIT.unwrap() + 1 + more, L::LIMIT.unwrap());
        let end = &mut self.senders[who].end;
        match end.try_send(L::borrow(&message)) {
            Err(TrySendError::Failed(back, failure)) => {
                assert_eq!(failure, Failure::TooLong { length, limit });
                assert_eq!(L::own(back), message);
            }
            other => panic!("{other:?}"),
        }
    }

    fn reserve(&mut self, who: usize, verb: Verb, after: After) {
        self.begin_send(who);
        let value = self.value();
        let expected = self.ledger.claim();
        let tx = &mut self.senders[who];
        let answer = match verb {
            Verb::Blocking if expected != Err(No::Now) => {
                tx.end.reserve().map_err(|e| No::from(&e))
            }
            Verb::NoTime => (tx.end.reserve_timeout(Duration::ZERO)).map_err(|e| No::from(&e)),
            _ => tx.end.try_reserve().map_err(|e| No::from(&e)),
        };
        match (answer, expected) {
            (Ok(mut grant), Ok(position)) => {
                grant.write(L::borrow(&value)).unwrap();
                match after {
                    After::Keep | After::GiveBack => {
                        grant.commit().unwrap();
                        self.ledger.commit(position, value);
                    }
                    After::Drop => {
                        drop(grant);
                        self.ledger.abandon(position);
                    }
                    After::Forget => {
                        std::mem::forget(grant);
                        tx.leaked = Some(position);
                        // With many senders, a claim counts as under way.
                        self.ledger.plain = false;
                    }
                }
            }
            (answer, expected) => assert_eq!(answer.err(), expected.err()),
        }
    }

    /// A call of a receiver gives back the leases that it leaked.
    fn begin_receive(&mut self, who: usize) {
        let leaked = std::mem::take(&mut self.receivers[who].leaked);
        self.ledger.requeue(&leaked);
    }

    /// What the next call for up to `max` messages will get: positions. It looks
    /// for no more than there are slots, so it may not find out that there are
    /// no more.
    fn expect(&mut self, who: usize, max: usize) -> Result<Vec<u64>, No> {
        self.begin_receive(who);
        let max = max.min(self.ring.capacity());
        let mut taken = Vec::new();
        while taken.len() < max {
            match self.ledger.take(&mut self.receivers[who].fresh) {
                Ok(position) => taken.push(position),
                Err(no) if taken.is_empty() => return Err(no),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    fn receive(&mut self, who: usize, verb: Verb) {
        let expected = self.expect(who, 1);
        let end = &mut self.receivers[who].end;
        let answer = match verb {
            Verb::Blocking if expected != Err(No::Now) => end.recv().map_err(|e| No::from(&e)),
            Verb::NoTime => end.recv_timeout(Duration::ZERO).map_err(|e| No::from(&e)),
            _ => end.try_recv().map_err(|e| No::from(&e)),
        };
        match (answer, expected) {
            (Ok(message), Ok(positions)) => {
                assert_eq!(message, self.ledger.value(positions[0]).0);
                self.ledger.release(&positions);
            }
            (answer, expected) => assert_eq!(answer.err(), expected.err()),
        }
    }

    fn receive_batch(&mut self, who: usize, max: usize, verb: Verb) {
        let mut messages = vec![L::make(0)];
        if max == 0 {
            let end = &mut self.receivers[who].end;
            assert_eq!(end.try_recv_batch(&mut messages, 0), Ok(0));
            return;
        }
        // Acknowledged one by one, so that what was given back by the first
        // claim is all there is to know.
        let expected = self.expect(who, max);
        let end = &mut self.receivers[who].end;
        let answer = match verb {
            Verb::Blocking if expected != Err(No::Now) => {
                (end.recv_batch(&mut messages, max)).map_err(|e| No::from(&e))
            }
            _ => (end.try_recv_batch(&mut messages, max)).map_err(|e| No::from(&e)),
        };
        let positions = expected.clone().unwrap_or_default();
        assert_eq!(answer, expected.map(|positions| positions.len()));
        let values = positions.iter().map(|at| self.ledger.value(*at).0);
        let values: Vec<_> = std::iter::once(L::make(0)).chain(values).collect();
        assert_eq!(messages, values);
        self.ledger.release(&positions);
    }

    fn lease(&mut self, who: usize, max: usize, verb: Verb, after: After) {
        // A batch of at most none is one of at most one.
        let expected = self.expect(who, max.max(1));
        let rx = &mut self.receivers[who];
        let answer = match verb {
            Verb::Blocking if expected != Err(No::Now) => {
                rx.end.lease_batch(max).map_err(|e| No::from(&e))
            }
            _ => rx.end.try_lease_batch(max).map_err(|e| No::from(&e)),
        };
        let (batch, positions) = match (answer, expected) {
            (Ok(batch), Ok(positions)) => (batch, positions),
            (answer, expected) => return assert_eq!(answer.err(), expected.err()),
        };
        assert_eq!(batch.len(), positions.len());
        for (leased, position) in batch.iter().zip(&positions) {
            let (value, given_back) = self.ledger.value(*position);
            assert_eq!((leased.read(), leased.redeliveries()), (value, given_back));
            assert_eq!(leased.is_redelivered(), given_back > 0);
        }
        assert!(batch.get(positions.len()).is_none());
        match after {
            After::Keep | After::Drop => {
                match after {
                    After::Keep => batch.release(),
                    _ => drop(batch),
                }
                self.ledger.release(&positions);
            }
            After::GiveBack => {
                batch.requeue();
                self.ledger.requeue(&positions);
            }
            After::Forget => {
                std::mem::forget(batch);
                rx.leaked = positions;
            }
        }
    }
}
