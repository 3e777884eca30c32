//! The rules taken out, one at a time: each must then be found broken.
//!
//! The code under test knows nothing of this. A mutant changes what an access
//! does or what it finds ([`Filter`]), or what the code is told by the traits that
//! the model implements (in [`context`](super::context) and
//! [`receiver`](super::receiver)).

use super::codec::Codec;
use super::context::Context;
use super::process::LocalState;
use super::script::Stage;
use super::state::{CELLS, DIRTY, ENTRIES, Location, WORDS, is_entry, is_epoch, is_word, place_of};
use crate::members::MemberId;
use crate::ring::end::ConcludeStep;
use crate::ring::layout::Cell;
use crate::ring::slot::{Geometry, SlotState, SlotWord, before};
use crate::sys::atomic::watched::Access;

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// R3, R5: a sender believes the receiver done with everything.
    ClaimUnasked,
    /// R4: a sender's own hint leads.
    HintLeads,
    /// R6: a successor trusts `sent` alone.
    TrustSent,
    /// R4: a sender whose claim fails goes on without another look.
    OnAfterFailure,
    /// R6: `sent` before the word.
    SentBeforeWord,
    /// R6: `sent` only at the end of a batch, however long.
    SentAtTheEnd,
    /// R7: a claim is passed over.
    SkipClaims,
    /// R8: `credit` before `done`.
    CreditBeforeDone,
    /// R8, R9: a successor starts at `credit`.
    ResumeFromCredit,
    /// R10: an abandoned claim is free for the same lap.
    AbandonForSameLap,
    /// R11: a later word is waited at.
    WaitAtLaterWords,
    /// R12: requeues are not counted.
    NoAnnouncement,
    /// R12: the head is put back instead.
    PutHeadBack,
    /// R12: a fresh receiver believes that nothing lies behind the head.
    NoFirstLookBehind,
    /// R12: the count is remembered as of after the look.
    CountAfterLook,
    /// R12: only what lies behind the head that was seen is looked for.
    LookBehindOldHead,
    /// R13: a recovery that finds nothing announces nothing.
    SilentRecovery,
    /// R13, M2: an id is used before what was held on it is recovered.
    UseBeforeRecovery,
    /// M2: an entry is marked clean by a survivor that a successor kept from recovering.
    CleanBesideSuccessor,
    /// R14: the dead are remembered, not probed again.
    RememberTheDead,
    /// R15: a loss is counted after it happened.
    CountAfterLoss,
    /// R16: redeliveries do not grow. (The ledger then asks nothing of them.)
    ForgetRedeliveries,
    /// R17: a sender does not look at `closed` after its claim, or `busy`.
    NoLookAtClosed,
    /// R17: a busy sender is not waited for.
    NoneIsBusy,
    /// R17: nothing is looked for once no sender is busy.
    NoLastLook,
    /// R19: `Closed` without a scan before it,
    NoScanAtTheEnd,
    /// or after one that did not come to its end.
    PartialIsComplete,
    /// M5: a death is not counted,
    DeathUncounted,
    /// or only after the entry was marked clean,
    CleanBeforeDeath,
    /// and so a departure.
    CleanBeforeDeparture,
}

/// What becomes of an access.
pub(super) enum Filtered {
    /// It is made, perhaps changed.
    Go(Location, Access),
    /// It is not made, and finds this.
    Answer(u64),
}

/// A mutant's hand on the accesses of one stage.
pub(super) struct Filter {
    mutant: Option<Mutant>,
    geometry: Geometry,
    codec: Codec,
    stage: Stage,
    is_sender: bool,
    many_senders: bool,
    /// What the control words last held.
    loaded: [u64; CELLS.len()],
    /// The position whose word is loaded next, where that is known.
    expected: Option<u64>,
    /// The position of the last word that was swapped.
    swapped: Option<u64>,
    /// An access put off until another has been made.
    deferred: Option<(Location, Access)>,
    is_due: bool,
    next: u64,
    /// A receiver has loaded the count of requeues, and now looks at all slots.
    looks_behind: bool,
    /// The last swap of a claim failed,
    failed: bool,
    /// which was at this position.
    position: u64,
}

