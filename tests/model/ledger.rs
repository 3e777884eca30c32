//! What a ring ought to answer: positions, and what is at each.

use std::collections::BTreeMap;

use memring::RingKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Reserved by a sender and neither committed nor given up.
    Claimed,
    /// Committed.
    Ring,
    /// Leased by a receiver.
    Hands,
}

#[derive(Clone, Debug)]
pub struct Entry<V> {
    pub value: Option<V>,
    pub given_back: u8,
    pub at: At,
}

/// Why nothing was sent, or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// Full, or empty.
    Now,
    Closed,
    Disconnected,
}

pub struct Ledger<V> {
    pub kind: RingKind,
    pub capacity: u64,
    pub attempts: u8,
    pub entries: BTreeMap<u64, Entry<V>>,
    pub tail: u64,
    pub head: u64,
    pub closed: bool,
    pub lost: u64,
    pub redelivered: u64,
    /// Nothing was ever given up or given back: then counts are exact.
    pub plain: bool,
    /// How many are attached; `None` before the first.
    pub senders: Option<usize>,
    pub receivers: Option<usize>,
    /// A single sender has a grant that it leaked.
    pub busy: bool,
}

impl<V: Clone> Ledger<V> {
    pub fn new(kind: RingKind, capacity: u64, attempts: u8) -> Self {
        Ledger {
            kind,
            capacity,
            attempts,
            entries: BTreeMap::new(),
            tail: 0,
            head: 0,
            closed: false,
            lost: 0,
            redelivered: 0,
            plain: true,
            senders: None,
            receivers: None,
            busy: false,
        }
    }

    /// May a message be sent?
    pub fn room(&self) -> Result<(), No> {
        if self.closed {
            return Err(No::Closed);
        }
        let before = self.tail.checked_sub(self.capacity);
        match before.and_then(|before| self.entries.get(&before)) {
            None => Ok(()),
            // Somebody living has it: not for ever, then.
            Some(entry) if entry.at == At::Claimed => Err(No::Now),
            Some(_) if self.receivers == Some(0) => Err(No::Disconnected),
            Some(_) => Err(No::Now),
        }
    }

    pub fn send(&mut self, value: V) -> Result<(), No> {
        self.room()?;
        let entry = Entry {
            value: Some(value),
            given_back: 0,
            at: At::Ring,
        };
        self.entries.insert(self.tail, entry);
        self.tail += 1;
        Ok(())
    }

    /// A grant, and its position.
    pub fn claim(&mut self) -> Result<u64, No> {
        self.room()?;
        let position = self.tail;
        if self.kind.has_many_senders() {
            let entry = Entry {
                value: None,
                given_back: 0,
                at: At::Claimed,
            };
            self.entries.insert(position, entry);
            self.tail += 1;
        } else {
            self.busy = true;
        }
        Ok(position)
    }

    pub fn commit(&mut self, position: u64, value: V) {
        self.busy = false;
        let entry = Entry {
            value: Some(value),
            given_back: 0,
            at: At::Ring,
        };
        self.entries.insert(position, entry);
        self.tail = self.tail.max(position + 1);
    }

    pub fn abandon(&mut self, position: u64) {
        self.busy = false;
        if self.kind.has_many_senders() {
            self.entries.remove(&position);
            self.plain = false;
        }
    }

    /// The position that a receiver would get. A `fresh` one of many has not
    /// yet seen that there is nothing behind the head.
    pub fn next(&self, fresh: bool) -> Result<u64, No> {
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
            // Somebody living stands in the way.
            None if ahead.is_some() || self.closed && self.busy => Err(No::Now),
            None if self.closed => Err(No::Closed),
            None if self.senders == Some(0) => Err(No::Disconnected),
            None => Err(No::Now),
        }
    }

    /// As [`Ledger::next`], taking it; a receiver that finds nothing behind
    /// the head is fresh no more.
    pub fn take(&mut self, fresh: &mut bool) -> Result<u64, No> {
        let head = self.head;
        let next = self.next(*fresh);
        if !matches!(next, Ok(position) if position < head) {
            *fresh = false;
        }
        let position = next?;
        self.head = self.head.max(position + 1);
        self.entries.get_mut(&position).unwrap().at = At::Hands;
        Ok(position)
    }

    pub fn value(&self, position: u64) -> (V, u8) {
        let entry = &self.entries[&position];
        (entry.value.clone().unwrap(), entry.given_back)
    }

    pub fn release(&mut self, positions: &[u64]) {
        for position in positions {
            self.entries.remove(position).unwrap();
        }
    }

    pub fn requeue(&mut self, positions: &[u64]) {
        for position in positions {
            self.plain = false;
            if !self.kind.has_many_receivers() {
                self.head = self.head.min(*position);
            }
            let entry = self.entries.get_mut(position).unwrap();
            if entry.given_back + 1 < self.attempts {
                entry.given_back += 1;
                entry.at = At::Ring;
                self.redelivered += 1;
            } else {
                self.entries.remove(position);
                self.lost += 1;
            }
        }
    }

    /// Messages sent and not received, as far as a ring can tell.
    pub fn len(&self) -> usize {
        let many = self.kind.has_many_receivers();
        let counts = |at| at == At::Ring || (at == At::Hands && !many);
        let entries = self.entries.values();
        entries.filter(|entry| counts(entry.at)).count()
    }
}
