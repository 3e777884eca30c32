//! One sender and one receiver (S): lines that hold several messages, and dense messages.
//! (A message with a line to itself is in the other models, as one more kind.)

use super::*;
use crate::models::{Witness, explore, spawn};
use crate::ring::end;
use crate::ring::{Arity, Single};

type OneSender = <Single as Arity>::Sender<Single>;
type ModelReceiver = <Single as Arity>::Receiver<Single>;

fn memory(
    size: usize,
    capacity: u64,
    start: u64,
    fences: Fences,
    twice: LoadedAndStored,
) -> Arc<LoomMemory> {
    let places = places(size, capacity);
    LoomMemory::arranged(Some(places), capacity, start, fences, twice)
}

/// Receives what is there in one run.
fn receive_run(memory: &LoomMemory, side: &mut ModelReceiver) -> Vec<u64> {
    let (first, count) = side.claim_run_fast(memory, 4);
    let positions = (0..count as u64).map(|at| first.wrapping_add(at));
    let received: Vec<u64> = positions
        .map(|position| memory.payload(position).get())
        .collect();
    if let Some(last) = count.checked_sub(1) {
        let position = first.wrapping_add(last as u64);
        side.release(
            memory,
            Claim {
                position,
                redeliveries: 0,
            },
        );
    }
    received
}

/// Two runs of two, by credit, and what has no room by `done`; the receiver takes runs.
fn run(name: &str, size: usize, capacity: u64, start: u64) {
    let through = Witness::of("a message of the second lap received in a run");
    let noted = through.clone();
    explore(name, Some(3), move || {
        let memory = memory(size, capacity, start, Fences::Membarrier, Nothing);
        let mut sending = sender::<OneSender>(&*memory, 1);
        let mut side = receiver::<ModelReceiver>(&*memory, 512);
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let sent = RefCell::new(Vec::new());
                send_all(&*memory, &mut sending, &[11, 12, 13], true, &sent);
                let done = sent.borrow().len();
                let left = &[11, 12, 13, 14][done..];
                send_all(
                    &*memory,
                    &mut sending,
                    &left[..2.min(left.len())],
                    true,
                    &sent,
                );
                sent.into_inner()
            })
        };
        let mut received = receive_run(&memory, &mut side);
        received.extend(
            receive(&*memory, &mut side)
                .ok()
                .map(|(message, _)| message),
        );
        received.extend(receive_run(&memory, &mut side));
        noted.note_if(received.len() as u64 > capacity);
        let sent = sender.join();
        received.extend(only_messages(&receive_rest(&*memory, &mut side)));
        assert_eq!(received, sent);
    });
    through.check();
}

/// S1 to S4. Three preemptions; positions wrap in the middle of it. Seen to fail:
/// `publish_up_to` or `give_credit` that store Relaxed; `look` or `find_room` that load
/// Relaxed.
#[test]
fn models_runs() {
    run("runs, 3 a line", THREE, 2, 4u64.wrapping_neg());
    run("runs, 1 a line", WHOLE, 2, 1u64.wrapping_neg());
    run("runs, dense", DENSE, 2, 1u64.wrapping_neg());
}

/// A third party closes while two messages are sent in a run, or one by one, and the
/// receiver takes what there is and fixes the end. Each send is told `Ok` or `Closed`, and
/// what was received is what was told `Ok`.
fn close(name: &str, size: usize, batch: bool) {
    let late = Witness::of("a message that came too late");
    let last = Witness::of("a message in time, at a closed ring");
    let (came_late, in_time) = (late.clone(), last.clone());
    explore(name, Some(3), move || {
        let memory = memory(size, 3, 0, Fences::Full, Nothing);
        let mut sending = sender::<OneSender>(&*memory, 1);
        let mut side = receiver::<ModelReceiver>(&*memory, 512);
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let sent = RefCell::new(Vec::new());
                send_all(&*memory, &mut sending, &[11, 12], batch, &sent);
                (sent.into_inner(), end::is_closed(&*memory))
            })
        };
        end::close(&*memory, super::endpoint::barrier, || {});
        // After the barrier: another look, then the end.
        let mut received: Vec<u64> = Vec::new();
        let mut is_end = false;
        for _ in 0..3 {
            match receive(&*memory, &mut side) {
                Ok((message, _)) => received.push(message),
                Err(_) => {
                    is_end = side.fix_end(&*memory);
                    if is_end {
                        break;
                    }
                }
            }
        }
        let (sent, is_closed) = sender.join();
        if !is_end {
            received.extend(only_messages(&receive_rest(&*memory, &mut side)));
        }
        let places = memory.places();
        let published = memory.publication(0).load(Ordering::Relaxed);
        let published = places.count(0, places.canonical(published));
        came_late.note_if(published > sent.len() as u64);
        in_time.note_if(is_closed && !sent.is_empty());
        assert_eq!(received, sent);
    });
    late.check();
    last.check();
}

