//! loom models of the words of shared objects: the real code, over loom's atomics.
//!
//! A lock byte is an atomic that holds 1 while its id is in use, and each call about it is
//! one read-modify-write, as the kernel makes it. A process that dies ends before its n-th
//! step, for every n that matters; the kernel then frees its lock byte, and from then on
//! the cap of every sleep ends it. Without a death no sleep ends by time, so a wake-up that
//! is lost is a deadlock. See [`models`](crate::models) for the rest.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

mod meeting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, Ordering::Relaxed};
use std::time::Duration;

use super::held::{HeldError, Waiting};
use super::lock::{LockCount, LockRules, LockWord, POISONED};
use super::{Holders, condvar};
use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};
use crate::models::{Steps, Witness, explore, live, spawn};
use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::wait::models::Futex;
use crate::wait::{Park, ParkHalf};

/// A lock, what it guards, and who is alive.
pub(super) struct LockWorld {
    pub(super) word: AtomicU64,
    condvar: AtomicU32,
    /// Two words that are equal but while a holder steps. Atomics, as loom wants to see
    /// who may read what; relaxed, so that they order nothing.
    twins: [AtomicU64; 2],
    lock_bytes: [AtomicU64; 4],
    pub(super) futex: Futex,
}

impl LockWorld {
    /// A lock that is free, at which the members of `ids` are.
    pub(super) fn with(ids: &[u16]) -> Arc<LockWorld> {
        let byte = |id| AtomicU64::new(ids.contains(&id).into());
        Arc::new(LockWorld {
            word: AtomicU64::new(0),
            condvar: AtomicU32::new(0),
            twins: [AtomicU64::new(0), AtomicU64::new(0)],
            lock_bytes: [byte(0), byte(1), byte(2), byte(3)],
            futex: Futex::default(),
        })
    }

    /// Both twins become one more.
    fn step(&self, before_each: impl Fn()) {
        let [first, second] = &self.twins;
        let value = first.load(Ordering::Relaxed);
        assert_eq!(value, second.load(Ordering::Relaxed), "it was not alone");
        before_each();
        first.store(value + 1, Ordering::Relaxed);
        before_each();
        second.store(value + 1, Ordering::Relaxed);
        before_each();
    }

    /// The value, and whether it is whole.
    fn value(&self) -> (u64, bool) {
        let [first, second] = &self.twins;
        let second = second.load(Ordering::Relaxed);
        (second, second == first.load(Ordering::Relaxed))
    }

    /// The kernel frees the lock byte of a process that has died.
    pub(super) fn kill(&self, id: u16) {
        self.lock_bytes[usize::from(id)].swap(0, Ordering::AcqRel);
        self.futex.expire_all();
    }

    /// Takes the lock byte of `id`, if its process has died.
    fn succeed(&self, id: u16) -> bool {
        let byte = &self.lock_bytes[usize::from(id)];
        byte.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// A member of that world.
pub(super) struct Member<'a> {
    pub(super) world: &'a LockWorld,
    pub(super) id: u16,
}

impl Holders for Member<'_> {
    fn me(&self) -> MemberId {
        MemberId(self.id)
    }

    fn may_hold(&self, id: MemberId) -> bool {
        (1..4).contains(&id.0)
    }

    fn is_dead(&self, id: MemberId) -> Result<bool, Failure> {
        let byte = &self.world.lock_bytes[usize::from(id.0)];
        Ok(byte.fetch_add(0, Ordering::AcqRel) == 0)
    }

    fn corrupted(&self, found: Corruption) -> Failure {
        panic!("{found}")
    }
}

impl Member<'_> {
    fn lock(&self) -> u64 {
        let word = LockWord(&self.world.word);
        // Right for the first one only.
        let count = LockCount::of(0);
        if let Some(held) = word.try_lock_expecting(count, self.me()) {
            return held;
        }
        let futex = self.world.futex.clone();
        let waiting = Waiting::new(&self.world.word, LockRules, self, futex);
        match waiting.wait(Some(0), None) {
            Ok(held) => held,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn unlock(&self, held: u64) {
        LockWord(&self.world.word).unlock(held, false, || self.world.futex.clone());
    }

    /// Recovers the lock, as the successor on its own id.
    fn recover_own(&self) {
        let word = LockWord(&self.world.word);
        let mut own = MemberSet::only(self.me());
        word.recover(&mut own, |_| true, &self.world.futex);
    }

    /// Locks, repairs and steps, and unlocks; says whether it was poisoned.
    fn visit(&self) -> bool {
        let held = self.lock();
        let is_poisoned = held & POISONED != 0;
        if is_poisoned {
            let [first, second] = &self.world.twins;
            second.store(first.load(Ordering::Relaxed), Ordering::Relaxed);
            LockWord(&self.world.word).clear_poison(self.me());
        }
        self.world.step(|| {});
        self.unlock(held);
        is_poisoned
    }
}

/// The futex, as a process sees it that is killed before a wake-up.
struct MortalPark<'a>(&'a Futex, &'a Steps);

impl Park for MortalPark<'_> {
    type Time = ();

    fn now(&self) {}

    fn after(&self, (): (), _duration: Duration) {}

    fn heavy(&self) {
        self.0.heavy();
    }

    fn sleep(&self, word: &AtomicU32, expected: u32, (): ()) -> bool {
        self.0.sleep(word, expected, ())
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        self.1.step();
        self.0.wake(word, count)
    }
}

