//! Breadth first over all states; then backwards from the final ones, to find those from
//! which none is reached.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::rules;
use super::script::{Event, HandoverStage, HandoverVerb, Local, Pending};
use super::world::{HandoverScenario, SendEnd, WatchedHandover, WorldState, id_of};
use crate::ring::layout::{CLOSED_AND_FENCED, Cell};
use crate::ring::rendezvous::WaiterWord;
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::watched::{Access, watched_by};

/// What an exploration came to.
pub(super) struct HandoverReport {
    pub states: usize,
    pub finals: usize,
    /// What was found broken, and how it came to that.
    pub failure: Option<String>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandoverTransition {
    Step(usize),
    TimeOut(usize),
    Kill(usize),
    Succeed(usize),
    /// The first recovers what the second held.
    Reap(usize, usize),
    Close,
}

/// The code under test, while it runs.
struct HandoverRunner {
    scenario: HandoverScenario,
    local: Local,
    made: usize,
    pending: Option<Pending>,
    events: Vec<Event>,
}

thread_local! {
    static RUNNER: RefCell<Option<HandoverRunner>> = const { RefCell::new(None) };
}

fn with<T>(body: impl FnOnce(&mut HandoverRunner) -> T) -> T {
    RUNNER.with_borrow_mut(|runner| body(runner.as_mut().expect("it runs")))
}

/// Enters something in the ledger, with the access that was made last.
pub(super) fn note(event: Event) {
    with(|runner| {
        if runner.made == runner.local.history.len() {
            runner.events.push(event);
        }
    });
}

fn watch(place: u64, access: Access) -> Option<u64> {
    with(|runner| {
        if let Some(result) = runner.local.history.get(runner.made) {
            runner.made += 1;
            return Some(*result);
        }
        let pending = rules::filter(&runner.scenario, &runner.local, place as usize, access);
        runner.pending = Some(pending);
        None
    })
}

pub(super) struct HandoverEngine {
    scenario: HandoverScenario,
    memory: WatchedHandover,
    known: HashMap<(u64, u64), u32>,
    /// How each state was first come to.
    origins: Vec<(u32, HandoverTransition)>,
    edges: Vec<(u32, u32)>,
}

fn fingerprint(state: &WorldState) -> (u64, u64) {
    let hash = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        state.hash(&mut hasher);
        hasher.finish()
    };
    (hash(1), hash(2))
}

impl HandoverEngine {
    pub(super) fn new(scenario: HandoverScenario) -> HandoverEngine {
        HandoverEngine {
            memory: WatchedHandover::new(&scenario),
            scenario,
            known: HashMap::new(),
            origins: Vec::new(),
            edges: Vec::new(),
        }
    }

    fn is_sender(&self, process: usize) -> bool {
        self.scenario.plans[process].sends
    }

    /// Runs a process on to its next access.
    fn advance(&self, local: &mut Local) -> Vec<Event> {
        let mut events = Vec::new();
        local.pending = None;
        while !matches!(local.stage, HandoverStage::Done | HandoverStage::Dead) {
            let mut next = local.clone();
            RUNNER.set(Some(HandoverRunner {
                scenario: self.scenario.clone(),
                local: local.clone(),
                made: 0,
                pending: None,
                events: Vec::new(),
            }));
            let ended = watched_by(watch, || next.run(&self.scenario, &self.memory));
            let runner = RUNNER.take().expect("set above");
            events.extend(runner.events);
            if ended.is_none() {
                local.pending = runner.pending;
                break;
            }
            *local = next;
        }
        events
    }

    fn transitions(&self, state: &WorldState) -> Vec<HandoverTransition> {
        let mut all = Vec::new();
        for (process, local) in state.locals.iter().enumerate() {
            if local.stage == HandoverStage::Dead {
                if self.scenario.successors {
                    all.push(HandoverTransition::Succeed(process));
                }
                continue;
            }
            if local.stage != HandoverStage::Done {
                all.push(HandoverTransition::Step(process));
            }
            if local.may_time_out(&self.scenario) {
                all.push(HandoverTransition::TimeOut(process));
            }
            if state.kills < self.scenario.kills {
                all.push(HandoverTransition::Kill(process));
            }
            if local.resumes().is_some() {
                let dead = (0..state.locals.len()).filter(|dead| state.unreaped & 1 << dead != 0);
                all.extend(dead.map(|dead| HandoverTransition::Reap(process, dead)));
            }
        }
        if self.scenario.closes && state.words[self.scenario.cell(Cell::Closed)] == 0 {
            all.push(HandoverTransition::Close);
        }
        all
    }

