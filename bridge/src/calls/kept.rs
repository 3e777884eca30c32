//! What an exporting end remembers of an importing one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::packet::CallOutcome;
use crate::ranges::RangeSet;

/// The most importing bridges that are remembered in full, and by their last number alone.
const MAX_IMPORTS: usize = 1024;
const MAX_RETIRED: usize = 1 << 16;
/// The most gaps between the numbers of one.
const MAX_GAPS: usize = 1 << 12;

/// A call that the service has.
#[derive(Debug)]
pub(super) struct WorkingCall {
    /// It is cancelled then.
    pub deadline: Option<Duration>,
    /// When its importing bridge last spoke of it.
    pub heard: Duration,
}

/// A call that has ended, and whose answer is kept.
#[derive(Debug)]
pub(super) struct EndedCall {
    pub outcome: CallOutcome,
    pub body: Vec<u8>,
    /// Its place among the answers that are kept.
    pub stamp: u64,
}

/// What is known of an importing bridge.
#[derive(Debug, Default)]
pub(super) struct Import {
    /// All calls of lower numbers have ended there.
    pub base: u64,
    /// Numbers that were taken. One that is neither below has ended, and its answer is lost.
    pub taken: RangeSet,
    pub working: BTreeMap<u64, WorkingCall>,
    pub ended: BTreeMap<u64, EndedCall>,
    pub heard: Duration,
}

impl Import {
    /// Takes a number; `false`: there are too many gaps.
    pub(super) fn take(&mut self, number: u64) -> bool {
        if self.taken.len() >= MAX_GAPS {
            return false;
        }
        self.taken.insert(number, number + 1);
        true
    }

    pub(super) fn has_taken(&self, number: u64) -> bool {
        self.taken.covers(number, number + 1)
    }

    /// Numbers of calls whose answers, or whose work, is there, below `end`.
    pub(super) fn held_below(&self, end: u64) -> Vec<u64> {
        let working = self.working.range(..end).map(|(number, _)| *number);
        let ended = self.ended.range(..end).map(|(number, _)| *number);
        working.chain(ended).collect()
    }

    fn end(&self) -> u64 {
        let last = self.taken.iter().last();
        last.map_or(self.base, |(_, end)| end.max(self.base))
    }
}

/// All importing bridges.
#[derive(Debug, Default)]
pub(super) struct Imports {
    known: HashMap<u64, Import>,
    /// Those that were silent for long, and the first number that was not taken.
    retired: HashMap<u64, u64>,
    /// The same, oldest first.
    order: VecDeque<u64>,
}

impl Imports {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn get(&mut self, import: u64) -> Option<&mut Import> {
        self.known.get_mut(&import)
    }

    /// What is known of it, if there is room to know it.
    pub(super) fn meet(&mut self, import: u64) -> Option<&mut Import> {
        if !self.known.contains_key(&import) {
            if self.known.len() >= MAX_IMPORTS {
                return None;
            }
            let mut met = Import::default();
            if let Some(end) = self.retired.remove(&import) {
                self.order.retain(|other| *other != import);
                met.taken.insert(0, end);
            }
            self.known.insert(import, met);
        }
        self.known.get_mut(&import)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&u64, &Import)> {
        self.known.iter()
    }

    /// Forgets all of it but its last number.
    pub(super) fn retire(&mut self, import: u64) {
        if let Some(known) = self.known.remove(&import) {
            self.retired.insert(import, known.end());
            self.order.push_back(import);
        }
        if self.order.len() > MAX_RETIRED
            && let Some(oldest) = self.order.pop_front()
        {
            self.retired.remove(&oldest);
        }
    }
}
