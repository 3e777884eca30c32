//! An exhaustive model of rings with few slots, few messages and few deaths.
//!
//! The endpoints are the real ones. [`process`] runs their code one shared
//! access at a time: an operation is run from its beginning with the results of
//! its earlier accesses replayed, makes one new access, and is suspended at the
//! next. So what a process does next is a function of its local state and of
//! the result of the access, is found out by running the code once, and then
//! looked up. [`engine`] carries the accesses of all processes out in every
//! order on one memory ([`state`]), kills each process at every point, and
//! stores every state that it meets, in full. [`ledger`] says what must hold.
//!
//! What the floors above the ring do (repair of a dead holder, patrols, the
//! last looks before `Closed`, the attachment of an heir) is followed step by
//! step in [`around`]; see `participant.rs` and `channel/waiting.rs`.
//!
//! Accesses take effect in the order in which they are made: weak memory is the
//! matter of the loom models. Sleeping is not modelled.

mod around;
mod engine;
mod kinds;
mod ledger;
mod mutants;
mod process;
mod rules;
mod script;
mod state;

use super::RedeliveryPolicy;
use mutants::Mutant;

/// An endpoint's private state.
pub(in crate::ring) type Saved = [u64; 6];

/// An endpoint that can be stopped and gone on with later.
pub(in crate::ring) trait Snapshot {
    fn save(&self) -> Saved;
    fn load(saved: Saved) -> Self;
}

/// What a sender does, one after the other.
#[derive(Clone, Copy, Debug)]
enum Errand {
    /// Sends so many messages in one operation.
    Send(u8),
    /// Claims a position and gives it up.
    Abandon,
    Close,
}

/// What a receiver does, until the ring is closed or for ever.
#[derive(Clone, Copy, Debug)]
struct Reception {
    /// Reads in place, and acknowledges afterwards.
    leases: bool,
    /// So many messages at a time, at most.
    batch: usize,
    /// So many leases are given back at first.
    requeues: u8,
}

/// One place among the processes, and who takes it.
#[derive(Clone, Debug)]
struct Role {
    errands: Vec<Errand>,
    /// What an heir does there.
    heir_errands: Vec<Errand>,
    /// Receivers have this instead.
    reception: Option<Reception>,
    mortal: bool,
}

/// A bounded world to explore.
#[derive(Clone, Debug)]
struct Setup {
    many_senders: bool,
    many_receivers: bool,
    capacity: u64,
    start: u64,
    terms: RedeliveryPolicy,
    /// Senders first.
    roles: Vec<Role>,
    kills: u8,
    /// The dead are succeeded on their id, at any later time.
    heirs: bool,
    /// Who looks for the dead while it waits.
    patrols: Patrols,
    /// Those of many try the position after their own last one first.
    bets: bool,
    mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patrols {
    /// Nobody: only before `Closed`.
    AtTheEnd,
    Receivers,
    Everybody,
}

/// One message at a time, read in place.
const LEASE: Reception = Reception {
    leases: true,
    batch: 1,
    requeues: 0,
};

/// One message at a time, acknowledged before the user has it.
const RECV: Reception = Reception {
    leases: false,
    ..LEASE
};

/// How many of each side, and how many may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Spsc,
    Mpsc,
    Spmc,
    Mpmc,
}
use Kind::{Mpmc, Mpsc, Spmc, Spsc};

/// A ring without endpoints, to which a test adds what it needs.
fn ring(kind: Kind, capacity: u64) -> Setup {
    Setup {
        many_senders: matches!(kind, Mpsc | Mpmc),
        many_receivers: matches!(kind, Spmc | Mpmc),
        capacity,
        start: 0,
        terms: RedeliveryPolicy {
            redeliver: true,
            attempts: 15,
        },
        roles: Vec::new(),
        kills: 0,
        heirs: false,
        patrols: Patrols::Receivers,
        bets: false,
        mutant: None,
    }
}

impl Setup {
    fn sender(mut self, errands: &[Errand]) -> Self {
        self.roles.push(Role {
            errands: errands.to_vec(),
            heir_errands: Vec::new(),
            reception: None,
            mortal: true,
        });
        self
    }

    /// The ring is closed by somebody who is no endpoint.
    fn closer(self) -> Self {
        self.sender(&[Errand::Close]).immortal()
    }

    fn receivers(mut self, count: usize, reception: Reception) -> Self {
        let role = Role {
            errands: Vec::new(),
            heir_errands: Vec::new(),
            reception: Some(reception),
            mortal: true,
        };
        self.roles.extend(std::iter::repeat_n(role, count));
        self
    }

    /// The process that was added last does not die.
    fn immortal(mut self) -> Self {
        self.roles.last_mut().expect("somebody").mortal = false;
        self
    }

    fn kills(self, kills: u8) -> Self {
        Setup { kills, ..self }
    }

    /// As [`Setup::kills`], and the dead have heirs; those of senders do this.
    fn kills_with_heirs(mut self, kills: u8, errands: &[Errand]) -> Self {
        for role in &mut self.roles {
            role.heir_errands = errands.to_vec();
        }
        Setup {
            kills,
            heirs: true,
            ..self
        }
    }

    fn bets(self) -> Self {
        Setup { bets: true, ..self }
    }

    fn discards(mut self) -> Self {
        self.terms.redeliver = false;
        self
    }

    fn max_deliveries(mut self, attempts: u8) -> Self {
        self.terms.attempts = attempts;
        self
    }

    /// Positions wrap after the first two laps.
    fn over_the_wrap(self) -> Self {
        let start = 0u64.wrapping_sub(2 * self.capacity);
        Setup { start, ..self }
    }

    fn patrols(self, patrols: Patrols) -> Self {
        Setup { patrols, ..self }
    }

    fn without(self, mutant: Mutant) -> Self {
        let mutant = Some(mutant);
        Setup { mutant, ..self }
    }

    /// Is the process no endpoint?
    fn is_closer(&self, role: usize) -> bool {
        matches!(self.roles[role].errands[..], [Errand::Close])
    }

    fn senders(&self) -> usize {
        let all = self.roles.iter();
        all.filter(|role| role.reception.is_none()).count()
    }

    fn closes(&self) -> bool {
        let mut errands = self.roles.iter().flat_map(|role| &role.errands);
        errands.any(|errand| matches!(errand, Errand::Close))
    }

    /// The number of the first message of an errand.
    fn message(&self, role: usize, life: u8, errand: usize) -> u8 {
        let mut number = 0;
        for (at, other) in self.roles.iter().enumerate() {
            for generation in 0..=self.kills {
                let errands = match generation {
                    0 => &other.errands,
                    _ => &other.heir_errands,
                };
                for (index, errand_there) in errands.iter().enumerate() {
                    if (at, generation, index) == (role, life, errand) {
                        return number;
                    }
                    number += match errand_there {
                        Errand::Send(count) => *count,
                        Errand::Abandon => 1,
                        Errand::Close => 0,
                    };
                }
            }
        }
        unreachable!("no such errand")
    }
}
