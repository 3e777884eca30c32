//! Where the messages of a ring of one sender and one receiver lie: arithmetic only.
//!
//! A position is `line * P + place`. Of the `P` places of a line only the first `K` hold
//! a message; positions at the others are skipped. So the address of a message needs no
//! division, and no two messages share a position.
//!
//! A **dense** ring is one line that never ends: every position holds a message.

/// Positions and messages of a ring of one sender and one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// `P` is two to the power of this.
    bits: u32,
    /// `K`.
    per_line: u64,
    /// The most messages under way.
    capacity: u64,
}

/// A line of a dense ring has so many places; nothing happens at its end.
const DENSE_BITS: u32 = 32;

/// Lines, or dense messages, that `credit` lags by at most.
const MOST_CREDIT: u64 = 64;

/// Bytes of a line for messages. The word of the line takes the other eight.
pub(crate) const LINE_ROOM: usize = 56;

/// Bytes of a line.
const LINE: usize = 64;

impl Places {
    /// Lines of messages of `size` bytes, at least one: `None` if a line does not hold one.
    pub(crate) const fn lines(size: usize, capacity: u64) -> Option<Places> {
        if size > LINE_ROOM {
            return None;
        }
        let stride = size.next_power_of_two();
        Some(Places {
            bits: (LINE / stride).trailing_zeros(),
            per_line: ((LINE_ROOM - size) / stride + 1) as u64,
            capacity,
        })
    }

    /// One message after the other.
    #[inline(always)]
    pub(crate) const fn dense(capacity: u64) -> Places {
        Places {
            bits: DENSE_BITS,
            per_line: 1 << DENSE_BITS,
            capacity,
        }
    }

    /// The same lines, for so many messages under way.
    #[inline(always)]
    pub(crate) const fn with_capacity(self, capacity: u64) -> Places {
        Places { capacity, ..self }
    }

    #[inline(always)]
    pub(crate) fn is_dense(self) -> bool {
        self.bits == DENSE_BITS
    }

    /// Whether every position holds a message.
    #[inline(always)]
    pub(crate) fn is_gapless(self) -> bool {
        self.per_line == self.line_length()
    }

    /// The most messages under way.
    #[inline(always)]
    pub(crate) fn capacity(self) -> u64 {
        self.capacity
    }

    /// Messages of a line.
    #[inline(always)]
    pub(crate) fn per_line(self) -> u64 {
        self.per_line
    }

    /// Positions of a line.
    #[inline(always)]
    pub(crate) fn line_length(self) -> u64 {
        1 << self.bits
    }

    /// Positions of a lap: of as many lines as hold the capacity, a power of two.
    pub(crate) const fn lap(self) -> Option<u64> {
        let lines = if self.bits == DENSE_BITS {
            return self.capacity.checked_next_power_of_two();
        } else {
            self.capacity.div_ceil(self.per_line)
        };
        match lines.checked_next_power_of_two() {
            Some(lines) => lines.checked_mul(1 << self.bits),
            None => None,
        }
    }

    /// How many positions `credit` may lag by: a quarter of the capacity, in whole lines
    /// where that is more than one, up to 64 of them.
    pub(crate) fn credit_interval(self) -> u64 {
        let quarter = (self.capacity / 4).max(1);
        match quarter / self.per_line {
            0 => quarter.min(MOST_CREDIT),
            lines => lines.min(MOST_CREDIT) << self.bits,
        }
    }

    /// Which place of its line a position is.
    #[inline(always)]
    pub(crate) fn place(self, position: u64) -> u64 {
        position & (self.line_length() - 1)
    }

    /// The position itself, or the start of the next line if it is past the last message
    /// of its line.
    #[inline(always)]
    pub(crate) fn canonical(self, position: u64) -> u64 {
        if self.place(position) < self.per_line {
            position
        } else {
            (position | (self.line_length() - 1)).wrapping_add(1)
        }
    }

    /// Messages from `position`, which is canonical, to the end of its line.
    #[inline(always)]
    pub(crate) fn left_in_line(self, position: u64) -> u64 {
        self.per_line - self.place(position)
    }

    /// Messages from `from` up to `to`. Both are canonical; a `to` that is before `from`
    /// gives more than any capacity.
    #[inline]
    pub(crate) fn count(self, from: u64, to: u64) -> u64 {
        let start = |position| position & !(self.line_length() - 1);
        let lines = (start(to).wrapping_sub(start(from)) as i64) >> self.bits;
        (lines as u64)
            .wrapping_mul(self.per_line)
            .wrapping_add(self.place(to))
            .wrapping_sub(self.place(from))
    }

    /// The position of the message that comes `messages` after that of `from`, which is
    /// canonical.
    #[inline]
    pub(crate) fn advance(self, from: u64, messages: u64) -> u64 {
        let place = self.place(from) + messages;
        let start = from & !(self.line_length() - 1);
        start
            .wrapping_add((place / self.per_line) << self.bits)
            .wrapping_add(place % self.per_line)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_places() -> impl Strategy<Value = Places> {
        prop_oneof![
            (1usize..=LINE_ROOM, 1u64..10_000)
                .prop_map(|(size, capacity)| Places::lines(size, capacity).unwrap()),
            (1u64..10_000).prop_map(Places::dense),
        ]
    }

    fn any_position() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0..100u64,
            (0..100u64).prop_map(|before| 0u64.wrapping_sub(before)),
        ]
    }

    proptest! {
        #[test]
        fn messages_are_counted_across_lines(
            places in any_places(), at in any_position(), messages in 0u64..100_000
        ) {
            let from = places.canonical(at);
            let to = places.advance(from, messages);
            prop_assert_eq!(places.canonical(to), to);
            prop_assert_eq!(places.count(from, to), messages);
            if messages > 0 {
                prop_assert!(places.count(to, from) > places.capacity());
            }
        }

        #[test]
        fn each_step_is_one_message(places in any_places(), at in any_position()) {
            let mut position = places.canonical(at);
            for messages in 0..200 {
                prop_assert_eq!(position, places.advance(places.canonical(at), messages));
                position = places.canonical(position.wrapping_add(1));
            }
        }

        #[test]
        fn a_lap_holds_the_capacity_and_no_message_twice(places in any_places()) {
            let lap = places.lap().unwrap();
            prop_assert!(lap.is_power_of_two());
            let last = places.advance(0, places.capacity() - 1);
            prop_assert!(last < lap, "{} of {}", last, lap);
        }
    }

    #[test]
    fn lines_hold_as_many_as_fit_beside_the_word() {
        for (size, bits, per_line) in [
            (1, 6, 56),
            (2, 5, 28),
            (4, 4, 14),
            (8, 3, 7),
            (12, 2, 3),
            (16, 2, 3),
            (24, 1, 2),
            (25, 1, 1),
            (32, 1, 1),
            (48, 0, 1),
            (56, 0, 1),
        ] {
            let places = Places::lines(size, 1).unwrap();
            assert_eq!((places.bits, places.per_line), (bits, per_line), "{size} B");
        }
        assert_eq!(Places::lines(57, 1), None);
    }
}
