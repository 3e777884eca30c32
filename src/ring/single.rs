//! A side that at most one endpoint holds at a time: no read-modify-write.
//!
//! Taking the role implies that the old holder is gone (its lock byte was
//! free), so progress is kept in plain words that only the holder writes.

use core::marker::PhantomData;

use super::memory::Memory;
use super::position::{Owner, State, Word, before};
use super::repair;
use super::{Arity, Claim, Held, Impossible, ReceiveSide, SendSide, Stall, Terms};
use crate::layout::Cell;
use crate::points::{Point, reach};
use crate::primitive::{Ordering, fence};

#[cfg(all(test, not(loom)))]
mod snapshot;

/// The one sender.
pub struct SingleSender<R> {
    /// First position not yet published.
    next: u64,
    /// Single receiver: first position not known to be free.
    limit: u64,
    receivers: PhantomData<fn() -> R>,
}

impl<R: Arity> SingleSender<R> {
    /// Looks for room beyond `limit` (R5). Full is judged by `done`: credit
    /// lags on purpose.
    #[cold]
    #[inline(never)]
    fn find_room<M: Memory>(&mut self, memory: &M) -> Result<(), Stall> {
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
                return Err(Stall::Impossible(Impossible {
                    what: "progress of the receiver",
                    position: self.next,
                    found: done,
                }));
            }
        }
        Err(Stall::Nothing)
    }

    /// Publishes what was written at `position`.
    #[inline(always)]
    fn show<M: Memory>(&mut self, memory: &M, position: u64) {
        // P1. Release: the payload is written before; pairs with the Acquire
        // loads of the word by receivers.
        memory
            .word(position)
            .store(memory.geometry().published(position).0, Ordering::Release);
        reach(Point::Published);
        self.next = position.wrapping_add(1);
    }

    /// R6: never before the words.
    #[inline(always)]
    fn note_sent<M: Memory>(&self, memory: &M) {
        // Release keeps the order; death is precise.
        memory.cell(Cell::Sent).store(self.next, Ordering::Release);
        reach(Point::SentMoved);
    }

    /// With many receivers, a slot is free when its word says so (R5).
    #[inline(always)]
    fn check_word<M: Memory>(&self, memory: &M) -> Result<(), Stall> {
        let geometry = memory.geometry();
        // Pairs with the Release in `MultiReceiver::release`.
        let word = Word(memory.word(self.next).load(Ordering::Acquire));
        if word == geometry.free(self.next) {
            return Ok(());
        }
        match (geometry.laps_ahead(word, self.next), word.state()) {
            (-1, State::Published) => Err(Stall::Nothing),
            (-1, State::Reading) if word.owner().0 != 0 => Err(Stall::Held(Held {
                position: self.next,
                word,
            })),
            _ => Err(Stall::Impossible(Impossible {
                what: "slot word before a single sender",
                position: self.next,
                found: word.0,
            })),
        }
    }
}

impl<R: Arity> SendSide for SingleSender<R> {
    /// R6: `sent` may lag behind the words, by less than a lap, and never leads.
    fn attach<M: Memory>(memory: &M, _me: Owner) -> Result<Self, Impossible> {
        // Pairs with whatever the previous holder did before it let go of the
        // lock, or before the kernel took it.
        fence(Ordering::SeqCst);
        let geometry = memory.geometry();
        let mut next = memory.cell(Cell::Sent).load(Ordering::Acquire);
        let mut steps = 0;
        loop {
            let word = Word(memory.word(next).load(Ordering::Acquire));
            let ahead = geometry.laps_ahead(word, next);
            if ahead < 0 || (ahead == 0 && word.state() == State::Free) {
                break;
            }
            if steps == geometry.capacity() {
                return Err(Impossible {
                    what: "progress of the single sender",
                    position: next,
                    found: word.0,
                });
            }
            next = next.wrapping_add(1);
            steps += 1;
        }
        memory.cell(Cell::Sent).store(next, Ordering::Release);
        reach(Point::SentRecovered);
        memory.cell(Cell::Busy).store(0, Ordering::Release);
        reach(Point::BusyReset);
        Ok(SingleSender {
            next,
            limit: next,
            receivers: PhantomData,
        })
    }

