//! A side that many endpoints share: the owner is in the slot.
//!
//! A claim is one compare-and-swap on the slot word, so a claim and its owner
//! become visible in one step, and an endpoint that finds the owner dead knows
//! what it held. `tail` and `head` are hints that may lag and never lead. Derived from
//! D. Vyukov's bounded MPMC queue, whose claim is on the shared index instead.
//!
//! Each endpoint also remembers where its own last claim was. While no other is
//! at work on its side, the next position is free for it: it tries that one
//! first, without a look at the shared hint, and moves the hint now and then.

mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod snapshot;

pub use receiver::MultiReceiver;
pub use sender::MultiSender;

/// So many claims after a fast path that failed, the other side is taken to be far
/// enough away to prefetch lines: any nearer, and they would be taken from it.
const PREFETCH_AFTER: u64 = 16;
