//! Passing a gap makes no room: a claim of a receiver has nothing to announce.
//!
//! With many senders the slot of a position that was given up is free for the next lap,
//! whether or not a receiver has passed it. With one sender there are no gaps. (What is
//! dropped over the limit of deliveries lies before what stays in hand, and its room is
//! announced where it is dropped.)

use proptest::prelude::*;

use super::random::{Step, carry_out, settings, shaped_settings, steps};
use super::*;
use crate::ring::{Multi, Single};
use crate::sys::atomic::watched::{Access, watched_by};

/// Whether a sender that comes now and checks in full finds room. What it would change
/// stays as it is.
fn has_room<S: Arity, R: Arity>(world: &CheckedRing<S, R>) -> bool {
    fn unchanged(found: u64, _: Access) -> Option<u64> {
        Some(found)
    }
    let view = world.view();
    let claim = || {
        let side: Result<S::Sender<R>, _> = SendSide::attach(&view, MemberId(SENDERS.first));
        side.expect("a sound ring").claim(&view).is_ok()
    };
    watched_by(unchanged, claim).expect("nobody is suspended")
}

/// Claims up to `max` messages; room, or none, is the same before and after each claim.
fn take<S: Arity, R: Arity>(world: &mut CheckedRing<S, R>, who: usize, max: usize, hand_out: bool) {
    let view = world.view();
    let mut stall = None;
    for _ in 0..max {
        let before = has_room(world);
        let claim = world.receivers[who].side.claim(&view);
        let after = has_room(world);
        assert_eq!(before, after, "room before and after {claim:?}");
        match claim {
            Ok(claim) => world.check_claim(who, claim),
            Err(error) => {
                stall = Some(error);
                break;
            }
        }
    }
    if hand_out && !world.receivers[who].held.is_empty() {
        world.receivers[who].side.hand_out(&view);
    }
    if let Some(stall) = stall {
        world.check_stall(stall);
    }
}

fn run<S: Arity, R: Arity>(setting: (u64, u64, RedeliveryPolicy), steps: &[Step]) {
    let (capacity, start, policy) = setting;
    run_in(CheckedRing::<S, R>::new(capacity, start, policy), steps);
}

fn run_in<S: Arity, R: Arity>(mut world: CheckedRing<S, R>, steps: &[Step]) {
    for &step in steps {
        let receivers = world.receivers.len();
        match step {
            Step::Receive(who) => {
                let who = who % receivers;
                world.requeue(who);
                take(&mut world, who, 1, false);
                world.release(who);
            }
            Step::Lease(who, max) => {
                let who = who % receivers;
                world.requeue(who);
                take(&mut world, who, max, true);
            }
            Step::KillInClaim(who) => {
                let who = who % receivers;
                world.release(who);
                take(&mut world, who, 1, false);
                world.kill_receiver(who, false);
            }
            other => carry_out(&mut world, other),
        }
    }
    world.finish();
}

/// The capacities at which a lap is soon over.
fn narrow() -> impl Strategy<Value = (u64, u64, RedeliveryPolicy)> {
    let capacity = prop_oneof![Just(1u64), Just(2), Just(4)];
    (settings(), capacity).prop_map(|((_, start, policy), capacity)| (capacity, start, policy))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_mpsc_claim_makes_no_room(setting in narrow(), steps in steps()) {
        run::<Multi, Single>(setting, &steps);
    }

    #[test]
    fn an_spsc_claim_makes_no_room(setting in shaped_settings(), steps in steps()) {
        let (shape, capacity, start, policy) = setting;
        run_in(CheckedRing::<Single, Single>::shaped(shape, capacity, start, policy), &steps);
    }

    #[test]
    fn an_mpmc_claim_makes_no_room(setting in narrow(), steps in steps()) {
        run::<Multi, Multi>(setting, &steps);
    }

    #[test]
    fn an_spmc_claim_makes_no_room(setting in narrow(), steps in steps()) {
        run::<Single, Multi>(setting, &steps);
    }
}

/// The look at room is a good one: a release shows in it, and so does a gap.
#[test]
fn room_is_seen() {
    let policy = RedeliveryPolicy {
        redeliver: true,
        max_deliveries: 3,
    };
    let mut world = CheckedRing::<Multi, Single>::new(2, 0, policy);
    for _ in 0..2 {
        assert!(has_room(&world) && world.claim(0));
        world.publish(0);
    }
    assert!(!has_room(&world));
    take(&mut world, 0, 1, false);
    assert!(!has_room(&world), "it is in hand");
    world.release(0);
    assert!(has_room(&world) && world.claim(0));
    assert!(!has_room(&world), "1 is there, 2 is claimed");
    // The gap at 2 is free for 4, and the message at 1 is in the way of 3.
    world.abandon(0);
    assert!(!has_room(&world));
    take(&mut world, 0, 1, false);
    world.release(0);
    assert!(has_room(&world));
}