    fn after(
        &self,
        state: &WorldState,
        transition: HandoverTransition,
    ) -> Result<WorldState, String> {
        let mut next = state.clone();
        let process = match transition {
            HandoverTransition::Close => {
                next.words[self.scenario.cell(Cell::Closed)] = CLOSED_AND_FENCED;
                return Ok(next);
            }
            HandoverTransition::Step(process) => {
                let pending = next.locals[process].pending.expect("it has a next access");
                let found = next.carry_out(pending.place, pending.access);
                let result = pending.answer.unwrap_or(found);
                next.locals[process].history.push(result);
                process
            }
            HandoverTransition::TimeOut(process) => {
                next.locals[process].time_out(&self.scenario);
                process
            }
            HandoverTransition::Kill(process) => {
                next.kills += 1;
                next.died |= 1 << process;
                next.unreaped |= 1 << process;
                next.words[self.scenario.lock(process)] = 0;
                let call = next.locals[process].call;
                let mut dead = Local::new(&self.scenario, process);
                (dead.stage, dead.call) = (HandoverStage::Dead, call);
                next.locals[process] = dead;
                return Ok(next);
            }
            HandoverTransition::Succeed(process) => {
                next.words[self.scenario.lock(process)] = 1;
                let local = &mut next.locals[process];
                // What it was at is not sent once more.
                local.call += usize::from(self.scenario.plans[process].sends);
                local.stage = HandoverStage::Succeed;
                process
            }
            HandoverTransition::Reap(process, dead) => {
                let local = &mut next.locals[process];
                let resume = local.resumes().expect("it is between two calls");
                local.stage = HandoverStage::Reaping(dead as u8, resume);
                process
            }
        };
        let events = self.advance(&mut next.locals[process]);
        for event in events {
            self.enter(&mut next, event)?;
        }
        Ok(next)
    }

    /// What must hold, at any time.
    fn enter(&self, state: &mut WorldState, event: Event) -> Result<(), String> {
        let has_lost = state.words[self.scenario.cell(Cell::Lost)] > 0;
        let died = state.died;
        let is_back = |end| end == Some(SendEnd::Back);
        match event {
            Event::Began(message) => {
                state.ledger[message].tried = true;
                state.ledger[message].dead_before = died;
            }
            Event::Bound(message, receiver) => {
                let bit = 1 << (receiver.0 - 1);
                if state.ledger[message].dead_before & bit != 0 && !self.scenario.successors {
                    return Err("try_send is Ok by a receiver that was dead before".into());
                }
            }
            Event::Read(message) => {
                let entry = &mut state.ledger[message];
                entry.read = 1;
                if is_back(entry.end) {
                    return Err("a message is received that came back to its sender".into());
                }
            }
            Event::Acknowledged(message) => {
                let entry = &mut state.ledger[message];
                entry.acknowledged += 1;
                if entry.acknowledged > 1 {
                    return Err("a message is acknowledged twice".into());
                }
                if is_back(entry.end) {
                    return Err("a message is acknowledged that came back".into());
                }
            }
            Event::Ended(message, end) => {
                let entry = &mut state.ledger[message];
                entry.end = Some(end);
                let acknowledged = entry.acknowledged == 1;
                if end == SendEnd::Back && acknowledged {
                    return Err("a message comes back that was acknowledged".into());
                }
                if end == SendEnd::Ok && !entry.tried && !acknowledged && !has_lost {
                    return Err("a send is Ok, and its message was not acknowledged".into());
                }
            }
            Event::Wrong(what) => return Err(what.into()),
            Event::Reaped(dead) => state.unreaped &= !(1 << dead),
        }
        Ok(())
    }

    /// Is every process at its end, or at rest where nothing comes any more, and nothing of the
    /// dead is left?
    fn is_final(&self, state: &WorldState) -> bool {
        let rests = |local: &Local| {
            local.is_waiting()
                && matches!(
                    local.verb(&self.scenario),
                    Some(HandoverVerb::Send | HandoverVerb::Recv | HandoverVerb::Lease)
                )
        };
        let is_at_end = |local: &Local| match local.stage {
            HandoverStage::Done => true,
            HandoverStage::Dead => !self.scenario.successors,
            _ => rests(local) && !self.scenario.closes,
        };
        let is_gone =
            |local: &Local| local.stage == HandoverStage::Dead && !self.scenario.successors;
        if state.locals.iter().all(is_gone) {
            return true; // nobody is left to recover anything
        }
        if state.unreaped != 0 || !state.locals.iter().all(is_at_end) {
            return false;
        }
        let at_rest = |process: usize| rests(&state.locals[process]);
        let all = 0..state.locals.len();
        let receiver_rests = all
            .clone()
            .any(|process| !self.is_sender(process) && at_rest(process));
        let of = |owner| all.clone().find(|process| id_of(*process) == owner);
        let slots_are_clean = state.words[..self.scenario.slots].iter().all(|word| {
            let word = SlotWord(*word);
            match word.state() {
                SlotState::Free => true,
                SlotState::Published if receiver_rests => false,
                // Of a sender that waits, or left to whatever receiver comes.
                SlotState::Published => of(word.owner()).is_none_or(at_rest),
                SlotState::Claimed | SlotState::Reading => false,
            }
        });
        let mut waiters = (0..self.scenario.waiters)
            .map(|index| WaiterWord(state.words[self.scenario.waiter(index)]));
        let waiters_are_clean = waiters.all(|word| {
            word.is_idle() || word.is_waiting() && of(word.owner()).is_some_and(at_rest)
        });
        slots_are_clean && waiters_are_clean
    }

