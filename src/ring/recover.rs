//! What survivors do with the slots of the dead, and what a receiver does that
//! gives a message back.
//!
//! Everything here is one compare-and-swap on a word that was loaded before its
//! owner was found dead (R14). The position is part of the value, so a word that has
//! moved on never matches, and of several that recover a slot exactly one succeeds.

use super::layout::Cell;
use super::memory::Memory;
use super::side::{Claim, Held, RedeliveryPolicy};
use super::slot::{SlotState, SlotWord};
use crate::members::{Liveness, MemberId, MemberSet};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// What recovery did to one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Nothing: the word had moved on, or no endpoint holds it.
    Nothing,
    /// A claim without a message: the position is passed over.
    Aborted,
    /// The message will be received again.
    Redelivered,
    /// The message was dropped and counted.
    Lost,
}

/// Adds to a counter. Relaxed would do: counters order nothing.
pub(crate) fn count<M: Memory>(memory: &M, cell: Cell, by: u64) {
    memory.cell(cell).fetch_add(by, Ordering::AcqRel);
}

/// Recovers one slot if its holder is dead. Says whether it is.
pub(crate) fn reclaim<M: Memory>(
    memory: &M,
    liveness: &impl Liveness,
    held: Held,
    policy: RedeliveryPolicy,
) -> bool {
    // The word was loaded before; now the probe, then the swap (R14).
    let is_dead = !liveness.is_alive(held.word.owner());
    if is_dead {
        recover_slot(memory, held, policy);
    }
    is_dead
}

/// Frees the slot of an owner that was found dead *after* `held` was loaded.
pub(crate) fn recover_slot<M: Memory>(
    memory: &M,
    held: Held,
    policy: RedeliveryPolicy,
) -> Recovered {
    let done = recover_silently(memory, held, policy);
    if done == Recovered::Redelivered {
        announce_requeue(memory);
    }
    done
}

fn recover_silently<M: Memory>(memory: &M, held: Held, policy: RedeliveryPolicy) -> Recovered {
    match held.word.state() {
        SlotState::Reading => give_back(memory, held.position, held.word, policy),
        SlotState::Free => Recovered::Nothing,
        // A message that nobody holds.
        SlotState::Published if held.word.owner().0 == 0 => Recovered::Nothing,
        // A claim; or, RV8, the offer of a sender that died, which no receiver has taken.
        SlotState::Claimed | SlotState::Published => {
            let free = memory.geometry().freed(held.word);
            match swap(memory, held.position, held.word, free) {
                true => {
                    failpoint!(Repaired);
                    Recovered::Aborted
                }
                false => Recovered::Nothing,
            }
        }
    }
}

/// Takes a message from the receiver that holds it: back into the ring, or dropped.
/// The caller announces it.
pub(crate) fn give_back<M: Memory>(
    memory: &M,
    position: u64,
    word: SlotWord,
    policy: RedeliveryPolicy,
) -> Recovered {
    let redeliver = policy.redeliver && word.redeliveries() + 1 < policy.max_deliveries;
    let (to, cell, done) = if redeliver {
        (
            word.published_again(),
            Cell::Redelivered,
            Recovered::Redelivered,
        )
    } else {
        (memory.geometry().freed(word), Cell::Lost, Recovered::Lost)
    };
    // R15: counted before and taken back on failure, so that a survivor killed
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
        Recovered::Nothing
    }
}

/// Gives back what `me`, a receiver that is alive, has in hand.
pub(crate) fn give_back_claims<M: Memory>(
    memory: &M,
    me: MemberId,
    claims: impl Iterator<Item = Claim>,
    policy: RedeliveryPolicy,
) {
    for claim in claims {
        // Acquire: as for every other look at the word.
        let word = SlotWord(memory.word(claim.position).load(Ordering::Acquire));
        // Ours, so no other endpoint changes it; a hostile peer may have.
        if word.state() == SlotState::Reading && word.owner() == me {
            give_back(memory, claim.position, word, policy);
        }
    }
}

/// Tells receivers that a message lies behind the head (R12). Release: pairs
/// with the Acquire load in `MultiReceiver::claim_behind`.
pub(crate) fn announce_requeue<M: Memory>(memory: &M) {
    count(memory, Cell::Requeues, 1);
    failpoint!(RequeueAnnounced);
}

/// Recovers every slot that a member of `holders` holds, in one walk over the slots.
/// `is_dead` is asked after each load, before each change (R14): that they were found
/// dead before is the reason to look at slots, and no more. A member that turns out
/// alive is taken out of `holders`, for it recovers by itself; the slots of those that
/// remain were all recovered. Says how many slots it has changed.
///
/// Ends with a requeue announcement even when nothing was found: a survivor before
/// may have died between its change and its announcement (R13).
pub(crate) fn recover_held<M: Memory>(
    memory: &M,
    holders: &mut MemberSet,
    policy: RedeliveryPolicy,
    mut is_dead: impl FnMut(MemberId) -> bool,
) -> usize {
    let mut recovered = 0;
    for position in 0..memory.geometry().capacity() {
        // Acquire: pairs with every change of the word.
        let word = SlotWord(memory.word(position).load(Ordering::Acquire));
        let owner = word.owner();
        if !holders.contains(owner) || word.state() == SlotState::Free {
            continue;
        }
        if !is_dead(owner) {
            holders.remove(owner);
            if holders.is_empty() {
                break;
            }
            continue;
        }
        let held = Held { position, word };
        if recover_silently(memory, held, policy) != Recovered::Nothing {
            recovered += 1;
        }
    }
    announce_requeue(memory);
    recovered
}

/// Single receiver: raises the redeliveries of the messages in `done..taken`, which
/// were handed out and not acknowledged, last first (R9).
///
/// `taken` follows each step, so that a receiver that dies here leaves no message
/// raised twice to its successor.
pub(crate) fn give_back_behind<M: Memory>(
    memory: &M,
    done: u64,
    taken: u64,
    policy: RedeliveryPolicy,
) {
    let geometry = memory.geometry();
    let mut position = taken;
    while position != done {
        position = position.wrapping_sub(1);
        let word = SlotWord(memory.word(position).load(Ordering::Acquire));
        if word.agrees_with(geometry.published(position)) {
            give_back(memory, position, word, policy);
        }
        // Release: after the word, in program order; death is precise.
        memory.cell(Cell::Taken).store(position, Ordering::Release);
        failpoint!(TakenLowered);
    }
}

/// Is this a message that a receiver held before? The head passes messages only while
/// a receiver holds them, so no other lies behind it.
pub(crate) fn was_given_back(word: SlotWord) -> bool {
    word.state() == SlotState::Published && word.redeliveries() > 0
}

/// Is there such a message in any slot?
pub(crate) fn any_given_back<M: Memory>(memory: &M) -> bool {
    let mut slots = 0..memory.geometry().capacity();
    slots.any(|slot| was_given_back(SlotWord(memory.word(slot).load(Ordering::Acquire))))
}

/// R14: that very word or nothing. AcqRel: after what the dead member wrote,
/// before the next claim of the slot.
fn swap<M: Memory>(memory: &M, position: u64, from: SlotWord, to: SlotWord) -> bool {
    memory
        .word(position)
        .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}
