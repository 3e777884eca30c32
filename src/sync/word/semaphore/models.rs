//! loom models of a semaphore (SE1 to SE5): the real code.
//!
//! See [`sync::word::models`](super::super::models) for lock bytes and deaths.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::sync::Arc;

use super::{Acquiring, Permit, Permits};
use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};
use crate::models::{Witness, explore, spawn};
use crate::sync::word::Holders;
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering};
use crate::wait::models::Futex;

/// A semaphore, how many are in, and who is alive.
struct SemaphoreWorld {
    event: AtomicU32,
    slots: Vec<AtomicU64>,
    /// Relaxed: orders nothing.
    inside: AtomicU64,
    lock_bytes: [AtomicU64; 4],
    futex: Futex,
}

impl SemaphoreWorld {
    fn with(permits: usize) -> Arc<SemaphoreWorld> {
        Arc::new(SemaphoreWorld {
            event: AtomicU32::new(0),
            slots: (0..permits).map(|_| AtomicU64::new(0)).collect(),
            inside: AtomicU64::new(0),
            lock_bytes: [0, 1, 1, 1].map(AtomicU64::new),
            futex: Futex::default(),
        })
    }

    fn permits(&self) -> Permits<'_> {
        Permits {
            event: &self.event,
            slots: &self.slots,
        }
    }

    /// The kernel frees the lock byte of a process that has died. No sleep ends by time:
    /// those that begin later are woken.
    fn kill(&self, id: u16) {
        self.lock_bytes[usize::from(id)].swap(0, Ordering::AcqRel);
    }
}

struct PermitUser<'a>(&'a SemaphoreWorld, u16);

impl Holders for PermitUser<'_> {
    fn me(&self) -> MemberId {
        MemberId(self.1)
    }

    fn may_hold(&self, id: MemberId) -> bool {
        (1..4).contains(&id.0)
    }

    fn is_dead(&self, id: MemberId) -> Result<bool, Failure> {
        let byte = &self.0.lock_bytes[usize::from(id.0)];
        Ok(byte.fetch_add(0, Ordering::AcqRel) == 0)
    }

    fn corrupted(&self, found: Corruption) -> Failure {
        panic!("{found}")
    }
}

impl PermitUser<'_> {
    fn acquire(&self) -> Permit {
        let permits = self.0.permits();
        if let Some(permit) = permits.try_acquire(self.me(), 0) {
            return permit;
        }
        let acquiring = Acquiring::new(permits, self, self.0.futex.clone(), Fences::Full);
        match acquiring.wait(Some(0), None) {
            Ok(permit) => permit,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn release(&self, permit: Permit) {
        self.0
            .permits()
            .release(permit, Fences::Full, &self.0.futex);
    }

    /// Acquires, steps and releases.
    fn visit(&self) {
        let permit = self.acquire();
        let inside = &self.0.inside;
        if self.0.slots.len() == 1 {
            // With one permit it is a lock: no other is inside, and what others stored is
            // there.
            let found = inside.load(Ordering::Relaxed);
            inside.store(found + 1, Ordering::Relaxed);
        } else {
            inside.fetch_add(1, Ordering::Relaxed);
        }
        self.release(permit);
    }
}

/// Members that want a permit each get one (SE2, SE3): a wake-up that is lost is a deadlock.
///
/// Seen to fail: `register` without its barrier; `release` without its; `release` that wakes
/// nobody, and one with a relaxed swap.
#[test]
fn models_semaphore() {
    for (permits, members, bound) in [(1, 2, None), (1, 3, Some(1)), (2, 3, Some(1))] {
        let name = format!("{members} members want one of {permits} permits");
        explore(&name, bound, move || {
            let world = SemaphoreWorld::with(permits);
            let others: Vec<_> = (1..members)
                .map(|id| {
                    let world = Arc::clone(&world);
                    spawn(move || PermitUser(&world, id).visit())
                })
                .collect();
            PermitUser(&world, members).visit();
            others.into_iter().for_each(|other| other.join());
            assert_eq!(world.inside.load(Ordering::Relaxed), members.into());
            assert_eq!(world.permits().available(), permits);
        });
    }
}

/// A holder dies; a survivor takes its permit, beside a successor that frees it (SE4, SE5).
///
/// Seen to fail: as above.
#[test]
fn models_semaphore_death() {
    let taken_over = Witness::of("a survivor that is first");
    let recovered = Witness::of("a successor that is first");
    let (first, second) = (taken_over.clone(), recovered.clone());
    explore("a holder of a permit dies", Some(3), move || {
        let world = SemaphoreWorld::with(1);
        let lost = world.permits().try_acquire(MemberId(1), 0).unwrap();
        world.kill(1);
        let successor = {
            let world = Arc::clone(&world);
            spawn(move || {
                let byte = &world.lock_bytes[1];
                assert_eq!(byte.swap(1, Ordering::AcqRel), 0);
                let mut own = MemberSet::only(MemberId(1));
                let before = world.slots[0].load(Ordering::Relaxed);
                world.permits().recover(&mut own, |_| true, &world.futex);
                PermitUser(&world, 1).visit();
                before == lost.held
            })
        };
        let survivor = PermitUser(&world, 2);
        let permit = survivor.acquire();
        let inside = &world.inside;
        inside.store(inside.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // Its count tells who was before it.
        first.note_if(permit.held >> 10 == 2);
        survivor.release(permit);
        second.note_if(successor.join());
        assert_eq!(world.inside.load(Ordering::Relaxed), 2);
        assert_eq!(world.permits().available(), 1);
    });
    taken_over.check();
    recovered.check();
}
