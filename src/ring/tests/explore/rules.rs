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
            ring(Spsc, 1).sender(&[ONE, ONE]).receivers(1, LEASE),
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
        (
            TrustSent,
            ring(Spsc, 2)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[ONE]),
        ),
        (
            SentBeforeWord,
            ring(Spsc, 2)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[ONE]),
        ),
        (
            SentAtTheEnd,
            ring(Spsc, 1)
                .sender(&[Op::Send(3)])
                .receivers(1, LEASE)
                .kills_with_successors(1, &[]),
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
            ring(Spsc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
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

#[test]
fn no_rule_can_be_left_out() {
    for (mutant, scenario) in table() {
        let whole = Engine::new(scenario.clone()).run(LIMIT);
        if let Some((what, trace)) = whole.failure {
            panic!("before {mutant:?}: {what}\n{trace}");
        }
        let broken = Engine::new(scenario.without(mutant)).run(LIMIT);
        let what = broken.failure.map(|(what, _)| what);
        let (all, few) = (whole.states, broken.states);
        println!("{mutant:?}: {all} states whole, {few} broken: {what:?}");
        let what = what.unwrap_or_else(|| panic!("{mutant:?} is not noticed"));
        assert!(!what.starts_with("more than"), "{mutant:?}: {what}");
    }
}
