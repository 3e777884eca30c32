//! Endpoints of a side of many that die at every step, and survivors that recover
//! their slots.

use super::*;
use crate::models::{Witness, explore, spawn};
use crate::ring::multi::{MultiReceiver, MultiSender};
use crate::ring::single::SingleSender;
use crate::ring::{Arity, Multi, Single};
use std::cell::Cell as StdCell;

/// Lives of a sender of many: from its claim on, each step of one send.
const SENDER_LIVES: std::ops::RangeInclusive<u32> = 4..=8;
/// Lives of a receiver of many: from its claim on, each step of one receipt.
const RECEIVER_LIVES: std::ops::RangeInclusive<u32> = 7..=10;
/// Lives of a survivor that recovers.
const SURVIVOR_LIVES: std::ops::RangeInclusive<u32> = 1..=5;

/// A sender of many that sends 99, if it lives; says whether that returned `Ok`.
fn doomed_sender<R: Arity>(memory: &Arc<LoomMemory>, steps: u32, lock: &Lock) -> bool {
    let sent = StdCell::new(false);
    live(memory, steps, |memory| {
        let mut side = sender::<MultiSender<R>>(memory, lock.owner.0);
        sent.set(send(memory, &mut side, 99).is_ok());
    });
    lock.free();
    sent.get()
}

/// Sends, and recovers what a dead sender left in the way.
fn send_past<S: SendSide>(memory: &LoomMemory, id: u16, lock: &Lock, message: u64) -> bool {
    let mut side = sender::<S>(memory, id);
    for _ in 0..2 {
        match send(memory, &mut side, message) {
            Ok(()) => return true,
            Err(ClaimError::Held(held)) => lock.reclaim(memory, held),
            Err(_) => {}
        }
    }
    false
}

/// Receives, and recovers what a dead sender left in the way.
fn receive_past<R: ReceiveSide>(
    memory: &LoomMemory,
    side: &mut R,
    lock: &Lock,
    tries: usize,
) -> Vec<(u64, u8)> {
    let mut received = Vec::new();
    for _ in 0..tries {
        match receive(memory, side) {
            Ok(message) => received.push(message),
            Err(ClaimError::Held(held)) => lock.reclaim(memory, held),
            Err(_) => {}
        }
    }
    received
}

/// A sender dies beside a living one and a receiver, both of which recover.
///
/// Seen to fail: `recover_slot` that frees the slot for the same lap; `reclaim` that
/// does not probe (it robs a sender that is alive); the compare-and-swap of a recovery
/// Relaxed (the next holder of the slot races with what the dead one wrote).
#[test]
fn models_dead_sender_of_many() {
    for steps in SENDER_LIVES {
        let name = format!("sender dies after {steps} steps");
        explore(&name, Some(2), move || {
            let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
            let lock = Lock::held_by(9);
            let doomed = {
                let (memory, lock) = (Arc::clone(&memory), lock.clone());
                spawn(move || doomed_sender::<Multi>(&memory, steps, &lock))
            };
            let other = {
                let (memory, lock) = (Arc::clone(&memory), lock.clone());
                spawn(move || send_past::<MultiSender<Multi>>(&memory, 1, &lock, 11))
            };
            let mut side = receiver::<MultiReceiver<Multi>>(&*memory, 512);
            let mut received = receive_past(&memory, &mut side, &lock, 1);
            let (doomed, other) = (doomed.join(), other.join());
            received.extend(receive_past(&memory, &mut side, &lock, 4));
            let mut certain = Vec::new();
            certain.extend(doomed.then_some(99));
            certain.extend(other.then_some(11));
            settle_up(only_messages(&received), &certain, &[99]);
            // And the ring goes on.
            assert!(send_past::<MultiSender<Multi>>(&memory, 1, &lock, 12));
            assert_eq!(receive_rest(&*memory, &mut side), [(12, 0)]);
        });
    }
}

