//! What became of each message, and what must hold.
//!
//! A payload is no step of its own. It is written when the position has been
//! claimed and again with the publication; it is read when it is handed out and
//! again with the acknowledgement. Where a write overlaps a read or another
//! write, one of these four meets what it must not.

use super::Scenario;
use super::state::{GlobalState, Location, MAX_PROCESSES, PackedAccess, WORDS, is_word};
use crate::ring::layout::Cell;
use crate::ring::slot::SlotState;

/// What is entered in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The sender begins to write a message (or still writes it).
    Write {
        offset: u8,
        message: u8,
    },
    /// A send begins,
    Begin,
    /// and its message can be received.
    Publish(u8),
    /// The send returned `Ok`.
    Ok {
        first: u8,
        count: u8,
    },
    /// The send returned `Closed` of these.
    Late {
        first: u8,
        count: u8,
    },
    /// The receiver has claimed what is there.
    Take {
        offset: u8,
    },
    /// The user has it.
    Deliver {
        offset: u8,
        redeliveries: u8,
    },
    /// It was still there at the end, and is acknowledged.
    Acknowledge {
        offset: u8,
    },
    /// The slot is no more in the process's hands.
    LetGo {
        offset: u8,
    },
    /// Nor is any message: all were given back.
    GaveBack,
    /// The receiver reports the end of the ring,
    Closed,
    /// or that no sender is left, which it made sure of only if it was not so before.
    Disconnected {
        again: bool,
    },
    Wrong(&'static str),
}

const PUBLISHED: u32 = 1;
const OK: u32 = 2;
const ACKNOWLEDGED: u32 = 4;
/// Was received without a mark.
const RECEIVED: u32 = 8;
/// One more than the redeliveries of the last that was handed out.
const REDELIVERIES_SHIFT: u32 = 4;
/// The process that has the message, counted from 1.
const HOLDER_SHIFT: u32 = 8;
/// Bit by process: a receiver that may report the end all the same, for it had
/// found the holder of the message alive.
const EXCUSED_SHIFT: u32 = 11;

/// Whose successor has it, should one come, counted from 1.
const SUCCESSOR_SHIFT: u32 = 16;

/// The send returned `Closed`, with the message published.
const LATE: u32 = 1 << 20;
/// How often it was handed out (one sender, one receiver).
const DELIVERIES_SHIFT: u32 = 21;
const DELIVERIES: u32 = 7 << DELIVERIES_SHIFT;

const _: () = assert!(EXCUSED_SHIFT as usize + MAX_PROCESSES <= 17);

fn holder(entry: u32) -> u8 {
    (entry >> HOLDER_SHIFT & 7) as u8
}

/// With a new holder no receiver is excused any more, and no process inherits.
fn with_holder(entry: u32, holder: u8) -> u32 {
    entry & (0xff | LATE | DELIVERIES) | u32::from(holder) << HOLDER_SHIFT
}

/// The bit that excuses a process; the first is always a sender.
fn excuse(process: usize) -> u32 {
    1 << EXCUSED_SHIFT << (process - 1)
}

fn payload(offset: u8, message: u8) -> u8 {
    assert!(offset < 16 && message < 15, "more than the model's bounds");
    (message + 1) << 4 | offset
}

/// The message in the slot of `offset`, if it is the one published there.
fn message_at(scenario: &Scenario, state: &GlobalState, offset: u8) -> Result<usize, &'static str> {
    let found = state.payloads[slot(scenario, offset)];
    let message = (found >> 4).wrapping_sub(1) as usize;
    if found & 15 != offset {
        return Err("the payload is that of another position");
    }
    if state.messages[message] & PUBLISHED == 0 {
        return Err("the payload is not complete");
    }
    Ok(message)
}

fn slot(scenario: &Scenario, offset: u8) -> usize {
    let position = scenario.start.wrapping_add(offset.into());
    scenario.geometry().index(position) as usize
}

