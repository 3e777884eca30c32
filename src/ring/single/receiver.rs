//! The one receiver beside many senders.

use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::recover;
use crate::ring::side::{Claim, ClaimError, Held, ReceiveSide, RedeliveryPolicy};
use crate::ring::slot::{SlotState, SlotWord, before};
use crate::sys::atomic::{Ordering, fence};
use crate::sys::failpoints::failpoint;

/// The one receiver beside many senders.
pub struct SingleReceiver {
    /// Next position to look at.
    pub(super) next: u64,
    /// First position not acknowledged: what `done` says.
    pub(super) done: u64,
    /// What `credit` says.
    pub(super) credited: u64,
    /// Publish credit when it would lag by this much.
    pub(super) credit_interval: u64,
}

impl SingleReceiver {
    #[inline(always)]
    fn set_done<M: Memory>(&mut self, memory: &M, done: u64) {
        self.done = done;
        // Release: our reads of the payload come first; pairs with the Acquire
        // in `MultiSender::is_done_with`.
        memory.cell(Cell::Done).store(done, Ordering::Release);
        failpoint!(DoneMoved);
        if done.wrapping_sub(self.credited) >= self.credit_interval {
            self.give_credit(memory);
        }
    }

    /// R8: never before `done`.
    #[inline(always)]
    fn give_credit<M: Memory>(&mut self, memory: &M) {
        self.credited = self.done;
        // Release: as for `done`.
        memory
            .cell(Cell::Credit)
            .store(self.done, Ordering::Release);
        failpoint!(CreditGiven);
    }

    /// The word of the next position, if it is a message, or else.
    #[inline(always)]
    fn look<M: Memory>(&self, memory: &M) -> Result<SlotWord, SlotWord> {
        // Pairs with P1, P2: the payload is there.
        let word = SlotWord(memory.word(self.next).load(Ordering::Acquire));
        if word.agrees_with(memory.geometry().published(self.next)) {
            memory.will_read(self.next);
            Ok(word)
        } else {
            Err(word)
        }
    }

    /// Is this what a position looks like that no sender has published yet?
    #[inline]
    fn is_pending(word: SlotWord, ahead: i64) -> bool {
        match (ahead, word.state()) {
            (0, SlotState::Free) => true,
            // Consumed a lap ago; with one receiver words are not freed.
            (-1, SlotState::Published) => true,
            _ => false,
        }
    }
}

impl ReceiveSide for SingleReceiver {
    const IN_ORDER: bool = true;

    /// R9: what the predecessor was handed and never acknowledged is given
    /// back or counted; what it copied out without acknowledging is still there.
    fn attach<M: Memory>(
        memory: &M,
        _me: MemberId,
        policy: RedeliveryPolicy,
    ) -> Result<Self, Corruption> {
        fence(Ordering::SeqCst); // as in `SingleSender::attach`
        let geometry = memory.geometry();
        let done = memory.cell(Cell::Done).load(Ordering::Acquire);
        let taken = memory.cell(Cell::Taken).load(Ordering::Acquire);
        // `taken` is only written by leases: it may lag behind `done`.
        let taken = if before(taken, done) { done } else { taken };
        if taken.wrapping_sub(done) > geometry.capacity() {
            return Err(Corruption {
                what: "progress of the single receiver",
                position: done,
                found: taken,
            });
        }
        let mut side = SingleReceiver {
            next: done,
            done,
            credited: done,
            credit_interval: geometry.credit_interval(),
        };
        if policy.redeliver {
            side.give_back(memory, taken, policy);
        } else {
            side.discard(memory, taken);
        }
        memory.cell(Cell::Taken).store(side.next, Ordering::Release);
        failpoint!(TakenRecovered);
        side.give_credit(memory);
        Ok(side)
    }

    #[inline(always)]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, ClaimError> {
        match self.look(memory) {
            Ok(word) => Ok(self.claim_next(word)),
            Err(word) => self.claim_slow(memory, word),
        }
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<Claim> {
        self.look(memory).ok().map(|word| self.claim_next(word))
    }

    #[inline(always)]
    fn claim_run_fast<M: Memory>(&mut self, memory: &M, most: usize) -> (u64, usize) {
        let first = self.next;
        let mut count = 0;
        while count < most
            && let Ok(word) = self.look(memory)
        {
            self.claim_next(word);
            count += 1;
        }
        (first, count)
    }

