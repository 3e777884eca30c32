//! Several messages in place: written by one commit, read by one lease.

mod grants;
mod leases;

pub use grants::GrantChunk;
pub use leases::LeaseChunk;

use crate::message::Message;
use crate::ring::Pairing;
use crate::ring::memory::{Memory, View};

/// Where messages lie that several positions hold: the address of the first, and how many
/// follow it, in one part of memory, or in two, at the wrap.
type Parts = [(*mut u8, usize); 2];

/// The parts of `count` positions from `first` to `last`, if they lie in two at most.
fn parts_of<T: Message, P: Pairing>(
    view: &View<T, P>,
    (first, last): (u64, u64),
    count: usize,
) -> Option<Parts> {
    let at = |position| view.payload(position).as_ptr();
    let is_in_a_row = last.wrapping_sub(first) == count as u64 - 1;
    if count > 1 && !(view.is_contiguous() && is_in_a_row) {
        return None;
    }
    let to_wrap = view.geometry().capacity() - view.geometry().index(first);
    let ahead = count.min(to_wrap as usize);
    let wrapped = first.wrapping_add(ahead as u64);
    Some([(at(first), ahead), (at(wrapped), count - ahead)])
}
