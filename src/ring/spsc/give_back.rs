//! What a receiver held and did not acknowledge: given back, or counted as lost, by
//! itself or by its successor.
//!
//! How often a message was given back is counted in a byte for each position of a lap,
//! far from the messages. The bytes before `marked` are valid (S18).

use super::receiver::SpscReceiver;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::recover;
use crate::ring::slot::before;
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

impl SpscReceiver {
    /// S16, S17: gives back what lies between `next` and `taken`, last first.
    ///
    /// `taken` follows each step, so that a receiver that dies here leaves no message
    /// raised twice to its successor.
    pub(super) fn give_back<M: Memory>(&mut self, memory: &M, taken: u64) {
        let places = memory.places();
        let first = places.canonical(self.next);
        if first != taken {
            self.mark(memory, first, taken);
        }
        let messages = places.count(first, taken);
        for position in (0..messages).rev().map(|at| places.advance(first, at)) {
            let attempts = memory.attempts(position);
            // Relaxed: only the receiver writes there and reads it, a successor after what
            // orders `taken`; saturating, for a peer may have written
            // anything.
            let raised = attempts.load(Ordering::Relaxed).saturating_add(1);
            if raised < self.max_deliveries {
                recover::count(memory, Cell::Redelivered, 1);
                failpoint!(GivenBackCounted);
            }
            attempts.store(raised, Ordering::Release);
            failpoint!(AttemptRaised);
            // Release: after the attempt, in program order; death is precise. Pairs with the
            // Acquire load in `attach` of a successor, and of lookers.
            memory.cell(Cell::Taken).store(position, Ordering::Release);
            failpoint!(TakenLowered);
        }
        // Release: pairs as above.
        memory.cell(Cell::Taken).store(first, Ordering::Release);
        failpoint!(TakenRecovered);
        self.go_to(first);
        self.drop_exhausted(memory, taken);
        self.be_careful(places);
    }

    /// S16: the attempts from `first` up to `taken` become valid.
    fn mark<M: Memory>(&mut self, memory: &M, first: u64, taken: u64) {
        let places = memory.places();
        let mut position = match before(self.marked, first) {
            true => first,
            false => places.canonical(self.marked),
        };
        while before(position, taken) {
            // Relaxed: `marked` is stored after it (S16).
            memory.attempts(position).store(0, Ordering::Relaxed);
            position = places.canonical(position.wrapping_add(1));
        }
        if before(self.marked, taken) {
            self.marked = taken;
            // Release: after the zeroes, in program order; pairs with the load in `attach`.
            memory.cell(Cell::Marked).store(taken, Ordering::Release);
            failpoint!(AttemptsMarked);
        }
    }

    /// S18: how often the message at `position` was given back.
    pub(super) fn redeliveries<M: Memory>(&self, memory: &M, position: u64) -> u8 {
        match before(position, self.marked) {
            // Relaxed: our own, or a predecessor's, ordered by `marked`.
            true => memory.attempts(position).load(Ordering::Relaxed),
            false => 0,
        }
    }

    /// Whether the message at `position` was delivered as often as it may be.
    pub(super) fn is_over_limit<M: Memory>(&self, memory: &M, position: u64) -> bool {
        self.redeliveries(memory, position) >= self.max_deliveries
    }

    /// What was delivered too often is room at once, where it lies at the front. (Nothing
    /// is in hand.)
    fn drop_exhausted<M: Memory>(&mut self, memory: &M, taken: u64) {
        let places = memory.places();
        while self.next != taken && self.is_over_limit(memory, self.next) {
            self.discard(memory, places.canonical(self.next));
        }
    }

    /// S19: counts the message at `position`, which lies at the front, as lost.
    pub(super) fn discard<M: Memory>(&mut self, memory: &M, position: u64) {
        recover::count(memory, Cell::Lost, 1);
        failpoint!(LostCounted);
        self.has_dropped = true;
        let next = memory.places().canonical(position.wrapping_add(1));
        self.go_to(next);
        self.acknowledge(memory, next);
    }

    /// S19: counts what lies between `next` and `taken` as lost, one by one: a process
    /// that dies here has counted one too many at most.
    pub(super) fn discard_all<M: Memory>(&mut self, memory: &M, taken: u64) {
        while self.next != taken {
            self.discard(memory, self.next);
        }
        // Release: pairs as in `give_back`.
        memory.cell(Cell::Taken).store(self.next, Ordering::Release);
        failpoint!(TakenRecovered);
        self.be_careful(memory.places());
    }
}
