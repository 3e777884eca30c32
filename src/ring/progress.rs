//! How far a ring is, by a look without consequences: lengths, and the endpoint that
//! holds the slot that others need next.

use super::kind::RingKind;
use super::layout::{Cell, RECEIVERS, SENDERS};
use super::memory::Memory;
use super::recover;
use super::slot::{SlotState, SlotWord, before};
use super::spsc;
use crate::error::Side;
use crate::members::MemberId;
use crate::sys::atomic::Ordering;

/// How far both sides are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Positions that senders have used since the ring was made.
    pub sent: u64,
    /// Positions that receivers have passed.
    pub received: u64,
    /// Messages under way.
    pub len: usize,
}

/// How far both sides are, roughly: others go on meanwhile.
pub(crate) fn progress<M: Memory>(memory: &M, kind: RingKind, start: u64) -> Progress {
    if kind.is_one_to_one() {
        return spsc::progress::progress(memory, start);
    }
    // The receivers' first: they never overtake the senders, so the difference errs
    // upwards, where it is clamped. Acquire: pairs with the Release stores of these
    // words, so that the slot words are as far at least.
    let received = memory.cell(received_cell(kind)).load(Ordering::Acquire);
    let sent = first_unused(memory, kind);
    let received = first_where(memory, received, |_, ahead| ahead <= 0);
    let mut under_way = (sent.wrapping_sub(received) as i64).max(0) as u64;
    if kind.has_many_receivers() {
        under_way += given_back_before(memory, received);
    }
    Progress {
        sent: sent.wrapping_sub(start),
        received: received.wrapping_sub(start),
        len: under_way.min(memory.geometry().capacity()) as usize,
    }
}

/// Messages that are in a ring at which no endpoint is at work, exactly; `discards`: what
/// a single receiver held when it died is none.
pub(crate) fn messages_left<M: Memory>(memory: &M, kind: RingKind, discards: bool) -> usize {
    if kind.is_one_to_one() {
        return spsc::progress::messages_left(memory, discards);
    }
    // Acquire, all: with what the last endpoints stored before they went.
    let load = |position| SlotWord(memory.word(position).load(Ordering::Acquire));
    let geometry = memory.geometry();
    if kind.has_many_receivers() {
        // What is consumed is free; what is being read was not given back yet.
        let is_left =
            |word: SlotWord| matches!(word.state(), SlotState::Published | SlotState::Reading);
        return (0..geometry.capacity())
            .filter(|index| is_left(load(*index)))
            .count();
    }
    // A single receiver frees no slot: how far it was tells.
    let cell = |cell| memory.cell(cell).load(Ordering::Acquire);
    let (done, taken) = (cell(Cell::Done), cell(Cell::Taken));
    let received = if discards && before(done, taken) {
        taken
    } else {
        done
    };
    let is_left = |position| {
        let word = load(position);
        word.state() == SlotState::Published && geometry.lap_delta(word, position) == 0
    };
    let positions = (0..geometry.capacity()).map(|ahead| received.wrapping_add(ahead));
    positions.filter(|position| is_left(*position)).count()
}

/// Messages that were given back behind the head, before `received` (R12). A walk over
/// all slots, once anything was ever given back.
fn given_back_before<M: Memory>(memory: &M, received: u64) -> u64 {
    // Acquire: pairs with the increment in `announce_requeue`.
    if memory.cell(Cell::Requeues).load(Ordering::Acquire) == 0 {
        return 0;
    }
    let geometry = memory.geometry();
    let lap_before = (1..=geometry.capacity()).map(|back| received.wrapping_sub(back));
    let is_it = |position: &u64| {
        // Acquire: as for the other words.
        let word = SlotWord(memory.word(*position).load(Ordering::Acquire));
        recover::was_given_back(word) && geometry.lap_delta(word, *position) <= 0
    };
    lap_before.filter(is_it).count() as u64
}

