//! What every call must answer.

use memring::{RingKind, Side};

use super::answer::{Answer, Delivery, Figures, Refusal};
use super::config::Config;
use super::contract::{self, GrantFate, LeaseFate};
use super::members::Members;
use super::message::Format;
use super::positions::Positions;
use super::step::{Call, Guard, MAX_BATCH, Step, Verb};

/// Knows what every call on one ring must answer. One call at a time, in
/// however many processes, so every answer is determined.
#[derive(Clone, Debug)]
pub struct Oracle {
    ring: Positions,
    senders: Members,
    receivers: Members,
    format: Format,
    /// The ids of the processes with endpoints.
    processes: Vec<u32>,
    /// The number of the next message.
    number: u64,
}

impl Oracle {
    /// Of a fresh ring, whose endpoints will be in `processes`.
    pub fn new(kind: RingKind, config: &Config, format: Format, processes: Vec<u32>) -> Oracle {
        Oracle {
            ring: Positions::new(kind, config.capacity(kind), config.max_deliveries()),
            senders: Members::new(kind.has_many_senders()),
            receivers: Members::new(kind.has_many_receivers()),
            format,
            processes,
            number: 1,
        }
    }

    /// What to do for `step`, and what it must answer; `None` if there is no
    /// endpoint that could. From here on the oracle takes it as done.
    pub fn step(&mut self, step: Step) -> Option<(Call, Answer)> {
        let mut call = Call {
            step,
            process: 0,
            slot: 0,
            number: self.number,
        };
        // Of an iterator, which may not say why it ends.
        let mut waits = false;
        let answer = match &mut call.step {
            Step::AttachSender { process } | Step::AttachReceiver { process } => {
                call.process = usize::from(*process) % self.processes.len();
                let side = match step {
                    Step::AttachSender { .. } => Side::Sender,
                    _ => Side::Receiver,
                };
                self.attach(side, call.process, &mut call.slot)?
            }
            Step::CloneSender { who } => {
                call.process = find(&self.senders, who)?;
                call.slot = clone(&mut self.senders, *who)?;
                Answer::Done
            }
            Step::CloneReceiver { who } => {
                call.process = find(&self.receivers, who)?;
                call.slot = clone(&mut self.receivers, *who)?;
                Answer::Done
            }
            Step::DropSender { who } => {
                call.process = find(&self.senders, who)?;
                let leaked = self.senders.remove(*who);
                leaked.iter().for_each(|at| self.ring.abandon(*at));
                Answer::Done
            }
            Step::DropReceiver { who } => {
                call.process = find(&self.receivers, who)?;
                let leaked = self.receivers.remove(*who);
                self.ring.requeue(&leaked);
                Answer::Done
            }
            Step::Send { who, .. } => {
                call.process = find(&self.senders, who)?;
                self.send(*who, 1)
            }
            Step::SendBatch { who, count, .. } => {
                call.process = find(&self.senders, who)?;
                *count %= MAX_BATCH + 1;
                self.send(*who, (*count).into())
            }
            Step::SendTooLong { who, more, .. } => {
                call.process = find(&self.senders, who)?;
                self.send_too_long(*more)?
            }
            Step::Reserve { who, guard, .. } => {
                call.process = find(&self.senders, who)?;
                self.reserve(*who, *guard)
            }
            Step::ReserveChunk {
                who,
                most,
                first,
                guard,
                ..
            } => {
                call.process = find(&self.senders, who)?;
                self.format.limit.is_none().then_some(())?;
                *most %= MAX_BATCH + 1;
                *first %= MAX_BATCH + 1;
                self.reserve_chunk(*who, usize::from(*most).max(1), (*first).into(), *guard)
            }
            Step::Receive { who, .. } => {
                call.process = find(&self.receivers, who)?;
                self.receive(*who, 1)
            }
            Step::ReceiveBatch { who, max, .. } => {
                call.process = find(&self.receivers, who)?;
                *max %= MAX_BATCH + 1;
                self.receive(*who, (*max).into())
            }
            Step::Lease { who, guard, .. } => {
                call.process = find(&self.receivers, who)?;
                self.lease(*who, 1, 0, *guard)
            }
            Step::LeaseBatch {
                who,
                max,
                first,
                guard,
                ..
            }
            | Step::LeaseChunk {
                who,
                max,
                first,
                guard,
                ..
            } => {
                call.process = find(&self.receivers, who)?;
                if let Step::LeaseChunk { .. } = step {
                    self.format.limit.is_none().then_some(())?;
                }
                *max %= MAX_BATCH + 1;
                *first %= MAX_BATCH + 1;
                // A batch of at most none is one of at most one.
                self.lease(*who, usize::from(*max).max(1), (*first).into(), *guard)
            }
            Step::Iterate { who, max, .. } => {
                call.process = find(&self.receivers, who)?;
                *max %= MAX_BATCH + 1;
                let (messages, end) = self.iterate(*who, (*max).into());
                waits = end == Some(Refusal::NotNow);
                Answer::Received {
                    messages,
                    refusal: end.and_then(contract::end_of_iteration),
                }
            }
            Step::IsEmpty { who } => {
                call.process = find(&self.receivers, who)?;
                let endpoint = self.receivers.get(*who);
                Answer::Empty(self.ring.next(endpoint.fresh, false).is_err())
            }
            Step::Close { process } => {
                call.process = usize::from(*process) % self.processes.len();
                self.ring.closed = true;
                Answer::Done
            }
        };
        waits |= answer.refusal() == Some(Refusal::NotNow);
        if let Some(verb @ Verb::Block) = call.step.verb_mut()
            && waits
        {
            *verb = Verb::Try;
        }
        Some((call, answer))
    }