    /// What must hold at the end.
    fn judge(&self, state: &WorldState) -> Result<(), String> {
        let any_dead_receiver =
            (0..state.locals.len()).any(|one| !self.is_sender(one) && state.died & 1 << one != 0);
        let is_left = |message: usize| {
            (0..self.scenario.slots).any(|slot| {
                let offered = SlotWord(state.words[slot]).state() == SlotState::Published;
                offered && state.words[self.scenario.payload(slot)] == message as u64 + 1
            })
        };
        for (message, entry) in state.ledger.iter().enumerate() {
            let may = |verb| {
                self.scenario
                    .plans
                    .iter()
                    .any(|it| it.verbs.contains(&verb))
            };
            let was_given_back = may(HandoverVerb::Lease);
            // Its receiver's wait was dropped, and the message is there for another.
            let was_dropped = may(HandoverVerb::RecvDropped) && is_left(message);
            let is_excused = any_dead_receiver || was_given_back || was_dropped;
            if entry.tried
                && entry.end == Some(SendEnd::Ok)
                && entry.acknowledged == 0
                && !is_excused
            {
                return Err("try_send was Ok, and no receiver died, and none has got it".into());
            }
        }
        Ok(())
    }

    fn index(&mut self, state: &WorldState, from: u32, by: HandoverTransition) -> (u32, bool) {
        let key = fingerprint(state);
        let new = self.origins.len() as u32;
        let index = *self.known.entry(key).or_insert(new);
        if index == new {
            self.origins.push((from, by));
        }
        (index, index == new)
    }

    fn first(&self) -> WorldState {
        let mut first = WorldState::first(&self.scenario);
        for local in &mut first.locals {
            let events = self.advance(local);
            assert!(events.is_empty());
        }
        first
    }

    /// Explores everything, at most so many states.
    pub(super) fn run(mut self, limit: usize) -> HandoverReport {
        let first = self.first();
        self.index(&first, 0, HandoverTransition::Close);
        let mut queue = VecDeque::from([first]);
        let (mut at, mut finals) = (0u32, Vec::new());
        let mut failure = None;
        'states: while let Some(state) = queue.pop_front() {
            if self.origins.len() > limit {
                failure = Some(format!("more than {limit} states"));
                break;
            }
            for transition in self.transitions(&state) {
                let next = match self.after(&state, transition) {
                    Ok(next) => next,
                    Err(what) => {
                        failure = Some(format!("{what}\n{}", self.trace(at, Some(transition))));
                        break 'states;
                    }
                };
                let (index, is_new) = self.index(&next, at, transition);
                if !matches!(transition, HandoverTransition::Kill(_)) {
                    self.edges.push((index, at));
                }
                if is_new {
                    queue.push_back(next);
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
            let what = "no final state is reached from here";
            failure = Some(format!("{what}\n{}", self.trace(stuck, None)));
        }
        HandoverReport {
            states: self.origins.len(),
            finals: finals.len(),
            failure,
        }
    }

    /// A state from which no final one is reached.
    fn stuck(&mut self, finals: &[u32]) -> Option<u32> {
        self.edges.sort_unstable();
        let mut reached = vec![false; self.origins.len()];
        let mut left: Vec<u32> = finals.to_vec();
        while let Some(state) = left.pop() {
            if std::mem::replace(&mut reached[state as usize], true) {
                continue;
            }
            let begin = self.edges.partition_point(|(to, _)| *to < state);
            let into = self.edges[begin..]
                .iter()
                .take_while(|(to, _)| *to == state);
            left.extend(into.map(|(_, from)| *from));
        }
        reached.iter().position(|is| !is).map(|at| at as u32)
    }

    /// What led there, step by step.
    fn trace(&self, mut at: u32, last: Option<HandoverTransition>) -> String {
        let mut steps: Vec<HandoverTransition> = last.into_iter().collect();
        while at != 0 {
            let (from, by) = self.origins[at as usize];
            steps.push(by);
            at = from;
        }
        let (mut state, mut text) = (self.first(), String::new());
        for step in steps.into_iter().rev() {
            let doer = match step {
                HandoverTransition::Step(process) => {
                    let local = &state.locals[process];
                    format!(" {:?} {:x?}", local.stage, local.pending)
                }
                _ => String::new(),
            };
            text += &format!("{step:?}{doer}\n");
            match self.after(&state, step) {
                Ok(next) => state = next,
                Err(_) => break,
            }
        }
        text + &format!("{state:#x?}\n")
    }
}
