//! The receiver of a ring with one sender.

use super::{last, published_from};
use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::side::{Claim, ClaimError, ReceiveSide, RedeliveryPolicy};
use crate::ring::slot::before;
use crate::ring::spsc::places::Places;
use crate::sys::atomic::{Ordering, fence};
use crate::sys::failpoints::failpoint;
use crate::wait::backoff::Pace;

/// The receiver of a ring with one sender.
pub struct SpscReceiver {
    /// The next position to take, or the end of its line.
    pub(super) next: u64,
    /// What is published, as far as is known, from `next` to the end of its line.
    pub(super) known: u64,
    /// The start of a line. All lines before it are full.
    pub(super) full: u64,
    /// What `done` says.
    pub(super) done: u64,
    /// What `credit` says.
    pub(super) credited: u64,
    /// Publish credit when it would lag by so many positions.
    pub(super) credit_interval: u64,
    /// What `marked` says.
    pub(super) marked: u64,
    /// Where the ring ended, once that is known to be fixed (S10).
    pub(super) end: Option<u64>,
    /// Each message needs a closer look: some were given back, or the end is fixed.
    pub(super) is_careful: bool,
    pub(super) max_deliveries: u8,
    /// A message was dropped since it was asked (see [`ReceiveSide::has_dropped`]).
    pub(super) has_dropped: bool,
    pub(super) pace: Pace,
}

/// How many lines ahead a receiver looks (figures in docs/decisions.md): far, where a line
/// has no gap between its messages, or near.
const FAR_LINES: u64 = 64;
const NEAR_LINES: u64 = 8;

/// So many messages have to be there beyond those that are taken, to fetch some of them:
/// what is fetched too early is taken from the sender.
const STREAM: u64 = 24;

impl SpscReceiver {
    /// S4: what comes before `done` was read, or counted as lost.
    #[inline(always)]
    pub(super) fn acknowledge<M: Memory>(&mut self, memory: &M, done: u64) {
        self.done = done;
        // Release: our reads of the messages come first; pairs with the Acquire loads in
        // `find_room` and `first_unpublished`.
        memory.cell(Cell::Done).store(done, Ordering::Release);
        failpoint!(DoneMoved);
        if done.wrapping_sub(self.credited) >= self.credit_interval {
            self.give_credit(memory);
        }
    }

    /// S4: never before `done`.
    #[inline(always)]
    pub(super) fn give_credit<M: Memory>(&mut self, memory: &M) {
        self.credited = self.done;
        // Release: as for `done`.
        memory
            .cell(Cell::Credit)
            .store(self.done, Ordering::Release);
        failpoint!(CreditGiven);
    }

    /// At `known`: looks for more, at the next line if this one is taken whole.
    #[inline(always)]
    fn look<M: Memory>(&mut self, memory: &M) -> bool {
        if self.is_careful {
            return false;
        }
        let places = memory.places();
        let lap = memory.geometry().capacity();
        let next = places.canonical(self.next);
        let is_start = !places.is_dense() && places.place(next) == 0;
        if is_start {
            self.look_ahead(memory, next);
        }
        if is_start && before(next, self.full) {
            // Lines without a gap between their messages are taken in one run.
            self.known = match places.is_gapless() {
                true => self.full,
                false => next.wrapping_add(places.per_line()),
            };
            if !places.is_gapless() {
                memory.will_stream(next, places.per_line());
            }
        } else {
            // Pairs with `publish_up_to` of the sender: the messages are there.
            let word = memory.publication(next).load(Ordering::Acquire);
            match valid(places, lap, next, word) {
                Some(known) => self.known = known,
                None => return false,
            }
        }
        self.next = next;
        true
    }

    /// Lines are filled in order: if there is a message some lines ahead, all before it
    /// are full, and need no look. It also has the processor fetch them in time.
    #[inline(always)]
    fn look_ahead<M: Memory>(&mut self, memory: &M, next: u64) {
        let places = memory.places();
        let lap = memory.geometry().capacity();
        for lines in [FAR_LINES, NEAR_LINES] {
            if lines == FAR_LINES && !places.is_gapless() {
                continue; // it is worth one look for each line there
            }
            let ahead = next.wrapping_add(lines * places.line_length());
            // Acquire: pairs as in `look`, for all that was published before.
            let word = memory.publication(ahead).load(Ordering::Acquire);
            if valid(places, lap, ahead, word).is_some() {
                self.full = ahead;
                return;
            }
        }
    }

    /// While `count` messages from `first` on are taken: fetches what comes some lines
    /// later, if that is known to be published, and finds out in time what comes then.
    #[inline(always)]
    fn stream<M: Memory>(&mut self, memory: &M, first: u64, count: u64) {
        let places = memory.places();
        if !places.is_gapless() {
            return;
        }
        let there = self.known.wrapping_sub(first.wrapping_add(count));
        if there > STREAM {
            memory.will_stream(first, count);
        } else if !places.is_dense() && there + count > STREAM {
            self.look_farther(memory);
        }
    }

