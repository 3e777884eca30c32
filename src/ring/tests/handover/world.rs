//! The memory, the locks and the ledger of one state of the world.

use super::script::{HandoverPlan, HandoverVerb, Local};
use crate::error::Side;
use crate::members::{Liveness, MemberId};
use crate::ring::RedeliveryPolicy;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::rendezvous::Handover;
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;
use crate::sys::atomic::watched::Access;
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64, Fences, Ordering};

/// What is explored.
#[derive(Clone, Debug)]
pub(super) struct HandoverScenario {
    pub slots: usize,
    pub waiters: usize,
    pub plans: Vec<HandoverPlan>,
    /// So many deaths at most.
    pub kills: u8,
    /// Each of the dead has a successor on its id, which begins with the next message.
    pub successors: bool,
    /// A process closes the ring at any time.
    pub closes: bool,
    pub policy: RedeliveryPolicy,
    /// The rule that is left out.
    pub without: Option<super::rules::Rule>,
}

impl HandoverScenario {
    pub(super) fn new(slots: usize, waiters: usize) -> HandoverScenario {
        HandoverScenario {
            slots,
            waiters,
            plans: Vec::new(),
            kills: 0,
            successors: false,
            closes: false,
            policy: RedeliveryPolicy {
                redeliver: true,
                max_deliveries: 8,
            },
            without: None,
        }
    }

    pub(super) fn sender(mut self, verbs: &[HandoverVerb]) -> HandoverScenario {
        self.plans.push(super::plan(true, verbs));
        self
    }

    pub(super) fn receiver(mut self, verbs: &[HandoverVerb]) -> HandoverScenario {
        self.plans.push(super::plan(false, verbs));
        self
    }

    pub(super) fn kills(mut self, kills: u8) -> HandoverScenario {
        self.kills = kills;
        self
    }

    pub(super) fn successors(mut self) -> HandoverScenario {
        self.successors = true;
        self
    }

    pub(super) fn closer(mut self) -> HandoverScenario {
        self.closes = true;
        self
    }

    pub(super) fn discards(mut self) -> HandoverScenario {
        self.policy.redeliver = false;
        self
    }

    pub(super) fn without(mut self, rule: super::rules::Rule) -> HandoverScenario {
        self.without = Some(rule);
        self
    }

    /// Places of the watched words: slots, then waiter words, payloads, locks, and cells.
    pub(super) fn waiter(&self, index: usize) -> usize {
        self.slots + index
    }

    pub(super) fn payload(&self, slot: usize) -> usize {
        self.slots + self.waiters + slot
    }

    pub(super) fn lock(&self, process: usize) -> usize {
        2 * self.slots + self.waiters + process
    }

    pub(super) fn cell(&self, cell: Cell) -> usize {
        let at = CELLS.iter().position(|known| *known == cell);
        self.lock(self.plans.len()) + at.expect("a word of rendezvous rings")
    }

    fn places(&self) -> usize {
        self.lock(self.plans.len()) + CELLS.len()
    }
}

const CELLS: [Cell; 4] = [Cell::Closed, Cell::Lost, Cell::Redelivered, Cell::Requeues];

/// The id of a process, and back.
pub(super) fn id_of(process: usize) -> MemberId {
    MemberId(process as u16 + 1)
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SendEnd {
    Ok,
    /// The message came back.
    Back,
    InHand,
}

/// What is known of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct HandoverEntry {
    pub acknowledged: u8,
    pub read: u8,
    pub end: Option<SendEnd>,
    /// Sent by `try_send`,
    pub tried: bool,
    /// when these had died, bit by process.
    pub dead_before: u8,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WorldState {
    pub words: Vec<u64>,
    pub locals: Vec<Local>,
    pub ledger: Vec<HandoverEntry>,
    pub kills: u8,
    /// Bit by process: it has died, ever.
    pub died: u8,
    /// Bit by process: dead, and not yet recovered in whole.
    pub unreaped: u8,
}

impl WorldState {
    pub(super) fn first(scenario: &HandoverScenario) -> WorldState {
        let mut words = vec![0; scenario.places()];
        let geometry = Geometry::new(scenario.slots as u64);
        for (slot, word) in words[..scenario.slots].iter_mut().enumerate() {
            *word = geometry.free(slot as u64).0;
        }
        for process in 0..scenario.plans.len() {
            words[scenario.lock(process)] = 1;
        }
        let locals = (0..scenario.plans.len()).map(|process| Local::new(scenario, process));
        WorldState {
            words,
            locals: locals.collect(),
            ledger: vec![HandoverEntry::default(); scenario.messages()],
            kills: 0,
            died: 0,
            unreaped: 0,
        }
    }

    /// Carries out an access; what was there before.
    pub(super) fn carry_out(&mut self, place: usize, access: Access) -> u64 {
        let word = &mut self.words[place];
        let found = *word;
        match access {
            Access::Load => {}
            Access::Store(value) => *word = value,
            Access::Swap(from, to) if found == from => *word = to,
            Access::Swap(..) => {}
            Access::Add(by) => *word = found.wrapping_add(by),
        }
        found
    }
}

/// The memory as the code sees it: words that know only their places.
pub(super) struct WatchedHandover {
    scenario: HandoverScenario,
    words: Vec<AtomicU64>,
    byte: AtomicU8,
    wait_word: AtomicU32,
}

impl WatchedHandover {
    pub(super) fn new(scenario: &HandoverScenario) -> Self {
        let places = scenario.places() as u64;
        WatchedHandover {
            scenario: scenario.clone(),
            words: (0..places).map(AtomicU64::new).collect(),
            byte: AtomicU8::new(0),
            wait_word: AtomicU32::new(0),
        }
    }

    pub(super) fn payload(&self, position: u64) -> &AtomicU64 {
        let slot = self.geometry().index(position) as usize;
        &self.words[self.scenario.payload(slot)]
    }
}

impl Memory for WatchedHandover {
    fn geometry(&self) -> Geometry {
        Geometry::new(self.scenario.slots as u64)
    }

    fn fences(&self) -> Fences {
        Fences::Membarrier
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[self.geometry().index(position) as usize]
    }

    fn places(&self) -> Places {
        unreachable!("slots")
    }

    fn publication(&self, _position: u64) -> &AtomicU64 {
        unreachable!("slots")
    }

    fn attempts(&self, _position: u64) -> &AtomicU8 {
        &self.byte
    }

    fn cell(&self, cell: Cell) -> &AtomicU64 {
        &self.words[self.scenario.cell(cell)]
    }

    fn wait_word(&self, _side: Side) -> &AtomicU32 {
        &self.wait_word // sleeping is not modelled
    }
}

impl Handover for WatchedHandover {
    fn waiter(&self, index: usize) -> &AtomicU64 {
        &self.words[self.scenario.waiter(index)]
    }

    fn waiters(&self) -> usize {
        self.scenario.waiters
    }
}

impl Liveness for WatchedHandover {
    type Error = ();

    fn try_lock(&self, _id: MemberId) -> Result<bool, ()> {
        unreachable!("no member attaches")
    }

    fn unlock(&self, _id: MemberId) {
        unreachable!("no member detaches")
    }

    fn is_alive(&self, id: MemberId) -> bool {
        let lock = self.scenario.lock(usize::from(id.0) - 1);
        self.words[lock].load(Ordering::Acquire) != 0
    }
}
