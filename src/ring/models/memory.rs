//! The memory of a ring as loom sees it, and as a thread sees it that dies.

use std::sync::Arc;

use loom::cell::Cell as LoomCell;

use crate::error::Side;
use crate::models::Steps;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;
use crate::ring::{Pairing, start_at};
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64, Fences, Ordering};

/// Control words of a segment, in the order in which the ring keeps them.
const CELLS: [Cell; 13] = [
    Cell::Tail,
    Cell::Head,
    Cell::Sent,
    Cell::Busy,
    Cell::Taken,
    Cell::Done,
    Cell::Credit,
    Cell::Requeues,
    Cell::Closed,
    Cell::Lost,
    Cell::Redelivered,
    Cell::Marked,
    Cell::Final,
];

/// Bytes of a message, which decide how it lies with one endpoint on either side: one in a
/// line, three in the four places of a line, or dense.
pub(super) const WHOLE: usize = 48;
pub(super) const THREE: usize = 16;
pub(super) const DENSE: usize = 64;

pub(super) fn places(size: usize, capacity: u64) -> Places {
    Places::lines(size, capacity).unwrap_or(Places::dense(capacity))
}

/// Lines that a receiver looks ahead at least.
const LOOK_AHEAD: u64 = 8;

/// A ring whose memory loom watches.
pub(super) struct LoomMemory {
    geometry: Geometry,
    /// One sender, one receiver.
    places: Option<Places>,
    start: u64,
    fences: Fences,
    words: Vec<AtomicU64>,
    attempts: Vec<AtomicU8>,
    far: AtomicU64,
    payloads: Vec<LoomCell<u64>>,
    cells: [AtomicU64; CELLS.len()],
    wait_words: [AtomicU32; 2],
    turns: Vec<AtomicU64>,
    loaded_and_stored: LoadedAndStored,
}

/// Which words some thread of a model both loads and stores.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum LoadedAndStored {
    /// None, on a ring of one sender and one receiver.
    Nothing,
    /// Slot words, hints and wait words.
    Slots,
    /// And progress, which a successor loads.
    Progress,
}
pub(super) use LoadedAndStored::{Nothing, Progress, Slots as SlotWords};

impl LoomMemory {
    /// A ring with many on a side, that begins to count at `start`.
    pub(super) fn new(
        capacity: u64,
        start: u64,
        fences: Fences,
        twice: LoadedAndStored,
    ) -> Arc<Self> {
        Self::arranged(None, capacity, start, fences, twice)
    }

    /// A ring of any kind; with one on either side, a message has a line to itself.
    pub(super) fn of<P: Pairing>(
        capacity: u64,
        start: u64,
        fences: Fences,
        twice: LoadedAndStored,
    ) -> Arc<Self> {
        let places = P::ONE_TO_ONE.then(|| places(WHOLE, capacity));
        Self::arranged(places, capacity, start, fences, twice)
    }

    pub(super) fn arranged(
        places: Option<Places>,
        capacity: u64,
        start: u64,
        fences: Fences,
        twice: LoadedAndStored,
    ) -> Arc<Self> {
        let lap = places.map_or(capacity, |places| places.lap().expect("few lines"));
        let memory = LoomMemory {
            geometry: Geometry::new(lap),
            places,
            start,
            fences,
            words: (0..lap).map(|_| AtomicU64::new(0)).collect(),
            attempts: (0..lap).map(|_| AtomicU8::new(0)).collect(),
            far: AtomicU64::new(start),
            payloads: (0..lap).map(|_| LoomCell::new(0)).collect(),
            cells: CELLS.map(|_| AtomicU64::new(0)),
            wait_words: [AtomicU32::new(0), AtomicU32::new(0)],
            turns: (0..lap + 5).map(|_| AtomicU64::new(0)).collect(),
            loaded_and_stored: twice,
        };
        start_at(&memory, start, places.is_some());
        Arc::new(memory)
    }

    /// An access to a word that some thread both loads and stores.
    ///
    /// loom compares each store with the one access to that atomic that came
    /// last. Where a thread loads a word and then stores to it, its own load
    /// hides the earlier loads of others, and loom never tries the store before
    /// those. (Without this, a ring of many receivers never passed a second message.) A
    /// relaxed read-modify-write of something that nobody reads orders nothing
    /// in memory, and shows loom that the accesses depend on each other.
    fn turn(&self, of: usize, when: LoadedAndStored) {
        if self.loaded_and_stored >= when {
            self.turns[of].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Memory for LoomMemory {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn fences(&self) -> Fences {
        self.fences
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        let index = self.geometry.index(position) as usize;
        self.turn(5 + index, SlotWords);
        &self.words[index]
    }

    fn places(&self) -> Places {
        self.places.expect("one sender, one receiver")
    }

    /// A receiver looks some lines ahead, farther than any message here: as if each time
    /// at the same word, to which nobody stores.
    fn publication(&self, position: u64) -> &AtomicU64 {
        let places = self.places();
        if places.is_dense() {
            self.turn(0, SlotWords);
            let at = CELLS.iter().position(|known| *known == Cell::Sent);
            return &self.cells[at.expect("it is listed")];
        }
        if position.wrapping_sub(self.start) >= LOOK_AHEAD * places.line_length() {
            return &self.far;
        }
        let line = (self.geometry.index(position) / places.line_length()) as usize;
        self.turn(5 + line, SlotWords);
        &self.words[line]
    }

    fn attempts(&self, position: u64) -> &AtomicU8 {
        &self.attempts[self.geometry.index(position) as usize]
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        match cell {
            Cell::Tail => self.turn(0, SlotWords),
            Cell::Head => self.turn(1, SlotWords),
            Cell::Done => self.turn(2, Progress),
            _ => {} // no thread loads these and then stores
        }
        let at = CELLS.iter().position(|known| *known == cell);
        &self.cells[at.expect("every cell is listed")]
    }

    fn wait_word(&self, side: Side) -> &AtomicU32 {
        let index = side.role().index;
        self.turn(3 + index, SlotWords);
        &self.wait_words[index]
    }
}

/// A memory with messages in it.
pub(super) trait Slots: Memory {
    fn payload(&self, position: u64) -> &LoomCell<u64>;
}

impl Slots for LoomMemory {
    fn payload(&self, position: u64) -> &LoomCell<u64> {
        &self.payloads[self.geometry.index(position) as usize]
    }
}

/// The memory as a thread sees it that is killed before its n-th access.
///
/// The protocols ask for each word before they access it, so a thread dies
/// between any two of its steps. (Where they ask once for a load and a
/// compare-and-swap, death in between is as good as death before the load.)
pub(super) struct MortalMemory<'a> {
    pub memory: &'a LoomMemory,
    pub steps: &'a Steps,
}

impl MortalMemory<'_> {
    fn step(&self) -> &LoomMemory {
        self.steps.step();
        self.memory
    }
}

impl Memory for MortalMemory<'_> {
    fn geometry(&self) -> Geometry {
        self.memory.geometry
    }

    fn fences(&self) -> Fences {
        self.memory.fences
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        self.step().word(position)
    }

    fn places(&self) -> Places {
        self.memory.places()
    }

    fn publication(&self, position: u64) -> &AtomicU64 {
        self.step().publication(position)
    }

    fn attempts(&self, position: u64) -> &AtomicU8 {
        self.step().attempts(position)
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        self.step().cell(cell)
    }

    fn wait_word(&self, side: Side) -> &AtomicU32 {
        self.step().wait_word(side)
    }
}

impl Slots for MortalMemory<'_> {
    fn payload(&self, position: u64) -> &LoomCell<u64> {
        self.step().payload(position)
    }
}
