//! Closing: a receiver that reports the end has missed no message whose send
//! returned `Ok` (R17; S6 to S13). The looks are the real decisions of `ring::end`.

use super::endpoint::{Closer, ModelConnection, Receive, barrier};
use super::*;
use crate::models::{Witness, explore, spawn};
use crate::ring::end::{self, End};
use crate::ring::layout::CLOSED;
use crate::ring::{Arity, Multi, Single};
use crate::wait::Poll;
use crate::wait::models::Futex;

/// Closes a ring at which no endpoint sleeps; or dies before it has made sure of the
/// sends.
fn close(memory: &LoomMemory, closer: Closer) {
    match closer {
        Closer::IsAlive => end::close(memory, barrier, || {}),
        Closer::IsDead => {
            let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
            let closed = memory.cell(Cell::Closed);
            let _ = closed.compare_exchange(0, CLOSED, success, failure);
        }
    }
}

fn check<S: Arity, R: Arity>(name: &str, third: Option<Closer>, bound: Option<usize>) {
    let ended = Witness::of("the end, after a message");
    let refused = Witness::of("a send refused");
    let (noted, told) = (ended.clone(), refused.clone());
    explore(name, bound, move || {
        let twice = if S::MULTI || R::MULTI {
            SlotWords
        } else {
            Nothing
        };
        let memory = LoomMemory::of::<(S, R)>(2, 0, Fences::Full, twice);
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
        let closer = third.map(|closer| {
            let memory = Arc::clone(&memory);
            spawn(move || close(&memory, closer))
        });
        if third.is_none() {
            close(&memory, Closer::IsAlive);
        }
        let (mut received, mut end) = (Vec::new(), false);
        let park = Futex::default();
        let mut connection = ModelConnection::alone(&memory, &park);
        if let Some(Closer::IsDead) = third {
            connection = connection.after_closer();
        }
        for _ in 0..3 {
            match connection.check(Receive::<R, S>(&mut side)) {
                Poll::Ready(message) => {
                    assert!(!end);
                    received.push(message);
                }
                Poll::Pending => {}
                Poll::Ended(found) => end = found == End::Closed,
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
/// Seen to fail: `close` without a barrier; with SPMC no fence between `busy` and the look at
/// `closed`; `is_quiescent` always true; `busy = 0` stored Relaxed; a conclusion
/// by the first attempt alone.
#[test]
fn models_close_single() {
    check::<Single, Single>("close, spsc", None, None);
    check::<Single, Multi>("close, spmc", None, Some(3));
}

/// Three preemptions. Seen to fail: `close` without a barrier; no fence in `complete`;
/// `count_late` that finds none.
#[test]
fn models_close_single_by_a_third() {
    check::<Single, Single>("close by a third, spsc", Some(Closer::IsAlive), Some(3));
    check::<Single, Single>(
        "close by one that dies, spsc",
        Some(Closer::IsDead),
        Some(3),
    );
}

/// The receiver closes. Three preemptions.
///
/// Seen to fail: `close` without a barrier; no fence between the claim and the look
/// at `closed`; no look.
#[test]
fn models_close_multi() {
    check::<Multi, Single>("close, mpsc", None, Some(3));
    check::<Multi, Multi>("close, mpmc", None, Some(3));
}

/// Two preemptions. Seen to fail: as [`models_close_multi`].
#[test]
fn models_close_multi_by_a_third() {
    check::<Multi, Multi>("close by a third, mpmc", Some(Closer::IsAlive), Some(2));
    check::<Multi, Multi>(
        "close by one that dies, mpmc",
        Some(Closer::IsDead),
        Some(2),
    );
}

/// Two receivers at the end of one sender, at a ring whose closer has died: the second
/// one relies on the barrier of the first. What neither has received was refused.
///
/// One preemption. Seen to fail: the second stage of `closed` stored before the
/// fence; the stage loaded Relaxed.
#[test]
fn models_close_seen_by_two() {
    let both = Witness::of("both reported the end, after the message");
    let noted = both.clone();
    explore("close seen by two, spmc", Some(1), move || {
        let memory = LoomMemory::new(1, 0, Fences::Full, SlotWords);
        let mut sending = sender::<<Single as Arity>::Sender<Multi>>(&*memory, 1);
        let sender = {
            let memory = Arc::clone(&memory);
            spawn(move || send(&*memory, &mut sending, 11).is_ok())
        };
        let looks = |id: u16, times: u32| {
            let memory = Arc::clone(&memory);
            move || {
                let mut side = receiver::<<Multi as Arity>::Receiver<Single>>(&*memory, id);
                let (mut received, mut end) = (0, false);
                let park = Futex::default();
                let mut connection = ModelConnection::one_of_many(&memory, &park).after_closer();
                for _ in 0..times {
                    match connection.check(Receive::<Multi, Single>(&mut side)) {
                        Poll::Ready(message) => {
                            assert!(!end && message == 11);
                            received += 1;
                        }
                        Poll::Pending => {}
                        Poll::Ended(found) => end = found == End::Closed,
                    }
                }
                (received, end)
            }
        };
        close(&memory, Closer::IsDead);
        let (first, second) = (spawn(looks(512, 2)), spawn(looks(513, 1)));
        let (here, ended_here) = first.join();
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
