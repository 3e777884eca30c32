//! Situations set up on purpose.

use std::cell::RefCell;

use super::*;
use crate::ring::slot::{SlotState, SlotWord};
use crate::ring::{Multi, Single};
use crate::sys::atomic::watched::{Access, watched_by};

const REDELIVER: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 3,
};
const DISCARD: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: false,
    max_deliveries: 3,
};

impl<S: Arity, R: Arity> CheckedRing<S, R> {
    fn send(&mut self, sender: usize) {
        assert!(self.claim(sender), "full");
        self.publish(sender);
    }

    fn skip(&mut self, sender: usize) {
        assert!(self.claim(sender), "full");
        self.abandon(sender);
    }

    fn receive(&mut self, receiver: usize) -> Option<u64> {
        let taken = self.take(receiver, 1, false);
        self.release(receiver);
        (taken == 1).then(|| *self.acknowledged.last().unwrap())
    }

    fn word(&self, offset: u64) -> SlotWord {
        let position = self.start.wrapping_add(offset);
        SlotWord(self.ring.view().word(position).load(Ordering::SeqCst))
    }
}

/// Puts a whole ring's worth of values through one kind, over the wrap.
fn round<S: Arity, R: Arity>() {
    let odd = [3, 5, 7, 100].into_iter();
    let odd = odd.filter(|_| <(S, R)>::ONE_TO_ONE);
    let capacities: Vec<u64> = [1, 2, 4, 64].into_iter().chain(odd).collect();
    for (shape, capacity) in pairs(Figure::of::<(S, R)>(), &capacities) {
        let mut world = CheckedRing::<S, R>::shaped(shape, capacity, u64::MAX - 3, REDELIVER);
        for lap in 0..5 {
            for _ in 0..capacity {
                world.send(0);
            }
            assert!(!world.claim(0));
            for index in 0..capacity {
                assert_eq!(world.receive(0), Some(lap * capacity + index));
            }
            assert_eq!(world.receive(0), None);
        }
        world.finish();
    }
}

fn pairs(shapes: &[Figure], capacities: &[u64]) -> Vec<(Figure, u64)> {
    let of_shape = |shape: &Figure| {
        let shape = *shape;
        capacities.iter().map(move |capacity| (shape, *capacity))
    };
    shapes.iter().flat_map(of_shape).collect()
}

#[test]
fn laps_run_over_the_wrap() {
    round::<Single, Single>();
    round::<Multi, Single>();
    round::<Single, Multi>();
    round::<Multi, Multi>();
}

#[test]
fn of_two_that_recover_one_does() {
    let mut world = CheckedRing::<Multi, Multi>::new(4, 0, REDELIVER);
    world.send(0);
    world.take(0, 1, true);
    let word = world.word(0);
    let held = Held { position: 0, word };
    world.kill_receiver(0, true);
    let view = world.view();
    assert_eq!(
        recover::recover_slot(&view, held, REDELIVER),
        Recovered::Redelivered
    );
    assert_eq!(
        recover::recover_slot(&view, held, REDELIVER),
        Recovered::Nothing
    );
    assert_eq!(
        recover::recover_slot(&view, held, DISCARD),
        Recovered::Nothing
    );
    world.reap(0);
    // What the second counted in advance, it took back.
    world.check_counters();
    world.finish();
}

#[test]
fn a_recovery_that_slept_for_a_lap_does_nothing() {
    let mut world = CheckedRing::<Multi, Multi>::new(1, 0, REDELIVER);
    world.send(0);
    world.take(0, 1, true);
    let early = Held {
        position: 0,
        word: world.word(0),
    };
    world.release(0);
    // The same receiver has the next message of the same slot.
    world.send(0);
    world.take(0, 1, true);
    assert_eq!(world.word(1).owner(), early.word.owner());
    assert_eq!(world.word(1).state(), SlotState::Reading);
    let done = recover::recover_slot(&world.view(), early, REDELIVER);
    assert_eq!(done, Recovered::Nothing);
    world.release(0);
    world.finish();
}

