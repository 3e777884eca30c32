//! A side that many endpoints share: the owner is in the slot.
//!
//! A claim is one compare-and-swap on the slot word, so a claim and its owner
//! become visible in one step, and whoever finds the owner dead knows what it
//! held. `tail` and `head` are hints that may lag and never lead. Derived from
//! D. Vyukov's bounded MPMC queue, whose claim is on the shared index instead.

use core::marker::PhantomData;

use super::memory::Memory;
use super::position::{Owner, State, Word, before};
use super::repair;
use super::{Arity, Claim, Held, Impossible, ReceiveSide, SendSide, Stall, Terms};
use crate::layout::Cell;
use crate::points::{Point, reach};
use crate::primitive::Ordering;

#[cfg(all(test, not(loom)))]
mod snapshot;

/// One of many senders.
pub struct MultiSender<R> {
    me: Owner,
    receivers: PhantomData<fn() -> R>,
}

impl<R> Clone for MultiSender<R> {
    fn clone(&self) -> Self {
        MultiSender {
            me: self.me,
            receivers: PhantomData,
        }
    }
}

impl<R: Arity> MultiSender<R> {
    /// Single receiver: is it done with `position - capacity`? (R3) Credit is
    /// looked at first, for `done` is the receiver's own line.
    #[inline]
    fn is_done_with<M: Memory>(memory: &M, position: u64) -> bool {
        let before_position = position.wrapping_sub(memory.geometry().capacity());
        // Acquire, each time and by each clone: pairs with the Release stores
        // in `SingleReceiver::set_done` and `give_credit`; the word gives no
        // such edge.
        [Cell::Credit, Cell::Done]
            .into_iter()
            .any(|cell| before(before_position, memory.cell(cell).load(Ordering::Acquire)))
    }
}

impl<R: Arity> SendSide for MultiSender<R> {
    fn attach<M: Memory>(_memory: &M, me: Owner) -> Result<Self, Impossible> {
        Ok(MultiSender {
            me,
            receivers: PhantomData,
        })
    }

    #[inline(always)]
    fn begin<M: Memory>(&mut self, _memory: &M) -> Result<(), Stall> {
        Ok(())
    }

    #[inline]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, Stall> {
        let geometry = memory.geometry();
        // Pairs with the Release store below: what the word of the hinted
        // position must show by now, it shows.
        let mut position = memory.cell(Cell::Tail).load(Ordering::Acquire);
        for _ in 0..geometry.patience() {
            // Pairs with the Release stores and compare-and-swaps of the word.
            let slot = memory.word(position);
            let word = Word(slot.load(Ordering::Acquire));
            let ahead = geometry.laps_ahead(word, position);
            match (ahead, word.state()) {
                (0, State::Free) => {}
                (-1, State::Published) if !R::MULTI => {
                    if !Self::is_done_with(memory, position) {
                        return Err(Stall::Nothing);
                    }
                }
                (-1, State::Published) => return Err(Stall::Nothing),
                (-1, State::Claimed | State::Reading) if word.owner().0 != 0 => {
                    return Err(Stall::Held(Held { position, word }));
                }
                (0.., _) => {
                    // R4: the hint was stale; jump to where the word says.
                    let jump = geometry.move_laps(position, ahead - 1).wrapping_add(1);
                    let step = position.wrapping_add(1);
                    position = if before(step, jump) { jump } else { step };
                    continue;
                }
                _ => {
                    return Err(Stall::Impossible(Impossible {
                        what: "slot word before a sender",
                        position,
                        found: word.0,
                    }));
                }
            }
            // C1. AcqRel: after the previous reader's release, before our
            // payload; the owner is visible with the claim (R2).
            let claim = geometry.claimed(position, self.me);
            if slot
                .compare_exchange(word.0, claim.0, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                // Look again (R4): somebody else took it, or the receiver gave
                // it back since, and a step past it would leave a hole.
                continue;
            }
            reach(Point::Claimed);
            let next = position.wrapping_add(1);
            // Release: pairs with the Acquire load above. A plain store may
            // move the hint back; R4 makes up for it.
            memory.cell(Cell::Tail).store(next, Ordering::Release);
            reach(Point::TailMoved);
            // R17: first the claim, then `closed`.
            memory.fences().light();
            if memory.cell(Cell::Closed).load(Ordering::Acquire) != 0 {
                self.abandon(memory, position);
                return Err(Stall::Closed);
            }
            return Ok(position);
        }
        Err(Stall::Contended)
    }

    #[inline(always)]
    fn quick<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        self.claim(memory).ok()
    }

    #[inline(always)]
    fn publish<M: Memory>(&mut self, memory: &M, position: u64) {
        // P2. Release: the payload is written before; pairs with the Acquire
        // loads of the word by receivers.
        memory
            .word(position)
            .store(memory.geometry().published(position).0, Ordering::Release);
        reach(Point::Published);
    }

    #[inline]
    fn abandon<M: Memory>(&mut self, memory: &M, position: u64) {
        // R10: free for the next lap, never again for this one; receivers pass.
        let geometry = memory.geometry();
        let next_lap = position.wrapping_add(geometry.capacity());
        // Release: as P2; nothing of ours comes later.
        memory
            .word(position)
            .store(geometry.free(next_lap).0, Ordering::Release);
        reach(Point::ClaimAbandoned);
    }

    #[inline(always)]
    fn end<M: Memory>(&mut self, _memory: &M) {}

    #[inline(always)]
    fn is_promising<M: Memory>(&self, _memory: &M) -> bool {
        true
    }

    fn has_room<M: Memory>(&self, memory: &M) -> bool {
        let geometry = memory.geometry();
        let position = memory.cell(Cell::Tail).load(Ordering::Acquire);
        let word = Word(memory.word(position).load(Ordering::Acquire));
        match (geometry.laps_ahead(word, position), word.state()) {
            (-1, State::Published) => !R::MULTI && Self::is_done_with(memory, position),
            (-1, _) => false,
            _ => true,
        }
    }

    fn quiescent<M: Memory>(_memory: &M) -> bool {
        // A claim under way shows in its slot word, where receivers wait (R7).
        true
    }
}

