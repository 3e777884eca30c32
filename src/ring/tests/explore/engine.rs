//! Breadth first over all states, each stored in full; then backwards from the
//! final ones, to find those from which none is reached.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::context::Context;
use super::graph::Graph;
use super::ledger::{self, Record};
use super::process::{LocalState, Next, Node, advance};
use super::script::Stage;
use super::state::{DIRTY, GlobalState, PackedAccess};
use super::{Scanners, Scenario};
use crate::ring::end::End;

/// What an exploration came to.
#[derive(Debug)]
pub(super) struct Report {
    pub states: usize,
    pub finals: usize,
    pub edges: usize,
    pub locals: usize,
    pub took: Duration,
    /// What was found broken, and how it came to that.
    pub failure: Option<(String, String)>,
}

/// What one process can do in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Step,
    Kill,
    /// A successor takes the lock.
    Succeed,
    /// A waiting process comes to look for the dead.
    Scan,
}

/// Results that stand for something other than that of an access.
const KILL: u16 = 0xffff;
const SUCCEED: u16 = 0xfffe;
const SCAN: u16 = 0xfffd;

pub(super) struct Engine {
    pub context: Context,
    nodes: Vec<Node>,
    numbers: HashMap<LocalState, u32>,
    pub graph: Graph,
}

impl Engine {
    pub(super) fn new(scenario: Scenario) -> Self {
        Engine {
            context: Context::new(scenario),
            nodes: Vec::new(),
            numbers: HashMap::new(),
            graph: Graph::new(),
        }
    }

    pub(super) fn scenario(&self) -> &Scenario {
        &self.context.scenario
    }

    fn number(&mut self, node: Node) -> u32 {
        if let Some(number) = self.numbers.get(&node.local) {
            return *number;
        }
        let number = self.nodes.len() as u32;
        self.numbers.insert(node.local.clone(), number);
        self.nodes.push(node);
        number
    }

    /// Where a process is after `result`, and what the ledger is told.
    fn follow(&mut self, from: u32, result: u16) -> (u32, usize) {
        let known = &self.nodes[from as usize].next;
        if let Some(at) = known.iter().position(|next| next.result == result) {
            return (known[at].to, at);
        }
        let mut local = self.nodes[from as usize].local.clone();
        match result {
            KILL => local = LocalState::absent(local.process, local.life),
            SUCCEED => {
                local.life += 1;
                local.stage = Stage::Enter;
            }
            SCAN => local.stage = Stage::Scan,
            result => local.history.push(result),
        }
        let (node, records) = advance(&self.context, local);
        let to = self.number(node);
        let known = &mut self.nodes[from as usize].next;
        known.push(Next {
            result,
            to,
            records,
        });
        (to, known.len() - 1)
    }

