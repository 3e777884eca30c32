//! What must hold of a state.

use super::super::super::super::lock::{POISONED, owner};
use super::script::{WordPresence, WordProgress, WordScript};
use super::world::{HAS_DIED_WRITING, LOCK_BYTES, WORD, cell};
use super::{WordEngine, WordState};

impl<S: WordScript> WordEngine<'_, S> {
    /// After a turn of a process, with which it may have come in by a word: no other is inside
    /// unless both read, and it was told if the value may be half changed.
    pub(super) fn judge_turn(
        &self,
        state: &WordState,
        process: usize,
        entered: Option<u64>,
    ) -> Result<(), String> {
        let presence = |process: usize| self.known[state.all[process] as usize].presence;
        let excluded = |other: usize| match presence(process) {
            WordPresence::Outside => false,
            WordPresence::Reads => presence(other) == WordPresence::Writes,
            WordPresence::Writes => presence(other) != WordPresence::Outside,
        };
        if (0..state.all.len()).any(|other| other != process && excluded(other)) {
            return Err("two inside".into());
        }
        let Some(word) = entered else {
            return Ok(());
        };
        let is_poisoned = word & POISONED != 0;
        if !state.is_whole() && !is_poisoned {
            return Err("half changed, and not told of it".into());
        }
        let is_false = is_poisoned && state.words[HAS_DIED_WRITING] == 0;
        if is_false && !self.script.may_alarm_falsely() {
            return Err("poisoned, and none died inside".into());
        }
        Ok(())
    }

    /// Is every process at its end?
    pub(super) fn is_final(&self, state: &WordState) -> bool {
        let successors = self.script.config().successors;
        let progress = |process| self.script.progress(&self.explored(state, process).local);
        (0..state.all.len()).all(|process| match progress(process) {
            WordProgress::Done => true,
            WordProgress::Dead => !successors,
            WordProgress::Runs => false,
        })
    }

    /// What must hold at the end: a value that is half changed is poisoned, or will be when
    /// its dead holder loses the lock; none that lives holds it, or counts for a reader.
    pub(super) fn judge(&self, state: &WordState) -> Result<(), String> {
        let members = self.script.config().members;
        let lives = |member: usize| state.words[LOCK_BYTES + member] != 0;
        let word = state.words[WORD];
        if owner(word).is_some_and(|id| lives(usize::from(id.0) - 1)) {
            return Err("one that has left holds the lock".into());
        }
        if (0..members).any(|member| lives(member) && state.words[cell(members, member)] != 0) {
            return Err("one that has left counts for a reader".into());
        }
        match state.is_whole() || self.script.tells_of_death(word) {
            true => Ok(()),
            false => Err("half changed, and not poisoned".into()),
        }
    }
}
