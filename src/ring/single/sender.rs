//! The one sender beside many receivers.

use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::side::{ClaimError, Held, SendSide};
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::{Ordering, fence};
use crate::sys::failpoints::failpoint;

/// The one sender beside many receivers.
pub struct SingleSender {
    /// First position not yet published.
    pub(super) next: u64,
}

impl SingleSender {
    /// Publishes what was written at `position`.
    #[inline(always)]
    fn store_published<M: Memory>(&mut self, memory: &M, position: u64) {
        // P1. Release: the payload is written before; pairs with the Acquire
        // loads of the word by receivers.
        memory
            .word(position)
            .store(memory.geometry().published(position).0, Ordering::Release);
        failpoint!(Published);
        self.next = position.wrapping_add(1);
    }

    /// Where a successor goes on: over every word that is published at its position,
    /// or is later.
    fn first_unpublished<M: Memory>(memory: &M) -> Result<u64, Corruption> {
        let geometry = memory.geometry();
        // A hint: it lags by as much as receivers died. Pairs with
        // `MultiReceiver::publish_hint`.
        let mut next = memory.cell(Cell::Head).load(Ordering::Acquire);
        let mut last = SlotWord(0);
        for _ in 0..geometry.max_probes() {
            // Pairs with P1: what was published stays so.
            last = SlotWord(memory.word(next).load(Ordering::Acquire));
            next = match (geometry.lap_delta(last, next), last.state()) {
                (0, SlotState::Free) | (..0, _) => return Ok(next),
                (ahead, _) if ahead > 0 => geometry.skip_consumed(next, last, ahead),
                _ => next.wrapping_add(1),
            };
        }
        Err(Corruption {
            what: "progress of the single sender",
            position: next,
            found: last.0,
        })
    }

    /// A slot is free when its word says so (R5).
    #[inline(always)]
    fn check_word<M: Memory>(&self, memory: &M) -> Result<(), ClaimError> {
        let geometry = memory.geometry();
        // Pairs with the Release in `MultiReceiver::release`.
        let word = SlotWord(memory.word(self.next).load(Ordering::Acquire));
        if word == geometry.free(self.next) {
            return Ok(());
        }
        match (geometry.lap_delta(word, self.next), word.state()) {
            (-1, SlotState::Published) => Err(ClaimError::NotReady),
            (-1, SlotState::Reading) if word.owner().0 != 0 => Err(ClaimError::Held(Held {
                position: self.next,
                word,
            })),
            _ => Err(ClaimError::Corrupted(Corruption {
                what: "slot word before a single sender",
                position: self.next,
                found: word.0,
            })),
        }
    }
}

impl SendSide for SingleSender {
    fn attach<M: Memory>(memory: &M, _me: MemberId) -> Result<Self, Corruption> {
        // R18: pairs with what the previous holder did before it let go of the lock,
        // or before the kernel took it.
        fence(Ordering::SeqCst);
        let next = Self::first_unpublished(memory)?;
        memory.cell(Cell::Busy).store(0, Ordering::Release);
        failpoint!(BusyReset);
        Ok(SingleSender { next })
    }

    #[inline(always)]
    fn begin<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        // R17: first busy, then closed; a receiver that reports the end of the ring
        // does it the other way round, with the heavy half in between.
        memory.cell(Cell::Busy).store(1, Ordering::Relaxed);
        failpoint!(BusySet);
        memory.fences().light();
        if memory.cell(Cell::Closed).load(Ordering::Acquire) != 0 {
            self.end(memory);
            return Err(ClaimError::Closed);
        }
        Ok(())
    }

    #[inline(always)]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, ClaimError> {
        self.check_word(memory)?;
        Ok(self.next)
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        self.check_word(memory).is_ok().then_some(self.next)
    }

    #[inline(always)]
    fn publish<M: Memory>(&mut self, memory: &M, position: u64) {
        self.store_published(memory, position);
        memory.will_write(self.next, true);
    }

    fn claim_more<M: Memory>(&mut self, memory: &M, most: usize, claimed: &mut Vec<u64>) {
        let last = claimed.last().copied().unwrap_or(self.next);
        let mut ahead = SingleSender {
            next: last.wrapping_add(1),
        };
        for _ in 0..most {
            if ahead.check_word(memory).is_err() {
                return;
            }
            claimed.push(ahead.next);
            ahead.next = ahead.next.wrapping_add(1);
        }
    }

    #[inline(always)]
    fn abandon<M: Memory>(&mut self, _memory: &M, _position: u64) {
        // Nothing was visible: the next claim takes the same position.
    }

    #[inline(always)]
    fn end<M: Memory>(&mut self, memory: &M) {
        // Release: the publication comes first; pairs with the Acquire load in
        // `is_quiescent`.
        memory.cell(Cell::Busy).store(0, Ordering::Release);
        failpoint!(BusyCleared);
    }

    /// To look at a slot would take it from a receiver that reads it: what waits looks in
    /// full.
    #[inline(always)]
    fn may_have_room<M: Memory>(&self, _memory: &M) -> bool {
        true
    }

    fn has_room<M: Memory>(&self, memory: &M) -> bool {
        self.check_word(memory).is_ok()
    }

    fn count_room<M: Memory>(&self, memory: &M) -> usize {
        let geometry = memory.geometry();
        let slots = (0..geometry.capacity()).map(|offset| self.next.wrapping_add(offset));
        // Pairs as in `check_word`.
        let free =
            slots.take_while(|at| memory.word(*at).load(Ordering::Acquire) == geometry.free(*at).0);
        free.count()
    }

    fn is_quiescent<M: Memory>(memory: &M) -> bool {
        // Pairs with `end`.
        memory.cell(Cell::Busy).load(Ordering::Acquire) == 0
    }
}
