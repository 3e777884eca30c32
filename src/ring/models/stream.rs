//! Messages through rings of all four kinds: nothing lost, nothing doubled, in
//! order; claims that are given up.

use super::*;
use crate::models::{Witness, explore, spawn};
use crate::ring::{Arity, Multi, Single};

/// One model: what is sent over how many slots, and how often all try.
#[derive(Clone, Copy)]
struct Stream {
    capacity: u64,
    start: u64,
    messages: &'static [&'static [u64]],
    receivers: u16,
    tries: usize,
    /// Preemptions at most; `None` is exhaustive.
    bound: Option<usize>,
    /// All try the fast path first, as calls for one message do.
    fast: bool,
}

fn check<S: Arity, R: Arity>(name: &str, stream: Stream) {
    let through = Witness::of("all messages received by threads");
    let noted = through.clone();
    explore(name, stream.bound, move || {
        noted.note_if(run::<S, R>(stream));
    });
    through.check();
}

fn try_send_all<S: SendSide>(
    memory: &LoomMemory,
    mut side: S,
    messages: &[u64],
    tries: usize,
    fast: bool,
) -> Vec<u64> {
    let mut sent = Vec::new();
    for _ in 0..tries {
        let Some(next) = messages.get(sent.len()) else {
            break;
        };
        if fast && send_fast(memory, &mut side, *next) || send(memory, &mut side, *next).is_ok() {
            sent.push(*next);
        }
    }
    sent
}

fn try_receive<R: ReceiveSide>(
    memory: &LoomMemory,
    side: &mut R,
    tries: usize,
    fast: bool,
) -> Vec<u64> {
    (0..tries)
        .filter_map(|_| {
            let received = fast.then(|| receive_fast(memory, side)).flatten();
            received.or_else(|| receive(memory, side).ok())
        })
        .map(|(message, attempt)| {
            assert_eq!(attempt, 0);
            message
        })
        .collect()
}

/// Says whether the threads received everything between them.
fn run<S: Arity, R: Arity>(stream: Stream) -> bool {
    let twice = if S::MULTI || R::MULTI {
        SlotWords
    } else {
        Nothing
    };
    let memory = LoomMemory::of::<(S, R)>(stream.capacity, stream.start, Fences::Membarrier, twice);
    let tries = stream.tries;
    let mut sides = (0..stream.receivers).map(|id| seasoned::<R::Receiver<S>>(&memory, 512 + id));
    let mut side = sides.next().expect("a receiver");
    let sides: Vec<_> = sides.collect();
    let senders: Vec<_> = (1..)
        .zip(stream.messages)
        .map(|(id, messages)| {
            let side = sender::<S::Sender<R>>(&*memory, id);
            let memory = Arc::clone(&memory);
            spawn(move || try_send_all(&memory, side, messages, tries, stream.fast))
        })
        .collect();
    let others: Vec<_> = sides
        .into_iter()
        .map(|mut side| {
            let memory = Arc::clone(&memory);
            spawn(move || try_receive(&memory, &mut side, tries, stream.fast))
        })
        .collect();
    let mut received = vec![try_receive(&memory, &mut side, tries, stream.fast)];
    let sent: Vec<_> = senders.into_iter().map(|sender| sender.join()).collect();
    received.extend(others.into_iter().map(|other| other.join()));

    let total: usize = sent.iter().map(Vec::len).sum();
    let through = total == stream.messages.iter().map(|m| m.len()).sum::<usize>()
        && total == received.iter().map(Vec::len).sum::<usize>();
    let rest = receive_rest(&*memory, &mut side);
    received[0].extend(rest.into_iter().map(|(message, _)| message));
    for messages in &sent {
        for one in &received {
            let theirs = |m: &&u64| messages.contains(m);
            let theirs: Vec<u64> = one.iter().filter(theirs).copied().collect();
            assert!(in_order(&theirs, messages), "{theirs:?} of {messages:?}");
        }
    }
    let (mut sent, mut received) = (sent.concat(), received.concat());
    sent.sort_unstable();
    received.sort_unstable();
    assert_eq!(sent, received);
    through
}

/// Three preemptions. Seen to fail: publication or `done` stored Relaxed; `find_room` that
/// loads `done` Relaxed.
#[test]
fn models_spsc() {
    check::<Single, Single>(
        "spsc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11, 12]],
            receivers: 1,
            tries: 3,
            bound: Some(3),
            fast: false,
        },
    );
}

/// Three preemptions; positions wrap in the middle of it. Seen to fail: as
/// [`models_spsc`].
#[test]
fn models_spsc_two_slots() {
    check::<Single, Single>(
        "spsc, 2 slots",
        Stream {
            capacity: 2,
            start: u64::MAX - 1,
            messages: &[&[11, 12, 13]],
            receivers: 1,
            tries: 3,
            bound: Some(3),
            fast: false,
        },
    );
}

/// Three preemptions. Seen to fail: publication or release of the slot Relaxed;
/// a receiver's load and compare-and-swap both Relaxed; the head stored Relaxed
/// (a false `Corruption`).
#[test]
fn models_spmc() {
    check::<Single, Multi>(
        "spmc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11, 12]],
            receivers: 2,
            tries: 2,
            bound: Some(3),
            fast: false,
        },
    );
}

/// Two preemptions. Seen to fail: publication Relaxed; the head stored Relaxed.
#[test]
fn models_spmc_two_slots() {
    check::<Single, Multi>(
        "spmc, 2 slots",
        Stream {
            capacity: 2,
            start: 0,
            messages: &[&[11, 12]],
            receivers: 2,
            tries: 2,
            bound: Some(2),
            fast: false,
        },
    );
}

