//! What a process does, stage by stage.

use super::super::super::super::Holders;
use super::super::super::super::held::{HeldError, HeldWord, WaitState, Waiting};
use super::super::super::super::rwlock::readers::ReaderWait;
use super::super::super::super::rwlock::{
    Cells, ONE, ONE_INSIDE, POISONED, READERS, ReadRules, RwWord, WriteRules, freed, owner,
};
use super::super::engine::script::{
    Explored, WordConfig, WordPresence, WordProgress, WordScript, changed,
};
use super::super::engine::world::{
    BlockStep, EVENT, ExploredMember, ExploredPark, Remembered, WORD, WordMemory,
};
use super::scenario::{RwLeftOut, RwScenario};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::Ordering;
use crate::sys::atomic::watched::Access;
use crate::wait::ParkHalf;

/// Where a process is. Between two stages it has made no access of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RwStage {
    /// RW12: a successor frees what its id holds, and clears the cell; in which order is for
    /// the scenario to say.
    RecoverFirst,
    RecoverThen,
    Arrive,
    TryRead,
    TryWrite,
    ReadAtOnce,
    WriteAtOnce,
    /// A call as a whole.
    Call,
    Scan,
    /// Waits to read, or for the writer before.
    AtWord(BlockStep),
    GiveUpAtWord,
    /// Holds the word, and waits for readers.
    AtCells(u64, BlockStep),
    GiveUpAtCells(u64),
    Enter(u64),
    /// It writes, by this word.
    Writes(u64),
    LeaveWrite(u64),
    Downgrade(u64),
    /// It reads, by this word.
    Reads(u64),
    LeaveRead,
    Done,
    Dead,
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RwLocal {
    process: usize,
    stage: RwStage,
    visit: usize,
    /// How often it reads now.
    guards: u8,
    wait: Remembered,
    /// What a wait for readers remembers: the cell, and whether a probe is due.
    readers: (u16, bool),
}

impl WordScript for RwScenario {
    type Local = RwLocal;

    fn config(&self) -> WordConfig {
        WordConfig {
            processes: self.plans.len(),
            members: self.plans.len() - usize::from(self.threads),
            kills: self.kills,
            successors: self.successors,
        }
    }

    fn member(&self, process: usize) -> usize {
        process.min(self.config().members - 1)
    }

    fn first(&self, process: usize) -> RwLocal {
        RwLocal {
            process,
            stage: RwStage::Arrive,
            visit: 0,
            guards: 0,
            wait: Remembered::default(),
            readers: (1, true),
        }
    }

    fn killed(&self, local: &RwLocal) -> RwLocal {
        // Its successor comes at least once.
        let end = self.plans[local.process].len();
        let visit = match self.first_dies {
            true => end,
            false => local.visit.min(end - 1),
        };
        RwLocal {
            stage: RwStage::Dead,
            visit,
            ..self.first(local.process)
        }
    }

    fn is_killed(&self, local: &RwLocal) -> bool {
        match self.progress(local) {
            WordProgress::Runs => local.process == 0 || !self.first_dies,
            WordProgress::Done => !self.first_dies,
            WordProgress::Dead => false,
        }
    }

    fn successor(&self, killed: &RwLocal) -> RwLocal {
        RwLocal {
            stage: RwStage::RecoverFirst,
            ..*killed
        }
    }

    fn progress(&self, local: &RwLocal) -> WordProgress {
        match local.stage {
            RwStage::Done => WordProgress::Done,
            RwStage::Dead => WordProgress::Dead,
            _ => WordProgress::Runs,
        }
    }

    fn comes_in(&self, local: &RwLocal) -> Option<u64> {
        match local.stage {
            RwStage::Writes(word) | RwStage::Reads(word) => Some(word),
            _ => None,
        }
    }