/// S6 to S13. Three preemptions. Seen to fail: no fence in `complete`; `close` without a
/// barrier; an end that is fixed without a look after the barrier; a sender that takes a
/// message for one in time whatever the end is.
#[test]
fn models_one_to_one_closed() {
    close("close, 3 a line, one by one", THREE, false);
    close("close, 3 a line, a run", THREE, true);
    close("close, dense, a run", DENSE, true);
}

/// The sender dies at some step of a run; its successor goes on.
fn succeed_sender(size: usize, steps: u32) {
    let name = format!("sender of {size} B dies after {steps} steps");
    explore(&name, Some(3), move || {
        let memory = memory(size, 4, 0, Fences::Membarrier, Progress);
        let mut side = receiver::<ModelReceiver>(&*memory, 512);
        let senders = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let sent = RefCell::new(Vec::new());
                live(&memory, steps, |memory| {
                    let mut side = sender::<OneSender>(memory, 1);
                    send_all(memory, &mut side, &[11, 12, 13, 14], true, &sent);
                });
                let mut successor = sender::<OneSender>(&*memory, 1);
                send_all(&*memory, &mut successor, &[15], true, &sent);
                sent.into_inner()
            })
        };
        let mut received: Vec<_> = receive(&*memory, &mut side).into_iter().collect();
        let sent = senders.join();
        received.extend(receive_rest(&*memory, &mut side));
        let received = only_messages(&received);
        assert!(in_order(&received, &[11, 12, 13, 14, 15]), "{received:?}");
        settle_up(received, &sent, &[11, 12, 13, 14]);
    });
}

/// S5. Three preemptions. Seen to fail: `attach` that goes on over one word at most.
#[test]
fn models_one_sender_succeeded() {
    for steps in 2..24 {
        succeed_sender(THREE, steps);
        succeed_sender(DENSE, steps);
    }
}

/// The receiver dies at some step, with leases in hand or in giving them back; its
/// successor receives what is left, beside a sender that needs the room.
fn succeed_receiver(size: usize, steps: u32) {
    let name = format!("receiver of {size} B dies after {steps} steps");
    explore(&name, Some(2), move || {
        let memory = memory(size, 2, 0, Fences::Membarrier, Progress);
        let mut sending = sender::<OneSender>(&*memory, 1);
        let sent = RefCell::new(Vec::new());
        send_all(&*memory, &mut sending, &[11, 12], true, &sent);
        let receivers = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let acknowledged = RefCell::new(Vec::new());
                let was_killed = live(&memory, steps, |memory| {
                    let mut side = receiver::<ModelReceiver>(memory, 512);
                    let claims = [(); 2].map(|()| possible(side.claim(memory)));
                    let claims: Vec<Claim> = claims.into_iter().flatten().collect();
                    side.hand_out(memory);
                    side.requeue(memory, claims.into_iter(), POLICY);
                    if let Ok((message, times)) = receive(memory, &mut side) {
                        assert_eq!((message, times), (11, 1));
                        acknowledged.borrow_mut().push(message);
                    }
                });
                let mut successor = receiver::<ModelReceiver>(&*memory, 512);
                let first = receive(&*memory, &mut successor).ok();
                (acknowledged.into_inner(), was_killed, first, successor)
            })
        };
        send_all(&*memory, &mut sending, &[13], true, &sent);
        let (mut received, was_killed, first, mut successor) = receivers.join();
        let mut rest: Vec<_> = first.into_iter().collect();
        rest.extend(receive_rest(&*memory, &mut successor));
        for (message, times) in &rest {
            // Twice at most, by the one that was killed and by its successor.
            assert!(*times <= 1 + 2 * u8::from(was_killed), "{message}: {times}");
            assert!(*message != 13 || *times == 0);
        }
        received.extend(only_messages(&rest));
        let sent = sent.into_inner();
        // A kill between `done` and our note.
        if received.first() == Some(&12) {
            assert!(was_killed);
            received.insert(0, 11);
        }
        assert_eq!(received, sent);
    });
}

/// S4, S14 to S18. Two preemptions. Seen to fail: `credit` stored before `done`; `taken`
/// not lowered by giving back; the attempt not raised.
#[test]
fn models_one_receiver_succeeded() {
    for steps in 0..27 {
        succeed_receiver(THREE, steps);
        succeed_receiver(DENSE, steps);
    }
}