/// A dead sender's claim, in the way of two senders and a receiver: two recover
/// it, and one of them, or the third, has the slot by then (R14).
///
/// Seen to fail: a plain store for the compare-and-swap of a recovery.
#[test]
fn models_two_recover_while_a_third_claims() {
    let all = Witness::of("both survivors and the claimer sent");
    let noted = all.clone();
    explore("two recover, a third claims", Some(2), move || {
        let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
        let lock = Lock::held_by(9);
        // Killed between its claim and its publication.
        assert!(!doomed_sender::<Multi>(&memory, 4, &lock));
        let survivors = [(1, 11), (2, 21)].map(|(id, message)| {
            let (memory, lock) = (Arc::clone(&memory), lock.clone());
            spawn(move || send_past::<MultiSender<Multi>>(&memory, id, &lock, message))
        });
        let mut side = receiver::<MultiReceiver<Multi>>(&*memory, 512);
        let mut received = receive_past(&memory, &mut side, &lock, 2);
        let sent = survivors.map(|survivor| survivor.join());
        noted.note_if(sent == [true, true] && received.len() == 1);
        received.extend(receive_past(&memory, &mut side, &lock, 4));
        let mut certain = Vec::new();
        certain.extend(sent[0].then_some(11));
        certain.extend(sent[1].then_some(21));
        settle_up(only_messages(&received), &certain, &[]);
    });
    all.check();
}

/// A receiver of many that takes one message and dies at some step.
fn doomed_receiver<S: Arity>(memory: &Arc<LoomMemory>, steps: u32, lock: &Lock) -> NotedLease {
    let noted = RefCell::new(Vec::new());
    live(memory, steps, |memory| {
        let mut side = receiver::<MultiReceiver<S>>(memory, lock.owner.0);
        lease(memory, &mut side, &noted);
    });
    lock.free();
    noted.into_inner().first().copied().unwrap_or_default()
}

/// Recovers what the dead one held, then receives.
fn recover_and_receive<S: Arity>(
    memory: &LoomMemory,
    side: &mut MultiReceiver<S>,
    lock: &Lock,
) -> Vec<(u64, u8)> {
    if !lock.is_alive(lock.owner) {
        lock.recover(memory);
    }
    receive(memory, side).into_iter().collect()
}

/// A receiver dies beside two that recover and receive; what it held is received
/// again once, marked, and what it acknowledged is not.
///
/// Seen to fail: no requeue announced (R12); the attempt not raised.
#[test]
fn models_dead_receiver_of_many() {
    for steps in RECEIVER_LIVES {
        let name = format!("receiver dies after {steps} steps");
        explore(&name, Some(2), move || {
            let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
            let lock = Lock::held_by(700);
            let mut sides = [512, 513].map(|id| seasoned::<MultiReceiver<Single>>(&memory, id));
            let mut single = sender::<SingleSender>(&*memory, 1);
            assert_eq!(send(&*memory, &mut single, 11), Ok(()));
            let doomed = {
                let (memory, lock) = (Arc::clone(&memory), lock.clone());
                spawn(move || doomed_receiver::<Single>(&memory, steps, &lock))
            };
            let [mut mine, mut theirs] = sides;
            let other = {
                let (memory, lock) = (Arc::clone(&memory), lock.clone());
                spawn(move || (recover_and_receive(&memory, &mut theirs, &lock), theirs))
            };
            let mut received = recover_and_receive(&memory, &mut mine, &lock);
            let doomed = doomed.join();
            let (theirs, mut side) = other.join();
            received.extend(theirs);
            received.extend(recover_and_receive(&memory, &mut side, &lock));
            match doomed.acknowledged {
                Some(_) => assert_eq!(received, []),
                // It was in its hands: again, marked. Or it never was.
                None if doomed.handed_out.is_some() => assert_eq!(received, [(11, 1)]),
                None => assert!(received == [(11, 0)] || received == [(11, 1)]),
            }
            sides = [mine, side];
            // And the ring goes on.
            assert_eq!(send(&*memory, &mut single, 12), Ok(()));
            assert_eq!(receive_rest(&*memory, &mut sides[0]), [(12, 0)]);
        });
    }
}