    fn attach(&mut self, side: Side, process: usize, slot: &mut u8) -> Option<Answer> {
        let (members, others) = match side {
            Side::Sender => (&mut self.senders, &self.receivers),
            Side::Receiver => (&mut self.receivers, &self.senders),
        };
        if !members.many && members.count() == 1 {
            let holder = members.get(members.pick(0)?).process;
            let holder = Some(self.processes[holder]);
            return Some(Answer::Occupied { side, holder });
        }
        *slot = members.free()?;
        members.attach(*slot, process, others.unseen());
        Some(Answer::Done)
    }

    /// A call of a sender gives up the grant that it leaked.
    fn begin_send(&mut self, who: u8) {
        let leaked = std::mem::take(&mut self.senders.get_mut(who).leaked);
        leaked.iter().for_each(|at| self.ring.abandon(*at));
    }

    fn receivers_gone(&self, who: u8) -> bool {
        contract::is_disconnected(self.senders.get(who), &self.receivers)
    }

    /// Messages from `self.number` on, as many as there is room for. (A batch of
    /// none does nothing at all.)
    fn send(&mut self, who: u8, count: usize) -> Answer {
        if count > 0 {
            self.begin_send(who);
        }
        let gone = self.receivers_gone(who);
        let first = self.number;
        self.number += count as u64;
        for sent in 0..count {
            let number = first + sent as u64;
            if let Err(refusal) = self.ring.send(number, gone) {
                return Answer::Sent {
                    count: sent,
                    refusal: Some(refusal),
                    returned: self.returned(number),
                };
            }
        }
        Answer::sent(count)
    }

    /// What an error brings back: of byte messages nothing.
    fn returned(&self, number: u64) -> Option<u64> {
        let is_typed = self.format.limit.is_none();
        is_typed.then(|| (self.format.message)(number))
    }

    /// Refused before anything else is looked at.
    fn send_too_long(&self, more: u8) -> Option<Answer> {
        let limit = self.format.limit?;
        let length = (self.format.too_long)(more)?;
        Some(Answer::Sent {
            count: 0,
            refusal: Some(Refusal::TooLong { length, limit }),
            returned: None,
        })
    }

    /// As a chunk of one message.
    fn reserve(&mut self, who: u8, guard: Guard) -> Answer {
        match self.reserve_chunk(who, 1, 1, guard) {
            Answer::Chunk { sent, .. } => Answer::sent(sent),
            answer => answer,
        }
    }

    /// Places for up to `most` messages; the `first` of them are sent if it is committed,
    /// and the others given up.
    fn reserve_chunk(&mut self, who: u8, most: usize, first: usize, guard: Guard) -> Answer {
        self.begin_send(who);
        let gone = self.receivers_gone(who);
        let number = self.number;
        self.number += most as u64;
        let positions = match self.ring.claim(most, gone) {
            Ok(positions) => positions,
            Err(refusal) => {
                return Answer::Sent {
                    count: 0,
                    refusal: Some(refusal),
                    returned: None,
                };
            }
        };
        let room = positions.len();
        let sent = match contract::grant_fate(guard) {
            GrantFate::Committed => first.min(room),
            GrantFate::Abandoned => 0,
            GrantFate::Leaked => {
                self.senders.get_mut(who).leaked = positions;
                // A claim counts as under way, where it shows.
                self.ring.counts_are_exact &= !self.ring.shows_claims();
                return Answer::Chunk { room, sent: 0 };
            }
        };
        for (position, number) in positions[..sent].iter().zip(number..) {
            self.ring.commit(*position, number);
        }
        let given_up = positions[sent..].iter();
        given_up.for_each(|position| self.ring.abandon(*position));
        Answer::Chunk { room, sent }
    }

