//! What was sent and received, in memory that outlives every process.
//!
//! Every step is written down before it is taken and again when it has been, one word at a time,
//! so that a kill at any moment leaves an account that is sound: at worst a step is open.
//!
//! Messages are written down in *cells*, a word each. Senders take them from a pool in chunks, and
//! a message carries the number of its cell. The pool is finite: it holds [`CELLS`] messages, and
//! is emptied at each audit, when everything has come to rest. Senders that find it empty wait for
//! that.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use memring_testkit::Words;

/// Messages between two audits.
pub const CELLS: usize = CHUNKS * CHUNK;
/// Messages of a chunk.
pub const CHUNK: usize = 4096;
/// Chunks of the pool.
pub const CHUNKS: usize = 1024;
/// Processes at a time.
pub const PLACES: usize = 128;

/// Words of a line, which one process writes and others read.
const LINE: usize = 8;

// The first lines.
const PHASE: usize = 0;
const TAKEN: usize = LINE;
const KILLED: usize = 2 * LINE;
const LONGEST: usize = 2 * LINE + 1;
const BREACH: usize = 3 * LINE;
const TEXT: usize = 4 * LINE;
const TEXT_WORDS: usize = 12 * LINE;
const FIRST_PLACE: usize = TEXT + TEXT_WORDS;
const FIRST_CHUNK: usize = FIRST_PLACE + PLACES * LINE;
const FIRST_CELL: usize = FIRST_CHUNK + CHUNKS * LINE;
const WORDS: usize = FIRST_CELL + CELLS;

/// What all processes are to do: see [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Counts the audits.
    pub epoch: u64,
    /// How far this one is.
    pub step: Step,
}

/// The steps to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Send and receive.
    Go,
    /// Senders rest, but the first, who sends now and then so that no receiver sleeps on.
    /// Receivers say that they are awake, and do not block any more.
    Nudge,
    /// The first sender rests as well.
    Still,
    /// Receivers take what there is, say so when there is nothing, and rest.
    Dry,
}

impl Phase {
    fn from_word(word: u64) -> Self {
        let step = match word % 4 {
            0 => Step::Go,
            1 => Step::Nudge,
            2 => Step::Still,
            _ => Step::Dry,
        };
        let epoch = word / 4;
        Phase { epoch, step }
    }

    fn word(self) -> u64 {
        self.epoch * 4 + self.step as u64
    }
}

/// How far an incarnation is, in its place's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It runs.
    Begun = 1,
    /// It is about to attach.
    Attaching = 2,
    /// It has attached.
    Ready = 3,
}

/// Words of a place. Those of counts go on from one incarnation to the next.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// Messages received.
    Received = 3,
    /// Of these, marked as given back before.
    Marked = 4,
    /// Received by a call that does not tell, and given back before by all appearances.
    Presumed = 5,
    /// Given back, or about to be.
    Requeued = 6,
}

const STAGE: usize = 0;
const SEEN: usize = 1;
const HANDS: usize = 2;

/// What a receiver may have in its hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hands {
    /// Messages that were acknowledged and perhaps not written down.
    pub received: u64,
    /// Messages that are leased, perhaps written down, and not released.
    pub leased: u64,
    /// Messages that are written down, and perhaps released.
    pub releasing: u64,
}

impl Hands {
    /// Bits of each number.
    const BITS: u32 = 20;

    fn from_word(word: u64) -> Self {
        let number = |index: u32| word >> (index * Self::BITS) & ((1 << Self::BITS) - 1);
        Hands {
            received: number(0),
            leased: number(1),
            releasing: number(2),
        }
    }

    fn word(self) -> u64 {
        self.received | self.leased << Self::BITS | self.releasing << (2 * Self::BITS)
    }
}

/// Words of a chunk.
pub const OWNER: usize = 0;
pub const BASE: usize = 1;
pub const BEGUN: usize = 2;
pub const DONE: usize = 3;

/// In a cell: the highest attempt seen, and one; 0 for a message that was not received.
pub const HIGHEST: u64 = 0xff;
/// In a cell: it was acknowledged, and nobody may receive it again.
pub const FINAL: u64 = 0x100;

/// The memory.
pub struct Ledger(Words);

