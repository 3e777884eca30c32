//! The receiver of a rendezvous ring.

use super::waiter::WaiterWord;
use super::{Handover, TRIES};
use crate::members::MemberId;
use crate::ring::memory::Memory;
use crate::ring::recover;
use crate::ring::side::{Claim, ClaimError, RedeliveryPolicy};
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// One receiver of a rendezvous ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TakingSide {
    me: MemberId,
    /// One past the slot of the message that it took last: so that every offer has its
    /// turn (RV5).
    next: u64,
    /// Its waiter word, and what it has stored there, while it is announced (RV9).
    announced: Option<(usize, WaiterWord)>,
}

impl TakingSide {
    pub(crate) fn new(me: MemberId) -> Self {
        TakingSide {
            me,
            next: 0,
            announced: None,
        }
    }

    /// Takes a message that is offered. One that has announced itself withdraws that first,
    /// and takes what it was bound to, if it was (RV10).
    pub(crate) fn claim<M: Handover>(&mut self, memory: &M) -> Result<Claim, ClaimError> {
        if let Some((index, word)) = self.announced {
            // Acquire: pairs with the swap of a sender that binds.
            let found = memory.waiter(index).load(Ordering::Acquire);
            if found == word.0 && !self.has_message(memory) {
                return Err(ClaimError::NotReady); // and stays announced
            }
            if let Some(claim) = self.withdraw(memory) {
                return Ok(claim);
            }
        }
        let geometry = memory.geometry();
        let mut error = ClaimError::NotReady;
        for step in 0..geometry.capacity() {
            let index = geometry.index(self.next.wrapping_add(step));
            match self.take_at(memory, index, |_| true) {
                Ok(claim) => return Ok(claim),
                Err(ClaimError::NotReady) => {}
                Err(contended) => error = contended,
            }
        }
        Err(error)
    }

    /// Takes the message in the slot of this `index`, if one is offered there and `is_it`.
    fn take_at<M: Memory>(
        &mut self,
        memory: &M,
        index: u64,
        is_it: impl Fn(u64) -> bool,
    ) -> Result<Claim, ClaimError> {
        let (geometry, slot) = (memory.geometry(), memory.word(index));
        for _ in 0..TRIES {
            // Acquire: as for the swap.
            let word = SlotWord(slot.load(Ordering::Acquire));
            let position = geometry.position_of(index, word);
            if word.state() != SlotState::Published || !is_it(position) {
                return Err(ClaimError::NotReady);
            }
            let reading = word.reading(self.me);
            // C2. AcqRel: after the payload was written, before we read. A failure: taken by
            // another, or taken back; or it was left by its sender, and can still be taken.
            let taken =
                slot.compare_exchange(word.0, reading.0, Ordering::AcqRel, Ordering::Relaxed);
            if taken.is_ok() {
                failpoint!(Taken);
                self.next = index.wrapping_add(1);
                return Ok(Claim {
                    position,
                    redeliveries: word.redeliveries(),
                });
            }
        }
        Err(ClaimError::Contended)
    }

    /// Announces that this receiver waits, unless it has (RV9). If no word is free it waits
    /// all the same, and `try_send` does not see it. Says whether it has announced itself now:
    /// senders may wait for that.
    pub(crate) fn announce<M: Handover>(&mut self, memory: &M) -> bool {
        if self.announced.is_some() {
            return false;
        }
        for step in 0..memory.waiters() {
            let index = (usize::from(self.me.0) + step) % memory.waiters();
            let cell = memory.waiter(index);
            // Acquire: pairs with the swap that freed it.
            let word = WaiterWord(cell.load(Ordering::Acquire));
            if !word.is_idle() {
                continue;
            }
            let waiting = word.announced(self.me);
            // AcqRel: pairs with the load and the swap of a sender that binds.
            let swapped =
                cell.compare_exchange(word.0, waiting.0, Ordering::AcqRel, Ordering::Relaxed);
            if swapped.is_ok() {
                failpoint!(WaiterAnnounced);
                self.announced = Some((index, waiting));
                return true;
            }
        }
        false
    }

