//! The memory of a rendezvous ring.

#![allow(unsafe_code)]

use super::{Block, Memory};
use crate::error::Side;
use crate::ring::layout::{Cell, HANDOVER_WORDS, WAITER_WORDS};
use crate::ring::layout::{MAX_HANDOVERS, WAITERS};
use crate::ring::rendezvous::Handover;
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64, Fences};

/// A block that holds a rendezvous ring: its slot words lie among the control words, and so
/// do those of waiting receivers. Messages lie as in a ring of the kind, as many as there
/// are slots.
#[derive(Clone, Copy)]
pub(crate) struct HandoverMemory(Block);

impl HandoverMemory {
    pub(crate) fn new(block: Block) -> Self {
        debug_assert!(block.geometry().capacity() <= MAX_HANDOVERS);
        HandoverMemory(block)
    }

    /// One of an array of words among the control words.
    #[inline]
    fn word_at(&self, array: usize, index: usize) -> &AtomicU64 {
        // SAFETY: V1 and V8: both arrays lie below the table of members, at multiples of 8,
        // and have as many words as an index that is masked here allows; these words are
        // only ever accessed as atomics of this width.
        unsafe {
            &*self
                .0
                .base
                .add(array + index % WAITERS * size_of::<u64>())
                .cast::<AtomicU64>()
        }
    }
}

impl Memory for HandoverMemory {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn fences(&self) -> Fences {
        self.0.fences()
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        self.word_at(HANDOVER_WORDS, self.geometry().index(position) as usize)
    }

    fn places(&self) -> Places {
        self.0.places()
    }

    fn publication(&self, position: u64) -> &AtomicU64 {
        self.0.publication(position)
    }

    fn attempts(&self, position: u64) -> &AtomicU8 {
        self.0.attempts(position)
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        self.0.cell(cell)
    }

    fn wait_word(&self, side: Side) -> &AtomicU32 {
        self.0.wait_word(side)
    }
}

impl Handover for HandoverMemory {
    fn waiter(&self, index: usize) -> &AtomicU64 {
        self.word_at(WAITER_WORDS, index)
    }
}
