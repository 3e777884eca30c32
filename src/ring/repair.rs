//! What survivors do for the dead, and what a receiver does that gives a
//! message back.
//!
//! Everything here is one compare-and-swap on a word that was loaded before
//! its owner was found dead (R14). The position is part of the value, so a
//! word that has moved on never matches, and exactly one repairer succeeds.

use super::memory::Memory;
use super::position::{Owner, State, Word};
use super::{Held, Terms};
use crate::layout::{Cell, TABLE_ENTRIES};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// What repair did to one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repaired {
    /// Nothing: the word had moved on, or nobody holds it.
    Nothing,
    /// A claim without a message: the position is passed over.
    Aborted,
    /// The message will be received again.
    Redelivered,
    /// The message was dropped and counted.
    Lost,
}

/// A set of ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners([u64; TABLE_ENTRIES / 64]);

impl Owners {
    pub(crate) fn only(owner: Owner) -> Owners {
        let mut owners = Owners::default();
        owners.insert(owner);
        owners
    }

    pub(crate) fn insert(&mut self, owner: Owner) {
        self.0[usize::from(owner.0) / 64] |= 1 << (owner.0 % 64);
    }

    fn remove(&mut self, owner: Owner) {
        self.0[usize::from(owner.0) / 64] &= !(1 << (owner.0 % 64));
    }

    pub(crate) fn contains(&self, owner: Owner) -> bool {
        self.0[usize::from(owner.0) / 64] >> (owner.0 % 64) & 1 != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; TABLE_ENTRIES / 64]
    }
}

/// Adds to a counter. Relaxed would do: counters order nothing.
pub(crate) fn count<M: Memory>(memory: &M, cell: Cell, by: u64) {
    memory.cell(cell).fetch_add(by, Ordering::AcqRel);
}

/// Frees the slot of an owner who was found dead *after* `held` was loaded.
pub(crate) fn repair<M: Memory>(memory: &M, held: Held, terms: Terms) -> Repaired {
    let done = repair_quietly(memory, held, terms);
    if done == Repaired::Redelivered {
        announce_requeue(memory);
    }
    done
}

fn repair_quietly<M: Memory>(memory: &M, held: Held, terms: Terms) -> Repaired {
    match held.word.state() {
        State::Claimed => {
            let free = memory.geometry().freed(held.word);
            if swap(memory, held.position, held.word, free) {
                failpoint!(Repaired);
                Repaired::Aborted
            } else {
                Repaired::Nothing
            }
        }
        State::Reading => give_back(memory, held.position, held.word, terms),
        State::Free | State::Published => Repaired::Nothing,
    }
}

/// Takes a message out of a receiver's hands: back into the ring, or dropped.
/// The caller announces it.
pub(crate) fn give_back<M: Memory>(
    memory: &M,
    position: u64,
    word: Word,
    terms: Terms,
) -> Repaired {
    let redeliver = terms.redeliver && word.redeliveries() + 1 < terms.attempts;
    let (to, cell, done) = if redeliver {
        (
            word.published_again(),
            Cell::Redelivered,
            Repaired::Redelivered,
        )
    } else {
        (memory.geometry().freed(word), Cell::Lost, Repaired::Lost)
    };
    // R15: counted before and taken back on failure, so that a repairer killed
    // in between over-reports by one and never hides a loss.
    count(memory, cell, 1);
    if redeliver {
        failpoint!(GivenBackCounted);
    } else {
        failpoint!(LostCounted);
    }
    if swap(memory, position, word, to) {
        failpoint!(Repaired);
        done
    } else {
        count(memory, cell, 1u64.wrapping_neg());
        failpoint!(CountTakenBack);
        Repaired::Nothing
    }
}

/// Tells receivers that a message lies behind the head (R12). Release: pairs
/// with the Acquire load in `MultiReceiver::claim_behind`.
pub(crate) fn announce_requeue<M: Memory>(memory: &M) {
    count(memory, Cell::Requeues, 1);
    failpoint!(RequeueAnnounced);
}

/// Repairs every slot in the hands of one of `owners`, in one walk over the slots.
/// `is_dead` is asked after each load, before each change (R14): that they were
/// found dead before this is why slots are looked at, and no more. Whoever turns
/// out alive is struck off `owners`, for it sweeps itself; what remains was swept.
///
/// Ends with a requeue announcement even when nothing was found: a repairer
/// before us may have died between its change and its announcement (R13).
pub(crate) fn sweep<M: Memory>(
    memory: &M,
    owners: &mut Owners,
    terms: Terms,
    mut is_dead: impl FnMut(Owner) -> bool,
) -> usize {
    let mut repaired = 0;
    for position in 0..memory.geometry().capacity() {
        let word = Word(memory.word(position).load(Ordering::Acquire));
        let owner = word.owner();
        if !owners.contains(owner) || !matches!(word.state(), State::Claimed | State::Reading) {
            continue;
        }
        if !is_dead(owner) {
            owners.remove(owner);
            if owners.is_empty() {
                break;
            }
            continue;
        }
        let held = Held { position, word };
        if repair_quietly(memory, held, terms) != Repaired::Nothing {
            repaired += 1;
        }
    }
    announce_requeue(memory);
    repaired
}

/// Single receiver: raises the attempts of the messages in `done..taken`,
/// which were handed out and not acknowledged, last first (R9).
///
/// `taken` follows each step, so that whoever dies here and is succeeded
/// leaves no message raised twice.
pub(crate) fn give_back_behind<M: Memory>(memory: &M, done: u64, taken: u64, terms: Terms) {
    let geometry = memory.geometry();
    let mut position = taken;
    while position != done {
        position = position.wrapping_sub(1);
        let word = Word(memory.word(position).load(Ordering::Acquire));
        if word.agrees_with(geometry.published(position)) {
            give_back(memory, position, word, terms);
        }
        // Release: after the word, in program order; death is precise.
        memory.cell(Cell::Taken).store(position, Ordering::Release);
        failpoint!(TakenLowered);
    }
}

/// Is this a message that was in somebody's hands before? Messages are passed by
/// the head only in somebody's hands, so no other lies behind it.
pub(crate) fn was_given_back(word: Word) -> bool {
    word.state() == State::Published && word.redeliveries() > 0
}

/// Is there such a message in any slot?
pub(crate) fn any_given_back<M: Memory>(memory: &M) -> bool {
    let mut slots = 0..memory.geometry().capacity();
    slots.any(|slot| was_given_back(Word(memory.word(slot).load(Ordering::Acquire))))
}

/// R14: that very word or nothing. AcqRel: after what the dead one wrote,
/// before whoever takes the slot next.
fn swap<M: Memory>(memory: &M, position: u64, from: Word, to: Word) -> bool {
    memory
        .word(position)
        .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}
