//! Random steps, deaths included, of every kind.

use proptest::prelude::*;

use super::shapes::ONE_TO_ONE;
use super::*;
use crate::ring::{Multi, Single};

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Send(usize),
    Claim(usize),
    Publish(usize),
    Abandon(usize),
    KillSender(usize),
    AddSender,
    Receive(usize),
    Lease(usize, usize),
    Release(usize),
    Requeue(usize),
    /// Dies with what it has.
    KillReceiver(usize),
    /// Dies between the claim and the hand-out.
    KillInClaim(usize),
    AddReceiver,
    Recover,
    /// An endpoint may store a hint late.
    StaleTail(u64),
    StaleHead(u64),
    /// Credit lags on purpose.
    LateCredit(u64),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = 0..4usize;
    let step = prop_oneof![
        6 => any.clone().prop_map(Step::Send),
        2 => any.clone().prop_map(Step::Claim),
        2 => any.clone().prop_map(Step::Publish),
        2 => any.clone().prop_map(Step::Abandon),
        1 => any.clone().prop_map(Step::KillSender),
        1 => Just(Step::AddSender),
        4 => any.clone().prop_map(Step::Receive),
        3 => (any.clone(), 1..6usize).prop_map(|(who, max)| Step::Lease(who, max)),
        2 => any.clone().prop_map(Step::Release),
        2 => any.clone().prop_map(Step::Requeue),
        1 => any.clone().prop_map(Step::KillReceiver),
        1 => any.prop_map(Step::KillInClaim),
        1 => Just(Step::AddReceiver),
        1 => Just(Step::Recover),
        1 => (0..6u64).prop_map(Step::StaleTail),
        1 => (0..6u64).prop_map(Step::StaleHead),
        1 => (0..3u64).prop_map(Step::LateCredit),
    ];
    proptest::collection::vec(step, 1..120)
}

fn starts(capacity: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX - 3),
        Just((1u64 << 48).wrapping_mul(capacity).wrapping_sub(3)),
        any::<u64>(),
    ]
}

pub(super) fn settings() -> impl Strategy<Value = (u64, u64, RedeliveryPolicy)> {
    let capacity = prop_oneof![Just(1u64), Just(2), Just(4), Just(64)];
    let terms = (any::<bool>(), prop_oneof![1..4u8, Just(15)]);
    (capacity, terms).prop_flat_map(|(capacity, (redeliver, attempts))| {
        let terms = RedeliveryPolicy {
            redeliver,
            max_deliveries: attempts,
        };
        (Just(capacity), starts(capacity), Just(terms))
    })
}

/// Of one sender and one receiver any capacity may be.
pub(super) fn shaped_settings() -> impl Strategy<Value = (Figure, u64, u64, RedeliveryPolicy)> {
    let capacity = prop_oneof![1..8u64, Just(9), Just(64), Just(100)];
    let shape = prop::sample::select(&ONE_TO_ONE[..]);
    (settings(), shape, capacity)
        .prop_map(|((_, start, terms), shape, capacity)| (shape, capacity, start, terms))
}

fn run<S: Arity, R: Arity>(setting: (u64, u64, RedeliveryPolicy), steps: &[Step]) {
    let (capacity, start, terms) = setting;
    run_in(CheckedRing::<S, R>::new(capacity, start, terms), steps);
}

fn run_in<S: Arity, R: Arity>(mut world: CheckedRing<S, R>, steps: &[Step]) {
    for &step in steps {
        carry_out(&mut world, step);
        world.check_counters();
    }
    world.finish();
}

pub(super) fn carry_out<S: Arity, R: Arity>(world: &mut CheckedRing<S, R>, step: Step) {
    let (senders, receivers) = (world.senders.len(), world.receivers.len());
    match step {
        Step::Send(who) | Step::Claim(who) => {
            let who = who % senders;
            // A new call gives up what was claimed before.
            world.abandon(who);
            if world.claim(who) && matches!(step, Step::Send(_)) {
                world.publish(who);
            }
        }
        Step::Publish(who) => world.publish(who % senders),
        Step::Abandon(who) => world.abandon(who % senders),
        Step::KillSender(who) => world.kill_sender(who % senders),
        Step::AddSender if S::MULTI && senders < 4 => world.add_sender(),
        Step::AddReceiver if R::MULTI && receivers < 4 => world.add_receiver(),
        Step::AddSender | Step::AddReceiver => {}
        Step::Receive(who) => {
            let who = who % receivers;
            world.requeue(who);
            world.take(who, 1, false);
            world.release(who);
        }
        Step::Lease(who, max) => {
            let who = who % receivers;
            world.requeue(who);
            world.take(who, max, true);
        }
        Step::Release(who) => world.release(who % receivers),
        Step::Requeue(who) => world.requeue(who % receivers),
        Step::KillReceiver(who) => world.kill_receiver(who % receivers, true),
        Step::KillInClaim(who) => {
            let who = who % receivers;
            world.release(who);
            world.take(who, 1, false);
            world.kill_receiver(who, false);
        }
        Step::Recover => world.recover(),
        Step::StaleTail(back) => set_back(world, Cell::Tail, back),
        Step::StaleHead(back) => set_back(world, Cell::Head, back),
        Step::LateCredit(back) if !R::MULTI => set_back(world, Cell::Credit, back),
        Step::LateCredit(_) => {}
    }
}

/// Sets a hint back, but not before the beginning.
fn set_back<S: Arity, R: Arity>(world: &CheckedRing<S, R>, cell: Cell, back: u64) {
    let now = world.cell(cell);
    let gone = now.wrapping_sub(world.start);
    world.set_cell(cell, now.wrapping_sub(back.min(gone)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spsc_agrees_with_the_ledger(setting in shaped_settings(), steps in steps()) {
        let (shape, capacity, start, terms) = setting;
        run_in(CheckedRing::<Single, Single>::shaped(shape, capacity, start, terms), &steps);
    }

    #[test]
    fn mpsc_agrees_with_the_ledger(setting in settings(), steps in steps()) {
        run::<Multi, Single>(setting, &steps);
    }

    #[test]
    fn spmc_agrees_with_the_ledger(setting in settings(), steps in steps()) {
        run::<Single, Multi>(setting, &steps);
    }

    #[test]
    fn mpmc_agrees_with_the_ledger(setting in settings(), steps in steps()) {
        run::<Multi, Multi>(setting, &steps);
    }
}