/// Makes a record; `Err` tells what is wrong with it. `concluding` are the
/// receivers about to report the end (see [`excuses`]).
pub(super) fn enter(
    scenario: &Scenario,
    state: &mut GlobalState,
    process: usize,
    record: Record,
    concluding: u32,
) -> Result<(), &'static str> {
    let me = process as u8 + 1;
    match record {
        Record::Write { offset, message } => {
            let slot = slot(scenario, offset);
            if !matches!(state.holders[slot], 0) && state.holders[slot] != me {
                return Err("a sender claims a slot that is held");
            }
            let before = state.payloads[slot];
            if before != payload(offset, message) && before != 0 && !scenario.may_lose() {
                let entry = state.messages[(before >> 4) as usize - 1];
                if entry & PUBLISHED != 0 && entry & ACKNOWLEDGED == 0 {
                    return Err("a message is written over before it was received");
                }
            }
            state.holders[slot] = me;
            state.payloads[slot] = payload(offset, message);
        }
        Record::Begin => {
            let bit = 1 << process;
            state.too_late &= !bit;
            if scenario.is_one_to_one() && state.cell(Cell::Closed) != 0 {
                state.too_late |= bit;
            }
        }
        Record::Publish(message) => {
            if state.too_late & 1 << process != 0 {
                return Err("a send that began at a closed ring publishes");
            }
            state.messages[message as usize] |= PUBLISHED;
        }
        Record::Ok { first, count } => {
            for entry in &mut state.messages[first as usize..][..count as usize] {
                *entry |= OK;
            }
        }
        Record::Late { first, count } => {
            for entry in &mut state.messages[first as usize..][..count as usize] {
                if *entry & (ACKNOWLEDGED | RECEIVED) != 0 || holder(*entry) != 0 {
                    return Err("a message was received, and its send said that it came too late");
                }
                *entry |= LATE;
            }
        }
        Record::Take { offset } => {
            let slot = slot(scenario, offset);
            if state.holders[slot] != 0 {
                return Err("a receiver claims a slot that is held");
            }
            let message = message_at(scenario, state, offset)?;
            let entry = &mut state.messages[message];
            if *entry & ACKNOWLEDGED != 0 {
                return Err("a message is received after it was acknowledged");
            }
            if *entry & LATE != 0 {
                return Err("a message is received, and its send said that it came too late");
            }
            *entry = with_holder(*entry, me);
            state.holders[slot] = me;
        }
        Record::Deliver {
            offset,
            redeliveries,
        } => {
            let message = message_at(scenario, state, offset)?;
            let entry = &mut state.messages[message];
            if scenario.marks_redeliveries() {
                if redeliveries == 0 && *entry & RECEIVED != 0 {
                    return Err("a message is received twice without a mark");
                }
                let least = *entry >> REDELIVERIES_SHIFT & 15;
                if u32::from(redeliveries) < least {
                    return Err("redeliveries that do not grow");
                }
                let given_back = *entry >> DELIVERIES_SHIFT & 7;
                if scenario.is_one_to_one() {
                    if u32::from(redeliveries) > given_back + u32::from(state.kills) {
                        return Err("more redeliveries than a message was given back");
                    }
                    *entry = *entry & !DELIVERIES | (given_back + 1).min(7) << DELIVERIES_SHIFT;
                }
                *entry &= !(15 << REDELIVERIES_SHIFT);
                *entry |= (u32::from(redeliveries) + 1) << REDELIVERIES_SHIFT;
            }
            if redeliveries == 0 {
                *entry |= RECEIVED;
            }
        }
        Record::Acknowledge { offset } => {
            let message = message_at(scenario, state, offset)?;
            let entry = &mut state.messages[message];
            if holder(*entry) != me || state.holders[slot(scenario, offset)] != me {
                return Err("a message changed hands while it was held");
            }
            *entry = with_holder(*entry, 0) | ACKNOWLEDGED;
            state.holders[slot(scenario, offset)] = 0;
        }
        Record::LetGo { offset } => {
            let holder = &mut state.holders[slot(scenario, offset)];
            if *holder == me {
                *holder = 0;
            }
        }
        Record::GaveBack => release_messages(state, me, concluding),
        Record::Disconnected { again: true } => {}
        Record::Closed | Record::Disconnected { again: false } => {
            let left = |entry: &&u32| {
                let (sent, received) = (**entry & OK != 0, **entry & ACKNOWLEDGED != 0);
                sent && !received && holder(**entry) == 0 && **entry & excuse(process) == 0
            };
            let missed = state.messages.iter().filter(left).count();
            if missed > usize::from(state.cell(Cell::Lost)) {
                return Err("a receiver reports the end, and a message is left");
            }
        }
        Record::Wrong(what) => return Err(what),
    }
    Ok(())
}

