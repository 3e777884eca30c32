//! Closing: a receiver that reports the end has missed no message whose send
//! said `Ok` (R17).

use super::*;
use crate::ring::layout::{CLOSED, CLOSED_AND_FENCED};
use crate::ring::{Arity, Multi, Single};
use crate::sys::atomic::fence;
use crate::wait::models::{Witness, explore, spawn};

/// As `Ring::close`.
fn close(memory: &LoomMemory) {
    let closed = memory.cell(Cell::Closed);
    let _ = closed.compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::Relaxed);
}

/// As `Port::fence_end`: one receiver's barrier serves all.
fn fence_end(memory: &LoomMemory) {
    let closed = memory.cell(Cell::Closed);
    if closed.load(Ordering::Acquire) != CLOSED_AND_FENCED {
        fence(Ordering::SeqCst);
        closed.store(CLOSED_AND_FENCED, Ordering::Release);
    }
}

/// One look of a receiver, made sure of as `channel::waiting` does.
enum Look {
    Message(u64),
    Nothing,
    End,
}

fn look<S: SendSide>(memory: &LoomMemory, side: &mut impl ReceiveSide) -> Look {
    if let Ok((message, _)) = receive(memory, side) {
        return Look::Message(message);
    }
    if memory.cell(Cell::Closed).load(Ordering::Acquire) == 0 {
        return Look::Nothing;
    }
    fence_end(memory);
    match receive(memory, side) {
        Ok((message, _)) => return Look::Message(message),
        Err(ClaimError::NotReady) => {}
        Err(_) => return Look::Nothing,
    }
    if !S::is_quiescent(memory) {
        return Look::Nothing;
    }
    match receive(memory, side) {
        Ok((message, _)) => Look::Message(message),
        Err(_) => Look::End,
    }
}

fn check<S: Arity, R: Arity>(name: &str, third: bool, bound: Option<usize>) {
    let ended = Witness::of("the end, after a message");
    let refused = Witness::of("a send refused");
    let (noted, told) = (ended.clone(), refused.clone());
    explore(name, bound, move || {
        let twice = if S::MULTI || R::MULTI {
            SlotWords
        } else {
            Nothing
        };
        let memory = LoomMemory::new(2, 0, Fences::Full, twice);
        let mut sending = sender::<S::Sender<R>>(&*memory, 1);
        let mut side = receiver::<R::Receiver<S>>(&*memory, 512);
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || {
                let sends =
                    [11, 12].map(|message| (message, send(&*memory, &mut sending, message)));
                let sent = |(message, result): (u64, Result<(), ClaimError>)| {
                    result.ok().map(|()| message)
                };
                sends.into_iter().filter_map(sent).collect::<Vec<u64>>()
            })
        };
        let closer = third.then(|| {
            let memory = Arc::clone(&memory);
            spawn(move || close(&memory))
        });
        if !third {
            close(&memory);
        }
        let (mut received, mut end) = (Vec::new(), false);
        for _ in 0..3 {
            match look::<S::Sender<R>>(&memory, &mut side) {
                Look::Message(message) => {
                    assert!(!end);
                    received.push(message);
                }
                Look::Nothing => {}
                Look::End => end = true,
            }
        }
        let sent = sender.join();
        if let Some(closer) = closer {
            closer.join();
        }
        noted.note_if(end && !received.is_empty());
        told.note_if(sent.len() < 2);
        if !end {
            received.extend(receive_rest(&*memory, &mut side).iter().map(|(m, _)| m));
        }
        assert_eq!(received, sent);
        let mut late = super::sender::<S::Sender<R>>(&*memory, 1);
        assert_eq!(send(&*memory, &mut late, 13), Err(ClaimError::Closed));
    });
    ended.check();
    refused.check();
}

/// The receiver closes. Exhaustive for SPSC, three preemptions for SPMC.
///
/// Seen to fail: no fence between `busy` and the look at `closed`; `quiescent`
/// always true; `busy = 0` stored Relaxed.
#[test]
fn models_close_single() {
    check::<Single, Single>("close, spsc", false, None);
    check::<Single, Multi>("close, spmc", false, Some(3));
}

/// Three preemptions. Seen to fail: as [`models_close_single`].
#[test]
fn models_close_single_by_a_third() {
    check::<Single, Single>("close by a third, spsc", true, Some(3));
}

/// The receiver closes. Three preemptions.
///
/// Seen to fail: no fence between the claim and the look at `closed`; no look.
#[test]
fn models_close_multi() {
    check::<Multi, Single>("close, mpsc", false, Some(3));
    check::<Multi, Multi>("close, mpmc", false, Some(3));
}

/// Two preemptions. Seen to fail: as [`models_close_multi`].
#[test]
fn models_close_multi_by_a_third() {
    check::<Multi, Multi>("close by a third, mpmc", true, Some(2));
}

/// Two receivers at the end of one sender: the second one relies on the barrier
/// of the first. What neither has received was refused.
///
/// Two preemptions. Seen to fail: the second stage of `closed` stored before the
/// fence; the stage loaded Relaxed.
#[test]
fn models_close_seen_by_two() {
    let both = Witness::of("both reported the end, after the message");
    let noted = both.clone();
    explore("close seen by two, spmc", Some(2), move || {
        let memory = LoomMemory::new(1, 0, Fences::Full, SlotWords);
        let mut sending = sender::<<Single as Arity>::Sender<Multi>>(&*memory, 1);
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || send(&*memory, &mut sending, 11).is_ok())
        };
        let looks = |id: u16, times: u32| {
            let memory = Arc::clone(&memory);
            move || {
                type Receiving = <Multi as Arity>::Receiver<Single>;
                type Sending = <Single as Arity>::Sender<Multi>;
                let mut side = receiver::<Receiving>(&*memory, id);
                let (mut received, mut end) = (0, false);
                for _ in 0..times {
                    match look::<Sending>(&memory, &mut side) {
                        Look::Message(message) => {
                            assert!(!end && message == 11);
                            received += 1;
                        }
                        Look::Nothing => {}
                        Look::End => end = true,
                    }
                }
                (received, end)
            }
        };
        let second = spawn(looks(513, 1));
        close(&memory);
        let (here, ended_here) = looks(512, 2)();
        let (there, ended_there) = second.join();
        let sent = sender.join();
        noted.note_if(sent && ended_here && ended_there);
        if ended_here && ended_there {
            assert_eq!(here + there, u32::from(sent));
        }
        assert!(here + there <= u32::from(sent));
    });
    both.check();
}
