//! Everything that is shared, packed tightly: the memory of the ring, the table
//! of participants, where each process is, and the ledger.

use std::cell::Cell;

use bytemuck::{Pod, Zeroable};

use super::Setup;
use crate::ring::layout::{Bell, Cell as ControlWord, RECEIVER_IDS, SENDER_IDS};
use crate::ring::memory::Memory;
use crate::ring::slot::{Geometry, MemberId, SlotWord, State as SlotState};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences};

pub(super) const MAX_PROCESSES: usize = 6;
pub(super) const MAX_SLOTS: usize = 4;
pub(super) const MAX_MESSAGES: usize = 8;

/// The control words that the protocols use.
pub(super) const CELLS: [ControlWord; 11] = [
    ControlWord::Tail,
    ControlWord::Head,
    ControlWord::Sent,
    ControlWord::Taken,
    ControlWord::Done,
    ControlWord::Credit,
    ControlWord::Busy,
    ControlWord::Requeues,
    ControlWord::Closed,
    ControlWord::Lost,
    ControlWord::Redelivered,
];
/// So many of them hold positions.
const POSITIONS: u8 = 6;

/// Where an access goes: a control word, a slot word, an entry of the table, or
/// the kernel's table of locks.
pub(super) type Place = u8;
pub(super) const WORDS: Place = 16;
pub(super) const ENTRIES: Place = 24;
pub(super) const LOCKS: Place = 32;

pub(super) fn place_of(cell: ControlWord) -> Place {
    let at = CELLS.iter().position(|known| *known == cell);
    at.expect("every cell is listed") as Place
}

pub(super) fn is_word(place: Place) -> bool {
    (WORDS..ENTRIES).contains(&place)
}

/// One access, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Load,
    Store(u16),
    Swap(u16, u16),
    Add(u16),
    /// Is the process alive?
    Probe,
    /// Its entry, and whether it is dead, at one time.
    Survey,
}

impl Act {
    /// What the code sees of what an access `found`: of a store or an addition
    /// nothing, of a failed swap only that it failed.
    pub(super) fn outcome(self, found: u16) -> u16 {
        match self {
            Act::Store(_) | Act::Add(_) => 0,
            Act::Swap(from, _) if found != from => from ^ 1 << 9,
            _ => found,
        }
    }
}

/// Low bit of an entry, as in `participant.rs`.
pub(super) const DIRTY: u8 = 1;
/// A survey's answer about the dead.
pub(super) const DEAD: u16 = 0x100;

/// One state of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct State {
    /// The local state of each process, by its number.
    pub locals: [u32; MAX_PROCESSES],
    pub messages: [u32; MAX_MESSAGES],
    pub words: [u16; MAX_SLOTS],
    pub cells: [u8; CELLS.len()],
    pub payloads: [u8; MAX_SLOTS],
    pub entries: [u8; MAX_PROCESSES],
    /// Who has a slot, by the ledger: a process, counted from 1.
    pub holders: [u8; MAX_SLOTS],
    pub kills: u8,
    /// Bit by process.
    pub alive: u8,
    pub padding: [u8; 5],
}

const _: () = assert!(size_of::<State>().is_multiple_of(8));

impl State {
    pub(super) fn cell(&self, cell: ControlWord) -> u8 {
        self.cells[place_of(cell) as usize]
    }

    pub(super) fn is_alive(&self, process: usize) -> bool {
        self.alive & 1 << process != 0
    }

    /// Carries out an access; what was there before.
    pub(super) fn carry_out(&mut self, place: Place, act: Act) -> u16 {
        if is_word(place) {
            let word = &mut self.words[(place - WORDS) as usize];
            return change(u16::MAX, *word, act, |new| *word = new);
        }
        if place >= LOCKS {
            let process = (place - LOCKS) as usize;
            let alive = self.is_alive(process);
            return match act {
                Act::Probe => alive.into(),
                Act::Survey if alive => self.entries[process].into(),
                Act::Survey => DEAD | u16::from(self.entries[process]),
                _ => unreachable!("locks are only asked about"),
            };
        }
        let byte = if place >= ENTRIES {
            &mut self.entries[(place - ENTRIES) as usize]
        } else {
            &mut self.cells[place as usize]
        };
        change(0xff, (*byte).into(), act, |new| *byte = new as u8)
    }
}

fn change(mask: u16, found: u16, act: Act, mut set: impl FnMut(u16)) -> u16 {
    match act {
        Act::Store(value) => set(value),
        Act::Swap(from, to) if found == from => set(to),
        Act::Add(by) => set(found.wrapping_add(by) & mask),
        Act::Load | Act::Swap(..) => {}
        Act::Probe | Act::Survey => unreachable!("only locks are asked about"),
    }
    found
}

/// Full-size values to packed ones and back.
#[derive(Clone, Copy)]
pub(super) struct Codec {
    pub geometry: Geometry,
    start: u64,
    senders: u8,
}

impl Codec {
    pub(super) fn new(setup: &Setup) -> Self {
        assert!(setup.capacity as usize <= MAX_SLOTS && setup.roles.len() <= MAX_PROCESSES);
        Codec {
            geometry: Geometry::new(setup.capacity),
            start: setup.start,
            senders: setup.senders() as u8,
        }
    }

