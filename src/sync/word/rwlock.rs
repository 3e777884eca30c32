//! The words of a lock that many may read under, or one may write (RW1 to RW14).
//!
//! | bits of the word | what |
//! |---|---|
//! | 0 | WAITERS: a waiter may sleep |
//! | 1 | POISONED: a writer has died or panicked, and nobody has repaired the value |
//! | 2 to 11 | the id of the member that writes, or is about to; 0: free |
//! | 12 | INSIDE: no reader is left, and it writes |
//! | 13 to 63 | how often it was taken |
//!
//! Each member has a cell in a line of its own, which no other writes. Its low half is how
//! many threads of the member read or are about to, its high half how many of them read.

#[cfg(all(test, loom))]
mod models;
pub(super) mod readers;
mod waiting;

use super::held::{HeldWord, Look};
use super::{MAX_TRIES, OWNER_BITS, recover_held};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::{AtomicEvent, AtomicU64, Ordering, after_swap};
use crate::sys::failpoints::failpoint;
use crate::wait::ParkHalf;

const WAITERS: u64 = 1;
/// The value may be half changed.
pub(crate) const POISONED: u64 = 2;
const OWNER_SHIFT: u32 = 2;
const OWNER: u64 = OWNER_BITS << OWNER_SHIFT;
const INSIDE: u64 = 1 << 12;
const COUNT: u64 = 1 << 13;
/// The bits that count.
const COUNTER: u64 = !(COUNT - 1);

/// As many sleepers as the system counts.
const ALL: u32 = u32::MAX >> 1;

/// One more thread of a member reads, or is about to.
pub(super) const ONE: u64 = 1;
/// Those of the low half.
pub(super) const READERS: u64 = u32::MAX as u64;
/// Half of what can be counted: others of this member may be on their way meanwhile.
pub(crate) const MOST_READERS: u32 = 1 << 31;
/// One of them reads.
pub(super) const ONE_INSIDE: u64 = 1 << 32;

/// The words before the cells.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RwHead {
    pub word: AtomicU64,
    /// What a writer sleeps on while others read: counts what readers have done.
    pub event: AtomicEvent,
}

/// The memory of one lock.
pub(crate) trait Cells {
    fn head(&self) -> &RwHead;
    /// The cell of this member, which is one of those that there can be.
    fn cell(&self, id: MemberId) -> &AtomicU64;
    /// The largest id that a member can have; the smallest is 1.
    fn last_id(&self) -> u16;
}

pub(crate) fn owner(word: u64) -> Option<MemberId> {
    match word & OWNER {
        0 => None,
        owner => Some(MemberId((owner >> OWNER_SHIFT) as u16)),
    }
}

/// L1, L7: it counts up, and POISONED stays.
fn taken(word: u64, id: MemberId) -> u64 {
    let owned = (u64::from(id.0) << OWNER_SHIFT) & OWNER;
    (word & (COUNTER | POISONED)).wrapping_add(COUNT) | owned
}

/// L8, RW10, RW11: what a dead writer leaves: POISONED if it was inside, and as it was else.
pub(crate) fn freed(word: u64) -> u64 {
    let poisoned = word & POISONED != 0 || word & INSIDE != 0;
    (word & COUNTER) | if poisoned { POISONED } else { 0 }
}

/// A lock, as its readers and writers use it.
pub(crate) struct RwWord<'a, C>(pub &'a C);

impl<C> Clone for RwWord<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for RwWord<'_, C> {}

