//! Breadth first over all states; then backwards from the final ones, to find those from
//! which none is reached.

mod paths;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::super::lock::{POISONED, owner};
use super::script::{LeftOut, LockLocal, LockScenario, LockStage};
use crate::sys::atomic::AtomicU64;
use crate::sys::atomic::watched::{Access, suspend, watched_by};

/// What an exploration came to.
pub(super) struct LockReport {
    pub states: usize,
    pub finals: usize,
    /// What was found broken, and how it came to that.
    pub failure: Option<String>,
}

/// The memory as the code sees it: words that know only their places.
pub(super) struct LockMemory {
    pub word: AtomicU64,
    pub twins: [AtomicU64; 2],
    pub lock_bytes: Vec<AtomicU64>,
}

const WORD: usize = 0;
const TWINS: usize = 1;
const LOCK_BYTES: usize = 3;

/// What a process is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LockOp {
    Access(usize, Access),
    /// Sleeps, if the word is this.
    Sleep(u64),
    /// Wakes one.
    Wake,
}

/// One process, and what it has done in its stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Explored {
    local: LockLocal,
    history: Vec<u64>,
    next: Option<LockOp>,
    is_asleep: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LockState {
    words: Vec<u64>,
    all: Vec<Explored>,
    kills: u8,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LockStep {
    /// A process goes on; if it wakes, it wakes this one.
    Go(usize, Option<usize>),
    /// Its sleep ends by time.
    Expire(usize),
    /// And it gives up.
    GiveUp(usize),
    Kill(usize),
    Succeed(usize),
}

struct LockRunner {
    history: Vec<u64>,
    made: usize,
    next: Option<LockOp>,
}

thread_local! {
    static RUNNING: RefCell<Option<LockRunner>> = const { RefCell::new(None) };
}

/// The answer to what was done before, or `None`: it is to be done next.
fn answer(op: LockOp) -> Option<u64> {
    RUNNING.with_borrow_mut(|runner| {
        let runner = runner.as_mut().expect("it runs");
        let known = runner.history.get(runner.made).copied();
        runner.made += 1;
        if known.is_none() {
            runner.next = Some(op);
        }
        known
    })
}

fn watch(place: u64, access: Access) -> Option<u64> {
    answer(LockOp::Access(place as usize, access))
}

/// Sleeps; says whether it was for the whole time.
pub(super) fn sleep_here(expected: u64) -> bool {
    answer(LockOp::Sleep(expected)).unwrap_or_else(|| suspend()) != 0
}

/// Wakes one; says how many.
pub(super) fn wake_here() -> usize {
    answer(LockOp::Wake).unwrap_or_else(|| suspend()) as usize
}

struct LockEngine<'a> {
    scenario: &'a LockScenario,
    memory: LockMemory,
    known: HashMap<(u64, u64), u32>,
    /// How each state was first come to.
    origins: Vec<(u32, LockStep)>,
    edges: Vec<(u32, u32)>,
}

fn fingerprint(state: &LockState) -> (u64, u64) {
    let hash = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, state).hash(&mut hasher);
        hasher.finish()
    };
    (hash(1), hash(2))
}

/// Explores everything, at most so many states.
pub(super) fn explore(scenario: &LockScenario, limit: usize) -> LockReport {
    let word = |place: usize| AtomicU64::new(place as u64);
    let processes = scenario.visits.len();
    let engine = LockEngine {
        scenario,
        memory: LockMemory {
            word: word(WORD),
            twins: [word(TWINS), word(TWINS + 1)],
            lock_bytes: (0..processes).map(|at| word(LOCK_BYTES + at)).collect(),
        },
        known: HashMap::new(),
        origins: Vec::new(),
        edges: Vec::new(),
    };
    engine.run(limit)
}

