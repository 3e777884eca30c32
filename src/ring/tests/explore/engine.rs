//! Breadth first over all states, each stored in full; then backwards from the
//! final ones, to find those from which none is reached.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::ledger::{self, Event};
use super::process::{Local, Next, Node, advance};
use super::script::{Cast, Look, Stage};
use super::state::{CELLS, DIRTY, ENTRIES, LOCKS, State, WORDS, is_word};
use super::{Patrols, Setup};

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
enum Move {
    Step,
    Kill,
    /// An heir takes the lock.
    Succeed,
    /// A waiting process comes to look for the dead, and finds this one.
    Patrol(u8),
}

/// Results that stand for something other than that of an access.
const SUCCEED: u16 = 0xffff;
const KILL: u16 = 0xfffe;
const PATROL: u16 = 0x8000;

pub(super) struct Engine {
    cast: Cast,
    nodes: Vec<Node>,
    numbers: HashMap<Local, u32>,
    states: Vec<State>,
    parents: Vec<u32>,
    /// Open addressing: indices into `states`, plus one.
    table: Vec<u32>,
    /// Successors without kills, one state's after the other's.
    edges: Vec<u32>,
    ends: Vec<u64>,
}

impl Engine {
    pub(super) fn new(setup: Setup) -> Self {
        Engine {
            cast: Cast::new(setup),
            nodes: Vec::new(),
            numbers: HashMap::new(),
            states: Vec::new(),
            parents: Vec::new(),
            table: vec![0; 1 << 16],
            edges: Vec::new(),
            ends: Vec::new(),
        }
    }

