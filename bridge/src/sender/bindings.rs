//! Which positions are bound to which target.

use std::collections::BTreeMap;

use crate::state::Record;

/// Positions that are bound to targets, as ranges that do not overlap.
#[derive(Debug, Default)]
pub struct Bindings {
    /// First position to the one past the last, and the target.
    ranges: BTreeMap<u64, (u64, u64)>,
}

impl Bindings {
    /// What a journal says: later records count.
    pub fn from_records(records: &[Record]) -> Bindings {
        let mut bindings = Bindings::default();
        for record in records {
            if let Record::Bind { first, end, target } = *record {
                bindings.insert(first, end, target);
            }
        }
        bindings
    }

    /// The same, to be written.
    pub fn to_records(&self) -> Vec<Record> {
        let ranges = self.ranges.iter();
        let record = |(first, (end, target)): (&u64, &(u64, u64))| Record::Bind {
            first: *first,
            end: *end,
            target: *target,
        };
        ranges.map(record).collect()
    }

    /// Binds positions from `first` up to `end`.
    pub fn insert(&mut self, first: u64, end: u64, target: u64) {
        self.remove(first, end);
        if first < end {
            self.ranges.insert(first, (end, target));
        }
    }

    /// Positions from `first` up to `end` are bound to nothing.
    pub fn remove(&mut self, first: u64, end: u64) {
        let mut touched = Vec::new();
        let before = self.ranges.range(..first).next_back();
        touched.extend(before.filter(|(_, (past, _))| *past > first));
        touched.extend(self.ranges.range(first..end.max(first)));
        let touched: Vec<_> = touched.iter().map(|(at, to)| (**at, **to)).collect();
        for (at, (past, target)) in touched {
            self.ranges.remove(&at);
            if at < first {
                self.ranges.insert(at, (first, target));
            }
            if past > end {
                self.ranges.insert(end, (past, target));
            }
        }
    }

    /// The target that a position is bound to.
    pub fn get(&self, position: u64) -> Option<u64> {
        let (_, (end, target)) = self.ranges.range(..=position).next_back()?;
        (position < *end).then_some(*target)
    }

    /// Forgets what is below `base`.
    pub fn forget_below(&mut self, base: u64) {
        self.remove(0, base);
    }
}

#[cfg(test)]
mod tests {
    use super::Bindings;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u64..4, 0u64..60, 0u64..12), 0..60)) {
            let (mut bindings, mut plain) = (Bindings::default(), BTreeMap::new());
            for (target, first, count) in steps {
                let end = first + count;
                if target > 0 {
                    bindings.insert(first, end, target);
                    plain.extend((first..end).map(|at| (at, target)));
                } else {
                    bindings.remove(first, end);
                    plain.retain(|at, _| !(first..end).contains(at));
                }
                let again = Bindings::from_records(&bindings.to_records());
                for at in 0..80 {
                    prop_assert_eq!(bindings.get(at), plain.get(&at).copied());
                    prop_assert_eq!(again.get(at), bindings.get(at));
                }
            }
            bindings.forget_below(30);
            for at in 0..80 {
                let wanted = plain.get(&at).copied().filter(|_| at >= 30);
                prop_assert_eq!(bindings.get(at), wanted);
            }
        }
    }
}
