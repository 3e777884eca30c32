//! The ring as it should be: positions, and what is at each.

use std::collections::BTreeMap;

use memring::RingKind;

use super::answer::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Reserved by a sender and neither committed nor given up.
    Claimed,
    /// Committed.
    Ring,
    /// Leased by a receiver.
    Leased,
}

#[derive(Clone, Debug)]
struct Entry {
    /// The number of the message, once there is one.
    number: u64,
    redeliveries: u8,
    at: At,
}

/// The positions of one ring, counted from 0.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    kind: RingKind,
    capacity: u64,
    max_deliveries: u8,
    /// No message is at a position that is not here: never sent, received or
    /// given up.
    entries: BTreeMap<u64, Entry>,
    pub tail: u64,
    head: u64,
    pub closed: bool,
    pub lost: u64,
    pub redelivered: u64,
    /// No position was ever given up, and no message dropped: the ring's own counts are
    /// exact.
    pub counts_are_exact: bool,
    /// A single sender has a grant, which an end waits for.
    busy: bool,
}

impl Positions {
    pub fn new(kind: RingKind, capacity: usize, max_deliveries: u8) -> Positions {
        Positions {
            kind,
            capacity: capacity as u64,
            max_deliveries,
            entries: BTreeMap::new(),
            tail: 0,
            head: 0,
            closed: false,
            lost: 0,
            redelivered: 0,
            counts_are_exact: true,
            busy: false,
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Whether the ring shows that a sender has a grant: not one sender to one receiver.
    pub fn shows_claims(&self) -> bool {
        self.kind != RingKind::Spsc
    }

    /// May a message be sent at `position`, which is the next, or follows claims of the
    /// same call? Its slot is free once what is a lap before it has gone.
    fn room(&self, position: u64, receivers_gone: bool) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        let lap_before = position.checked_sub(self.capacity);
        if lap_before.is_some_and(|before| before >= self.tail) {
            return Err(Refusal::NotNow); // a claim of the same call
        }
        match lap_before.and_then(|position| self.entries.get(&position)) {
            None => Ok(()),
            // A living sender has it: not for ever, then.
            Some(entry) if entry.at == At::Claimed => Err(Refusal::NotNow),
            Some(_) if receivers_gone => Err(Refusal::Disconnected),
            Some(_) => Err(Refusal::NotNow),
        }
    }

    pub fn send(&mut self, number: u64, receivers_gone: bool) -> Result<(), Refusal> {
        self.room(self.tail, receivers_gone)?;
        self.insert(self.tail, number, At::Ring);
        self.tail += 1;
        Ok(())
    }

    fn insert(&mut self, position: u64, number: u64, at: At) {
        let entry = Entry {
            number,
            redeliveries: 0,
            at,
        };
        self.entries.insert(position, entry);
        let under_way = self.entries.len() as u64;
        assert!(under_way <= self.capacity, "the oracle overfills the ring");
    }

    /// The positions of a grant, or of a chunk of up to `most` messages. One of many
    /// senders uses them up at once.
    pub fn claim(&mut self, most: usize, receivers_gone: bool) -> Result<Vec<u64>, Refusal> {
        self.room(self.tail, receivers_gone)?;
        let mut positions = vec![self.tail];
        let next = self.tail + 1..self.tail + most as u64;
        positions.extend(next.take_while(|next| self.room(*next, receivers_gone).is_ok()));
        if self.kind.has_many_senders() {
            for position in &positions {
                self.insert(*position, 0, At::Claimed);
            }
            self.tail += positions.len() as u64;
        } else {
            self.busy = self.shows_claims();
        }
        Ok(positions)
    }

    pub fn commit(&mut self, position: u64, number: u64) {
        self.busy = false;
        self.insert(position, number, At::Ring);
        self.tail = self.tail.max(position + 1);
    }

    pub fn abandon(&mut self, position: u64) {
        self.busy = false;
        if self.kind.has_many_senders() {
            self.entries.remove(&position);
            self.counts_are_exact = false;
        }
    }

    /// The position that a receiver would get. Of many receivers, one that is
    /// `fresh` looks behind the head first, where messages are that were given
    /// back; the others look there once there is nothing ahead.
    pub fn next(&self, fresh: bool, senders_gone: bool) -> Result<u64, Refusal> {
        let behind = || {
            let mut before = self.entries.range(..self.head);
            before.find(|(_, entry)| entry.at == At::Ring)
        };
        let ahead = self.entries.range(self.head..).next();
        let found = match ahead {
            _ if fresh && behind().is_some() => behind(),
            Some((_, entry)) if entry.at == At::Claimed => behind(),
            None => behind(),
            found => found,
        };
        match found {
            Some((position, _)) => Ok(*position),
            // A living sender stands in the way.
            None if ahead.is_some() || self.closed && self.busy => Err(Refusal::NotNow),
            None if self.closed => Err(Refusal::Closed),
            None if senders_gone => Err(Refusal::Disconnected),
            None => Err(Refusal::NotNow),
        }
    }

    /// As [`Positions::next`], taking it; a receiver that finds nothing behind
    /// the head is fresh no more.
    pub fn take(&mut self, fresh: &mut bool, senders_gone: bool) -> Result<u64, Refusal> {
        let next = self.next(*fresh, senders_gone);
        if !matches!(next, Ok(position) if position < self.head) {
            *fresh = false;
        }
        let position = next?;
        self.head = self.head.max(position + 1);
        self.entries.get_mut(&position).expect("a message").at = At::Leased;
        Ok(position)
    }

    /// The number of a message, and how often it was given back.
    pub fn message(&self, position: u64) -> (u64, u8) {
        let entry = &self.entries[&position];
        (entry.number, entry.redeliveries)
    }

    pub fn release(&mut self, positions: &[u64]) {
        for position in positions {
            let entry = self.entries.remove(position);
            assert_eq!(entry.map(|entry| entry.at), Some(At::Leased));
        }
    }

    /// Gives messages back, to be received again unless they were received as
    /// often as the ring allows.
    pub fn requeue(&mut self, positions: &[u64]) {
        for position in positions {
            if !self.kind.has_many_receivers() {
                self.head = self.head.min(*position);
            }
            let entry = self.entries.get_mut(position).expect("a message");
            if entry.redeliveries + 1 < self.max_deliveries {
                entry.redeliveries += 1;
                entry.at = At::Ring;
                self.redelivered += 1;
            } else {
                self.entries.remove(position);
                self.lost += 1;
                self.counts_are_exact = false;
            }
        }
    }

    /// Messages sent and not received, as far as a ring can tell: one of many
    /// receivers takes a leased message out of the count at once.
    pub fn len(&self) -> usize {
        let many = self.kind.has_many_receivers();
        let counts = |at| at == At::Ring || (at == At::Leased && !many);
        let entries = self.entries.values();
        entries.filter(|entry| counts(entry.at)).count()
    }

    /// Whether every message that was sent was received or lost.
    pub fn is_drained(&self) -> bool {
        self.entries.is_empty()
    }
}
