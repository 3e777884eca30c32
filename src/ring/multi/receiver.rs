//! One of many receivers.

use core::marker::PhantomData;

use super::{CALM, give_way};
use crate::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::position::{Owner, State, Word, before};
use crate::ring::repair;
use crate::ring::{Arity, Claim, Held, Impossible, ReceiveSide, Stall, Terms};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// Positions that one attempt to catch up with others goes on over, at most.
const STEPS: u64 = 32;

/// One of many receivers.
pub struct MultiReceiver<S> {
    pub(super) me: Owner,
    /// One past the last position that it claimed: a hint of its own.
    pub(super) next: u64,
    /// `head` does not say so.
    pub(super) is_untold: bool,
    /// Where it last looked in vain.
    pub(super) missed: u64,
    /// And found no free slot there: perhaps somebody else has taken it.
    pub(super) is_behind: bool,
    /// The count of requeues up to which nothing lies behind the head; `None`
    /// before the first look (R12).
    pub(super) requeues: Option<u64>,
    pub(super) senders: PhantomData<fn() -> S>,
}

impl<S> Clone for MultiReceiver<S> {
    fn clone(&self) -> Self {
        MultiReceiver {
            requeues: None,
            ..*self
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
        failpoint!(Taken);
        Some(Claim {
            position,
            attempt: word.redeliveries(),
        })
    }

    /// What comes of every claim of the next message in order, of which `tell`
    /// says whether others need to know where it was.
    #[inline(always)]
    fn go_on<M: Memory>(&mut self, memory: &M, position: u64, tell: bool) {
        self.next = position.wrapping_add(1);
        self.is_untold = !tell;
        if tell {
            self.tell(memory);
        }
        if self.next.wrapping_sub(self.missed) >= CALM {
            memory.will_claim(self.next);
        }
    }

    #[inline(always)]
    fn tell<M: Memory>(&mut self, memory: &M) {
        self.is_untold = false;
        // Release: pairs with the Acquire loads of the hint. A plain store may
        // move it back; R11 makes up for it.
        memory.cell(Cell::Head).store(self.next, Ordering::Release);
        failpoint!(HeadMoved);
    }

    /// Goes on to where the others are, or some way at least.
    #[cold]
    #[inline(never)]
    fn follow<M: Memory>(&mut self, memory: &M) {
        self.is_behind = false;
        // Pairs with the Release store in `tell`.
        let head = memory.cell(Cell::Head).load(Ordering::Acquire);
        let from = if before(self.next, head) {
            head
        } else {
            self.next
        };
        (self.next, _) = Self::past_others(memory, from, STEPS);
    }

    /// The first position from `from` on that no receiver has come to (R11), and
    /// its word, or how far so many `steps` lead.
    fn past_others<M: Memory>(memory: &M, from: u64, steps: u64) -> (u64, Word) {
        let geometry = memory.geometry();
        let (mut position, mut word) = (from, Word(0));
        for _ in 0..steps {
            // Pairs with P1, P2 and the compare-and-swaps of the word.
            word = Word(memory.word(position).load(Ordering::Acquire));
            position = match (geometry.laps_ahead(word, position), word.state()) {
                (0, State::Reading) => position.wrapping_add(1),
                (ahead @ 1.., _) => geometry.past(position, word, ahead),
                _ => break,
            };
        }
        (position, word)
    }

    /// Takes the next message in order, if there is one.
    #[inline]
    fn claim_ahead<M: Memory>(&mut self, memory: &M) -> Result<Claim, (u64, Stall)> {
        let geometry = memory.geometry();
        // Pairs with the Release store in `tell`.
        let mut position = memory.cell(Cell::Head).load(Ordering::Acquire);
        let mut failures = 0;
        for _ in 0..geometry.patience() {
            // Pairs with P1, P2 and the compare-and-swaps of the word.
            let word = Word(memory.word(position).load(Ordering::Acquire));
            let ahead = geometry.laps_ahead(word, position);
            let next = position.wrapping_add(1);
            match (ahead, word.state()) {
                (0, State::Published) => {
                    if let Some(claim) = self.take(memory, position, word) {
                        self.go_on(memory, position, true);
                        return Ok(claim);
                    }
                    give_way(&mut failures);
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
    const IN_ORDER: bool = false;

    fn attach<M: Memory>(memory: &M, me: Owner, _terms: Terms) -> Result<Self, Impossible> {
        // Pairs with the Release store in `tell`.
        let next = memory.cell(Cell::Head).load(Ordering::Acquire);
        Ok(MultiReceiver {
            me,
            next,
            missed: next,
            is_behind: false,
            is_untold: false,
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
        let geometry = memory.geometry();
        let position = self.next;
        // Pairs with P1, P2, as in `claim_ahead`.
        let word = Word(memory.word(position).load(Ordering::Acquire));
        // One that was given back is left to the ordinary way: whoever lags must
        // not take it before what others would.
        if word == geometry.published(position) && self.requeues.is_some() {
            let claim = self.take(memory, position, word)?;
            self.go_on(memory, position, geometry.is_milestone(position));
            return Some(claim);
        }
        self.missed = position;
        self.is_behind = word != geometry.free(position);
        None
    }

    #[inline(always)]
    fn catch_up<M: Memory>(&mut self, memory: &M) {
        if self.is_behind {
            self.follow(memory);
        }
    }

    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, memory: &M) {
        // The words say READING and by whom. But they may stay so for long:
        // nobody shall take them for messages that nobody has come to.
        if self.is_untold {
            self.is_untold = false;
            // Pairs with the Release store in `tell`. Others may have told more
            // since, and what was given back lies behind them.
            let head = memory.cell(Cell::Head).load(Ordering::Acquire);
            if before(head, self.next) {
                self.tell(memory);
            }
        }
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
        failpoint!(SlotFreed);
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
        // Pairs with the Release store in `tell`.
        let head = memory.cell(Cell::Head).load(Ordering::Acquire);
        let (position, word) = Self::past_others(memory, head, geometry.patience());
        if word.agrees_with(geometry.published(position)) {
            return true;
        }
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        self.requeues != Some(requeues) && repair::any_given_back(memory)
    }
}
