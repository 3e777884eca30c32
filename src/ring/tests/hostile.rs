//! Memory that no sequence of operations can produce: every operation returns,
//! with something to show for it or an error, and nothing panics.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::shapes::ONE_TO_ONE;
use super::*;
use crate::ring::kind::RingKind;
use crate::ring::layout::Arrangement;
use crate::ring::progress::{messages_left, progress};
use crate::ring::slot::{Geometry, SlotWord};
use crate::ring::{Multi, Single};

const TERMS: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 3,
};

/// Everything in the ring's memory that the protocols look at.
#[derive(Clone, Debug)]
struct ArbitraryValues {
    words: Vec<u64>,
    cells: Vec<u64>,
}

const CELLS: [Cell; 13] = [
    Cell::Tail,
    Cell::Head,
    Cell::Sent,
    Cell::Busy,
    Cell::Taken,
    Cell::Done,
    Cell::Credit,
    Cell::Requeues,
    Cell::Closed,
    Cell::Lost,
    Cell::Redelivered,
    Cell::Marked,
    Cell::Final,
];

/// Any number, but often one that a ring at `position` might contain.
fn word(capacity: u64) -> impl Strategy<Value = u64> {
    let near = (0..4 * capacity, 0..4u64, 0..16u64, 0..1024u64);
    let near = near.prop_map(move |(position, state, attempt, owner)| {
        Geometry::new(capacity).free(position).0 | state << 14 | attempt << 10 | owner
    });
    prop_oneof![2 => near, 1 => any::<u64>()]
}

fn cell(capacity: u64) -> impl Strategy<Value = u64> {
    let near = -2 * capacity as i64..4 * capacity as i64;
    prop_oneof![3 => near.prop_map(|at| at as u64), 1 => any::<u64>()]
}

fn arbitrary_values() -> impl Strategy<Value = ArbitraryValues> {
    let capacity = prop_oneof![Just(1u64), Just(2), Just(4), Just(64)];
    capacity.prop_flat_map(|capacity| {
        let words = proptest::collection::vec(word(capacity), capacity as usize);
        let cells = proptest::collection::vec(cell(capacity), CELLS.len());
        (words, cells).prop_map(|(words, cells)| ArbitraryValues { words, cells })
    })
}

/// Runs every operation of a kind on such memory.
fn try_everything<S: Arity, R: Arity>(values: &ArbitraryValues) {
    for shape in Figure::of::<(S, R)>() {
        try_everything_in::<S, R>(*shape, values);
    }
}

fn try_everything_in<S: Arity, R: Arity>(shape: Figure, values: &ArbitraryValues) {
    let capacity = values.words.len() as u64;
    let ring = HeapRing::<[u8], (S, R)>::arranged(shape.arrangement, capacity, shape.limit, 0);
    let view = *ring.view();
    let scribble = || {
        for (position, word) in values.words.iter().enumerate() {
            let position = position as u64;
            if <(S, R)>::ONE_TO_ONE {
                // Some positions of a lap remain as they were.
                let word_of_line = view.publication(position);
                word_of_line.store(*word >> 16, Ordering::SeqCst);
                let attempts = view.attempts(position);
                attempts.store(*word as u8 >> 4, Ordering::SeqCst);
            } else {
                view.word(position).store(*word, Ordering::SeqCst);
            }
        }
        for (cell, value) in CELLS.into_iter().zip(&values.cells) {
            view.cell(cell).store(*value, Ordering::SeqCst);
        }
    };
    // Attached before the arbitrary values came, and after.
    for late in [false, true] {
        if late {
            scribble();
        }
        let sender = S::Sender::<R>::attach(&view, MemberId(1));
        let receiver = R::Receiver::<S>::attach(&view, MemberId(600), TERMS);
        scribble();
        if let Ok(mut side) = sender {
            for _ in 0..3 {
                let _ = side.has_room(&view);
                let _ = side.send_run(&view, 3, |position| {
                    let _ = view.payload(position).length();
                });
                let _ = side.complete(&view) || side.count_late(&view) > 0;
                if side.begin(&view).is_ok() {
                    match side.claim(&view) {
                        Ok(position) => side.publish(&view, position),
                        Err(ClaimError::Held(held)) => {
                            recover::recover_slot(&view, held, TERMS);
                        }
                        Err(_) => {}
                    }
                    if let Ok(position) = side.claim(&view) {
                        side.abandon(&view, position);
                    }
                    side.end(&view);
                }
            }
        }
        let _ = S::Sender::<R>::is_quiescent(&view);
        scribble();
        if let Ok(mut side) = receiver {
            for round in 0..3 {
                let _ = side.has_message(&view);
                let most = side.count_messages(&view);
                let (first, count) = side.claim_run_fast(&view, most);
                assert!(count as u64 <= view.geometry().capacity());
                if count > 0 {
                    let _ = view.payload(first).length();
                }
                let mut claims = Vec::new();
                for _ in 0..3 {
                    match side.claim(&view) {
                        Ok(claim) => {
                            let _ = view.payload(claim.position).length();
                            claims.push(claim);
                        }
                        Err(ClaimError::Held(held)) => {
                            recover::recover_slot(&view, held, TERMS);
                        }
                        Err(_) => {}
                    }
                }
                side.hand_out(&view);
                if round == 1 {
                    side.requeue(&view, claims.into_iter(), TERMS);
                } else {
                    claims.into_iter().for_each(|c| side.release(&view, c));
                }
                let _ = side.fix_end(&view);
            }
        }
        if <(S, R)>::ONE_TO_ONE {
            let _ = progress(&view, RingKind::Spsc, 0);
            let _ = messages_left(&view, RingKind::Spsc, true);
            continue;
        }
        recover::recover_held(&view, &mut MemberSet::only(MemberId(600)), TERMS, |_| true);
        recover::recover_held(&view, &mut MemberSet::only(MemberId(0)), TERMS, |_| true);
        recover::any_given_back(&view);
    }
}

