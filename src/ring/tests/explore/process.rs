//! Runs one process's code from one shared access to the next.

use std::cell::RefCell;

use super::Saved;
use super::codec::Codec;
use super::context::Context;
use super::history;
use super::ledger::Record;
use super::mutants::{Filter, Filtered};
use super::script::Stage;
use super::state::{
    DEAD, DIRTY, ENTRIES, FAR, LOCKS, Location, PIDS, PackedAccess, is_entry, is_epoch, is_word,
    place_of,
};
use crate::members::{Attached, Observed};
use crate::ring::end::{ConcludeStep, End};
use crate::ring::layout::{CLOSED, Cell};
use crate::sys::atomic::watched::{Access, suspend, watched_by};

/// Where a process is: all that decides what it does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LocalState {
    pub process: u8,
    /// So many of this id died before.
    pub life: u8,
    pub stage: Stage,
    /// The operation that the sender is at, and messages sent of it.
    pub op: u8,
    pub sent: u8,
    /// Leases that the receiver has yet to give back.
    pub requeues: u8,
    /// Those once found dead (only in a mutant is this remembered).
    pub found_dead: u8,
    /// The receiver's look at its own hint is behind it.
    pub tried_fast: bool,
    /// The endpoint, as of the beginning of the stage.
    pub side: Saved,
    /// Position and redeliveries of what the receiver has in hand.
    pub held: Vec<(u64, u8)>,
    /// What a sender that will detach knows of its entry.
    pub attached: Option<Attached>,
    /// The other side, as of an epoch, and the end that was reported last.
    pub peers: Observed,
    pub concluded: Option<End>,
    /// Results of the accesses made in this stage.
    pub history: Vec<u16>,
}

impl LocalState {
    /// A process that is not there yet.
    pub(super) fn absent(process: u8, life: u8) -> Self {
        LocalState {
            process,
            life,
            stage: Stage::Dead,
            op: 0,
            sent: 0,
            requeues: 0,
            found_dead: 0,
            tried_fast: false,
            side: [0; _],
            held: Vec::new(),
            attached: None,
            peers: Observed::default(),
            concluded: None,
            history: Vec::new(),
        }
    }

    /// Is the receiver about to report the end?
    pub(super) fn concludes(&self) -> bool {
        matches!(self.stage, Stage::Conclude(step, _) if step != ConcludeStep::Fence)
    }

    /// Is it, and has it looked whether `process` is alive?
    pub(super) fn has_looked_at(&self, context: &Context, process: u8) -> bool {
        if let Stage::Conclude(ConcludeStep::Scan, _) = self.stage {
            // A scan begins with a survey of each that has an entry.
            let others = (0..process).filter(|other| *other != self.process);
            let entries = others.filter(|other| context.scenario.has_entry(*other));
            return self.history.len() > entries.count();
        }
        self.concludes()
    }

    /// At the top of a call, with nothing in hand?
    pub(super) fn is_between_calls(&self) -> bool {
        let top = match self.stage {
            Stage::Begin | Stage::TryFast | Stage::TryFastTake => true,
            Stage::Take => !self.tried_fast,
            Stage::Claim => self.sent == 0,
            _ => false,
        };
        top && self.history.is_empty()
    }
}

/// What a process waits to do, and what its local state says of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub local: LocalState,
    pub pending: Option<(Location, PackedAccess)>,
    /// Records of the ledger that are made with the pending access.
    pub fires: Vec<Record>,
    /// Known successors, by result of the access.
    pub next: Vec<Next>,
}

#[derive(Clone, Debug)]
pub(super) struct Next {
    pub result: u16,
    pub to: u32,
    pub records: Vec<Record>,
}

/// Which access a record of the ledger waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The next.
    Any,
    /// The next change of the word of a slot, of a line, or of all dense messages.
    Publication,
    /// The next such change that shows the position at this offset.
    PublicationOf(u8),
    /// The next change of the word of a slot, or of `done`.
    Acknowledgement,
}

impl On {
    fn is(self, place: Location, access: PackedAccess) -> bool {
        let changes = matches!(access, PackedAccess::Store(_) | PackedAccess::Swap(..));
        let tells = is_word(place) || place == place_of(Cell::Sent);
        match self {
            On::Any => true,
            On::Publication => changes && tells,
            On::PublicationOf(offset) => {
                tells && matches!(access, PackedAccess::Store(next) if next > offset.into())
            }
            On::Acknowledgement => changes && (is_word(place) || place == place_of(Cell::Done)),
        }
    }
}

