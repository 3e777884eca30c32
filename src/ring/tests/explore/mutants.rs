//! The rules taken out, one at a time: each must then be found broken.
//!
//! The code under test knows nothing of this. A mutant changes what an access
//! does or what it finds ([`Filter`]), or what the code is told by the traits that
//! the model implements (in [`context`](super::context) and
//! [`receiver`](super::receiver)).

use super::Saved;
use super::codec::Codec;
use super::context::Context;
use super::process::LocalState;
use super::script::Stage;
use super::state::{
    CELLS, DIRTY, ENTRIES, Location, WORDS, is_attempts, is_entry, is_epoch, is_word, place_of,
};
use crate::members::MemberId;
use crate::ring::end::ConcludeStep;
use crate::ring::layout::Cell;
use crate::ring::slot::{Geometry, SlotState, SlotWord, before};
use crate::ring::spsc::Places;
use crate::sys::atomic::watched::Access;

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// R3, R5: a sender believes the receiver done with everything.
    ClaimUnasked,
    /// R4: a sender's own hint leads.
    HintLeads,
    /// R4: a sender whose claim fails goes on without another look.
    OnAfterFailure,
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
    /// S1: a word says more than is there.
    PublishAhead,
    /// S3: a successor believes all to be free.
    SuccessorHasRoom,
    /// S5: a successor starts at `done`, wherever the words end.
    NoWalk,
    /// S1, S5: a word of the next lap is none.
    LaterLapIsNone,
    /// S7: a late message is said to be in time,
    LateIsOk,
    /// or late without the end being fixed.
    LateUnasked,
    /// S8, S9: nothing is looked at before a send.
    NoLookBefore,
    /// S10: a receiver takes what comes after the end.
    IgnoreEnd,
    /// S11: the end is fixed without another look.
    NoLookBeforeTheEnd,
    /// S12: the end is fixed at `done`.
    FixAtDone,
    /// S13: `Closed` is reported wherever the end is.
    EndUnreached,
    /// S14: a successor does not know that the end is fixed.
    EndUnloaded,
    /// S15: a lease does not show.
    TakenUnstored,
    /// S16: attempts of the lap before are counted on,
    NoZeroes,
    /// or they become valid unsaid.
    MarkedUnstored,
    /// S17: a message is said to be given back before its attempt is counted.
    TakenBeforeAttempt,
    /// S18: no attempts are valid,
    ForgetMarked,
    /// or all.
    IgnoreMarked,
    /// S19: a message behind what is in hand is dropped.
    DropInHand,
    /// S20: the end is fixed by a store.
    FixTwice,
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
    side: Saved,
    /// One sender, one receiver.
    places: Option<Places>,
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
            side: local.side,
            places: scenario.places(),
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
        if let Some(filtered) = self.before_one_to_one(mutant, place, access) {
            return filtered;
        }
        match (mutant, access) {
            (Mutant::ClaimUnasked, Access::Load)
                if matches!(self.stage, Stage::TryFast | Stage::Claim | Stage::Run)
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
                    && matches!(
                        self.stage,
                        Stage::Begin | Stage::TryFast | Stage::Claim | Stage::Complete { .. }
                    ) =>
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

    /// Rules of one sender and one receiver.
    fn before_one_to_one(
        &mut self,
        mutant: Mutant,
        place: Location,
        access: Access,
    ) -> Option<Filtered> {
        self.places?;
        let at = |cell: Cell| place == place_of(cell);
        let publishes = matches!(
            self.stage,
            Stage::Publish { .. } | Stage::Chunk { .. } | Stage::Run
        );
        let attaches = self.stage == Stage::Attach;
        let fixes = matches!(self.stage, Stage::Complete { .. });
        let is_word = is_word(place) || at(Cell::Sent);
        Some(match (mutant, access) {
            (Mutant::PublishAhead, Access::Store(word)) if publishes && is_word => {
                Filtered::Go(place, Access::Store(word.wrapping_add(1)))
            }
            (Mutant::NoWalk, Access::Load) if attaches && self.is_sender && is_word => {
                Filtered::Answer(self.codec.position(0))
            }
            (Mutant::LateIsOk, Access::Swap(none, _)) if fixes => Filtered::Answer(none),
            (Mutant::LateUnasked, Access::Swap(..)) if fixes => {
                Filtered::Answer(self.codec.unpack(place, 1))
            }
            (Mutant::NoLookBefore, Access::Load) if self.stage == Stage::Begin => {
                Filtered::Answer(0)
            }
            (Mutant::FixAtDone, Access::Swap(none, _))
                if self.is_concluding(ConcludeStep::Quiescence) =>
            {
                let done = self.codec.offset(self.side[3]);
                let end = self.codec.unpack(place, u16::from(done) + 1);
                Filtered::Go(place, Access::Swap(none, end))
            }
            (Mutant::NoLookBeforeTheEnd, Access::Load)
                if is_word && self.is_concluding(ConcludeStep::Quiescence) =>
            {
                Filtered::Answer(self.codec.position(0))
            }
            (Mutant::EndUnloaded, Access::Load) if attaches && at(Cell::Final) => {
                Filtered::Answer(0)
            }
            (Mutant::TakenUnstored, Access::Store(_))
                if self.stage == Stage::HandOut && at(Cell::Taken) =>
            {
                Filtered::Answer(0)
            }
            (Mutant::NoZeroes, Access::Store(0)) if is_attempts(place) => Filtered::Answer(0),
            (Mutant::MarkedUnstored, Access::Store(_)) if at(Cell::Marked) => Filtered::Answer(0),
            (Mutant::TakenBeforeAttempt, Access::Store(1..)) if is_attempts(place) => {
                self.defer(place, access)
            }
            (Mutant::FixTwice, Access::Swap(_, end)) if at(Cell::Final) => {
                Filtered::Go(place, Access::Store(end))
            }
            _ => return None,
        })
    }

    /// What a load of the word of a line seems to have found.
    fn word_of_line(&self, places: Places, mutant: Mutant, access: Access, word: u64) -> u64 {
        let next = match self.stage {
            Stage::Attach => self.loaded[place_of(Cell::Done) as usize],
            _ => self.next,
        };
        let next = places.canonical(next);
        let line_end = next.wrapping_add(places.left_in_line(next));
        let is_later = access == Access::Load && before(line_end, word);
        match mutant {
            Mutant::LaterLapIsNone if is_later => self.codec.position(0),
            _ => word,
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
        if let Some(places) = self.places {
            return self.word_of_line(places, mutant, access, result);
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

/// What a receiver that leaves a rule out remembers instead of `side`; it `holds` messages.
pub(super) fn remembers(context: &Context, side: Saved, holds: bool) -> Saved {
    let mut side = side;
    let Some(mutant) = context
        .scenario
        .mutant
        .filter(|_| context.scenario.is_one_to_one())
    else {
        return side;
    };
    let [next, .., marked, is_ended, _, is_careful, _] = &mut side;
    match mutant {
        Mutant::IgnoreEnd => *is_ended = 0,
        Mutant::ForgetMarked => *marked = context.codec.position(0),
        Mutant::IgnoreMarked => {
            *marked = next.wrapping_add(context.codec.geometry.capacity());
            *is_careful = 1;
        }
        Mutant::DropInHand if holds => side[3] = side[0],
        _ => {}
    }
    side
}