/// One of many receivers.
pub struct MultiReceiver<S> {
    me: Owner,
    /// The count of requeues up to which nothing lies behind the head; `None`
    /// before the first look (R12).
    requeues: Option<u64>,
    senders: PhantomData<fn() -> S>,
}

impl<S> Clone for MultiReceiver<S> {
    fn clone(&self) -> Self {
        MultiReceiver {
            me: self.me,
            requeues: None,
            senders: PhantomData,
        }
    }
}

impl<S: Arity> MultiReceiver<S> {
    /// `PUBLISHED` to `READING` by us: exactly one receiver succeeds.
    #[inline]
    fn take<M: Memory>(&self, memory: &M, position: u64, word: Word) -> Option<Claim> {
        // C2. AcqRel: after the payload was written (P1, P2), before we read.
        memory
            .word(position)
            .compare_exchange(
                word.0,
                word.reading(self.me).0,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .ok()?;
        reach(Point::Taken);
        Some(Claim {
            position,
            attempt: word.attempt(),
        })
    }

    /// Takes the next message in order, if there is one.
    #[inline]
    fn claim_ahead<M: Memory>(&mut self, memory: &M) -> Result<Claim, (u64, Stall)> {
        let geometry = memory.geometry();
        // Pairs with the Release store below.
        let mut position = memory.cell(Cell::Head).load(Ordering::Acquire);
        for _ in 0..geometry.patience() {
            // Pairs with P1, P2 and the compare-and-swaps of the word.
            let word = Word(memory.word(position).load(Ordering::Acquire));
            let ahead = geometry.laps_ahead(word, position);
            let next = position.wrapping_add(1);
            match (ahead, word.state()) {
                (0, State::Published) => {
                    if let Some(claim) = self.take(memory, position, word) {
                        // Release: pairs with the Acquire load above; a hint.
                        memory.cell(Cell::Head).store(next, Ordering::Release);
                        reach(Point::HeadMoved);
                        return Ok(claim);
                    }
                }
                (0, State::Reading) => position = next,
                (0, State::Claimed) if S::MULTI && word.owner().0 != 0 => {
                    // R7: never passed over.
                    return Err((position, Stall::Held(Held { position, word })));
                }
                (0, State::Free) => return Err((position, Stall::Nothing)),
                // The slot still serves the lap before: nothing new here.
                (-1, State::Published | State::Reading) => {
                    return Err((position, Stall::Nothing));
                }
                // R11: aborted or consumed; jump to where the word says.
                (1.., _) => position = geometry.past(position, word, ahead),
                _ => {
                    let impossible = Impossible {
                        what: "slot word before a receiver",
                        position,
                        found: word.0,
                    };
                    return Err((position, Stall::Impossible(impossible)));
                }
            }
        }
        Err((position, Stall::Contended))
    }

    /// Looks at every slot for a message that was given back (R12), beginning a
    /// lap behind `head`: the ordinary path never comes by there again.
    #[cold]
    #[inline(never)]
    fn claim_behind<M: Memory>(&mut self, memory: &M, head: u64) -> Option<Claim> {
        // Pairs with the Release increment in `repair`: counted means visible.
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        if self.requeues == Some(requeues) {
            return None;
        }
        let geometry = memory.geometry();
        for back in (1..=geometry.capacity()).rev() {
            let near = head.wrapping_sub(back);
            let word = Word(memory.word(near).load(Ordering::Acquire));
            // Wherever it lies: others may have moved the head since we looked.
            if repair::was_given_back(word) {
                let position = geometry.move_laps(near, geometry.laps_ahead(word, near));
                if let Some(claim) = self.take(memory, position, word) {
                    return Some(claim);
                }
            }
        }
        self.requeues = Some(requeues);
        None
    }
}

impl<S: Arity> ReceiveSide for MultiReceiver<S> {
    fn attach<M: Memory>(_memory: &M, me: Owner, _terms: Terms) -> Result<Self, Impossible> {
        Ok(MultiReceiver {
            me,
            requeues: None,
            senders: PhantomData,
        })
    }

