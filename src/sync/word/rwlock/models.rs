//! loom models of a reader-writer lock (RW1 to RW13): the real code.
//!
//! See [`sync::word::models`](super::super::models) for lock bytes and deaths.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::sync::Arc;

use super::{Cells, POISONED, RwHead, RwWord};
use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};
use crate::models::{Witness, explore, spawn};
use crate::sync::word::Holders;
use crate::sys::atomic::{AtomicEvent, AtomicU64, Ordering};
use crate::wait::models::Futex;

/// A lock of two members, what it guards, and who is alive.
struct RwWorld {
    head: RwHead,
    cells: [AtomicU64; 2],
    /// Two words that are equal but while a writer steps. Relaxed: they order nothing.
    twins: [AtomicU64; 2],
    lock_bytes: [AtomicU64; 3],
    futex: Futex,
}

impl RwWorld {
    fn new() -> Arc<RwWorld> {
        Arc::new(RwWorld {
            head: RwHead {
                word: AtomicU64::new(0),
                event: AtomicEvent::new(0),
            },
            cells: [0, 0].map(AtomicU64::new),
            twins: [0, 0].map(AtomicU64::new),
            lock_bytes: [0, 1, 1].map(AtomicU64::new),
            futex: Futex::default(),
        })
    }

    fn lock(&self) -> RwWord<'_, RwWorld> {
        RwWord(self)
    }

    /// No sleep ends by time: those that begin later are woken.
    fn kill(&self, id: u16) {
        self.lock_bytes[usize::from(id)].swap(0, Ordering::AcqRel);
    }

    /// The value, which is whole for all that may look.
    fn value(&self) -> u64 {
        let first = self.twins[0].load(Ordering::Relaxed);
        assert_eq!(first, self.twins[1].load(Ordering::Relaxed), "torn");
        first
    }

    fn step(&self) {
        let value = self.value() + 1;
        self.twins[0].store(value, Ordering::Relaxed);
        self.twins[1].store(value, Ordering::Relaxed);
    }
}

impl Cells for RwWorld {
    fn head(&self) -> &RwHead {
        &self.head
    }

    fn cell(&self, id: MemberId) -> &AtomicU64 {
        &self.cells[usize::from(id.0) - 1]
    }

    fn last_id(&self) -> u16 {
        2
    }
}

struct Visitor<'a>(&'a RwWorld, u16);

impl Holders for Visitor<'_> {
    fn me(&self) -> MemberId {
        MemberId(self.1)
    }

    fn may_hold(&self, id: MemberId) -> bool {
        (1..3).contains(&id.0)
    }

    fn is_dead(&self, id: MemberId) -> Result<bool, Failure> {
        let byte = &self.0.lock_bytes[usize::from(id.0)];
        Ok(byte.fetch_add(0, Ordering::AcqRel) == 0)
    }

    fn corrupted(&self, found: Corruption) -> Failure {
        panic!("{found}")
    }
}

impl Visitor<'_> {
    /// Reads, and says what, and whether it was poisoned.
    fn read(&self) -> (u64, bool) {
        let (lock, futex) = (self.0.lock(), &self.0.futex);
        let word = lock.read(self, futex, 0, None).unwrap();
        let value = self.0.value();
        lock.unlock_read(self.me(), futex);
        (value, word & POISONED != 0)
    }

    /// Steps, and says whether it was poisoned.
    fn write(&self) -> bool {
        let (lock, futex) = (self.0.lock(), &self.0.futex);
        let held = lock.write(self, futex, 0, None).unwrap();
        self.0.step();
        lock.unlock_write(held, false, futex);
        held & POISONED != 0
    }
}

/// A reader beside a writer (RW1, RW2, RW4 to RW9): neither sees the other, and none sleeps
/// on for ever. The first: both go the whole way, two preemptions.
///
/// Seen to fail: `try_read` that loads the word first; no fence between cell and word, in
/// `try_read`, in `ReaderWait::new`; an event that is not counted, in `turn_back`, in
/// `unlock_read`; an event loaded after the cells; `unlock_write` that wakes nobody.
#[test]
fn models_reader_beside_writer() {
    let before = Witness::of("a reader that comes first");
    let after = Witness::of("a reader that comes last");
    let (early, late) = (before.clone(), after.clone());
    explore("a reader beside a writer", Some(3), move || {
        let world = RwWorld::new();
        let writer = {
            let world = Arc::clone(&world);
            spawn(move || Visitor(&world, 1).write())
        };
        let (value, poisoned) = Visitor(&world, 2).read();
        assert!(!poisoned && !writer.join());
        early.note_if(value == 0);
        late.note_if(value == 1);
        assert_eq!(world.value(), 1);
        assert!(
            world
                .cells
                .iter()
                .all(|cell| cell.load(Ordering::Relaxed) == 0)
        );
    });
    before.check();
    after.check();
}

