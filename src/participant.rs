//! Who is attached, and who of them is alive.
//!
//! Every attached endpoint has an entry in the segment's participant table and
//! holds a write lock on its own byte of the segment's file. The kernel drops
//! the lock when its holder dies, and only then: a stopped process keeps it.
//! A free lock therefore proves that nobody is behind the entry.
//!
//! M1: an id is used only by whoever holds its lock byte.
//! M2: an id that was left dirty is swept by its heir before it is used anew.
//! M3: survivors never take a dead one's lock; they repair by probe and
//! compare-and-swap, so a repairer that stops blocks nobody.

use std::io;
use std::sync::Arc;

use crate::error::{AttachError, Failure, Side};
use crate::layout::{Bell, Cell, RECEIVER_IDS, SENDER_IDS};
use crate::ring::memory::{Block, Memory};
use crate::ring::position::{Owner, State};
use crate::ring::repair::{self, Owners, Repaired};
use crate::ring::{Held, Stall};
use crate::segment::Segment;
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;
use crate::sys::lock::Acquired;
use crate::wait::Event;
use crate::wait::parking::Parking;

/// Low bit of an entry: its holder may have left something to repair.
const DIRTY: u64 = 1;
/// The rest counts how often the id was taken.
const GENERATION: u64 = 2;

/// The most slots that one patrol takes out of dead hands. For each it probes, which
/// is a system call: a peer that says that the dead hold a million slots keeps
/// nobody for longer than this.
pub(crate) const SLOTS_OF_A_PATROL: usize = 1 << 14;

/// Somebody attached, as the participant table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its id in the table.
    pub id: u16,
    /// The process id that it gave when it attached: for display only, for a
    /// number may be reused, and differs between PID namespaces.
    pub pid: u32,
    /// Whether it holds its lock: the kernel's word.
    pub alive: bool,
}

/// What can be said of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nobody has attached yet.
    Never,
    /// Somebody is attached.
    Present,
    /// Somebody was, and nobody is.
    Gone,
}

impl Side {
    pub(crate) fn ids(self) -> std::ops::Range<u16> {
        match self {
            Side::Sender => SENDER_IDS,
            Side::Receiver => RECEIVER_IDS,
        }
    }

    pub(crate) fn changes(self) -> Cell {
        match self {
            Side::Sender => Cell::SenderChanges,
            Side::Receiver => Cell::ReceiverChanges,
        }
    }

    /// What this side sleeps on.
    pub(crate) fn bell(self) -> Bell {
        match self {
            Side::Sender => Bell::Senders,
            Side::Receiver => Bell::Receivers,
        }
    }

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Sender => Side::Receiver,
            Side::Receiver => Side::Sender,
        }
    }
}

/// An id in use by this process; the last clone of an endpoint detaches.
pub(crate) struct Participant {
    segment: Arc<Segment>,
    side: Side,
    id: Owner,
    /// What its entry holds while it is attached.
    entry: u64,
}

impl Participant {
    /// Takes an id of `side` that nobody living has.
    pub(crate) fn attach(
        segment: &Arc<Segment>,
        side: Side,
        multi: bool,
    ) -> Result<Participant, AttachError> {
        segment.check()?;
        let id = if multi {
            take_any(segment, side)?
        } else {
            take_only(segment, side)?
        };
        failpoint!(IdLocked);
        let block = segment.block();
        let entry = block.entry(id);
        // Acquire: after everything that the last holder wrote here.
        let found = entry.load(Ordering::Acquire);
        let taken = (found & !DIRTY).wrapping_add(GENERATION) | DIRTY;
        let participant = Participant {
            segment: Arc::clone(segment),
            side,
            id,
            entry: taken,
        };
        if multi && found & DIRTY != 0 {
            // M2. The lock is ours: the id is dead by definition.
            repair::sweep(&block, &mut Owners::only(id), segment.terms.death(), |_| {
                true
            });
            failpoint!(OwnIdSwept);
            wake_everybody(segment);
        }
        block
            .entry_pid(id)
            .store(std::process::id().into(), Ordering::Relaxed);
        failpoint!(PidEntered);
        // Release: pairs with the Acquire loads in `presence` and `patrol`.
        entry.store(taken, Ordering::Release);
        failpoint!(EntryTaken);
        announce_change(segment, side);
        failpoint!(ArrivalAnnounced);
        let _ = patrol(segment, &mut 0, usize::MAX);
        Ok(participant)
    }

