//! Ways through the states: those that end nowhere, and how a state was come to.

use super::script::WordScript;
use super::{WordEngine, WordState, WordStep};

impl<S: WordScript> WordEngine<'_, S> {
    /// A state from which no final one is reached.
    pub(super) fn stuck(&mut self, finals: &[u32]) -> Option<u32> {
        self.edges.sort_unstable();
        let mut reached = vec![false; self.origins.len()];
        let mut left: Vec<u32> = finals.to_vec();
        while let Some(state) = left.pop() {
            if std::mem::replace(&mut reached[state as usize], true) {
                continue;
            }
            let begin = self.edges.partition_point(|(to, _)| *to < state);
            let into = self.edges[begin..].iter();
            let into = into.take_while(|(to, _)| *to == state);
            left.extend(into.map(|(_, from)| *from));
        }
        reached.iter().position(|is| !is).map(|at| at as u32)
    }

    /// What led there, step by step.
    pub(super) fn trace(&mut self, mut at: u32, last: Option<WordStep>) -> String {
        let mut steps: Vec<WordStep> = last.into_iter().collect();
        while at != 0 {
            let (from, by) = self.origins[at as usize];
            steps.push(by);
            at = from;
        }
        let (mut state, mut text) = (self.first(), String::new());
        for step in steps.into_iter().rev() {
            text += &format!("{step:?}{}\n", self.doing(&state, step));
            match self.after(&state, step) {
                Ok(next) => state = next,
                Err(_) => break,
            }
        }
        text += &format!("words {:x?}, {} killed\n", state.words, state.kills);
        let all = (0..state.all.len()).map(|process| self.explored(&state, process));
        text + &all
            .map(|explored| format!("{explored:x?}\n"))
            .collect::<String>()
    }

    fn doing(&self, state: &WordState, step: WordStep) -> String {
        let WordStep::Go(process, _) = step else {
            return String::new();
        };
        let explored = self.explored(state, process);
        format!(" {:x?} {:x?}", explored.local, explored.next)
    }
}
