//! Everything that is shared, packed tightly: the memory of the ring, the table of
//! members, the locks, where each process is, and the ledger.

use std::cell::Cell;

use bytemuck::{Pod, Zeroable};

use super::Scenario;
use crate::error::Side;
use crate::members::{MemberId, Role, Table};
use crate::ring::layout::Cell as ControlWord;
use crate::ring::memory::Memory;
use crate::ring::slot::Geometry;
use crate::ring::spsc::Places;
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64, Fences};

pub(super) const MAX_PROCESSES: usize = 6;
pub(super) const MAX_SLOTS: usize = 8;
pub(super) const MAX_MESSAGES: usize = 8;

/// The control words that the protocols use.
pub(super) const CELLS: [ControlWord; 13] = [
    ControlWord::Tail,
    ControlWord::Head,
    ControlWord::Sent,
    ControlWord::Taken,
    ControlWord::Done,
    ControlWord::Credit,
    ControlWord::Marked,
    ControlWord::Busy,
    ControlWord::Requeues,
    ControlWord::Closed,
    ControlWord::Lost,
    ControlWord::Redelivered,
    ControlWord::Final,
];
/// So many of them hold positions.
pub(super) const POSITIONS: Location = 7;

/// Where an access goes: a control word, the word of a slot or a line, an entry of the table of
/// members, an epoch, a process id, the kernel's table of locks, or a count of attempts.
pub(super) type Location = u8;
pub(super) const WORDS: Location = 16;
pub(super) const ENTRIES: Location = 24;
pub(super) const EPOCHS: Location = 32;
pub(super) const PIDS: Location = 34;
pub(super) const LOCKS: Location = 40;
pub(super) const ATTEMPTS: Location = 48;
/// The word of a line that is farther ahead than any message will be.
pub(super) const FAR: Location = 56;

pub(super) fn place_of(cell: ControlWord) -> Location {
    let at = CELLS.iter().position(|known| *known == cell);
    at.expect("every cell is listed") as Location
}

pub(super) fn is_word(place: Location) -> bool {
    (WORDS..ENTRIES).contains(&place)
}

pub(super) fn is_attempts(place: Location) -> bool {
    (ATTEMPTS..FAR).contains(&place)
}

pub(super) fn is_entry(place: Location) -> bool {
    (ENTRIES..EPOCHS).contains(&place)
}

pub(super) fn is_epoch(place: Location) -> bool {
    (EPOCHS..PIDS).contains(&place)
}

/// One access, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackedAccess {
    Load,
    Store(u16),
    Swap(u16, u16),
    Add(u16),
    /// Is the process alive?
    Probe,
    /// Its entry, and whether it is dead, at one time.
    Survey,
    /// The process gives its own lock up.
    Unlock,
}

impl PackedAccess {
    /// What the code sees of what an access `found`: of a store or an addition
    /// nothing, of a failed swap only that it failed (but for the end of the ring).
    pub(super) fn outcome(self, place: Location, found: u16) -> u16 {
        match self {
            PackedAccess::Store(_) | PackedAccess::Add(_) | PackedAccess::Unlock => 0,
            PackedAccess::Swap(..) if place == place_of(ControlWord::Final) => found,
            PackedAccess::Swap(from, _) if found != from => from ^ 1 << 9,
            _ => found,
        }
    }
}

/// Low bit of an entry, as in `members/table.rs`.
pub(super) const DIRTY: u8 = 1;
/// A survey's answer about the dead.
pub(super) const DEAD: u16 = 0x100;

/// One state of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct GlobalState {
    /// The local state of each process, by its number.
    pub locals: [u32; MAX_PROCESSES],
    pub messages: [u32; MAX_MESSAGES],
    pub words: [u16; MAX_SLOTS],
    pub cells: [u8; CELLS.len()],
    pub payloads: [u8; MAX_SLOTS],
    pub entries: [u8; MAX_PROCESSES],
    /// Of each role.
    pub epochs: [u8; 2],
    /// The process that has a slot, by the ledger, counted from 1.
    pub holders: [u8; MAX_SLOTS],
    /// One sender, one receiver: how often the message there was given back.
    pub attempts: [u8; MAX_SLOTS],
    pub kills: u8,
    /// Bit by process: its lock is held.
    pub alive: u8,
    /// Bit by process: its send began when the ring was closed.
    pub too_late: u8,
}

const _: () = assert!(size_of::<GlobalState>().is_multiple_of(8));

impl GlobalState {
    pub(super) fn cell(&self, cell: ControlWord) -> u8 {
        self.cells[place_of(cell) as usize]
    }

    pub(super) fn is_alive(&self, process: usize) -> bool {
        self.alive & 1 << process != 0
    }

