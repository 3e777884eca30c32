//! How far a rendezvous ring is, by a look without consequences.

use crate::ring::memory::Memory;
use crate::ring::progress::Progress;
use crate::ring::slot::{SlotState, SlotWord};
use crate::sys::atomic::Ordering;

fn words<M: Memory>(memory: &M) -> impl Iterator<Item = (u64, SlotWord)> {
    // Acquire: pairs with the Release stores of the words.
    let load = |index| SlotWord(memory.word(index).load(Ordering::Acquire));
    (0..memory.geometry().capacity()).map(move |index| (index, load(index)))
}

/// Offers that were made and hand-overs that are over, those taken back included, since
/// the ring was made, when it began to count at `start`. It holds no message.
pub(crate) fn progress<M: Memory>(memory: &M, start: u64) -> Progress {
    let geometry = memory.geometry();
    let (mut sent, mut received) = (0u64, 0u64);
    for (index, word) in words(memory) {
        let first = start.wrapping_add(geometry.index(index.wrapping_sub(start)));
        let laps = geometry.lap_delta(word, first).max(0) as u64;
        received = received.wrapping_add(laps);
        sent = sent.wrapping_add(laps + u64::from(word.state() != SlotState::Free));
    }
    Progress {
        sent,
        received,
        len: 0,
    }
}

/// Messages that no sender waits for and no receiver has acknowledged, in a ring at which
/// no endpoint is at work.
pub(crate) fn messages_left<M: Memory>(memory: &M) -> usize {
    let is_left =
        |word: SlotWord| matches!(word.state(), SlotState::Published | SlotState::Reading);
    words(memory).filter(|(_, word)| is_left(*word)).count()
}
