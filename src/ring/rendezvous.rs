//! Rendezvous: a message passes directly to a receiver. The rules RV1 to RV12 are those of
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
pub(crate) use waiter::{any_living_waiting, any_waiting};

use super::layout::WAITERS;
use super::memory::Memory;
use super::slot::MAX_DELIVERIES;
use crate::sys::atomic::AtomicU64;

/// Tries at one word whose change fails. Each failure means that others have changed it: of
/// one message they do so fewer times, for it is taken and given back as often as it may be
/// delivered.
const TRIES: usize = 64;
const _: () = assert!(TRIES > 2 * MAX_DELIVERIES as usize + 2);

/// The memory of a rendezvous ring: slot words, and the words of waiting receivers.
pub(crate) trait Handover: Memory {
    /// A waiter word, of [`waiters`](Handover::waiters).
    fn waiter(&self, index: usize) -> &AtomicU64;
    /// How many there are.
    fn waiters(&self) -> usize {
        WAITERS
    }
}
