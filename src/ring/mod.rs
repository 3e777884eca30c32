//! The ring protocols: slots and positions, the four sides, recovery, the end.
//!
//! They know no operating system: they run over a [`Memory`] that may be mapped, on
//! the heap or loom's, never sleep and never call the system. What stands in the way
//! of an operation is a [`ClaimError`]; a floor above waits, or finds the holder dead
//! and has [`recover`] free the slot.
//!
//! (Items are `pub` where [`Kind`](crate::Kind) names them; the module is not.)
//!
//! The numbered rules (R1 to R21) are those of `docs/protocol.md`.

#[cfg(not(loom))]
pub(crate) mod config;
pub(crate) mod end;
pub(crate) mod kind;
pub(crate) mod layout;
pub(crate) mod memory;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod multi;
pub(crate) mod payload;
#[cfg(not(loom))]
pub(crate) mod progress;
pub(crate) mod recover;
pub(crate) mod side;
pub(crate) mod single;
pub(crate) mod slot;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use side::{Arity, Claim, ClaimError, Held, Multi, ReceiveSide, SendSide, Single};

use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;
use layout::Cell;
use memory::Memory;

/// Prepares fresh (zero) memory so that it counts from `start`.
///
/// A ring that starts at 0 needs nothing: zeroes are `FREE` of lap 0 (R1).
pub(crate) fn start_at<M: Memory>(memory: &M, start: u64) {
    if start == 0 {
        return;
    }
    let geometry = memory.geometry();
    for offset in 0..geometry.capacity() {
        let position = start.wrapping_add(offset);
        memory
            .word(position)
            .store(geometry.free(position).0, Ordering::Relaxed);
        failpoint!(StartWritten);
    }
    for cell in [
        Cell::Tail,
        Cell::Head,
        Cell::Sent,
        Cell::Taken,
        Cell::Done,
        Cell::Credit,
    ] {
        // Release: the words above come first for an endpoint that reads these
        // hints.
        memory.cell(cell).store(start, Ordering::Release);
    }
}
