//! The word of what is done once (ON1 to ON5).
//!
//! | bits | what |
//! |---|---|
//! | 0 | WAITERS: a waiter may sleep |
//! | 1 | INTERRUPTED: one that ran has died, panicked or failed |
//! | 2 to 3 | 0 new, 1 running, 2 done |
//! | 4 to 13 | the id of the member that runs; else 0 |
//! | 14 to 63 | how often it was begun |

use super::held::{HeldWord, Look};
use super::{OWNER_BITS, recover_held};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::{AtomicU64, Ordering};
use crate::sys::failpoints::failpoint;
use crate::wait::ParkHalf;

const WAITERS: u64 = 1;
/// Somebody has begun, and has not come to the end.
pub(crate) const INTERRUPTED: u64 = 2;
const STATE: u64 = 3 << 2;
const RUNNING: u64 = 1 << 2;
const DONE: u64 = 2 << 2;
const OWNER_SHIFT: u32 = 4;
const OWNER: u64 = OWNER_BITS << OWNER_SHIFT;
const COUNT: u64 = 1 << 14;
/// The bits that count.
const COUNTER: u64 = !(COUNT - 1);

/// As many sleepers as the system counts.
const ALL: u32 = u32::MAX >> 1;

/// Whether it is done, by its word.
#[inline(always)]
pub(crate) fn is_done(word: u64) -> bool {
    word & STATE == DONE
}

fn owner(word: u64) -> MemberId {
    MemberId(((word & OWNER) >> OWNER_SHIFT) as u16)
}

/// The member that runs, if one does.
fn runs(word: u64) -> Option<MemberId> {
    (word & STATE == RUNNING).then(|| owner(word))
}

/// ON2: what `me` stores that begins.
fn begun(word: u64, me: MemberId) -> u64 {
    let kept = word & (COUNTER | INTERRUPTED);
    kept.wrapping_add(COUNT) | RUNNING | (u64::from(me.0) << OWNER_SHIFT)
}

/// The word of what is done once.
#[derive(Clone, Copy)]
pub(crate) struct OnceWord<'a>(pub &'a AtomicU64);

impl OnceWord<'_> {
    /// ON1. Acquire: pairs with the exchange in `end`.
    #[inline(always)]
    pub(crate) fn is_done(self) -> bool {
        is_done(self.0.load(Ordering::Acquire))
    }

    /// ON4: the one that runs, by `held`, has come to an end, a good one or not.
    pub(crate) fn end(self, held: u64, is_done: bool, park: &impl ParkHalf) {
        let state = if is_done { DONE } else { INTERRUPTED };
        // AcqRel: pairs with the loads of those that find it done, and with the
        // compare-and-swap of one that begins again.
        let found = self.0.swap((held & COUNTER) | state, Ordering::AcqRel);
        failpoint!(OnceEnded);
        if found & WAITERS != 0 {
            park.wake_half(self.0, ALL);
        }
    }

    /// ON5: makes it new again, if a member of `dead` runs.
    pub(crate) fn recover(
        self,
        dead: &mut MemberSet,
        is_dead: impl FnMut(MemberId) -> bool,
        park: &impl ParkHalf,
    ) {
        // Acquire: pairs with the compare-and-swap of the one that began.
        let load = || self.0.load(Ordering::Acquire);
        recover_held(dead, is_dead, load, runs, |word| {
            let new = (word & COUNTER) | INTERRUPTED;
            // AcqRel: hands on what the dead member stored.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let swapped = self.0.compare_exchange(word, new, success, failure);
            if swapped.is_ok() {
                failpoint!(OnceRecovered);
                park.wake_half(self.0, ALL);
            }
            swapped.is_ok()
        });
    }
}

/// The rules of such a word for those that wait.
#[derive(Clone, Copy)]
pub(crate) struct OnceRules {
    /// One that was interrupted may be begun again.
    pub begins_again: bool,
}

impl OnceRules {
    /// Whether the member `me` runs, by the word that a wait has returned.
    pub(crate) fn is_run_by(word: u64, me: MemberId) -> bool {
        runs(word) == Some(me)
    }
}

impl HeldWord for OnceRules {
    fn look(self, word: u64) -> Look {
        match word & STATE {
            0 if word & INTERRUPTED != 0 && !self.begins_again => Look::Over,
            0 => Look::Free,
            DONE => Look::Over,
            RUNNING => Look::Held(owner(word)),
            // A state that there is not: nobody's, which nobody may hold.
            _ => Look::Held(MemberId(0)),
        }
    }

    fn taken(self, word: u64, me: MemberId) -> u64 {
        begun(word, me)
    }

    /// ON3.
    fn taken_over(self, word: u64, me: MemberId) -> u64 {
        begun(word, me) | INTERRUPTED
    }
}
