//! What a script says of its processes, for the engine.

use std::fmt::Debug;
use std::hash::Hash;

use super::world::{WordMemory, WordOp};
use crate::sys::atomic::watched::Access;

/// Who takes part.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct WordConfig {
    pub processes: usize,
    /// Those of one member are its threads: they die together.
    pub members: usize,
    /// So many deaths at most.
    pub kills: u8,
    /// Each of the dead has a successor on its id.
    pub successors: bool,
}

/// Whether a process has anything left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum WordProgress {
    Runs,
    Done,
    Dead,
}

/// What a process may do with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum WordPresence {
    Outside,
    Reads,
    Writes,
}

/// One process, and what it has done in its stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Explored<L> {
    pub local: L,
    /// What each access of this stage has found.
    pub history: Vec<u64>,
    pub next: Option<WordOp>,
    pub is_asleep: bool,
}

impl<L> Explored<L> {
    /// At the beginning of a stage.
    pub(super) fn new(local: L) -> Explored<L> {
        Explored {
            local,
            history: Vec::new(),
            next: None,
            is_asleep: false,
        }
    }

    pub(in super::super) fn is_about_to_wake(&self) -> bool {
        matches!(self.next, Some(WordOp::Wake(..)))
    }
}

/// What the processes of an exploration do.
pub(in super::super) trait WordScript: Debug {
    /// What a process remembers from stage to stage.
    type Local: Copy + Debug + Eq + Hash;

    fn config(&self) -> WordConfig;

    /// Which member a process is of, by number.
    fn member(&self, process: usize) -> usize {
        process
    }

    fn first(&self, process: usize) -> Self::Local;

    /// What is left of one that is killed, to be known by its successor.
    fn killed(&self, local: &Self::Local) -> Self::Local;

    /// Whether it can be killed.
    fn is_killed(&self, local: &Self::Local) -> bool {
        self.progress(local) != WordProgress::Dead
    }

    /// The first stage of a successor.
    fn successor(&self, killed: &Self::Local) -> Self::Local;

    fn progress(&self, local: &Self::Local) -> WordProgress;

    /// Runs a stage to its end: the real code.
    fn run(&self, local: &mut Self::Local, memory: &WordMemory);

    /// The word by which it comes in with this stage.
    fn comes_in(&self, local: &Self::Local) -> Option<u64>;

    fn presence(&self, explored: &Explored<Self::Local>) -> WordPresence;

    /// Whether a lock with this word is poisoned, or will be for the next that comes in.
    fn tells_of_death(&self, word: u64) -> bool;

    /// Whether a lock may be poisoned though none has died inside: what is left out has worse
    /// to show.
    fn may_alarm_falsely(&self) -> bool {
        false
    }

    /// Its next stage, if it may give up here.
    fn gives_up(&self, _explored: &Explored<Self::Local>) -> Option<Self::Local> {
        None
    }

    /// What is in a word after an access, and what the code is told that it found. This and
    /// the following differ from what is real where a rule is left out.
    fn carry_out(&self, _: &Self::Local, _place: usize, found: u64, access: Access) -> (u64, u64) {
        (changed(found, access), found)
    }

    /// The kernel's comparison: whether one sleeps that expects this.
    fn sleeps(&self, _place: usize, word: u64, expected: u64) -> bool {
        word as u32 == expected as u32
    }

    /// How many are woken at most.
    fn wakes(&self, _: &Self::Local, _place: usize, count: u32) -> u32 {
        count
    }
}

/// What is in a word after an access.
pub(in super::super) fn changed(found: u64, access: Access) -> u64 {
    match access {
        Access::Load => found,
        Access::Add(by) => found.wrapping_add(by),
        Access::Store(to) => to,
        Access::Swap(from, to) if from == found => to,
        Access::Swap(..) => found,
    }
}
