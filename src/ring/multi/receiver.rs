//! One of many receivers.

use core::marker::PhantomData;

use super::PREFETCH_AFTER;
use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::pairing::Multiplicity;
use crate::ring::recover;
use crate::ring::side::{Claim, ClaimError, Held, ReceiveSide, RedeliveryPolicy};
use crate::ring::slot::{SlotState, SlotWord, before};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;
use crate::wait::backoff::Contention;

/// Positions that one step to catch up with others goes on over, at most.
const STEPS: u64 = 32;

/// One of many receivers.
pub struct MultiReceiver<S> {
    pub(super) me: MemberId,
    /// One past the last position that it claimed: a hint of its own.
    pub(super) next: u64,
    /// `head` does not say so.
    pub(super) hint_dirty: bool,
    /// Where it last looked and found nothing.
    pub(super) missed: u64,
    /// And found no free slot there: perhaps another receiver has taken it.
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

impl<S: Multiplicity> MultiReceiver<S> {
    /// `PUBLISHED` to `READING` by us: exactly one receiver succeeds. `TAKES`: else it is
    /// only told what would be taken.
    #[inline]
    fn take<M: Memory, const TAKES: bool>(
        &self,
        memory: &M,
        position: u64,
        word: SlotWord,
    ) -> Option<Claim> {
        let claim = Claim {
            position,
            redeliveries: word.redeliveries(),
        };
        if !TAKES {
            return Some(claim);
        }
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
        Some(claim)
    }

    /// What follows every claim of the next message in order; `publish_hint`: others
    /// need to know where it was.
    #[inline(always)]
    fn after_claim<M: Memory>(&mut self, memory: &M, position: u64, publish_hint: bool) {
        self.next = position.wrapping_add(1);
        self.hint_dirty = !publish_hint;
        if publish_hint {
            self.publish_hint(memory);
        }
        if self.next.wrapping_sub(self.missed) >= PREFETCH_AFTER {
            memory.will_claim(self.next);
        }
    }

    #[inline(always)]
    fn publish_hint<M: Memory>(&mut self, memory: &M) {
        self.hint_dirty = false;
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
        // Pairs with the Release store in `publish_hint`.
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
    fn past_others<M: Memory>(memory: &M, from: u64, steps: u64) -> (u64, SlotWord) {
        let geometry = memory.geometry();
        let (mut position, mut word) = (from, SlotWord(0));
        for _ in 0..steps {
            // Pairs with P1, P2 and the compare-and-swaps of the word.
            word = SlotWord(memory.word(position).load(Ordering::Acquire));
            position = match (geometry.lap_delta(word, position), word.state()) {
                (0, SlotState::Reading) => position.wrapping_add(1),
                (ahead @ 1.., _) => geometry.skip_consumed(position, word, ahead),
                _ => break,
            };
        }
        (position, word)
    }

    /// Takes the next message in order, if there is one.
    #[inline]
    fn claim_ahead<M: Memory, const TAKES: bool>(
        &mut self,
        memory: &M,
    ) -> Result<Claim, (u64, ClaimError)> {
        let geometry = memory.geometry();
        // Pairs with the Release store in `publish_hint`.
        let mut position = memory.cell(Cell::Head).load(Ordering::Acquire);
        let mut contention = Contention::new();
        for _ in 0..geometry.max_probes() {
            // Pairs with P1, P2 and the compare-and-swaps of the word.
            let word = SlotWord(memory.word(position).load(Ordering::Acquire));
            let ahead = geometry.lap_delta(word, position);
            let next = position.wrapping_add(1);
            match (ahead, word.state()) {
                (0, SlotState::Published) => {
                    if let Some(claim) = self.take::<M, TAKES>(memory, position, word) {
                        if TAKES {
                            self.after_claim(memory, position, true);
                        }
                        return Ok(claim);
                    }
                    contention.pause();
                }
                (0, SlotState::Reading) => position = next,
                (0, SlotState::Claimed) if S::MULTI && word.owner().0 != 0 => {
                    // R7: never passed over.
                    return Err((position, ClaimError::Held(Held { position, word })));
                }
                (0, SlotState::Free) => return Err((position, ClaimError::NotReady)),
                // The slot still serves the lap before: nothing new here.
                (-1, SlotState::Published | SlotState::Reading) => {
                    return Err((position, ClaimError::NotReady));
                }
                // R11: aborted or consumed; jump to where the word says.
                (1.., _) => position = geometry.skip_consumed(position, word, ahead),
                _ => {
                    let corruption = Corruption {
                        what: "slot word before a receiver",
                        position,
                        found: word.0,
                    };
                    return Err((position, ClaimError::Corrupted(corruption)));
                }
            }
        }
        Err((position, ClaimError::Contended))
    }

    /// Looks at every slot for a message that was given back (R12), beginning a
    /// lap behind `head`: receivers in order never come by there again.
    #[cold]
    #[inline(never)]
    fn claim_behind<M: Memory, const TAKES: bool>(
        &mut self,
        memory: &M,
        head: u64,
    ) -> Option<Claim> {
        // Pairs with the Release increment in `announce_requeue`: counted means visible.
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        if self.requeues == Some(requeues) {
            return None;
        }
        let geometry = memory.geometry();
        for back in (1..=geometry.capacity()).rev() {
            let near = head.wrapping_sub(back);
            let word = SlotWord(memory.word(near).load(Ordering::Acquire));
            // Wherever it lies: others may have moved the head since we looked.
            if recover::was_given_back(word) {
                let position = geometry.move_laps(near, geometry.lap_delta(word, near));
                if let Some(claim) = self.take::<M, TAKES>(memory, position, word) {
                    return Some(claim);
                }
            }
        }
        self.requeues = Some(requeues);
        None
    }

    /// The next message in order, or one that was given back.
    #[inline]
    fn claim_any<M: Memory, const TAKES: bool>(&mut self, memory: &M) -> Result<Claim, ClaimError> {
        if self.requeues.is_none() {
            // R12: a fresh receiver looks behind the head before anything else.
            let head = memory.cell(Cell::Head).load(Ordering::Acquire);
            if let Some(claim) = self.claim_behind::<M, TAKES>(memory, head) {
                return Ok(claim);
            }
        }
        match self.claim_ahead::<M, TAKES>(memory) {
            Ok(claim) => Ok(claim),
            Err((head, error)) => self.claim_behind::<M, TAKES>(memory, head).ok_or(error),
        }
    }
}

impl<S: Multiplicity> ReceiveSide for MultiReceiver<S> {
    const IN_ORDER: bool = false;

