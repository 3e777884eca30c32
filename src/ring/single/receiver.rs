//! The one receiver.

use core::marker::PhantomData;

use crate::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::position::{Owner, State, Word, before};
use crate::ring::{Arity, Claim, Held, Impossible, ReceiveSide, Stall, Terms, repair};
use crate::sys::atomic::{Ordering, fence};
use crate::sys::failpoints::failpoint;

/// The one receiver.
pub struct SingleReceiver<S> {
    /// Next position to look at.
    pub(super) next: u64,
    /// First position not acknowledged: what `done` says.
    pub(super) done: u64,
    /// Many senders: one past the last message claimed. Where nothing is in
    /// hand, `done` is `next`, however many aborted positions were passed.
    pub(super) claimed: u64,
    /// Positions without a message were passed: room that nobody was told of.
    pub(super) made_room: bool,
    /// What `credit` says.
    pub(super) credited: u64,
    /// Publish credit when it would lag by this much.
    pub(super) stride: u64,
    pub(super) senders: PhantomData<fn() -> S>,
}

impl<S: Arity> SingleReceiver<S> {
    #[inline(always)]
    fn set_done<M: Memory>(&mut self, memory: &M, done: u64) {
        self.done = done;
        // Release: our reads of the payload come first; pairs with the Acquire
        // in `find_room` and `MultiSender::is_done_with`.
        memory.cell(Cell::Done).store(done, Ordering::Release);
        failpoint!(DoneMoved);
        if done.wrapping_sub(self.credited) >= self.stride {
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
    fn look<M: Memory>(&self, memory: &M) -> Result<Word, Word> {
        // Pairs with P1, P2: the payload is there.
        let word = Word(memory.word(self.next).load(Ordering::Acquire));
        if word.agrees_with(memory.geometry().published(self.next)) {
            memory.will_read(self.next);
            Ok(word)
        } else {
            Err(word)
        }
    }

    /// Is this what a position looks like that nobody has published yet?
    #[inline]
    fn is_pending(word: Word, ahead: i64) -> bool {
        match (ahead, word.state()) {
            (0, State::Free) => true,
            // Consumed a lap ago; with one receiver words are not freed.
            (-1, State::Published) => true,
            _ => false,
        }
    }
}

impl<S: Arity> ReceiveSide for SingleReceiver<S> {
    const IN_ORDER: bool = true;

    /// R9: what the predecessor was handed and never acknowledged is given
    /// back or counted; what it copied out without acknowledging is still there.
    fn attach<M: Memory>(memory: &M, _me: Owner, terms: Terms) -> Result<Self, Impossible> {
        fence(Ordering::SeqCst); // as in `SingleSender::attach`
        let geometry = memory.geometry();
        let done = memory.cell(Cell::Done).load(Ordering::Acquire);
        let taken = memory.cell(Cell::Taken).load(Ordering::Acquire);
        // `taken` is only written by leases: it may lag behind `done`.
        let taken = if before(taken, done) { done } else { taken };
        if taken.wrapping_sub(done) > geometry.capacity() {
            return Err(Impossible {
                what: "progress of the single receiver",
                position: done,
                found: taken,
            });
        }
        let mut side = SingleReceiver {
            next: done,
            done,
            claimed: done,
            made_room: false,
            credited: done,
            stride: geometry.stretch(),
            senders: PhantomData,
        };
        if terms.redeliver {
            side.give_back(memory, taken, terms);
        } else {
            side.discard(memory, taken);
        }
        memory.cell(Cell::Taken).store(side.next, Ordering::Release);
        failpoint!(TakenRecovered);
        side.give_credit(memory);
        Ok(side)
    }

    #[inline(always)]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, Stall> {
        match self.look(memory) {
            Ok(word) => Ok(self.claim_next(word)),
            Err(word) => self.claim_slow(memory, word),
        }
    }

    #[inline(always)]
    fn quick<M: Memory>(&mut self, memory: &M) -> Option<Claim> {
        self.look(memory).ok().map(|word| self.claim_next(word))
    }

    #[inline(always)]
    fn quick_run<M: Memory>(&mut self, memory: &M, most: usize) -> (u64, usize) {
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

    #[inline(always)]
    fn catch_up<M: Memory>(&mut self, _memory: &M) {}

    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, memory: &M) {
        // Release: in program order before the user sees the message.
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        failpoint!(HandedOut);
    }

    #[inline(always)]
    fn release<M: Memory>(&mut self, memory: &M, claim: Claim) {
        let done = claim.position.wrapping_add(1);
        let is_last = S::MULTI && done == self.claimed;
        self.set_done(memory, if is_last { self.next } else { done });
    }

    fn requeue<M: Memory>(
        &mut self,
        memory: &M,
        mut claims: impl Iterator<Item = Claim>,
        terms: Terms,
    ) {
        let Some(first) = claims.next() else { return };
        let taken = self.next;
        self.next = first.position;
        self.give_back(memory, taken, terms);
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        failpoint!(TakenRecovered);
    }

    fn made_room(&mut self) -> bool {
        core::mem::take(&mut self.made_room)
    }

    #[inline]
    fn settle<M: Memory>(&mut self, memory: &M) {
        if self.credited != self.done {
            self.give_credit(memory);
        }
    }

    fn has_message<M: Memory>(&self, memory: &M) -> bool {
        let geometry = memory.geometry();
        let mut position = self.next;
        for _ in 0..geometry.patience() {
            // Pairs with P1, P2, as in `look`.
            let word = Word(memory.word(position).load(Ordering::Acquire));
            match geometry.laps_ahead(word, position) {
                ahead @ 1.. => position = geometry.past(position, word, ahead),
                _ => return word.agrees_with(geometry.published(position)),
            }
        }
        false
    }
}

impl<S: Arity> SingleReceiver<S> {
    /// Takes the message at `next`, whose word is `word`.
    #[inline(always)]
    fn claim_next(&mut self, word: Word) -> Claim {
        let position = self.next;
        self.next = position.wrapping_add(1);
        if S::MULTI {
            self.claimed = self.next;
        }
        Claim {
            position,
            attempt: word.redeliveries(),
        }
    }