    #[inline(always)]
    fn begin<M: Memory>(&mut self, memory: &M) -> Result<(), Stall> {
        // R17: first busy, then closed; whoever reports the end of the ring
        // does it the other way round, with the heavy half in between.
        memory.cell(Cell::Busy).store(1, Ordering::Relaxed);
        reach(Point::BusySet);
        memory.fences().light();
        if memory.cell(Cell::Closed).load(Ordering::Acquire) != 0 {
            self.end(memory);
            return Err(Stall::Closed);
        }
        Ok(())
    }

    #[inline(always)]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, Stall> {
        if R::MULTI {
            self.check_word(memory)?;
        } else if self.next == self.limit {
            self.find_room(memory)?;
        }
        Ok(self.next)
    }

    #[inline(always)]
    fn quick<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        let room = if R::MULTI {
            self.check_word(memory).is_ok()
        } else {
            self.next != self.limit
        };
        if room && self.begin(memory).is_ok() {
            Some(self.next)
        } else {
            None
        }
    }

    #[inline(always)]
    fn publish<M: Memory>(&mut self, memory: &M, position: u64) {
        self.show(memory, position);
        self.note_sent(memory);
        memory.will_write(self.next, R::MULTI);
    }

    /// R6: `sent` at every 16th slot is once a lap at least.
    #[inline(always)]
    fn publish_another<M: Memory>(&mut self, memory: &M, position: u64) {
        self.show(memory, position);
        if memory.geometry().index(self.next).is_multiple_of(16) {
            self.note_sent(memory);
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
        // `quiescent`.
        memory.cell(Cell::Busy).store(0, Ordering::Release);
        reach(Point::BusyCleared);
    }

    #[inline(always)]
    fn end_batch<M: Memory>(&mut self, memory: &M) {
        self.note_sent(memory);
        self.end(memory);
    }

    /// By `credit`: to poll `done` would take its line from the receiver at each
    /// look, and give back room for one message at a time.
    #[inline(always)]
    fn is_promising<M: Memory>(&self, memory: &M) -> bool {
        // Relaxed: a hint, which nothing is done by; `find_room` loads with
        // Acquire before anything is written.
        let credit = memory.cell(Cell::Credit).load(Ordering::Relaxed);
        R::MULTI || self.next.wrapping_sub(credit) < memory.geometry().capacity()
    }

    fn has_room<M: Memory>(&self, memory: &M) -> bool {
        if R::MULTI {
            return self.check_word(memory).is_ok();
        }
        let done = memory.cell(Cell::Done).load(Ordering::Acquire);
        self.next.wrapping_sub(done) < memory.geometry().capacity()
    }

    fn quiescent<M: Memory>(memory: &M) -> bool {
        // Pairs with `end`.
        memory.cell(Cell::Busy).load(Ordering::Acquire) == 0
    }
}

/// The one receiver.
pub struct SingleReceiver<S> {
    /// Next position to look at.
    next: u64,
    /// First position not acknowledged: what `done` says.
    done: u64,
    /// Many senders: one past the last message claimed. Where nothing is in
    /// hand, `done` is `next`, however many aborted positions were passed.
    claimed: u64,
    /// Positions without a message were passed: room that nobody was told of.
    made_room: bool,
    /// What `credit` says.
    credited: u64,
    /// Publish credit when it would lag by this much.
    stride: u64,
    senders: PhantomData<fn() -> S>,
}

impl<S: Arity> SingleReceiver<S> {
    #[inline(always)]
    fn set_done<M: Memory>(&mut self, memory: &M, done: u64) {
        self.done = done;
        // Release: our reads of the payload come first; pairs with the Acquire
        // in `find_room` and `MultiSender::is_done_with`.
        memory.cell(Cell::Done).store(done, Ordering::Release);
        reach(Point::DoneMoved);
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
        reach(Point::CreditGiven);
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
        reach(Point::TakenRecovered);
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
    fn catch_up<M: Memory>(&mut self, _memory: &M) {}

    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, memory: &M) {
        // Release: in program order before the user sees the message.
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        reach(Point::HandedOut);
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
        reach(Point::TakenRecovered);
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
            attempt: word.attempt(),
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
                reach(Point::LostCounted);
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
            word = Word(memory.word(self.next).load(Ordering::Acquire));
        }
        Err(Stall::Contended)
    }
}
