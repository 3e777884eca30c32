//! How the messages of a ring lie, and the positions of those of a ring that is checked.

use crate::ring::Pairing;
use crate::ring::layout::Arrangement;
use crate::ring::memory::Memory;
use crate::ring::spsc::Places;

/// An arrangement, and the bytes that a message may have. (Its length goes before it.)
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    pub arrangement: Arrangement,
    pub limit: usize,
}

const fn lines(limit: usize) -> Figure {
    Figure {
        arrangement: Arrangement::Lines,
        limit,
    }
}

const DENSE: Figure = Figure {
    arrangement: Arrangement::Dense,
    limit: 8,
};

/// Three messages of a line's four places, two of two, one of two, one of one; and dense.
pub(super) const ONE_TO_ONE: [Figure; 5] = [lines(8), lines(16), lines(24), lines(40), DENSE];

const SLOTS: Figure = Figure {
    arrangement: Arrangement::Slots,
    limit: 8,
};

impl Figure {
    /// All that there are with so many endpoints on either side.
    pub(super) fn of<P: Pairing>() -> &'static [Figure] {
        match P::ONE_TO_ONE {
            true => &ONE_TO_ONE,
            false => &[SLOTS],
        }
    }
}

/// Messages, counted from that at which the ring began, and their positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positions {
    start: u64,
    /// One sender, one receiver: not every position holds a message.
    places: Option<Places>,
}

impl Positions {
    pub(super) fn of<M: Memory>(memory: &M, start: u64, one_to_one: bool) -> Self {
        let places = one_to_one.then(|| memory.places());
        let start = places.map_or(start, |places| places.canonical(start));
        Positions { start, places }
    }

    pub(super) fn offset(self, position: u64) -> u64 {
        match self.places {
            Some(places) => places.count(self.start, position),
            None => position.wrapping_sub(self.start),
        }
    }

    pub(super) fn position(self, offset: u64) -> u64 {
        match self.places {
            Some(places) => places.advance(self.start, offset),
            None => self.start.wrapping_add(offset),
        }
    }
}

#[test]
fn the_shapes_are_those_that_are_said() {
    let per_line = ONE_TO_ONE.map(|shape| {
        let size = shape.limit + 8;
        match shape.arrangement {
            Arrangement::Dense => None,
            _ => Places::lines(size, 1).map(|places| (places.per_line(), places.line_length())),
        }
    });
    let lines = [Some((3, 4)), Some((2, 2)), Some((1, 2)), Some((1, 1))];
    assert_eq!(per_line[..4], lines);
    assert_eq!(per_line[4], None);
}
