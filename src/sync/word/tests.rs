//! Tests of the words of shared objects.

mod explore;

use super::lock::{LockCount, LockWord};
use crate::members::MemberId;
use crate::sys::atomic::{AtomicU64, Ordering};

/// L7: the word of a holder does not come again at its next holding.
#[test]
fn every_taking_counts() {
    let word = AtomicU64::new(0);
    let lock = LockWord(&word);
    let mut seen = Vec::new();
    let free = |held: u64| word.store(held & !0xfff, Ordering::Relaxed);
    for me in [MemberId(1), MemberId(1), MemberId(2), MemberId(1)] {
        let held = lock.try_lock(me).expect("it is free");
        assert_eq!(lock.try_lock(me), None);
        free(held);
        seen.push(held);
        // By the count that it left, and by one that is wrong.
        for count in [LockCount::of(held), LockCount::of(0)] {
            let held = lock.try_lock_expecting(count, me).expect("it is free");
            assert_eq!(lock.try_lock_expecting(LockCount::of(held), me), None);
            free(held);
            seen.push(held);
        }
    }
    assert!(seen.is_sorted() && seen.iter().all(|held| held >> 12 > 0));
    let counts: Vec<u64> = seen.iter().map(|held| held >> 12).collect();
    assert!(counts.into_iter().eq(1..=12));
}
