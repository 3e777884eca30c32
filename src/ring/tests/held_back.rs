//! One sender, one receiver: a receiver that died in giving back left a message raised
//! twice, so that one behind the front is over the limit (S17, S19).

use super::shapes::ONE_TO_ONE;
use super::*;
use crate::ring::Single;

type HeldBackRing = CheckedRing<Single, Single>;

const TWICE: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 2,
};

/// Messages 0 to 2; the first two are in hand, and their receiver dies; its successor
/// raises the second, and dies before it says so.
fn raised_twice(shape: Figure, start: u64) -> HeldBackRing {
    let mut world = HeldBackRing::shaped(shape, 3, start, TWICE);
    for _ in 0..3 {
        assert!(world.claim(0));
        world.publish(0);
    }
    assert_eq!(world.take(0, 2, true), 2);
    let view = world.view();
    let positions = [0, 1, 2].map(|offset| world.positions.position(offset));
    view.attempts(positions[0]).store(0, Ordering::SeqCst);
    view.attempts(positions[1]).store(1, Ordering::SeqCst);
    world.set_cell(Cell::Marked, positions[2]);
    world.receivers.clear();
    world.add_receiver();
    assert_eq!(view.attempts(positions[0]).load(Ordering::SeqCst), 1);
    assert_eq!(view.attempts(positions[1]).load(Ordering::SeqCst), 2);
    world
}

fn all(act: impl Fn(HeldBackRing)) {
    for shape in ONE_TO_ONE {
        for start in [0, 1u64.wrapping_neg(), 3u64.wrapping_neg()] {
            act(raised_twice(shape, start));
        }
    }
}

#[test]
fn nothing_is_dropped_behind_what_is_in_hand() {
    all(|mut world| {
        let view = world.view();
        let side = &mut world.receivers[0].side;
        assert_eq!(side.count_messages(&view), 2);
        let first = side.claim(&view).unwrap();
        assert_eq!(first.redeliveries, 1);
        side.hand_out(&view);
        assert_eq!(side.claim(&view), Err(ClaimError::NotReady));
        let figures = |world: &HeldBackRing| {
            let done = world.positions.offset(world.cell(Cell::Done));
            (done, world.cell(Cell::Lost))
        };
        assert_eq!(figures(&world), (0, 0));
        world.receivers[0].side.release(&view, first);
        assert_eq!(figures(&world), (1, 0));
        assert!(!world.receivers[0].side.has_dropped());
        let third = world.receivers[0].side.claim(&view).unwrap();
        // There is room, of which senders have to be told.
        assert!(world.receivers[0].side.has_dropped());
        assert!(!world.receivers[0].side.has_dropped());
        assert_eq!(world.positions.offset(third.position), 2);
        assert_eq!(third.redeliveries, 0);
        assert_eq!(figures(&world), (2, 1));
    });
}

/// Nor is it the end of a ring that is closed: it was sent, and so was what follows.
#[test]
fn the_end_is_not_before_what_waits_behind_what_is_in_hand() {
    all(|mut world| {
        let view = world.view();
        let side = &mut world.receivers[0].side;
        let first = side.claim(&view).unwrap();
        side.hand_out(&view);
        assert_eq!(side.claim(&view), Err(ClaimError::NotReady));
        assert!(!side.fix_end(&view) && side.has_message(&view));
        side.release(&view, first);
        let third = side.claim(&view).unwrap();
        assert_eq!(world.positions.offset(third.position), 2);
        assert_eq!(side.claim(&view), Err(ClaimError::NotReady));
        assert!(side.fix_end(&view));
    });
}

/// The count of attempts of one lap is none of the next.
#[test]
fn the_next_lap_starts_afresh() {
    all(|mut world| {
        let view = world.view();
        let side = &mut world.receivers[0].side;
        for _ in 0..2 {
            let claim = side.claim(&view).unwrap();
            side.release(&view, claim);
        }
        let tx = &mut world.senders[0].side;
        for _ in 0..3 {
            let position = tx.claim(&view).unwrap();
            tx.publish(&view, position);
        }
        let side = &mut world.receivers[0].side;
        for _ in 0..3 {
            let claim = side.claim(&view).unwrap();
            assert_eq!(claim.redeliveries, 0);
            side.hand_out(&view);
            side.requeue(&view, [claim].into_iter(), TWICE);
            let again = side.claim(&view).unwrap();
            assert_eq!((again.position, again.redeliveries), (claim.position, 1));
            side.release(&view, again);
        }
        assert_eq!(side.claim(&view), Err(ClaimError::NotReady));
    });
}
