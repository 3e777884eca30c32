//! Sleeping at a ring: the real loop over real sides. There is no cap of a sleep here,
//! so a wake-up that is lost is a deadlock.

use super::endpoint::{ModelConnection, Peers, Receive, Send, close};
use super::*;
use crate::models::{Witness, explore, spawn};
use crate::ring::end::End;
use crate::ring::single::SingleSender;
use crate::ring::{Arity, Multi, Single};
use crate::wait::Poll;
use crate::wait::models::Futex;

fn twice<S: Arity, R: Arity>() -> LoadedAndStored {
    match S::MULTI || R::MULTI {
        true => SlotWords,
        false => Nothing,
    }
}

fn stream<S: Arity, R: Arity>(name: &str, messages: &'static [u64], bound: Option<usize>) {
    explore(name, bound, move || {
        let memory = LoomMemory::of::<(S, R)>(1, 0, Fences::Full, twice::<S, R>());
        let park = Futex::default();
        let mut sending = sender::<S::Sender<R>>(&*memory, 1);
        let mut receiving = receiver::<R::Receiver<S>>(&*memory, 512);
        let sender = {
            let (memory, park) = (Arc::clone(&memory), park.clone());
            spawn(move || {
                let mut connection = ModelConnection::alone(&memory, &park);
                for message in messages {
                    assert_eq!(connection.wait(Send(&mut sending, *message)), Ok(()));
                }
            })
        };
        let mut connection = ModelConnection::alone(&memory, &park);
        for message in messages {
            let received = connection.wait(Receive::<R, S>(&mut receiving));
            assert_eq!(received, Ok(*message));
        }
        sender.join();
    });
}

/// Both sleep, on one slot, until two messages are through. Three preemptions.
///
/// Seen to fail: no fence in `notify_one`; no barrier in `register`; `block` that does
/// not check again once it has registered.
#[test]
fn models_asleep_on_an_empty_or_full_ring() {
    stream::<Single, Single>("asleep, spsc", &[11, 12], Some(3));
    stream::<Multi, Multi>("asleep, mpmc", &[11, 12], Some(3));
}

/// Eight slots, so that credit lags: the receiver has taken a message and says
/// so only in `done`. Then it goes away. Exhaustive.
///
/// Seen to fail: `find_room` that looks at credit only; no fence in
/// `notify_one`.
#[test]
fn models_asleep_on_a_full_ring_with_lazy_credit() {
    explore("asleep, lazy credit", None, || {
        let memory = LoomMemory::of::<(Single, Single)>(8, 0, Fences::Full, SlotWords);
        let park = Futex::default();
        let mut sending = sender::<<Single as Arity>::Sender<Single>>(&*memory, 1);
        let mut receiving = receiver::<<Single as Arity>::Receiver<Single>>(&*memory, 512);
        for message in 0..8 {
            assert_eq!(send(&*memory, &mut sending, message), Ok(()));
        }
        let sender = {
            let (memory, park) = (Arc::clone(&memory), park.clone());
            spawn(move || ModelConnection::alone(&memory, &park).wait(Send(&mut sending, 8)))
        };
        let mut connection = ModelConnection::alone(&memory, &park);
        let received = connection.wait(Receive::<Single, Single>(&mut receiving));
        assert_eq!(received, Ok(0));
        assert_eq!(sender.join(), Ok(()));
        assert_eq!(memory.cell(Cell::Credit).load(Ordering::Relaxed), 0);
    });
}

/// Receives until the ring has ended.
fn drain<R: Arity, S: Arity>(
    mut connection: ModelConnection<'_, impl Peers>,
    side: &mut R::Receiver<S>,
) -> (Vec<u64>, End) {
    let mut received = Vec::new();
    loop {
        match connection.wait(Receive::<R, S>(side)) {
            Ok(message) => received.push(message),
            Err(end) => return (received, end),
        }
    }
}

/// What a sender does at a full ring.
#[derive(Clone, Copy, PartialEq)]
enum Full {
    Waits,
    TriesOnce,
}

