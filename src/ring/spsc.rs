//! One sender and one receiver: a protocol of its own, with no claims and no slot words.
//!
//! Each of the two is the only one that moves its end of the ring, so nothing needs to be
//! claimed: a message is there once one word says so, and taken once `done` says so.
//! Messages lie in **lines** of 64 bytes that hold several of them and one word, or
//! **dense**, with one word for all (see [`places`]).
//!
//! The rules (S1 to S20) are in `docs/protocol-one-to-one.md`. Where they are kept:
//!
//! | rules | what | where |
//! |---|---|---|
//! | S1, S2 | publication: the word is one past the last position | `sender` |
//! | S3 to S5 | room; where a successor goes on | `sender` |
//! | S6 to S9 | a send at a ring that is being closed | `sender`, `last` |
//! | S10 to S14, S20 | the end, as the receiver fixes and reports it | `receiver`, `last` |
//! | S4, S15 | leases and acknowledgement | `receiver` |
//! | S16 to S19 | giving back, and the limit of deliveries | `give_back` |

mod give_back;
mod last;
mod places;
#[cfg(not(loom))]
pub(crate) mod progress;
mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod snapshot;

pub(crate) use places::{LINE_ROOM, Places};
pub use receiver::SpscReceiver;
pub use sender::SpscSender;

use super::memory::Memory;
use super::slot;
use crate::sys::atomic::Ordering;

/// S5: the first position from `from` on that is not published, and whether it was found:
/// words that contradict each other lead in circles.
fn published_from<M: Memory>(memory: &M, from: u64) -> (u64, bool) {
    let places = memory.places();
    let lines = memory.geometry().capacity() / places.line_length();
    let mut next = places.canonical(from);
    for _ in 0..=lines + 1 {
        // Pairs with `publish_up_to` of the sender. A word of a later lap counts as well.
        let word = memory.publication(next).load(Ordering::Acquire);
        if !slot::before(next, word) {
            return (next, true);
        }
        next = places.canonical(word);
    }
    (next, false)
}