#[test]
fn a_recovery_stops_when_its_owner_turns_out_alive() {
    let mut world = CheckedRing::<Multi, Multi>::new(4, 0, REDELIVER);
    world.send(0);
    world.send(0);
    world.take(0, 2, true);
    let owner = world.receivers[0].id;
    let mut probes = 0;
    let recovered = recover::recover_held(
        &world.view(),
        &mut MemberSet::only(owner),
        REDELIVER,
        |_| {
            probes += 1;
            probes == 1
        },
    );
    assert_eq!((recovered, probes), (1, 2));
    assert_eq!(world.word(0).state(), SlotState::Published);
    assert_eq!(world.word(1).state(), SlotState::Reading);
}

#[test]
fn a_recovery_of_many_passes_over_the_one_who_turns_out_alive() {
    let mut world = CheckedRing::<Multi, Multi>::new(8, 0, REDELIVER);
    world.add_receiver();
    world.add_receiver();
    for _ in 0..6 {
        world.send(0);
    }
    for receiver in [0, 1, 2] {
        world.take(receiver, 2, true);
    }
    let [successor, dead, other] = [0, 1, 2].map(|receiver| world.receivers[receiver].id);
    let mut owners = MemberSet::default();
    owners.insert(successor);
    owners.insert(dead);
    // Not `other`, who was not found dead.
    let mut asked = Vec::new();
    let recovered = recover::recover_held(&world.view(), &mut owners, REDELIVER, |owner| {
        asked.push(owner);
        owner == dead
    });
    assert_eq!((recovered, asked), (2, vec![successor, dead, dead]));
    let is_left = [successor, dead, other].map(|owner| owners.contains(owner));
    assert_eq!(is_left, [false, true, false]);
    let states = [0, 1, 2, 3, 4, 5].map(|position| world.word(position).state());
    let (back, held) = (SlotState::Published, SlotState::Reading);
    assert_eq!(states, [held, held, back, back, held, held]);
}

#[test]
fn what_was_given_back_behind_the_head_is_found_by_another() {
    let mut world = CheckedRing::<Multi, Multi>::new(4, 0, REDELIVER);
    world.add_receiver();
    assert_eq!(world.receive(1), None); // not fresh any more
    for _ in 0..3 {
        world.send(0);
    }
    world.take(0, 1, true);
    assert_eq!(world.receive(1), Some(1));
    world.requeue(0);
    // First what lies ahead, then what lies behind.
    assert_eq!(world.receive(1), Some(2));
    assert_eq!(world.receive(1), Some(0));
    assert_eq!(world.receive(1), None);
    world.finish();
}

#[test]
fn a_fresh_receiver_looks_behind_the_head_first() {
    let mut world = CheckedRing::<Single, Multi>::new(4, 0, REDELIVER);
    for _ in 0..3 {
        world.send(0);
    }
    world.take(0, 2, true);
    world.requeue(0);
    world.add_receiver();
    let values: Vec<_> = (0..4).map(|_| world.receive(1)).collect();
    assert_eq!(values, [Some(0), Some(1), Some(2), None]);
    world.finish();
}

#[test]
fn a_requeue_counted_before_the_look_is_not_missed() {
    // The process that recovered died between its change and its announcement: the
    // recovery that follows announces, though it finds nothing.
    let mut world = CheckedRing::<Multi, Multi>::new(2, 0, REDELIVER);
    world.send(0);
    world.add_receiver();
    world.take(0, 1, true);
    assert_eq!(world.receive(1), None);
    let word = world.word(0);
    recover::give_back(&world.view(), 0, word, REDELIVER);
    world.give_back(0);
    world.receivers[0].held.clear();
    let before = world.cell(Cell::Requeues);
    assert_eq!(
        recover::recover_held(
            &world.view(),
            &mut MemberSet::only(word.owner()),
            REDELIVER,
            |_| true
        ),
        0
    );
    assert_eq!(world.cell(Cell::Requeues), before + 1);
    assert_eq!(world.receive(1), Some(0));
    world.finish();
}