impl Filter {
    pub(super) fn new(context: &Context, local: &LocalState) -> Self {
        let scenario = &context.scenario;
        let is_sender = scenario.is_sender(local.process);
        let next = local.side[0];
        let single_receiver = !is_sender && !scenario.many_receivers;
        Filter {
            mutant: scenario.mutant,
            geometry: context.codec.geometry,
            codec: context.codec,
            stage: local.stage,
            is_sender,
            many_senders: scenario.many_senders,
            loaded: [0; CELLS.len()],
            expected: single_receiver.then_some(next),
            swapped: None,
            deferred: None,
            is_due: false,
            next,
            looks_behind: false,
            failed: false,
            position: 0,
        }
    }

    /// What was put off and is to be done now.
    pub(super) fn due(&self) -> Option<(Location, Access)> {
        self.deferred.filter(|_| self.is_due)
    }

    /// The end of the stage: nothing is put off any longer.
    pub(super) fn force(&mut self) {
        self.is_due = true;
    }

    pub(super) fn done(&mut self) {
        self.deferred = None;
        self.is_due = false;
    }

    fn defer(&mut self, place: Location, access: Access) -> Filtered {
        self.deferred = Some((place, access));
        Filtered::Answer(0)
    }

    pub(super) fn before(&mut self, place: Location, access: Access) -> Filtered {
        let go = Filtered::Go(place, access);
        let Some(mutant) = self.mutant else {
            return go;
        };
        let at = |cell: Cell| place == place_of(cell);
        match (mutant, access) {
            (Mutant::ClaimUnasked, Access::Load)
                if matches!(self.stage, Stage::TryFast | Stage::Claim)
                    && (at(Cell::Credit) || at(Cell::Done)) =>
            {
                // Many: far ahead of any position. Single: all is acknowledged.
                let ahead = if self.many_senders { 1 << 20 } else { 0 };
                Filtered::Answer(self.next_position().wrapping_add(ahead))
            }
            (Mutant::OnAfterFailure, Access::Load) if is_word(place) && self.failed => {
                // As if it had been seen taken.
                self.failed = false;
                Filtered::Answer(self.geometry.claimed(self.position, MemberId(511)).0)
            }
            (Mutant::TrustSent, Access::Load)
                if self.stage == Stage::Attach && self.is_sender && is_word(place) =>
            {
                let sent = self.loaded[place_of(Cell::Sent) as usize];
                Filtered::Answer(self.geometry.free(sent).0)
            }
            (Mutant::SentBeforeWord, Access::Store(_))
                if matches!(self.stage, Stage::Publish { .. }) && is_word(place) =>
            {
                self.defer(place, access)
            }
            (Mutant::SentAtTheEnd, Access::Store(_))
                if matches!(self.stage, Stage::Publish { .. }) && at(Cell::Sent) =>
            {
                Filtered::Answer(0)
            }
            (Mutant::CreditBeforeDone, Access::Store(_)) if at(Cell::Done) => {
                self.defer(place, access)
            }
            (Mutant::CountAfterLoss, Access::Add(1)) if at(Cell::Lost) => self.defer(place, access),
            (Mutant::ResumeFromCredit, Access::Load)
                if self.stage == Stage::Attach && at(Cell::Done) =>
            {
                Filtered::Go(place_of(Cell::Credit), access)
            }
            (Mutant::AbandonForSameLap, Access::Store(free))
                if matches!(self.stage, Stage::Abandon { .. }) && is_word(place) =>
            {
                let Stage::Abandon { position } = self.stage else {
                    unreachable!()
                };
                debug_assert_ne!(free, self.geometry.free(position).0);
                Filtered::Go(place, Access::Store(self.geometry.free(position).0))
            }
            (Mutant::NoAnnouncement, Access::Add(_)) if at(Cell::Requeues) => Filtered::Answer(0),
            (Mutant::PutHeadBack, Access::Add(_)) if at(Cell::Requeues) => match self.swapped {
                Some(position) => Filtered::Go(place_of(Cell::Head), Access::Store(position)),
                None => Filtered::Answer(0),
            },
            (Mutant::SilentRecovery, Access::Add(_))
                if at(Cell::Requeues) && self.swapped.is_none() =>
            {
                Filtered::Answer(0)
            }
            (Mutant::ForgetRedeliveries, Access::Swap(from, to)) if is_word(place) => {
                let kept = self.without_redeliveries(place, SlotWord(to));
                Filtered::Go(place, Access::Swap(from, kept))
            }
            (Mutant::NoLookAtClosed, Access::Load)
                if at(Cell::Closed)
                    && matches!(self.stage, Stage::Begin | Stage::TryFast | Stage::Claim) =>
            {
                Filtered::Answer(0)
            }
            (Mutant::NoneIsBusy, Access::Load)
                if at(Cell::Busy) && self.is_concluding(ConcludeStep::Quiescence) =>
            {
                Filtered::Answer(0)
            }
            (Mutant::DeathUncounted, Access::Add(_)) if is_epoch(place) && self.scans() => {
                Filtered::Answer(0)
            }
            (Mutant::CleanBeforeDeath, Access::Add(_)) if is_epoch(place) && self.scans() => {
                self.defer(place, access)
            }
            (Mutant::CleanBeforeDeparture, Access::Add(_))
                if is_epoch(place) && self.stage == Stage::Detach =>
            {
                self.defer(place, access)
            }
            _ => go,
        }
    }

