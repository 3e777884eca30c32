//! Each rule taken out, and what then goes wrong: in a small world in which
//! nothing goes wrong as long as the rule is kept.

use super::engine::Engine;
use super::mutants::Mutant;
use super::scenario::{LEASE, Mpmc, Mpsc, RECV, Spmc, Spsc, ring};
use super::{Op, Reception, Scanners, Scenario};

const LIMIT: usize = 4_000_000;

/// The rules are those that [`Mutant`] names.
fn table() -> Vec<(Mutant, Scenario)> {
    use Mutant::*;
    use Op::{Abandon, Send};
    const ONE: Op = Send(1);
    const BATCH: Reception = Reception { batch: 2, ..LEASE };
    let rows = vec![
        (
            ClaimUnasked,
            ring(Mpsc, 1).sender(&[ONE, ONE]).receivers(1, LEASE),
        ),
        (
            ClaimUnasked,
            ring(Spsc, 1)
                .size(48)
                .sender(&[ONE, ONE])
                .receivers(1, LEASE),
        ),
        (
            ClaimUnasked,
            ring(Mpsc, 1).sender(&[ONE, ONE]).receivers(1, LEASE).fast(),
        ),
        (
            HintLeads,
            ring(Mpmc, 2).sender(&[ONE]).receivers(1, LEASE).fast(),
        ),
        (
            OnAfterFailure,
            ring(Mpsc, 2).sender(&[ONE, ONE]).sender(&[ONE]).receivers(
                1,
                Reception {
                    requeues: 1,
                    ..LEASE
                },
            ),
        ),
        (SkipClaims, ring(Mpsc, 2).sender(&[ONE]).receivers(1, LEASE)),
        (
            SkipClaims,
            ring(Mpmc, 2)
                .sender(&[ONE])
                .sender(&[ONE])
                .receivers(1, LEASE),
        ),
        (
            CreditBeforeDone,
            ring(Mpsc, 1)
                .sender(&[ONE, ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[]),
        ),
        (
            ResumeFromCredit,
            ring(Spsc, 2)
                .sender(&[ONE])
                .receivers(1, RECV)
                .kills_with_successors(1, &[]),
        ),
        (
            AbandonForSameLap,
            ring(Mpmc, 2).sender(&[Abandon, ONE]).receivers(1, LEASE),
        ),
        (
            WaitAtLaterWords,
            ring(Mpsc, 2).sender(&[Abandon, ONE]).receivers(1, LEASE),
        ),
        (
            WaitAtLaterWords,
            ring(Mpmc, 2).sender(&[Abandon, ONE]).receivers(1, LEASE),
        ),
        (
            NoAnnouncement,
            ring(Mpmc, 2).sender(&[ONE]).receivers(2, LEASE).kills(1),
        ),
        (
            PutHeadBack,
            ring(Mpmc, 2)
                .sender(&[ONE, ONE, ONE])
                .receivers(2, LEASE)
                .kills(1),
        ),
        (
            NoFirstLookBehind,
            ring(Spmc, 2)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[]),
        ),
        (
            CountAfterLook,
            ring(Mpmc, 1)
                .sender(&[ONE, ONE])
                .receivers(2, LEASE)
                .kills(1)
                .scanners(Scanners::All),
        ),
        (
            LookBehindOldHead,
            ring(Mpmc, 1)
                .sender(&[ONE, ONE])
                .receivers(2, LEASE)
                .kills(1)
                .scanners(Scanners::All),
        ),
        (
            SilentRecovery,
            ring(Mpmc, 1)
                .sender(&[ONE, ONE])
                .receivers(2, LEASE)
                .kills(2),
        ),
        (
            UseBeforeRecovery,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[]),
        ),
        (
            CleanBesideSuccessor,
            ring(Mpsc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[]),
        ),
        (
            RememberTheDead,
            ring(Mpsc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[ONE]),
        ),
        (
            CountAfterLoss,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(2, &[])
                .discards(),
        ),
        (
            ForgetRedeliveries,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(2, LEASE)
                .kills_with_successors(1, &[]),
        ),
        (
            NoLookAtClosed,
            ring(Mpmc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
        ),
        (
            NoLookAtClosed,
            ring(Spsc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
        ),
        (
            NoneIsBusy,
            ring(Spmc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
        ),
        (
            NoLastLook,
            ring(Spmc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
        ),
        (
            NoScanAtTheEnd,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .closer()
                .receivers(2, LEASE)
                .kills(1),
        ),
        (
            PartialIsComplete,
            ring(Spmc, 2)
                .sender(&[Send(2)])
                .immortal()
                .closer()
                .receivers(1, BATCH)
                .receivers(1, LEASE)
                .immortal()
                .kills(1)
                .discards()
                .max_probes(1),
        ),
        (
            DeathUncounted,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .immortal()
                .kills(1)
                .detaching(),
        ),
        (
            CleanBeforeDeath,
            ring(Spmc, 1)
                .sender(&[])
                .receivers(1, RECV)
                .receivers(1, RECV)
                .immortal()
                .kills(2)
                .detaching(),
        ),
        (
            CleanBeforeDeparture,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .immortal()
                .kills(1)
                .detaching(),
        ),
    ];
    rows
}

/// Those of one sender and one receiver (S).
fn table_one_to_one() -> Vec<(Mutant, Scenario)> {
    use Mutant::*;
    use Op::Send;
    const ONE: Op = Send(1);
    const KEEPS: Reception = Reception {
        batch: 2,
        keeps: true,
        ..LEASE
    };
    let gives_back = |requeues| Reception { requeues, ..LEASE };
    // A message fills its line, so that the next lap is soon there.
    let whole = |n| ring(Spsc, n).size(48);
    let one = |n| whole(n).sender(&[ONE]).receivers(1, LEASE);
    let two = |n| whole(n).sender(&[ONE, ONE]);
    let closed = || ring(Spsc, 1).sender(&[ONE]).closer();
    vec![
        (PublishAhead, one(2).size(16)),
        (PublishAhead, one(2).size(64)),
        (PublishAhead, {
            let ring = ring(Spsc, 3).sender(&[Op::Chunk(2)]);
            ring.receivers(1, LEASE)
        }),
        (SuccessorHasRoom, {
            let ring = two(1).receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE])
        }),
        (CreditBeforeDone, two(1).receivers(1, LEASE).fast()),
        (NoWalk, {
            let ring = two(2).receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE])
        }),
        (NoWalk, {
            let ring = two(2).size(64).receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE])
        }),
        (LaterLapIsNone, {
            let ring = ring(Spsc, 3).sender(&[ONE; 5]);
            ring.receivers(1, LEASE)
        }),
        (LaterLapIsNone, {
            let ring = ring(Spsc, 3).sender(&[ONE; 5]).receivers(1, RECV);
            ring.kills_with_successors(1, &[ONE]).immortal_receivers()
        }),
        (LateIsOk, closed().receivers(1, LEASE)),
        (LateUnasked, closed().receivers(1, LEASE)),
        (NoLookBefore, {
            let ring = closed().receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE])
        }),
        (IgnoreEnd, closed().receivers(1, LEASE)),
        (NoLookBeforeTheEnd, closed().receivers(1, LEASE)),
        (FixAtDone, closed().receivers(1, KEEPS)),
        (EndUnreached, closed().receivers(1, LEASE)),
        (EndUnloaded, {
            let ring = ring(Spsc, 2).sender(&[ONE, ONE]).closer();
            ring.receivers(1, KEEPS).kills_with_successors(1, &[])
        }),
        (TakenUnstored, one(1).kills_with_successors(1, &[])),
        (NoZeroes, {
            let ring = two(1).receivers(1, gives_back(2));
            ring.kills_with_successors(1, &[])
        }),
        (MarkedUnstored, one(1).kills_with_successors(2, &[])),
        (TakenBeforeAttempt, one(1).kills_with_successors(2, &[])),
        (
            ForgetMarked,
            ring(Spsc, 1).sender(&[ONE]).receivers(1, gives_back(1)),
        ),
        (IgnoreMarked, two(1).receivers(1, gives_back(1))),
        (CountAfterLoss, {
            one(1).kills_with_successors(2, &[]).discards()
        }),
        (DropInHand, {
            let ring = whole(2).sender(&[Send(2), ONE]).immortal();
            let ring = ring.receivers(1, KEEPS).kills_with_successors(2, &[]);
            ring.max_deliveries(2)
        }),
        (FixTwice, closed().receivers(1, LEASE)),
    ]
}

#[test]
fn no_rule_can_be_left_out() {
    each_is_noticed(table());
}

#[test]
fn no_rule_of_one_sender_and_one_receiver_can_be_left_out() {
    each_is_noticed(table_one_to_one());
}

fn each_is_noticed(table: Vec<(Mutant, Scenario)>) {
    let mut unnoticed = Vec::new();
    for (mutant, scenario) in table {
        let whole = Engine::new(scenario.clone()).run(LIMIT);
        if let Some((what, trace)) = whole.failure {
            panic!("before {mutant:?}: {what}\n{trace}");
        }
        let broken = Engine::new(scenario.without(mutant)).run(LIMIT);
        let what = broken.failure.map(|(what, _)| what);
        let (all, few) = (whole.states, broken.states);
        println!("{mutant:?}: {all} states whole, {few} broken: {what:?}");
        if what.is_none_or(|what| what.starts_with("more than")) {
            unnoticed.push(mutant);
        }
    }
    assert_eq!(unnoticed, [], "left out, and not noticed");
}
