//! One of many senders.

use core::marker::PhantomData;

use super::PREFETCH_AFTER;
use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::pairing::Multiplicity;
use crate::ring::side::{ClaimError, Held, SendSide};
use crate::ring::slot::{SlotState, SlotWord, before};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;
use crate::wait::backoff::Contention;

/// One of many senders.
pub struct MultiSender<R> {
    pub(super) me: MemberId,
    /// One past the last position that it claimed: a hint of its own.
    pub(super) next: u64,
    /// Where it last looked and found nothing.
    pub(super) missed: u64,
    /// Single receiver: it is done with everything before this, by a load of
    /// this endpoint's own (R3).
    pub(super) done: u64,
    pub(super) receivers: PhantomData<fn() -> R>,
}

impl<R> Clone for MultiSender<R> {
    fn clone(&self) -> Self {
        MultiSender { ..*self }
    }
}

impl<R: Multiplicity> MultiSender<R> {
    /// Single receiver: is it done with `position - capacity`? (R3) Credit is
    /// looked at first, for `done` is the receiver's own line.
    #[inline]
    fn is_done_with<M: Memory>(memory: &M, position: u64) -> bool {
        let before_position = position.wrapping_sub(memory.geometry().capacity());
        // Acquire: pairs with the Release stores in `SingleReceiver::set_done`
        // and `give_credit`; the word gives no such edge.
        [Cell::Credit, Cell::Done]
            .into_iter()
            .any(|cell| before(before_position, memory.cell(cell).load(Ordering::Acquire)))
    }

    /// What follows every claim; `publish_hint`: others need to know where it was.
    #[inline(always)]
    fn after_claim<M: Memory>(
        &mut self,
        memory: &M,
        position: u64,
        publish_hint: bool,
    ) -> Result<u64, ClaimError> {
        failpoint!(Claimed);
        self.next = position.wrapping_add(1);
        if publish_hint {
            // Release: pairs with the Acquire loads of the hint. A plain store
            // may move it back; R4 makes up for it.
            memory.cell(Cell::Tail).store(self.next, Ordering::Release);
            failpoint!(TailMoved);
        }
        // R17: first the claim, then `closed`.
        memory.fences().light();
        if memory.cell(Cell::Closed).load(Ordering::Acquire) != 0 {
            self.abandon(memory, position);
            return Err(ClaimError::Closed);
        }
        if self.next.wrapping_sub(self.missed) >= PREFETCH_AFTER {
            memory.will_claim(self.next);
        }
        Ok(position)
    }

    /// Slow path. `TAKES`: else it is only told what would be taken.
    #[inline]
    fn claim_any<M: Memory, const TAKES: bool>(&mut self, memory: &M) -> Result<u64, ClaimError> {
        let geometry = memory.geometry();
        // Pairs with the Release store in `after_claim`: what the word of the hinted
        // position must show by now, it shows.
        let mut position = memory.cell(Cell::Tail).load(Ordering::Acquire);
        let mut contention = Contention::new();
        for _ in 0..geometry.max_probes() {
            // Pairs with the Release stores and compare-and-swaps of the word.
            let slot = memory.word(position);
            let word = SlotWord(slot.load(Ordering::Acquire));
            let ahead = geometry.lap_delta(word, position);
            match (ahead, word.state()) {
                (0, SlotState::Free) => {}
                (-1, SlotState::Published) if !R::MULTI => {
                    if !Self::is_done_with(memory, position) {
                        return Err(ClaimError::NotReady);
                    }
                }
                (-1, SlotState::Published) => return Err(ClaimError::NotReady),
                (-1, SlotState::Claimed | SlotState::Reading) if word.owner().0 != 0 => {
                    return Err(ClaimError::Held(Held { position, word }));
                }
                (0.., _) => {
                    // R4: the hint was stale; jump to where the word says.
                    let jump = geometry.move_laps(position, ahead - 1).wrapping_add(1);
                    let step = position.wrapping_add(1);
                    position = if before(step, jump) { jump } else { step };
                    continue;
                }
                _ => {
                    return Err(ClaimError::Corrupted(Corruption {
                        what: "slot word before a sender",
                        position,
                        found: word.0,
                    }));
                }
            }
            if !TAKES {
                // Acquire: pairs with the swap in `close`.
                return match memory.cell(Cell::Closed).load(Ordering::Acquire) {
                    0 => Ok(position),
                    _ => Err(ClaimError::Closed),
                };
            }
            // C1. AcqRel: after the previous reader's release, before our
            // payload; the owner is visible with the claim (R2).
            let claim = geometry.claimed(position, self.me);
            if slot
                .compare_exchange(word.0, claim.0, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                // Look again (R4): another sender took it, or the receiver gave
                // it back since, and a step past it would leave a hole.
                contention.pause();
                continue;
            }
            return self.after_claim(memory, position, true);
        }
        Err(ClaimError::Contended)
    }
}