    #[inline]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, Stall> {
        if self.requeues.is_none() {
            // R12: a fresh receiver looks behind the head before anything else.
            let head = memory.cell(Cell::Head).load(Ordering::Acquire);
            if let Some(claim) = self.claim_behind(memory, head) {
                return Ok(claim);
            }
        }
        match self.claim_ahead(memory) {
            Ok(claim) => Ok(claim),
            Err((head, stall)) => self.claim_behind(memory, head).ok_or(stall),
        }
    }

    #[inline(always)]
    fn quick<M: Memory>(&mut self, memory: &M) -> Option<Claim> {
        self.claim(memory).ok()
    }

    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, _memory: &M) {
        // The word says READING and by whom: nothing to add.
    }

    #[inline(always)]
    fn release<M: Memory>(&mut self, memory: &M, claim: Claim) {
        let geometry = memory.geometry();
        let next_lap = claim.position.wrapping_add(geometry.capacity());
        // Release: our reads of the payload come first; pairs with the Acquire
        // load of the word by senders.
        memory
            .word(claim.position)
            .store(geometry.free(next_lap).0, Ordering::Release);
        reach(Point::SlotFreed);
    }

    fn requeue<M: Memory>(
        &mut self,
        memory: &M,
        claims: impl Iterator<Item = Claim>,
        terms: Terms,
    ) {
        for claim in claims {
            let word = Word(memory.word(claim.position).load(Ordering::Acquire));
            // Ours, so nobody else changes it; a hostile peer may have.
            if word.state() == State::Reading && word.owner() == self.me {
                repair::give_back(memory, claim.position, word, terms);
            }
        }
        repair::announce_requeue(memory);
    }

    fn made_room(&mut self) -> bool {
        false // whoever gave a claim up has freed its slot, and told everybody
    }

    #[inline(always)]
    fn settle<M: Memory>(&mut self, _memory: &M) {}

    fn has_message<M: Memory>(&self, memory: &M) -> bool {
        let geometry = memory.geometry();
        let mut position = memory.cell(Cell::Head).load(Ordering::Acquire);
        for _ in 0..geometry.patience() {
            let word = Word(memory.word(position).load(Ordering::Acquire));
            match (geometry.laps_ahead(word, position), word.state()) {
                (0, State::Published) => return true,
                (0, State::Reading) => position = position.wrapping_add(1),
                (ahead @ 1.., _) => position = geometry.past(position, word, ahead),
                _ => break,
            }
        }
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        self.requeues != Some(requeues) && repair::any_given_back(memory)
    }
}