    pub(super) fn owner(self, process: u8) -> MemberId {
        if process < self.senders {
            MemberId(SENDER_IDS.start + u16::from(process))
        } else {
            MemberId(RECEIVER_IDS.start + u16::from(process - self.senders))
        }
    }

    pub(super) fn process(self, owner: MemberId) -> u8 {
        if owner.0 >= RECEIVER_IDS.start {
            (owner.0 - RECEIVER_IDS.start) as u8 + self.senders
        } else {
            (owner.0 - SENDER_IDS.start) as u8
        }
    }

    /// The first position that a slot serves.
    fn first_of(self, slot: u8) -> u64 {
        let offset = u64::from(slot).wrapping_sub(self.start);
        self.start.wrapping_add(self.geometry.index(offset))
    }

    pub(super) fn position(self, offset: u8) -> u64 {
        self.start.wrapping_add(offset.into())
    }

    pub(super) fn offset(self, position: u64) -> u8 {
        let offset = position.wrapping_sub(self.start);
        u8::try_from(offset).expect("more positions than the model's bounds")
    }

    /// `laps + 1 (5) | state (2) | attempt (4) | owner (3)`.
    pub(super) fn pack_word(self, slot: u8, word: SlotWord) -> u16 {
        let laps = self.geometry.lap_delta(word, self.first_of(slot)) + 1;
        assert!((0..32).contains(&laps), "more laps than the model's bounds");
        let owner = match word.owner() {
            MemberId(0) => 0,
            owner => u16::from(self.process(owner)) + 1,
        };
        (laps as u16) << 9
            | (word.state() as u16) << 7
            | u16::from(word.redeliveries()) << 3
            | owner
    }

    /// The position that a packed word is of.
    pub(super) fn position_of(self, slot: u8, packed: u16) -> u64 {
        let laps = i64::from(packed >> 9) - 1;
        self.geometry.move_laps(self.first_of(slot), laps)
    }

    pub(super) fn offset_or_lap(self, slot: u8, packed: u16) -> u64 {
        self.position_of(slot, packed).wrapping_sub(self.start)
    }

    pub(super) fn unpack_word(self, slot: u8, packed: u16) -> SlotWord {
        let position = self.position_of(slot, packed);
        let owner = match (packed & 7) as u8 {
            0 => MemberId(0),
            process => self.owner(process - 1),
        };
        let state = packed >> 7 & 3;
        if state == SlotState::Free as u16 {
            return self.geometry.free(position);
        }
        if state == SlotState::Claimed as u16 {
            return self.geometry.claimed(position, owner);
        }
        let mut word = self.geometry.published(position);
        for _ in 0..packed >> 3 & 15 {
            word = word.published_again();
        }
        match owner {
            MemberId(0) => word,
            owner => word.reading(owner),
        }
    }

    pub(super) fn pack(self, place: Place, value: u64) -> u16 {
        if is_word(place) {
            self.pack_word(place - WORDS, SlotWord(value))
        } else if place < POSITIONS {
            self.offset(value).into()
        } else {
            value as u8 as u16
        }
    }

    pub(super) fn unpack(self, place: Place, packed: u16) -> u64 {
        if is_word(place) {
            self.unpack_word(place - WORDS, packed).0
        } else if place < POSITIONS {
            self.position(packed as u8)
        } else {
            packed.into()
        }
    }

    /// A fresh ring, with nobody there.
    pub(super) fn fresh(self) -> State {
        let mut state = State::zeroed();
        for slot in 0..self.geometry.capacity() as u8 {
            let free = self.geometry.free(self.first_of(slot));
            state.words[slot as usize] = self.pack_word(slot, free);
        }
        state
    }
}

/// The memory as the endpoints see it: words that know only their place.
pub(super) struct Places {
    geometry: Geometry,
    cells: [AtomicU64; CELLS.len()],
    words: [AtomicU64; MAX_SLOTS],
    entries: [AtomicU64; MAX_PROCESSES],
    bell: AtomicU32,
    /// The position whose word was asked for last.
    position: Cell<u64>,
}

impl Places {
    pub(super) fn new(geometry: Geometry) -> Self {
        Places {
            geometry,
            cells: std::array::from_fn(|at| AtomicU64::new(at as u64)),
            words: std::array::from_fn(|at| AtomicU64::new(u64::from(WORDS) + at as u64)),
            entries: std::array::from_fn(|at| AtomicU64::new(u64::from(ENTRIES) + at as u64)),
            bell: AtomicU32::new(0),
            position: Cell::new(0),
        }
    }

    pub(super) fn last_position(&self) -> u64 {
        self.position.get()
    }

    pub(super) fn entry(&self, process: u8) -> &AtomicU64 {
        &self.entries[process as usize]
    }
}

impl Memory for Places {
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

    fn cell(&self, cell: ControlWord) -> &AtomicU64 {
        &self.cells[place_of(cell) as usize]
    }

    fn bell(&self, _bell: Bell) -> &AtomicU32 {
        &self.bell // sleeping is not modelled
    }
}