/// A message in ever new hands until the limit.
fn exhaust<S: Arity, R: Arity>() {
    for attempts in [1, 2, 15] {
        let terms = RedeliveryPolicy {
            redeliver: true,
            max_deliveries: attempts,
        };
        let mut world = CheckedRing::<S, R>::new(2, 0, terms);
        world.send(0);
        for hand in 1..=attempts {
            assert_eq!(world.lost, 0);
            assert_eq!(world.take(0, 1, true), 1, "in hand {hand} of {attempts}");
            world.requeue(0);
        }
        assert_eq!((world.lost, world.cell(Cell::Lost)), (1, 1));
        assert_eq!(world.cell(Cell::Redelivered), u64::from(attempts) - 1);
        assert_eq!(world.receive(0), None);
        world.finish();
    }
}

/// R15: a survivor that dies in between has counted one too many, and hidden nothing.
#[test]
fn what_is_given_back_is_counted_before_the_change() {
    thread_local! {
        static CHANGES: RefCell<Vec<Access>> = const { RefCell::new(Vec::new()) };
    }
    fn record(found: u64, access: Access) -> Option<u64> {
        if access != Access::Load {
            CHANGES.with_borrow_mut(|changes| changes.push(access));
        }
        Some(found)
    }
    for terms in [REDELIVER, DISCARD] {
        let mut world = CheckedRing::<Multi, Multi>::new(2, 0, terms);
        world.send(0);
        assert_eq!(world.take(0, 1, false), 1);
        let (view, word) = (world.view(), world.word(0));
        let held = Held { position: 0, word };
        watched_by(record, || recover::recover_slot(&view, held, terms));
        let changes = CHANGES.take();
        let first = changes.get(..2);
        assert!(
            matches!(first, Some([Access::Add(1), Access::Swap(from, _)]) if *from == word.0),
            "{changes:?}"
        );
    }
}

#[test]
fn a_message_in_too_many_hands_is_dropped_and_counted() {
    exhaust::<Single, Single>();
    exhaust::<Multi, Single>();
    exhaust::<Single, Multi>();
    exhaust::<Multi, Multi>();
}

/// A dropped message leaves room at once, also if its receiver never calls again.
fn room_after_loss<S: Arity, R: Arity>(by_death: bool) {
    let terms = RedeliveryPolicy {
        redeliver: true,
        max_deliveries: 1,
    };
    let mut world = CheckedRing::<S, R>::new(2, 0, terms);
    world.send(0);
    world.send(0);
    assert!(!world.claim(0));
    world.take(0, 2, true);
    if by_death {
        world.kill_receiver(0, true);
        world.recover();
    } else {
        world.requeue(0);
    }
    assert_eq!(world.lost, 2);
    world.send(0);
    world.send(0);
    world.finish();
}

#[test]
fn a_dropped_message_leaves_room() {
    for by_death in [false, true] {
        room_after_loss::<Single, Single>(by_death);
        room_after_loss::<Multi, Single>(by_death);
        room_after_loss::<Single, Multi>(by_death);
        room_after_loss::<Multi, Multi>(by_death);
    }
}

/// Discards what a dead receiver had, and counts it exactly.
fn discard<S: Arity, R: Arity>() {
    let mut world = CheckedRing::<S, R>::new(8, 0, DISCARD);
    for _ in 0..6 {
        world.send(0);
    }
    world.take(0, 4, true);
    world.kill_receiver(0, true);
    world.recover();
    assert_eq!(world.cell(Cell::Lost), 4);
    assert_eq!(world.receive(0), Some(4));
    world.finish();
}

#[test]
fn what_the_dead_had_is_discarded_where_that_was_chosen() {
    discard::<Single, Single>();
    discard::<Multi, Single>();
    discard::<Single, Multi>();
    discard::<Multi, Multi>();
}

#[test]
fn positions_without_a_message_are_not_counted_as_lost() {
    let mut world = CheckedRing::<Multi, Single>::new(8, 0, DISCARD);
    world.send(0);
    world.skip(0);
    world.skip(0);
    world.send(0);
    assert_eq!(world.take(0, 8, true), 2);
    world.kill_receiver(0, true);
    assert_eq!(world.cell(Cell::Lost), 2);
    world.finish();
}

#[test]
fn a_batch_with_gaps_can_be_inherited() {
    // A gap right after a released message; then a full ring is handed out.
    let mut world = CheckedRing::<Multi, Single>::new(4, 0, REDELIVER);
    world.send(0);
    world.skip(0);
    assert_eq!(world.take(0, 4, true), 1);
    world.release(0);
    for _ in 0..4 {
        world.send(0);
    }
    assert_eq!(world.take(0, 4, true), 4);
    world.kill_receiver(0, true);
    world.finish();
}

