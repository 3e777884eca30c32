//! How a state came about, told an access a line.

use std::fmt::Write as _;

use super::engine::{Engine, Transition};
use super::state::{
    ATTEMPTS, CELLS, ENTRIES, EPOCHS, GlobalState, LOCKS, PIDS, PackedAccess, WORDS, is_word,
};

impl Engine {
    /// How the state came about, and the transition from it that breaks a rule.
    pub(super) fn trace_to(
        &mut self,
        index: u32,
        (process, transition): (usize, Transition),
        what: &str,
    ) -> String {
        let mut trace = self.trace(index);
        let state = self.graph.states[index as usize];
        let last = self.describe(&state, process, transition);
        let _ = writeln!(trace, "{last}    <- {what}");
        trace
    }

    /// How a state came about, an access a line.
    pub(super) fn trace(&mut self, index: u32) -> String {
        let mut path = vec![index];
        let mut at = index;
        while at != 0 {
            at = self.graph.parents[at as usize];
            path.push(at);
        }
        path.reverse();
        let mut text = String::new();
        let mut transitions = Vec::new();
        for pair in path.windows(2) {
            let state = self.graph.states[pair[0] as usize];
            let next = self.graph.states[pair[1] as usize];
            self.transitions(&state, &mut transitions);
            let chosen = transitions
                .iter()
                .find(|(process, step)| self.after(&state, *process, *step) == Ok(next));
            let (process, step) = *chosen.expect("the parent leads there");
            let _ = writeln!(text, "{}", self.describe(&state, process, step));
        }
        let _ = write!(text, "in the end {:?}", self.graph.states[index as usize]);
        text + "\n"
    }

    fn describe(&self, state: &GlobalState, process: usize, transition: Transition) -> String {
        let node = self.node(state, process);
        let name = match self.scenario().plans[process].reception {
            None => format!("sender {process}"),
            Some(_) => format!("receiver {process}"),
        };
        let Some((place, access)) = node.pending.filter(|_| transition == Transition::Step) else {
            return format!("{name}: {transition:?}");
        };
        let codec = self.context.codec;
        let found = state.clone().carry_out(place, access);
        let value = |packed: u16| {
            if is_word(place) && !self.scenario().is_one_to_one() {
                let word = codec.unpack_word(place - WORDS, packed);
                let position = codec.offset_or_lap(place - WORDS, packed);
                let (redeliveries, owner) = (word.redeliveries(), word.owner().0);
                format!(
                    "{:?}({position}) redeliveries {redeliveries} owner {owner}",
                    word.state()
                )
            } else {
                packed.to_string()
            }
        };
        let place = match place {
            WORDS..ENTRIES => format!("word {}", place - WORDS),
            ENTRIES..EPOCHS => format!("entry {}", place - ENTRIES),
            EPOCHS..PIDS => format!("epoch {}", place - EPOCHS),
            ATTEMPTS.. => format!("attempts {}", place - ATTEMPTS),
            LOCKS..ATTEMPTS => format!("lock {}", place - LOCKS),
            _ => format!("{:?}", CELLS[place as usize]),
        };
        let did = match access {
            PackedAccess::Store(to) => format!("store {}", value(to)),
            PackedAccess::Swap(from, to) => format!("swap {} to {}", value(from), value(to)),
            other => format!("{other:?}"),
        };
        let found = value(found);
        format!(
            "{name} {:?}: {place}: {did}, found {found}",
            node.local.stage
        )
    }
}
