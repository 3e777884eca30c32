//! The sender of a rendezvous ring.

use super::waiter::bind;
use super::{Handover, TRIES};
use crate::error::Corruption;
use crate::members::{Liveness, MemberId};
use crate::ring::memory::Memory;
use crate::ring::side::{ClaimError, Held, RedeliveryPolicy};
use crate::ring::slot::{SlotState, SlotWord};
use crate::ring::{end, recover};
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

/// The receiver that a sender that does not wait has left its message to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Left {
    /// To this receiver, which waits and is bound to it.
    ToWaiting(MemberId),
    /// To a receiver that has taken it by itself.
    ToTaker,
    /// It was taken back.
    Not,
}

/// One sender of a rendezvous ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GivingSide {
    me: MemberId,
    /// The slot that it tries first: that of its last offer.
    slot: u64,
    /// Where the message is that it offers while no call waits for it: that of a future.
    pub(crate) offered: Option<u64>,
}

/// Slot words that share a cache line: senders begin so far from each other.
const SPREAD: u64 = 8;

impl GivingSide {
    pub(crate) fn new(me: MemberId) -> Self {
        let slot = u64::from(me.0).wrapping_sub(1).wrapping_mul(SPREAD);
        GivingSide {
            me,
            slot,
            offered: None,
        }
    }

    /// That of a clone of its sender, which offers nothing.
    pub(crate) fn for_clone(&self) -> Self {
        GivingSide {
            offered: None,
            ..self.clone()
        }
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
            _ => Err(Self::corruption(position, word)),
        }
    }

    fn corruption(position: u64, word: SlotWord) -> Corruption {
        Corruption {
            what: "slot word of an offer",
            position,
            found: word.0,
        }
    }

    /// Takes the offer at `position` back, unless a receiver has it (RV3): never `Offered`.
    pub(crate) fn take_back<M: Memory>(
        &self,
        memory: &M,
        position: u64,
    ) -> Result<HandoverState, Corruption> {
        let slot = memory.word(position);
        let mut word = Self::load(memory, position);
        for _ in 0..TRIES {
            let state = Self::interpret(memory, position, word)?;
            if state != HandoverState::Offered {
                return Ok(state);
            }
            let free = memory.geometry().freed(word);
            // The one decision between taken and taken back. AcqRel: as every change of the
            // word that others made and will make.
            let swapped =
                slot.compare_exchange(word.0, free.0, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
                Ok(_) => {
                    failpoint!(OfferTakenBack);
                    return Ok(HandoverState::TakenBack);
                }
                Err(found) => word = SlotWord(found),
            }
        }
        Err(Self::corruption(position, word))
    }

    /// For a sender that does not wait: binds a receiver that waits and is alive to the offer
    /// at `position` (RV10, RV11). If there is none the offer is taken back, unless a receiver
    /// has it.
    pub(crate) fn leave_or_take_back<M: Handover>(
        &self,
        memory: &M,
        liveness: &impl Liveness,
        position: u64,
    ) -> Result<Left, Corruption> {
        for _ in 0..TRIES {
            let Some(binding) = bind(memory, position) else {
                break;
            };
            // RV10: first the binding, then the probe.
            if liveness.is_alive(binding.receiver()) {
                self.leave(memory, position);
                return Ok(Left::ToWaiting(binding.receiver()));
            }
            binding.undo(memory);
        }
        Ok(match self.take_back(memory, position)? {
            HandoverState::TakenBack => Left::Not,
            // RV11: a receiver has it, or had it.
            _ => Left::ToTaker,
        })
    }

    /// At the end of the time: takes the offer at `position` back, unless a receiver that is
    /// alive has it (RV3). What a dead one has is given back first (RV6).
    pub(crate) fn give_up<M: Memory>(
        &self,
        memory: &M,
        liveness: &impl Liveness,
        policy: RedeliveryPolicy,
        position: u64,
    ) -> Result<HandoverState, Corruption> {
        for _ in 0..TRIES {
            let state = self.take_back(memory, position)?;
            let HandoverState::InHand(held) = state else {
                return Ok(state);
            };
            if !recover::reclaim(memory, liveness, held, policy) {
                return Ok(state);
            }
        }
        Err(Self::corruption(position, Self::load(memory, position)))
    }

    /// Leaves the offer at `position` to the receiver that is bound to it (RV11): it is this
    /// sender's no more, and survives it.
    fn leave<M: Memory>(&self, memory: &M, position: u64) {
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
