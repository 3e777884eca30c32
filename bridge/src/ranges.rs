//! Sets of positions, as ranges.

use std::collections::BTreeMap;

/// A set of positions, held as ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// First position to the one past the last.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, in order: first position, and the one past the last.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(first, end)| (*first, *end))
    }

    /// The ranges, in order, of what is at `from` or above.
    pub fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let before = self.ranges.range(..from).next_back();
        let cut = before.filter(|(_, end)| **end > from);
        let cut = cut.map(|(_, end)| (from, *end));
        cut.into_iter()
            .chain(self.ranges.range(from..).map(|(first, end)| (*first, *end)))
    }

    /// Adds positions from `first` up to `end`.
    pub fn insert(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let (mut first, mut end) = (first, end);
        if let Some((before, before_end)) = self.ranges.range(..=first).next_back()
            && *before_end >= first
        {
            first = *before;
            end = end.max(*before_end);
        }
        let within: Vec<u64> = self.ranges.range(first..=end).map(|(at, _)| *at).collect();
        for at in within {
            if let Some(other) = self.ranges.remove(&at) {
                end = end.max(other);
            }
        }
        self.ranges.insert(first, end);
    }

    /// Removes positions from `first` up to `end`.
    pub fn remove(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let mut touched = Vec::new();
        if let Some((before, before_end)) = self.ranges.range(..first).next_back()
            && *before_end > first
        {
            touched.push((*before, *before_end));
        }
        touched.extend(self.ranges.range(first..end).map(|(at, end)| (*at, *end)));
        for (at, other) in touched {
            self.ranges.remove(&at);
            if at < first {
                self.ranges.insert(at, first);
            }
            if other > end {
                self.ranges.insert(end, other);
            }
        }
    }

    /// Whether all positions from `first` up to `end` are in the set.
    pub fn covers(&self, first: u64, end: u64) -> bool {
        let before = self.ranges.range(..=first).next_back();
        first >= end || before.is_some_and(|(_, other)| *other >= end)
    }

    /// What is missing of the positions from `first` up to `end`, as ranges.
    pub fn missing(&self, first: u64, end: u64) -> Vec<(u64, u64)> {
        let mut missing = Vec::new();
        let mut at = first;
        for (there, there_end) in self.iter_from(first) {
            if there >= end || at >= end {
                break;
            }
            if there > at {
                missing.push((at, there));
            }
            at = at.max(there_end);
        }
        if at < end {
            missing.push((at, end));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::RangeSet;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..12), 0..60)) {
            let (mut ranges, mut plain) = (RangeSet::default(), BTreeSet::new());
            for (adds, first, count) in steps {
                let end = first + count;
                if adds {
                    ranges.insert(first, end);
                    plain.extend(first..end);
                } else {
                    ranges.remove(first, end);
                    plain.retain(|at| !(first..end).contains(at));
                }
                let listed: BTreeSet<u64> = ranges.iter().flat_map(|(a, b)| a..b).collect();
                prop_assert_eq!(&listed, &plain);
                let apart = ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.1 < b.0);
                prop_assert!(apart, "{:?}", ranges);
                let missing: Vec<u64> =
                    ranges.missing(5, 40).into_iter().flat_map(|(a, b)| a..b).collect();
                let wanted: Vec<u64> = (5..40).filter(|at| !plain.contains(at)).collect();
                prop_assert_eq!(missing, wanted);
                prop_assert_eq!(ranges.covers(first, end), (first..end).all(|at| plain.contains(&at)));
                let above: Vec<u64> = ranges.iter_from(20).flat_map(|(a, b)| a..b).collect();
                prop_assert_eq!(above, plain.range(20..).copied().collect::<Vec<_>>());
            }
        }
    }
}
