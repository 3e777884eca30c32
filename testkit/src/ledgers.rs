//! Which message was received how often, written down in shared memory.

use std::sync::atomic::Ordering;

use crate::boards::Board;
use crate::loads::{Load, Stamp};

/// How often each message of each sender was received, by all receivers together,
/// and, for one receiver, whether each sender's came in order.
pub struct Ledger {
    counts: Board,
    /// Cells of each sender.
    each: u64,
    period: u64,
    /// The number after the last one of each sender, at this receiver.
    next: Vec<u64>,
    /// No other receiver receives: then no number is missing in between.
    alone: bool,
}

/// Cells for the messages of one sender that sends `each`.
pub fn cells<T: Load + ?Sized>(each: u64) -> u64 {
    each.min(T::PERIOD)
}

impl Ledger {
    /// Over a board of [`cells`] for each of `senders`; `alone`: no other receiver receives.
    pub fn new<T: Load + ?Sized>(counts: Board, senders: u64, each: u64, alone: bool) -> Ledger {
        assert_eq!(counts.len() as u64, senders * cells::<T>(each));
        Ledger {
            counts,
            each,
            period: T::PERIOD,
            next: vec![0; senders as usize],
            alone,
        }
    }

    /// Writes down a message that was delivered for the first time.
    pub fn note(&mut self, stamp: Stamp) {
        let Stamp { sender, number } = stamp;
        let cells = self.each.min(self.period);
        assert!(number < cells, "{stamp:?} was never sent");
        self.counts.add((sender * cells + number) as usize, 1);
        let next = &mut self.next[sender as usize];
        if self.alone {
            let expected = *next % self.period;
            assert_eq!(number, expected, "sender {sender}: out of order");
            *next += 1;
        } else if self.period > self.each {
            assert!(number >= *next, "{stamp:?} came after number {}", *next - 1);
            *next = number + 1;
        }
    }

    /// Checks that every message was received once.
    pub fn check(&self) {
        let cells = self.each.min(self.period);
        for (index, count) in self.counts.iter().enumerate() {
            let (sender, number) = (index as u64 / cells, index as u64 % cells);
            let expected = (self.each - number).div_ceil(cells);
            let found = count.load(Ordering::Relaxed);
            assert!(
                found == expected,
                "sender {sender}, number {number}: received {found} times, expected {expected}"
            );
        }
    }
}
