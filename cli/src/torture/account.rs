//! A sender's and a receiver's side of the ledger.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::ledger::{BASE, BEGUN, CHUNK, Count, DONE, FINAL, HIGHEST, Hands, Ledger, OWNER};
use memring_testkit::time::now;

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it is written down.
    pub cell: u32,
    /// Which incarnation of a sender sent it.
    pub incarnation: u32,
    /// How many messages that incarnation sent before.
    pub number: u64,
}

/// A sender's account.
pub struct Sending<'l> {
    ledger: &'l Ledger,
    incarnation: u32,
    /// The next message.
    number: u64,
    /// The chunk and how much of it is used.
    chunk: Option<(usize, usize)>,
}

impl<'l> Sending<'l> {
    /// Nothing sent yet.
    pub fn new(ledger: &'l Ledger, incarnation: u32) -> Self {
        Sending {
            ledger,
            incarnation,
            number: 0,
            chunk: None,
        }
    }

    /// How many messages can be written down at once now; 0: none before the next audit.
    pub fn room(&mut self) -> usize {
        match self.chunk {
            Some((_, used)) if used < CHUNK => CHUNK - used,
            _ => {
                let taken = self.ledger.take_chunk(self.incarnation, self.number);
                self.chunk = taken.map(|chunk| (chunk, 0));
                if self.chunk.is_some() { CHUNK } else { 0 }
            }
        }
    }

    /// The stamp of the message after `ahead` others. There must be room.
    pub fn stamp(&self, ahead: usize) -> Stamp {
        let (chunk, used) = self.chunk.expect("room was asked for");
        Stamp {
            cell: (chunk * CHUNK + used + ahead) as u32,
            incarnation: self.incarnation,
            number: self.number + ahead as u64,
        }
    }

    /// How many were sent.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next `count` messages may be sent from now on.
    pub fn begin(&self, count: usize) {
        if let Some((chunk, used)) = self.chunk {
            let begun = (used + count) as u64;
            self.ledger.set_chunk(chunk, BEGUN, begun);
        }
    }

    /// The next `count` messages were sent: the call has returned `Ok`.
    pub fn done(&mut self, count: usize) {
        if let Some((chunk, used)) = &mut self.chunk {
            *used += count;
            self.ledger.set_chunk(*chunk, DONE, *used as u64);
        }
        self.number += count as u64;
    }

    /// The pool was emptied.
    pub fn renew(&mut self) {
        self.chunk = None;
    }
}

/// A receiver's account. What must not be is an error that says so.
pub struct Receiving<'l> {
    ledger: &'l Ledger,
    place: usize,
    /// By sender: the number after the last one that came unmarked.
    next: HashMap<u32, u64>,
}

impl<'l> Receiving<'l> {
    /// Nothing received yet.
    pub fn new(ledger: &'l Ledger, place: usize) -> Self {
        Receiving {
            ledger,
            place,
            next: HashMap::new(),
        }
    }

    /// What this receiver may have in its hands from now on, whatever happens to it: with the
    /// next call, or as long as that call's result lives.
    pub fn open_hands(&self, hands: Hands) {
        self.ledger.set_hands(self.place, hands);
    }

    /// All is written down, and nothing in this receiver's hands.
    pub fn close_hands(&self) {
        self.open_hands(Hands::default());
    }

    /// Whose message is written down in this cell, if its sending was begun.
    pub fn find(&self, cell: u32) -> Result<Stamp, String> {
        let (chunk, offset) = (cell as usize / CHUNK, cell as usize % CHUNK);
        if chunk >= self.ledger.chunks() {
            return Err(format!(
                "received a message that nobody began to send: it says cell {cell}"
            ));
        }
        let owner = self.ledger.chunk(chunk, OWNER);
        if owner == 0 || self.ledger.chunk(chunk, BEGUN) <= offset as u64 {
            return Err(format!(
                "received a message that was never begun: it says cell {cell}, of incarnation {} \
                 of a sender",
                owner.wrapping_sub(1) as i64
            ));
        }
        Ok(Stamp {
            cell,
            incarnation: (owner - 1) as u32,
            number: self.ledger.chunk(chunk, BASE) + offset as u64,
        })
    }

    /// Write down a message that is in this receiver's hands. With an attempt: it is leased.
    /// Without: it is acknowledged, and how often it was given back is not known.
    pub fn note(&mut self, stamp: Stamp, attempt: Option<u8>) -> Result<(), String> {
        let cell = self.ledger.cell(stamp.cell as usize);
        // Pairs with itself and `acknowledge`: whoever received it before is known.
        let mut before = cell.load(Ordering::Acquire);
        loop {
            let wrong = match attempt {
                _ if before & FINAL != 0 => Some("again after it was acknowledged"),
                Some(0) if before & HIGHEST != 0 => Some("again without a mark"),
                Some(attempt) if u64::from(attempt) < before & HIGHEST => {
                    Some("again without a higher mark")
                }
                _ => None,
            };
            if let Some(wrong) = wrong {
                return Err(about(stamp, attempt, wrong));
            }
            let after = match attempt {
                Some(attempt) => u64::from(attempt) + 1,
                None => FINAL | (before & HIGHEST).max(1),
            };
            match cell.compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(found) => before = found,
            }
        }
        let next = self.next.entry(stamp.incarnation).or_default();
        let late = stamp.number < *next;
        match attempt {
            Some(0) if late => {
                let wrong = format!("out of order: number {next} was due");
                return Err(about(stamp, attempt, &wrong));
            }
            Some(0) => *next = stamp.number + 1,
            Some(_) => self.ledger.count(self.place, Count::Marked, 1),
            // Given back before, then: the audit holds it against what the ring says.
            None if late || before != 0 => self.ledger.count(self.place, Count::Presumed, 1),
            None => *next = stamp.number + 1,
        }
        self.ledger.count(self.place, Count::Received, 1);
        self.ledger.stop_clock(now);
        Ok(())
    }

    /// A leased message was released: it may never come again.
    pub fn acknowledge(&self, stamp: Stamp) {
        // Pairs with `note`.
        let cell = self.ledger.cell(stamp.cell as usize);
        cell.fetch_or(FINAL, Ordering::AcqRel);
    }

    /// So many are about to be given back.
    pub fn requeue(&self, count: usize) {
        self.ledger.count(self.place, Count::Requeued, count as u64);
    }
}

/// A message and what is wrong with it.
pub fn about(stamp: Stamp, attempt: Option<u8>, wrong: &str) -> String {
    let attempt = match attempt {
        None => String::new(),
        Some(attempt) => format!(" (attempt {attempt})"),
    };
    format!(
        "message {} of incarnation {} of a sender{attempt} came {wrong}",
        stamp.number, stamp.incarnation
    )
}
