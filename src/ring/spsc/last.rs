//! Where the ring ends: fixed once, by whichever of the two comes first (S20).
//!
//! A fresh page says that it is not fixed, so the position is stored shifted, with the
//! lowest bit set. What is lost of it is its highest bit, and the nearer of the two
//! positions that it may be is meant.

use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

const NONE: u64 = 0;

fn encode(position: u64) -> u64 {
    position << 1 | 1
}

/// The position nearest to `near` that `word` may stand for.
fn decode(word: u64, near: u64) -> u64 {
    let offset = word.wrapping_sub(encode(near)) as i64 >> 1;
    near.wrapping_add(offset as u64)
}

/// Where the ring ended, if that is fixed.
pub(super) fn load<M: Memory>(memory: &M, near: u64) -> Option<u64> {
    // Acquire: pairs with the swap in `fix`, so that all that was published before it
    // can be seen.
    let word = memory.cell(Cell::Final).load(Ordering::Acquire);
    (word != NONE).then(|| decode(word, near))
}

/// Has the ring end at `position`, unless it is fixed already: where it ends.
pub(super) fn fix<M: Memory>(memory: &M, position: u64) -> u64 {
    // AcqRel: after our publications or looks; pairs with the load in `load` and with
    // the other's swap.
    let swapped = memory.cell(Cell::Final).compare_exchange(
        NONE,
        encode(position),
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    failpoint!(EndFixed);
    match swapped {
        Ok(_) => position,
        Err(word) => decode(word, position),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_comes_back(position: u64, distance in -1_000_000i64..1_000_000) {
            let near = position.wrapping_add(distance as u64);
            prop_assert_ne!(encode(position), NONE);
            prop_assert_eq!(decode(encode(position), near), position);
        }
    }
}