    pub(crate) fn id(&self) -> Owner {
        self.id
    }
}

impl Drop for Participant {
    /// Detaches. Endpoints have given back what they held before.
    ///
    /// The entry is cleaned last but one, after the going was counted: as long
    /// as it is dirty, a patrol does for whoever dies in here what is left (M5).
    fn drop(&mut self) {
        let segment = &*self.segment;
        if matches!(segment.check(), Err(Failure::Forked)) {
            return; // the parent's entry, lock and memory
        }
        // A lock that cannot be given back goes with the segment's descriptor.
        let _ = segment.locks.unlock(self.id.0.into());
        failpoint!(IdUnlocked);
        announce_change(segment, self.side);
        failpoint!(DepartureAnnounced);
        if segment.is_usable() {
            clean(&segment.block(), self.id, self.entry);
            failpoint!(EntryCleaned);
        }
        wake_everybody(segment);
        failpoint!(Detached);
    }
}

/// The one id of a single side.
fn take_only(segment: &Segment, side: Side) -> Result<Owner, AttachError> {
    let id = Owner(side.ids().start);
    match segment
        .locks
        .try_exclusive(id.0.into())
        .map_err(os("lock"))?
    {
        Acquired::Taken => Ok(id),
        Acquired::HeldHere | Acquired::HeldElsewhere => {
            let pid = segment.block().entry_pid(id).load(Ordering::Relaxed);
            Err(AttachError::Occupied {
                side,
                holder: u32::try_from(pid).ok().filter(|pid| *pid != 0),
            })
        }
    }
}

/// Any id of a side of many: never used ones first, then clean ones, and dead
/// ones last, for those cost a sweep.
fn take_any(segment: &Segment, side: Side) -> Result<Owner, AttachError> {
    let block = segment.block();
    for wanted in [
        (|entry| entry == 0) as fn(u64) -> bool,
        |entry| entry & DIRTY == 0,
        |_| true,
    ] {
        for id in side.ids().map(Owner) {
            if !wanted(block.entry(id).load(Ordering::Relaxed)) {
                continue;
            }
            if segment
                .locks
                .try_exclusive(id.0.into())
                .map_err(os("lock"))?
                == Acquired::Taken
            {
                return Ok(id);
            }
        }
    }
    Err(AttachError::TooMany {
        side,
        limit: side.ids().len(),
    })
}

fn os(action: &'static str) -> impl Fn(io::Error) -> AttachError {
    move |source| AttachError::Os { action, source }
}

/// Is the holder of `id` alive? What cannot be found out counts as alive: the
/// living are never robbed.
pub(crate) fn is_alive(segment: &Segment, id: Owner) -> bool {
    segment.locks.is_held(id.0.into()).unwrap_or(true)
}

/// Counts a coming or going, so that cached answers of [`presence`] expire.
fn announce_change(segment: &Segment, side: Side) {
    // Release: pairs with the Acquire load in `presence`.
    let block = segment.block();
    block.cell(side.changes()).fetch_add(1, Ordering::AcqRel);
}

/// Entries of `ids` that are in use, or were when their holder died.
fn dirty(block: Block, ids: std::ops::Range<u16>) -> impl Iterator<Item = (Owner, u64)> {
    ids.map(Owner).filter_map(move |id| {
        // Acquire: pairs with the Release store in `Participant::attach`.
        let entry = block.entry(id).load(Ordering::Acquire);
        (entry & DIRTY != 0).then_some((id, entry))
    })
}

/// Who is on `side`, and the count of changes at which that was true.
pub(crate) fn presence(segment: &Segment, side: Side) -> (u64, Presence) {
    let block = segment.block();
    // Before the entries; pairs with the increment in `announce_change`.
    let changes = block.cell(side.changes()).load(Ordering::Acquire);
    let presence = if dirty(block, side.ids()).any(|(id, _)| is_alive(segment, id)) {
        Presence::Present
    } else if changes == 0 {
        Presence::Never
    } else {
        Presence::Gone
    };
    (changes, presence)
}

