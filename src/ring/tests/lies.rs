//! A peer that changes each word in the very moment before it is looked at, so
//! as to lead an operation on for ever: every operation gives up after so many
//! accesses.

use std::cell::Cell as Shared;

use super::*;
use crate::ring::layout::Arrangement;
use crate::ring::slot::Geometry;
use crate::ring::{Multi, Single};
use crate::sys::atomic::watched::{Access, watched_by};

const CAPACITY: u64 = 4;
const TERMS: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 3,
};
/// Where the hints point.
const HINT: u64 = 8;
/// What names a slot's word; the others are named by their offsets.
const SLOT: u64 = 1 << 32;
/// What names the word of a line, or of all dense messages.
const LINE: u64 = 1 << 33;

/// How the peer lies.
#[derive(Clone, Copy, Debug)]
enum Liar {
    /// Each word is of a later lap than all before, in this state.
    Ahead(u64, u64),
    /// There is always something to claim, and it is gone when it is claimed.
    Vanishing(u64),
    /// Every slot is held by an endpoint, or is given back, at the lap at hand.
    Busy(u64),
}

thread_local! {
    static LIAR: Shared<Liar> = const { Shared::new(Liar::Busy(0)) };
    static ACCESSES: Shared<u64> = const { Shared::new(0) };
}

/// More than any operation needs: each look at a slot is a few accesses.
fn bound() -> u64 {
    8 * Geometry::new(CAPACITY).max_probes()
}

/// The peer's answer to an access of the word called `name`.
fn lie(name: u64, access: Access) -> Option<u64> {
    let count = ACCESSES.get() + 1;
    ACCESSES.set(count);
    assert!(count <= bound(), "led on for {count} accesses");
    if name < SLOT {
        return Some(match name {
            // A count that is never the one remembered: look behind the head.
            requeues if requeues == Cell::Requeues as u64 => count,
            closed if closed == Cell::Closed as u64 => 0,
            _ => HINT,
        });
    }
    if name >= LINE {
        return Some(match (LIAR.get(), access) {
            (Liar::Ahead(step, _), _) => HINT + count * step,
            (Liar::Vanishing(which), Access::Load) => HINT + which,
            (Liar::Vanishing(_), _) => !0,
            (Liar::Busy(which), _) => HINT - which,
        });
    }
    let state = |state: u64| state << 14;
    let lap = HINT / CAPACITY;
    Some(match (LIAR.get(), access) {
        (Liar::Ahead(step, which), _) => (lap + count * step) << 16 | state(which),
        (Liar::Vanishing(which), Access::Load) => lap << 16 | state(which),
        (Liar::Vanishing(_), _) => !0,
        (Liar::Busy(which), _) => lap << 16 | state(which) | (count % 16) << 10 | 513,
    })
}

/// Runs `operation` on a ring whose words are all lies.
fn led_on<S: Arity, R: Arity>(
    arrangement: Arrangement,
    liar: Liar,
    operation: impl FnOnce(&View<[u8], (S, R)>),
) {
    let ring = HeapRing::<[u8], (S, R)>::arranged(arrangement, CAPACITY, 16, 0);
    let view = ring.view();
    for cell in [
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
    ] {
        view.cell(cell).store(cell as u64, Ordering::Relaxed);
    }
    for position in 0..view.geometry().capacity() {
        match arrangement {
            Arrangement::Slots => {
                let word = view.word(position);
                word.store(SLOT + position, Ordering::Relaxed);
            }
            // The attempts are named 0.
            _ => {
                let word = view.publication(position);
                word.store(LINE + position, Ordering::Relaxed);
            }
        }
    }
    LIAR.set(liar);
    ACCESSES.set(0);
    watched_by(lie, || operation(view)).expect("nobody is suspended");
}

/// What a side does with a ring.
type SideAct<S, P> = fn(&mut S, &View<[u8], P>);

fn try_everything<S: Arity, R: Arity>(arrangement: Arrangement, liar: Liar) {
    let sender = |act: SideAct<S::Sender<R>, (S, R)>| {
        led_on::<S, R>(arrangement, liar, |view| {
            if let Ok(mut side) = S::Sender::<R>::attach(view, MemberId(1)) {
                ACCESSES.set(0);
                act(&mut side, view);
            }
        });
    };
    sender(|side, view| {
        let _ = side.claim(view);
    });
    sender(|side, view| {
        let _ = side.has_room(view);
    });
    sender(|side, view| {
        let _ = side.send_run(view, 3, |_| ());
    });
    sender(|side, view| {
        let _ = side.count_late(view);
    });
    let receiver = |act: SideAct<R::Receiver<S>, (S, R)>| {
        led_on::<S, R>(arrangement, liar, |view| {
            if let Ok(mut side) = R::Receiver::<S>::attach(view, MemberId(600), TERMS) {
                ACCESSES.set(0);
                act(&mut side, view);
            }
        });
    };
    receiver(|side, view| {
        let _ = side.claim(view);
    });
    receiver(|side, view| {
        let _ = side.has_message(view);
    });
    receiver(|side, view| {
        let _ = side.count_messages(view);
    });
    receiver(|side, view| {
        let (_, count) = side.claim_run_fast(view, 100);
        assert!(count <= view.geometry().capacity() as usize);
    });
    receiver(|side, view| {
        let _ = side.fix_end(view);
        let _ = side.claim(view);
    });
    receiver(|side, view| {
        let claim = |_| {
            ACCESSES.set(0);
            side.claim(view).ok()
        };
        let claims: Vec<_> = (0..3).filter_map(claim).collect();
        ACCESSES.set(0);
        side.requeue(view, claims.into_iter(), TERMS);
    });
    if arrangement != Arrangement::Slots {
        return;
    }
    led_on::<S, R>(arrangement, liar, |view| {
        recover::recover_held(view, &mut MemberSet::only(MemberId(513)), TERMS, |_| true);
    });
    led_on::<S, R>(arrangement, liar, |view| {
        recover::any_given_back(view);
    });
}

#[test]
fn nobody_is_led_on_for_ever() {
    let ahead = [1, 2, 1 << 20, 1 << 40].map(|step| (0..4).map(move |which| (step, which)));
    let ahead = ahead.into_iter().flatten();
    let all = ahead
        .map(|(step, which)| Liar::Ahead(step, which))
        .chain((0..4).map(Liar::Vanishing))
        .chain((0..4).map(Liar::Busy));
    for liar in all {
        try_everything::<Single, Single>(Arrangement::Lines, liar);
        try_everything::<Single, Single>(Arrangement::Dense, liar);
        try_everything::<Multi, Single>(Arrangement::Slots, liar);
        try_everything::<Single, Multi>(Arrangement::Slots, liar);
        try_everything::<Multi, Multi>(Arrangement::Slots, liar);
    }
}

/// The lies are such that somebody would be: they use up a claim's probes.
#[test]
fn the_lies_are_good_ones() {
    let contended = |liar| {
        led_on::<Multi, Multi>(Arrangement::Slots, liar, |view| {
            let mut side = <Multi as Arity>::Sender::<Multi>::attach(view, MemberId(1)).unwrap();
            assert_eq!(side.claim(view), Err(ClaimError::Contended), "{liar:?}");
        });
    };
    contended(Liar::Ahead(1, 3));
    contended(Liar::Vanishing(0));
    led_on::<Multi, Multi>(Arrangement::Slots, Liar::Ahead(2, 2), |view| {
        let attached = <Multi as Arity>::Receiver::<Multi>::attach(view, MemberId(600), TERMS);
        assert_eq!(attached.unwrap().claim(view), Err(ClaimError::Contended));
    });
}
