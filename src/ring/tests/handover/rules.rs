//! The rules taken out, one at a time: each must then be found broken, in a small world in
//! which nothing goes wrong as long as it is kept.

use super::engine::HandoverEngine;
use super::script::{HandoverStage, Local, Pending};
use super::world::HandoverScenario;
use super::{LIMIT, Lease, Recv, RecvTimed, Send, SendTimed, TrySend};
use crate::ring::rendezvous::WaiterWord;
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::watched::Access;

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// RV1: a slot is claimed by a swap.
    ClaimBySwap,
    /// RV3: an offer is taken back by a swap,
    TakeBackBySwap,
    /// and so is it taken.
    TakeBySwap,
    /// RV2, RV4: what is in hand is not over.
    WaitForTheRelease,
    /// RV6: what a dead receiver had is given back by those who find it.
    GiveBack,
    /// RV7: at the end of the ring the message comes back only if no receiver has it.
    TakeBackAtTheEnd,
    /// RV8: what a dead sender has offered is taken back.
    RecoverOffers,
    /// RV10: an announcement is withdrawn by a swap, which sees a binding,
    WithdrawBySwap,
    /// before any other message is taken.
    WithdrawFirst,
    /// RV10: a receiver that is bound is probed afterwards.
    ProbeTheBound,
    /// RV11: what is left is the sender's no more.
    Disown,
    /// RV12: the waiter words of the dead are freed,
    RecoverWaiters,
    /// also those that a sender binds meanwhile.
    RecoverTheBound,
    /// R14: the owner is probed after the word was loaded.
    ProbeAgain,
}

/// What becomes of an access, if a rule is left out.
pub(super) fn filter(
    scenario: &HandoverScenario,
    local: &Local,
    place: usize,
    access: Access,
) -> Pending {
    let made = Pending {
        place,
        access,
        answer: None,
    };
    let (Access::Swap(from, to), Some(rule)) = (access, scenario.without) else {
        return made;
    };
    // It stores, and believes that it has found what it expected.
    let stores = Pending {
        access: Access::Store(to),
        answer: Some(from),
        ..made
    };
    // It does nothing, and believes that others were faster,
    let fails = Pending {
        access: Access::Load,
        answer: Some(!from),
        ..made
    };
    // or that it has done it.
    let skips = Pending {
        answer: Some(from),
        ..fails
    };
    let is_slot = place < scenario.slots;
    let is_waiter = !is_slot && place < scenario.payload(0);
    let state = SlotWord(from).state();
    match (rule, local.stage) {
        (Rule::ClaimBySwap, HandoverStage::Claiming) if is_slot => stores,
        (Rule::TakeBackBySwap, HandoverStage::GivingUp(_)) if state == SlotState::Published => {
            stores
        }
        (Rule::TakeBySwap, HandoverStage::Taking) if is_slot => stores,
        (Rule::GiveBack, _) if is_slot && state == SlotState::Reading => fails,
        (Rule::RecoverOffers, HandoverStage::Reaping(..) | HandoverStage::Succeed)
            if is_slot && state == SlotState::Published =>
        {
            fails
        }
        (
            Rule::WithdrawBySwap,
            HandoverStage::Taking
            | HandoverStage::Withdrawing(_)
            | HandoverStage::Abandoning
            | HandoverStage::AtTheEnd,
        ) if is_waiter => stores,
        (Rule::RecoverTheBound, HandoverStage::Reaping(..) | HandoverStage::Succeed)
            if is_waiter && !WaiterWord(from).is_waiting() =>
        {
            skips
        }
        (Rule::Disown, HandoverStage::Leaving(_))
            if is_slot && SlotWord(to).state() == SlotState::Published =>
        {
            skips
        }
        _ => made,
    }
}

fn table() -> Vec<(Rule, HandoverScenario)> {
    let ring = || HandoverScenario::new(1, 1);
    vec![
        (Rule::ClaimBySwap, {
            let ring = ring().sender(&[SendTimed]).sender(&[SendTimed]);
            ring.receiver(&[RecvTimed])
        }),
        (Rule::TakeBackBySwap, {
            ring().sender(&[SendTimed]).receiver(&[RecvTimed])
        }),
        (Rule::TakeBySwap, {
            let ring = ring().sender(&[Send]).receiver(&[RecvTimed]);
            ring.receiver(&[RecvTimed])
        }),
        (Rule::WaitForTheRelease, {
            ring().sender(&[Send]).receiver(&[Recv])
        }),
        (Rule::GiveBack, {
            ring()
                .sender(&[Send])
                .receiver(&[Recv])
                .receiver(&[Recv])
                .kills(1)
        }),
        (Rule::TakeBackAtTheEnd, {
            ring().closer().sender(&[Send]).receiver(&[Recv])
        }),
        (Rule::RecoverOffers, {
            ring().sender(&[Send]).receiver(&[RecvTimed]).kills(1)
        }),
        (Rule::WithdrawBySwap, {
            ring().sender(&[TrySend]).receiver(&[RecvTimed])
        }),
        (Rule::WithdrawFirst, {
            let ring = ring().sender(&[TrySend]).sender(&[SendTimed]);
            ring.receiver(&[RecvTimed])
        }),
        (Rule::ProbeTheBound, {
            ring()
                .sender(&[TrySend, TrySend])
                .receiver(&[RecvTimed])
                .kills(1)
        }),
        (Rule::Disown, {
            ring().sender(&[TrySend]).receiver(&[RecvTimed]).kills(1)
        }),
        (Rule::RecoverWaiters, {
            ring().sender(&[SendTimed]).receiver(&[RecvTimed]).kills(1)
        }),
        (Rule::RecoverTheBound, {
            let ring = ring().successors().sender(&[TrySend]);
            ring.receiver(&[RecvTimed]).kills(1)
        }),
        (Rule::ProbeAgain, {
            let ring = ring().successors().sender(&[Send, Send]);
            ring.receiver(&[RecvTimed, Lease]).kills(1)
        }),
    ]
}

#[test]
fn each_rule_is_needed() {
    let mut unnoticed = Vec::new();
    for (rule, scenario) in table() {
        let kept = HandoverEngine::new(scenario.clone()).run(LIMIT);
        assert_eq!(kept.failure, None, "{rule:?} is kept");
        let broken = HandoverEngine::new(scenario.without(rule)).run(LIMIT);
        match broken.failure {
            Some(what) => println!("{rule:?}: {}", what.lines().next().unwrap_or_default()),
            None => unnoticed.push(rule),
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