/// A message is held from the very swap on, and so counts for receivers that report
/// the end meanwhile.
pub(super) fn claimed(
    scenario: &Scenario,
    state: &mut GlobalState,
    process: usize,
    place: Location,
    access: PackedAccess,
    found: u16,
) {
    let PackedAccess::Swap(from, to) = access else {
        return;
    };
    if is_word(place) && from == found && to >> 7 & 3 == SlotState::Reading as u16 {
        let offset = state.payloads[(place - WORDS) as usize] & 15;
        if let Ok(message) = message_at(scenario, state, offset) {
            let entry = &mut state.messages[message];
            *entry = with_holder(*entry, process as u8 + 1);
        }
    }
}

/// What a dead receiver had in hand is in its successor's hands, as others see it,
/// from the moment when that has the lock until it has recovered it.
pub(super) fn inherit(state: &mut GlobalState, successor: usize) {
    let me = successor as u8 + 1;
    for entry in &mut state.messages {
        if *entry >> SUCCESSOR_SHIFT & 7 == u32::from(me) {
            *entry = with_holder(*entry, me);
        }
    }
}

fn release_messages(state: &mut GlobalState, me: u8, excused: u32) {
    for entry in &mut state.messages {
        if holder(*entry) == me {
            *entry = with_holder(*entry, 0) | excused;
        }
    }
}

/// The receivers that `concludes` says.
pub(super) fn excuses(scenario: &Scenario, concludes: impl Fn(usize) -> bool) -> u32 {
    let all = 1..scenario.plans.len();
    let concluding = all.filter(|process| concludes(*process));
    concluding.map(excuse).sum()
}

/// A receiver does not report the end yet: it has to look again.
pub(super) fn withdraw_excuse(state: &mut GlobalState, process: usize) {
    for entry in &mut state.messages {
        *entry &= !excuse(process);
    }
}

/// A process dies, and holds nothing any more. Receivers that had found it alive
/// before they report the end are `excused`.
pub(super) fn die(state: &mut GlobalState, process: usize, excused: u32) {
    let me = process as u8 + 1;
    release_messages(state, me, excused | u32::from(me) << SUCCESSOR_SHIFT);
    for holder in &mut state.holders {
        if *holder == me {
            *holder = 0;
        }
    }
}

/// With all processes at rest: are all messages accounted for?
pub(super) fn is_drained(state: &GlobalState) -> bool {
    missing(state) <= state.cell(Cell::Lost)
}

/// With all processes at rest and the ring drained: `lost` tells the losses, and at
/// most one more for each death.
pub(super) fn over_reports(state: &GlobalState) -> bool {
    state.cell(Cell::Lost) > missing(state) + state.kills
}

fn missing(state: &GlobalState) -> u8 {
    let end = state.cell(Cell::Final);
    // Published after the end of the ring: never to be received. Such a message is not
    // written over.
    let comes_too_late = |message: usize| {
        let is_it = |payload: &&u8| **payload >> 4 == message as u8 + 1;
        let payload = state.payloads.iter().find(is_it);
        end != 0 && payload.is_some_and(|payload| (payload & 15) + 1 >= end)
    };
    let missing = |(message, entry): &(usize, &u32)| {
        let is_left = **entry & PUBLISHED != 0 && **entry & ACKNOWLEDGED == 0;
        is_left && !comes_too_late(*message)
    };
    let messages = state.messages.iter().enumerate();
    messages.filter(missing).count() as u8
}

/// A send of one sender may return `Ok` after the end was reported: of what was received.
pub(super) fn any_unreceived(state: &GlobalState) -> bool {
    let unreceived = |entry: &&u32| **entry & OK != 0 && **entry & ACKNOWLEDGED == 0;
    let unreceived = state.messages.iter().filter(unreceived).count();
    unreceived > usize::from(state.cell(Cell::Lost))
}