/// Against an operation that never returns: the test fails instead of hanging.
pub(super) fn within_30_s(act: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let worker = thread::spawn(move || {
        act();
        let _ = done.send(());
    });
    match finished.recv_timeout(Duration::from_secs(30)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("an operation does not return"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {}
    }
    if let Err(panicked) = worker.join() {
        std::panic::resume_unwind(panicked);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_operation_returns(values in arbitrary_values()) {
        within_30_s(move || {
            try_everything::<Single, Single>(&values);
            try_everything::<Multi, Single>(&values);
            try_everything::<Single, Multi>(&values);
            try_everything::<Multi, Multi>(&values);
        });
    }
}

const CAPACITY: u64 = 4;
const ME: MemberId = MemberId(1);
const OTHER: MemberId = MemberId(77);

fn geometry() -> Geometry {
    Geometry::new(CAPACITY)
}

/// A sender's claim at position 8 on a ring that has come so far by the book,
/// with `word` in its slot.
fn send_over<S: Arity, R: Arity>(word: SlotWord) -> Result<u64, ClaimError> {
    let ring = HeapRing::<u64, (S, R)>::new(CAPACITY, 8, 8);
    let view = ring.view();
    let mut side = S::Sender::<R>::attach(view, ME).unwrap();
    view.word(8).store(word.0, Ordering::SeqCst);
    side.claim(view)
}

/// The same for a receiver.
fn receive_over<S: Arity, R: Arity>(word: SlotWord) -> Result<Claim, ClaimError> {
    let ring = HeapRing::<u64, (S, R)>::new(CAPACITY, 8, 8);
    let view = ring.view();
    let mut side = R::Receiver::<S>::attach(view, ME, TERMS).unwrap();
    view.word(8).store(word.0, Ordering::SeqCst);
    side.claim(view)
}

fn is_impossible<T: std::fmt::Debug>(result: Result<T, ClaimError>, word: SlotWord, what: &str) {
    match result {
        Err(ClaimError::Corrupted(found)) => {
            assert_eq!((found.position, found.found), (8, word.0));
            assert!(found.what.contains(what), "{found:?}");
        }
        other => panic!("{word:?} led to {other:?}"),
    }
}

#[test]
fn words_that_cannot_be_are_called_so() {
    let g = geometry();
    let reading = |position| g.published(position).reading(OTHER);
    let by_nobody = g.published(4).reading(MemberId(0));
    // Two laps behind, free where somebody must have been, or nobody's doing.
    let stale = [g.free(0), g.published(0), g.claimed(0, OTHER), reading(0)];
    let nobodys = [g.free(4), g.claimed(4, MemberId(0)), by_nobody];
    for word in stale.into_iter().chain(nobodys) {
        is_impossible(send_over::<Multi, Multi>(word), word, "before a sender");
        is_impossible(send_over::<Multi, Single>(word), word, "before a sender");
        is_impossible(send_over::<Single, Multi>(word), word, "single sender");
        is_impossible(receive_over::<Multi, Single>(word), word, "single receiver");
        // A receiver only waits at it, and senders will tell.
        if word != by_nobody {
            is_impossible(
                receive_over::<Multi, Multi>(word),
                word,
                "before a receiver",
            );
        }
    }
    // What another sender's claim looks like, where there is one sender.
    for word in [g.claimed(8, OTHER), g.claimed(4, OTHER)] {
        is_impossible(send_over::<Single, Multi>(word), word, "single sender");
        is_impossible(
            receive_over::<Single, Multi>(word),
            word,
            "before a receiver",
        );
    }
    // What another receiver's claim looks like, where there is one receiver.
    for word in [reading(8), reading(4)] {
        is_impossible(receive_over::<Multi, Single>(word), word, "single receiver");
    }
    // A claim by nobody would be waited at for ever.
    let word = g.claimed(8, MemberId(0));
    is_impossible(
        receive_over::<Multi, Multi>(word),
        word,
        "before a receiver",
    );
    is_impossible(receive_over::<Multi, Single>(word), word, "single receiver");
}

#[test]
fn words_that_can_be_are_not() {
    let g = geometry();
    assert_eq!(send_over::<Multi, Multi>(g.free(8)), Ok(8));
    assert_eq!(send_over::<Single, Multi>(g.free(8)), Ok(8));
    let full = g.published(4);
    assert_eq!(send_over::<Multi, Multi>(full), Err(ClaimError::NotReady));
    assert_eq!(send_over::<Single, Multi>(full), Err(ClaimError::NotReady));
    for word in [g.claimed(4, OTHER), full.reading(OTHER)] {
        let held = ClaimError::Held(Held { position: 8, word });
        assert_eq!(send_over::<Multi, Multi>(word), Err(held));
    }
    let word = g.claimed(8, OTHER);
    let held = ClaimError::Held(Held { position: 8, word });
    assert_eq!(receive_over::<Multi, Multi>(word), Err(held));
    assert_eq!(receive_over::<Multi, Single>(word), Err(held));
    assert_eq!(
        receive_over::<Multi, Multi>(g.free(8)),
        Err(ClaimError::NotReady)
    );
    assert!(receive_over::<Multi, Multi>(g.published(8)).is_ok());
}

/// What the one receiver of one sender finds at position 8 on a ring that has come so far
/// by the book, with `word` there.
fn receive_at(shape: Figure, word: u64) -> Result<Claim, ClaimError> {
    let ring =
        HeapRing::<[u8], (Single, Single)>::arranged(shape.arrangement, CAPACITY, shape.limit, 8);
    let view = ring.view();
    let mut side = <Single as Arity>::Receiver::<Single>::attach(view, ME, TERMS).unwrap();
    view.publication(8).store(word, Ordering::SeqCst);
    side.claim(view)
}

/// S1: a word is of the lap before, or says how far the sender is; it does not go back by
/// more, or forward by more.
#[test]
fn publications_that_cannot_be_are_called_so() {
    for shape in ONE_TO_ONE {
        for word in [
            1 << 40,
            8 + 100 * CAPACITY,
            8u64.wrapping_sub(100 * CAPACITY),
        ] {
            let what = "publication before a single receiver";
            is_impossible(receive_at(shape, word), SlotWord(word), what);
        }
        assert_eq!(receive_at(shape, 8), Err(ClaimError::NotReady));
        for word in [7, 6] {
            match shape.arrangement {
                // It is that of the lap before.
                Arrangement::Lines => {
                    assert_eq!(receive_at(shape, word), Err(ClaimError::NotReady));
                }
                // The word of all says where the sender is.
                _ => is_impossible(receive_at(shape, word), SlotWord(word), "publication"),
            }
        }
        assert!(receive_at(shape, 9).is_ok());
    }
}

#[test]
fn progress_that_cannot_be_is_called_so() {
    let ring = HeapRing::<u64, (Single, Single)>::new(CAPACITY, 8, 0);
    let view = ring.view();
    let set = |cell, value| view.cell(cell).store(value, Ordering::SeqCst);
    // The receiver ahead of the sender.
    let mut side = <Single as Arity>::Sender::<Single>::attach(view, ME).unwrap();
    set(Cell::Done, 1);
    set(Cell::Credit, 1);
    assert!(!side.has_room(view));
    assert!(matches!(side.claim(view), Err(ClaimError::Corrupted(found)) if found.found == 1));
    // More handed out than there are slots.
    set(Cell::Done, 0);
    set(Cell::Taken, CAPACITY + 1);
    let attached = <Single as Arity>::Receiver::<Single>::attach(view, ME, TERMS);
    assert!(matches!(attached, Err(found) if found.found == CAPACITY + 1));
    // Words that are all ahead of the sender for more than a lap.
    view.publication(0).store(100 * CAPACITY, Ordering::SeqCst);
    assert!(<Single as Arity>::Sender::<Single>::attach(view, ME).is_err());
}

#[test]
fn a_jump_past_what_is_in_hand_is_called_impossible() {
    let mut world = CheckedRing::<Multi, Single>::new(CAPACITY, 0, TERMS);
    assert!(world.claim(0));
    world.publish(0);
    assert_eq!(world.take(0, 1, true), 1);
    let far = geometry().free(1 + (1 << 40) * CAPACITY);
    let view = world.view();
    view.word(1).store(far.0, Ordering::SeqCst);
    let stall = world.receivers[0].side.claim(&view).unwrap_err();
    assert!(
        matches!(stall, ClaimError::Corrupted(found) if found.found == far.0),
        "{stall:?}"
    );
    // Giving back what is in hand then takes no longer than ever.
    within_30_s(move || world.requeue(0));
}
