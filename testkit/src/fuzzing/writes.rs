//! Writes of a peer that keeps to no rule, as a fuzzer chooses them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use arbitrary::Arbitrary;

use crate::format::{CONTROL, HEADERS, SLOTS, TABLE, WORDS, entry};
use crate::shapes::{Arrangement, Shape};

/// One write to a ring's file.
#[derive(Arbitrary, Debug)]
pub enum Patch {
    Header {
        offset: u8,
        byte: u8,
    },
    /// One of the words of the control lines.
    Control {
        word: u8,
        value: u64,
    },
    /// One of those that mean something, perhaps nearly right.
    Progress {
        cell: u8,
        value: i16,
    },
    /// An entry of the table of members.
    Entry {
        id: u16,
        value: u64,
    },
    /// Eight bytes of the slots.
    Slot {
        word: u16,
        value: u64,
    },
    /// The length of a byte message, perhaps nearly right.
    Length {
        slot: u8,
        length: u16,
    },
    /// A slot word put together from its fields, so as to be nearly right. Where words hold
    /// positions: one that is near 0, of a ring that has begun to count there.
    Word {
        slot: u8,
        lap: i8,
        state: u8,
        attempt: u8,
        owner: u16,
    },
}

impl Patch {
    /// Writes it to the file of a ring of this shape.
    pub fn apply(&self, file: &File, shape: &Shape) {
        let (offset, value) = match *self {
            Patch::Header { offset, byte } => {
                write(file, &[byte], u64::from(offset) % HEADERS);
                return;
            }
            Patch::Control { word, value } => {
                let words = (TABLE - CONTROL) / 8;
                (CONTROL + u64::from(word) % words * 8, value)
            }
            Patch::Progress { cell, value } => {
                let offset = WORDS[usize::from(cell) % WORDS.len()];
                (offset, i64::from(value) as u64)
            }
            Patch::Entry { id, value } => (entry(id.into()), value),
            Patch::Slot { word, value } => (SLOTS + u64::from(word) % 256 * 8, value),
            Patch::Length { slot, length } => {
                let offset = shape.message(u64::from(slot) % 16);
                (offset, length.into())
            }
            Patch::Word {
                slot,
                lap,
                state,
                attempt,
                owner,
            } => {
                let laps = i64::from(lap) as u64;
                let fields = u64::from(state % 4) << 14 | u64::from(attempt % 16) << 10;
                let value = match shape.arrangement {
                    Arrangement::Slots => laps << 16 | fields | (u64::from(owner) % 1024),
                    _ => laps,
                };
                (shape.word(u64::from(slot) % 16), value)
            }
        };
        write(file, &value.to_ne_bytes(), offset);
    }
}

/// Writes what lies within the file; the file of a ring does not grow.
pub fn write(file: &File, bytes: &[u8], offset: u64) {
    let length = file.metadata().expect("a file's length").len();
    if offset + bytes.len() as u64 <= length {
        file.write_all_at(bytes, offset)
            .expect("write of the ring file");
    }
}
