//! Where the messages of a ring lie in its file, and the words that publish them, by what its
//! header says.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::format::{ARRANGEMENT, CAPACITY, MESSAGE_SIZE, SENT, SHAPE, SLOTS, STRIDE};

/// Bytes of a line, and of those for messages.
const LINE: u64 = 64;
const LINE_ROOM: u64 = 56;
/// Bytes of a word.
const WORD: u64 = 8;

/// How messages are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Slots, each with a word of its own.
    Slots,
    /// Lines of several messages and one word.
    Lines,
    /// One message after the other; one word for all.
    Dense,
}

/// The shape of a ring. Offsets in bytes from the beginning of its file.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How messages are arranged.
    pub arrangement: Arrangement,
    /// The most messages in it.
    pub capacity: u64,
    /// Bytes from message to message, or from slot to slot.
    pub stride: u64,
    /// Messages of a line.
    per_line: u64,
}

impl Shape {
    /// Of the ring in this file, whose header is sound.
    pub fn of(file: &File) -> Shape {
        let mut header = [0; SLOTS as usize];
        file.read_exact_at(&mut header, 0).expect("read a header");
        Shape::described(|offset| {
            let at = offset as usize;
            u64::from_ne_bytes(header[at..at + 8].try_into().expect("8 bytes"))
        })
    }

    /// Of the ring whose header holds what `word` says at these offsets.
    pub fn described(word: impl Fn(u64) -> u64) -> Shape {
        // Two fields of four bytes each.
        let shape = word(SHAPE & !7);
        let is_bytes = shape as u32 == 1;
        let stride = word(STRIDE);
        let arrangement = match word(ARRANGEMENT & !7) >> (8 * (ARRANGEMENT % 8)) {
            0 => Arrangement::Slots,
            1 => Arrangement::Lines,
            _ => Arrangement::Dense,
        };
        let size = match (is_bytes, word(MESSAGE_SIZE)) {
            (true, limit) => limit.next_multiple_of(WORD) + WORD,
            (false, size) => size.max(1),
        };
        Shape {
            arrangement,
            capacity: word(CAPACITY),
            stride,
            per_line: LINE_ROOM.saturating_sub(size) / stride + 1,
        }
    }

    /// How many words publish messages.
    pub fn words(&self) -> u64 {
        match self.arrangement {
            Arrangement::Slots => self.capacity,
            Arrangement::Lines => (self.capacity.div_ceil(self.per_line)).next_power_of_two(),
            Arrangement::Dense => 1,
        }
    }

    /// Where one of them lies.
    pub fn word(&self, index: u64) -> u64 {
        let index = index % self.words();
        match self.arrangement {
            Arrangement::Slots => SLOTS + index * self.stride,
            Arrangement::Lines => SLOTS + index * LINE + LINE_ROOM,
            Arrangement::Dense => SENT,
        }
    }

    /// Where the message lies that comes after `number` others, with its length if it has one.
    pub fn message(&self, number: u64) -> u64 {
        match self.arrangement {
            Arrangement::Slots => self.word(number) + WORD,
            Arrangement::Lines => {
                let line = number / self.per_line % self.words();
                SLOTS + line * LINE + number % self.per_line * self.stride
            }
            Arrangement::Dense => SLOTS + number % self.capacity.next_power_of_two() * self.stride,
        }
    }

    /// Positions of a lap.
    pub fn lap(&self) -> u64 {
        match self.arrangement {
            Arrangement::Slots => self.capacity,
            Arrangement::Lines => self.words() * (LINE / self.stride),
            Arrangement::Dense => self.capacity.next_power_of_two(),
        }
    }

    /// Where the messages end; one sender, one receiver: where the attempts begin.
    pub fn end(&self) -> u64 {
        let messages = (self.lap() * self.stride).next_multiple_of(WORD);
        SLOTS + messages
    }
}