impl Ledger {
    /// A new one, all zero, in a file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(WORDS as u64 * 8)
            .with_context(|| format!("cannot size {}", path.display()))?;
        Ok(Ledger(Words::map(&file, WORDS)?))
    }

    /// That of the run, in a process of it.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Ledger(Words::map(&file, WORDS)?))
    }

    fn get(&self, word: usize) -> u64 {
        // Pairs with the Release stores of `set`.
        self.0[word].load(Ordering::Acquire)
    }

    fn set(&self, word: usize, value: u64) {
        // Pairs with the Acquire loads of `get`. A kill does not reorder what a process did.
        self.0[word].store(value, Ordering::Release);
    }

    /// What to do.
    pub fn phase(&self) -> Phase {
        Phase::from_word(self.get(PHASE))
    }

    /// Tell everybody what to do.
    pub fn set_phase(&self, phase: Phase) {
        self.set(PHASE, phase.word());
    }

    /// Say that this phase is seen to, at this place.
    pub fn see(&self, place: usize, phase: Phase) {
        self.set(at(place, SEEN), phase.word());
    }

    /// Whether it is, or a later one.
    pub fn has_seen(&self, place: usize, phase: Phase) -> bool {
        self.get(at(place, SEEN)) >= phase.word()
    }

    /// Say how far an incarnation is. Who attaches again stays ready.
    pub fn set_stage(&self, place: usize, incarnation: u32, stage: Stage) {
        let word = u64::from(incarnation) * 4 + stage as u64;
        // Pairs with the Acquire load in `has_reached`.
        self.0[at(place, STAGE)].fetch_max(word, Ordering::AcqRel);
    }

    /// Whether it is that far.
    pub fn has_reached(&self, place: usize, incarnation: u32, stage: Stage) -> bool {
        self.get(at(place, STAGE)) >= u64::from(incarnation) * 4 + stage as u64
    }

    /// What this receiver may have in its hands from now on.
    pub fn set_hands(&self, place: usize, hands: Hands) {
        self.set(at(place, HANDS), hands.word());
    }

    /// What it had.
    pub fn hands(&self, place: usize) -> Hands {
        Hands::from_word(self.get(at(place, HANDS)))
    }

    /// Count up, at the only process of a place.
    pub fn count(&self, place: usize, count: Count, by: u64) {
        let word = at(place, count as usize);
        self.set(word, self.get(word) + by);
    }

    /// The sum of all places.
    pub fn total(&self, count: Count) -> u64 {
        let places = 0..PLACES;
        places
            .map(|place| self.get(at(place, count as usize)))
            .sum()
    }

    /// Take a chunk for the messages of `incarnation` from number `base` on. `None`: there is
    /// none left before the next audit.
    pub fn take_chunk(&self, incarnation: u32, base: u64) -> Option<usize> {
        // A count far beyond the pool does no harm, and cannot overflow before the next audit.
        let chunk = self.0[TAKEN].fetch_add(1, Ordering::AcqRel) as usize;
        if chunk >= CHUNKS {
            return None;
        }
        self.set_chunk(chunk, BASE, base);
        self.set_chunk(chunk, OWNER, u64::from(incarnation) + 1);
        Some(chunk)
    }

    /// Chunks that are in use.
    pub fn chunks(&self) -> usize {
        (self.get(TAKEN) as usize).min(CHUNKS)
    }

    /// A word of a chunk.
    pub fn chunk(&self, chunk: usize, word: usize) -> u64 {
        self.get(FIRST_CHUNK + chunk * LINE + word)
    }

    /// Change a word of a chunk, as its only owner.
    pub fn set_chunk(&self, chunk: usize, word: usize, value: u64) {
        self.set(FIRST_CHUNK + chunk * LINE + word, value);
    }

    /// The word of a message.
    pub fn cell(&self, cell: usize) -> &AtomicU64 {
        &self.0[FIRST_CELL + cell]
    }

    /// Empty the pool, when nobody uses it.
    pub fn empty(&self) {
        for chunk in 0..self.chunks() {
            for word in 0..LINE {
                self.set_chunk(chunk, word, 0);
            }
            for cell in chunk * CHUNK..(chunk + 1) * CHUNK {
                self.cell(cell).store(0, Ordering::Relaxed);
            }
        }
        self.set(TAKEN, 0);
    }

    /// Somebody was killed just now: the next receipt is timed.
    pub fn start_clock(&self, now: u64) {
        // Of several kills before a receipt, the first counts. Pairs with `stop_clock`.
        let _ = self.0[KILLED].compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Nothing is timed: somebody was stopped, or it is time to rest.
    pub fn forget_clock(&self) {
        self.set(KILLED, 0);
    }

    /// A receipt. Says when somebody was killed before it, if it is the first since.
    pub fn stop_clock(&self, now: impl FnOnce() -> u64) {
        let killed = self.0[KILLED].load(Ordering::Relaxed);
        if killed != 0
            && self.0[KILLED]
                .compare_exchange(killed, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            let time = now().saturating_sub(killed);
            self.0[LONGEST].fetch_max(time, Ordering::AcqRel);
        }
    }

    /// The longest time from a kill to the next receipt, in nanoseconds.
    pub fn longest(&self) -> u64 {
        self.get(LONGEST)
    }

    /// Write down what must not be. The first counts.
    pub fn accuse(&self, text: &str) {
        let first = self.0[BREACH].compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
        if first.is_err() {
            return;
        }
        let text = &text.as_bytes()[..text.len().min(TEXT_WORDS * 8)];
        for (index, piece) in text.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.set(TEXT + index, u64::from_le_bytes(word));
        }
        self.set(BREACH, 1 + text.len() as u64);
    }

    /// What was written down, if anything.
    pub fn accusation(&self) -> Option<String> {
        let length = match self.get(BREACH) {
            0 => return None,
            1 => {
                return Some("a breach was found, and its finder killed before he told".to_owned());
            }
            length => length as usize - 1,
        };
        let words = (0..length.div_ceil(8)).flat_map(|at| self.get(TEXT + at).to_le_bytes());
        let bytes: Vec<u8> = words.take(length).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn at(place: usize, word: usize) -> usize {
    FIRST_PLACE + place * LINE + word
}
