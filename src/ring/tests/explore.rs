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
//! step in [`script`]; see `participant.rs` and `channel/waiting.rs`.
//!
//! Accesses take effect in the order in which they are made: weak memory is the
//! matter of the loom models. Sleeping is not modelled.

mod engine;
mod kinds;
mod ledger;
mod mutants;
mod process;
mod script;
mod state;

use super::Terms;
use crate::ring::{Arity, Multi, Single};
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
    terms: Terms,
    /// Senders first.
    roles: Vec<Role>,
    kills: u8,
    /// The dead are succeeded on their id, at any later time.
    heirs: bool,
    /// Who looks for the dead while it waits.
    patrols: Patrols,
    mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patrols {
    /// Nobody: only before `Closed`.
    AtTheEnd,
    Receivers,
    Everybody,
}

impl Setup {
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

fn arity_of<A: Arity>() -> bool {
    A::MULTI
}

const _: (fn() -> bool, fn() -> bool) = (arity_of::<Single>, arity_of::<Multi>);
