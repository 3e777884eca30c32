//! Runs one process's code from one shared access to the next.

use std::cell::RefCell;

use super::Saved;
use super::ledger::Event;
use super::mutants::{Filter, Filtered, Mutant};
use super::script::{Cast, Look, Stage};
use super::state::{Act, Codec, Place, is_word, place_of};
use crate::ring::layout::Cell;
use crate::ring::slot::State;
use crate::sys::atomic::watched::{Access, suspend, watched_by};

/// Where a process is: all that decides what it does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Local {
    pub role: u8,
    /// So many died in this role before.
    pub life: u8,
    pub stage: Stage,
    /// The errand that the sender is at, and messages sent of it.
    pub errand: u8,
    pub sent: u8,
    /// Leases that the receiver has yet to give back.
    pub requeues: u8,
    /// Those once found dead (only in a mutant is this remembered).
    pub remembered: u8,
    /// The receiver's look at its own hint is behind it.
    pub has_bet: bool,
    /// The endpoint, as of the beginning of the stage.
    pub side: Saved,
    /// Position and attempt of what the receiver has in hand.
    pub held: Vec<(u64, u8)>,
    /// Results of the accesses made in this stage.
    pub history: Vec<u16>,
}

impl Local {
    /// Is the receiver about to report the end?
    pub(super) fn concludes(&self) -> bool {
        self.has_looked_at(0) || matches!(self.stage, Stage::Patrol { .. })
    }

    /// Is it, and has it looked whether `process` is alive?
    pub(super) fn has_looked_at(&self, process: u8) -> bool {
        match self.stage {
            Stage::Patrol { from } => from > process,
            Stage::Bury { dead, patrol, .. } | Stage::MarkClean { dead, patrol, .. } => {
                patrol && dead >= process
            }
            Stage::Take(look) => look != Look::First,
            Stage::Quiescent => true,
            _ => false,
        }
    }
}

/// What a process waits to do, and what its local state says of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub local: Local,
    pub pending: Option<(Place, Act)>,
    /// Entries of the ledger that are made with the pending access.
    pub fires: Vec<Event>,
    /// Known successors, by result of the access.
    pub next: Vec<Next>,
}

#[derive(Clone, Debug)]
pub(super) struct Next {
    pub result: u16,
    pub to: u32,
    pub events: Vec<Event>,
}

/// Which access an entry of the ledger waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The next.
    Any,
    /// The next change of a slot word.
    SlotWord,
    /// The next change of a slot word or of `done`.
    Acknowledgement,
}

impl On {
    fn is(self, place: Place, act: Act) -> bool {
        let changes = matches!(act, Act::Store(_) | Act::Swap(..));
        match self {
            On::Any => true,
            On::SlotWord => changes && is_word(place),
            On::Acknowledgement => changes && (is_word(place) || place == place_of(Cell::Done)),
        }
    }
}

/// The run of one stage.
struct Runner {
    codec: Codec,
    history: Vec<u16>,
    /// What those were the results of, so far.
    made: Vec<(Place, Act)>,
    pending: Option<(Place, Act)>,
    events: Vec<Event>,
    armed: Vec<(On, Event)>,
    fires: Vec<Event>,
    filter: Filter,
    closes: bool,
}

/// The state of a packed word that a receiver waits at.
const CLAIMED: u16 = SlotState::Claimed as u16;

thread_local! {
    static RUNNER: RefCell<Option<Runner>> = const { RefCell::new(None) };
}

fn with<T>(body: impl FnOnce(&mut Runner) -> T) -> T {
    RUNNER.with_borrow_mut(|runner| body(runner.as_mut().expect("a stage runs")))
}

impl Runner {
    /// The recorded result of an access, or `None` if it is yet to be made.
    fn perform(&mut self, place: Place, act: Act) -> Option<u16> {
        let Some(result) = self.history.get(self.made.len()) else {
            self.pending = Some((place, act));
            let ripe = self.armed.iter().filter(|(on, _)| on.is(place, act));
            self.fires = ripe.map(|(_, event)| *event).collect();
            return None;
        };
        self.made.push((place, act));
        self.armed.retain(|(on, _)| !on.is(place, act));
        Some(*result)
    }

    /// What is found without a step, since it is the same at any time.
    fn constant(&self, place: Place, access: Access) -> Option<u64> {
        let never_closed = place == place_of(Cell::Closed) && !self.closes;
        // Nobody reads this counter, neither the code nor the ledger.
        let unread = place == place_of(Cell::Redelivered) && access != Access::Load;
        (never_closed || unread).then_some(0)
    }

    /// An access of the code under test.
    fn access(&mut self, place: Place, access: Access) -> Option<u64> {
        while let Some((place, access)) = self.filter.due() {
            self.perform(place, pack(self.codec, place, access))?;
            self.filter.done();
        }
        if let Some(constant) = self.constant(place, access) {
            return Some(constant);
        }
        let (place, access) = match self.filter.before(place, access) {
            Filtered::Answer(value) => return Some(value),
            Filtered::Go(place, access) => (place, access),
        };
        let result = self.perform(place, pack(self.codec, place, access))?;
        let result = self.codec.unpack(place, result);
        Some(self.filter.after(place, access, result))
    }
}

fn pack(codec: Codec, place: Place, access: Access) -> Act {
    match access {
        Access::Load => Act::Load,
        Access::Store(value) => Act::Store(codec.pack(place, value)),
        Access::Swap(from, to) => Act::Swap(codec.pack(place, from), codec.pack(place, to)),
        Access::Add(by) => Act::Add(codec.pack(place, by)),
    }
}