/// Three preemptions. Seen to fail: publication Relaxed; the tail stored Relaxed
/// (a false `Corruption`); a slot claimed without asking whether the receiver is
/// done with it, or asking Relaxed (R3).
#[test]
fn models_mpsc() {
    check::<Multi, Single>(
        "mpsc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11], &[21]],
            receivers: 1,
            tries: 2,
            bound: Some(3),
            fast: false,
        },
    );
}

/// Two preemptions. Seen to fail: as [`models_mpsc`].
#[test]
fn models_mpsc_two_slots() {
    check::<Multi, Single>(
        "mpsc, 2 slots",
        Stream {
            capacity: 2,
            start: 0,
            messages: &[&[11, 12], &[21]],
            receivers: 1,
            tries: 3,
            bound: Some(2),
            fast: false,
        },
    );
}

/// Two preemptions. Seen to fail: publication Relaxed; the tail stored Relaxed;
/// a sender's load and compare-and-swap both Relaxed.
#[test]
fn models_mpmc() {
    check::<Multi, Multi>(
        "mpmc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11], &[21]],
            receivers: 1,
            tries: 2,
            bound: Some(2),
            fast: false,
        },
    );
}

/// Two preemptions. Seen to fail: publication Relaxed.
#[test]
fn models_mpmc_two_slots() {
    check::<Multi, Multi>(
        "mpmc, 2 slots",
        Stream {
            capacity: 2,
            start: 0,
            messages: &[&[11], &[21]],
            receivers: 2,
            tries: 1,
            bound: Some(2),
            fast: false,
        },
    );
}

/// Three preemptions. Seen to fail: a look of the receiver that is Relaxed.
#[test]
fn models_fast_spsc() {
    check::<Single, Single>(
        "fast path, spsc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11, 12]],
            receivers: 1,
            tries: 3,
            bound: Some(3),
            fast: true,
        },
    );
}

/// Three preemptions. Seen to fail: credit loaded Relaxed.
#[test]
fn models_fast_mpsc() {
    check::<Multi, Single>(
        "fast path, mpsc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11, 12]],
            receivers: 1,
            tries: 3,
            bound: Some(3),
            fast: true,
        },
    );
}

/// Three preemptions. Seen to fail: publication Relaxed.
#[test]
fn models_fast_spmc() {
    check::<Single, Multi>(
        "fast path, spmc, 1 slot",
        Stream {
            capacity: 1,
            start: 0,
            messages: &[&[11, 12]],
            receivers: 1,
            tries: 3,
            bound: Some(3),
            fast: true,
        },
    );
}

/// Three preemptions; positions wrap in the middle of it.
///
/// Seen to fail: the swap of a fast claim Relaxed.
#[test]
fn models_fast_mpmc() {
    check::<Multi, Multi>(
        "fast path, mpmc, 1 slot",
        Stream {
            capacity: 1,
            start: u64::MAX,
            messages: &[&[11, 12]],
            receivers: 1,
            tries: 3,
            bound: Some(3),
            fast: true,
        },
    );
}

/// A sender that claims a slot and gives it up.
fn claim_and_abandon<S: SendSide>(memory: &LoomMemory, mut side: S) {
    side.begin(memory).expect("open");
    if let Ok(position) = possible(side.claim(memory)) {
        memory.payload(position).set(99);
        side.abandon(memory, position);
    }
    side.end(memory);
}

fn abandon<R: Arity>(name: &str, capacity: u64, bound: Option<usize>) {
    let passed = Witness::of("a message received past the abandoned claim");
    let noted = passed.clone();
    explore(name, bound, move || {
        let memory = LoomMemory::new(capacity, 0, Fences::Membarrier, SlotWords);
        let mut side = seasoned::<R::Receiver<Multi>>(&memory, 512);
        let [quitter, stayer] =
            [1, 2].map(|id| sender::<<Multi as Arity>::Sender<R>>(&*memory, id));
        let quits = {
            let memory = Arc::clone(&memory);
            spawn(move || claim_and_abandon(&memory, quitter))
        };
        let stays = {
            let memory = Arc::clone(&memory);
            spawn(move || try_send_all(&memory, stayer, &[11], 2, false))
        };
        let mut received = try_receive(&memory, &mut side, 2, false);
        quits.join();
        let sent = stays.join();
        noted.note_if(received == [11] && memory.cell(Cell::Tail).load(Ordering::Relaxed) == 2);
        received.extend(receive_rest(&*memory, &mut side).iter().map(|(m, _)| m));
        assert_eq!(received, sent);
        // And the ring goes on, through the same slots.
        let mut late = sender::<<Multi as Arity>::Sender<R>>(&*memory, 3);
        assert_eq!(send(&*memory, &mut late, 12), Ok(()));
        assert_eq!(receive_rest(&*memory, &mut side), [(12, 0)]);
    });
    passed.check();
}

/// Beside a receiver and another sender. Three preemptions with one slot, two
/// with two.
///
/// Seen to fail: `abandon` that frees the slot for the same lap (R10); a single
/// receiver that passes over a claim (R7).
#[test]
fn models_abandoned_claim() {
    abandon::<Single>("abandoned, mpsc, 1 slot", 1, Some(3));
    abandon::<Multi>("abandoned, mpmc, 2 slots", 2, Some(2));
}