    fn presence(&self, explored: &Explored<RwLocal>) -> WordPresence {
        let has_begun = !explored.history.is_empty();
        let (is_freed, guards) = (explored.is_about_to_wake(), explored.local.guards);
        match explored.local.stage {
            RwStage::Writes(_) => WordPresence::Writes,
            RwStage::LeaveWrite(_) if !is_freed => WordPresence::Writes,
            // The other way round, it counts last.
            RwStage::Downgrade(_) if self.lacks(RwLeftOut::CellBeforeWord) => match has_begun {
                true => WordPresence::Reads,
                false => WordPresence::Writes,
            },
            RwStage::Downgrade(_) if is_freed => WordPresence::Reads,
            RwStage::Downgrade(_) => WordPresence::Writes,
            RwStage::LeaveRead if guards == 1 && has_begun => WordPresence::Outside,
            _ if guards > 0 => WordPresence::Reads,
            _ => WordPresence::Outside,
        }
    }

    fn tells_of_death(&self, word: u64) -> bool {
        freed(word) & POISONED != 0
    }

    /// Its time is over: it has looked once more, and gives up.
    fn gives_up(&self, explored: &Explored<RwLocal>) -> Option<RwLocal> {
        let local = explored.local;
        let stage = match local.stage {
            // Before a sleep it was never there.
            RwStage::AtWord(BlockStep::Register) if local.wait.0.has_slept => RwStage::GiveUpAtWord,
            RwStage::AtCells(held, BlockStep::Register) => RwStage::GiveUpAtCells(held),
            _ => return None,
        };
        let may = explored.history.is_empty() && self.gives_up == Some(local.process);
        may.then_some(RwLocal { stage, ..local })
    }

    fn run(&self, local: &mut RwLocal, memory: &WordMemory) {
        local.run(self, memory);
    }

    fn carry_out(&self, local: &RwLocal, place: usize, found: u64, access: Access) -> (u64, u64) {
        let (left, told) = (changed(found, access), found);
        let is_changed = left != found;
        let Some(rule) = self.without else {
            return (left, told);
        };
        match (rule, local.stage, access) {
            (RwLeftOut::TurnBackEvent, RwStage::TryRead, _)
            | (RwLeftOut::UnlockEvent, RwStage::LeaveRead, _)
            | (RwLeftOut::ClearedEvent, RwStage::RecoverFirst | RwStage::RecoverThen, _)
                if place == EVENT =>
            {
                (found, told)
            }
            (RwLeftOut::Inside, RwStage::Enter(_), _) if place == WORD => (found, told),
            (RwLeftOut::Recursion, RwStage::TryRead, Access::Add(ONE)) => (left, told & READERS),
            (RwLeftOut::TurnsBack, RwStage::TryRead, Access::Add(ONE)) => {
                (left, told | ((told & READERS) * ONE_INSIDE))
            }
            (
                RwLeftOut::FreeForAll,
                RwStage::AtWord(BlockStep::Reclaim(_)),
                Access::Swap(from, _),
            ) if local.letter(self) == Some(b'r') => (found, !from),
            (
                RwLeftOut::PoisonIfInside,
                RwStage::AtWord(BlockStep::Reclaim(_)) | RwStage::RecoverFirst,
                _,
            ) if place == WORD && is_changed => (left | POISONED, told),
            (RwLeftOut::KeepPoison, RwStage::LeaveWrite(_), _) if place == WORD && is_changed => {
                (left & !POISONED, told)
            }
            _ => (left, told),
        }
    }

    fn sleeps(&self, place: usize, word: u64, expected: u64) -> bool {
        let is_late = place == EVENT && self.lacks(RwLeftOut::EventFirst);
        // As if it had been loaded only now.
        is_late || word as u32 == expected as u32
    }

    fn wakes(&self, local: &RwLocal, _place: usize, count: u32) -> u32 {
        match local.stage {
            RwStage::LeaveWrite(_) if self.lacks(RwLeftOut::WakeAll) => 1,
            RwStage::AtWord(_) if self.lacks(RwLeftOut::WakeFreed) => 0,
            _ => count,
        }
    }
}

