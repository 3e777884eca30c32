//! The protocols of shared objects, each over words of memory: `docs/sync.md` has the
//! rules that the comments cite.
//!
//! Knows no region and no system: who is alive is asked of [`Holders`], sleeping is a
//! [`Park`](crate::wait::Park)'s. So the models run this very code.

pub(crate) mod barrier;
pub(crate) mod condvar;
pub(crate) mod held;
pub(crate) mod latest;
pub(crate) mod lock;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod once;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};

/// The members of an object, as one of them sees them.
pub(crate) trait Holders {
    /// The member that asks.
    fn me(&self) -> MemberId;
    /// Whether a member can have this id.
    fn may_hold(&self, id: MemberId) -> bool;
    /// Whether the member of this id, which is not the one that asks, has died: its lock
    /// byte is free.
    ///
    /// # Errors
    /// [`Failure::DescriptorClosed`]: that cannot be told any more.
    fn is_dead(&self, id: MemberId) -> Result<bool, Failure>;
    /// A word holds what no member stores: a peer broke the rules.
    fn corrupted(&self, found: Corruption) -> Failure;
}

/// Bits of a word that name the member that holds it.
pub(crate) const OWNER_BITS: u64 = 0x3ff;

/// Compare-and-swaps of one recovery of one word. Each that fails is another process's
/// step, of which there are few where peers cooperate; a hostile one must not keep a
/// caller.
pub(crate) const MAX_TRIES: u32 = 1 << 14;

/// Frees a word of which a dead member may be the holder. `held_by` says of a word who
/// holds it, `freed` what to store in its place, `change` stores that if the word is still
/// the same, and wakes; `load` loads it (Acquire).
///
/// L8, L9: the word is loaded before it is asked whether its holder is dead, and only that
/// very word is replaced.
pub(crate) fn recover_held(
    dead: &mut MemberSet,
    mut is_dead: impl FnMut(MemberId) -> bool,
    load: impl Fn() -> u64,
    held_by: impl Fn(u64) -> Option<MemberId>,
    mut change: impl FnMut(u64) -> bool,
) {
    for _ in 0..MAX_TRIES {
        let word = load();
        let Some(id) = held_by(word).filter(|id| dead.contains(*id)) else {
            return;
        };
        if !is_dead(id) {
            dead.remove(id);
            return;
        }
        // Pairs with the locks of the kernel, by which it told.
        crate::sys::atomic::fence(crate::sys::atomic::Ordering::SeqCst);
        if change(word) {
            return;
        }
    }
    // Not done: the next scan's, or the next waiter's.
    if let Some(id) = held_by(load()) {
        dead.remove(id);
    }
}
