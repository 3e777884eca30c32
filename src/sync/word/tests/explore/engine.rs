//! Breadth first over all states; then backwards from the final ones, to find those from
//! which none is reached.

mod judge;
mod paths;
pub(super) mod script;
pub(super) mod world;

use std::collections::{HashMap, VecDeque};

use script::{Explored, WordPresence, WordProgress, WordScript};
use world::{HAS_DIED_WRITING, LOCK_BYTES, TWINS, WordMemory, WordOp, resume};

/// What an exploration came to.
pub(super) struct WordReport {
    pub states: usize,
    pub finals: usize,
    /// What was found broken, and how it came to that.
    pub failure: Option<String>,
}

/// All words, and each process by its number.
#[derive(Clone, Debug)]
struct WordState {
    words: Vec<u64>,
    all: Vec<u32>,
    kills: u8,
    /// Bits of those that slept when one died: their sleep may end by time.
    disturbed: u8,
}

impl WordState {
    fn fingerprint(&self) -> (u64, u64) {
        let all = self.all.iter().map(|number| u64::from(*number));
        let values = self.words.iter().copied().chain(all);
        values.fold(
            (self.kills.into(), self.disturbed.into()),
            |(one, other), value| {
                let one = (one ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let other = (other ^ value).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
                (one ^ (one >> 29), other ^ (other >> 32))
            },
        )
    }

    /// Whether a member is dead that has no successor yet.
    fn has_dead(&self, members: usize) -> bool {
        self.words[LOCK_BYTES..][..members].contains(&0)
    }

    fn is_whole(&self) -> bool {
        self.words[TWINS] == self.words[TWINS + 1]
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WordStep {
    /// A process goes on; if it wakes one, it wakes this one.
    Go(usize, Option<usize>),
    /// Its sleep ends by time.
    Expire(usize),
    /// And it gives up.
    GiveUp(usize),
    Kill(usize),
    Succeed(usize),
}

/// What happens to one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum WordTurn {
    /// It finds this.
    Finds(u64),
    FallsAsleep,
    GivesUp,
    IsKilled,
    Succeeds,
}

/// A process that may be in many states.
struct Known<L> {
    explored: Explored<L>,
    presence: WordPresence,
}

/// Its number, and the word by which it has come in.
type Followed = (u32, Option<u64>);

struct WordEngine<'a, S: WordScript> {
    script: &'a S,
    memory: WordMemory,
    /// By number.
    known: Vec<Known<S::Local>>,
    numbers: HashMap<Explored<S::Local>, u32>,
    /// Where each turn has led, for it leads there again.
    turns: HashMap<(u32, WordTurn), Followed>,
    states: HashMap<(u64, u64), u32>,
    /// How each state was first come to.
    origins: Vec<(u32, WordStep)>,
    edges: Vec<(u32, u32)>,
}

/// Explores everything, at most so many states.
pub(super) fn explore<S: WordScript>(script: &S, limit: usize) -> WordReport {
    let engine = WordEngine {
        script,
        memory: WordMemory::new(script.config().members),
        known: Vec::new(),
        numbers: HashMap::new(),
        turns: HashMap::new(),
        states: HashMap::new(),
        origins: Vec::new(),
        edges: Vec::new(),
    };
    engine.run(limit)
}

impl<S: WordScript> WordEngine<'_, S> {
    fn explored(&self, state: &WordState, process: usize) -> &Explored<S::Local> {
        &self.known[state.all[process] as usize].explored
    }

    fn number(&mut self, explored: Explored<S::Local>) -> u32 {
        if let Some(number) = self.numbers.get(&explored) {
            return *number;
        }
        let number = self.known.len() as u32;
        self.numbers.insert(explored.clone(), number);
        let presence = self.script.presence(&explored);
        self.known.push(Known { explored, presence });
        number
    }

    /// Runs a process on to what it does next.
    fn advance(&mut self, mut explored: Explored<S::Local>) -> Followed {
        let mut entered = None;
        explored.next = None;
        while explored.next.is_none() && self.script.progress(&explored.local) == WordProgress::Runs
        {
            let mut next = explored.local;
            let run = || self.script.run(&mut next, &self.memory);
            explored.next = resume(&explored.history, run);
            if explored.next.is_none() {
                explored = Explored::new(next);
                entered = entered.or(self.script.comes_in(&explored.local));
            }
        }
        (self.number(explored), entered)
    }

    fn follow(&mut self, number: u32, turn: WordTurn) -> Followed {
        if let Some(followed) = self.turns.get(&(number, turn)) {
            return *followed;
        }
        let mut explored = self.known[number as usize].explored.clone();
        let followed = match turn {
            WordTurn::FallsAsleep => {
                explored.is_asleep = true;
                (self.number(explored), None)
            }
            WordTurn::Finds(found) => {
                explored.is_asleep = false;
                explored.history.push(found);
                self.advance(explored)
            }
            WordTurn::GivesUp => {
                let local = self.script.gives_up(&explored).expect("it may");
                self.advance(Explored::new(local))
            }
            WordTurn::IsKilled => {
                let local = self.script.killed(&explored.local);
                self.advance(Explored::new(local))
            }
            WordTurn::Succeeds => {
                let local = self.script.successor(&explored.local);
                self.advance(Explored::new(local))
            }
        };
        self.turns.insert((number, turn), followed);
        followed
    }