impl ParkHalf for MortalPark<'_> {
    fn sleep_half(&self, word: &AtomicU64, expected: u64, (): ()) -> bool {
        self.0.sleep_half(word, expected, ())
    }

    fn wake_half(&self, word: &AtomicU64, count: u32) -> usize {
        self.1.step();
        self.0.wake_half(word, count)
    }
}

/// Members that lock once each exclude each other, and each gets its turn. Two:
/// exhaustive. Three: two preemptions.
///
/// Seen to fail: `unlock` with a relaxed swap; `try_lock` and `take` that acquire nothing;
/// `unlock` that does not wake; `register` that sets no bit; a waiter that has slept and
/// takes the lock without WAITERS (L4; three).
#[test]
fn models_lock() {
    for (members, bound) in [(2, None), (3, Some(2))] {
        explore(&format!("{members} lock"), bound, move || {
            let world = LockWorld::with(&[1, 2, 3]);
            let others: Vec<_> = (1..members)
                .map(|id| {
                    let world = Arc::clone(&world);
                    spawn(move || Member { world: &world, id }.visit())
                })
                .collect();
            let last = Member {
                world: &world,
                id: members,
            };
            assert!(!last.visit());
            for other in others {
                assert!(!other.join());
            }
            assert_eq!(world.value(), (members.into(), true));
            assert_eq!(world.word.load(Ordering::Relaxed) & 0xfff, 0);
        });
    }
}

/// A member steps and dies at some step, beside one that waits for the lock (L5, L6).
/// Exhaustive.
///
/// Seen to fail: a takeover that does not poison; a probe only before the first sleep.
#[test]
fn models_dead_holder() {
    for steps in 0..=4 {
        let poisoned = Witness::of("a survivor that finds it poisoned");
        let found = poisoned.clone();
        let name = format!("the holder dies after {steps} steps");
        explore(&name, None, move || {
            let world = LockWorld::with(&[1, 2]);
            let dying = {
                let world = Arc::clone(&world);
                spawn(move || {
                    let killed = live(steps, |steps| {
                        let word = LockWord(&world.word);
                        let Some(held) = word.try_lock(MemberId(1)) else {
                            return;
                        };
                        steps.step();
                        world.step(|| steps.step());
                        let futex = MortalPark(&world.futex, steps);
                        word.unlock(held, false, || futex);
                    });
                    world.kill(1);
                    killed
                })
            };
            let survivor = Member {
                world: &world,
                id: 2,
            };
            let was_poisoned = survivor.visit();
            found.note_if(was_poisoned);
            let killed = dying.join();
            assert!(killed || !was_poisoned);
            let (value, is_whole) = world.value();
            // The other may have got the lock first, and not be done: then nothing is poisoned,
            // and it died later.
            assert!(is_whole || !was_poisoned);
            assert!((1..=2).contains(&value), "{value}");
        });
        if steps < 4 {
            poisoned.check();
        }
    }
}

/// The holder of id 1 has died. Its successor recovers the lock, then takes it; a survivor
/// waits for it meanwhile (L6 to L9). Three preemptions, and two.
///
/// Seen to fail: `reclaim` that swaps the word that it finds after the probe; a takeover
/// that does not count up; `recover_held` that loads after the probe (with a scan).
#[test]
fn models_successor_beside_survivor() {
    for (scans, bound) in [(false, Some(3)), (true, Some(2))] {
        let name = format!("a successor beside a survivor, which scans: {scans}");
        let taken_over = Witness::of("a survivor that is first");
        let recovered = Witness::of("a successor that is first");
        let (first, second) = (taken_over.clone(), recovered.clone());
        explore(&name, bound, move || {
            let world = LockWorld::with(&[1, 2]);
            LockWord(&world.word).try_lock(MemberId(1)).unwrap();
            world.kill(1);
            let successor = {
                let world = Arc::clone(&world);
                spawn(move || {
                    assert!(world.succeed(1));
                    let member = Member {
                        world: &world,
                        id: 1,
                    };
                    member.recover_own();
                    member.visit()
                })
            };
            let survivor = Member {
                world: &world,
                id: 2,
            };
            if scans {
                let mut dead = MemberSet::only(MemberId(1));
                let is_dead = |id| survivor.is_dead(id).unwrap();
                LockWord(&world.word).recover(&mut dead, is_dead, &world.futex);
            }
            let was_first = survivor.visit();
            let successor = successor.join();
            // The first of the two to come repairs.
            assert!(was_first != successor);
            first.note_if(was_first);
            second.note_if(successor);
            assert_eq!(world.value(), (2, true));
        });
        taken_over.check();
        recovered.check();
    }
}

