//! What is explored: a ring, its processes, and what they do.

use super::mutants::Mutant;
use crate::members::Role;
use crate::ring::RedeliveryPolicy;
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;

/// What a sender does, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Sends so many messages in one operation.
    Send(u8),
    /// The same by chunks, of as many as there is room for: of one sender and one receiver.
    Chunk(u8),
    /// Claims a position and gives it up.
    Abandon,
    Close,
}

/// What a receiver does, until the ring is closed or for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reception {
    /// Reads in place, and acknowledges afterwards.
    pub leases: bool,
    /// So many messages at a time, at most.
    pub batch: usize,
    /// So many leases are given back at first.
    pub requeues: u8,
    /// Goes on receiving with what it has in hand.
    pub keeps: bool,
    /// Looks at each message before it takes it.
    pub peeks: bool,
}

/// One message at a time, read in place.
pub(super) const LEASE: Reception = Reception {
    leases: true,
    batch: 1,
    requeues: 0,
    keeps: false,
    peeks: false,
};

/// One message at a time, acknowledged before the user has it.
pub(super) const RECV: Reception = Reception {
    leases: false,
    ..LEASE
};

/// What one process does, and those that succeed it on its id.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub ops: Vec<Op>,
    pub successor_ops: Vec<Op>,
    /// Receivers have this instead.
    pub reception: Option<Reception>,
    pub mortal: bool,
}

/// A bounded world to explore.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub many_senders: bool,
    pub many_receivers: bool,
    pub capacity: u64,
    /// Bytes of a message, which decide how one sender and one receiver have it.
    pub size: usize,
    pub start: u64,
    pub policy: RedeliveryPolicy,
    /// Senders first, then the process that closes the ring, then receivers.
    pub plans: Vec<Plan>,
    pub kills: u8,
    /// The dead are succeeded on their id, at any later time.
    pub successors: bool,
    /// Which processes scan while they wait.
    pub scanners: Scanners,
    /// Slots that one recovery may probe for.
    pub max_probes: usize,
    /// Those of many try the position after their own last one first.
    pub fast: bool,
    /// Senders detach when they are done, and receivers report that none is left.
    pub detaches: bool,
    pub mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanners {
    /// None: only before an end is reported, and in attaching.
    Concluding,
    Receivers,
    All,
}

/// How many of each side there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Spsc,
    Mpsc,
    Spmc,
    Mpmc,
}
pub(super) use Shape::{Mpmc, Mpsc, Spmc, Spsc};

/// A ring without endpoints, to which a test adds what it needs.
pub(super) fn ring(shape: Shape, capacity: u64) -> Scenario {
    Scenario {
        many_senders: matches!(shape, Mpsc | Mpmc),
        many_receivers: matches!(shape, Spmc | Mpmc),
        capacity,
        size: 16,
        start: 0,
        policy: RedeliveryPolicy {
            redeliver: true,
            max_deliveries: 15,
        },
        plans: Vec::new(),
        kills: 0,
        successors: false,
        scanners: Scanners::Receivers,
        max_probes: usize::MAX,
        fast: false,
        detaches: false,
        mutant: None,
    }
}

impl Scenario {
    pub(super) fn sender(mut self, ops: &[Op]) -> Self {
        self.plans.push(Plan {
            ops: ops.to_vec(),
            successor_ops: Vec::new(),
            reception: None,
            mortal: true,
        });
        self
    }

    /// The ring is closed by a process that is no endpoint.
    pub(super) fn closer(self) -> Self {
        self.sender(&[Op::Close]).immortal()
    }

    pub(super) fn receivers(mut self, count: usize, reception: Reception) -> Self {
        let plan = Plan {
            ops: Vec::new(),
            successor_ops: Vec::new(),
            reception: Some(reception),
            mortal: true,
        };
        self.plans.extend(std::iter::repeat_n(plan, count));
        self
    }

    /// The process that was added last does not die.
    pub(super) fn immortal(mut self) -> Self {
        self.plans.last_mut().expect("a process").mortal = false;
        self
    }

    /// Receivers do not die.
    pub(super) fn immortal_receivers(mut self) -> Self {
        for plan in &mut self.plans {
            plan.mortal &= plan.reception.is_none();
        }
        self
    }

    pub(super) fn kills(self, kills: u8) -> Self {
        Scenario { kills, ..self }
    }

    /// As [`Scenario::kills`], and the dead have successors; those of senders do this.
    pub(super) fn kills_with_successors(mut self, kills: u8, ops: &[Op]) -> Self {
        for plan in &mut self.plans {
            plan.successor_ops = ops.to_vec();
        }
        Scenario {
            kills,
            successors: true,
            ..self
        }
    }

    pub(super) fn fast(self) -> Self {
        Scenario { fast: true, ..self }
    }

    pub(super) fn detaching(self) -> Self {
        Scenario {
            detaches: true,
            ..self
        }
    }