    fn unclaim<M: Memory>(&mut self, _memory: &M, claim: Claim) {
        debug_assert_eq!(self.next, claim.position.wrapping_add(1));
        self.next = claim.position;
    }

    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, memory: &M) {
        // Release: in program order before the user sees the message.
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        failpoint!(HandedOut);
    }

    /// `done` is `next`, however many aborted positions were passed on the way there.
    #[inline(always)]
    fn release<M: Memory>(&mut self, memory: &M, _claim: Claim) {
        self.set_done(memory, self.next);
    }

    /// Up to `next`: aborted positions before it were passed on the way there.
    fn release_before<M: Memory>(&mut self, memory: &M, next: Claim) {
        self.set_done(memory, next.position);
    }

    fn requeue<M: Memory>(
        &mut self,
        memory: &M,
        mut claims: impl Iterator<Item = Claim>,
        policy: RedeliveryPolicy,
    ) {
        let Some(first) = claims.next() else { return };
        let taken = self.next;
        self.next = first.position;
        self.give_back(memory, taken, policy);
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        failpoint!(TakenRecovered);
    }

    fn has_message<M: Memory>(&self, memory: &M) -> bool {
        let geometry = memory.geometry();
        let mut position = self.next;
        for _ in 0..geometry.max_probes() {
            // Pairs with P1, P2, as in `look`.
            let word = SlotWord(memory.word(position).load(Ordering::Acquire));
            match geometry.lap_delta(word, position) {
                ahead @ 1.. => position = geometry.skip_consumed(position, word, ahead),
                _ => return word.agrees_with(geometry.published(position)),
            }
        }
        false
    }

    fn count_messages<M: Memory>(&self, memory: &M) -> usize {
        let geometry = memory.geometry();
        let (mut position, mut count) = (self.next, 0);
        for _ in 0..geometry.capacity() {
            // Pairs with P1, P2, as in `look`.
            let word = SlotWord(memory.word(position).load(Ordering::Acquire));
            position = match geometry.lap_delta(word, position) {
                ahead @ 1.. => geometry.skip_consumed(position, word, ahead),
                _ if word.agrees_with(geometry.published(position)) => {
                    count += 1;
                    position.wrapping_add(1)
                }
                _ => break,
            };
        }
        count
    }
}

impl SingleReceiver {
    /// Takes the message at `next`, whose word is `word`.
    #[inline(always)]
    fn claim_next(&mut self, word: SlotWord) -> Claim {
        let position = self.next;
        self.next = position.wrapping_add(1);
        Claim {
            position,
            redeliveries: word.redeliveries(),
        }
    }

    /// Gives back what lies between `next` and `taken` (R9). What was dropped
    /// at the front, having been given back too often, is room at once.
    fn give_back<M: Memory>(&mut self, memory: &M, taken: u64, policy: RedeliveryPolicy) {
        recover::give_back_behind(memory, self.next, taken, policy);
        let geometry = memory.geometry();
        while self.next != taken {
            let word = SlotWord(memory.word(self.next).load(Ordering::Acquire));
            if geometry.lap_delta(word, self.next) <= 0 {
                break;
            }
            self.next = self.next.wrapping_add(1);
        }
        self.set_done(memory, self.next);
    }

    /// Counts what lies between `next` and `taken` as lost, one by one: a
    /// process that dies here has counted one too many at most (R15).
    fn discard<M: Memory>(&mut self, memory: &M, taken: u64) {
        while self.next != taken {
            let word = SlotWord(memory.word(self.next).load(Ordering::Acquire));
            if word.agrees_with(memory.geometry().published(self.next)) {
                recover::count(memory, Cell::Lost, 1);
                failpoint!(LostCounted);
            }
            self.next = self.next.wrapping_add(1);
            self.set_done(memory, self.next);
        }
    }

    /// Everything but a message at the first look.
    #[inline(never)]
    fn claim_slow<M: Memory>(&mut self, memory: &M, first: SlotWord) -> Result<Claim, ClaimError> {
        let geometry = memory.geometry();
        let mut word = first;
        for _ in 0..geometry.max_probes() {
            if word.agrees_with(geometry.published(self.next)) {
                return Ok(self.claim_next(word));
            }
            let ahead = geometry.lap_delta(word, self.next);
            if Self::is_pending(word, ahead) {
                if self.credited != self.done {
                    self.give_credit(memory);
                }
                return Err(ClaimError::NotReady);
            }
            if ahead == 0 && word.state() == SlotState::Claimed && word.owner().0 != 0 {
                // R7: never passed over.
                return Err(ClaimError::Held(Held {
                    position: self.next,
                    word,
                }));
            }
            if ahead <= 0 {
                return Err(ClaimError::Corrupted(Corruption {
                    what: "slot word before a single receiver",
                    position: self.next,
                    found: word.0,
                }));
            }
            // R11: an aborted position: go on. If nothing is held, it is done with.
            let passed = self.next;
            let next = geometry.skip_consumed(passed, word, ahead);
            // What is held keeps senders within a lap of it.
            let in_hand = self.done != passed;
            if in_hand && next.wrapping_sub(self.done) > geometry.capacity() {
                return Err(ClaimError::Corrupted(Corruption {
                    what: "slot word a lap past what is in hand",
                    position: passed,
                    found: word.0,
                }));
            }
            self.next = next;
            if !in_hand {
                self.set_done(memory, next);
            }
            // Pairs with P1, P2, as in `look`.
            word = SlotWord(memory.word(self.next).load(Ordering::Acquire));
        }
        Err(ClaimError::Contended)
    }
}
