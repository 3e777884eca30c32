//! Positions, laps and the slot word: arithmetic only.
//!
//! A position counts every message that ever passed through the ring and
//! wraps; `position = lap * capacity + index`. The slot word carries the lap,
//! so that one compare-and-swap decides about one position and no other.
//!
//! ```text
//! slot word, 64 bits:  lap (48) | state (2) | redeliveries (4) | owner (10)
//! ```

use crate::members::MemberId;

/// What the slot is to its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// No endpoint has it.
    Free = 0,
    /// A sender is writing the message.
    Claimed = 1,
    /// The message is there.
    Published = 2,
    /// A receiver is reading the message.
    Reading = 3,
}

const OWNER_BITS: u32 = 10;
const REDELIVERIES_BITS: u32 = 4;
const STATE_SHIFT: u32 = OWNER_BITS + REDELIVERIES_BITS;
const LAP_SHIFT: u32 = STATE_SHIFT + 2;

const OWNER_MASK: u64 = (1 << OWNER_BITS) - 1;
const REDELIVERIES_MASK: u64 = ((1 << REDELIVERIES_BITS) - 1) << OWNER_BITS;
const STATE_MASK: u64 = 0b11 << STATE_SHIFT;

/// The highest limit of deliveries: a word's redeliveries stays below it, so the
/// field never overflows and never saturates.
pub(crate) const MAX_DELIVERIES: u8 = (1 << REDELIVERIES_BITS) - 1;

/// One value of a slot word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotWord(pub u64);

impl SlotWord {
    #[inline(always)]
    pub(crate) fn state(self) -> SlotState {
        match (self.0 & STATE_MASK) >> STATE_SHIFT {
            0 => SlotState::Free,
            1 => SlotState::Claimed,
            2 => SlotState::Published,
            _ => SlotState::Reading,
        }
    }

    #[inline(always)]
    pub(crate) fn owner(self) -> MemberId {
        MemberId((self.0 & OWNER_MASK) as u16)
    }

    #[inline(always)]
    pub(crate) fn redeliveries(self) -> u8 {
        ((self.0 & REDELIVERIES_MASK) >> OWNER_BITS) as u8
    }

    /// The same position and state, whatever the redeliveries and the owner.
    #[inline(always)]
    pub(crate) fn agrees_with(self, other: SlotWord) -> bool {
        (self.0 ^ other.0) & !(REDELIVERIES_MASK | OWNER_MASK) == 0
    }

    /// `READING` of the same position and redeliveries, by `owner`.
    #[inline(always)]
    pub(crate) fn reading(self, owner: MemberId) -> SlotWord {
        self.with(SlotState::Reading, self.redeliveries(), owner)
    }

    /// `PUBLISHED` of the same position, given back once more.
    #[inline]
    pub(crate) fn published_again(self) -> SlotWord {
        self.with(SlotState::Published, self.redeliveries() + 1, MemberId(0))
    }

    #[inline(always)]
    fn with(self, state: SlotState, redeliveries: u8, owner: MemberId) -> SlotWord {
        let lap = self.0 & !(STATE_MASK | REDELIVERIES_MASK | OWNER_MASK);
        SlotWord(
            lap | (state as u64) << STATE_SHIFT
                | ((redeliveries as u64) << OWNER_BITS) & REDELIVERIES_MASK
                | owner.0 as u64 & OWNER_MASK,
        )
    }
}

/// The arithmetic of a ring of a given capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    mask: u64,
    shift: u32,
}

impl Geometry {
    /// `capacity` is a power of two; the segment's opener has checked it.
    pub(crate) const fn new(capacity: u64) -> Self {
        Geometry {
            mask: capacity - 1,
            shift: capacity.trailing_zeros(),
        }
    }

    #[inline(always)]
    pub(crate) fn capacity(self) -> u64 {
        self.mask + 1
    }

    #[inline(always)]
    pub(crate) fn index(self, position: u64) -> u64 {
        position & self.mask
    }

