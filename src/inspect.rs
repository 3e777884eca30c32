//! Looking at rings without taking part: figures, lists, removal.

use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::error::{Holder, RingError, Side};
use crate::kind::RingKind;
use crate::layout::{Cell, RECEIVER_IDS, SENDER_IDS, USERS_BYTE};
use crate::participant::{self, Peer};
use crate::ring::memory::{Block, Memory};
use crate::ring::position::{Owner, State, Word, before};
use crate::segment::Segment;
use crate::segment::place::{self, Place};
use crate::segment::terms::{MessageKind, OnDeath, Terms, Wakeups};
use crate::segment::{open, remove as unlink};
use crate::sys::atomic::Ordering;
use crate::sys::file;

/// Figures of a ring. Taken without stopping anybody, so they need not agree
/// with each other to the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages under way, roughly; never more than `capacity`.
    pub len: usize,
    /// Slots.
    pub capacity: usize,
    /// Positions that senders have used since the ring was made: messages, and
    /// claims that were given up.
    pub sent: u64,
    /// Positions that receivers have passed.
    pub received: u64,
    /// Messages dropped because their receiver died (`OnDeath::Discard`) or
    /// had been given back too often. May be one too high for each repairer
    /// that was killed.
    pub lost: u64,
    /// How often a message was given back to be received again.
    pub redelivered: u64,
    /// Whether the ring is closed.
    pub closed: bool,
    /// Attached senders, and dead ones that nobody has cleared up after yet.
    pub senders: Vec<Peer>,
    /// Attached receivers, likewise.
    pub receivers: Vec<Peer>,
    /// Who holds the slot that senders need next, if somebody does. It may be
    /// dead, or let go this instant.
    pub senders_blocked_by: Option<Holder>,
    /// Who holds the slot that receivers need next, likewise.
    pub receivers_blocked_by: Option<Holder>,
}

/// What can be told of a ring from outside, whatever its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Where it is.
    pub path: PathBuf,
    /// Its kind.
    pub kind: RingKind,
    /// What it carries.
    pub message: MessageKind,
    /// Slots.
    pub capacity: usize,
    /// The user's tag.
    pub schema: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// Whether endpoints may sleep.
    pub wakeups: Wakeups,
    /// What becomes of messages in dead hands.
    pub on_death: OnDeath,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether anybody has it open.
    pub in_use: bool,
    /// Figures.
    pub stats: Stats,
}

/// A file in the directory of rings.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListEntry {
    /// Its name. Whoever may write to the directory chose it: it may have control
    /// characters in it, and what is not UTF-8 is replaced.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is, or why that cannot be told.
    pub ring: Result<Inspection, RingError>,
}

/// The directory of rings that are named by one component: `MEMRING_DIR` if it
/// is set, else `/dev/shm/memring-UID`. It is made if it is missing.
///
/// # Errors
/// [`RingError::Directory`] if it cannot be made or others may write to it.
pub fn directory() -> Result<PathBuf, RingError> {
    place::default_directory().map(|(_, path)| path)
}

/// Takes the name of a ring away. Whoever has it open keeps it; its memory
/// goes with the last of them.
///
/// # Errors
/// [`RingError::NotFound`]; [`RingError::Mismatch`] if the file is no ring;
/// [`RingError::Os`].
pub fn remove(name: &str) -> Result<(), RingError> {
    unlink::named(&Place::of(name)?)
}

/// Looks at a ring of whatever kind and type, without taking part and without
/// write access. A ring of another user's may be looked at too, if it may be
/// read; its owner can then cut it short, which ends this process with SIGBUS.
///
/// # Errors
/// As [`Ring::open`](crate::Ring::open), without the mismatches of kind, type
/// and tag.
pub fn inspect(name: &str) -> Result<Inspection, RingError> {
    let place = Place::of(name)?;
    let path = Some(place.path.clone());
    let segment = open::observe(&place)?;
    let file_size = segment
        .locks
        .as_fd()
        .and_then(file::metadata)
        .map_err(open::os_error("look at", &path))?
        .size;
    let Terms {
        kind,
        message,
        capacity,
        schema,
        wake,
        on_death,
        ..
    } = segment.terms;
    let stats = stats(&segment);
    Ok(Inspection {
        path: place.path,
        kind,
        message,
        capacity: capacity as usize,
        schema,
        file_size,
        wakeups: wake,
        on_death,
        closed: stats.closed,
        in_use: segment.locks.is_held(USERS_BYTE).unwrap_or(true),
        stats,
    })
}

