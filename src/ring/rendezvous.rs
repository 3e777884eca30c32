//! Rendezvous: a message passes from hand to hand. The rules RV1 to RV12 are those of
//! `docs/rendezvous.md`.
//!
//! A sender *offers* a message in any free slot and waits there until a receiver has
//! acknowledged it, or takes the offer back. Offers have no order among each other, so
//! there is no head and no tail, and no slot that is held stands in the way of another.
//! The slot word is that of rings with many on a side; what differs is that `PUBLISHED`
//! names the sender as long as that waits.
//!
//! A receiver in a call that waits *announces* itself in a waiter word. A sender that does
//! not wait *binds* such a receiver to its message.

mod blank;
mod give;
#[cfg(not(loom))]
mod progress;
mod recover;
mod take;
mod waiter;

pub(crate) use blank::BlankMemory;
pub(crate) use give::{GivingSide, HandoverState, Left};
#[cfg(not(loom))]
pub(crate) use progress::{messages_left, progress};
pub(crate) use recover::recover_all;
pub(crate) use take::TakingSide;
#[cfg(all(test, not(loom)))]
pub(super) use waiter::WaiterWord;
pub(crate) use waiter::any_waiting;

use super::memory::Memory;
use super::slot::MAX_DELIVERIES;
use crate::sys::atomic::AtomicU64;

/// The most slots of a rendezvous ring: so many messages are under way at once.
pub(crate) const MAX_HANDOVERS: u64 = 64;

/// The words in which receivers announce themselves.
pub(crate) const WAITERS: usize = 64;

/// Bytes that the messages of a rendezvous ring may take, if there are to be as many slots
/// as there can be.
const ROOM: usize = 1 << 20;

/// The fewest slots.
const MIN_HANDOVERS: u64 = 4;

/// Tries at one word whose change fails. Each failure means that others have changed it: of
/// one message they do so fewer times, for it is taken and given back as often as it may be
/// delivered.
const TRIES: usize = 64;
const _: () = assert!(TRIES > 2 * MAX_DELIVERIES as usize + 2);

/// How many slots a rendezvous ring has for messages of `size` bytes.
pub(crate) fn slots_for(size: usize) -> u64 {
    let fitting = (ROOM / size.max(1)) as u64;
    let fitting = fitting.clamp(MIN_HANDOVERS, MAX_HANDOVERS);
    1 << fitting.ilog2()
}

/// The memory of a rendezvous ring: slot words, and the words of waiting receivers.
pub(crate) trait Handover: Memory {
    /// A waiter word, of [`waiters`](Handover::waiters).
    fn waiter(&self, index: usize) -> &AtomicU64;
    /// How many there are.
    fn waiters(&self) -> usize {
        WAITERS
    }
}