    /// The world after a transition; `Err` if that breaks a rule.
    pub(super) fn after(
        &mut self,
        state: &GlobalState,
        process: usize,
        transition: Transition,
    ) -> Result<GlobalState, &'static str> {
        let mut next = *state;
        let from = state.locals[process];
        match transition {
            Transition::Step => self.step(&mut next, process)?,
            Transition::Kill => {
                next.kills += 1;
                next.alive &= !(1 << process);
                let excused = ledger::excuses(self.scenario(), |other| {
                    let local = &self.node(state, other).local;
                    other != process && local.has_looked_at(&self.context, process as u8)
                });
                ledger::die(&mut next, process, excused);
                next.locals[process] = self.follow(from, KILL).0;
            }
            Transition::Succeed => {
                next.alive |= 1 << process;
                ledger::inherit(&mut next, process);
                next.locals[process] = self.follow(from, SUCCEED).0;
            }
            Transition::Scan => next.locals[process] = self.follow(from, SCAN).0,
        }
        while self.surveys_at_once(&next, process) {
            self.step(&mut next, process)?;
        }
        Ok(next)
    }

    /// Does the process look for the dead, and not to report an end? Then it finds all
    /// of them in one step: what it would miss, or find too late, is as if it had come
    /// a little earlier.
    fn surveys_at_once(&self, state: &GlobalState, process: usize) -> bool {
        let node = self.node(state, process);
        let survey = matches!(node.pending, Some((_, PackedAccess::Survey)));
        survey && matches!(node.local.stage, Stage::Enter | Stage::Scan)
    }

    /// The process makes its next access.
    fn step(&mut self, next: &mut GlobalState, process: usize) -> Result<(), &'static str> {
        let state = *next;
        let from = state.locals[process];
        let node = &self.nodes[from as usize];
        let (place, access) = node.pending.expect("it has a next access");
        let scenario = &self.context.scenario;
        let concluding = ledger::excuses(scenario, |other| {
            other != process && self.node(&state, other).local.concludes()
        });
        let concluded = node.local.concludes();
        for record in &node.fires {
            ledger::enter(scenario, next, process, *record, concluding)?;
        }
        let result = access.outcome(place, next.carry_out(place, access));
        ledger::claimed(scenario, next, process, place, access, result);
        let (to, at) = self.follow(from, result);
        next.locals[process] = to;
        for record in &self.nodes[from as usize].next[at].records {
            self.is_in_time(next, *record)?;
            ledger::enter(&self.context.scenario, next, process, *record, concluding)?;
            self.is_received(next, *record)?;
        }
        if concluded && !self.nodes[to as usize].local.concludes() {
            ledger::withdraw_excuse(next, process);
        }
        Ok(())
    }

    /// No send succeeds after the end was reported, and no end is reported while a
    /// sender is there.
    fn is_in_time(&self, state: &GlobalState, record: Record) -> Result<(), &'static str> {
        let stage_of = |process: usize| self.node(state, process).local.stage;
        let (senders, all) = (self.scenario().senders(), self.scenario().plans.len());
        match record {
            Record::Ok { .. } if self.scenario().is_one_to_one() => Ok(()),
            Record::Ok { .. } if (senders..all).any(|other| stage_of(other) == Stage::Done) => {
                Err("a send succeeds after the end was reported")
            }
            Record::Disconnected { .. }
                if (0..senders).any(|sender| {
                    state.is_alive(sender) && !matches!(stage_of(sender), Stage::Enter)
                }) =>
            {
                Err("a receiver reports that no sender is left, and one is there")
            }
            _ => Ok(()),
        }
    }

    /// With one endpoint on either side a send may be the last to know, of what the
    /// receiver has taken before it reported the end.
    fn is_received(&self, state: &GlobalState, record: Record) -> Result<(), &'static str> {
        let (senders, all) = (self.scenario().senders(), self.scenario().plans.len());
        let is_done = |other: usize| self.node(state, other).local.stage == Stage::Done;
        let is_ended = self.scenario().is_one_to_one() && (senders..all).any(is_done);
        let is_ok = matches!(record, Record::Ok { .. });
        match is_ok && is_ended && ledger::any_unreceived(state) {
            true => Err("a send succeeds of what is never received"),
            false => Ok(()),
        }
    }

    pub(super) fn node(&self, state: &GlobalState, process: usize) -> &Node {
        &self.nodes[state.locals[process] as usize]
    }

    pub(super) fn transitions(
        &self,
        state: &GlobalState,
        transitions: &mut Vec<(usize, Transition)>,
    ) {
        transitions.clear();
        let scenario = self.scenario();
        let is_dead =
            |process: usize| state.entries[process] & DIRTY != 0 && !state.is_alive(process);
        let any_dead = (0..scenario.plans.len()).any(is_dead);
        for (process, plan) in scenario.plans.iter().enumerate() {
            let local = &self.node(state, process).local;
            match local.stage {
                Stage::Done => continue,
                Stage::Dead => {
                    if scenario.successors {
                        transitions.push((process, Transition::Succeed));
                    }
                    continue;
                }
                _ => transitions.push((process, Transition::Step)),
            }
            if plan.mortal && state.kills < scenario.kills {
                transitions.push((process, Transition::Kill));
            }
            let scans = match scenario.scanners {
                Scanners::Concluding => false,
                Scanners::Receivers => plan.reception.is_some(),
                Scanners::All => true,
            };
            if scans && any_dead && local.is_between_calls() {
                transitions.push((process, Transition::Scan));
            }
        }
    }

    /// Is every process at its end, or at rest where there is no end?
    fn is_final(&self, state: &GlobalState) -> bool {
        let scenario = self.scenario();
        let stage_of = |process: usize| self.node(state, process).local.stage;
        let (senders, all) = (scenario.senders(), scenario.plans.len());
        let is_gone = |process: usize| stage_of(process) == Stage::Dead;
        if !scenario.successors && (senders..all).all(is_gone) {
            return true; // no process is left to receive
        }
        let rests = (0..all).all(|process| match &self.node(state, process).local {
            local if local.stage == Stage::Done => true,
            local if local.stage == Stage::Dead => !scenario.successors,
            local if process < senders || scenario.closes() => {
                debug_assert!(local.stage != Stage::Dead);
                false
            }
            // It has reported that no sender is left, as of now.
            local if scenario.detaches => {
                let end = End::Disconnected(state.epochs[0].into());
                local.is_between_calls() && local.concluded == Some(end)
            }
            local => local.is_between_calls(),
        });
        // Without successors, what was left was judged when the end was reported.
        let judged = scenario.closes() && !scenario.successors && state.kills > 0;
        // The owner of a slot.
        let held = |word: &u16| !scenario.is_one_to_one() && word & 7 != 0;
        rests && (judged || ledger::is_drained(state) && !state.words.iter().any(held))
    }

    /// All members attached, nothing sent.
    fn first(&mut self) -> Result<GlobalState, &'static str> {
        let mut state = self.context.codec.fresh();
        for process in 0..self.scenario().plans.len() {
            let mut local = LocalState::absent(process as u8, 0);
            local.stage = match self.scenario().is_closer(process) {
                true => Stage::NextOp,
                false => Stage::Enter,
            };
            let reception = self.scenario().plans[process].reception;
            local.requeues = reception.map_or(0, |reception| reception.requeues);
            let (node, _) = advance(&self.context, local);
            state.alive |= 1 << process;
            state.locals[process] = self.number(node);
            while matches!(
                self.node(&state, process).local.stage,
                Stage::Enter | Stage::Attach
            ) {
                self.step(&mut state, process)?;
            }
        }
        Ok(state)
    }

    /// Explores everything, at most so many states.
    pub(super) fn run(mut self, limit: usize) -> Report {
        let began = Instant::now();
        let first = self.first().expect("a fresh ring");
        self.graph.index(&first, 0);
        let mut transitions = Vec::new();
        let mut finals = Vec::new();
        let mut failure = None;
        let mut at = 0;
        'states: while at < self.graph.states.len() {
            let state = self.graph.states[at];
            if self.graph.states.len() > limit {
                failure = Some((format!("more than {limit} states"), String::new()));
                break;
            }
            self.transitions(&state, &mut transitions);
            for &(process, transition) in &transitions {
                match self.after(&state, process, transition) {
                    Ok(next) => {
                        let index = self.graph.index(&next, at as u32);
                        if transition != Transition::Kill && index as usize != at {
                            self.graph.edges.push(index);
                        }
                    }
                    Err(what) => {
                        let trace = self.trace_to(at as u32, (process, transition), what);
                        failure = Some((what.to_string(), trace));
                        break 'states;
                    }
                }
            }
            self.graph.end_state();
            if self.is_final(&state) {
                if ledger::is_drained(&state) && ledger::over_reports(&state) {
                    let what = "more losses are reported than deaths explain";
                    failure = Some((what.into(), self.trace(at as u32)));
                    break;
                }
                finals.push(at as u32);
            }
            at += 1;
        }
        if failure.is_none()
            && let Some(stuck) = self.graph.stuck(&finals)
        {
            let what = "no final state is reached from here";
            failure = Some((what.into(), self.trace(stuck)));
        }
        Report {
            states: self.graph.states.len(),
            finals: finals.len(),
            edges: self.graph.edges.len(),
            locals: self.nodes.len(),
            took: began.elapsed(),
            failure,
        }
    }
}
