//! The one file that names the atomics: those of the standard library, or
//! loom's when the protocols are being model-checked (`--cfg loom`). In unit
//! tests those of the protocols can be watched, access by access.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering, fence};

/// `AtomicEvent`: a count of 32 bits that callers sleep on.
#[cfg(not(any(test, loom)))]
pub(crate) use core::sync::atomic::{AtomicU8, AtomicU32 as AtomicEvent, AtomicU64};

#[cfg(all(test, not(loom)))]
pub(crate) mod watched;
#[cfg(all(test, not(loom)))]
pub(crate) use watched::{AtomicEvent, AtomicU8, AtomicU64};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU32 as AtomicEvent;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Between a `SeqCst` read-modify-write and a `SeqCst` load of another word: nothing, for
/// the two are ordered by what they are. loom takes them for less, and gets a fence.
#[inline(always)]
pub(crate) fn after_swap() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// How the cheap side of a store-then-load race orders the two.
///
/// Three races in a ring are of that shape (publish, then look for sleepers;
/// acknowledge, then look for sleepers; claim, then look whether the ring is
/// closed). The other party is rare and pays for both: see [`Fences::light`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    /// The rare party runs `membarrier`, so the frequent one needs only to
    /// keep the compiler from reordering. loom knows no `membarrier`: a model
    /// of such a race uses `Full`, a model of anything else uses this, so that
    /// no fence hides a missing edge.
    Membarrier,
    /// No `membarrier` here: both parties run a full fence.
    Full,
}

impl Fences {
    /// The frequent party's half of the barrier. Pairs with the heavy half,
    /// which is a `membarrier` or a `SeqCst` fence (see `wait::Park::heavy`).
    #[inline(always)]
    pub(crate) fn light(self) {
        match self {
            Fences::Membarrier => core::sync::atomic::compiler_fence(Ordering::SeqCst),
            Fences::Full => fence(Ordering::SeqCst),
        }
    }
}
