//! Position arithmetic, of honest words and of any, against the same in wide
//! integers that cannot wrap.

use arbitrary::Arbitrary;

use super::slot::{Geometry, MAX_DELIVERIES, SlotState, SlotWord, before};
use crate::members::MemberId;

/// A geometry, and words.
#[derive(Arbitrary, Debug)]
pub struct Input {
    /// Capacity as a power of two, modulo 32.
    shift: u8,
    position: u64,
    /// Another position of the same slot, in laps.
    laps: i64,
    owner: u16,
    attempt: u8,
    /// What a peer may have written.
    word: u64,
}

/// Compares every result.
///
/// # Panics
/// If one is wrong.
pub fn run(input: Input) {
    let shift = u32::from(input.shift % 32);
    let ring = Geometry::new(1 << shift);
    assert_eq!(ring.capacity(), 1 << shift);
    assert_eq!(ring.index(input.position), input.position % (1 << shift));
    honest_words(&input, ring, shift);
    any_word(&input, ring, shift);
    order(input.position, input.word);
}

/// Bits of a lap: 48, or what a position has above the index.
fn lap_bits(shift: u32) -> u32 {
    48.min(64 - shift)
}

/// The lap of a position, as it shows in a word.
fn lap(position: u64, shift: u32) -> u128 {
    (u128::from(position) >> shift) % (1 << lap_bits(shift))
}

/// `from` to `to` going the nearer way round, in laps.
fn nearer(from: u128, to: u128, shift: u32) -> i128 {
    let round = 1i128 << lap_bits(shift);
    let laps = (to as i128 - from as i128).rem_euclid(round);
    if laps >= round / 2 {
        laps - round
    } else {
        laps
    }
}

fn honest_words(input: &Input, ring: Geometry, shift: u32) {
    let position = input.position;
    let owner = MemberId(input.owner % 1024);
    let whole = |state: u128, attempt: u128, owner: u128| {
        let word = lap(position, shift) << 16 | state << 14 | attempt << 10 | owner;
        SlotWord(word as u64)
    };
    assert_eq!(ring.free(position), whole(0, 0, 0));
    let claimed = ring.claimed(position, owner);
    assert_eq!(claimed, whole(1, 0, owner.0.into()));
    assert_eq!(
        (claimed.state(), claimed.owner()),
        (SlotState::Claimed, owner)
    );
    let mut published = ring.published(position);
    for attempt in 0..input.attempt % MAX_DELIVERIES {
        assert_eq!(published, whole(2, attempt.into(), 0));
        assert!(published.agrees_with(ring.published(position)));
        let reading = published.reading(owner);
        assert_eq!(reading, whole(3, attempt.into(), owner.0.into()));
        published = reading.published_again();
        assert_eq!(published.redeliveries(), attempt + 1);
    }
    // As seen from another lap.
    let moved = ring.move_laps(position, input.laps);
    assert_eq!(ring.index(moved), ring.index(position));
    let expected = nearer(lap(position, shift), lap(moved, shift), shift);
    for word in [ring.free(moved), ring.claimed(moved, owner)] {
        assert_eq!(i128::from(ring.lap_delta(word, position)), expected);
    }
    let next = ring.free(position.wrapping_add(ring.capacity()));
    assert_eq!(ring.freed(claimed), next);
    assert_eq!(ring.freed(published), next);
}

/// Whatever a peer wrote: a result in range, and receivers go forward.
fn any_word(input: &Input, ring: Geometry, shift: u32) {
    let word = SlotWord(input.word);
    let half = 1i128 << (lap_bits(shift) - 1);
    let ahead = ring.lap_delta(word, input.position);
    assert!((-half..half).contains(&i128::from(ahead)));
    assert!(word.owner().0 < 1024 && word.redeliveries() < 16);
    let freed = ring.freed(word);
    assert_eq!((freed.state(), freed.owner().0), (SlotState::Free, 0));
    let next = nearer(
        (u128::from(word.0) >> 16) % (1 << lap_bits(shift)),
        u128::from(freed.0) >> 16,
        shift,
    );
    // (With one bit of lap, one lap ahead and one behind are the same.)
    assert_eq!(next, 1);
    // A claim or a gift of a word is of the same lap.
    for same in [word.reading(MemberId(input.owner)), word.published_again()] {
        assert_eq!(same.0 >> 16, word.0 >> 16);
    }
    if ahead >= 1 {
        let to = ring.skip_consumed(input.position, word, ahead);
        let jump = to.wrapping_sub(input.position);
        assert!(u128::from(jump) <= (ahead as u128) << shift);
        assert!(jump > 0, "a receiver stands still");
    }
}

fn order(a: u64, b: u64) {
    let ahead = (i128::from(b) - i128::from(a)).rem_euclid(1 << 64);
    assert_eq!(before(a, b), ahead > 0 && ahead <= 1 << 63);
}