    /// Gives back what lies between `next` and `taken` (R9). What was dropped
    /// at the front, having been given back too often, is room at once.
    fn give_back<M: Memory>(&mut self, memory: &M, taken: u64, terms: Terms) {
        repair::give_back_behind(memory, self.next, taken, terms);
        let geometry = memory.geometry();
        while self.next != taken {
            let word = Word(memory.word(self.next).load(Ordering::Acquire));
            if geometry.laps_ahead(word, self.next) <= 0 {
                break;
            }
            self.next = self.next.wrapping_add(1);
        }
        self.claimed = self.next;
        self.set_done(memory, self.next);
    }

    /// Counts what lies between `next` and `taken` as lost, one by one: whoever
    /// dies here has counted one too many at most (R15).
    fn discard<M: Memory>(&mut self, memory: &M, taken: u64) {
        while self.next != taken {
            let word = Word(memory.word(self.next).load(Ordering::Acquire));
            if word.agrees_with(memory.geometry().published(self.next)) {
                repair::count(memory, Cell::Lost, 1);
                failpoint!(LostCounted);
            }
            self.next = self.next.wrapping_add(1);
            self.claimed = self.next;
            self.set_done(memory, self.next);
        }
    }

    /// Everything but a message at the first look.
    #[inline(never)]
    fn claim_slow<M: Memory>(&mut self, memory: &M, first: Word) -> Result<Claim, Stall> {
        let geometry = memory.geometry();
        let mut word = first;
        for _ in 0..geometry.patience() {
            if word.agrees_with(geometry.published(self.next)) {
                return Ok(self.claim_next(word));
            }
            let ahead = geometry.laps_ahead(word, self.next);
            if Self::is_pending(word, ahead) {
                self.settle(memory);
                return Err(Stall::Nothing);
            }
            if ahead == 0 && word.state() == State::Claimed && S::MULTI && word.owner().0 != 0 {
                // R7: never passed over.
                return Err(Stall::Held(Held {
                    position: self.next,
                    word,
                }));
            }
            if ahead <= 0 {
                return Err(Stall::Impossible(Impossible {
                    what: "slot word before a single receiver",
                    position: self.next,
                    found: word.0,
                }));
            }
            // R11: an aborted position: go on. With nothing in hand it is done with.
            let passed = self.next;
            let next = geometry.past(passed, word, ahead);
            // What is in hand keeps senders within a lap of it.
            let in_hand = self.done != passed;
            if in_hand && next.wrapping_sub(self.done) > geometry.capacity() {
                return Err(Stall::Impossible(Impossible {
                    what: "slot word a lap past what is in hand",
                    position: passed,
                    found: word.0,
                }));
            }
            self.next = next;
            if !in_hand {
                self.made_room = true;
                self.set_done(memory, next);
            }
            // Pairs with P1, P2, as in `look`.
            word = Word(memory.word(self.next).load(Ordering::Acquire));
        }
        Err(Stall::Contended)
    }
}