    fn attach<M: Memory>(
        memory: &M,
        me: MemberId,
        _policy: RedeliveryPolicy,
    ) -> Result<Self, Corruption> {
        // Pairs with the Release store in `publish_hint`.
        let next = memory.cell(Cell::Head).load(Ordering::Acquire);
        Ok(MultiReceiver {
            me,
            next,
            hint_dirty: false,
            missed: next,
            is_behind: false,
            requeues: None,
            senders: PhantomData,
        })
    }

    #[inline]
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, ClaimError> {
        self.claim_any::<M, true>(memory)
    }

    fn probe<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        self.claim_any::<M, false>(memory).map(drop)
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<Claim> {
        let geometry = memory.geometry();
        let position = self.next;
        // Pairs with P1, P2, as in `claim_ahead`.
        let word = SlotWord(memory.word(position).load(Ordering::Acquire));
        // One that was given back is left to the slow path: a receiver that lags must
        // not take it before what others would.
        if word == geometry.published(position) && self.requeues.is_some() {
            let claim = self.take::<M, true>(memory, position, word)?;
            self.after_claim(memory, position, geometry.publishes_hint(position));
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

    /// The words say READING, and of which receiver. But they may stay so for long:
    /// the head passes them, or lengths would count them, and what is given back
    /// would be received before what lies ahead.
    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, memory: &M) {
        if self.hint_dirty {
            self.hint_dirty = false;
            // Pairs with the Release store in `publish_hint`. Others may have published
            // more since, and what was given back lies behind them.
            let head = memory.cell(Cell::Head).load(Ordering::Acquire);
            if before(head, self.next) {
                self.publish_hint(memory);
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
        policy: RedeliveryPolicy,
    ) {
        recover::give_back_claims(memory, self.me, claims, policy);
        recover::announce_requeue(memory);
    }

    fn has_message<M: Memory>(&self, memory: &M) -> bool {
        let geometry = memory.geometry();
        // Pairs with the Release store in `publish_hint`.
        let head = memory.cell(Cell::Head).load(Ordering::Acquire);
        let (position, word) = Self::past_others(memory, head, geometry.max_probes());
        if word.agrees_with(geometry.published(position)) {
            return true;
        }
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        self.requeues != Some(requeues) && recover::any_given_back(memory)
    }

    /// Those in order, up to the first position that is not published, and those that were
    /// given back behind them.
    fn count_messages<M: Memory>(&self, memory: &M) -> usize {
        let geometry = memory.geometry();
        // Pairs with the Release store in `publish_hint`.
        let head = memory.cell(Cell::Head).load(Ordering::Acquire);
        let load = |at| SlotWord(memory.word(at).load(Ordering::Acquire));
        let behind = (1..=geometry.capacity()).filter(|back| {
            let near = head.wrapping_sub(*back);
            let word = load(near);
            let position = geometry.move_laps(near, geometry.lap_delta(word, near));
            recover::was_given_back(word) && before(position, head)
        });
        let mut count = behind.count();
        let mut position = head;
        for _ in 0..geometry.max_probes() {
            let word = load(position);
            position = match (geometry.lap_delta(word, position), word.state()) {
                (0, SlotState::Published) => {
                    count += 1;
                    position.wrapping_add(1)
                }
                (0, SlotState::Reading) => position.wrapping_add(1),
                (ahead @ 1.., _) => geometry.skip_consumed(position, word, ahead),
                _ => break,
            };
        }
        count.min(geometry.capacity() as usize)
    }
}