    /// Gapless lines: looks on from `known`, which is still some lines ahead.
    #[inline(always)]
    fn look_farther<M: Memory>(&mut self, memory: &M) {
        let places = memory.places();
        let ahead = self
            .known
            .wrapping_add((FAR_LINES - STREAM) * places.line_length());
        // Acquire: pairs as in `look`, for all that was published before.
        let word = memory.publication(ahead).load(Ordering::Acquire);
        if places.place(self.known) == 0
            && valid(places, memory.geometry().capacity(), ahead, word).is_some()
        {
            self.full = ahead;
            self.known = ahead;
        }
    }

    /// A message, with all that there may be to it.
    #[inline(never)]
    fn claim_slow<M: Memory>(&mut self, memory: &M) -> Result<Claim, ClaimError> {
        let places = memory.places();
        for _ in 0..=places.capacity() {
            let next = places.canonical(self.next);
            let Some(known) = self.published(memory, next)? else {
                if self.credited != self.done {
                    self.give_credit(memory);
                }
                return Err(ClaimError::NotReady);
            };
            // Loaded once: a peer may write anything there, and what is told is below the
            // limit.
            let redeliveries = self.redeliveries(memory, next);
            if redeliveries >= self.max_deliveries {
                // S19: only with nothing in hand, for `done` passes it.
                if places.canonical(self.done) != next {
                    return Err(ClaimError::NotReady);
                }
                self.discard(memory, next);
                continue;
            }
            self.next = next.wrapping_add(1);
            self.be_careful(places);
            self.known = if self.is_careful { self.next } else { known };
            return Ok(Claim {
                position: next,
                redeliveries,
            });
        }
        Err(ClaimError::Contended)
    }

    /// What is published from `next` to the end of its line, and before the end of the
    /// ring (S10). `None`: nothing.
    fn published<M: Memory>(&self, memory: &M, next: u64) -> Result<Option<u64>, ClaimError> {
        let places = memory.places();
        if self.end.is_some_and(|end| !before(next, end)) {
            return Ok(None);
        }
        // Pairs as in `look`.
        let word = memory.publication(next).load(Ordering::Acquire);
        if let Some(known) = valid(places, memory.geometry().capacity(), next, word) {
            return Ok(Some(match self.end {
                Some(end) if before(end, known) => end,
                _ => known,
            }));
        }
        // S1: until the sender comes here, a word is that of the lap before, or fresh; one
        // for all is where the sender is.
        let behind = next.wrapping_sub(word);
        let is_stale = match places.is_dense() {
            true => behind == 0,
            false => behind <= memory.geometry().capacity() + places.line_length(),
        };
        match self.end {
            // What was published before the end was fixed can be seen.
            None if is_stale => Ok(None),
            _ => Err(ClaimError::Corrupted(Corruption {
                what: "publication before a single receiver",
                position: next,
                found: word,
            })),
        }
    }

    /// Whether messages have to be taken one by one, from now on.
    pub(super) fn be_careful(&mut self, places: Places) {
        let has_marks = before(places.canonical(self.next), self.marked);
        self.is_careful = has_marks || self.end.is_some();
    }

    /// From now on, `next` is the next position.
    pub(super) fn go_to(&mut self, next: u64) {
        self.next = next;
        self.known = next;
    }
}

/// How far `word` says that there are messages from `next` on, to the end of the line;
/// in a dense ring, a lap at most. `None`: no message, or no such word (S1).
///
/// The word may be of the next lap: the sender writes where we have been already, while
/// the rest of the line is still to be taken.
#[inline(always)]
fn valid(places: Places, lap: u64, next: u64, word: u64) -> Option<u64> {
    let there = word.wrapping_sub(next);
    if there.wrapping_sub(1) >= lap {
        return None;
    }
    Some(match places.is_dense() {
        true => word,
        false => next.wrapping_add(there.min(places.left_in_line(next))),
    })
}

impl ReceiveSide for SpscReceiver {
    const IN_ORDER: bool = true;

