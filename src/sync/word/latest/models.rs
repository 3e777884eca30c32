//! loom models of the last value (LA1 to LA4): the real code.
//!
//! See [`models`](crate::models).

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::sync::Arc;

use super::{LatestHead, ValueSlots, read, store, wait_changed, write};
use crate::models::{Witness, explore, spawn};
use crate::sys::atomic::{AtomicU64, Fences, Ordering, fence};
use crate::wait::WaitWord;
use crate::wait::models::Futex;

/// An object of two words in each slot, which are both the number of the value.
struct LatestWorld {
    head: LatestHead,
    slots: Vec<[AtomicU64; 2]>,
    /// The lock byte of the writer: 1 while it is held.
    byte: AtomicU64,
    futex: Futex,
}

impl LatestWorld {
    fn with(slots: u64) -> Arc<LatestWorld> {
        let slot = |_| [AtomicU64::new(0), AtomicU64::new(0)];
        Arc::new(LatestWorld {
            head: LatestHead::new(),
            slots: (0..slots).map(slot).collect(),
            byte: AtomicU64::new(1),
            futex: Futex::default(),
        })
    }

    /// Stores a value, and returns its number.
    fn store_next(&self, number: u64) {
        assert_eq!(write(self, bytemuck::bytes_of(&[number; 2])), number);
        WaitWord(&self.head.waiters).notify_each(Fences::Full, &self.futex);
    }

    /// The number of the last value, which must be whole.
    fn last(&self) -> Option<u64> {
        let mut value = [u64::MAX; 2];
        let number = read(self, 1, bytemuck::bytes_of_mut(&mut value))?;
        assert_eq!(value, [number; 2], "torn");
        Some(number)
    }
}

impl ValueSlots for LatestWorld {
    fn head(&self) -> &LatestHead {
        &self.head
    }

    fn count(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, number: u64) -> &[AtomicU64] {
        &self.slots[number as usize % self.slots.len()]
    }
}

/// A reader beside a writer gets whole values, and never an older one than before.
///
/// Seen to fail: `read` without its fence; an index that is stored relaxed; `read` that
/// allows one value more; `write` that skips a number.
#[test]
fn models_latest() {
    for (slots, values) in [(2, 2), (3, 3)] {
        let read_all = Witness::of("a reader that gets a value on the way");
        let got = read_all.clone();
        explore(&format!("{slots} slots"), Some(3), move || {
            let world = LatestWorld::with(slots);
            let writer = {
                let world = Arc::clone(&world);
                spawn(move || (1..=values).for_each(|number| world.store_next(number)))
            };
            let first = world.last();
            let second = world.last();
            assert!(first.unwrap_or(0) <= second.unwrap_or(u64::MAX));
            got.note_if(first.is_some_and(|number| number > 0 && number < values));
            writer.join();
            assert_eq!(world.last(), Some(values));
        });
        read_all.check();
    }
}

/// A writer dies with half a value stored; its successor stores values, beside a reader
/// (LA4).
///
/// Seen to fail: `write` without its fence (LA2), and the faults above.
#[test]
fn models_latest_successor() {
    explore("a writer dies with half a value", Some(3), || {
        let world = LatestWorld::with(2);
        let dying = {
            let world = Arc::clone(&world);
            spawn(move || {
                world.store_next(1);
                // The beginning of `write`.
                fence(Ordering::Release);
                store(&world.slot(2)[..1], bytemuck::bytes_of(&77u64));
                world.byte.swap(0, Ordering::AcqRel);
            })
        };
        let successor = {
            let world = Arc::clone(&world);
            spawn(move || {
                let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
                let taken = world.byte.compare_exchange(0, 1, success, failure);
                if taken.is_ok() {
                    world.store_next(2);
                }
                taken.is_ok()
            })
        };
        world.last();
        dying.join();
        let last = if successor.join() { 2 } else { 1 };
        assert_eq!(world.last(), Some(last));
    });
}

/// One that waits for another value is woken.
///
/// Seen to fail: an index that is stored relaxed.
#[test]
fn models_latest_waiter() {
    explore("a reader waits for a value", None, || {
        let world = LatestWorld::with(2);
        let writer = {
            let world = Arc::clone(&world);
            spawn(move || world.store_next(1))
        };
        let number = wait_changed(&world.head, 0, world.futex.clone(), 0, None);
        assert_eq!(number, Some(1));
        assert_eq!(world.last(), Some(1));
        writer.join();
    });
}
