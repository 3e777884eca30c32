//! What a process does, stage by stage, and the rules that can be left out.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::super::Holders;
use super::super::super::held::{WaitState, Waiting};
use super::super::super::lock::{LockCount, LockRules, LockWord, POISONED};
use super::engine::{LockMemory, sleep_here, wake_here};
use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::wait::{Operation, Park, ParkHalf, Poll};

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
    // As `wait::block` goes.
    Check,
    Register,
    CheckAgain,
    Reclaim,
    Sleep,
    GiveUp,
    /// It has the lock, by this word.
    Inside(u64),
    Leave(u64),
    Done,
    Dead,
}

/// What a waiting call remembers, to be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered(pub WaitState);

impl Hash for Remembered {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let state = &self.0;
        let taken_over = state.taken_over.map(|taken| taken.ok());
        let all = (state.has_slept, state.probe_is_due, state.announced);
        (all, taken_over).hash(hasher);
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LockLocal {
    pub process: usize,
    pub stage: LockStage,
    pub visits: u8,
    pub wait: Remembered,
}

pub(super) fn id_of(process: usize) -> MemberId {
    MemberId(process as u16 + 1)
}

/// A member that is explored.
struct ExploredMember<'a> {
    process: usize,
    memory: &'a LockMemory,
}

impl Holders for ExploredMember<'_> {
    fn me(&self) -> MemberId {
        id_of(self.process)
    }

    fn may_hold(&self, id: MemberId) -> bool {
        (1..=self.memory.lock_bytes.len()).contains(&usize::from(id.0))
    }

    fn is_dead(&self, id: MemberId) -> Result<bool, Failure> {
        let byte = &self.memory.lock_bytes[usize::from(id.0) - 1];
        Ok(byte.load(Ordering::Acquire) == 0)
    }

    fn corrupted(&self, found: Corruption) -> Failure {
        panic!("{found}")
    }
}

/// Sleeps where the engine says.
#[derive(Clone, Copy)]
struct ExploredPark;

impl Park for ExploredPark {
    type Time = ();

    fn now(&self) {}

    fn after(&self, (): (), _duration: Duration) {}

    fn heavy(&self) {}

    fn sleep(&self, _word: &AtomicU32, _expected: u32, (): ()) -> bool {
        unreachable!("locks sleep on a half")
    }

    fn wake(&self, _word: &AtomicU32, _count: u32) -> usize {
        unreachable!("locks sleep on a half")
    }
}

impl ParkHalf for ExploredPark {
    fn sleep_half(&self, _word: &AtomicU64, expected: u64, (): ()) -> bool {
        sleep_here(expected)
    }

    fn wake_half(&self, _word: &AtomicU64, _count: u32) -> usize {
        wake_here()
    }
}

impl LockLocal {
    pub(super) fn new(scenario: &LockScenario, process: usize) -> LockLocal {
        LockLocal {
            process,
            stage: LockStage::Arrive,
            visits: scenario.visits[process],
            wait: Remembered::default(),
        }
    }

    /// Runs the stage to its end.
    pub(super) fn run(&mut self, scenario: &LockScenario, memory: &LockMemory) {
        let member = ExploredMember {
            process: self.process,
            memory,
        };
        let word = LockWord(&memory.word);
        let mut waiting = Waiting::new(&memory.word, LockRules, &member, ExploredPark);
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
                    LockStage::Check
                }
            },
            stage @ (LockStage::Check | LockStage::CheckAgain) => match waiting.check() {
                Poll::Ready(held) => LockStage::Inside(held),
                Poll::Ended(error) => panic!("{error:?}"),
                Poll::Pending if stage == LockStage::Check => LockStage::Register,
                Poll::Pending => LockStage::Reclaim,
            },
            LockStage::Register => {
                waiting.register();
                LockStage::CheckAgain
            }
            LockStage::Reclaim => {
                let is_worth_a_check = waiting.reclaim();
                if scenario.lacks(LeftOut::PoisonTakenOver) {
                    let taken = waiting.state.taken_over;
                    waiting.state.taken_over = taken.map(|it| it.map(|word| word & !POISONED));
                }
                match is_worth_a_check {
                    true => LockStage::Check,
                    false => LockStage::Sleep,
                }
            }
            LockStage::Sleep => {
                waiting.sleep(0, ());
                if scenario.lacks(LeftOut::ProbeAgain) {
                    waiting.state.probe_is_due = false;
                }
                LockStage::Check
            }
            LockStage::GiveUp => {
                if !scenario.lacks(LeftOut::PassOn) {
                    ExploredPark.wake_half(&memory.word, 1);
                }
                LockStage::Done
            }
            LockStage::Inside(held) => {
                let is_poisoned = held & POISONED != 0;
                let leaves = scenario.leaves_poison && self.process == 0;
                if !is_poisoned || !leaves {
                    let [first, second] = &memory.twins;
                    let value = first.load(Ordering::Relaxed);
                    if is_poisoned {
                        second.store(value, Ordering::Relaxed);
                        word.clear_poison(member.me());
                    }
                    first.store(value + 1, Ordering::Relaxed);
                    second.store(value + 1, Ordering::Relaxed);
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