impl<R: Multiplicity> SendSide for MultiSender<R> {
    fn attach<M: Memory>(memory: &M, me: MemberId) -> Result<Self, Corruption> {
        // Pairs with the Release store in `after_claim`.
        let next = memory.cell(Cell::Tail).load(Ordering::Acquire);
        Ok(MultiSender {
            me,
            next,
            missed: next,
            // Nothing is known yet: a claim from `next` on asks first. Before
            // it, where a stale hint may lead back, no word is claimable.
            done: next.wrapping_sub(memory.geometry().capacity()),
            receivers: PhantomData,
        })
    }

    #[inline(always)]
    fn begin<M: Memory>(&mut self, _memory: &M) -> Result<(), ClaimError> {
        Ok(())
    }

    #[inline]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, ClaimError> {
        self.claim_any::<M, true>(memory)
    }

    fn probe<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        self.claim_any::<M, false>(memory).map(drop)
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        let geometry = memory.geometry();
        let position = self.next;
        let claimable = if R::MULTI {
            geometry.free(position)
        } else {
            let before_position = position.wrapping_sub(geometry.capacity());
            if !before(before_position, self.done) {
                // R3. Acquire: as in `is_done_with`.
                self.done = memory.cell(Cell::Credit).load(Ordering::Acquire);
                if !before(before_position, self.done) {
                    self.missed = position;
                    return None;
                }
            }
            geometry.published(before_position)
        };
        let slot = memory.word(position);
        // A look first: an unsuccessful swap takes the line from the endpoint at work.
        // Relaxed: the swap below is what counts.
        if slot.load(Ordering::Relaxed) != claimable.0 {
            self.missed = position;
            return None;
        }
        // C1, as in `claim`.
        let claim = geometry.claimed(position, self.me);
        slot.compare_exchange(claimable.0, claim.0, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        self.after_claim(memory, position, geometry.publishes_hint(position))
            .ok()
    }

    #[inline(always)]
    fn publish<M: Memory>(&mut self, memory: &M, position: u64) {
        // P2. Release: the payload is written before; pairs with the Acquire
        // loads of the word by receivers.
        memory
            .word(position)
            .store(memory.geometry().published(position).0, Ordering::Release);
        failpoint!(Published);
    }

    fn claim_more<M: Memory>(&mut self, memory: &M, most: usize, claimed: &mut Vec<u64>) {
        for _ in 0..most {
            match self.claim_either(memory) {
                Ok(position) => claimed.push(position),
                Err(_) => return,
            }
        }
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
        failpoint!(ClaimAbandoned);
    }

    #[inline(always)]
    fn end<M: Memory>(&mut self, _memory: &M) {}

    /// By `credit`, or by a slot further on: to take the room of one message at a time
    /// would take each line from the receiver that has just freed it.
    #[inline(always)]
    fn may_have_room<M: Memory>(&self, memory: &M) -> bool {
        // Relaxed, both: hints, which nothing is done by.
        let geometry = memory.geometry();
        if R::MULTI {
            let position = self.next.wrapping_add(geometry.credit_interval() - 1);
            let word = SlotWord(memory.word(position).load(Ordering::Relaxed));
            return geometry.lap_delta(word, position) >= 0;
        }
        let credit = memory.cell(Cell::Credit).load(Ordering::Relaxed);
        self.next.wrapping_sub(credit) < geometry.capacity()
    }

    fn has_room<M: Memory>(&self, memory: &M) -> bool {
        let geometry = memory.geometry();
        let position = memory.cell(Cell::Tail).load(Ordering::Acquire);
        let word = SlotWord(memory.word(position).load(Ordering::Acquire));
        match (geometry.lap_delta(word, position), word.state()) {
            (-1, SlotState::Published) => !R::MULTI && Self::is_done_with(memory, position),
            (-1, _) => false,
            _ => true,
        }
    }

    fn count_room<M: Memory>(&self, memory: &M) -> usize {
        let geometry = memory.geometry();
        // Pairs with the Release store in `after_claim`. The hint lags by a lap at most.
        let mut position = memory.cell(Cell::Tail).load(Ordering::Acquire);
        let mut room = 0;
        for _ in 0..2 * geometry.capacity() {
            // Pairs with the Release stores of the word.
            let word = SlotWord(memory.word(position).load(Ordering::Acquire));
            room += match (geometry.lap_delta(word, position), word.state()) {
                (0, SlotState::Free) => 1,
                (-1, SlotState::Published) if !R::MULTI && Self::is_done_with(memory, position) => {
                    1
                }
                (0.., _) => 0, // claimed since
                _ => break,
            };
            position = position.wrapping_add(1);
        }
        room.min(geometry.capacity() as usize)
    }

    fn is_quiescent<M: Memory>(_memory: &M) -> bool {
        // A claim under way shows in its slot word, where receivers wait (R7).
        true
    }
}
