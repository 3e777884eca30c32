//! What is explored, and the rules that can be left out.

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RwLeftOut {
    /// RW1: a reader counts, and then looks at the word.
    CellFirst,
    /// RW2: one that turns back counts an event.
    TurnBackEvent,
    /// RW3: one that reads already does not wait for a writer.
    Recursion,
    /// RW3: one that is about to turn back does not read already.
    TurnsBack,
    /// RW4: a reader that leaves counts an event.
    UnlockEvent,
    /// RW5: a writer looks at the cells.
    Look,
    /// RW6: the event is loaded before the cell.
    EventFirst,
    /// RW7: readers are asked for at each expiry.
    ProbeAgain,
    /// RW8: a writer says that it is inside.
    Inside,
    /// RW9: it wakes all.
    WakeAll,
    /// RW10: one that takes over looks at the cells.
    LookAgain,
    /// RW10: and poisons only if the dead one was inside.
    PoisonIfInside,
    /// RW11: a reader frees the word of a dead writer.
    FreeForAll,
    /// RW11: and wakes all.
    WakeFreed,
    /// RW12: a successor clears its cell.
    ClearCell,
    /// RW12: and counts an event.
    ClearedEvent,
    /// RW12: and frees the word.
    Recover,
    /// RW13: a writer that becomes a reader counts before it frees the word.
    CellBeforeWord,
    /// RW9, L12: the lock stays poisoned if the value was not repaired.
    KeepPoison,
}

/// What is explored.
#[derive(Clone, Debug)]
pub(super) struct RwScenario {
    /// Of each process: what it does, a letter for each visit.
    pub(super) plans: Vec<&'static str>,
    pub(super) kills: u8,
    pub(super) successors: bool,
    /// Only the first process dies, not at its end, and its successor only recovers.
    pub(super) first_dies: bool,
    /// A successor clears its cell before it frees the word, and not after it.
    pub(super) cell_first: bool,
    /// The first process leaves a poisoned value as it is.
    pub(super) leaves_poison: bool,
    /// The last two processes are threads of one member.
    pub(super) threads: bool,
    /// This process may give up.
    pub(super) gives_up: Option<usize>,
    pub(super) without: Option<RwLeftOut>,
}

impl RwScenario {
    pub(super) fn new(plans: &[&'static str]) -> RwScenario {
        RwScenario {
            plans: plans.to_vec(),
            kills: 0,
            successors: false,
            first_dies: false,
            cell_first: false,
            leaves_poison: false,
            threads: false,
            gives_up: None,
            without: None,
        }
    }

    pub(super) fn kills(mut self, kills: u8) -> RwScenario {
        self.kills = kills;
        self
    }

    pub(super) fn successors(mut self) -> RwScenario {
        self.successors = true;
        self
    }

    pub(super) fn first_dies(mut self) -> RwScenario {
        self.first_dies = true;
        self.kills(1).successors()
    }

    pub(super) fn cell_first(mut self) -> RwScenario {
        self.cell_first = true;
        self
    }

    pub(super) fn leaving_poison(mut self) -> RwScenario {
        self.leaves_poison = true;
        self
    }

    pub(super) fn threads(mut self) -> RwScenario {
        self.threads = true;
        self
    }

    pub(super) fn giving_up(mut self, process: usize) -> RwScenario {
        self.gives_up = Some(process);
        self
    }

    pub(super) fn without(mut self, rule: RwLeftOut) -> RwScenario {
        self.without = Some(rule);
        self
    }

    pub(super) fn lacks(&self, rule: RwLeftOut) -> bool {
        self.without == Some(rule)
    }
}