fn watch(name: u64, access: Access) -> Option<u64> {
    with(|runner| runner.access(name as Place, access))
}

/// An access that is not to the ring's memory.
pub(super) fn ask(place: Place, act: Act) -> u16 {
    with(|runner| runner.perform(place, act)).unwrap_or_else(|| suspend())
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
pub(super) fn note(event: Event) {
    with(|runner| {
        if runner.made.len() == runner.history.len() {
            runner.events.push(event);
        }
    });
}

/// Enters something in the ledger with an access that is yet to be made.
pub(super) fn note_with(on: On, event: Event) {
    with(|runner| runner.armed.push((on, event)));
}

/// Runs on from `local`, whose history ends with the result of its last access,
/// up to the next access. Says what is to be entered in the ledger meanwhile.
pub(super) fn advance(cast: &Cast, mut local: Local) -> (Node, Vec<Event>) {
    let mut events = Vec::new();
    loop {
        if matches!(local.stage, Stage::Done | Stage::Dead) {
            let node = Node {
                local,
                pending: None,
                fires: Vec::new(),
                next: Vec::new(),
            };
            return (node, events);
        }
        let mut next = local.clone();
        let runner = Runner {
            codec: cast.codec,
            history: local.history.clone(),
            made: Vec::new(),
            pending: None,
            events: Vec::new(),
            armed: Vec::new(),
            fires: Vec::new(),
            filter: Filter::new(cast, &local),
            closes: cast.closes,
        };
        RUNNER.set(Some(runner));
        let ended = watched_by(watch, || (cast.play)(cast, &mut next));
        let runner = RUNNER.take().expect("set above");
        events.extend(runner.events);
        assert!(
            runner.made.len() == runner.history.len(),
            "a stage forgot a step"
        );
        if ended.is_none() {
            let pending = runner.pending.expect("it was suspended");
            let (position, whole) = (cast.places.last_position(), local.history.len());
            forget(cast, &mut local, &runner.made, pending);
            if local.history.len() != whole {
                // It still leads to the same place.
                let (again, _) = advance(cast, local.clone());
                assert_eq!(again.pending, Some(pending));
                assert_eq!(cast.places.last_position(), position);
            }
            let node = Node {
                local,
                pending: runner.pending,
                fires: runner.fires,
                next: Vec::new(),
            };
            return (node, events);
        }
        next.history.clear();
        local = next;
    }
}

/// Drops from a history what the code does not remember itself, so that local
/// states that differ in nothing else are one. The history stays one that leads
/// to the same place with the same variables:
///
/// - a sender that looks at a word for a claim knows only its position, as if
///   the hint had led there at once; so does a receiver;
/// - a claim of a sender knows that credit sufficed, not how much there was;
/// - a look behind the head and a sweep know nothing of the slots that they
///   passed (0 is a word that neither wants).
fn forget(cast: &Cast, local: &mut Local, made: &[(Place, Act)], pending: (Place, Act)) {
    let position = cast.places.last_position();
    let offset = |position: u64| u16::from(cast.codec.offset(position));
    let loads_of = |cell: Cell| (place_of(cell), Act::Load);
    let looks_at_word = is_word(pending.0) && pending.1 == Act::Load;
    let history = &mut local.history;
    match local.stage {
        Stage::Claim if made.first() == Some(&loads_of(Cell::Tail)) => {
            if looks_at_word {
                *history = vec![offset(position)];
            } else if matches!(pending.1, Act::Swap(..)) && made.len() > 2 {
                history.truncate(2);
                let capacity = cast.codec.geometry.capacity();
                history.push(offset(position.wrapping_sub(capacity).wrapping_add(1)));
            }
        }
        Stage::Take(_) | Stage::TakeMore if looks_at_word => {
            let last = |wanted| made.iter().rposition(|access| *access == wanted);
            let Some(head) = last(loads_of(Cell::Head)) else {
                return; // a single receiver
            };
            match last(loads_of(Cell::Requeues)) {
                Some(requeues) if requeues > head => {
                    forget_words(history, made, requeues + 1);
                    if head + 1 < requeues && history[head + 1] >> 7 & 3 != CLAIMED {
                        // Nothing was there, whatever it was: say free.
                        let from = cast.codec.position(history[head] as u8);
                        let free = cast.codec.geometry.free(from).0;
                        history[head + 1] = cast.codec.pack(made[head + 1].0, free);
                    }
                }
                looked => {
                    history.truncate(head);
                    if let Some(requeues) = looked {
                        history[0] = 0;
                        forget_words(history, made, requeues + 1);
                    }
                    history.push(offset(position));
                }
            }
        }
        Stage::Bury { .. } | Stage::SweepOwn { .. }
            if looks_at_word && !cast.setup.mutant.is_some_and(Mutant::minds_swaps) =>
        {
            *history = vec![0; cast.codec.geometry.index(position) as usize];
        }
        _ => {}
    }
}

/// Leaves of a history from `from` on only so many words that were passed.
fn forget_words(history: &mut Vec<u16>, made: &[(Place, Act)], from: usize) {
    let until = history.len();
    let loads = made[from..until]
        .iter()
        .filter(|(_, act)| *act == Act::Load);
    let words = loads.count();
    history.truncate(from);
    history.resize(from + words, 0);
}
