//! The sender of a rendezvous ring.

use super::TRIES;
use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::end;
use crate::ring::memory::Memory;
use crate::ring::side::{ClaimError, Held};
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// What has become of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HandoverState {
    /// No receiver has it.
    Offered,
    /// A receiver has it in hand.
    InHand(Held),
    /// It is over: acknowledged, or dropped and counted (RV4).
    Over,
    /// This sender has taken it back.
    TakenBack,
}

/// One sender of a rendezvous ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GivingSide {
    me: MemberId,
    /// The slot that it tries first: that of its last offer.
    slot: u64,
}

/// Slot words that share a cache line: senders begin so far from each other.
const SPREAD: u64 = 8;

impl GivingSide {
    pub(crate) fn new(me: MemberId) -> Self {
        let slot = u64::from(me.0).wrapping_sub(1).wrapping_mul(SPREAD);
        GivingSide { me, slot }
    }

    /// Takes a free slot: its payload is then the caller's (RV1).
    pub(crate) fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, ClaimError> {
        if end::is_closed(memory) {
            return Err(ClaimError::Closed);
        }
        let geometry = memory.geometry();
        let mut error = ClaimError::NotReady;
        for step in 0..geometry.capacity() {
            let index = geometry.index(self.slot.wrapping_add(step));
            let slot = memory.word(index);
            // Acquire: pairs with what freed it.
            let word = SlotWord(slot.load(Ordering::Acquire));
            if word.state() != SlotState::Free {
                continue;
            }
            let position = geometry.position_of(index, word);
            let claim = geometry.claimed(position, self.me);
            // AcqRel: after the last reader's release, before our payload (R2).
            let claimed =
                slot.compare_exchange(word.0, claim.0, Ordering::AcqRel, Ordering::Relaxed);
            if claimed.is_ok() {
                failpoint!(Claimed);
                self.slot = index;
                return Ok(position);
            }
            error = ClaimError::Contended;
        }
        Err(error)
    }

    /// Offers the message at `position`, whose payload was written (RV1).
    pub(crate) fn offer<M: Memory>(&self, memory: &M, position: u64) {
        let offer = memory.geometry().offered(position, self.me);
        // Release: the payload is written before; pairs with the claim of a receiver.
        memory.word(position).store(offer.0, Ordering::Release);
        failpoint!(Published);
    }

    /// What has become of the offer at `position` (RV3, RV4).
    pub(crate) fn look<M: Memory>(
        &self,
        memory: &M,
        position: u64,
    ) -> Result<HandoverState, Corruption> {
        Self::interpret(memory, position, Self::load(memory, position))
    }

    fn load<M: Memory>(memory: &M, position: u64) -> SlotWord {
        // Acquire: pairs with the receiver's release: what it did before it acknowledged
        // the message comes before the sender's `Ok`.
        SlotWord(memory.word(position).load(Ordering::Acquire))
    }

    fn interpret<M: Memory>(
        memory: &M,
        position: u64,
        word: SlotWord,
    ) -> Result<HandoverState, Corruption> {
        match (memory.geometry().lap_delta(word, position), word.state()) {
            (0, SlotState::Published) => Ok(HandoverState::Offered),
            (0, SlotState::Reading) => Ok(HandoverState::InHand(Held { position, word })),
            (1.., _) => Ok(HandoverState::Over),
            _ => Err(Corruption {
                what: "slot word of an offer",
                position,
                found: word.0,
            }),
        }
    }

    /// Takes the offer at `position` back, unless a receiver has it (RV3). `Offered` if
    /// others changed the word again and again: worth another try.
    pub(crate) fn take_back<M: Memory>(
        &self,
        memory: &M,
        position: u64,
    ) -> Result<HandoverState, Corruption> {
        let slot = memory.word(position);
        for _ in 0..TRIES {
            let word = Self::load(memory, position);
            let state = Self::interpret(memory, position, word)?;
            if state != HandoverState::Offered {
                return Ok(state);
            }
            let free = memory.geometry().freed(word);
            // The one decision between taken and taken back. AcqRel: as every change of the
            // word that others made and will make.
            let swapped =
                slot.compare_exchange(word.0, free.0, Ordering::AcqRel, Ordering::Relaxed);
            if swapped.is_ok() {
                failpoint!(OfferTakenBack);
                return Ok(HandoverState::TakenBack);
            }
        }
        Ok(HandoverState::Offered)
    }

    /// Leaves the offer at `position` to the receiver that is bound to it (RV11): it is this
    /// sender's no more, and survives it.
    pub(crate) fn leave<M: Memory>(&self, memory: &M, position: u64) {
        let geometry = memory.geometry();
        let (from, to) = (
            geometry.offered(position, self.me),
            geometry.published(position),
        );
        // Release: the payload was written before. A failure: a receiver has it already.
        let word = memory.word(position);
        let _ = word.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed);
        failpoint!(OfferLeft);
    }
}
