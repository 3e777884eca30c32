//! The one sender.

use core::marker::PhantomData;

use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::side::{ClaimError, Held, Multiplicity, SendSide};
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::{Ordering, fence};
use crate::sys::failpoints::failpoint;

/// The one sender.
pub struct SingleSender<R> {
    /// First position not yet published.
    pub(super) next: u64,
    /// Single receiver: first position not known to be free.
    pub(super) limit: u64,
    pub(super) receivers: PhantomData<fn() -> R>,
}

impl<R: Multiplicity> SingleSender<R> {
    /// Looks for room beyond `limit` (R5). Full is judged by `done`: credit
    /// lags on purpose.
    #[cold]
    #[inline(never)]
    fn find_room<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        let capacity = memory.geometry().capacity();
        for cell in [Cell::Credit, Cell::Done] {
            // Pairs with the Release stores in `SingleReceiver::release` and
            // `settle`: the receiver's reads of the slot end before we write.
            let done = memory.cell(cell).load(Ordering::Acquire);
            let used = self.next.wrapping_sub(done);
            if used < capacity {
                self.limit = done.wrapping_add(capacity);
                return Ok(());
            }
            if used > capacity && cell == Cell::Done {
                return Err(ClaimError::Corrupted(Corruption {
                    what: "progress of the receiver",
                    position: self.next,
                    found: done,
                }));
            }
        }
        Err(ClaimError::NotReady)
    }

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

    /// R6: never before the words.
    #[inline(always)]
    fn publish_sent<M: Memory>(&self, memory: &M) {
        if !R::MULTI {
            self.store_sent(memory);
            failpoint!(SentMoved);
        }
    }

    /// With many receivers there is no such word: a successor walks from `head`.
    #[inline(always)]
    fn store_sent<M: Memory>(&self, memory: &M) {
        if !R::MULTI {
            // Release: keeps the order; pairs with the Acquire load in
            // `first_unpublished`.
            memory.cell(Cell::Sent).store(self.next, Ordering::Release);
        }
    }

    /// Where a successor goes on: over every word that is published at its position,
    /// or is later.
    fn first_unpublished<M: Memory>(memory: &M) -> Result<u64, Corruption> {
        let geometry = memory.geometry();
        // `sent` lags by less than a lap, `head` by as much as receivers died.
        let (hint, probes) = match R::MULTI {
            true => (Cell::Head, geometry.max_probes()),
            false => (Cell::Sent, geometry.capacity() + 1),
        };
        // Pairs with `publish_sent`, and with `MultiReceiver::publish_hint`.
        let mut next = memory.cell(hint).load(Ordering::Acquire);
        let mut last = SlotWord(0);
        for _ in 0..probes {
            // Pairs with P1: what was published stays so.
            last = SlotWord(memory.word(next).load(Ordering::Acquire));
            next = match (geometry.lap_delta(last, next), last.state()) {
                (0, SlotState::Free) | (..0, _) => return Ok(next),
                (ahead, _) if R::MULTI && ahead > 0 => geometry.skip_consumed(next, last, ahead),
                _ => next.wrapping_add(1),
            };
        }
        Err(Corruption {
            what: "progress of the single sender",
            position: next,
            found: last.0,
        })
    }

    /// With many receivers, a slot is free when its word says so (R5).
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

impl<R: Multiplicity> SendSide for SingleSender<R> {
    /// R6: hints may lag behind the words and never lead.
    fn attach<M: Memory>(memory: &M, _me: MemberId) -> Result<Self, Corruption> {
        // R18: pairs with what the previous holder did before it let go of the lock,
        // or before the kernel took it.
        fence(Ordering::SeqCst);
        let next = Self::first_unpublished(memory)?;
        let side = SingleSender {
            next,
            limit: next,
            receivers: PhantomData,
        };
        side.store_sent(memory);
        failpoint!(SentRecovered);
        memory.cell(Cell::Busy).store(0, Ordering::Release);
        failpoint!(BusyReset);
        Ok(side)
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
        if R::MULTI {
            self.check_word(memory)?;
        } else if self.next == self.limit {
            self.find_room(memory)?;
        }
        Ok(self.next)
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        let is_room = if R::MULTI {
            self.check_word(memory).is_ok()
        } else {
            self.next != self.limit
        };
        is_room.then_some(self.next)
    }

    #[inline(always)]
    fn publish<M: Memory>(&mut self, memory: &M, position: u64) {
        self.store_published(memory, position);
        self.publish_sent(memory);
        memory.will_write(self.next, R::MULTI);
    }

    /// R6: `sent` at every 16th slot is once a lap at least.
    #[inline(always)]
    fn publish_in_batch<M: Memory>(&mut self, memory: &M, position: u64) {
        self.store_published(memory, position);
        if memory.geometry().index(self.next).is_multiple_of(16) {
            self.publish_sent(memory);
        }
        memory.will_write(self.next, R::MULTI);
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

    #[inline(always)]
    fn end_batch<M: Memory>(&mut self, memory: &M) {
        self.publish_sent(memory);
        self.end(memory);
    }

    /// By `credit`: to poll `done` would take its line from the receiver at each
    /// look, and give back room for one message at a time.
    #[inline(always)]
    fn may_have_room<M: Memory>(&self, memory: &M) -> bool {
        // Relaxed: a hint, which nothing is done by; `find_room` loads with
        // Acquire before anything is written.
        let credit = memory.cell(Cell::Credit).load(Ordering::Relaxed);
        R::MULTI || self.next.wrapping_sub(credit) < memory.geometry().capacity()
    }

    fn has_room<M: Memory>(&self, memory: &M) -> bool {
        if R::MULTI {
            return self.check_word(memory).is_ok();
        }
        // Pairs as in `find_room`.
        let done = memory.cell(Cell::Done).load(Ordering::Acquire);
        self.next.wrapping_sub(done) < memory.geometry().capacity()
    }

    fn count_room<M: Memory>(&self, memory: &M) -> usize {
        let geometry = memory.geometry();
        if R::MULTI {
            let slots = (0..geometry.capacity()).map(|offset| self.next.wrapping_add(offset));
            // Pairs as in `check_word`.
            let free = slots
                .take_while(|at| memory.word(*at).load(Ordering::Acquire) == geometry.free(*at).0);
            return free.count();
        }
        // Pairs as in `find_room`.
        let done = memory.cell(Cell::Done).load(Ordering::Acquire);
        let used = self.next.wrapping_sub(done);
        geometry.capacity().saturating_sub(used) as usize
    }

    fn is_quiescent<M: Memory>(memory: &M) -> bool {
        // Pairs with `end`.
        memory.cell(Cell::Busy).load(Ordering::Acquire) == 0
    }
}