    fn first(&mut self) -> WordState {
        let config = self.script.config();
        let first = |process| {
            let local = self.script.first(process);
            self.advance(Explored::new(local)).0
        };
        WordState {
            all: (0..config.processes).map(first).collect(),
            words: WordMemory::first(config.members),
            kills: 0,
            disturbed: 0,
        }
    }

    /// Those that sleep at this place.
    fn sleepers(&self, state: &WordState, place: usize) -> Vec<usize> {
        let sleeps = |process: &usize| {
            let explored = self.explored(state, *process);
            let at = matches!(explored.next, Some(WordOp::Sleep(at, _)) if at == place);
            at && explored.is_asleep
        };
        (0..state.all.len()).filter(sleeps).collect()
    }

    fn steps(&self, state: &WordState) -> Vec<WordStep> {
        let config = self.script.config();
        let mut all = Vec::new();
        for process in 0..state.all.len() {
            let explored = self.explored(state, process);
            let progress = self.script.progress(&explored.local);
            match (progress, explored.next) {
                (WordProgress::Dead, _) if config.successors => {
                    all.push(WordStep::Succeed(process))
                }
                (WordProgress::Dead | WordProgress::Done, _) => {}
                _ if explored.is_asleep => {
                    if state.has_dead(config.members) || state.disturbed & 1 << process != 0 {
                        all.push(WordStep::Expire(process));
                    }
                }
                (_, Some(WordOp::Wake(place, count)))
                    if self.script.wakes(&explored.local, place, count) == 1 =>
                {
                    let sleepers = self.sleepers(state, place);
                    if sleepers.is_empty() {
                        all.push(WordStep::Go(process, None));
                    }
                    let each = sleepers.into_iter();
                    all.extend(each.map(|one| WordStep::Go(process, Some(one))));
                }
                _ => all.push(WordStep::Go(process, None)),
            }
            if self.script.gives_up(explored).is_some() {
                all.push(WordStep::GiveUp(process));
            }
            if self.script.is_killed(&explored.local) && state.kills < config.kills {
                all.push(WordStep::Kill(process));
            }
        }
        all
    }

    /// A process takes a turn, and what must hold then is checked.
    fn turn(
        &mut self,
        state: &mut WordState,
        process: usize,
        turn: WordTurn,
    ) -> Result<(), String> {
        let (number, entered) = self.follow(state.all[process], turn);
        state.all[process] = number;
        state.disturbed &= !(1 << process);
        self.judge_turn(state, process, entered)
    }

    /// A process does what it does next.
    fn go(
        &mut self,
        state: &mut WordState,
        process: usize,
        woken: Option<usize>,
    ) -> Result<(), String> {
        let explored = self.explored(state, process);
        let local = explored.local;
        let found = match explored.next.expect("it goes on to something") {
            WordOp::Access(place, access) => {
                let found = state.words[place];
                let (left, told) = self.script.carry_out(&local, place, found, access);
                state.words[place] = left;
                told
            }
            WordOp::Sleep(place, expected) => {
                if self.script.sleeps(place, state.words[place], expected) {
                    return self.turn(state, process, WordTurn::FallsAsleep);
                }
                0
            }
            WordOp::Wake(place, count) => {
                let sleepers = match self.script.wakes(&local, place, count) {
                    0 => Vec::new(),
                    1 => woken.into_iter().collect(),
                    _ => self.sleepers(state, place),
                };
                for sleeper in &sleepers {
                    self.turn(state, *sleeper, WordTurn::Finds(0))?;
                }
                sleepers.len() as u64
            }
        };
        self.turn(state, process, WordTurn::Finds(found))
    }

    fn after(&mut self, state: &WordState, step: WordStep) -> Result<WordState, String> {
        let mut next = state.clone();
        match step {
            WordStep::Go(process, woken) => self.go(&mut next, process, woken)?,
            WordStep::Expire(process) => self.turn(&mut next, process, WordTurn::Finds(1))?,
            WordStep::GiveUp(process) => self.turn(&mut next, process, WordTurn::GivesUp)?,
            WordStep::Kill(process) => {
                let member = self.script.member(process);
                next.kills += 1;
                for other in 0..state.all.len() {
                    next.disturbed |= u8::from(self.explored(state, other).is_asleep) << other;
                }
                next.words[LOCK_BYTES + member] = 0;
                for process in 0..state.all.len() {
                    if self.script.member(process) == member {
                        if self.known[state.all[process] as usize].presence == WordPresence::Writes
                        {
                            next.words[HAS_DIED_WRITING] = 1;
                        }
                        self.turn(&mut next, process, WordTurn::IsKilled)?;
                    }
                }
            }
            WordStep::Succeed(process) => {
                next.words[LOCK_BYTES + self.script.member(process)] = 1;
                self.turn(&mut next, process, WordTurn::Succeeds)?;
            }
        }
        Ok(next)
    }

    fn index(&mut self, state: &WordState, from: u32, by: WordStep) -> (u32, bool) {
        let new = self.origins.len() as u32;
        let index = *self.states.entry(state.fingerprint()).or_insert(new);
        if index == new {
            self.origins.push((from, by));
        }
        (index, index == new)
    }

    fn run(mut self, limit: usize) -> WordReport {
        let first = self.first();
        self.index(&first, 0, WordStep::Kill(0));
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
                        if !matches!(step, WordStep::Kill(_)) {
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
        WordReport {
            states: self.origins.len(),
            finals: finals.len(),
            failure,
        }
    }
}
