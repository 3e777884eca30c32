//! Rings and journals in memory, which outlive the ends that use them; an end dies where its
//! fuse burns down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use memring_bridge::receiver::Target;
use memring_bridge::sender::{Leased, Source};
use memring_bridge::state::{Record, Store};

/// Steps until the end that has it dies; `None`: it lives.
pub type Fuse = Rc<RefCell<Option<u32>>>;

/// The end that did this is dead.
#[derive(Debug)]
pub struct Dead;

impl From<io::Error> for Dead {
    fn from(_: io::Error) -> Self {
        Dead
    }
}

/// One step.
pub fn burn(fuse: &Fuse) -> io::Result<()> {
    match &mut *fuse.borrow_mut() {
        Some(0) => Err(io::Error::other("dead")),
        Some(left) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

/// A ring with one receiver: messages that are not released come again.
#[derive(Default)]
pub struct SourceRing {
    /// Position and message, in order.
    pub messages: VecDeque<(u64, u64)>,
    /// So many at the front are leased, and so many were once.
    pub leased: usize,
    pub seen: usize,
    pub next: u64,
}

impl SourceRing {
    pub fn send(&mut self, message: u64) {
        self.messages.push_back((self.next, message));
        self.next += 1;
    }

    /// A position that a sender gave up.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// The receiver has died.
    pub fn give_back(&mut self) {
        self.leased = 0;
    }
}

impl Source for SourceRing {
    fn len(&self) -> usize {
        self.leased
    }

    fn get(&self, index: usize) -> Option<Leased> {
        if index >= self.leased {
            return None;
        }
        let (position, _) = self.messages[index];
        Some(Leased {
            position,
            length: 8,
            redelivered: index < self.seen,
        })
    }

    fn append(&self, index: usize, bytes: &mut Vec<u8>) {
        bytes.extend(self.messages[index].1.to_le_bytes());
    }

    fn extend(&mut self, max: usize) {
        self.leased = (self.leased + max).min(self.messages.len());
    }

    fn release_first(&mut self, count: usize) {
        assert!(count <= self.leased, "released what is not leased");
        self.messages.drain(..count);
        self.leased -= count;
        self.seen = self.seen.saturating_sub(count);
    }
}

/// A ring that a receiving end puts into.
pub struct TargetRing {
    pub capacity: usize,
    /// Others may send, too, as far as the end knows.
    pub shared: bool,
    pub messages: VecDeque<u64>,
    pub sent: u64,
    pub fuse: Fuse,
}

impl Target for TargetRing {
    type Error = Dead;

    fn try_put(&mut self, message: &[u8]) -> Result<bool, Dead> {
        burn(&self.fuse)?;
        if self.messages.len() >= self.capacity {
            return Ok(false);
        }
        let message = u64::from_le_bytes(message.try_into().expect("eight bytes"));
        self.messages.push_back(message);
        self.sent += 1;
        burn(&self.fuse)?; // it is in the ring, and its end dies
        Ok(true)
    }

    fn sent(&self) -> Option<u64> {
        (!self.shared).then_some(self.sent)
    }
}

/// A journal in memory.
pub struct Pages {
    pub records: Vec<Record>,
    pub progress: u32,
    pub since_snapshot: usize,
    pub long: usize,
    pub fuse: Fuse,
}

impl Pages {
    pub fn new(fuse: &Fuse) -> Pages {
        Pages {
            records: Vec::new(),
            progress: 0,
            since_snapshot: 0,
            long: 40,
            fuse: Rc::clone(fuse),
        }
    }
}

impl Store for Pages {
    fn append(&mut self, record: Record) -> io::Result<()> {
        burn(&self.fuse)?;
        self.records.push(record);
        self.since_snapshot += 1;
        if matches!(record, Record::Intent { .. }) {
            self.progress = 0;
        }
        burn(&self.fuse)
    }

    fn note_progress(&mut self, count: u32) -> io::Result<()> {
        burn(&self.fuse)?;
        self.progress = count;
        Ok(())
    }

    fn is_long(&self) -> bool {
        self.since_snapshot >= self.long
    }

    fn replace(&mut self, records: &[Record]) -> io::Result<()> {
        burn(&self.fuse)?;
        self.records = records.to_vec();
        self.since_snapshot = 0;
        self.progress = 0;
        Ok(())
    }
}