/// The run of one stage.
struct Runner {
    codec: Codec,
    process: u8,
    stage: Stage,
    history: Vec<u16>,
    /// What those were the results of, so far.
    made: Vec<(Location, PackedAccess)>,
    pending: Option<(Location, PackedAccess)>,
    records: Vec<Record>,
    armed: Vec<(On, Record)>,
    fires: Vec<Record>,
    filter: Filter,
    /// A process closes the ring; senders detach, and receivers ask whether any is left.
    closes: bool,
    detaches: bool,
    /// Bit by process: the table has an entry for it.
    entries: u8,
    /// Attaching: the lock of an id was asked for.
    is_locked: bool,
    /// The process that the last access surveyed, and whether it is alive.
    surveyed: Option<(u8, bool)>,
}

thread_local! {
    static RUNNER: RefCell<Option<Runner>> = const { RefCell::new(None) };
}

fn with<T>(body: impl FnOnce(&mut Runner) -> T) -> T {
    RUNNER.with_borrow_mut(|runner| body(runner.as_mut().expect("a stage runs")))
}

impl Runner {
    fn new(context: &Context, local: &LocalState) -> Self {
        let scenario = &context.scenario;
        let processes = 0..scenario.plans.len() as u8;
        let entries = processes.filter(|process| scenario.has_entry(*process));
        Runner {
            codec: context.codec,
            process: local.process,
            stage: local.stage,
            history: local.history.clone(),
            made: Vec::new(),
            pending: None,
            records: Vec::new(),
            armed: Vec::new(),
            fires: Vec::new(),
            filter: Filter::new(context, local),
            closes: scenario.closes(),
            detaches: scenario.detaches,
            entries: entries.fold(0, |all, process| all | 1 << process),
            is_locked: false,
            surveyed: None,
        }
    }

    /// The recorded result of an access, or `None` if it is yet to be made.
    fn perform(&mut self, place: Location, access: PackedAccess) -> Option<u16> {
        self.surveyed = None;
        let Some(result) = self.history.get(self.made.len()) else {
            self.pending = Some((place, access));
            let ripe = self.armed.iter().filter(|(on, _)| on.is(place, access));
            self.fires = ripe.map(|(_, record)| *record).collect();
            return None;
        };
        self.made.push((place, access));
        self.armed.retain(|(on, _)| !on.is(place, access));
        Some(*result)
    }

    /// What is found without a step, since it is the same at any time or decides
    /// nothing.
    fn constant(&self, place: Location, access: Access) -> Option<u64> {
        if is_entry(place) {
            return self.constant_entry(place - ENTRIES, access);
        }
        if place == place_of(Cell::Closed) && access == Access::Load {
            // Once it is, it stays so.
            let is_closed = self.stage == Stage::Conclude(ConcludeStep::Confirm, End::Closed);
            return match is_closed {
                true => Some(CLOSED),
                false => (!self.closes).then_some(0),
            };
        }
        if place == place_of(Cell::Final) && !self.closes && access == Access::Load {
            return Some(0);
        }
        if place == FAR {
            return Some(self.codec.position(0)); // nothing was ever published there
        }
        if place == place_of(Cell::Sent) && self.codec.is_in_lines() {
            return Some(0); // a hint for those that count messages
        }
        // Neither the code nor the ledger reads this counter.
        let is_unread = place == place_of(Cell::Redelivered) && access != Access::Load;
        let is_unasked = is_epoch(place) && !self.detaches;
        (is_unread || is_unasked || place == PIDS).then_some(0)
    }

    fn constant_entry(&self, process: u8, access: Access) -> Option<u64> {
        if self.entries & 1 << process == 0 {
            return Some(0);
        }
        if access != Access::Load {
            return None;
        }
        // Which id is taken is the model's choice: the loads before only sort.
        let sorts = self.stage == Stage::Enter && !self.is_locked;
        // No other process changes an entry once it is taken.
        let is_own = self.process == process
            && (self.stage != Stage::Enter
                || self.made.contains(&(ENTRIES + process, PackedAccess::Load)));
        (sorts || is_own).then_some(DIRTY.into())
    }