    /// Takes up to `max` messages, having given back the leases that the
    /// receiver leaked. A call looks at no more messages than there are slots.
    fn take(&mut self, who: u8, max: usize) -> Result<Vec<u64>, Refusal> {
        let gone = contract::is_disconnected(self.receivers.get(who), &self.senders);
        let endpoint = self.receivers.get_mut(who);
        self.ring.requeue(&std::mem::take(&mut endpoint.leaked));
        let mut taken = Vec::new();
        while taken.len() < max.min(self.ring.capacity()) {
            match self.ring.take(&mut endpoint.fresh, gone) {
                Ok(position) => taken.push(position),
                Err(refusal) if taken.is_empty() => return Err(refusal),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    fn delivery(&self, position: u64) -> Delivery {
        let (number, redeliveries) = self.ring.message(position);
        Delivery {
            message: (self.format.message)(number),
            redeliveries: Some(redeliveries),
        }
    }

    /// Copies, which do not say how often they were given back. A batch of none
    /// is `Ok`, and gives back no leases.
    fn receive(&mut self, who: u8, max: usize) -> Answer {
        let taken = match max {
            0 => Ok(Vec::new()),
            max => self.take(who, max),
        };
        let positions = match taken {
            Ok(positions) => positions,
            Err(refusal) => return Answer::nothing(refusal),
        };
        let mut messages = Vec::new();
        for position in &positions {
            messages.push(Delivery {
                redeliveries: None,
                ..self.delivery(*position)
            });
        }
        self.ring.release(&positions);
        Answer::Received {
            messages,
            refusal: None,
        }
    }

    /// Of the messages that it takes, the `first` are released in any case.
    fn lease(&mut self, who: u8, max: usize, first: usize, guard: Guard) -> Answer {
        let positions = match self.take(who, max) {
            Ok(positions) => positions,
            Err(refusal) => return Answer::nothing(refusal),
        };
        let messages = positions.iter().map(|at| self.delivery(*at)).collect();
        let (first, rest) = positions.split_at(first.min(positions.len()));
        self.ring.release(first);
        match contract::lease_fate(guard) {
            LeaseFate::Released => self.ring.release(rest),
            LeaseFate::Requeued => self.ring.requeue(rest),
            LeaseFate::Leaked => self.receivers.get_mut(who).leaked = rest.to_vec(),
        }
        Answer::Received {
            messages,
            refusal: None,
        }
    }

    /// One message after the other, until there are `max`, or no more: then why.
    fn iterate(&mut self, who: u8, max: usize) -> (Vec<Delivery>, Option<Refusal>) {
        let mut all = Vec::new();
        while all.len() < max {
            match self.receive(who, 1) {
                Answer::Received {
                    messages,
                    refusal: None,
                } => all.extend(messages),
                answer => return (all, answer.refusal()),
            }
        }
        (all, None)
    }

    /// How many senders, and how many receivers.
    pub fn endpoints(&self) -> (usize, usize) {
        (self.senders.count(), self.receivers.count())
    }

    /// Whether every message that was sent was received or lost.
    pub fn is_drained(&self) -> bool {
        self.ring.is_drained()
    }

    /// Checks what the ring says of itself.
    pub fn check(&self, figures: &Figures) {
        let ring = &self.ring;
        let expected = Figures {
            lost: ring.lost,
            redelivered: ring.redelivered,
            closed: ring.closed,
            capacity: ring.capacity(),
            senders: self.senders.entries(),
            receivers: self.receivers.entries(),
            ..*figures
        };
        assert_eq!(*figures, expected);
        assert!(figures.stats_len <= figures.capacity && figures.len <= figures.capacity);
        if ring.counts_are_exact && !ring.closed {
            let expected = Figures {
                sent: ring.tail,
                len: ring.len(),
                is_empty: ring.len() == 0,
                ..expected
            };
            assert_eq!(*figures, expected);
        }
    }
}

/// Makes `who` the slot of that endpoint, and says which process has it.
fn find(members: &Members, who: &mut u8) -> Option<usize> {
    *who = members.pick(*who)?;
    Some(members.get(*who).process)
}

fn clone(members: &mut Members, who: u8) -> Option<u8> {
    let slot = members.free().filter(|_| members.many)?;
    members.clone_to(who, slot);
    Some(slot)
}