    /// What the predecessor was handed and never acknowledged is given back or counted
    /// (S16 to S19); what it copied out without acknowledging is still there.
    fn attach<M: Memory>(
        memory: &M,
        _me: MemberId,
        policy: RedeliveryPolicy,
    ) -> Result<Self, Corruption> {
        fence(Ordering::SeqCst); // as in `SpscSender::attach`
        let places = memory.places();
        // Acquire: pairs with the Release stores of the predecessor.
        let cell = |cell| memory.cell(cell).load(Ordering::Acquire);
        // S14: first of all, and by `done`.
        let done = places.canonical(cell(Cell::Done));
        let end = last::load(memory, done);
        // `taken` is stored by leases only: it may lag behind `done`.
        let taken = places.canonical(cell(Cell::Taken));
        let taken = if before(taken, done) { done } else { taken };
        if places.count(done, taken) > places.capacity() {
            return Err(Corruption {
                what: "progress of the single receiver",
                position: done,
                found: taken,
            });
        }
        let mut side = SpscReceiver {
            next: done,
            known: done,
            full: done,
            done,
            credited: done,
            credit_interval: places.credit_interval(),
            marked: cell(Cell::Marked),
            end,
            is_careful: true,
            max_deliveries: policy.max_deliveries,
            has_dropped: false,
            pace: Pace::new(done),
        };
        match policy.redeliver {
            true => side.give_back(memory, taken),
            false => side.discard_all(memory, taken),
        }
        side.give_credit(memory);
        Ok(side)
    }

    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, ClaimError> {
        match self.try_claim_fast(memory) {
            Some(claim) => Ok(claim),
            None => self.claim_slow(memory),
        }
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<Claim> {
        if self.next == self.known && !self.look(memory) {
            return None;
        }
        let position = self.next;
        self.stream(memory, position, 1);
        self.next = position.wrapping_add(1);
        Some(Claim {
            position,
            redeliveries: 0, // else we would be careful
        })
    }

    #[inline(always)]
    fn claim_run_fast<M: Memory>(&mut self, memory: &M, most: usize) -> (u64, usize) {
        if self.next == self.known && !self.look(memory) {
            return (0, 0);
        }
        let first = self.next;
        let there = self.known.wrapping_sub(first);
        let to_wrap = memory.geometry().capacity() - memory.geometry().index(first);
        let count = there.min(most as u64).min(to_wrap);
        self.next = first.wrapping_add(count);
        self.stream(memory, first, count);
        (first, count as usize)
    }

    fn let_ahead(&mut self) {
        self.pace.let_ahead(self.next);
    }

    /// Dense: a message that is waited for is fetched along with the word that is polled,
    /// so that both come over together.
    #[inline(always)]
    fn catch_up<M: Memory>(&mut self, memory: &M) {
        if memory.places().is_dense() && self.pace.is_long_wait() {
            memory.will_poll(self.next);
        }
    }

    fn has_dropped(&mut self) -> bool {
        core::mem::take(&mut self.has_dropped)
    }

    fn unclaim<M: Memory>(&mut self, memory: &M, claim: Claim) {
        debug_assert_eq!(self.next, claim.position.wrapping_add(1));
        self.go_to(claim.position);
        self.be_careful(memory.places());
    }

    /// S15: before the user sees the message.
    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, memory: &M) {
        // Release: in program order before the user sees the message; pairs with the
        // Acquire loads in `attach` of a successor and of lookers (`single_receiver_holds`).
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        failpoint!(HandedOut);
    }

    #[inline(always)]
    fn release<M: Memory>(&mut self, memory: &M, _claim: Claim) {
        self.acknowledge(memory, self.next);
    }

    fn release_before<M: Memory>(&mut self, memory: &M, next: Claim) {
        self.acknowledge(memory, next.position);
    }

    fn requeue<M: Memory>(
        &mut self,
        memory: &M,
        mut claims: impl Iterator<Item = Claim>,
        _policy: RedeliveryPolicy,
    ) {
        let Some(first) = claims.next() else { return };
        let taken = memory.places().canonical(self.next);
        self.go_to(first.position);
        self.give_back(memory, taken);
    }

    /// S11, S12: where we are is where the ring ends, if it has none yet.
    fn fix_end<M: Memory>(&mut self, memory: &M) -> bool {
        // S19: a message that is over the limit waits behind what is in hand. It was sent,
        // and so may others have been after it.
        if self.has_message(memory) {
            return false;
        }
        let places = memory.places();
        let next = places.canonical(self.next);
        let end = last::fix(memory, next);
        self.end = Some(end);
        self.go_to(self.next);
        self.is_careful = true;
        // S13.
        !before(next, end)
    }

    fn has_message<M: Memory>(&self, memory: &M) -> bool {
        let next = memory.places().canonical(self.next);
        matches!(self.published(memory, next), Ok(Some(_)))
    }

    fn count_messages<M: Memory>(&self, memory: &M) -> usize {
        let places = memory.places();
        let next = places.canonical(self.next);
        let end = match (published_from(memory, next), self.end) {
            ((found, _), Some(end)) if before(end, found) => end,
            ((found, _), _) => found,
        };
        let there = places.count(next, places.canonical(end));
        let there = there.min(places.capacity());
        // Given back as often as it may be: it is dropped when it comes to it.
        let dropped = (0..there)
            .map(|messages| places.advance(next, messages))
            .take_while(|position| before(*position, self.marked))
            .filter(|position| self.is_over_limit(memory, *position));
        there as usize - dropped.count()
    }
}