    /// An access of the code under test.
    fn access(&mut self, place: Location, access: Access) -> Option<u64> {
        while let Some((place, access)) = self.filter.due() {
            self.perform(place, pack(self.codec, place, access))?;
            self.filter.done();
        }
        if let Some(constant) = self.constant(place, access) {
            return Some(constant);
        }
        if is_entry(place) && access == Access::Load && place != ENTRIES + self.process {
            return self.survey(place - ENTRIES);
        }
        let (place, access) = match self.filter.before(place, access) {
            Filtered::Answer(value) => return Some(value),
            Filtered::Go(place, access) => (place, access),
        };
        let result = self.perform(place, pack(self.codec, place, access))?;
        let result = self.codec.unpack(place, result);
        Some(self.filter.after(place, access, result))
    }

    /// A look at an entry, and whether its holder is alive, in one step.
    fn survey(&mut self, process: u8) -> Option<u64> {
        let found = self.perform(LOCKS + process, PackedAccess::Survey)?;
        self.surveyed = Some((process, found & DEAD == 0));
        Some(found as u8 as u64)
    }
}

fn pack(codec: Codec, place: Location, access: Access) -> PackedAccess {
    match access {
        Access::Load => PackedAccess::Load,
        Access::Store(value) => PackedAccess::Store(codec.pack(place, value)),
        Access::Swap(from, to) => {
            PackedAccess::Swap(codec.pack(place, from), codec.pack(place, to))
        }
        Access::Add(by) => PackedAccess::Add(codec.pack(place, by)),
    }
}

fn watch(name: u64, access: Access) -> Option<u64> {
    with(|runner| runner.access(name as Location, access))
}

/// An access that is not to memory.
pub(super) fn ask(place: Location, access: PackedAccess) -> u16 {
    with(|runner| runner.perform(place, access)).unwrap_or_else(|| suspend())
}

/// The process takes the lock of its own id, which is free for it.
pub(super) fn ask_for_lock() {
    with(|runner| runner.is_locked = true);
}

/// Whether `process` is alive, if the last access was a survey of it.
pub(super) fn survey_of(process: u8) -> Option<bool> {
    let surveyed = with(|runner| runner.surveyed.take());
    surveyed.and_then(|(of, alive)| (of == process).then_some(alive))
}

/// Makes accesses that a mutant put off.
pub(super) fn flush() {
    let done = with(|runner| {
        runner.filter.force();
        while let Some((place, access)) = runner.filter.due() {
            runner.perform(place, pack(runner.codec, place, access))?;
            runner.filter.done();
        }
        Some(())
    });
    done.unwrap_or_else(|| suspend());
}

/// Enters something in the ledger, with the access that was made last.
pub(super) fn note(record: Record) {
    with(|runner| {
        if runner.made.len() == runner.history.len() {
            runner.records.push(record);
        }
    });
}

/// Enters something in the ledger with an access that is yet to be made.
pub(super) fn note_with(on: On, record: Record) {
    with(|runner| runner.armed.push((on, record)));
}

/// Runs on from `local`, whose history ends with the result of its last access,
/// up to the next access. Says what is to be entered in the ledger meanwhile.
pub(super) fn advance(context: &Context, mut local: LocalState) -> (Node, Vec<Record>) {
    let mut records = Vec::new();
    loop {
        if matches!(local.stage, Stage::Done | Stage::Dead) {
            let node = Node {
                local,
                pending: None,
                fires: Vec::new(),
                next: Vec::new(),
            };
            return (node, records);
        }
        let mut next = local.clone();
        RUNNER.set(Some(Runner::new(context, &local)));
        let ended = watched_by(watch, || (context.run_stage)(context, &mut next));
        let runner = RUNNER.take().expect("set above");
        records.extend(runner.records);
        assert!(
            runner.made.len() == runner.history.len(),
            "a stage forgot a step"
        );
        if ended.is_none() {
            let pending = runner.pending.expect("it was suspended");
            let (position, whole) = (context.memory.last_position(), local.history.clone());
            history::forget(context, &mut local, &runner.made, pending);
            if local.history != whole {
                // It still leads to the same place.
                let (again, _) = advance(context, local.clone());
                assert_eq!(again.pending, Some(pending), "{:?}", local);
                assert_eq!(context.memory.last_position(), position);
            }
            let node = Node {
                local,
                pending: runner.pending,
                fires: runner.fires,
                next: Vec::new(),
            };
            return (node, records);
        }
        next.history.clear();
        local = next;
    }
}