/// Ever so many positions given up, then a message.
fn find_past_gaps<R: Arity>(capacity: u64, gaps: u64) {
    let mut world = CheckedRing::<Multi, R>::new(capacity, 0, REDELIVER);
    assert_eq!(world.receive(0), None);
    for _ in 0..gaps {
        world.skip(0);
    }
    assert!(!world.receivers[0].side.has_message(&world.view()));
    world.send(0);
    assert!(world.receivers[0].side.has_message(&world.view()));
    assert_eq!(world.receive(0), Some(gaps));
    world.finish();
}

#[test]
fn a_message_is_found_past_any_number_of_gaps() {
    for (capacity, gaps) in [(1, 1), (1, 7), (4, 3), (4, 10), (64, 1000), (4096, 16383)] {
        find_past_gaps::<Single>(capacity, gaps);
        find_past_gaps::<Multi>(capacity, gaps);
    }
}

#[test]
fn hints_that_lag_by_laps_are_healed() {
    const CAPACITY: u64 = 4096;
    let mut world = CheckedRing::<Multi, Multi>::new(CAPACITY, 0, REDELIVER);
    for _ in 0..3 {
        for _ in 0..CAPACITY {
            world.send(0);
        }
        world.take(0, CAPACITY as usize, true);
        world.release(0);
    }
    for _ in 0..CAPACITY - 1 {
        world.send(0);
    }
    for back in [1, CAPACITY - 1, CAPACITY, CAPACITY + 1, 3 * CAPACITY] {
        world.set_cell(Cell::Head, world.head - back);
        world.set_cell(Cell::Tail, world.tail - back);
        assert!(world.receivers[0].side.has_message(&world.view()));
        world.send(0);
        assert_eq!(world.cell(Cell::Tail), world.tail);
        world.set_cell(Cell::Tail, world.tail - back);
        assert!(!world.claim(0), "full, whatever the hint says");
        assert!(world.receive(0).is_some());
        assert_eq!(world.cell(Cell::Head), world.head);
    }
    world.finish();
}

#[test]
fn the_receiver_knows_past_its_leases() {
    let mut world = CheckedRing::<Multi, Single>::new(4, 0, REDELIVER);
    world.send(0);
    world.skip(0);
    world.send(0);
    assert!(world.receivers[0].side.has_message(&world.view()));
    assert_eq!(world.receive(0), Some(0));
    assert!(world.receivers[0].side.has_message(&world.view()));
    assert_eq!(world.receive(0), Some(2));
    assert!(!world.receivers[0].side.has_message(&world.view()));
    world.finish();
}

#[test]
fn a_claim_on_a_closed_ring_is_given_up() {
    let mut world = CheckedRing::<Multi, Multi>::new(4, 0, REDELIVER);
    world.send(0);
    world.set_cell(Cell::Closed, 1);
    let view = world.view();
    for _ in 0..3 {
        assert_eq!(world.senders[0].side.claim(&view), Err(ClaimError::Closed));
    }
    world.tail += 3;
    assert_eq!(world.receive(0), Some(0));
    assert_eq!(world.receive(0), None);
    // A single sender does not even enter.
    let mut world = CheckedRing::<Single, Multi>::new(4, 0, REDELIVER);
    world.set_cell(Cell::Closed, 1);
    let view = world.view();
    assert_eq!(world.senders[0].side.begin(&view), Err(ClaimError::Closed));
    assert_eq!(world.cell(Cell::Busy), 0);
}

#[test]
fn a_single_sender_inside_an_operation_shows() {
    type Sending = <Single as Arity>::Sender<Multi>;
    let mut world = CheckedRing::<Single, Multi>::new(4, 0, REDELIVER);
    let view = world.view();
    assert!(Sending::is_quiescent(&view));
    assert!(world.claim(0));
    assert!(!Sending::is_quiescent(&view));
    world.publish(0);
    assert!(Sending::is_quiescent(&view));
    assert!(world.claim(0));
    world.kill_sender(0);
    assert!(
        Sending::is_quiescent(&view),
        "the successor is not the dead one"
    );
}