impl RwLocal {
    /// Runs the stage to its end.
    fn run(&mut self, scenario: &RwScenario, memory: &WordMemory) {
        let member = ExploredMember {
            number: scenario.member(self.process),
            memory,
        };
        let (me, lock) = (member.me(), RwWord(memory));
        self.stage = match self.stage {
            stage @ (RwStage::RecoverFirst | RwStage::RecoverThen) => {
                let is_first = stage == RwStage::RecoverFirst;
                if is_first == scenario.cell_first {
                    if !scenario.lacks(RwLeftOut::ClearCell) {
                        lock.clear_cell(me, &ExploredPark);
                    }
                } else if !scenario.lacks(RwLeftOut::Recover) {
                    lock.recover(&mut MemberSet::only(me), |_| true, &ExploredPark);
                }
                match is_first {
                    true => RwStage::RecoverThen,
                    false => RwStage::Arrive,
                }
            }
            RwStage::Arrive => match self.letter(scenario) {
                Some(b'r' | b't') => RwStage::TryRead,
                Some(b'R') => RwStage::ReadAtOnce,
                Some(b'W') => RwStage::WriteAtOnce,
                Some(b's') => RwStage::Scan,
                Some(b'c' | b'C' | b'x' | b'X') => RwStage::Call,
                Some(_) => RwStage::TryWrite,
                None => RwStage::Done,
            },
            RwStage::TryRead => {
                let word = match scenario.lacks(RwLeftOut::CellFirst) {
                    false => lock.try_read(me, &ExploredPark),
                    true => late_count(memory, me),
                };
                match word {
                    Some(word) => {
                        self.guards += 1;
                        RwStage::Reads(word)
                    }
                    None => RwStage::AtWord(BlockStep::Check),
                }
            }
            RwStage::TryWrite => match lock.try_take(me) {
                Some(held) if scenario.lacks(RwLeftOut::Look) => RwStage::Enter(held),
                Some(held) => RwStage::AtCells(held, BlockStep::Check),
                None => RwStage::AtWord(BlockStep::Check),
            },
            RwStage::ReadAtOnce => self.has_read(lock.read_at_once(&member, &ExploredPark, true)),
            RwStage::WriteAtOnce => {
                self.has_written(lock.write_at_once(&member, &ExploredPark, || true))
            }
            RwStage::Call => match self.letter(scenario) {
                Some(b'c') => self.has_read(lock.read(&member, &ExploredPark, 0, None)),
                Some(b'C') => self.has_read(lock.read(&member, &ExploredPark, 0, Some(()))),
                Some(b'x') => self.has_written(lock.write(&member, &ExploredPark, 0, None)),
                _ => self.has_written(lock.write(&member, &ExploredPark, 0, Some(()))),
            },
            RwStage::Scan => {
                let mut others = MemberSet::default();
                let ids = (1..=memory.last_id()).map(MemberId);
                ids.filter(|id| *id != me).for_each(|id| others.insert(id));
                let is_dead = |id| member.is_dead(id) == Ok(true);
                lock.recover(&mut others, is_dead, &ExploredPark);
                self.visit += 1;
                RwStage::Arrive
            }
            RwStage::AtWord(step) => match self.letter(scenario) {
                Some(b'r' | b't') => match self.wait_at_word(step, ReadRules, &member) {
                    Ok(_) => RwStage::TryRead,
                    Err(next) => RwStage::AtWord(next),
                },
                _ => {
                    let takes_over = self.wait.0.taken_over.is_some();
                    match self.wait_at_word(step, WriteRules, &member) {
                        Ok(held) if takes_over && scenario.lacks(RwLeftOut::LookAgain) => {
                            RwStage::Enter(held)
                        }
                        Ok(held) => RwStage::AtCells(held, BlockStep::Check),
                        Err(next) => RwStage::AtWord(next),
                    }
                }
            },
            RwStage::GiveUpAtWord => {
                ExploredPark.wake_half(&memory.head.word, 1);
                RwStage::Done
            }
            RwStage::AtCells(held, step) => {
                let mut readers = ReaderWait::new(lock, &member, ExploredPark);
                (readers.next, readers.probe_is_due) = self.readers;
                let next = step.take(&mut readers);
                if matches!(step, BlockStep::Sleep(_)) && scenario.lacks(RwLeftOut::ProbeAgain) {
                    readers.probe_is_due = false;
                }
                self.readers = (readers.next, readers.probe_is_due);
                match next {
                    Ok(()) => RwStage::Enter(held),
                    Err(next) => RwStage::AtCells(held, next),
                }
            }
            RwStage::GiveUpAtCells(held) => {
                let late = HeldError::Timeout(None);
                assert!(lock.entered(held, Err(late), &ExploredPark).is_err());
                RwStage::Done
            }
            RwStage::Enter(held) => {
                let entered = lock.entered(held, Ok(()), &ExploredPark);
                RwStage::Writes(entered.expect("nothing failed"))
            }
            RwStage::Writes(held) => {
                let is_poisoned = held & POISONED != 0;
                let leaves = scenario.leaves_poison && self.process == 0;
                if !is_poisoned || !leaves {
                    memory.change(is_poisoned, || lock.clear_poison(me));
                }
                match self.letter(scenario) {
                    Some(b'd') => RwStage::Downgrade(held),
                    _ => RwStage::LeaveWrite(held),
                }
            }
            RwStage::LeaveWrite(held) => {
                lock.unlock_write(held, false, &ExploredPark);
                self.visit += 1;
                RwStage::Arrive
            }
            RwStage::Downgrade(held) => {
                match scenario.lacks(RwLeftOut::CellBeforeWord) {
                    false => lock.downgrade(held, me, &ExploredPark),
                    true => {
                        lock.unlock_write(held, false, &ExploredPark);
                        let cell = memory.cell(me);
                        cell.fetch_add(ONE_INSIDE | ONE, Ordering::SeqCst);
                    }
                }
                self.guards = 1;
                RwStage::Reads(held)
            }
            RwStage::Reads(_) if self.letter(scenario) == Some(b't') && self.guards == 1 => {
                RwStage::TryRead
            }
            RwStage::Reads(_) => RwStage::LeaveRead,
            RwStage::LeaveRead => {
                lock.unlock_read(me, &ExploredPark);
                self.guards -= 1;
                match self.guards {
                    0 => {
                        self.visit += 1;
                        RwStage::Arrive
                    }
                    _ => RwStage::LeaveRead,
                }
            }
            RwStage::Done | RwStage::Dead => unreachable!("nothing is left to do"),
        };
        // What is not needed any more.
        match self.stage {
            RwStage::AtWord(BlockStep::Check | BlockStep::Register) => self.wait.0.announced = None,
            RwStage::AtWord(_) => {}
            _ => self.wait.0 = WaitState::default(),
        }
        if !matches!(self.stage, RwStage::AtCells(..)) {
            self.readers = (1, true);
        }
    }

