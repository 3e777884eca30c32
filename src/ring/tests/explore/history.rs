//! Drops from a stage's history what the code does not remember itself, so that local
//! states that differ in nothing else are one.

use super::context::Context;
use super::mutants::Mutant;
use super::process::LocalState;
use super::script::Stage;
use super::state::{DEAD, DIRTY, ENTRIES, LOCKS, Location, PackedAccess, is_word, place_of};
use crate::members::Observed;
use crate::ring::end::ConcludeStep;
use crate::ring::layout::Cell;
use crate::ring::slot::SlotState;

/// An access that was made, or is about to be.
type Made = (Location, PackedAccess);

/// The state of a packed word that a receiver waits at.
const CLAIMED: u16 = SlotState::Claimed as u16;

/// The history stays one that leads to the same place with the same variables:
///
/// - a sender that looks at a word for a claim knows only its position, as if
///   the hint had led there at once; so does a receiver, and the successor of a single
///   sender;
/// - a claim of a sender knows that credit sufficed, not how much there was;
/// - a look behind the head knows nothing of the slots that it passed (0 is a word
///   that it does not want);
/// - a scan, and a successor that recovers what was held on its id: see
///   [`forget_scan`].
pub(super) fn forget(context: &Context, local: &mut LocalState, made: &[Made], pending: Made) {
    let position = context.memory.last_position();
    let offset = |position: u64| u16::from(context.codec.offset(position));
    let looks_at_word = is_word(pending.0) && pending.1 == PackedAccess::Load;
    let is_sender = context.scenario.is_sender(local.process);
    let history = &mut local.history;
    match local.stage {
        Stage::Claim if made.first() == Some(&load_of(Cell::Tail)) => {
            if looks_at_word {
                *history = vec![offset(position)];
            } else if matches!(pending.1, PackedAccess::Swap(..)) && made.len() > 2 {
                history.truncate(2);
                let capacity = context.codec.geometry.capacity();
                history.push(offset(position.wrapping_sub(capacity).wrapping_add(1)));
            }
        }
        Stage::Take
        | Stage::TakeMore
        | Stage::Conclude(ConcludeStep::Attempt(_) | ConcludeStep::LastAttempt, _)
            if looks_at_word =>
        {
            forget_take(context, history, made);
        }
        Stage::Attach if is_sender && looks_at_word && context.scenario.many_receivers => {
            *history = vec![offset(position)];
        }
        Stage::Scan | Stage::Conclude(ConcludeStep::Scan, _) => {
            *history = forget_scan(context, history, made, pending);
        }
        Stage::Missed(_) | Stage::Conclude(ConcludeStep::Confirm, _) => {
            forget_presence(local.peers, history);
        }
        Stage::Enter => {
            *history = forget_entering(context, local.process, history, made, pending);
        }
        _ => {}
    }
}

fn load_of(cell: Cell) -> Made {
    (place_of(cell), PackedAccess::Load)
}

fn forget_take(context: &Context, history: &mut Vec<u16>, made: &[Made]) {
    let last = |wanted| made.iter().rposition(|access| *access == wanted);
    let Some(head) = last(load_of(Cell::Head)) else {
        return; // a single receiver
    };
    match last(load_of(Cell::Requeues)) {
        Some(requeues) if requeues > head => {
            forget_words(history, made, requeues + 1);
            if head + 1 < requeues && history[head + 1] >> 7 & 3 != CLAIMED {
                // Nothing was there, whatever it was: say free.
                let from = context.codec.position(history[head] as u8);
                let free = context.codec.geometry.free(from).0;
                history[head + 1] = context.codec.pack(made[head + 1].0, free);
            }
        }
        looked => {
            history.truncate(head);
            if let Some(requeues) = looked {
                history[0] = 0;
                forget_words(history, made, requeues + 1);
            }
            let position = context.memory.last_position();
            history.push(context.codec.offset(position).into());
        }
    }
}

/// Leaves of a history from `from` on only so many words that were passed.
fn forget_words(history: &mut Vec<u16>, made: &[Made], from: usize) {
    let until = history.len();
    let loads = made[from..until]
        .iter()
        .filter(|(_, access)| *access == PackedAccess::Load);
    let words = loads.count();
    history.truncate(from);
    history.resize(from + words, 0);
}

/// A scan remembers the entries of the members that it found dead, and of the slots
/// which of those members proved to be alive after all. The rest is as if it had found
/// nothing: a clean entry, a word without an owner.
fn forget_scan(context: &Context, history: &[u16], made: &[Made], pending: Made) -> Vec<u16> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < made.len() {
        let (place, access) = made[at];
        if !is_look((place, access)) {
            let found = history[at];
            let is_found = found & DEAD != 0 && found as u8 & DIRTY != 0;
            kept.push(match access {
                PackedAccess::Survey if !is_found => 0,
                _ => found,
            });
            at += 1;
            continue;
        }
        // What was done about the slot, up to the next one or the end of the walk.
        let mut rest = made[at + 1..].iter().chain([&pending]);
        let leaves = |next: &Made| is_look(*next) || next.0 == place_of(Cell::Requeues);
        let done = rest.position(leaves).map(|steps| at + 1 + steps);
        let until = done.unwrap_or(made.len());
        let alive = (at..until).find(|at| made[*at].1 == PackedAccess::Probe && history[*at] == 1);
        if done.is_none() || context.scenario.minds_recovery() {
            kept.extend(&history[at..until]);
        } else if let Some(probe) = alive {
            let owner = u16::from(made[probe].0 - LOCKS) + 1;
            kept.extend([1 << 9 | CLAIMED << 7 | owner, 1]);
        } else {
            kept.push(0);
        }
        at = until;
    }
    kept
}

/// An entry that was taken and cleaned again.
const TAKEN_ONCE: u16 = 2;

fn is_look((place, access): Made) -> bool {
    is_word(place) && access == PackedAccess::Load
}

/// A look at the other side remembers its last load of the epoch, and of each entry no
/// more than whether it was ever taken: the first that it found in use by a living
/// member was the last that it looked at.
fn forget_presence(known: Observed, history: &mut [u16]) {
    let [first, epoch, surveys @ ..] = history else {
        return;
    };
    if known
        .latest
        .is_none_or(|latest| latest.0 != u64::from(*epoch))
    {
        *first = *epoch;
    }
    for survey in surveys {
        *survey = match *survey & !(DEAD | u16::from(DIRTY)) {
            0 => 0,
            _ => TAKEN_ONCE,
        };
    }
}

/// A process that has taken its entry has forgotten what it recovered before.
fn forget_entering(
    context: &Context,
    process: u8,
    history: &[u16],
    made: &[Made],
    pending: Made,
) -> Vec<u16> {
    let takes = |(place, access): &Made| {
        *place == ENTRIES + process && matches!(access, PackedAccess::Store(_))
    };
    let Some(taken) = made.iter().position(takes) else {
        return forget_scan(context, history, made, pending);
    };
    let found = match context.scenario.detaches {
        true => history[0] & !u16::from(DIRTY),
        false => 0,
    };
    let (history, made) = (&history[taken + 1..], &made[taken + 1..]);
    let mut kept = vec![found, 0];
    kept.extend(forget_scan(context, history, made, pending));
    kept
}

impl super::Scenario {
    /// Does something hang on what a recovery did to the slots that it has passed?
    fn minds_recovery(&self) -> bool {
        let by_swaps = [Mutant::PutHeadBack, Mutant::SilentRecovery];
        self.max_probes < usize::MAX || self.mutant.is_some_and(|mutant| by_swaps.contains(&mutant))
    }
}
