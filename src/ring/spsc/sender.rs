//! The sender of a ring with one receiver.

use super::{last, published_from};
use crate::error::Corruption;
use crate::members::MemberId;
use crate::ring::end;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::side::{ClaimError, SendSide};
use crate::ring::slot::before;
use crate::ring::spsc::places::Places;
use crate::sys::atomic::{AtomicU64, Ordering, fence};
use crate::sys::failpoints::failpoint;

/// The sender of a ring with one receiver.
pub struct SpscSender {
    /// The first position not yet published, or the end of its line.
    pub(super) next: u64,
    /// The first position that is not known to be free, or the end of the line.
    pub(super) limit: u64,
    /// The first position that is not known to be free (S3); canonical.
    pub(super) room: u64,
}

impl SpscSender {
    /// At `limit`: goes on to the next line, or to room that was made since, as `progress`
    /// of the receiver says: `credit`, which lags on purpose, or `done` (S3).
    #[inline(always)]
    fn turn<M: Memory>(&mut self, memory: &M, progress: Cell) -> bool {
        let places = memory.places();
        let start = places.canonical(self.next);
        if start == self.room {
            match find_room(memory.cell(progress), places, start) {
                Some(room) => self.room = room,
                None => return false,
            }
        }
        self.next = start;
        self.limit = first_limit(places, start, self.room);
        if !places.is_dense() {
            store_hint(memory, start);
            memory.will_write(start, false);
        }
        true
    }

    /// The next position is `next`, and those before `room` are free.
    fn go_on_from(&mut self, places: Places, next: u64, room: u64) {
        self.next = next;
        self.room = room;
        // At the end of a line, or of the room, `turn` goes on.
        self.limit = match places.canonical(next) == next && next != room {
            true => first_limit(places, next, room),
            false => next,
        };
    }

    /// Why there is no room.
    #[cold]
    fn reason<M: Memory>(&self, memory: &M) -> ClaimError {
        let places = memory.places();
        // Pairs as in `find_room`.
        let done = memory.cell(Cell::Done).load(Ordering::Acquire);
        let next = places.canonical(self.next);
        if places.count(places.canonical(done), next) > places.capacity() {
            return ClaimError::Corrupted(Corruption {
                what: "progress of the receiver",
                position: next,
                found: done,
            });
        }
        ClaimError::NotReady
    }

    /// S5: where a successor goes on: after all that was published, as seen from `done`.
    fn first_unpublished<M: Memory>(memory: &M) -> Result<u64, Corruption> {
        let places = memory.places();
        // Pairs with `acknowledge` of the receiver.
        let done = places.canonical(memory.cell(Cell::Done).load(Ordering::Acquire));
        let (next, is_end) = published_from(memory, done);
        if !is_end || places.count(done, next) > places.capacity() {
            return Err(Corruption {
                what: "progress of the single sender",
                position: done,
                found: next,
            });
        }
        Ok(next)
    }

    /// S1, S2: publishes up to `next`.
    #[inline(always)]
    fn publish_up_to<M: Memory>(memory: &M, last: u64) -> u64 {
        let next = last.wrapping_add(1);
        // Release: the messages are written before; pairs with the Acquire loads of the
        // word by the receiver, and in `published_from` by a successor and by lookers.
        memory.publication(last).store(next, Ordering::Release);
        failpoint!(Published);
        next
    }
}

/// Looks for room at `next` (S3): the first position that is not free. (By value, so that
/// what a run keeps stays in registers.)
#[cold]
#[inline(never)]
fn find_room(progress: &AtomicU64, places: Places, next: u64) -> Option<u64> {
    // Pairs with the Release stores of the receiver in `acknowledge` and `give_credit`:
    // its reads of the messages end before we write there.
    let done = places.canonical(progress.load(Ordering::Acquire));
    let has_room = places.count(done, next) < places.capacity();
    has_room.then(|| places.advance(done, places.capacity()))
}

/// The first position after `start` that is not known to be free, or the end of the line.
#[inline(always)]
fn first_limit(places: Places, start: u64, room: u64) -> u64 {
    let free = room.wrapping_sub(start);
    start.wrapping_add(free.min(places.left_in_line(start)))
}

/// Of lines: at some starts of a line, tells those that count messages how far we are.
#[inline(always)]
fn store_hint<M: Memory>(memory: &M, start: u64) {
    if memory.geometry().is_quarter(start) {
        // S2: never before the words. Release: keeps the order; pairs with the Acquire load
        // of those that count messages (`progress`).
        memory.cell(Cell::Sent).store(start, Ordering::Release);
        failpoint!(SentMoved);
    }
}

impl SendSide for SpscSender {
    fn attach<M: Memory>(memory: &M, _me: MemberId) -> Result<Self, Corruption> {
        // S9, R18: pairs with what the previous holder did before it let go of the lock,
        // or before the kernel took it. (A closed ring is seen by the first `begin`.)
        fence(Ordering::SeqCst);
        let next = Self::first_unpublished(memory)?;
        Ok(SpscSender {
            next,
            limit: next,
            room: next,
        })
    }

