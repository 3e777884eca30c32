//! Single endpoints that die at every step, and the successors on their id.

use super::*;
use crate::models::{explore, spawn};
use crate::ring::{Arity, Multi, Single};

/// The single sender dies at some step, from attaching on; its successor sends on. The
/// predecessor had as many messages as half of the ring holds, the successor has two.
fn succeed_sender<R: Arity>(steps: u32, capacity: u64, batch: bool) {
    const MESSAGES: [u64; 4] = [11, 12, 13, 14];
    let (first, then) = MESSAGES.split_at(capacity as usize / 2);
    let then = &then[..2];
    let name = format!("single sender dies after {steps} steps, batch: {batch}");
    let bound = R::MULTI.then_some(3);
    explore(&name, bound, move || {
        let memory = LoomMemory::of::<(Single, R)>(capacity, 0, Fences::Membarrier, Progress);
        let mut side = receiver::<R::Receiver<Single>>(&*memory, 512);
        let sender_side = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let sent = RefCell::new(Vec::new());
                live(&memory, steps, |memory| {
                    let mut side = sender::<<Single as Arity>::Sender<R>>(memory, 1);
                    send_all(memory, &mut side, first, batch, &sent);
                });
                // The lock goes from one to the other, and with it the order of
                // their steps: as good as one thread.
                let mut successor = sender::<<Single as Arity>::Sender<R>>(&*memory, 1);
                send_all(&*memory, &mut successor, then, batch, &sent);
                sent.into_inner()
            })
        };
        let mut received = Vec::new();
        received.extend(receive(&*memory, &mut side).ok());
        let sent = sender_side.join();
        received.extend(receive_rest(&*memory, &mut side));
        let received = only_messages(&received);
        assert!(in_order(&received, &MESSAGES), "{received:?}");
        settle_up(received, &sent, first);
    });
}

/// S5, and how one beside many finds its place. Exhaustive with a single receiver; three preemptions with one of many.
///
/// Seen to fail: `attach` that does not look at the words.
#[test]
fn models_single_sender_succeeded() {
    for steps in 0..14 {
        succeed_sender::<Single>(steps, 2, false);
        succeed_sender::<Multi>(steps, 2, false);
    }
}

/// S5: the same in the middle of a run.
///
/// Seen to fail: `attach` that goes on over one word at most.
#[test]
fn models_single_sender_succeeded_in_a_batch() {
    for steps in 0..16 {
        succeed_sender::<Single>(steps, 4, true);
    }
}

/// A single receiver dies at some step; its successor receives what is left.
fn succeed_receiver<S: Arity>(steps: u32) {
    let name = format!("single receiver dies after {steps} steps");
    explore(&name, Some(3), move || {
        let memory = LoomMemory::of::<(S, Single)>(2, 0, Fences::Membarrier, Progress);
        let mut side = sender::<S::Sender<Single>>(&*memory, 1);
        assert_eq!(send(&*memory, &mut side, 11), Ok(()));
        let receivers = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let noted = RefCell::new(Vec::new());
                live(&memory, steps, |memory| {
                    let mut side = receiver::<<Single as Arity>::Receiver<S>>(memory, 512);
                    lease(memory, &mut side, &noted);
                    lease(memory, &mut side, &noted);
                });
                let mut successor = receiver::<<Single as Arity>::Receiver<S>>(&*memory, 512);
                let first = receive(&*memory, &mut successor).ok();
                (noted.into_inner(), first, successor)
            })
        };
        let mut sent = vec![11];
        for message in [12, 13] {
            if send(&*memory, &mut side, message).is_ok() {
                sent.push(message);
            }
        }
        let (leases, first, mut successor) = receivers.join();
        let mut received: Vec<_> = first.into_iter().collect();
        received.extend(receive_rest(&*memory, &mut successor));
        let acknowledged = leases.iter().filter_map(|lease| lease.acknowledged);
        let all: Vec<u64> = acknowledged
            .chain(received.iter().map(|(message, _)| *message))
            .collect();
        // Release is one step, so between it and our note lies nothing shared,
        // but credit: a killed release counts if `done` was stored.
        let in_hand = leases.last().filter(|lease| lease.acknowledged.is_none());
        let mut with_hand = all.clone();
        with_hand.extend(in_hand.and_then(|lease| lease.handed_out));
        with_hand.sort_unstable();
        with_hand.dedup();
        assert_eq!(with_hand, sent, "lost");
        assert!(in_order(&all, &sent), "doubled: {all:?}");
        for (message, attempt) in received {
            let was_in_hand = in_hand.is_some_and(|lease| lease.handed_out == Some(message));
            assert!(attempt <= 1 && (attempt == 1 || !was_in_hand));
        }
    });
}

/// R8, R9. Three preemptions.
///
/// Seen to fail: `attach` that resumes from `credit`; `credit` stored before
/// `done`; `taken` not stored; the attempt not raised.
#[test]
fn models_single_receiver_succeeded() {
    for steps in 4..=15 {
        succeed_receiver::<Single>(steps);
        succeed_receiver::<Multi>(steps);
    }
}