    fn is_concluding(&self, step: ConcludeStep) -> bool {
        matches!(self.stage, Stage::Conclude(at, _) if at == step)
    }

    fn scans(&self) -> bool {
        self.stage == Stage::Scan || self.is_concluding(ConcludeStep::Scan)
    }

    fn receives(&self) -> bool {
        use ConcludeStep::{Attempt, LastAttempt};
        matches!(
            self.stage,
            Stage::Take | Stage::TakeMore | Stage::Conclude(Attempt(_) | LastAttempt, _)
        )
    }

    /// What an access that was made seems to have found.
    pub(super) fn after(&mut self, place: Location, access: Access, result: u64) -> u64 {
        let Some(mutant) = self.mutant else {
            return result;
        };
        self.is_due |= self.deferred.is_some();
        if (place as usize) < CELLS.len() && access == Access::Load {
            self.loaded[place as usize] = result;
        }
        if place == place_of(Cell::Head) && access == Access::Load {
            self.expected = Some(result);
            self.looks_behind = false;
        }
        self.looks_behind |= place == place_of(Cell::Requeues);
        if mutant == Mutant::UseBeforeRecovery && self.stage == Stage::Enter && is_entry(place) {
            return result & !u64::from(DIRTY);
        }
        if !is_word(place) {
            return result;
        }
        let word = SlotWord(result);
        if let Access::Swap(from, to) = access {
            self.position = self.position_of(place, SlotWord(to));
            self.failed = self.stage == Stage::Claim && from != result;
            if from == result {
                self.swapped = Some(self.position_of(place, word));
            }
            return result;
        }
        let receives = self.receives();
        let behind = self.looks_behind && receives;
        let expected = self.expected.take();
        match mutant {
            Mutant::LookBehindOldHead if behind => {
                let head = self.loaded[place_of(Cell::Head) as usize];
                match before(self.position_of(place, word), head) {
                    true => result,
                    false => self.codec.unpack_word(place - WORDS, 0).0,
                }
            }
            Mutant::SkipClaims if receives && word.state() == SlotState::Claimed => {
                self.geometry.freed(word).0
            }
            Mutant::WaitAtLaterWords if receives => match expected {
                Some(position) if self.geometry.lap_delta(word, position) > 0 => {
                    self.geometry.free(position).0
                }
                _ => result,
            },
            _ => result,
        }
    }

    /// The position that a single sender is at; for many, that of the hint.
    fn next_position(&self) -> u64 {
        if self.many_senders {
            self.loaded[place_of(Cell::Tail) as usize]
        } else {
            self.next
        }
    }

    fn position_of(&self, place: Location, word: SlotWord) -> u64 {
        let packed = self.codec.pack_word(place - WORDS, word);
        self.codec.position_of(place - WORDS, packed)
    }

    fn without_redeliveries(&self, place: Location, word: SlotWord) -> u64 {
        debug_assert!(place < ENTRIES);
        let packed = self.codec.pack_word(place - WORDS, word);
        self.codec.unpack_word(place - WORDS, packed & !(15 << 3)).0
    }
}