/// A waiter gives up after it was woken: another one, which sleeps, is woken in its place
/// (L10). One preemption.
///
/// Seen to fail: `wait` that wakes no other when it gives up.
#[test]
fn models_giving_up() {
    explore("one of two waiters gives up", Some(1), || {
        let world = LockWorld::with(&[1, 2, 3]);
        let holder = Member {
            world: &world,
            id: 1,
        };
        let held = holder.lock();
        let waiter = {
            let world = Arc::clone(&world);
            spawn(move || {
                Member {
                    world: &world,
                    id: 2,
                }
                .visit()
            })
        };
        let leaving = {
            let world = Arc::clone(&world);
            spawn(move || {
                let member = Member {
                    world: &world,
                    id: 3,
                };
                let park = Leaving::new(&world.futex, true);
                let waiting = Waiting::new(&world.word, LockRules, &member, park);
                match waiting.wait(Some(0), Some(1)) {
                    Ok(held) => member.unlock(held),
                    Err(HeldError::Timeout(_)) => {}
                    Err(HeldError::Failed(failure)) => panic!("{failure}"),
                }
            })
        };
        holder.unlock(held);
        // A third one is quicker than those that were woken.
        holder.visit();
        waiter.join();
        leaving.join();
    });
}

/// A clock on which the time is over after the first sleep; or, if it does not sleep, at its
/// begin.
#[derive(Clone)]
struct Leaving {
    futex: Futex,
    is_late: Arc<Flag>,
    sleeps: bool,
}

impl Leaving {
    fn new(futex: &Futex, sleeps: bool) -> Leaving {
        Leaving {
            futex: futex.clone(),
            is_late: Arc::default(),
            sleeps,
        }
    }
}

impl Park for Leaving {
    type Time = u32;

    fn now(&self) -> u32 {
        u32::from(self.is_late.load(Relaxed))
    }

    fn after(&self, time: u32, _duration: Duration) -> u32 {
        time
    }

    fn heavy(&self) {
        self.futex.heavy();
    }

    fn sleep(&self, word: &AtomicU32, expected: u32, _: u32) -> bool {
        self.futex.sleep(word, expected, ())
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        self.futex.wake(word, count)
    }
}

impl ParkHalf for Leaving {
    fn sleep_half(&self, word: &AtomicU64, expected: u64, _: u32) -> bool {
        if self.sleeps {
            self.futex.sleep_half(word, expected, ());
        }
        self.is_late.store(true, Relaxed);
        true
    }

    fn wake_half(&self, word: &AtomicU64, count: u32) -> usize {
        self.futex.wake_half(word, count)
    }
}

/// Waiters for a predicate, and one that makes it true (CV1 to CV5). One waiter:
/// exhaustive; two: one preemption.
///
/// Seen to fail: `sleep` that announces after it has unlocked; `notify_all` that wakes one.
#[test]
fn models_condvar() {
    for (waiters, bound) in [(1, None), (2, Some(1))] {
        explore(
            &format!("{waiters} wait for a predicate"),
            bound,
            move || {
                let world = LockWorld::with(&[1, 2, 3]);
                let waiters: Vec<_> = (0..waiters)
                    .map(|at| {
                        let world = Arc::clone(&world);
                        spawn(move || {
                            let member = Member {
                                world: &world,
                                id: 2 + at,
                            };
                            let mut held = member.lock();
                            while world.value().0 == 0 {
                                let unlock = || member.unlock(held);
                                condvar::sleep(&world.condvar, &world.futex, (), unlock);
                                held = member.lock();
                            }
                            member.unlock(held);
                        })
                    })
                    .collect();
                let changing = Member {
                    world: &world,
                    id: 1,
                };
                changing.visit();
                match waiters.len() {
                    1 => condvar::notify_one(&world.condvar, &world.futex),
                    _ => condvar::notify_all(&world.condvar, &world.futex),
                }
                for waiter in waiters {
                    waiter.join();
                }
            },
        );
    }
}