/// The message of a dead receiver: a sender recovers the slot that is in its way
/// while one receiver does the same in a scan and another receives. Counted once.
///
/// Seen to fail: a plain store for the compare-and-swap of a recovery.
#[test]
fn models_redelivery_by_two() {
    explore("two recover a dead receiver's slot", Some(2), || {
        let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
        let lock = Lock::held_by(700);
        let mut mine = seasoned::<MultiReceiver<Single>>(&memory, 512);
        let mut theirs = seasoned::<MultiReceiver<Single>>(&memory, 513);
        let mut single = sender::<SingleSender>(&*memory, 1);
        assert_eq!(send(&*memory, &mut single, 11), Ok(()));
        let doomed = doomed_receiver::<Single>(&memory, 9, &lock);
        assert!(doomed.handed_out.is_some() && doomed.acknowledged.is_none());
        // One survivor finds the slot in its way, the other scans.
        let blocked = {
            let (memory, lock) = (Arc::clone(&memory), lock.clone());
            spawn(move || {
                if let Err(ClaimError::Held(held)) = send(&*memory, &mut single, 12) {
                    lock.reclaim(&*memory, held);
                }
            })
        };
        let other = {
            let memory = Arc::clone(&memory);
            spawn(move || (receive(&*memory, &mut theirs), theirs))
        };
        let mut received = recover_and_receive(&memory, &mut mine, &lock);
        blocked.join();
        let (theirs, mut side) = other.join();
        received.extend(theirs);
        received.extend(receive_rest(&*memory, &mut side));
        received.retain(|(message, _)| *message == 11);
        assert_eq!(received, [(11, 1)]);
        let counted = |cell| memory.cell(cell).load(Ordering::Relaxed);
        assert_eq!((counted(Cell::Redelivered), counted(Cell::Lost)), (1, 0));
    });
}

/// Only the sender that it blocks recovers the slot; a receiver that has
/// looked behind the head before must look there again (R12).
///
/// Seen to fail: `recover_slot` that announces nothing; the count of requeues raised
/// or loaded Relaxed (the count is seen, the message is not, and no receiver looks
/// again).
#[test]
fn models_redelivery_by_a_sender() {
    let found = Witness::of("redelivered while the threads ran");
    let noted = found.clone();
    explore(
        "a sender recovers a dead receiver's slot",
        None,
        move || {
            let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
            let lock = Lock::held_by(700);
            let mut side = seasoned::<MultiReceiver<Single>>(&memory, 512);
            let mut single = sender::<SingleSender>(&*memory, 1);
            assert_eq!(send(&*memory, &mut single, 11), Ok(()));
            doomed_receiver::<Single>(&memory, 9, &lock);
            let blocked = {
                let memory = Arc::clone(&memory);
                spawn(move || {
                    if let Err(ClaimError::Held(held)) = send(&*memory, &mut single, 12) {
                        lock.reclaim(&*memory, held);
                    }
                })
            };
            let mut received: Vec<_> = receive(&*memory, &mut side).into_iter().collect();
            noted.note_if(!received.is_empty());
            blocked.join();
            received.extend(receive_rest(&*memory, &mut side));
            assert_eq!(received, [(11, 1)]);
        },
    );
    found.check();
}

/// A survivor dies at some step of a recovery; another goes on after it (R13).
///
/// Seen to fail: a recovery that announces only what it has found itself.
#[test]
fn models_dead_survivor() {
    for steps in SURVIVOR_LIVES {
        let name = format!("survivor dies after {steps} steps");
        explore(&name, None, move || {
            let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
            let lock = Lock::held_by(700);
            let mut side = seasoned::<MultiReceiver<Single>>(&memory, 512);
            let mut single = sender::<SingleSender>(&*memory, 1);
            assert_eq!(send(&*memory, &mut single, 11), Ok(()));
            doomed_receiver::<Single>(&memory, 9, &lock);
            let first = {
                let (memory, lock) = (Arc::clone(&memory), lock.clone());
                spawn(move || {
                    live(&memory, steps, |memory| {
                        lock.recover(memory);
                    });
                })
            };
            let mut received = recover_and_receive(&memory, &mut side, &lock);
            first.join();
            received.extend(receive_rest(&*memory, &mut side));
            assert_eq!(received, [(11, 1)]);
        });
    }
}