/// A thread reads twice, while a writer waits (RW3).
///
/// Seen to fail: `try_read` that looks at the word alone.
#[test]
fn models_reading_twice() {
    explore("a thread reads twice beside a writer", Some(2), || {
        let world = RwWorld::new();
        let writer = {
            let world = Arc::clone(&world);
            spawn(move || Visitor(&world, 1).write())
        };
        let (lock, futex) = (world.lock(), &world.futex);
        let me = Visitor(&world, 2);
        lock.read(&me, futex, 0, None).unwrap();
        let first = world.value();
        assert_eq!(me.read().0, first);
        lock.unlock_read(me.me(), futex);
        writer.join();
    });
}

/// Two threads of one member, and a writer of another: what one thread counts lets the
/// other in only if it reads (RW3).
///
/// Seen to fail: `try_read` that takes a reader that is about to turn back for one that
/// reads.
#[test]
fn models_two_threads_of_a_member() {
    explore("two threads of a member read", Some(3), || {
        let world = RwWorld::new();
        let reader = {
            let world = Arc::clone(&world);
            spawn(move || Visitor(&world, 2).read().0)
        };
        let writer = {
            let world = Arc::clone(&world);
            spawn(move || Visitor(&world, 1).write())
        };
        Visitor(&world, 2).read();
        reader.join();
        writer.join();
        assert_eq!(world.value(), 1);
    });
}

/// A writer becomes a reader; the other writer comes after it (RW13).
///
/// Seen to fail: `downgrade` that gives the word back first.
#[test]
fn models_downgrade() {
    explore("a writer becomes a reader", Some(2), || {
        let world = RwWorld::new();
        let other = {
            let world = Arc::clone(&world);
            spawn(move || Visitor(&world, 1).write())
        };
        let (lock, futex) = (world.lock(), &world.futex);
        let me = Visitor(&world, 2);
        let held = lock.write(&me, futex, 0, None).unwrap();
        world.step();
        let own = world.value();
        lock.downgrade(held, me.me(), futex);
        assert_eq!(world.value(), own, "another writer came between");
        lock.unlock_read(me.me(), futex);
        other.join();
        assert_eq!(world.value(), 2);
    });
}

/// A writer has died, waiting for readers or inside; a reader frees the word, or its
/// successor does (RW8, RW11, RW12).
///
/// Seen to fail: a word that is freed without the mark; one that is marked always.
#[test]
fn models_dead_writer() {
    for inside in [false, true] {
        let name = format!("a writer has died, inside: {inside}");
        explore(&name, Some(2), move || {
            let world = RwWorld::new();
            let held = world.lock().try_take(MemberId(1)).unwrap();
            if inside {
                world.lock().enter(held);
            }
            world.kill(1);
            let successor = {
                let world = Arc::clone(&world);
                spawn(move || {
                    let byte = &world.lock_bytes[1];
                    assert_eq!(byte.swap(1, Ordering::AcqRel), 0);
                    let mut own = MemberSet::only(MemberId(1));
                    world.lock().recover(&mut own, |_| true, &world.futex);
                    world.lock().clear_cell(MemberId(1), &world.futex);
                    Visitor(&world, 1).write()
                })
            };
            let (_, poisoned) = Visitor(&world, 2).read();
            assert_eq!((poisoned, successor.join()), (inside, inside));
            assert_eq!(world.value(), 1);
        });
    }
}

/// A reader has died; a writer passes over its cell, beside a successor or without one
/// (RW7, RW12).
///
/// Seen to fail: `reclaim` that passes over no cell.
#[test]
fn models_dead_reader() {
    for succeeded in [false, true] {
        let name = format!("a reader has died, and has a successor: {succeeded}");
        explore(&name, Some(2), move || {
            let world = RwWorld::new();
            world.lock().try_read(MemberId(1), &world.futex).unwrap();
            world.kill(1);
            let successor = succeeded.then(|| {
                let world = Arc::clone(&world);
                spawn(move || {
                    let byte = &world.lock_bytes[1];
                    assert_eq!(byte.swap(1, Ordering::AcqRel), 0);
                    world.lock().clear_cell(MemberId(1), &world.futex);
                    Visitor(&world, 1).read()
                })
            });
            assert!(!Visitor(&world, 2).write());
            if let Some(successor) = successor {
                assert!(!successor.join().1);
            }
            assert_eq!(world.value(), 1);
        });
    }
}