    /// S8: who sees the ring closed publishes nothing more.
    #[inline(always)]
    fn begin<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        match end::is_closed(memory) {
            false => Ok(()),
            true => Err(ClaimError::Closed),
        }
    }

    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, ClaimError> {
        // Full is judged by `done`.
        match self.next != self.limit || self.turn(memory, Cell::Done) {
            true => Ok(self.next),
            false => Err(self.reason(memory)),
        }
    }

    #[inline(always)]
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        (self.next != self.limit || self.turn(memory, Cell::Credit)).then_some(self.next)
    }

    #[inline(always)]
    fn publish<M: Memory>(&mut self, memory: &M, position: u64) {
        self.next = Self::publish_up_to(memory, position);
        if memory.places().is_dense() {
            memory.will_write(self.next, false);
        }
    }

    #[inline(always)]
    fn send_run<M: Memory>(
        &mut self,
        memory: &M,
        most: usize,
        mut write: impl FnMut(u64),
    ) -> usize {
        // In locals: a store to our own line between those to the ring's would wait for
        // them (docs/decisions.md).
        let places = memory.places();
        let SpscSender { next, limit, room } = *self;
        let mut side = SpscSender { next, limit, room };
        let mut left = most as u64;
        while left > 0 && (side.next != side.limit || side.turn(memory, Cell::Credit)) {
            let first = side.next;
            let run = side.limit.wrapping_sub(first).min(left);
            // A line that is written whole, by a loop of known length.
            if !places.is_dense() && run == places.per_line() {
                for offset in 0..places.per_line() {
                    write(first.wrapping_add(offset));
                }
            } else {
                for offset in 0..run {
                    write(first.wrapping_add(offset));
                }
            }
            failpoint!(Written);
            side.next = Self::publish_up_to(memory, first.wrapping_add(run - 1));
            left -= run;
        }
        *self = side;
        most - left as usize
    }

    fn claim_more<M: Memory>(&mut self, memory: &M, most: usize, claimed: &mut Vec<u64>) {
        let places = memory.places();
        let last = claimed.last().copied().unwrap_or(self.next);
        let mut position = places.canonical(last.wrapping_add(1));
        if places.count(position, self.room) < most as u64 {
            // Full is judged by `done`.
            let (done, next) = (memory.cell(Cell::Done), places.canonical(self.next));
            if let Some(room) = find_room(done, places, next) {
                self.go_on_from(places, next, room);
            }
        }
        let free = places.count(position, self.room).min(most as u64);
        for _ in 0..free {
            claimed.push(position);
            position = places.canonical(position.wrapping_add(1));
        }
    }

    fn publish_chunk<M: Memory>(&mut self, memory: &M, positions: &[u64]) {
        let places = memory.places();
        for (index, position) in positions.iter().enumerate() {
            let is_last = index + 1 == positions.len();
            // S2: one store for each line, and one at the end.
            if is_last || places.left_in_line(*position) == 1 {
                let next = Self::publish_up_to(memory, *position);
                self.go_on_from(places, next, self.room);
                if !places.is_dense() {
                    store_hint(memory, places.canonical(next));
                }
            }
        }
    }

    #[inline(always)]
    fn abandon<M: Memory>(&mut self, _memory: &M, _position: u64) {
        // Nothing was visible: the next claim takes the same position.
    }

    #[inline(always)]
    fn end<M: Memory>(&mut self, _memory: &M) {}

    const IS_FENCED: bool = true;

    #[inline(always)]
    fn complete<M: Memory>(&mut self, memory: &M) -> bool {
        // S6: first the word, then `closed`; a receiver that fixes the end does it the
        // other way round, with the heavy half in between.
        memory.fences().light();
        !end::is_closed(memory)
    }

    /// S7: fixes the end of the ring after what we published, unless it is fixed.
    fn count_late<M: Memory>(&mut self, memory: &M) -> usize {
        let places = memory.places();
        let next = places.canonical(self.next);
        let end = places.canonical(last::fix(memory, next));
        match before(end, next) {
            true => places.count(end, next) as usize,
            false => 0,
        }
    }

    /// By `credit`: to poll `done` would take its line from the receiver at each look,
    /// and give back room for one message at a time.
    #[inline(always)]
    fn may_have_room<M: Memory>(&self, memory: &M) -> bool {
        let places = memory.places();
        // Relaxed: a hint, which nothing is done by; `find_room` loads with Acquire
        // before anything is written.
        let credit = memory.cell(Cell::Credit).load(Ordering::Relaxed);
        let next = places.canonical(self.next);
        next != self.room || places.count(places.canonical(credit), next) < places.capacity()
    }

    fn has_room<M: Memory>(&self, memory: &M) -> bool {
        self.count_room(memory) > 0
    }

    fn count_room<M: Memory>(&self, memory: &M) -> usize {
        let places = memory.places();
        // Pairs as in `find_room`.
        let done = places.canonical(memory.cell(Cell::Done).load(Ordering::Acquire));
        let used = places.count(done, places.canonical(self.next));
        places.capacity().saturating_sub(used) as usize
    }

    /// A send that began before the ring was closed is told by the end that is fixed.
    fn is_quiescent<M: Memory>(_memory: &M) -> bool {
        true
    }
}
