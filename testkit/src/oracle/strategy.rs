//! Steps and rings as proptest chooses and shrinks them.

use proptest::prelude::*;

use super::config::{Config, Start};
use super::step::{Guard, Step, Verb};

fn who() -> impl Strategy<Value = u8> {
    0..4u8
}

fn process() -> impl Strategy<Value = u8> {
    0..3u8
}

/// Mostly as many as a few slots hold.
fn count() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0..7u8, 1 => 7..20u8]
}

/// How many of a batch are released before the others.
fn first() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), count()]
}

fn verb() -> impl Strategy<Value = Verb> {
    let waiting = prop_oneof![Just(Verb::Block), Just(Verb::Timeout), Just(Verb::Deadline)];
    prop_oneof![3 => Just(Verb::Try), 2 => waiting]
}

fn guard() -> impl Strategy<Value = Guard> {
    let others = prop_oneof![Just(Guard::Drop), Just(Guard::Forget), Just(Guard::Requeue)];
    prop_oneof![2 => Just(Guard::Finish), 3 => others]
}

/// A step: mostly messages, and a close now and then.
pub fn step() -> impl Strategy<Value = Step> {
    let sending = prop_oneof![
        12 => (who(), verb()).prop_map(|(who, verb)| Step::Send { who, verb }),
        4 => (who(), count(), verb())
            .prop_map(|(who, count, verb)| Step::SendBatch { who, count, verb }),
        1 => (who(), 0..9u8, verb())
            .prop_map(|(who, more, verb)| Step::SendTooLong { who, more, verb }),
        6 => (who(), verb(), guard())
            .prop_map(|(who, verb, guard)| Step::Reserve { who, verb, guard }),
        5 => (who(), count(), count(), verb(), guard())
            .prop_map(|(who, most, first, verb, guard)| {
                Step::ReserveChunk { who, most, first, verb, guard }
            }),
    ];
    let receiving = prop_oneof![
        9 => (who(), verb()).prop_map(|(who, verb)| Step::Receive { who, verb }),
        4 => (who(), count(), verb())
            .prop_map(|(who, max, verb)| Step::ReceiveBatch { who, max, verb }),
        4 => (who(), verb(), guard())
            .prop_map(|(who, verb, guard)| Step::Lease { who, verb, guard }),
        5 => (who(), count(), first(), verb(), guard())
            .prop_map(|(who, max, first, verb, guard)| {
                Step::LeaseBatch { who, max, first, verb, guard }
            }),
        4 => (who(), count(), first(), verb(), guard())
            .prop_map(|(who, max, first, verb, guard)| {
                Step::LeaseChunk { who, max, first, verb, guard }
            }),
        2 => (who(), count(), verb())
            .prop_map(|(who, max, verb)| Step::Iterate { who, max, verb }),
    ];
    let members = prop_oneof![
        9 => process().prop_map(|process| Step::AttachSender { process }),
        9 => process().prop_map(|process| Step::AttachReceiver { process }),
        4 => who().prop_map(|who| Step::CloneSender { who }),
        4 => who().prop_map(|who| Step::CloneReceiver { who }),
        4 => who().prop_map(|who| Step::DropSender { who }),
        4 => who().prop_map(|who| Step::DropReceiver { who }),
        1 => process().prop_map(|process| Step::Close { process }),
    ];
    prop_oneof![23 => sending, 24 => receiving, 9 => members]
}

/// A ring of few slots, mostly shortly before something wraps.
pub fn config() -> impl Strategy<Value = Config> {
    // See `Config::capacity`: powers of two, and others; as the ring likes, and dense.
    let capacity = prop_oneof![4 => 0..4u8, 1 => Just(4), 1 => Just(6), 3 => 64..88u8];
    let capacity = (capacity, prop_oneof![2 => Just(0), 1 => Just(0x80u8)]);
    let capacity = capacity.prop_map(|(capacity, dense)| capacity | dense);
    let max_deliveries = prop_oneof![3 => 0..3u8, 1 => Just(14)];
    let start = prop_oneof![
        Just(Start::Zero),
        (0..8u8).prop_map(Start::BeforeLaps),
        (0..8u8).prop_map(Start::BeforePositions),
        any::<u64>().prop_map(Start::Any),
    ];
    let fence = prop_oneof![9 => Just(true), 1 => Just(false)];
    (capacity, max_deliveries, start, any::<bool>(), fence).prop_map(
        |(capacity, max_deliveries, start, discard, fence)| Config {
            capacity,
            max_deliveries,
            start,
            discard,
            fence,
        },
    )
}