/// The endpoint that holds the slot that `side` needs next, if one does, and the
/// position that it holds.
pub(crate) fn holder<M: Memory>(memory: &M, kind: RingKind, side: Side) -> Option<(u64, MemberId)> {
    match side {
        Side::Sender => holder_before_senders(memory, kind),
        Side::Receiver => holder_before_receivers(memory, kind),
    }
}

/// The first position that no sender has used. Hints lag for as long as no endpoint
/// comes by: the words are right.
fn first_unused<M: Memory>(memory: &M, kind: RingKind) -> u64 {
    let hint = match kind.has_many_senders() {
        true => Cell::Tail,
        false => Cell::Head,
    };
    let from = memory.cell(hint).load(Ordering::Acquire);
    first_where(memory, from, |word, ahead| {
        ahead < 0 || ahead == 0 && word.state() == SlotState::Free
    })
}

/// Where receivers publish how far they are.
fn received_cell(kind: RingKind) -> Cell {
    if kind.has_many_receivers() {
        Cell::Head
    } else {
        Cell::Done
    }
}

/// The first position from `from` on, whose word `is_it`; two laps on at most, for a
/// hint may lag by one, and a lap of messages may lie before it.
fn first_where<M: Memory>(memory: &M, from: u64, is_it: impl Fn(SlotWord, i64) -> bool) -> u64 {
    let geometry = memory.geometry();
    let steps = (0..2 * geometry.capacity()).take_while(|step| {
        let position = from.wrapping_add(*step);
        // Acquire: the words that come after it are as new at least.
        let word = SlotWord(memory.word(position).load(Ordering::Acquire));
        !is_it(word, geometry.lap_delta(word, position))
    });
    from.wrapping_add(steps.count() as u64)
}

/// The holder of the slot a lap behind the next position to be sent.
fn holder_before_senders<M: Memory>(memory: &M, kind: RingKind) -> Option<(u64, MemberId)> {
    let lease = single_receiver_holds(memory, kind);
    if lease.is_some() || kind.is_one_to_one() {
        return lease;
    }
    let next = first_unused(memory, kind);
    let word = SlotWord(memory.word(next).load(Ordering::Acquire));
    let is_held = matches!(word.state(), SlotState::Claimed | SlotState::Reading);
    let before_next = next.wrapping_sub(memory.geometry().capacity());
    (is_held && memory.geometry().lap_delta(word, before_next) == 0)
        .then_some((before_next, word.owner()))
}

/// The single receiver, and the first position that it has leased: no slot word tells.
pub(crate) fn single_receiver_holds<M: Memory>(
    memory: &M,
    kind: RingKind,
) -> Option<(u64, MemberId)> {
    if kind.has_many_receivers() {
        return None;
    }
    // (In slots, each position is canonical.)
    let cell = |cell| {
        let position = memory.cell(cell).load(Ordering::Acquire);
        memory.places().canonical(position)
    };
    let (done, taken) = (cell(Cell::Done), cell(Cell::Taken));
    before(done, taken).then_some((done, MemberId(RECEIVERS.first)))
}

/// The holder of the slot of the next position to be received.
fn holder_before_receivers<M: Memory>(memory: &M, kind: RingKind) -> Option<(u64, MemberId)> {
    if kind.is_one_to_one() {
        return None; // nothing shows before it is published
    }
    let cell = |cell| memory.cell(cell).load(Ordering::Acquire);
    let geometry = memory.geometry();
    if !kind.has_many_senders() {
        // No word tells a grant of the single sender.
        return (cell(Cell::Busy) != 0)
            .then(|| (first_unused(memory, kind), MemberId(SENDERS.first)));
    }
    // A hint lags: go on over what others hold, or have consumed.
    let mut position = cell(received_cell(kind));
    for _ in 0..geometry.capacity() {
        let word = SlotWord(memory.word(position).load(Ordering::Acquire));
        position = match (geometry.lap_delta(word, position), word.state()) {
            (0, SlotState::Claimed) => return Some((position, word.owner())),
            (0, SlotState::Reading) => position.wrapping_add(1),
            (ahead @ 1.., _) => geometry.skip_consumed(position, word, ahead),
            _ => return None,
        };
    }
    None
}
