//! Full-size values to packed ones and back.

use bytemuck::Zeroable;

use super::Scenario;
use super::state::{
    GlobalState, Location, MAX_PROCESSES, MAX_SLOTS, POSITIONS, WORDS, is_word, place_of,
};
use crate::members::MemberId;
use crate::ring::layout::Cell;
use crate::ring::slot::{Geometry, SlotState, SlotWord};
use crate::ring::spsc::Places;

#[derive(Clone, Copy)]
pub(super) struct Codec {
    pub geometry: Geometry,
    places: Option<Places>,
    start: u64,
}

impl Codec {
    pub(super) fn new(scenario: &Scenario) -> Self {
        assert!(scenario.geometry().capacity() as usize <= MAX_SLOTS);
        assert!(scenario.plans.len() <= MAX_PROCESSES);
        Codec {
            geometry: scenario.geometry(),
            places: scenario.places(),
            start: scenario.start,
        }
    }

    /// Ids are counted from 1, as processes are from 0.
    pub(super) fn member(self, process: u8) -> MemberId {
        MemberId(u16::from(process) + 1)
    }

    pub(super) fn process(self, member: MemberId) -> u8 {
        member.0 as u8 - 1
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

    pub(super) fn is_in_lines(self) -> bool {
        self.places.is_some_and(|places| !places.is_dense())
    }

    /// `final`: 0 as long as it is not fixed.
    fn pack_end(self, word: u64) -> u16 {
        match word {
            0 => 0,
            word => {
                let fresh = self.start << 1 | 1;
                let offset = word.wrapping_sub(fresh) as i64 >> 1;
                u16::from(self.offset(self.start.wrapping_add(offset as u64))) + 1
            }
        }
    }

    fn unpack_end(self, packed: u16) -> u64 {
        match packed {
            0 => 0,
            packed => self.position(packed as u8 - 1) << 1 | 1,
        }
    }

    /// `laps + 1 (5) | state (2) | redeliveries (4) | owner (3)`.
    pub(super) fn pack_word(self, slot: u8, word: SlotWord) -> u16 {
        let laps = self.geometry.lap_delta(word, self.first_of(slot)) + 1;
        assert!((0..32).contains(&laps), "more laps than the model's bounds");
        (laps as u16) << 9
            | (word.state() as u16) << 7
            | u16::from(word.redeliveries()) << 3
            | word.owner().0
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
        let owner = MemberId(packed & 7);
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

    pub(super) fn pack(self, place: Location, value: u64) -> u16 {
        if is_word(place) && self.places.is_some() {
            self.offset(value).into()
        } else if is_word(place) {
            self.pack_word(place - WORDS, SlotWord(value))
        } else if place == place_of(Cell::Final) {
            self.pack_end(value)
        } else if place < POSITIONS {
            self.offset(value).into()
        } else {
            value as u8 as u16
        }
    }

    pub(super) fn unpack(self, place: Location, packed: u16) -> u64 {
        if is_word(place) && self.places.is_some() {
            self.position(packed as u8)
        } else if is_word(place) {
            self.unpack_word(place - WORDS, packed).0
        } else if place == place_of(Cell::Final) {
            self.unpack_end(packed)
        } else if place < POSITIONS {
            self.position(packed as u8)
        } else {
            packed.into()
        }
    }

    /// A fresh ring, with no member.
    pub(super) fn fresh(self) -> GlobalState {
        let mut state = GlobalState::zeroed();
        if self.places.is_some() {
            return state; // nothing is published
        }
        for slot in 0..self.geometry.capacity() as u8 {
            let free = self.geometry.free(self.first_of(slot));
            state.words[slot as usize] = self.pack_word(slot, free);
        }
        state
    }
}
