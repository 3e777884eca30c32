//! What the code under test is given by the model: the locks, and recovery.

use std::cell::Cell;

use super::codec::Codec;
use super::ledger::Record;
use super::mutants::Mutant;
use super::process::{LocalState, ask, ask_for_lock, note, survey_of};
use super::script::{Stage, run_stage};
use super::state::{LOCKS, PackedAccess, WatchedMemory};
use super::{Saved, Scenario, saved};
use crate::members::{Liveness, MemberId, MemberSet, Members, Recover};
use crate::ring::recover;
use crate::ring::{Multi, Single};

/// What all processes share while they run.
pub(super) struct Context {
    pub scenario: Scenario,
    pub codec: Codec,
    pub memory: WatchedMemory,
    pub run_stage: fn(&Context, &mut LocalState),
}

impl Context {
    pub(super) fn new(scenario: Scenario) -> Self {
        let run_stage = match (scenario.many_senders, scenario.many_receivers) {
            (false, false) => run_stage::<Single, Single> as fn(&Context, &mut LocalState),
            (false, true) => run_stage::<Single, Multi>,
            (true, false) => run_stage::<Multi, Single>,
            (true, true) => run_stage::<Multi, Multi>,
        };
        Context {
            memory: WatchedMemory::new(&scenario),
            codec: Codec::new(&scenario),
            run_stage,
            scenario,
        }
    }

    pub(super) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.scenario.mutant == Some(mutant)
    }

    /// Does this process try the position after its own last one first? (One sender of
    /// one receiver then goes by credit.)
    pub(super) fn tries_fast(&self, process: u8) -> bool {
        let scenario = &self.scenario;
        scenario.fast && (scenario.is_one_of_many(process) || scenario.is_one_to_one())
    }

    /// What an endpoint remembers of what it was, as far as it matters.
    pub(super) fn remembered(&self, process: u8, side: Saved) -> Saved {
        let is_sender = self.scenario.is_sender(process);
        match (self.scenario.is_one_of_many(process), is_sender) {
            (true, _) if self.scenario.fast => side,
            (true, true) => saved([side[0]]),
            (true, false) => saved([side[0], side[1], side[2]]),
            (false, _) => side,
        }
    }
}

/// A process as the code under test asks it about others, and has it recover.
pub(super) struct Survivor<'a> {
    pub context: &'a Context,
    process: u8,
    stage: Stage,
    /// Those once found dead (only in a mutant is this remembered).
    pub found_dead: Cell<u8>,
}

impl<'a> Survivor<'a> {
    pub(super) fn new(context: &'a Context, local: &LocalState) -> Self {
        Survivor {
            context,
            process: local.process,
            stage: local.stage,
            found_dead: Cell::new(local.found_dead),
        }
    }

    pub(super) fn members(&self) -> Members<'_, WatchedMemory, Self, Self> {
        Members {
            table: &self.context.memory,
            liveness: self,
            recover: self,
        }
    }
}

impl Liveness for Survivor<'_> {
    type Error = ();

    /// A successor is given the lock as it comes to be.
    fn try_lock(&self, id: MemberId) -> Result<bool, ()> {
        assert_eq!(id, self.context.codec.member(self.process));
        ask_for_lock();
        Ok(true)
    }

    fn unlock(&self, id: MemberId) {
        ask(LOCKS + self.context.codec.process(id), PackedAccess::Unlock);
    }

    fn is_alive(&self, id: MemberId) -> bool {
        let process = self.context.codec.process(id);
        let bit = 1 << process;
        let remembers = self.context.is_mutant(Mutant::RememberTheDead);
        if process == self.process {
            return true;
        }
        if remembers && self.found_dead.get() & bit != 0 {
            return false;
        }
        let alive =
            survey_of(process).unwrap_or_else(|| ask(LOCKS + process, PackedAccess::Probe) != 0);
        if remembers && !alive {
            self.found_dead.set(self.found_dead.get() | bit);
        }
        alive
    }
}

impl Recover for Survivor<'_> {
    fn max_probes(&self) -> usize {
        self.context.scenario.max_probes
    }

    fn recover(&self, dead: &mut MemberSet, is_dead: impl FnMut(MemberId) -> bool) {
        let (memory, policy) = (&self.context.memory, self.context.scenario.policy);
        if self.context.is_mutant(Mutant::CleanBesideSuccessor) {
            recover::recover_held(memory, &mut dead.clone(), policy, is_dead);
            return;
        }
        recover::recover_held(memory, dead, policy, is_dead);
        if self.stage == Stage::Enter && dead.contains(self.context.codec.member(self.process)) {
            note(Record::GaveBack);
        }
    }

    fn wake_all(&self) {} // sleeping is not modelled
}