    /// After a call to read.
    fn has_read(&mut self, result: Result<u64, HeldError>) -> RwStage {
        self.guards = result.is_ok().into();
        result.map_or_else(|error| self.comes_later(error), RwStage::Reads)
    }

    /// After a call to write.
    fn has_written(&mut self, result: Result<u64, HeldError>) -> RwStage {
        result.map_or_else(|error| self.comes_later(error), RwStage::Writes)
    }

    /// It was not let in.
    fn comes_later(&mut self, error: HeldError) -> RwStage {
        assert!(matches!(error, HeldError::Timeout(_)), "{error:?}");
        self.visit += 1;
        RwStage::Arrive
    }

    /// The letter of this visit.
    fn letter(&self, scenario: &RwScenario) -> Option<u8> {
        let plan = scenario.plans[self.process].as_bytes();
        plan.get(self.visit).copied()
    }

    fn wait_at_word(
        &mut self,
        step: BlockStep,
        rules: impl HeldWord,
        member: &ExploredMember<'_>,
    ) -> Result<u64, BlockStep> {
        let word = &member.memory.head.word;
        let mut waiting = Waiting::new(word, rules, member, ExploredPark);
        waiting.state = self.wait.0;
        let next = step.take(&mut waiting);
        self.wait.0 = waiting.state;
        next
    }
}

/// RW1 the other way round.
fn late_count(memory: &WordMemory, me: MemberId) -> Option<u64> {
    let word = memory.head.word.load(Ordering::SeqCst);
    if owner(word).is_some() {
        return None;
    }
    let cell = memory.cell(me);
    cell.fetch_add(ONE_INSIDE | ONE, Ordering::SeqCst);
    Some(word)
}