    pub(super) fn discards(mut self) -> Self {
        self.policy.redeliver = false;
        self
    }

    pub(super) fn max_deliveries(mut self, max_deliveries: u8) -> Self {
        self.policy.max_deliveries = max_deliveries;
        self
    }

    pub(super) fn max_probes(self, max_probes: usize) -> Self {
        Scenario { max_probes, ..self }
    }

    /// Positions wrap after the first two laps; of one sender and one receiver, after the
    /// first messages.
    pub(super) fn over_the_wrap(self) -> Self {
        let back = match self.places() {
            None => 2 * self.capacity,
            Some(places) if places.is_dense() => 2,
            Some(places) => places.line_length().max(2),
        };
        let start = 0u64.wrapping_sub(back);
        Scenario { start, ..self }
    }

    /// Messages of so many bytes.
    pub(super) fn size(self, size: usize) -> Self {
        Scenario { size, ..self }
    }

    pub(super) fn is_one_to_one(&self) -> bool {
        !self.many_senders && !self.many_receivers
    }

    pub(super) fn places(&self) -> Option<Places> {
        let lines = || Places::lines(self.size, self.capacity);
        let dense = Places::dense(self.capacity);
        self.is_one_to_one().then(|| lines().unwrap_or(dense))
    }

    /// Of the slots, or of the positions of a lap.
    pub(super) fn geometry(&self) -> Geometry {
        let lap = self.places().and_then(Places::lap);
        Geometry::new(lap.unwrap_or(self.capacity))
    }

    pub(super) fn scanners(self, scanners: Scanners) -> Self {
        Scenario { scanners, ..self }
    }

    pub(super) fn without(self, mutant: Mutant) -> Self {
        let mutant = Some(mutant);
        Scenario { mutant, ..self }
    }

    /// Is the process no endpoint?
    pub(super) fn is_closer(&self, process: usize) -> bool {
        matches!(self.plans[process].ops[..], [Op::Close])
    }

    /// Processes before the receivers.
    pub(super) fn senders(&self) -> usize {
        let all = self.plans.iter();
        all.filter(|plan| plan.reception.is_none()).count()
    }

    pub(super) fn is_sender(&self, process: u8) -> bool {
        (process as usize) < self.senders()
    }

    /// Is the process on a side of many? Only there do words name their owner.
    pub(super) fn is_one_of_many(&self, process: u8) -> bool {
        match self.is_sender(process) {
            true => self.many_senders,
            false => self.many_receivers,
        }
    }

    pub(super) fn closes(&self) -> bool {
        let mut ops = self.plans.iter().flat_map(|plan| &plan.ops);
        ops.any(|op| matches!(op, Op::Close))
    }

    /// The roles whose entries are kept. A side of one is left out unless receivers ask
    /// whether a sender is left: a scan recovers nothing for it.
    pub(super) fn roles(&self) -> Vec<Role> {
        let (first, receivers) = (1, 1 + self.senders() as u16);
        let closers = (0..self.senders()).filter(|process| self.is_closer(*process));
        let senders = Role {
            index: 0,
            first,
            end: receivers - closers.count() as u16,
        };
        let receivers = Role {
            index: 1,
            first: receivers,
            end: 1 + self.plans.len() as u16,
        };
        let mut roles = Vec::new();
        roles.extend((self.many_senders || self.detaches).then_some(senders));
        roles.extend((self.many_receivers || self.detaches).then_some(receivers));
        roles
    }

    /// Is there an entry for the process?
    pub(super) fn has_entry(&self, process: u8) -> bool {
        !self.is_closer(process as usize) && (self.is_one_of_many(process) || self.detaches)
    }

    /// The number of the first message of an operation.
    pub(super) fn message(&self, process: usize, life: u8, op: usize) -> u8 {
        let mut number = 0;
        for (at, plan) in self.plans.iter().enumerate() {
            for generation in 0..=self.kills {
                let ops = match generation {
                    0 => &plan.ops,
                    _ => &plan.successor_ops,
                };
                for (index, op_there) in ops.iter().enumerate() {
                    if (at, generation, index) == (process, life, op) {
                        return number;
                    }
                    number += match op_there {
                        Op::Send(count) | Op::Chunk(count) => *count,
                        Op::Abandon => 1,
                        Op::Close => 0,
                    };
                }
            }
        }
        unreachable!("no such operation")
    }

    /// May a message be dropped at all, within these bounds?
    pub(super) fn may_lose(&self) -> bool {
        let given_back = self.plans.iter().filter_map(|plan| plan.reception);
        let requeues: u8 = given_back.map(|reception| reception.requeues).sum();
        !self.policy.redeliver || self.policy.max_deliveries <= self.kills + requeues
    }

    /// Are messages marked that were given back?
    pub(super) fn marks_redeliveries(&self) -> bool {
        self.mutant != Some(Mutant::ForgetRedeliveries)
    }
}