/// Looks at everything in the directory of rings, sorted by name.
///
/// # Errors
/// [`RingError::Directory`]; [`RingError::Os`] if it cannot be read. What is
/// wrong with a single file is told in its row.
pub fn list() -> Result<Vec<ListEntry>, RingError> {
    let (directory, path) = place::default_directory()?;
    let names =
        file::names(directory.as_fd()).map_err(open::os_error("list", &Some(path.clone())))?;
    let mut listed: Vec<ListEntry> = names
        .into_iter()
        .map(|name| ListEntry {
            path: path.join(&name),
            ring: match name.to_str() {
                Some(name) => inspect(name),
                // Not the file of a name that only looks the same.
                None => Err(RingError::InvalidName {
                    name: name.to_string_lossy().into_owned(),
                    reason: "it is not UTF-8",
                }),
            },
            name: name.to_string_lossy().into_owned(),
        })
        // Gone since the directory was read.
        .filter(|listed| !matches!(listed.ring, Err(RingError::NotFound { .. })))
        .collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

/// Messages under way: what senders have used less what receivers passed.
pub(crate) fn len(block: &Block, kind: RingKind) -> (u64, u64, usize) {
    // The receivers' first: they never overtake the senders, so the difference
    // errs upwards, where it is clamped. Acquire: pairs with the Release stores
    // of these words, so that the slot words are as far at least.
    let received = block.cell(progress(kind).1).load(Ordering::Acquire);
    let sent = sent(block, kind);
    let received = passed(block, received, |_, ahead| ahead > 0);
    let under_way = (sent.wrapping_sub(received) as i64).max(0) as u64;
    let len = under_way.min(block.geometry().capacity()) as usize;
    (sent, received, len)
}

/// The first position that no sender has used. Hints lag for as long as nobody
/// comes by, and `sent` lags behind a dead sender: the words know better.
fn sent(block: &Block, kind: RingKind) -> u64 {
    let sent = block.cell(progress(kind).0).load(Ordering::Acquire);
    passed(block, sent, |word, ahead| {
        ahead > 0 || ahead == 0 && word.state() != State::Free
    })
}

/// The first position from `from` on, a lap on at most, whose word does not tell
/// that it has been passed.
fn passed(block: &Block, from: u64, is_passed: impl Fn(Word, i64) -> bool) -> u64 {
    let geometry = block.geometry();
    let steps = (0..geometry.capacity()).take_while(|step| {
        let position = from.wrapping_add(*step);
        // Acquire: the words that come after it are as new at least.
        let word = Word(block.word(position).load(Ordering::Acquire));
        is_passed(word, geometry.laps_ahead(word, position))
    });
    from.wrapping_add(steps.count() as u64)
}

/// Where each side of a kind tells how far it is.
fn progress(kind: RingKind) -> (Cell, Cell) {
    let sent = if kind.has_many_senders() {
        Cell::Tail
    } else {
        Cell::Sent
    };
    let received = if kind.has_many_receivers() {
        Cell::Head
    } else {
        Cell::Done
    };
    (sent, received)
}

/// The figures of an open ring.
pub(crate) fn stats(segment: &Segment) -> Stats {
    let block = segment.block();
    let (sent, received, len) = len(&block, segment.terms.kind);
    let start = segment.terms.start;
    let cell = |cell| block.cell(cell).load(Ordering::Acquire);
    Stats {
        len,
        capacity: segment.terms.capacity as usize,
        sent: sent.wrapping_sub(start),
        received: received.wrapping_sub(start),
        lost: cell(Cell::Lost),
        redelivered: cell(Cell::Redelivered),
        closed: cell(Cell::Closed) != 0,
        senders: participant::peers(segment, Side::Sender),
        receivers: participant::peers(segment, Side::Receiver),
        senders_blocked_by: holder(segment, Side::Sender),
        receivers_blocked_by: holder(segment, Side::Receiver),
    }
}

/// Who holds the slot that `side` needs next, by a look without consequences.
pub(crate) fn holder(segment: &Segment, side: Side) -> Option<Holder> {
    let block = segment.block();
    let (position, id) = match side {
        Side::Sender => before_senders(&block, segment.terms.kind),
        Side::Receiver => before_receivers(&block, segment.terms.kind),
    }?;
    let ids = if RECEIVER_IDS.contains(&id.0) {
        Side::Receiver
    } else {
        Side::Sender
    };
    Some(Holder {
        side: ids,
        id: id.0,
        pid: block.entry_pid(id).load(Ordering::Relaxed) as u32,
        position,
    })
}

/// Who holds the slot a lap behind the next position to be sent.
fn before_senders(block: &Block, kind: RingKind) -> Option<(u64, Owner)> {
    let cell = |cell| block.cell(cell).load(Ordering::Acquire);
    if !kind.has_many_receivers() {
        // Nothing in the words tells a lease of the single receiver.
        let (done, taken) = (cell(Cell::Done), cell(Cell::Taken));
        if before(done, taken) {
            return Some((done, Owner(RECEIVER_IDS.start)));
        }
    }
    let next = sent(block, kind);
    let word = Word(block.word(next).load(Ordering::Acquire));
    let is_held = matches!(word.state(), State::Claimed | State::Reading);
    let before_next = next.wrapping_sub(block.geometry().capacity());
    (is_held && block.geometry().laps_ahead(word, before_next) == 0)
        .then_some((before_next, word.owner()))
}

/// Who holds the slot of the next position to be received.
fn before_receivers(block: &Block, kind: RingKind) -> Option<(u64, Owner)> {
    let cell = |cell| block.cell(cell).load(Ordering::Acquire);
    let geometry = block.geometry();
    if !kind.has_many_senders() {
        // Nothing in the words tells a grant of the single sender.
        return (cell(Cell::Busy) != 0).then(|| (cell(Cell::Sent), Owner(SENDER_IDS.start)));
    }
    // A hint lags: go on over what others hold, or have consumed.
    let mut position = cell(progress(kind).1);
    for _ in 0..geometry.capacity() {
        let word = Word(block.word(position).load(Ordering::Acquire));
        position = match (geometry.laps_ahead(word, position), word.state()) {
            (0, State::Claimed) => return Some((position, word.owner())),
            (0, State::Reading) => position.wrapping_add(1),
            (ahead @ 1.., _) => geometry.past(position, word, ahead),
            _ => return None,
        };
    }
    None
}
