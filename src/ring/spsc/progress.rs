//! How far a ring of one sender and one receiver is, by a look without consequences.

use super::{last, published_from};
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::progress::Progress;
use crate::ring::slot::before;
use crate::sys::atomic::Ordering;

/// How far both sides are, roughly: others go on meanwhile. Counted in messages since the
/// ring began to count at `start`.
pub(crate) fn progress<M: Memory>(memory: &M, start: u64) -> Progress {
    let places = memory.places();
    let start = places.canonical(start);
    let received = load(memory, Cell::Done);
    // A hint, which lags, of a ring that is in lines; it is passed over if it is none.
    let hint = load(memory, Cell::Sent);
    let from = match places.count(received, hint) <= places.capacity() {
        true => hint,
        false => received,
    };
    let sent = end_of_messages(memory, from);
    let under_way = places.count(received, sent);
    Progress {
        sent: places.count(start, sent),
        received: places.count(start, received),
        // More than that: both have gone on meanwhile. Less than none: only the receiver.
        len: match before(sent, received) {
            true => 0,
            false => under_way.min(places.capacity()) as usize,
        },
    }
}

/// Messages that are in a ring at which no endpoint is at work, exactly; `discards`: what
/// the receiver held when it died is none.
pub(crate) fn messages_left<M: Memory>(memory: &M, discards: bool) -> usize {
    let places = memory.places();
    let (done, taken) = (load(memory, Cell::Done), load(memory, Cell::Taken));
    let first = if discards && before(done, taken) {
        taken
    } else {
        done
    };
    let left = places.count(first, end_of_messages(memory, first));
    match left <= places.capacity() {
        true => left as usize,
        false => 0,
    }
}

/// One past the last message that will ever be received, as far as it is published (S20).
fn end_of_messages<M: Memory>(memory: &M, from: u64) -> u64 {
    let (published, _) = published_from(memory, from);
    match last::load(memory, from) {
        Some(end) if before(end, published) => memory.places().canonical(end),
        _ => published,
    }
}

fn load<M: Memory>(memory: &M, cell: Cell) -> u64 {
    // Acquire: pairs with the Release stores of these words, so that the publications are
    // as far at least.
    let position = memory.cell(cell).load(Ordering::Acquire);
    memory.places().canonical(position)
}
