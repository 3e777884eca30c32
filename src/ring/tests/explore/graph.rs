//! The states that were met, each stored in full, and which leads to which.

use super::state::GlobalState;

pub(super) struct Graph {
    pub states: Vec<GlobalState>,
    /// From which state each was met first.
    pub parents: Vec<u32>,
    /// Open addressing: indices into `states`, plus one.
    table: Vec<u32>,
    /// What follows without a kill, one state's after the other's.
    pub edges: Vec<u32>,
    ends: Vec<u64>,
}

impl Graph {
    pub(super) fn new() -> Self {
        Graph {
            states: Vec::new(),
            parents: Vec::new(),
            table: vec![0; 1 << 16],
            edges: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The edges that follow are those of the next state.
    pub(super) fn end_state(&mut self) {
        self.ends.push(self.edges.len() as u64);
    }

    fn slot_of(&self, state: &GlobalState) -> usize {
        let words: &[u64] = bytemuck::cast_slice(bytemuck::bytes_of(state));
        let mut hash = 0u64;
        for word in words {
            hash = (hash.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        (hash >> 20) as usize & (self.table.len() - 1)
    }

    /// The state's index; a new one if it was never met.
    pub(super) fn index(&mut self, state: &GlobalState, parent: u32) -> u32 {
        if self.states.len() * 2 > self.table.len() {
            self.table = vec![0; self.table.len() * 4];
            for index in 0..self.states.len() {
                let mut slot = self.slot_of(&self.states[index]);
                while self.table[slot] != 0 {
                    slot = (slot + 1) & (self.table.len() - 1);
                }
                self.table[slot] = index as u32 + 1;
            }
        }
        let mut slot = self.slot_of(state);
        while self.table[slot] != 0 {
            let index = self.table[slot] - 1;
            if self.states[index as usize] == *state {
                return index;
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        self.states.push(*state);
        self.parents.push(parent);
        self.table[slot] = self.states.len() as u32;
        self.states.len() as u32 - 1
    }

    /// The first state from which no final state is reached without a kill.
    pub(super) fn stuck(&self, finals: &[u32]) -> Option<u32> {
        let count = self.states.len();
        let mut starts = vec![0u64; count + 1];
        for to in &self.edges {
            starts[*to as usize + 1] += 1;
        }
        for index in 0..count {
            starts[index + 1] += starts[index];
        }
        let mut fill = starts.clone();
        let mut back = vec![0u32; self.edges.len()];
        let mut begin = 0;
        for (from, end) in self.ends.iter().enumerate() {
            for to in &self.edges[begin as usize..*end as usize] {
                let at = &mut fill[*to as usize];
                back[*at as usize] = from as u32;
                *at += 1;
            }
            begin = *end;
        }
        drop(fill);
        let mut reaches = vec![false; count];
        let mut open = finals.to_vec();
        for index in &open {
            reaches[*index as usize] = true;
        }
        while let Some(index) = open.pop() {
            let range = starts[index as usize] as usize..starts[index as usize + 1] as usize;
            for from in &back[range] {
                if !std::mem::replace(&mut reaches[*from as usize], true) {
                    open.push(*from);
                }
            }
        }
        let stuck = reaches.iter().position(|reached| !reached);
        stuck.map(|index| index as u32)
    }
}
