//! From leased messages to parcels that are bound to targets.

use std::io;
use std::time::Duration;

use super::{Parcel, Sender};
use crate::packet::FILL;
use crate::state::{Record, Store};

/// The messages that a sending end has leased, in the order of the lease.
pub trait Source {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at `index`.
    fn get(&self, index: usize) -> Option<Leased>;

    /// Appends the bytes of the one at `index`.
    fn append(&self, index: usize, bytes: &mut Vec<u8>);

    /// Leases up to `max` more, without waiting.
    fn extend(&mut self, max: usize);

    /// Releases the first `count`.
    fn release_first(&mut self, count: usize);
}

/// A message that is leased.
#[derive(Clone, Copy, Debug)]
pub struct Leased {
    /// Its position.
    pub position: u64,
    /// Its bytes.
    pub length: usize,
    /// Whether it may have been in other hands before.
    pub redelivered: bool,
}

impl Sender {
    /// How many messages it would take now: none without a target that has credit.
    pub fn wants(&self, now: Duration) -> usize {
        if self.bytes >= self.limits.bytes || self.choose(now, 1).is_none() {
            return 0;
        }
        let size = self.shape.limit().max(1);
        let by_bytes = ((self.limits.bytes - self.bytes) / size).max(1);
        // Of messages that vary in size only the next few are asked for.
        self.limits
            .messages
            .saturating_sub(self.held())
            .min(by_bytes)
    }

    /// Makes parcels of what is leased, as far as there is credit. Each is bound to its
    /// target in the journal before anybody can send it.
    ///
    /// # Errors
    /// Of the journal. What was not bound stays leased.
    pub fn fill(
        &mut self,
        now: Duration,
        source: &impl Source,
        store: &mut impl Store,
    ) -> io::Result<()> {
        let mut at = self.held();
        while let Some(leased) = source.get(at) {
            let bound = self.bindings.get(leased.position);
            let Some(target) = bound.or_else(|| self.choose(now, leased.length)) else {
                break;
            };
            let (parcel, size) = self.pack(now, source, at, bound, target);
            let (first, end) = (parcel.first, parcel.end());
            if bound.is_none() {
                store.append(Record::Bind { first, end, target })?;
                self.bindings.insert(first, end, target);
            }
            if parcel.uncertain {
                self.figures.uncertain += u64::from(parcel.count);
            }
            at += parcel.count as usize;
            self.past = self.past.max(end);
            self.bytes += size;
            if let Some(target) = self.targets.get_mut(&target) {
                target.under_way += size;
            }
            self.parcels.push_back(parcel);
        }
        if store.is_long() {
            self.bindings.forget_below(self.base());
            store.replace(&self.bindings.to_records())?;
        }
        Ok(())
    }

    /// The messages from index `at` on that go together.
    fn pack(
        &self,
        now: Duration,
        source: &impl Source,
        at: usize,
        bound: Option<u64>,
        target: u64,
    ) -> (Parcel, usize) {
        let varies = self.shape.fixed().is_none();
        let credit = self.targets.get(&target).and_then(|target| target.room(1));
        let most = match (bound, credit) {
            (None, Some(left)) => FILL.min(left as usize),
            _ => FILL,
        };
        let mut payload = Vec::new();
        let mut parcel = Parcel {
            first: 0,
            count: 0,
            payload: Vec::new(),
            target,
            uncertain: false,
            due: now,
            sent: 0,
            acknowledged: false,
        };
        while let Some(leased) = source.get(at + parcel.count as usize) {
            let size = leased.length + if varies { 4 } else { 0 };
            let is_first = parcel.count == 0;
            let uncertain = leased.redelivered && bound.is_none();
            if is_first {
                parcel.first = leased.position;
                parcel.uncertain = uncertain;
            }
            let goes = leased.position == parcel.end()
                && self.bindings.get(leased.position) == bound
                && uncertain == parcel.uncertain
                && payload.len() + size <= most;
            if !is_first && !goes {
                break;
            }
            if varies {
                payload.extend((leased.length as u32).to_le_bytes());
            }
            source.append(at + parcel.count as usize, &mut payload);
            parcel.count += 1;
        }
        let size = payload.len();
        parcel.payload = payload;
        (parcel, size)
    }
}
