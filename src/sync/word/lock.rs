//! The word of a mutex, which that of a writer is, too (L1 to L12).
//!
//! | bits | what |
//! |---|---|
//! | 0 | WAITERS: a waiter may sleep |
//! | 1 | POISONED: a holder has died or panicked, and nobody has repaired the value |
//! | 2 to 11 | the id of the member that holds it; 0: free |
//! | 12 to 63 | how often it was taken |

use super::held::{HeldWord, Look};
use super::{OWNER_BITS, recover_held};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::{AtomicU64, Ordering};
use crate::sys::failpoints::failpoint;
use crate::wait::ParkHalf;

/// A waiter sleeps, or is about to.
pub(crate) const WAITERS: u64 = 1;
/// The value may be half changed.
pub(crate) const POISONED: u64 = 2;
const OWNER_SHIFT: u32 = 2;
const OWNER: u64 = OWNER_BITS << OWNER_SHIFT;
const COUNT: u64 = 1 << 12;
/// The bits that count.
const COUNTER: u64 = !(COUNT - 1);

/// Compare-and-swaps that may fail before a poisoned word is freed regardless.
const MAX_TRIES: u32 = 64;

/// The member that holds the lock whose word this is.
#[inline(always)]
pub(crate) fn owner(word: u64) -> Option<MemberId> {
    match word & OWNER {
        0 => None,
        owner => Some(MemberId((owner >> OWNER_SHIFT) as u16)),
    }
}

#[inline(always)]
fn owned_by(id: MemberId) -> u64 {
    (u64::from(id.0) << OWNER_SHIFT) & OWNER
}

/// L1, L7: what a member stores that takes the lock: it counts up, and POISONED stays.
#[inline(always)]
fn taken(word: u64, id: MemberId) -> u64 {
    (word & (COUNTER | POISONED)).wrapping_add(COUNT) | owned_by(id)
}

/// How often a lock was taken: its word when it is free, and neither poisoned nor waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockCount(u64);

impl LockCount {
    /// That of a word.
    #[inline(always)]
    pub(crate) fn of(word: u64) -> LockCount {
        LockCount(word & COUNTER)
    }

    /// For a word of private memory.
    #[inline(always)]
    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }
}

/// A word that members hold by turns.
#[derive(Clone, Copy)]
pub(crate) struct LockWord<'a>(pub &'a AtomicU64);

