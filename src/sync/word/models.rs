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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, Ordering::Relaxed};
use std::time::Duration;

use super::barrier::{Arrival, BarrierWords, RoundError};
use super::held::{HeldError, Waiting};
use super::lock::{LockRules, LockWord, POISONED};
use super::once::{INTERRUPTED, OnceRules, OnceWord, is_done};
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
        if let Some(held) = word.try_lock(self.me()) {
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
        LockWord(&self.world.word).unlock(held, false, &self.world.futex);
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
                        word.unlock(held, false, &futex);
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
                let park = Leaving(world.futex.clone(), Arc::default());
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

/// A clock on which the time is over after the first sleep.
#[derive(Clone)]
struct Leaving(Futex, Arc<Flag>);

impl Park for Leaving {
    type Time = u32;

    fn now(&self) -> u32 {
        u32::from(self.1.load(Relaxed))
    }

    fn after(&self, time: u32, _duration: Duration) -> u32 {
        time
    }

    fn heavy(&self) {
        self.0.heavy();
    }

    fn sleep(&self, word: &AtomicU32, expected: u32, _: u32) -> bool {
        self.0.sleep(word, expected, ())
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        self.0.wake(word, count)
    }
}

impl ParkHalf for Leaving {
    fn sleep_half(&self, word: &AtomicU64, expected: u64, _: u32) -> bool {
        self.0.sleep_half(word, expected, ());
        self.1.store(true, Relaxed);
        true
    }

    fn wake_half(&self, word: &AtomicU64, count: u32) -> usize {
        self.0.wake_half(word, count)
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

impl Member<'_> {
    /// Makes the twins one, once. Says whether it was the one to do so.
    fn make_once(&self, before_each: impl Fn()) -> bool {
        let rules = OnceRules { begins_again: true };
        let futex = self.world.futex.clone();
        let waiting = Waiting::new(&self.world.word, rules, self, futex);
        let word = match waiting.wait(Some(0), None) {
            Ok(word) => word,
            Err(error) => panic!("{error:?}"),
        };
        if is_done(word) {
            return false;
        }
        let [first, second] = &self.world.twins;
        if word & INTERRUPTED == 0 {
            assert_eq!(first.load(Ordering::Relaxed), 0, "it was begun before");
        }
        before_each();
        first.store(1, Ordering::Relaxed);
        before_each();
        second.store(1, Ordering::Relaxed);
        before_each();
        OnceWord(&self.world.word).end(word, true, &self.world.futex);
        true
    }
}

/// What is done once is done once, and seen by those that find it done, though the first
/// to do it dies at some step, or lives (ON1 to ON4). Three preemptions.
///
/// Seen to fail: `end` that is relaxed, or wakes one (three members); `taken_over` that is
/// not INTERRUPTED.
#[test]
fn models_once() {
    for steps in [0, 1, 2, 3] {
        let name = format!("two do it once, of which one dies after {steps} steps, if at all");
        explore(&name, Some(3), move || {
            let world = LockWorld::with(&[1, 2]);
            let first = {
                let world = Arc::clone(&world);
                spawn(move || {
                    let member = Member {
                        world: &world,
                        id: 1,
                    };
                    let killed = live(steps, |steps| {
                        member.make_once(|| steps.step());
                    });
                    if killed {
                        world.kill(1);
                    }
                    killed
                })
            };
            let second = Member {
                world: &world,
                id: 2,
            };
            second.make_once(|| {});
            assert_eq!(world.value(), (1, true));
            first.join();
        });
    }
}

/// A participant of two, of which the other dies at some moment: it passes if the other has
/// arrived, and finds the barrier broken if not (BA1 to BA4). Two that live pass both
/// rounds. Three preemptions.
///
/// Seen to fail: an arrival that is relaxed; the last one that wakes nobody.
#[test]
fn models_barrier() {
    for rounds in [0, 1, 2] {
        let name = format!("two arrive, of which one dies after {rounds} rounds");
        explore(&name, Some(3), move || {
            let world = LockWorld::with(&[1, 2]);
            let seats = Arc::new([AtomicU64::new(1), AtomicU64::new(2)]);
            let other = {
                let (world, seats) = (Arc::clone(&world), Arc::clone(&seats));
                spawn(move || {
                    let member = Member {
                        world: &world,
                        id: 1,
                    };
                    for round in 1..=rounds {
                        world.twins[0].store(round, Ordering::Relaxed);
                        assert!(arrive(&member, &*seats, 0).is_ok());
                        assert_eq!(world.twins[1].load(Ordering::Relaxed), round);
                        // So that nobody changes them before all have looked.
                        assert!(arrive(&member, &*seats, 0).is_ok());
                    }
                    if rounds < 2 {
                        world.kill(1);
                    }
                })
            };
            let member = Member {
                world: &world,
                id: 2,
            };
            for round in 1..=rounds {
                world.twins[1].store(round, Ordering::Relaxed);
                assert!(arrive(&member, &*seats, 1).is_ok());
                assert_eq!(world.twins[0].load(Ordering::Relaxed), round);
                assert!(arrive(&member, &*seats, 1).is_ok());
            }
            if rounds < 2 {
                assert_eq!(arrive(&member, &*seats, 1), Err(RoundError::Broken));
            }
            other.join();
        });
    }
}

fn arrive(member: &Member<'_>, seats: &[AtomicU64], seat: usize) -> Result<Arrival, RoundError> {
    let words = BarrierWords {
        word: &member.world.word,
        seats,
    };
    words.wait(seat, member, member.world.futex.clone(), Some(0), None)
}

/// A participant of two whose time is over comes again, or has passed; the other passes once
/// both have arrived, and not before. Then one leaves at once, and breaks nothing (BA4,
/// BA5). Three preemptions.
///
/// Seen to fail: a participant that withdraws from a round that is over; `poll` that asks
/// for BROKEN first; `wait` that reports the end of the time of a round that was passed.
#[test]
fn models_barrier_late() {
    let late = Witness::of("one whose time was over");
    let found = late.clone();
    explore("one of two gives up and comes again", Some(3), move || {
        let world = LockWorld::with(&[1, 2]);
        let seats = Arc::new([AtomicU64::new(1), AtomicU64::new(2)]);
        let hasty = {
            let (world, seats) = (Arc::clone(&world), Arc::clone(&seats));
            spawn(move || {
                let member = Member {
                    world: &world,
                    id: 1,
                };
                let words = BarrierWords {
                    word: &world.word,
                    seats: &*seats,
                };
                world.twins[0].store(1, Ordering::Relaxed);
                let park = Leaving(world.futex.clone(), Arc::default());
                let first = words.wait(0, &member, park, Some(0), Some(1));
                let is_late = matches!(first, Err(RoundError::Timeout(_)));
                if is_late {
                    assert!(arrive(&member, &*seats, 0).is_ok());
                } else {
                    assert!(first.is_ok());
                }
                assert_eq!(world.twins[1].load(Ordering::Relaxed), 1);
                words.leave(0, &world.futex);
                is_late
            })
        };
        let member = Member {
            world: &world,
            id: 2,
        };
        world.twins[1].store(1, Ordering::Relaxed);
        assert!(arrive(&member, &*seats, 1).is_ok());
        assert_eq!(world.twins[0].load(Ordering::Relaxed), 1);
        found.note_if(hasty.join());
        // It has left: the next round is none.
        assert_eq!(arrive(&member, &*seats, 1), Err(RoundError::Broken));
    });
    late.check();
}

/// A participant of two is dead. A scan gives its seat up while the other arrives and waits:
/// that one finds the barrier broken, by the scan's word or by its own (BA3, BA5).
/// Exhaustive.
///
/// Seen to fail: `recover` that breaks nothing, and leaves no seat.
#[test]
fn models_barrier_recovered() {
    explore("a scan beside one that waits for a dead one", None, || {
        let world = LockWorld::with(&[2, 3]);
        let seats = Arc::new([AtomicU64::new(1), AtomicU64::new(2)]);
        let scan = {
            let (world, seats) = (Arc::clone(&world), Arc::clone(&seats));
            spawn(move || {
                let member = Member {
                    world: &world,
                    id: 3,
                };
                let words = BarrierWords {
                    word: &world.word,
                    seats: &*seats,
                };
                let mut dead = MemberSet::only(MemberId(1));
                words.recover(
                    &mut dead,
                    |id| member.is_dead(id).unwrap_or(false),
                    &world.futex,
                );
            })
        };
        let member = Member {
            world: &world,
            id: 2,
        };
        assert_eq!(arrive(&member, &*seats, 1), Err(RoundError::Broken));
        scan.join();
    });
}
