//! What a reader does when the index moves while it copies.

use std::cell::Cell;

use super::{LatestHead, ValueSlots, read, write};
use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering};

/// An object whose index moves by so much whenever a slot is looked for.
struct Restless {
    head: LatestHead,
    slots: [[AtomicU64; 1]; 4],
    moves: Cell<Vec<u64>>,
}

impl Restless {
    fn new(moves: &[u64]) -> Restless {
        let zero = || AtomicU64::new(0);
        Restless {
            head: LatestHead {
                index: AtomicU64::new(10),
                line: [const { AtomicU64::new(0) }; 7],
                waiters: AtomicU32::new(0),
                writer: AtomicU32::new(0),
            },
            slots: [[zero()], [zero()], [zero()], [zero()]],
            moves: Cell::new(moves.iter().rev().copied().collect()),
        }
    }

    fn number(&self, copies: u32) -> Option<u64> {
        read(self, copies, &mut [0; 8])
    }
}

impl ValueSlots for Restless {
    fn head(&self) -> &LatestHead {
        &self.head
    }

    fn count(&self) -> u64 {
        4
    }

    fn slot(&self, number: u64) -> &[AtomicU64] {
        let mut moves = self.moves.take();
        if let Some(by) = moves.pop() {
            self.head.index.fetch_add(by, Ordering::Relaxed);
        }
        self.moves.set(moves);
        &self.slots[number as usize % 4]
    }
}

/// LA3: of four slots a reader may see two values come, and no more.
#[test]
fn a_copy_is_good_until_the_writer_is_in_its_slot() {
    assert_eq!(Restless::new(&[0]).number(1), Some(10));
    assert_eq!(Restless::new(&[2]).number(1), Some(10));
    assert_eq!(Restless::new(&[3]).number(1), None);
    assert_eq!(Restless::new(&[3]).number(2), Some(13));
    assert_eq!(Restless::new(&[3, 4, 1]).number(9), Some(17));
    // Backwards no writer goes.
    assert_eq!(Restless::new(&[u64::MAX]).number(2), Some(9));
    assert_eq!(Restless::new(&[3; 100]).number(50), None);
}

/// LA4: the number after that of the last value, and the slot of no other.
#[test]
fn a_value_comes_after_the_last_one() {
    let latest = Restless::new(&[]);
    for number in 11..20 {
        assert_eq!(write(&latest, &[number as u8; 8]), number);
        let stored = |at: u64| latest.slots[at as usize % 4][0].load(Ordering::Relaxed);
        assert_eq!(stored(number), u64::from_ne_bytes([number as u8; 8]));
        if number > 11 {
            assert_eq!(
                stored(number - 1),
                u64::from_ne_bytes([number as u8 - 1; 8])
            );
        }
    }
}
