//! What a process does, stage by stage, and the rules that can be left out.

use super::super::super::Holders;
use super::super::super::held::{WaitState, Waiting};
use super::super::super::lock::{LockCount, LockRules, LockWord, POISONED, owner};
use super::engine::script::{
    Explored, WordConfig, WordPresence, WordProgress, WordScript, changed,
};
use super::engine::world::{BlockStep, ExploredMember, ExploredPark, Remembered, WORD, WordMemory};
use crate::members::MemberSet;
use crate::sys::atomic::watched::Access;
use crate::wait::ParkHalf;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// L2: who frees a word with WAITERS wakes.
    Wake,
    /// L2, L12: the lock stays poisoned if the value was not repaired.
    KeepPoison,
    /// L3: WAITERS goes onto the word.
    Mark,
    /// L4: and again when one that has slept takes it.
    MarkAfterSleep,
    /// L5: the holder is asked for at each expiry.
    ProbeAgain,
    /// L6: a dead holder loses the lock.
    TakeOver,
    /// L6: what is swapped is the word that was loaded before the probe.
    ExactWord,
    /// L6: which was loaded before the probe, and not after it.
    ProbeFirst,
    /// L6: a takeover poisons.
    PoisonTakenOver,
    /// L7: each taking counts up.
    Count,
    /// L8: a successor frees what its id holds.
    Recover,
    /// L8: poisoned.
    PoisonRecovered,
    /// L10: one that gives up wakes another.
    PassOn,
}

/// What is explored.
#[derive(Clone, Debug)]
pub(super) struct LockScenario {
    /// Of each process: how often it takes the lock.
    pub visits: Vec<u8>,
    /// So many deaths at most.
    pub kills: u8,
    /// Each of the dead has a successor on its id.
    pub successors: bool,
    /// The first process leaves a poisoned value as it is.
    pub leaves_poison: bool,
    /// This process may give up after a sleep.
    pub gives_up: Option<usize>,
    pub without: Option<LeftOut>,
}

impl LockScenario {
    pub(super) fn new(visits: &[u8]) -> LockScenario {
        LockScenario {
            visits: visits.to_vec(),
            kills: 0,
            successors: false,
            leaves_poison: false,
            gives_up: None,
            without: None,
        }
    }

    pub(super) fn kills(mut self, kills: u8) -> LockScenario {
        self.kills = kills;
        self
    }

    pub(super) fn successors(mut self) -> LockScenario {
        self.successors = true;
        self
    }

    pub(super) fn leaving_poison(mut self) -> LockScenario {
        self.leaves_poison = true;
        self
    }

    pub(super) fn giving_up(mut self, process: usize) -> LockScenario {
        self.gives_up = Some(process);
        self
    }

    pub(super) fn without(mut self, rule: LeftOut) -> LockScenario {
        self.without = Some(rule);
        self
    }

    pub(super) fn lacks(&self, rule: LeftOut) -> bool {
        self.without == Some(rule)
    }
}

/// Where a process is. Between two stages it has made no access of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LockStage {
    /// Frees what a predecessor held.
    Recover,
    Arrive,
    Wait(BlockStep),
    GiveUp,
    /// It has the lock, by this word.
    Inside(u64),
    Leave(u64),
    Done,
    Dead,
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LockLocal {
    process: usize,
    stage: LockStage,
    visits: u8,
    wait: Remembered,
}

impl WordScript for LockScenario {
    type Local = LockLocal;

    fn config(&self) -> WordConfig {
        WordConfig {
            processes: self.visits.len(),
            members: self.visits.len(),
            kills: self.kills,
            successors: self.successors,
        }
    }

    fn first(&self, process: usize) -> LockLocal {
        LockLocal {
            process,
            stage: LockStage::Arrive,
            visits: self.visits[process],
            wait: Remembered::default(),
        }
    }

    fn killed(&self, local: &LockLocal) -> LockLocal {
        LockLocal {
            stage: LockStage::Dead,
            // Its successor comes at least once.
            visits: local.visits.max(1),
            ..self.first(local.process)
        }
    }

    fn successor(&self, killed: &LockLocal) -> LockLocal {
        LockLocal {
            stage: LockStage::Recover,
            ..*killed
        }
    }

    fn progress(&self, local: &LockLocal) -> WordProgress {
        match local.stage {
            LockStage::Done => WordProgress::Done,
            LockStage::Dead => WordProgress::Dead,
            _ => WordProgress::Runs,
        }
    }

    fn comes_in(&self, local: &LockLocal) -> Option<u64> {
        match local.stage {
            LockStage::Inside(held) => Some(held),
            _ => None,
        }
    }

    fn presence(&self, explored: &Explored<LockLocal>) -> WordPresence {
        match explored.local.stage {
            LockStage::Inside(_) => WordPresence::Writes,
            // Until it has freed the word.
            LockStage::Leave(_) if !explored.is_about_to_wake() => WordPresence::Writes,
            _ => WordPresence::Outside,
        }
    }

    fn tells_of_death(&self, word: u64) -> bool {
        owner(word).is_some() || word & POISONED != 0
    }

    fn may_alarm_falsely(&self) -> bool {
        matches!(
            self.without,
            Some(LeftOut::ExactWord | LeftOut::ProbeFirst | LeftOut::Count)
        )
    }