impl<'a, C: Cells> RwWord<'a, C> {
    fn word(self) -> &'a AtomicU64 {
        &self.0.head().word
    }

    /// The member that writes, or waits for readers.
    fn writer(self) -> Option<MemberId> {
        owner(self.word().load(Ordering::Relaxed))
    }

    /// RW1 to RW3: counts a reader of this member, if no other member writes or waits to.
    /// Returns the word: [`POISONED`] is for the caller to see.
    #[inline(always)]
    pub(crate) fn try_read(self, me: MemberId, park: &impl ParkHalf) -> Option<u64> {
        let cell = self.0.cell(me);
        // RW1: first the cell, then the word. SeqCst, both: a writer takes the word and
        // then loads the cell, and one of the two sees the other. Acquire: what the other
        // readers of this member know of the value (RW3).
        let before = cell.fetch_add(ONE, Ordering::SeqCst);
        failpoint!(CellRaised);
        after_swap();
        let word = self.word().load(Ordering::SeqCst);
        // RW3: while another thread of this member reads, no writer is inside, and none
        // comes in before this count has gone again.
        let may_enter = owner(word).is_none() || before >= ONE_INSIDE;
        if may_enter && before & READERS < u64::from(MOST_READERS) {
            // Release: pairs with the addition of the next reader of this member.
            cell.fetch_add(ONE_INSIDE, Ordering::Release);
            failpoint!(ReaderInside);
            return Some(word);
        }
        self.turn_back(cell, park);
        None
    }

    /// Whether this member has so many readers that one more might not be counted: then none
    /// comes in any more.
    pub(crate) fn has_most_readers(self, me: MemberId) -> bool {
        // Relaxed: a count of its own.
        self.0.cell(me).load(Ordering::Relaxed) & READERS >= u64::from(MOST_READERS)
    }

    /// RW2: a writer holds the word: it may have seen the cell meanwhile.
    #[cold]
    #[inline(never)]
    fn turn_back(self, cell: &AtomicU64, park: &impl ParkHalf) {
        cell.fetch_add(ONE.wrapping_neg(), Ordering::SeqCst);
        failpoint!(CellLowered);
        self.count_event(park);
    }

    /// RW4.
    #[inline(always)]
    pub(crate) fn unlock_read(self, me: MemberId, park: &impl ParkHalf) {
        let both = ONE_INSIDE | ONE;
        // SeqCst, with the load below, as in `try_read`. Release: pairs with the load of a
        // writer that finds 0.
        let cell = self.0.cell(me);
        cell.fetch_add(both.wrapping_neg(), Ordering::SeqCst);
        failpoint!(CellLowered);
        after_swap();
        if owner(self.word().load(Ordering::SeqCst)).is_some() {
            self.count_event(park);
        }
    }

    /// Has a writer look at the cells again.
    #[cold]
    #[inline(never)]
    fn count_event(self, park: &impl ParkHalf) {
        // SeqCst: after the cell; pairs with the load in `ReaderWait::register`, before the
        // writer's look at the cell (RW6).
        self.0.head().event.fetch_add(1, Ordering::SeqCst);
        failpoint!(EventCounted);
        park.wake(&self.0.head().event, ALL);
    }

    /// Takes the word for a writer, if it is free (L1). The readers are still to be waited
    /// for.
    pub(crate) fn try_take(self, me: MemberId) -> Option<u64> {
        let word = self.word().load(Ordering::Relaxed);
        if owner(word).is_some() {
            return None;
        }
        let held = taken(word, me);
        // Acquire: pairs with the swap of the writer before.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let swapped = self.word().compare_exchange(word, held, success, failure);
        swapped.ok()?;
        failpoint!(LockTaken);
        Some(held)
    }

    /// RW8: no reader is left. The bit is clear, so to add it is to set it.
    pub(crate) fn enter(self, held: u64) -> u64 {
        // Relaxed: a process that finds the bit is told by the kernel that this one died.
        self.word().fetch_add(INSIDE, Ordering::Relaxed);
        failpoint!(WriterInside);
        held | INSIDE
    }

    /// RW9: gives the word back that this member holds by `held`. `poison`: the value may
    /// be half changed.
    pub(crate) fn unlock_write(self, held: u64, poison: bool, park: &impl ParkHalf) {
        let found = match poison || held & POISONED != 0 {
            // L2. Release: pairs with readers' loads and the next writer's swap.
            false => self.word().swap(held & COUNTER, Ordering::Release),
            true => self.free_poisoned(held, poison),
        };
        failpoint!(LockFreed);
        if found & WAITERS != 0 {
            park.wake_half(self.word(), ALL);
        }
    }

    /// L2, L12.
    #[cold]
    #[inline(never)]
    fn free_poisoned(self, held: u64, poison: bool) -> u64 {
        let mut word = self.word().load(Ordering::Relaxed);
        for _ in 0..MAX_TRIES {
            let still = match poison {
                true => POISONED,
                false => word & POISONED,
            };
            // Release, as in `unlock_write`.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            let free = (held & COUNTER) | still;
            match self.word().compare_exchange(word, free, success, failure) {
                Ok(found) => return found,
                Err(found) => word = found,
            }
        }
        // Only a hostile peer changes the word of a holder so often.
        let free = (held & COUNTER) | POISONED;
        self.word().swap(free, Ordering::Release)
    }

    /// RW13: the writer becomes a reader; no other writer comes between.
    pub(crate) fn downgrade(self, held: u64, me: MemberId, park: &impl ParkHalf) {
        // Before the word is given back. Release: pairs with the next reader of this
        // member (RW3), and with the load of a writer.
        self.0
            .cell(me)
            .fetch_add(ONE_INSIDE | ONE, Ordering::SeqCst);
        failpoint!(ReaderInside);
        self.unlock_write(held, false, park);
    }

    /// Acquire: pairs with the swap in `unlock_write`.
    pub(crate) fn is_poisoned(self) -> bool {
        self.word().load(Ordering::Acquire) & POISONED != 0
    }

    /// L12: declares the value repaired, if the word is free or this member's.
    pub(crate) fn clear_poison(self, me: MemberId) {
        let mut word = self.word().load(Ordering::Relaxed);
        for _ in 0..MAX_TRIES {
            let mine = owner(word).is_none_or(|owner| owner == me);
            if word & POISONED == 0 || !mine {
                return;
            }
            // AcqRel: after what the caller has stored.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let swapped = self
                .word()
                .compare_exchange(word, word & !POISONED, success, failure);
            match swapped {
                Ok(_) => {
                    failpoint!(PoisonCleared);
                    return;
                }
                Err(found) => word = found,
            }
        }
    }

    /// RW12, L8, L9: frees the word, if a member of `dead` holds it.
    pub(crate) fn recover(
        self,
        dead: &mut MemberSet,
        is_dead: impl FnMut(MemberId) -> bool,
        park: &impl ParkHalf,
    ) {
        // Acquire: pairs with the compare-and-swap that took it.
        let load = move || self.word().load(Ordering::Acquire);
        recover_held(dead, is_dead, load, owner, |word| {
            // AcqRel: hands on what the dead writer stored.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let swapped = self
                .word()
                .compare_exchange(word, freed(word), success, failure);
            if swapped.is_ok() {
                failpoint!(LockRecovered);
                park.wake_half(self.word(), ALL);
            }
            swapped.is_ok()
        });
    }

    /// RW12: this member, which has no guard, counts for no reader: whatever the one that
    /// had its id before has left, or guards that were leaked. Nobody else writes a cell.
    pub(crate) fn clear_cell(self, me: MemberId, park: &impl ParkHalf) {
        // SeqCst, with the load below: as in `unlock_read`.
        if self.0.cell(me).swap(0, Ordering::SeqCst) != 0 {
            failpoint!(CellLowered);
        }
        after_swap();
        // A cell that was 0, too: the one before may have lowered it, and have died before it
        // counted the event.
        if owner(self.word().load(Ordering::SeqCst)).is_some() {
            self.count_event(park);
        }
    }
}

/// The rules of the word for one that waits to write (RW5, RW10).
#[derive(Clone, Copy)]
pub(crate) struct WriteRules;

impl HeldWord for WriteRules {
    fn look(self, word: u64) -> Look {
        owner(word).map_or(Look::Free, Look::Held)
    }

    fn taken(self, word: u64, me: MemberId) -> u64 {
        taken(word, me)
    }

    fn taken_over(self, word: u64, me: MemberId) -> u64 {
        taken(freed(word), me)
    }
}

/// The rules for one that waits to read: until no member writes (RW2, RW11).
#[derive(Clone, Copy)]
pub(crate) struct ReadRules;

impl HeldWord for ReadRules {
    fn look(self, word: u64) -> Look {
        owner(word).map_or(Look::Over, Look::Held)
    }

    fn taken(self, word: u64, _me: MemberId) -> u64 {
        word // nothing is taken
    }

    fn taken_over(self, word: u64, _me: MemberId) -> u64 {
        freed(word)
    }

    fn frees_for_all(self) -> bool {
        true
    }
}
