//! What the floors above the ring do around an operation: attaching, patrols, and
//! the way on from a look that found nothing.

use super::Snapshot;
use super::ledger::Event;
use super::mutants::Mutant;
use super::process::{Local, ask, note};
use super::script::{Cast, Look, Stage};
use super::state::{Act, DEAD, DIRTY, LOCKS};
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::recover::{self, MemberSet};
use crate::ring::slot::SlotWord;
use crate::ring::{Arity, Held, ReceiveSide, SendSide};
use crate::sys::atomic::Ordering;

fn start(is_sender: bool) -> Stage {
    if is_sender {
        Stage::Errand
    } else {
        Stage::Take(Look::First)
    }
}

/// `Participant::attach`, after the lock.
pub(super) fn attach_entry(cast: &Cast, local: &mut Local) -> Stage {
    let memory = &cast.places;
    let id = cast.codec.owner(local.role);
    match local.stage {
        Stage::Enter => {
            let entry = memory.entry(local.role).load(Ordering::Acquire) as u8;
            let dirty = entry & DIRTY != 0;
            if dirty && !cast.is_mutant(Mutant::UseBeforeSweep) {
                Stage::SweepOwn { entry }
            } else {
                Stage::Register { entry }
            }
        }
        Stage::SweepOwn { entry } => {
            recover::recover_held(memory, &mut MemberSet::only(id), cast.setup.terms, |_| true);
            note(Event::GaveBack);
            Stage::Register { entry }
        }
        Stage::Register { entry } => {
            let taken = ((entry & !DIRTY) + 2) | DIRTY;
            memory
                .entry(local.role)
                .store(taken.into(), Ordering::Release);
            Stage::Attach
        }
        _ => unreachable!(),
    }
}

pub(super) fn attach<S: Arity, R: Arity>(cast: &Cast, local: &mut Local, is_sender: bool) -> Stage
where
    S::Sender<R>: Snapshot,
    R::Receiver<S>: Snapshot,
{
    let memory = &cast.places;
    let me = cast.codec.owner(local.role);
    let side = if is_sender {
        <S::Sender<R>>::attach(memory, me).map(|side| side.save())
    } else {
        <R::Receiver<S>>::attach(memory, me, cast.setup.terms).map(|side| side.save())
    };
    match side {
        Ok(side) => local.side = cast.remembered(local.role, side),
        Err(impossible) => {
            note(Event::Wrong(impossible.what));
            return Stage::Done;
        }
    }
    if cast.is_mutant(Mutant::NoFirstLookBehind) && !is_sender {
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        (local.side[1], local.side[2]) = (1, requeues);
    }
    start(is_sender)
}

/// `channel::waiting::missed`, and `participant::clear`.
pub(super) fn miss(cast: &Cast, local: &mut Local, is_sender: bool) -> Stage {
    let memory = &cast.places;
    let again = match is_sender {
        true => Stage::Begin,
        false => Stage::Take(Look::First),
    };
    match local.stage {
        Stage::Miss(obstacle) => {
            let closed = memory.cell(Cell::Closed).load(Ordering::Acquire) != 0;
            match obstacle {
                _ if closed && is_sender => Stage::Done,
                _ if closed && cast.is_mutant(Mutant::NoPatrolAtTheEnd) => {
                    Stage::Take(Look::Second)
                }
                _ if closed => Stage::Patrol { from: 0 },
                Some((position, word)) => Stage::Clear { position, word },
                None => again,
            }
        }
        Stage::Clear { position, word } => {
            let word = SlotWord(word);
            // R14: the word was loaded before; now the probe, then the swap.
            if cast.is_dead(local, cast.codec.process(word.owner())) {
                recover::recover_slot(memory, Held { position, word }, cast.setup.terms);
            }
            again
        }
        _ => unreachable!(),
    }
}

/// `participant::patrol` and `bury`. Loading the entry and probing its holder
/// are one step: an entry that changes in between does so only by an heir.
pub(super) fn patrol(cast: &Cast, local: &mut Local) -> Stage {
    let memory = &cast.places;
    let is_sender = (local.role as usize) < cast.setup.senders();
    let on = |patrol: bool, dead: u8| match patrol {
        true => Stage::Patrol { from: dead + 1 },
        false if is_sender => Stage::Begin,
        false => Stage::Take(Look::First),
    };
    match local.stage {
        Stage::Patrol { from } => {
            let roles = cast.setup.roles.len() as u8;
            let others = |process: &u8| {
                *process != local.role
                    && cast.is_one_of_many(*process)
                    && !cast.setup.is_closer(*process as usize)
            };
            let Some(process) = (from..roles).find(others) else {
                return Stage::Take(Look::Second);
            };
            let found = ask(LOCKS + process, Act::Survey);
            let entry = found as u8;
            if found & DEAD != 0 && entry & DIRTY != 0 {
                Stage::Bury {
                    dead: process,
                    entry,
                    patrol: true,
                }
            } else {
                Stage::Patrol { from: process + 1 }
            }
        }
        Stage::Bury {
            dead,
            entry,
            patrol,
        } => {
            let id = cast.codec.owner(dead);
            let mut owners = MemberSet::only(id);
            recover::recover_held(memory, &mut owners, cast.setup.terms, |_| {
                cast.is_dead(local, dead)
            });
            if owners.is_empty() && !cast.is_mutant(Mutant::CleanBesideHeir) {
                return on(patrol, dead); // who holds the lock, and sweeps
            }
            Stage::MarkClean {
                dead,
                entry,
                patrol,
            }
        }
        Stage::MarkClean {
            dead,
            entry,
            patrol,
        } => {
            let clean = u64::from(entry & !DIRTY);
            let _ = memory.entry(dead).compare_exchange(
                entry.into(),
                clean,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            on(patrol, dead)
        }
        _ => unreachable!(),
    }
}