/// A receiver takes what is there, a sender has one message more than there is room,
/// and a third party closes the ring: all come to the end, asleep or not.
fn closed<S: Arity, R: Arity>(name: &str, full: Full, bound: Option<usize>) {
    let refused = Witness::of("a send refused");
    let told = refused.clone();
    explore(name, bound, move || {
        let memory = LoomMemory::of::<(S, R)>(1, 0, Fences::Full, twice::<S, R>());
        let park = Futex::default();
        let mut sending = sender::<S::Sender<R>>(&*memory, 1);
        let mut receiving = receiver::<R::Receiver<S>>(&*memory, 512);
        assert_eq!(send(&*memory, &mut sending, 11), Ok(()));
        let sender = {
            let (memory, park) = (Arc::clone(&memory), park.clone());
            spawn(move || {
                let mut connection = ModelConnection::alone(&memory, &park);
                match full {
                    Full::Waits => connection.wait(Send(&mut sending, 12)) == Ok(()),
                    Full::TriesOnce => {
                        let sent = connection.check(Send(&mut sending, 12));
                        if sent == Poll::Ready(()) {
                            connection.notify(Side::Receiver);
                        }
                        sent == Poll::Ready(())
                    }
                }
            })
        };
        let receiver = {
            let (memory, park) = (Arc::clone(&memory), park.clone());
            spawn(move || drain::<R, S>(ModelConnection::alone(&memory, &park), &mut receiving))
        };
        close(&memory, &park);
        let sent = sender.join();
        let expected = if sent { vec![11, 12] } else { vec![11] };
        assert_eq!(receiver.join(), (expected, End::Closed));
        told.note_if(!sent);
    });
    refused.check();
}

/// One preemption: a close takes more steps than it did.
///
/// Seen to fail: `close` that wakes nobody; `check` of a sender that wakes nobody at a
/// closed ring.
#[test]
fn models_asleep_until_closed() {
    closed::<Single, Single>("asleep until closed, spsc", Full::Waits, Some(1));
    closed::<Multi, Multi>("asleep until closed, mpmc", Full::Waits, Some(1));
}

/// A sender that tries once, and finds no room, has the receiver look again that saw
/// it at work. One preemption.
///
/// Seen to fail: `check` of a sender that wakes nobody at a closed ring. (That it has a
/// barrier needs two preemptions, which take minutes: seen to fail without, by hand.)
#[test]
fn models_asleep_until_an_attempt_fails() {
    closed::<Single, Multi>("one attempt, closed, spmc", Full::TriesOnce, Some(1));
}

/// Receivers are asleep at a ring that was closed while its one sender is at work. Its
/// last message wakes one of them, and each of them takes what comes first, a message
/// or the end. One preemption with two, none with three.
///
/// Seen to fail: with two, a receiver that passes nothing on at a closed ring; with
/// three, `check` of a receiver that wakes nobody there.
fn all_come_to_the_end(name: &str, receivers: u16, bound: usize) {
    explore(name, Some(bound), move || {
        let memory = LoomMemory::new(1, 0, Fences::Full, SlotWords);
        let park = Futex::default();
        let mut sending = sender::<SingleSender>(&*memory, 1);
        let receivers = (512..512 + receivers).map(|id| {
            let (memory, park) = (Arc::clone(&memory), park.clone());
            let mut side = receiver::<<Multi as Arity>::Receiver<Single>>(&*memory, id);
            spawn(move || {
                let mut connection = ModelConnection::one_of_many(&memory, &park);
                connection.wait(Receive::<Multi, Single>(&mut side))
            })
        });
        let receivers: Vec<_> = receivers.collect();
        sending.begin(&*memory).expect("open");
        let position = possible(sending.claim(&*memory)).expect("room");
        close(&memory, &park);
        while park.sleepers() < receivers.len() {
            loom::thread::yield_now();
        }
        memory.payload(position).set(11);
        sending.publish(&*memory, position);
        sending.end(&*memory);
        ModelConnection::alone(&memory, &park).notify(Side::Receiver);
        let ends = receivers.into_iter().map(|receiver| receiver.join());
        let (received, ended): (Vec<_>, Vec<_>) = ends.partition(Result::is_ok);
        assert_eq!(received, [Ok(11)]);
        assert!(ended.iter().all(|end| *end == Err(End::Closed)));
    });
}

/// As [`all_come_to_the_end`].
#[test]
fn models_two_asleep_until_closed() {
    all_come_to_the_end("two asleep until closed, spmc", 2, 1);
}

/// As [`all_come_to_the_end`].
#[test]
fn models_three_asleep_until_closed() {
    all_come_to_the_end("three asleep until closed, spmc", 3, 0);
}