    /// Bits of the lap that a 64-bit position cannot fill: rings of more than
    /// 2^16 slots have shorter laps.
    #[inline(always)]
    fn missing(self) -> u32 {
        self.shift.saturating_sub(LAP_SHIFT)
    }

    /// The lap of `position`, in place in a word.
    #[inline(always)]
    fn lap(self, position: u64) -> u64 {
        (position >> self.shift) << LAP_SHIFT
    }

    #[inline(always)]
    fn word(self, position: u64, state: SlotState, owner: MemberId) -> SlotWord {
        SlotWord(self.lap(position) | (state as u64) << STATE_SHIFT | owner.0 as u64 & OWNER_MASK)
    }

    #[inline(always)]
    pub(crate) fn free(self, position: u64) -> SlotWord {
        self.word(position, SlotState::Free, MemberId(0))
    }

    #[inline(always)]
    pub(crate) fn claimed(self, position: u64, owner: MemberId) -> SlotWord {
        self.word(position, SlotState::Claimed, owner)
    }

    #[inline(always)]
    pub(crate) fn published(self, position: u64) -> SlotWord {
        self.word(position, SlotState::Published, MemberId(0))
    }

    /// `PUBLISHED` by `owner`, which waits for it to be taken (RV1).
    #[inline]
    pub(crate) fn offered(self, position: u64, owner: MemberId) -> SlotWord {
        self.word(position, SlotState::Published, owner)
    }

    /// The position that `word`, of the slot of this `index`, speaks of.
    #[inline]
    pub(crate) fn position_of(self, index: u64, word: SlotWord) -> u64 {
        self.move_laps(index, self.lap_delta(word, index))
    }

    /// `FREE` for the lap after that of `word`.
    #[inline]
    pub(crate) fn freed(self, word: SlotWord) -> SlotWord {
        let lap = (word.0 >> LAP_SHIFT).wrapping_add(1) << LAP_SHIFT;
        SlotWord(lap << self.missing() >> self.missing())
    }

    /// The slot's position less `position`, in laps. Both must be of the same
    /// slot; laps wrap, so the result is that of the nearer way round.
    #[inline(always)]
    pub(crate) fn lap_delta(self, word: SlotWord, position: u64) -> i64 {
        let laps = (word.0 >> LAP_SHIFT << LAP_SHIFT).wrapping_sub(self.lap(position));
        (laps << self.missing()) as i64 >> (LAP_SHIFT + self.missing())
    }

    /// Where a receiver goes on from `position`, whose slot has moved on to
    /// `word`, that many laps `ahead` (R11): everything between has been
    /// consumed or given up. This makes no room: a slot that was given up is free for
    /// the next lap before any receiver passes it.
    #[inline]
    pub(crate) fn skip_consumed(self, position: u64, word: SlotWord, ahead: i64) -> u64 {
        // A free slot's last position is the lap before.
        let laps = ahead - 1 - i64::from(word.state() == SlotState::Free);
        let jump = self.move_laps(position, laps).wrapping_add(1);
        let next = position.wrapping_add(1);
        if before(next, jump) { jump } else { next }
    }

    /// How much room a receiver tells of at once, and a sender waits for: a
    /// quarter of the ring, within limits.
    #[inline(always)]
    pub(crate) fn credit_interval(self) -> u64 {
        (self.capacity() / 4).clamp(1, 64)
    }

    /// Does a position come four times a lap, or at each step of a shorter one?
    #[inline(always)]
    pub(crate) fn is_quarter(self, position: u64) -> bool {
        position & (self.mask >> 2) == 0
    }

    /// Is this a position at which an endpoint that is alone on its side tells
    /// others how far it is? Every 16th is, and at least four in a lap.
    #[inline(always)]
    pub(crate) fn publishes_hint(self, position: u64) -> bool {
        position & (self.mask >> 2) & 15 == 0
    }

    /// How many slots one call looks at before it reports that it was kept
    /// from its work.
    ///
    /// Two laps, for with a hint that lags a jump may end that far away, and
    /// then as often as others may overtake us; a peer that moves words for
    /// ever must not keep us for ever.
    pub(crate) fn max_probes(self) -> u64 {
        2 * self.capacity() + 1024
    }