    /// Carries out an access; what was there before.
    pub(super) fn carry_out(&mut self, place: Location, access: PackedAccess) -> u16 {
        if is_word(place) {
            let word = &mut self.words[(place - WORDS) as usize];
            return change(u16::MAX, *word, access, |new| *word = new);
        }
        if is_attempts(place) {
            let attempts = &mut self.attempts[(place - ATTEMPTS) as usize];
            return change(0xff, (*attempts).into(), access, |new| {
                *attempts = new as u8
            });
        }
        if place >= LOCKS {
            let process = (place - LOCKS) as usize;
            let (alive, entry) = (self.is_alive(process), self.entries[process].into());
            return match access {
                PackedAccess::Probe => alive.into(),
                PackedAccess::Survey if alive => entry,
                PackedAccess::Survey => DEAD | entry,
                PackedAccess::Unlock => {
                    self.alive &= !(1 << process);
                    0
                }
                _ => unreachable!("locks are no words"),
            };
        }
        let byte = if is_epoch(place) {
            &mut self.epochs[(place - EPOCHS) as usize]
        } else if is_entry(place) {
            &mut self.entries[(place - ENTRIES) as usize]
        } else {
            &mut self.cells[place as usize]
        };
        change(0xff, (*byte).into(), access, |new| *byte = new as u8)
    }
}

fn change(mask: u16, found: u16, access: PackedAccess, mut set: impl FnMut(u16)) -> u16 {
    match access {
        PackedAccess::Store(value) => set(value),
        PackedAccess::Swap(from, to) if found == from => set(to),
        PackedAccess::Add(by) => set(found.wrapping_add(by) & mask),
        PackedAccess::Load | PackedAccess::Swap(..) => {}
        PackedAccess::Probe | PackedAccess::Survey | PackedAccess::Unlock => {
            unreachable!("words have no locks")
        }
    }
    found
}

/// Lines that a receiver looks ahead at least.
const LOOK_AHEAD: u64 = 8;

/// The memory as the code under test sees it: words that know only their place.
pub(super) struct WatchedMemory {
    geometry: Geometry,
    /// One sender, one receiver.
    places: Option<Places>,
    start: u64,
    roles: Vec<Role>,
    cells: [AtomicU64; CELLS.len()],
    words: [AtomicU64; MAX_SLOTS],
    attempts: [AtomicU8; MAX_SLOTS],
    far: AtomicU64,
    entries: [AtomicU64; MAX_PROCESSES],
    epochs: [AtomicU64; 2],
    pid: AtomicU64,
    wait_word: AtomicU32,
    /// The position whose word was asked for last.
    position: Cell<u64>,
}

impl WatchedMemory {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let from = |first: Location, at: usize| AtomicU64::new(u64::from(first) + at as u64);
        WatchedMemory {
            geometry: scenario.geometry(),
            places: scenario.places(),
            start: scenario.start,
            roles: scenario.roles(),
            cells: std::array::from_fn(|at| from(0, at)),
            words: std::array::from_fn(|at| from(WORDS, at)),
            attempts: std::array::from_fn(|at| AtomicU8::new(ATTEMPTS + at as u8)),
            far: from(FAR, 0),
            entries: std::array::from_fn(|at| from(ENTRIES, at)),
            epochs: std::array::from_fn(|at| from(EPOCHS, at)),
            pid: from(PIDS, 0),
            wait_word: AtomicU32::new(0),
            position: Cell::new(0),
        }
    }

    pub(super) fn last_position(&self) -> u64 {
        self.position.get()
    }
}

impl Memory for WatchedMemory {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn fences(&self) -> Fences {
        Fences::Membarrier
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        self.position.set(position);
        &self.words[self.geometry.index(position) as usize]
    }

    fn places(&self) -> Places {
        self.places.expect("one sender, one receiver")
    }

    /// A receiver looks some lines ahead, where there never is a message: the bounds are
    /// narrower. That is no step.
    fn publication(&self, position: u64) -> &AtomicU64 {
        self.position.set(position);
        let places = self.places();
        if places.is_dense() {
            return self.cell(ControlWord::Sent);
        }
        if position.wrapping_sub(self.start) >= LOOK_AHEAD * places.line_length() {
            return &self.far;
        }
        let line = self.geometry.index(position) / places.line_length();
        &self.words[line as usize]
    }

    fn attempts(&self, position: u64) -> &AtomicU8 {
        &self.attempts[self.geometry.index(position) as usize]
    }

    fn cell(&self, cell: ControlWord) -> &AtomicU64 {
        &self.cells[place_of(cell) as usize]
    }

    fn wait_word(&self, _side: Side) -> &AtomicU32 {
        &self.wait_word // sleeping is not modelled
    }
}

impl Table for WatchedMemory {
    fn roles(&self) -> &[Role] {
        &self.roles
    }

    fn entry(&self, id: MemberId) -> &AtomicU64 {
        &self.entries[usize::from(id.0) - 1]
    }

    fn pid(&self, _id: MemberId) -> &AtomicU64 {
        &self.pid
    }

    fn epoch(&self, role: Role) -> &AtomicU64 {
        &self.epochs[role.index]
    }
}