    /// Withdraws the announcement, if there is one. What it was bound to is taken, if it is
    /// still there (RV10): it is what the call ends with, whatever else it would end with.
    pub(crate) fn withdraw<M: Handover>(&mut self, memory: &M) -> Option<Claim> {
        let (index, word) = self.announced.take()?;
        let cell = memory.waiter(index);
        let idle = word.idle();
        // AcqRel: as every change of the word; after a binding, after the offer.
        let found = cell.compare_exchange(word.0, idle.0, Ordering::AcqRel, Ordering::Acquire);
        let found = match found {
            Ok(_) => {
                failpoint!(WaiterFreed);
                return None;
            }
            Err(found) => WaiterWord(found),
        };
        if !found.binds(word) {
            return None; // no sequence of operations leads here, and it does no harm
        }
        let slot = memory.geometry().index(found.position());
        let claim = self.take_at(memory, slot, |position| found.is_bound_to(position));
        // Ours: no other endpoint changes a word that is bound.
        let _ = cell.compare_exchange(found.0, idle.0, Ordering::AcqRel, Ordering::Relaxed);
        failpoint!(WaiterFreed);
        claim.ok()
    }

    /// Withdraws the announcement, if there is one, of a wait that is given up. What it was
    /// bound to stays for another receiver, as if this one had died (RV11). Says whether it
    /// was bound.
    pub(crate) fn abandon<M: Handover>(&mut self, memory: &M) -> bool {
        let Some((index, word)) = self.announced.take() else {
            return false;
        };
        let cell = memory.waiter(index);
        let idle = word.idle().0;
        // AcqRel: as every change of the word.
        let found = cell.compare_exchange(word.0, idle, Ordering::AcqRel, Ordering::Acquire);
        let bound = found.err().map(WaiterWord).filter(|it| it.binds(word));
        if let Some(bound) = bound {
            // Ours: no other endpoint changes a word that is bound.
            let _ = cell.compare_exchange(bound.0, idle, Ordering::AcqRel, Ordering::Relaxed);
        }
        failpoint!(WaiterFreed);
        bound.is_some()
    }

    /// That of a clone of its receiver, which has announced nothing.
    pub(crate) fn for_clone(&self) -> Self {
        TakingSide {
            announced: None,
            ..self.clone()
        }
    }

    /// Acknowledges a message: its sender returns `Ok` (RV4).
    pub(crate) fn release<M: Memory>(&mut self, memory: &M, claim: Claim) {
        let geometry = memory.geometry();
        let next_lap = claim.position.wrapping_add(geometry.capacity());
        // Release: what we did with the message comes first; pairs with the sender's look.
        memory
            .word(claim.position)
            .store(geometry.free(next_lap).0, Ordering::Release);
        failpoint!(SlotFreed);
    }

    /// Gives messages back, to be taken again (RV6).
    pub(crate) fn requeue<M: Memory>(
        &mut self,
        memory: &M,
        claims: impl Iterator<Item = Claim>,
        policy: RedeliveryPolicy,
    ) {
        recover::give_back_claims(memory, self.me, claims, policy);
    }

    /// Whether a message is offered.
    pub(crate) fn has_message<M: Memory>(&self, memory: &M) -> bool {
        self.count_messages(memory, 1) > 0
    }

    /// How many messages are offered, `most` at most.
    pub(crate) fn count_messages<M: Memory>(&self, memory: &M, most: usize) -> usize {
        // Acquire: as for the claim, which may follow.
        let load = |index| SlotWord(memory.word(index).load(Ordering::Acquire));
        let slots = (0..memory.geometry().capacity()).map(load);
        let offered = slots.filter(|word| word.state() == SlotState::Published);
        offered.take(most).count()
    }
}