    /// `position` moved by whole laps.
    #[inline]
    pub(crate) fn move_laps(self, position: u64, laps: i64) -> u64 {
        position.wrapping_add((laps as u64).wrapping_mul(self.capacity()))
    }
}

/// Is position `a` before position `b`, going the nearer way round?
#[inline(always)]
pub(crate) fn before(a: u64, b: u64) -> bool {
    (a.wrapping_sub(b) as i64) < 0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_position() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0..100u64,
            (0..100u64).prop_map(|x| 0u64.wrapping_sub(x)),
            (0..100u64).prop_map(|x| (1 << 48) - 50 + x),
        ]
    }

    proptest! {
        #[test]
        fn lap_delta_inverts_move_laps(position in any_position(), shift in 0u32..=31, laps in -1000i64..1000) {
            let g = Geometry::new(1 << shift);
            let moved = g.move_laps(position, laps);
            prop_assert_eq!(g.index(moved), g.index(position));
            for word in [g.free(moved), g.published(moved), g.claimed(moved, MemberId(1023)), g.published(moved).published_again()] {
                prop_assert_eq!(g.lap_delta(word, position), laps);
            }
        }

        #[test]
        fn freed_is_free_of_the_next_lap(position in any_position(), shift in 0u32..=31, owner in 1u16..1024) {
            let g = Geometry::new(1 << shift);
            let next = g.free(position.wrapping_add(g.capacity()));
            prop_assert_eq!(g.freed(g.claimed(position, MemberId(owner))), next);
            prop_assert_eq!(g.freed(g.published(position).reading(MemberId(owner))), next);
            prop_assert_eq!(g.freed(g.free(position)), next);
        }

        #[test]
        fn fields_do_not_touch_each_other(position in any_position(), shift in 0u32..=31, owner in 1u16..1024, redeliveries in 0u8..14) {
            let g = Geometry::new(1 << shift);
            let mut word = g.published(position);
            for _ in 0..redeliveries {
                word = word.published_again();
            }
            let reading = word.reading(MemberId(owner));
            prop_assert_eq!((reading.state(), reading.owner(), reading.redeliveries()), (SlotState::Reading, MemberId(owner), redeliveries));
            prop_assert_eq!(reading.published_again().redeliveries(), redeliveries + 1);
            prop_assert!(word.agrees_with(g.published(position)));
            prop_assert!(!reading.agrees_with(word));
            prop_assert!(!word.agrees_with(g.published(position.wrapping_add(g.capacity()))));
        }
    }

    #[test]
    fn a_fresh_page_is_an_initialised_ring() {
        for shift in 0..=31 {
            let g = Geometry::new(1 << shift);
            assert_eq!(g.free(g.capacity() - 1), SlotWord(0));
        }
    }

    /// The examples of `docs/format.md`: they stay as long as the format's
    /// version does.
    #[test]
    fn words_are_encoded_as_documented() {
        let g = Geometry::new(4);
        let reading = g.published(6).published_again().reading(MemberId(513));
        for (word, value) in [
            (g.free(6), 0x0000_0000_0001_0000),
            (g.claimed(6, MemberId(3)), 0x0000_0000_0001_4003),
            (g.published(6), 0x0000_0000_0001_8000),
            (reading, 0x0000_0000_0001_c601),
            (g.freed(reading), 0x0000_0000_0002_0000),
            // Of a large ring, whose laps have fewer bits, and of the last lap.
            (g.published(u64::MAX), 0xffff_ffff_ffff_8000),
            (Geometry::new(1 << 20).free(u64::MAX), 0x0fff_ffff_ffff_0000),
            (Geometry::new(1 << 20).free(0), 0),
        ] {
            assert_eq!(word.0, value, "{word:x?}");
        }
        let states = [
            SlotState::Free,
            SlotState::Claimed,
            SlotState::Published,
            SlotState::Reading,
        ];
        assert_eq!(states.map(|state| state as u64), [0, 1, 2, 3]);
        assert_eq!(MAX_DELIVERIES, 15);
    }
}