impl LockEngine<'_> {
    fn lacks(&self, rule: LeftOut) -> bool {
        self.scenario.lacks(rule)
    }

    /// Runs a process on to what it does next.
    fn advance(&self, explored: &mut Explored) {
        explored.next = None;
        while !matches!(explored.local.stage, LockStage::Done | LockStage::Dead) {
            let mut next = explored.local.clone();
            RUNNING.set(Some(LockRunner {
                history: explored.history.clone(),
                made: 0,
                next: None,
            }));
            let ended = watched_by(watch, || next.run(self.scenario, &self.memory));
            let runner = RUNNING.take().expect("set above");
            if ended.is_none() {
                explored.next = runner.next;
                return;
            }
            explored.local = next;
            explored.history.clear();
            if matches!(explored.local.stage, LockStage::Inside(_)) {
                return; // it is judged first
            }
        }
    }

    fn first(&self) -> LockState {
        let processes = self.scenario.visits.len();
        let mut words = vec![0; LOCK_BYTES];
        words.resize(LOCK_BYTES + processes, 1);
        let explored = |process| {
            let mut explored = Explored {
                local: LockLocal::new(self.scenario, process),
                history: Vec::new(),
                next: None,
                is_asleep: false,
            };
            self.advance(&mut explored);
            explored
        };
        LockState {
            words,
            all: (0..processes).map(explored).collect(),
            kills: 0,
        }
    }

    fn steps(&self, state: &LockState) -> Vec<LockStep> {
        let mut all = Vec::new();
        let sleepers: Vec<usize> = (0..state.all.len())
            .filter(|process| state.all[*process].is_asleep)
            .collect();
        for (process, explored) in state.all.iter().enumerate() {
            match explored.local.stage {
                LockStage::Dead if self.scenario.successors => {
                    all.push(LockStep::Succeed(process));
                }
                LockStage::Dead => {}
                _ if explored.is_asleep => {
                    if state.kills > 0 {
                        all.push(LockStep::Expire(process));
                    }
                }
                LockStage::Done => {}
                _ if explored.next == Some(LockOp::Wake) && !sleepers.is_empty() => {
                    let each = sleepers.iter().map(|one| Some(*one));
                    all.extend(each.map(|one| LockStep::Go(process, one)));
                }
                _ => all.push(LockStep::Go(process, None)),
            }
            // (It was woken, or its time is over: it looks once more, and gives up.)
            if explored.local.stage == LockStage::Register
                && explored.local.wait.0.has_slept
                && explored.history.is_empty()
                && self.scenario.gives_up == Some(process)
            {
                all.push(LockStep::GiveUp(process));
            }
            let lives = explored.local.stage != LockStage::Dead;
            if lives && state.kills < self.scenario.kills {
                all.push(LockStep::Kill(process));
            }
        }
        all
    }

    /// Carries out an access, with the rule that is left out; what was there before.
    fn carry_out(
        &self,
        state: &mut LockState,
        process: usize,
        place: usize,
        access: Access,
    ) -> u64 {
        let stage = state.all[process].local.stage;
        let word = &mut state.words[place];
        let found = *word;
        let kept = |to: u64| match place == WORD && self.lacks(LeftOut::Count) {
            true => to & 0xfff,
            false => to,
        };
        let mut from_to = match access {
            Access::Load => return found,
            Access::Add(by) => (found, found.wrapping_add(by)),
            Access::Store(to) => (found, to),
            Access::Swap(from, to) => (from, to),
        };
        if place == WORD {
            match stage {
                LockStage::Reclaim if self.lacks(LeftOut::TakeOver) => return !from_to.0,
                LockStage::Reclaim if self.lacks(LeftOut::ExactWord) => from_to.0 = found,
                // As if it had been loaded after the probe.
                LockStage::Reclaim
                    if self.lacks(LeftOut::ProbeFirst) && owner(found) == owner(from_to.0) =>
                {
                    from_to.0 = found;
                }
                LockStage::Reclaim if self.lacks(LeftOut::PoisonTakenOver) => {
                    from_to.1 &= !POISONED;
                }
                LockStage::Recover if self.lacks(LeftOut::PoisonRecovered) => {
                    from_to.1 &= !POISONED;
                }
                LockStage::Leave(_) if self.lacks(LeftOut::KeepPoison) => from_to.1 &= !POISONED,
                LockStage::Register if self.lacks(LeftOut::Mark) => return from_to.0,
                _ => {}
            }
        }
        let (from, to) = from_to;
        if found == from {
            *word = kept(to);
            // The code believes that it has swapped what it named.
            return match access {
                Access::Swap(named, _) => named,
                _ => found,
            };
        }
        found
    }

    /// The kernel's comparison.
    fn is_as(&self, word: u64, expected: u64) -> bool {
        // One that set no bit sleeps on a word without.
        let unmarked = u32::from(self.lacks(LeftOut::Mark));
        word as u32 & !unmarked == expected as u32 & !unmarked
    }

    fn after(&self, state: &LockState, step: LockStep) -> Result<LockState, String> {
        let mut next = state.clone();
        let process = match step {
            LockStep::Go(process, woken) => {
                // One that was judged to have come in goes on, which is no access.
                if let Some(op) = next.all[process].next {
                    let result = match op {
                        LockOp::Access(place, access) => {
                            self.carry_out(&mut next, process, place, access)
                        }
                        LockOp::Sleep(expected) if self.is_as(next.words[WORD], expected) => {
                            next.all[process].is_asleep = true;
                            return Ok(next);
                        }
                        LockOp::Sleep(_) => 0,
                        LockOp::Wake if self.lacks(LeftOut::Wake) => 0,
                        LockOp::Wake => {
                            if let Some(woken) = woken {
                                next.all[woken].is_asleep = false;
                                next.all[woken].history.push(0);
                                self.advance(&mut next.all[woken]);
                                self.judge_inside(&next, woken)?;
                            }
                            woken.is_some().into()
                        }
                    };
                    next.all[process].history.push(result);
                }
                process
            }
            LockStep::Expire(process) => {
                next.all[process].is_asleep = false;
                next.all[process].history.push(1);
                process
            }
            LockStep::GiveUp(process) => {
                next.all[process].local.stage = LockStage::GiveUp;
                process
            }
            LockStep::Kill(process) => {
                next.kills += 1;
                next.words[LOCK_BYTES + process] = 0;
                let dead = &mut next.all[process];
                let visits = dead.local.visits;
                *dead = Explored {
                    local: LockLocal::new(self.scenario, process),
                    history: Vec::new(),
                    next: None,
                    is_asleep: false,
                };
                dead.local.stage = LockStage::Dead;
                // Its successor comes at least once.
                dead.local.visits = visits.max(1);
                return Ok(next);
            }
            LockStep::Succeed(process) => {
                next.words[LOCK_BYTES + process] = 1;
                next.all[process].local.stage = LockStage::Recover;
                process
            }
        };
        self.advance(&mut next.all[process]);
        self.judge_inside(&next, process)?;
        Ok(next)
    }

    /// What must hold when a process comes in: it is alone, and it was told if the value
    /// may be half changed.
    fn judge_inside(&self, state: &LockState, process: usize) -> Result<(), String> {
        let explored = &state.all[process];
        let LockStage::Inside(held) = explored.local.stage else {
            return Ok(());
        };
        if explored.next.is_some() || !explored.history.is_empty() {
            return Ok(()); // it has come in before
        }
        let others = (0..state.all.len()).filter(|other| *other != process);
        for other in others {
            let other = &state.all[other];
            let is_inside = match other.local.stage {
                LockStage::Inside(_) => true,
                // Until it has freed the word.
                LockStage::Leave(_) => other.next != Some(LockOp::Wake),
                _ => false,
            };
            if is_inside {
                return Err("two inside".into());
            }
        }
        let is_whole = state.words[TWINS] == state.words[TWINS + 1];
        if !is_whole && held & POISONED == 0 {
            return Err("half changed, and not told of it".into());
        }
        Ok(())
    }

    /// Is every process at its end?
    fn is_final(&self, state: &LockState) -> bool {
        let is_at_end = |explored: &Explored| match explored.local.stage {
            LockStage::Done => true,
            LockStage::Dead => !self.scenario.successors,
            _ => false,
        };
        state.all.iter().all(is_at_end)
    }

    /// What must hold at the end: a value that is half changed is poisoned, or will be when
    /// its dead holder loses the lock; none that lives holds it.
    fn judge(&self, state: &LockState) -> Result<(), String> {
        let word = state.words[WORD];
        let holder = owner(word).map(|id| &state.all[usize::from(id.0) - 1]);
        if holder.is_some_and(|holder| holder.local.stage != LockStage::Dead) {
            return Err("one that has left holds the lock".into());
        }
        let is_whole = state.words[TWINS] == state.words[TWINS + 1];
        match is_whole || holder.is_some() || word & POISONED != 0 {
            true => Ok(()),
            false => Err("half changed, and not poisoned".into()),
        }
    }

    fn index(&mut self, state: &LockState, from: u32, by: LockStep) -> (u32, bool) {
        let new = self.origins.len() as u32;
        let index = *self.known.entry(fingerprint(state)).or_insert(new);
        if index == new {
            self.origins.push((from, by));
        }
        (index, index == new)
    }

    fn run(mut self, limit: usize) -> LockReport {
        let first = self.first();
        self.index(&first, 0, LockStep::Kill(0));
        let mut queue = VecDeque::from([first]);
        let (mut at, mut finals) = (0u32, Vec::new());
        let mut failure = None;
        'states: while let Some(state) = queue.pop_front() {
            if self.origins.len() > limit {
                failure = Some(format!("more than {limit} states"));
                break;
            }
            for step in self.steps(&state) {
                match self.after(&state, step) {
                    Ok(next) => {
                        let (index, is_new) = self.index(&next, at, step);
                        if !matches!(step, LockStep::Kill(_)) {
                            self.edges.push((index, at));
                        }
                        if is_new {
                            queue.push_back(next);
                        }
                    }
                    Err(what) => {
                        failure = Some(format!("{what}\n{}", self.trace(at, Some(step))));
                        break 'states;
                    }
                }
            }
            if self.is_final(&state) {
                if let Err(what) = self.judge(&state) {
                    failure = Some(format!("{what}\n{}", self.trace(at, None)));
                    break;
                }
                finals.push(at);
            }
            at += 1;
        }
        if failure.is_none()
            && let Some(stuck) = self.stuck(&finals)
        {
            failure = Some(format!("no end is reached\n{}", self.trace(stuck, None)));
        }
        LockReport {
            states: self.origins.len(),
            finals: finals.len(),
            failure,
        }
    }
}
