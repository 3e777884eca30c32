//! What is done once, and barriers.

use std::sync::Arc;

use super::super::barrier::{Arrival, BarrierWords, RoundError};
use super::super::held::Waiting;
use super::super::once::{INTERRUPTED, OnceRules, OnceWord, is_done};
use super::{Leaving, LockWorld, Member};
use crate::members::{MemberId, MemberSet};
use crate::models::{Witness, explore, live, spawn};
use crate::sync::word::Holders;
use crate::sys::atomic::{AtomicU64, Ordering};

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

/// A party of two, of which the other dies at some moment: it passes if the other has
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

/// A party of two whose time is over comes again, or has passed; the other passes once
/// both have arrived, and not before. Then one leaves at once, and breaks nothing (BA4,
/// BA5). Three preemptions.
///
/// Seen to fail: a party that withdraws from a round that is over; `poll` that asks
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
                let park = Leaving::new(&world.futex, false);
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

/// A party of two is dead. A scan gives its seat up while the other arrives and waits:
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
