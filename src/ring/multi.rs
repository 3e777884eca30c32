//! A side that many endpoints share: the owner is in the slot.
//!
//! A claim is one compare-and-swap on the slot word, so a claim and its owner
//! become visible in one step, and whoever finds the owner dead knows what it
//! held. `tail` and `head` are hints that may lag and never lead. Derived from
//! D. Vyukov's bounded MPMC queue, whose claim is on the shared index instead.
//!
//! Each endpoint also remembers where its own last claim was. While nobody else
//! is at work on its side, the next position is free for it: it tries that one
//! first, without a look at the shared hint, and moves the hint now and then.

mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod snapshot;

pub use receiver::MultiReceiver;
pub use sender::MultiSender;

/// So many claims after a look in vain, the other side is taken to be far enough
/// away to fetch lines ahead: any nearer, and they would be taken from its hands.
const CALM: u64 = 16;

/// Failed claims of one call after which it pauses no more: a peer that makes
/// all of them fail must not make each take longer, too.
const PAUSES: u32 = 16;

/// Somebody else was quicker. Whoever is at work goes on undisturbed for a
/// while, with the line in its hands: both get more done than by turns.
#[cold]
#[inline(never)]
fn give_way(failures: &mut u32) {
    if *failures < PAUSES {
        for _ in 0..1u32 << (*failures).min(6) {
            core::hint::spin_loop();
        }
        *failures += 1;
    }
}
