//! Writes of a peer that keeps to no rule, as a fuzzer chooses them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use arbitrary::Arbitrary;

/// Where the slots begin.
pub const SLOTS: u64 = 0x5000;

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
    /// An entry of the participant table.
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
    /// A slot word put together from its fields, so as to be nearly right.
    Word {
        slot: u8,
        lap: i8,
        state: u8,
        attempt: u8,
        owner: u16,
    },
}

/// Offsets of the words that tell how far the sides are, and what has happened.
const CELLS: [u64; 13] = [
    0x100, 0x180, 0x200, 0x208, 0x280, 0x288, 0x300, 0x380, 0x400, 0x408, 0x410, 0x480, 0x500,
];

impl Patch {
    /// Writes it to the file of a ring of so many bytes from slot to slot.
    pub fn apply(&self, file: &File, stride: u64) {
        let (offset, value) = match *self {
            Patch::Header { offset, byte } => {
                write(file, &[byte], u64::from(offset) % 128);
                return;
            }
            Patch::Control { word, value } => (0x100 + u64::from(word) % 0xb0 * 8, value),
            Patch::Progress { cell, value } => {
                let offset = CELLS[usize::from(cell) % CELLS.len()];
                (offset, i64::from(value) as u64)
            }
            Patch::Entry { id, value } => (0x1000 + u64::from(id) % 1024 * 16, value),
            Patch::Slot { word, value } => (SLOTS + u64::from(word) % 256 * 8, value),
            Patch::Length { slot, length } => {
                let offset = SLOTS + u64::from(slot) % 16 * stride + 8;
                (offset, length.into())
            }
            Patch::Word {
                slot,
                lap,
                state,
                attempt,
                owner,
            } => {
                let lap = (i64::from(lap) as u64) << 16;
                let fields = u64::from(state % 4) << 14 | u64::from(attempt % 16) << 10;
                let offset = SLOTS + u64::from(slot) % 16 * stride;
                (offset, lap | fields | (u64::from(owner) % 1024))
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