    fn setup(&self) -> &Setup {
        &self.cast.setup
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
            KILL => local = dead(local.role, local.life),
            SUCCEED => {
                local.life += 1;
                local.stage = match self.cast.is_one_of_many(local.role) {
                    true => Stage::Enter,
                    false => Stage::Attach,
                };
            }
            patrol if patrol & PATROL != 0 => {
                local.stage = Stage::Bury {
                    dead: (patrol >> 8 & 0x7f) as u8,
                    entry: patrol as u8,
                    patrol: false,
                };
            }
            result => local.history.push(result),
        }
        let (node, events) = advance(&self.cast, local);
        let to = self.number(node);
        let known = &mut self.nodes[from as usize].next;
        known.push(Next { result, to, events });
        (to, known.len() - 1)
    }

    /// The world after a move; `Err` if that breaks a rule.
    fn after(&mut self, state: &State, process: usize, step: Move) -> Result<State, &'static str> {
        let mut next = *state;
        let from = state.locals[process];
        match step {
            Move::Kill => {
                next.kills += 1;
                next.alive &= !(1 << process);
                let excused = ledger::excuses(&self.cast.setup, |other| {
                    other != process && self.node(state, other).local.has_looked_at(process as u8)
                });
                ledger::bury(&mut next, process, excused);
                next.locals[process] = self.follow(from, KILL).0;
                return Ok(next);
            }
            Move::Succeed => {
                next.alive |= 1 << process;
                ledger::inherit(&mut next, process);
                next.locals[process] = self.follow(from, SUCCEED).0;
                return Ok(next);
            }
            Move::Patrol(dead) => {
                let entry = state.entries[dead as usize];
                let result = PATROL | u16::from(dead) << 8 | u16::from(entry);
                next.locals[process] = self.follow(from, result).0;
                return Ok(next);
            }
            Move::Step => {}
        }
        let node = &self.nodes[from as usize];
        let (place, act) = node.pending.expect("it has a next access");
        let setup = &self.cast.setup;
        let concluding = ledger::excuses(setup, |other| {
            other != process && self.node(state, other).local.concludes()
        });
        let concluded = node.local.concludes();
        for event in &node.fires {
            ledger::enter(setup, &mut next, process, *event, concluding)?;
        }
        let result = act.outcome(next.carry_out(place, act));
        ledger::claimed(setup, &mut next, process, place, act, result);
        let (to, at) = self.follow(from, result);
        next.locals[process] = to;
        let closed = self
            .cast
            .setup
            .roles
            .iter()
            .enumerate()
            .any(|(other, role)| {
                role.reception.is_some() && self.node(state, other).local.stage == Stage::Done
            });
        let events = &self.nodes[from as usize].next[at].events;
        if closed && events.iter().any(|event| matches!(event, Event::Ok { .. })) {
            return Err("a send succeeds after the end was reported");
        }
        for event in &self.nodes[from as usize].next[at].events {
            ledger::enter(&self.cast.setup, &mut next, process, *event, concluding)?;
        }
        if concluded && !self.nodes[to as usize].local.concludes() {
            ledger::withdraw_excuse(&mut next, process);
        }
        Ok(next)
    }

    fn node(&self, state: &State, process: usize) -> &Node {
        &self.nodes[state.locals[process] as usize]
    }

    fn moves(&self, state: &State, moves: &mut Vec<(usize, Move)>) {
        moves.clear();
        let setup = self.setup();
        for (process, role) in setup.roles.iter().enumerate() {
            let node = &self.nodes[state.locals[process] as usize];
            match node.local.stage {
                Stage::Done => continue,
                Stage::Dead => {
                    if setup.heirs {
                        moves.push((process, Move::Succeed));
                    }
                    continue;
                }
                _ => moves.push((process, Move::Step)),
            }
            if role.mortal && state.kills < setup.kills {
                moves.push((process, Move::Kill));
            }
            let patrols = match setup.patrols {
                Patrols::AtTheEnd => false,
                Patrols::Receivers => role.reception.is_some(),
                Patrols::Everybody => true,
            };
            if patrols && is_between_calls(&node.local) {
                for other in 0..setup.roles.len() {
                    let dirty = state.entries[other] & DIRTY != 0;
                    if dirty && !state.is_alive(other) {
                        moves.push((process, Move::Patrol(other as u8)));
                    }
                }
            }
        }
    }

    /// Is everybody at the end, or at rest where there is no end?
    fn is_final(&self, state: &State) -> bool {
        let setup = self.setup();
        let receives = |process: usize| setup.roles[process].reception.is_some();
        let mut all = 0..setup.roles.len();
        let lives = |process: usize| self.node(state, process).local.stage != Stage::Dead;
        if !setup.heirs
            && !all
                .clone()
                .any(|process| receives(process) && lives(process))
        {
            return true; // nobody is left to receive
        }
        let rests = all.all(|process| match &self.node(state, process).local {
            local if local.stage == Stage::Done => true,
            local if local.stage == Stage::Dead => !setup.heirs,
            local => receives(process) && !setup.closes() && is_between_calls(local),
        });
        // Where nobody comes after the report of the end, it was judged then.
        let judged = setup.closes() && !setup.heirs && state.kills > 0;
        let held = |word: &u16| word & 7 != 0;
        rests && (judged || ledger::is_drained(state) && !state.words.iter().any(held))
    }

    fn slot_of(&self, state: &State) -> usize {
        let words: &[u64] = bytemuck::cast_slice(bytemuck::bytes_of(state));
        let mut hash = 0u64;
        for word in words {
            hash = (hash.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        (hash >> 20) as usize & (self.table.len() - 1)
    }

    /// The state's index; a new one if it was never met.
    fn index(&mut self, state: &State, parent: u32) -> u32 {
        if self.states.len() * 2 > self.table.len() {
            self.table = vec![0; self.table.len() * 4];
            for index in 0..self.states.len() {
                let mut slot = self.slot_of(&self.states[index]);
                while self.table[slot] != 0 {
                    slot = (slot + 1) & (self.table.len() - 1);
                }
                self.table[slot] = index as u32 + 1;
            }
        }
        let mut slot = self.slot_of(state);
        while self.table[slot] != 0 {
            let index = self.table[slot] - 1;
            if self.states[index as usize] == *state {
                return index;
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        self.states.push(*state);
        self.parents.push(parent);
        self.table[slot] = self.states.len() as u32;
        self.states.len() as u32 - 1
    }

    /// Everybody attached, nothing sent.
    fn first(&mut self) -> State {
        let mut state = self.cast.codec.fresh();
        for process in 0..self.setup().roles.len() {
            let mut local = dead(process as u8, 0);
            local.stage = match self.setup().is_closer(process) {
                true => Stage::Errand,
                false => Stage::Attach,
            };
            let reception = self.setup().roles[process].reception;
            local.requeues = reception.map_or(0, |reception| reception.requeues);
            let (node, _) = advance(&self.cast, local);
            state.alive |= 1 << process;
            if self.cast.is_one_of_many(process as u8) && !self.setup().is_closer(process) {
                state.entries[process] = 2 | DIRTY;
            }
            state.locals[process] = self.number(node);
            while self.nodes[state.locals[process] as usize].local.stage == Stage::Attach {
                state = self
                    .after(&state, process, Move::Step)
                    .expect("a fresh ring");
            }
        }
        state
    }

    /// Explores everything, at most so many states.
    pub(super) fn run(mut self, limit: usize) -> Report {
        let began = Instant::now();
        let first = self.first();
        self.index(&first, 0);
        let mut moves = Vec::new();
        let mut finals = Vec::new();
        let mut failure = None;
        let mut at = 0;
        'states: while at < self.states.len() {
            let state = self.states[at];
            if self.states.len() > limit {
                failure = Some((format!("more than {limit} states"), String::new()));
                break;
            }
            self.moves(&state, &mut moves);
            for &(process, step) in &moves {
                match self.after(&state, process, step) {
                    Ok(next) => {
                        let index = self.index(&next, at as u32);
                        if step != Move::Kill && index as usize != at {
                            self.edges.push(index);
                        }
                    }
                    Err(what) => {
                        let mut trace = self.trace(at as u32);
                        let last = self.describe(&state, process, step);
                        let _ = writeln!(trace, "{last}    <- {what}");
                        failure = Some((what.to_string(), trace));
                        break 'states;
                    }
                }
            }
            self.ends.push(self.edges.len() as u64);
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
            && let Some(stuck) = self.stuck(&finals)
        {
            let what = "no final state is reached from here";
            failure = Some((what.into(), self.trace(stuck)));
        }
        Report {
            states: self.states.len(),
            finals: finals.len(),
            edges: self.edges.len(),
            locals: self.nodes.len(),
            took: began.elapsed(),
            failure,
        }
    }

    /// The first state from which no final state is reached without a kill.
    fn stuck(&self, finals: &[u32]) -> Option<u32> {
        let count = self.states.len();
        let mut starts = vec![0u64; count + 1];
        for to in &self.edges {
            starts[*to as usize + 1] += 1;
        }
        for index in 0..count {
            starts[index + 1] += starts[index];
        }
        let mut fill = starts.clone();
        let mut back = vec![0u32; self.edges.len()];
        let mut begin = 0;
        for (from, end) in self.ends.iter().enumerate() {
            for to in &self.edges[begin as usize..*end as usize] {
                let at = &mut fill[*to as usize];
                back[*at as usize] = from as u32;
                *at += 1;
            }
            begin = *end;
        }
        drop(fill);
        let mut reaches = vec![false; count];
        let mut open = finals.to_vec();
        for index in &open {
            reaches[*index as usize] = true;
        }
        while let Some(index) = open.pop() {
            let range = starts[index as usize] as usize..starts[index as usize + 1] as usize;
            for from in &back[range] {
                if !std::mem::replace(&mut reaches[*from as usize], true) {
                    open.push(*from);
                }
            }
        }
        let stuck = reaches.iter().position(|reached| !reached);
        stuck.map(|index| index as u32)
    }

    /// How a state came about, an access a line.
    fn trace(&mut self, index: u32) -> String {
        let mut path = vec![index];
        let mut at = index;
        while at != 0 {
            at = self.parents[at as usize];
            path.push(at);
        }
        path.reverse();
        let mut text = String::new();
        let mut moves = Vec::new();
        for pair in path.windows(2) {
            let state = self.states[pair[0] as usize];
            let next = self.states[pair[1] as usize];
            self.moves(&state, &mut moves);
            let chosen = moves
                .iter()
                .find(|(process, step)| self.after(&state, *process, *step) == Ok(next));
            let (process, step) = *chosen.expect("the parent leads there");
            let _ = writeln!(text, "{}", self.describe(&state, process, step));
        }
        let _ = write!(text, "in the end {:?}", self.states[index as usize]);
        text + "\n"
    }

    fn describe(&self, state: &State, process: usize, step: Move) -> String {
        let node = &self.nodes[state.locals[process] as usize];
        let who = match self.setup().roles[process].reception {
            None => format!("sender {process}"),
            Some(_) => format!("receiver {process}"),
        };
        let Some((place, act)) = node.pending.filter(|_| step == Move::Step) else {
            return format!("{who}: {step:?}");
        };
        let codec = self.cast.codec;
        let found = state.clone().carry_out(place, act);
        let value = |packed: u16| {
            if is_word(place) {
                let word = codec.unpack_word(place - WORDS, packed);
                let position = codec.offset_or_lap(place - WORDS, packed);
                let (attempt, owner) = (word.redeliveries(), word.owner().0);
                format!(
                    "{:?}({position}) attempt {attempt} owner {owner}",
                    word.state()
                )
            } else {
                packed.to_string()
            }
        };
        let place = match place {
            WORDS..ENTRIES => format!("word {}", place - WORDS),
            ENTRIES..LOCKS => format!("entry {}", place - ENTRIES),
            LOCKS.. => format!("lock {}", place - LOCKS),
            _ => format!("{:?}", CELLS[place as usize]),
        };
        use super::state::Act;
        let did = match act {
            Act::Store(to) => format!("store {}", value(to)),
            Act::Swap(from, to) => format!("swap {} to {}", value(from), value(to)),
            other => format!("{other:?}"),
        };
        let found = value(found);
        format!(
            "{who} {:?}: {place}: {did}, found {found}",
            node.local.stage
        )
    }
}

/// At the top of a call, with nothing in hand.
fn is_between_calls(local: &Local) -> bool {
    let top = matches!(local.stage, Stage::Begin | Stage::Bet | Stage::BetToTake)
        || local.stage == Stage::Take(Look::First) && !local.has_bet
        || local.stage == Stage::Claim && local.sent == 0;
    top && local.history.is_empty()
}

fn dead(role: u8, life: u8) -> Local {
    Local {
        role,
        life,
        stage: Stage::Dead,
        errand: 0,
        sent: 0,
        requeues: 0,
        remembered: 0,
        has_bet: false,
        side: [0; 6],
        held: Vec::new(),
        history: Vec::new(),
    }
}
