//! The words in which receivers announce that they wait, and in which senders that do not
//! wait bind them to a message.
//!
//! ```text
//! waiter word, 64 bits:  sequence (26) | position (26) | state (2) | owner (10)
//! ```

use super::Handover;
use crate::members::{Liveness, MemberId};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

const OWNER_BITS: u32 = 10;
const STATE_SHIFT: u32 = OWNER_BITS;
const POSITION_SHIFT: u32 = STATE_SHIFT + 2;
const POSITION_BITS: u32 = 26;
const SEQUENCE_SHIFT: u32 = POSITION_SHIFT + POSITION_BITS;

const OWNER_MASK: u64 = (1 << OWNER_BITS) - 1;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

const WAITING: u64 = 1;
const BOUND: u64 = 2;

/// One value of a waiter word. All zeroes: no receiver has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WaiterWord(pub u64);

impl WaiterWord {
    fn state(self) -> u64 {
        self.0 >> STATE_SHIFT & 0b11
    }

    pub(crate) fn owner(self) -> MemberId {
        MemberId((self.0 & OWNER_MASK) as u16)
    }

    fn sequence(self) -> u64 {
        self.0 >> SEQUENCE_SHIFT
    }

    pub(crate) fn is_idle(self) -> bool {
        self.state() == 0
    }

    pub(crate) fn is_waiting(self) -> bool {
        self.state() == WAITING
    }

    /// Whether this is what a sender makes of `waiting`.
    pub(super) fn binds(self, waiting: WaiterWord) -> bool {
        self.bound_to(0) == waiting.bound_to(0) && self.state() == BOUND
    }

    /// The next announcement, by `owner`.
    pub(super) fn announced(self, owner: MemberId) -> WaiterWord {
        let sequence = self.sequence().wrapping_add(1) << SEQUENCE_SHIFT;
        WaiterWord(sequence | WAITING << STATE_SHIFT | u64::from(owner.0) & OWNER_MASK)
    }

    /// The same announcement, bound to the message at `position`.
    pub(super) fn bound_to(self, position: u64) -> WaiterWord {
        let kept = self.0 & (u64::MAX << SEQUENCE_SHIFT | OWNER_MASK);
        WaiterWord(kept | (position & POSITION_MASK) << POSITION_SHIFT | BOUND << STATE_SHIFT)
    }

    /// No receiver has it any more.
    pub(super) fn idle(self) -> WaiterWord {
        WaiterWord(self.sequence() << SEQUENCE_SHIFT)
    }

    /// Whether it is bound to the message at `position`. (Of positions that are a multiple
    /// of 2^26 apart this says the same. It does no harm: a receiver that is bound may take
    /// any message that is offered.)
    pub(super) fn is_bound_to(self, position: u64) -> bool {
        self.bound_to(position) == self
    }

    /// The low bits of the position that it is bound to.
    pub(super) fn position(self) -> u64 {
        self.0 >> POSITION_SHIFT & POSITION_MASK
    }
}

/// Whether a receiver has announced itself, alive or dead.
pub(crate) fn any_waiting<M: Handover>(memory: &M) -> bool {
    // Acquire: pairs with the announcement (RV9).
    let load = |index| WaiterWord(memory.waiter(index).load(Ordering::Acquire));
    (0..memory.waiters()).any(|index| load(index).is_waiting())
}

/// Whether a receiver that is alive has announced itself. A system call for each.
pub(crate) fn any_living_waiting<M: Handover>(memory: &M, liveness: &impl Liveness) -> bool {
    // Acquire: as in `any_waiting`.
    let load = |index| WaiterWord(memory.waiter(index).load(Ordering::Acquire));
    let words = (0..memory.waiters()).map(load);
    let mut waiting = words.filter(|word| word.is_waiting());
    waiting.any(|word| liveness.is_alive(word.owner()))
}

/// A receiver that is bound to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    index: usize,
    word: WaiterWord,
}

impl Binding {
    /// The receiver.
    pub(super) fn receiver(self) -> MemberId {
        self.word.owner()
    }

    /// Takes the binding back: the receiver is dead (RV10).
    pub(super) fn undo<M: Handover>(self, memory: &M) {
        // AcqRel: as every change of the word. A failure: it was recovered.
        let (from, to) = (self.word.0, self.word.idle().0);
        let word = memory.waiter(self.index);
        let _ = word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        failpoint!(WaiterFreed);
    }
}

/// Binds a receiver that waits to the message at `position`, which is offered (RV10).
pub(super) fn bind<M: Handover>(memory: &M, position: u64) -> Option<Binding> {
    for index in 0..memory.waiters() {
        let cell = memory.waiter(index);
        // Acquire: pairs with the announcement (RV9).
        let word = WaiterWord(cell.load(Ordering::Acquire));
        if !word.is_waiting() {
            continue;
        }
        let bound = word.bound_to(position);
        // AcqRel: after the offer; pairs with the receiver's look at its word.
        let swapped = cell.compare_exchange(word.0, bound.0, Ordering::AcqRel, Ordering::Relaxed);
        if swapped.is_ok() {
            failpoint!(WaiterBound);
            return Some(Binding { index, word: bound });
        }
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The examples of `docs/format.md`.
    #[test]
    fn waiter_words_are_encoded_as_documented() {
        let waiting = WaiterWord(0).announced(MemberId(513));
        assert_eq!(waiting.0, 0x0000_0040_0000_0601);
        let bound = waiting.bound_to(70);
        assert_eq!(bound.0, 0x0000_0040_0004_6a01);
        assert_eq!(bound.idle().0, 0x0000_0040_0000_0000);
        assert!(waiting.is_waiting() && bound.binds(waiting) && bound.idle().is_idle());
        assert!(bound.is_bound_to(70) && !bound.is_bound_to(71) && bound.position() == 70);
        let next = bound.idle().announced(MemberId(513));
        assert!(!bound.binds(next) && !waiting.binds(waiting));
    }
}