    /// It was woken, or its time is over: it looks once more, and gives up.
    fn gives_up(&self, explored: &Explored<LockLocal>) -> Option<LockLocal> {
        let local = explored.local;
        let may = local.stage == LockStage::Wait(BlockStep::Register)
            && local.wait.0.has_slept
            && explored.history.is_empty()
            && self.gives_up == Some(local.process);
        may.then_some(LockLocal {
            stage: LockStage::GiveUp,
            ..local
        })
    }

    fn run(&self, local: &mut LockLocal, memory: &WordMemory) {
        local.run(self, memory);
    }

    fn carry_out(&self, local: &LockLocal, place: usize, found: u64, access: Access) -> (u64, u64) {
        let real = (changed(found, access), found);
        let Some(rule) = self.without.filter(|_| place == WORD) else {
            return real;
        };
        let (from, to) = match access {
            Access::Swap(from, to) => (from, to),
            Access::Store(to) => (found, to),
            _ => return real,
        };
        let is_swapped = found == from;
        match (rule, local.stage) {
            (LeftOut::Count, _) if is_swapped => (to & 0xfff, found),
            (LeftOut::TakeOver, LockStage::Wait(BlockStep::Reclaim(_))) => (found, !from),
            (LeftOut::ExactWord, LockStage::Wait(BlockStep::Reclaim(_))) => (to, from),
            // As if it had been loaded after the probe.
            (LeftOut::ProbeFirst, LockStage::Wait(BlockStep::Reclaim(_)))
                if owner(found) == owner(from) =>
            {
                (to, from)
            }
            (LeftOut::PoisonTakenOver, LockStage::Wait(BlockStep::Reclaim(_)))
            | (LeftOut::PoisonRecovered, LockStage::Recover)
            | (LeftOut::KeepPoison, LockStage::Leave(_))
                if is_swapped =>
            {
                (to & !POISONED, found)
            }
            // It believes that it has set the bit.
            (LeftOut::Mark, LockStage::Wait(BlockStep::Register)) => (found, from),
            _ => real,
        }
    }

    fn sleeps(&self, _place: usize, word: u64, expected: u64) -> bool {
        // One that set no bit sleeps on a word without.
        let unmarked = u32::from(self.lacks(LeftOut::Mark));
        word as u32 & !unmarked == expected as u32 & !unmarked
    }

    fn wakes(&self, _: &LockLocal, _place: usize, count: u32) -> u32 {
        match self.lacks(LeftOut::Wake) {
            true => 0,
            false => count,
        }
    }
}

impl LockLocal {
    /// Runs the stage to its end.
    fn run(&mut self, scenario: &LockScenario, memory: &WordMemory) {
        let member = ExploredMember {
            number: self.process,
            memory,
        };
        let word = LockWord(&memory.head.word);
        let mut waiting = Waiting::new(word.0, LockRules, &member, ExploredPark);
        waiting.state = self.wait.0;
        if scenario.lacks(LeftOut::MarkAfterSleep) {
            waiting.state.has_slept = false;
        }
        self.stage = match self.stage {
            LockStage::Recover => {
                let mut own = MemberSet::only(member.me());
                if !scenario.lacks(LeftOut::Recover) {
                    word.recover(&mut own, |_| true, &ExploredPark);
                }
                LockStage::Arrive
            }
            // It expects what is true for the first one only.
            LockStage::Arrive => match word.try_lock_expecting(LockCount::of(0), member.me()) {
                Some(held) => LockStage::Inside(held),
                None => {
                    waiting.state = WaitState::default();
                    LockStage::Wait(BlockStep::Check)
                }
            },
            LockStage::Wait(step) => {
                let next = step.take(&mut waiting);
                match step {
                    BlockStep::Reclaim(_) if scenario.lacks(LeftOut::PoisonTakenOver) => {
                        let taken = waiting.state.taken_over;
                        waiting.state.taken_over = taken.map(|it| it.map(|word| word & !POISONED));
                    }
                    BlockStep::Sleep(_) if scenario.lacks(LeftOut::ProbeAgain) => {
                        waiting.state.probe_is_due = false;
                    }
                    _ => {}
                }
                next.map_or_else(LockStage::Wait, LockStage::Inside)
            }
            LockStage::GiveUp => {
                if !scenario.lacks(LeftOut::PassOn) {
                    ExploredPark.wake_half(word.0, 1);
                }
                LockStage::Done
            }
            LockStage::Inside(held) => {
                let is_poisoned = held & POISONED != 0;
                let leaves = scenario.leaves_poison && self.process == 0;
                if !is_poisoned || !leaves {
                    memory.change(is_poisoned, || word.clear_poison(member.me()));
                }
                LockStage::Leave(held)
            }
            LockStage::Leave(held) => {
                word.unlock(held, false, || ExploredPark);
                self.visits -= 1;
                match self.visits {
                    0 => LockStage::Done,
                    _ => LockStage::Arrive,
                }
            }
            LockStage::Done | LockStage::Dead => unreachable!("nothing is left to do"),
        };
        self.wait.0 = match self.stage {
            LockStage::Arrive | LockStage::Done | LockStage::Inside(_) => WaitState::default(),
            _ => waiting.state,
        };
    }
}