/// Those on `side`, dead or alive.
pub(crate) fn peers(segment: &Segment, side: Side) -> Vec<Peer> {
    let block = segment.block();
    dirty(block, side.ids())
        .map(|(id, _)| Peer {
            id: id.0,
            pid: block.entry_pid(id).load(Ordering::Relaxed) as u32,
            alive: is_alive(segment, id),
        })
        .collect()
}

/// Probes up to `probes` of those attached, going on from `cursor` round the
/// table, and clears up after the dead. Says whether it is done with all that
/// they held, as far as it probed: if not, the next patrol goes on.
#[must_use]
pub(crate) fn patrol(segment: &Segment, cursor: &mut u16, probes: usize) -> bool {
    let block = segment.block();
    let all = SENDER_IDS.start..RECEIVER_IDS.end;
    let from = (*cursor).clamp(all.start, all.end);
    let round = dirty(block, from..all.end).chain(dirty(block, all.start..from));
    let mut dead = Vec::new();
    for (id, entry) in round.take(probes) {
        *cursor = id.0 + 1;
        if !is_alive(segment, id) {
            dead.push((id, entry));
        }
    }
    dead.is_empty() || bury(segment, &dead)
}

/// Marks an entry clean, if it is still `taken`: else an heir has it, or a
/// patrol was here before. AcqRel: after all that was written in the holder's
/// name; pairs with the next holder's Acquire load in `attach`.
fn clean(block: &Block, id: Owner, taken: u64) {
    let _ = block.entry(id).compare_exchange(
        taken,
        taken & !DIRTY,
        Ordering::AcqRel,
        Ordering::Relaxed,
    );
}

/// Clears up after ids whose locks were found free: everything that they held is
/// repaired, their going is counted, then their entries are marked clean (M3, M5).
///
/// All at once: the slots are walked over once, not once for each, or a peer that
/// plays everybody dead would make this a thousand times as long. And so many
/// slots at a time: says whether that was all.
fn bury(segment: &Segment, dead: &[(Owner, u64)]) -> bool {
    let block = segment.block();
    let mut owners = Owners::default();
    for (id, _) in dead {
        owners.insert(*id);
    }
    // Probed anew for each slot: an heir may have taken the id meanwhile. What is
    // not found out counts as alive, so that its entry is left dirty.
    let mut slots = 0;
    repair::sweep(&block, &mut owners, segment.terms.death(), |id| {
        slots += 1;
        slots <= SLOTS_OF_A_PATROL && !is_alive(segment, id)
    });
    for (id, entry) in dead {
        if !owners.contains(*id) {
            // An heir sweeps, unless the entry says that all is clean: leave it.
            // So does the next patrol, if this was too much for one.
            continue;
        }
        failpoint!(DeadSwept);
        let side = if SENDER_IDS.contains(&id.0) {
            Side::Sender
        } else {
            Side::Receiver
        };
        announce_change(segment, side);
        failpoint!(DeathAnnounced);
        clean(&block, *id, *entry);
        failpoint!(EntryReaped);
    }
    wake_everybody(segment);
    slots <= SLOTS_OF_A_PATROL
}

/// Clears one slot if its holder is dead. Says whether it did.
pub(crate) fn clear(segment: &Segment, held: Held) -> bool {
    // The word was loaded before; now the probe, then the swap (R14).
    if is_alive(segment, held.word.owner()) {
        return false;
    }
    let done = repair::repair(&segment.block(), held, segment.terms.death());
    if done != Repaired::Nothing {
        wake_everybody(segment);
    }
    true
}

/// Who stands in the way, for those who ask.
pub(crate) fn obstacle(stall: Stall) -> Option<Held> {
    match stall {
        Stall::Held(held) if matches!(held.word.state(), State::Claimed | State::Reading) => {
            Some(held)
        }
        _ => None,
    }
}

/// After a repair, a detachment or the end: everybody looks anew.
pub(crate) fn wake_everybody(segment: &Segment) {
    let block = segment.block();
    let parking = Parking(segment.terms.fences);
    for side in [Side::Sender, Side::Receiver] {
        Event(block.bell(side.bell())).notify_all(&parking);
    }
}