impl LockWord<'_> {
    /// Takes the lock, if it is free. Returns the word as it is held from now on: whether
    /// it is [`POISONED`] is for the caller to tell.
    #[inline(always)]
    pub(crate) fn try_lock(self, me: MemberId) -> Option<u64> {
        let word = self.0.load(Ordering::Relaxed);
        if word & OWNER != 0 {
            return None;
        }
        let held = taken(word, me);
        // Acquire: pairs with the swap of the holder before, in `unlock`.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let swapped = self.0.compare_exchange(word, held, success, failure);
        swapped.ok()?;
        failpoint!(LockTaken);
        Some(held)
    }

    /// As [`LockWord::try_lock`]. First it tries the word of a free lock that was taken as
    /// often as `count` says: to load the word takes some nanoseconds, for the load has to wait
    /// for the swap that freed it.
    #[inline(always)]
    pub(crate) fn try_lock_expecting(self, count: LockCount, me: MemberId) -> Option<u64> {
        self.try_lock_at(count, me).or_else(|| self.try_lock(me))
    }

    #[inline(always)]
    fn try_lock_at(self, count: LockCount, me: MemberId) -> Option<u64> {
        let held = count.0.wrapping_add(COUNT | owned_by(me));
        // Acquire: as in `try_lock`.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let swapped = self.0.compare_exchange(count.0, held, success, failure);
        swapped.ok()?;
        failpoint!(LockTaken);
        Some(held)
    }

    /// Gives the lock back that this member holds by `held`. `poison`: the value may be
    /// half changed.
    #[inline(always)]
    pub(crate) fn unlock<P>(self, held: u64, poison: bool, park: impl FnOnce() -> P)
    where
        P: ParkHalf,
    {
        let found = match poison || held & POISONED != 0 {
            // L2. Release: pairs with the next holder's compare-and-swap, and with a look
            // at a poisoned word.
            false => self.0.swap(held & COUNTER, Ordering::Release),
            true => self.free_poisoned(held, poison),
        };
        failpoint!(LockFreed);
        if found & WAITERS != 0 {
            self.wake_one(&park());
        }
    }

    /// L2, L12: a holder that found the lock poisoned leaves it so, unless it has declared
    /// the value repaired, by [`LockWord::clear_poison`].
    #[cold]
    #[inline(never)]
    fn free_poisoned(self, held: u64, poison: bool) -> u64 {
        let mut word = self.0.load(Ordering::Relaxed);
        for _ in 0..MAX_TRIES {
            let still = match poison {
                true => POISONED,
                false => word & POISONED,
            };
            let free = (held & COUNTER) | still;
            // Release, as in `unlock`.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match self.0.compare_exchange(word, free, success, failure) {
                Ok(found) => return found,
                Err(found) => word = found,
            }
        }
        // Only a hostile peer changes the word of a holder so often.
        let free = (held & COUNTER) | POISONED;
        self.0.swap(free, Ordering::Release)
    }

    #[cold]
    #[inline(never)]
    fn wake_one(self, park: &impl ParkHalf) {
        park.wake_half(self.0, 1);
    }

    /// Whether the value counts as damaged. Acquire: pairs with the swap in `unlock`.
    pub(crate) fn is_poisoned(self) -> bool {
        self.0.load(Ordering::Acquire) & POISONED != 0
    }

    /// L12: declares the value repaired, if the lock is free or this member holds it: of
    /// a value that another one holds it is that one's to say.
    pub(crate) fn clear_poison(self, me: MemberId) {
        let mut word = self.0.load(Ordering::Relaxed);
        for _ in 0..MAX_TRIES {
            let mine = owner(word).is_none_or(|owner| owner == me);
            if word & POISONED == 0 || !mine {
                return;
            }
            // AcqRel: after what the caller has stored; pairs with the next holder's
            // compare-and-swap, which finds this word or a later one.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            match (self.0).compare_exchange(word, word & !POISONED, success, failure) {
                Ok(_) => {
                    failpoint!(PoisonCleared);
                    return;
                }
                Err(found) => word = found,
            }
        }
    }

    /// L8, L9: frees the lock, poisoned, if a member of `dead` holds it.
    pub(crate) fn recover(
        self,
        dead: &mut MemberSet,
        is_dead: impl FnMut(MemberId) -> bool,
        park: &impl ParkHalf,
    ) {
        // Acquire: pairs with the compare-and-swap that took the lock.
        let load = || self.0.load(Ordering::Acquire);
        recover_held(dead, is_dead, load, owner, |word| {
            let free = (word & COUNTER) | POISONED;
            // AcqRel: hands on what the dead holder stored.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let swapped = self.0.compare_exchange(word, free, success, failure);
            if swapped.is_ok() {
                failpoint!(LockRecovered);
                // Whether or not WAITERS was set: the dead holder of before may have
                // taken the bit away, and have woken nobody.
                self.wake_one(park);
            }
            swapped.is_ok()
        });
    }
}

/// The rules of a lock's word for those that wait.
#[derive(Clone, Copy)]
pub(crate) struct LockRules;

impl HeldWord for LockRules {
    fn look(self, word: u64) -> Look {
        match owner(word) {
            None => Look::Free,
            Some(id) => Look::Held(id),
        }
    }

    fn taken(self, word: u64, me: MemberId) -> u64 {
        taken(word, me)
    }

    fn taken_over(self, word: u64, me: MemberId) -> u64 {
        taken(word, me) | POISONED
    }
}
