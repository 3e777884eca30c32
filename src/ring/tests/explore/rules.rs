//! Each rule taken out, and what then goes wrong: in a small world in which
//! nothing goes wrong as long as the rule is kept.

use super::engine::Engine;
use super::mutants::Mutant;
use super::{Errand, LEASE, Mpmc, Mpsc, Patrols, RECV, Reception, Setup, Spmc, Spsc, ring};

const LIMIT: usize = 4_000_000;

/// The rules are those that [`Mutant`] names.
fn table() -> Vec<(Mutant, Setup)> {
    use Errand::{Abandon, Send};
    use Mutant::*;
    const ONE: Errand = Send(1);
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
            ring(Mpsc, 1).sender(&[ONE, ONE]).receivers(1, LEASE).bets(),
        ),
        (
            HintLeads,
            ring(Mpmc, 2).sender(&[ONE]).receivers(1, LEASE).bets(),
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
                .kills_with_heirs(1, &[ONE]),
        ),
        (
            SentBeforeWord,
            ring(Spsc, 2)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_heirs(1, &[ONE]),
        ),
        (
            SentAtTheEnd,
            ring(Spsc, 1)
                .sender(&[Send(2)])
                .receivers(1, LEASE)
                .kills_with_heirs(1, &[]),
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
                .kills_with_heirs(1, &[]),
        ),
        (
            ResumeFromCredit,
            ring(Spsc, 2)
                .sender(&[ONE])
                .receivers(1, RECV)
                .kills_with_heirs(1, &[]),
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
                .kills_with_heirs(1, &[]),
        ),
        (
            CountAfterLook,
            ring(Mpmc, 1)
                .sender(&[ONE, ONE])
                .receivers(2, LEASE)
                .kills(1)
                .patrols(Patrols::Everybody),
        ),
        (
            LookBehindOldHead,
            ring(Mpmc, 1)
                .sender(&[ONE, ONE])
                .receivers(2, LEASE)
                .kills(1)
                .patrols(Patrols::Everybody),
        ),
        (
            SilentSweep,
            ring(Mpmc, 1)
                .sender(&[ONE, ONE])
                .receivers(2, LEASE)
                .kills(2),
        ),
        (
            UseBeforeSweep,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_heirs(1, &[]),
        ),
        (
            CleanBesideHeir,
            ring(Mpsc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_heirs(1, &[]),
        ),
        (
            RememberTheDead,
            ring(Mpsc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_heirs(1, &[ONE]),
        ),
        (
            CountAfterLoss,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(1, LEASE)
                .kills_with_heirs(2, &[])
                .discards(),
        ),
        (
            ForgetAttempts,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .receivers(2, LEASE)
                .kills_with_heirs(1, &[]),
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
            NobodyIsBusy,
            ring(Spmc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
        ),
        (
            NoLastLook,
            ring(Spsc, 1).sender(&[ONE]).closer().receivers(1, LEASE),
        ),
        (
            NoPatrolAtTheEnd,
            ring(Mpmc, 1)
                .sender(&[ONE])
                .closer()
                .receivers(2, LEASE)
                .kills(1),
        ),
    ];
    rows
}

#[test]
fn no_rule_can_be_left_out() {
    for (mutant, setup) in table() {
        let whole = Engine::new(setup.clone()).run(LIMIT);
        if let Some((what, trace)) = whole.failure {
            panic!("before {mutant:?}: {what}\n{trace}");
        }
        let broken = Engine::new(setup.without(mutant)).run(LIMIT);
        let what = broken.failure.map(|(what, _)| what);
        let (all, few) = (whole.states, broken.states);
        println!("{mutant:?}: {all} states whole, {few} broken: {what:?}");
        let what = what.unwrap_or_else(|| panic!("{mutant:?} is not noticed"));
        assert!(!what.starts_with("more than"), "{mutant:?}: {what}");
    }
}
