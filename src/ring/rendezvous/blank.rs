//! Memory that says nothing.

use crate::error::Side;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64, Fences};

/// A fresh ring of one slot, in private memory. The endpoint of a kind attaches to it where
/// the ring is a rendezvous ring: it is a state that is never used.
pub(crate) struct BlankMemory {
    word: AtomicU64,
    attempts: AtomicU8,
    wait_word: AtomicU32,
}

impl BlankMemory {
    pub(crate) fn new() -> Self {
        BlankMemory {
            word: AtomicU64::new(0),
            attempts: AtomicU8::new(0),
            wait_word: AtomicU32::new(0),
        }
    }
}

impl Memory for BlankMemory {
    fn geometry(&self) -> Geometry {
        Geometry::new(1)
    }

    fn fences(&self) -> Fences {
        Fences::Full
    }

    fn word(&self, _position: u64) -> &AtomicU64 {
        &self.word
    }

    fn places(&self) -> Places {
        Places::dense(1)
    }

    fn publication(&self, _position: u64) -> &AtomicU64 {
        &self.word
    }

    fn attempts(&self, _position: u64) -> &AtomicU8 {
        &self.attempts
    }

    fn cell(&self, _cell: Cell) -> &AtomicU64 {
        &self.word
    }

    fn wait_word(&self, _side: Side) -> &AtomicU32 {
        &self.wait_word
    }
}
