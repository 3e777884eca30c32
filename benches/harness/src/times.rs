//! Times that were taken: as they go from process to process, and what they come to.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The percentiles that are kept of times.
pub const PERCENTILES: [f64; 8] = [1.0, 10.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0];

/// Round trips before the first that is timed.
pub const WARM_UP: u64 = 10;

/// The longest time that can be told from a longer one, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// An empty histogram of nanoseconds, exact to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("three digits and a maximum above 2 are allowed")
}

/// Times, each with how often it was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Times {
    /// Nanoseconds, rising, and how often.
    steps: Vec<(u64, u64)>,
    /// Rounds that each of them is of.
    rounds: u64,
}

impl Times {
    /// Those of a histogram.
    pub fn of(histogram: &Histogram<u64>) -> Times {
        Times::of_rounds(histogram, 1)
    }

    /// Those of a histogram, where so many rounds were timed together each time.
    pub fn of_rounds(histogram: &Histogram<u64>, rounds: u64) -> Times {
        let steps = histogram.iter_recorded();
        let steps = steps.map(|step| (step.value_iterated_to(), step.count_at_value()));
        Times {
            steps: steps.collect(),
            rounds,
        }
    }

    /// One time only.
    pub fn once(nanos: u64) -> Times {
        Times {
            steps: vec![(nanos, 1)],
            rounds: 1,
        }
    }

    /// All of these together, which are of single rounds.
    pub fn together<'a>(parts: impl IntoIterator<Item = &'a Times>) -> Times {
        let mut steps = BTreeMap::new();
        for &(nanos, count) in parts.into_iter().flat_map(|part| &part.steps) {
            *steps.entry(nanos).or_default() += count;
        }
        Times {
            steps: steps.into_iter().collect(),
            rounds: 1,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.steps.iter().map(|(_, count)| count).sum()
    }

    /// The time, in nanoseconds, that so many of a hundred do not exceed; 0 if there are none.
    pub fn at(&self, percentile: f64) -> f64 {
        let due = (percentile / 100.0 * self.count() as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        let step = self.steps.iter().find(|(_, count)| {
            passed += count;
            passed >= due
        });
        step.map_or(0.0, |(nanos, _)| *nanos as f64 / self.rounds as f64)
    }

    /// What they come to: the mean of their middle half, in nanoseconds. A median would know no
    /// more than the steps of the clock.
    pub fn middle(&self) -> f64 {
        let count = self.count();
        let (first, last) = (count / 4, count - count / 4);
        let (mut passed, mut sum) = (0, 0);
        for (nanos, count) in &self.steps {
            let next = passed + count;
            sum += (next.clamp(first, last) - passed.clamp(first, last)) * nanos;
            passed = next;
        }
        sum as f64 / (last - first).max(1) as f64 / self.rounds as f64
    }
}

/// An interval of receiving, in nanoseconds of the monotonic clock, which all processes share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its beginning.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// Messages in it.
    pub count: u64,
}

impl Interval {
    /// The intervals of two receivers as one.
    pub fn and(self, other: Interval) -> Interval {
        match (self.count, other.count) {
            (_, 0) => self,
            (0, _) => other,
            _ => Interval {
                from: self.from.min(other.from),
                to: self.to.max(other.to),
                count: self.count + other.count,
            },
        }
    }

    /// Messages a second, if there are enough to tell.
    pub fn rate(self) -> Option<f64> {
        let nanos = self.to.checked_sub(self.from)?;
        (nanos > 0 && self.count > 0).then(|| self.count as f64 * 1e9 / nanos as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(times: &[u64]) -> Histogram<u64> {
        let mut histogram = histogram();
        for &time in times {
            histogram.saturating_record(time);
        }
        histogram
    }

    #[test]
    fn the_middle_half_is_what_counts() {
        let histogram = taken(&[1, 100, 110, 120, 130, 140, 150, 1_000_000]);
        let expected = (110 + 120 + 130 + 140) as f64 / 4.0;
        assert_eq!(Times::of(&histogram).middle(), expected);
        assert_eq!(Times::of_rounds(&histogram, 10).middle(), expected / 10.0);
        assert_eq!(Times::once(12_345_678).middle(), 12_345_678.0);
        assert_eq!(Times::of(&taken(&[])).middle(), 0.0);
    }

    #[test]
    fn percentiles_are_those_of_the_histogram() {
        for times in [&[0, 5][..], &[7], &[100, 90, 90, 2_000_123, 77_777], &[]] {
            let histogram = taken(times);
            let found = Times::of(&histogram);
            assert_eq!(found.count(), histogram.len());
            for percentile in PERCENTILES {
                let expected = histogram.value_at_percentile(percentile);
                assert_eq!(found.at(percentile), expected as f64, "{times:?}");
            }
        }
    }

    #[test]
    fn times_of_several_runs_are_put_together() {
        let parts = [&[300, 300, 400][..], &[], &[100, 300]].map(|it| Times::of(&taken(it)));
        let all = Times::together(&parts);
        assert_eq!(all.steps, [(100, 1), (300, 3), (400, 1)]);
        assert_eq!(
            (all.count(), all.at(50.0), all.at(100.0)),
            (5, 300.0, 400.0)
        );
    }

    #[test]
    fn intervals_of_receivers_add_up() {
        let interval = |from, to, count| Interval { from, to, count };
        let (one, two) = (interval(100, 300, 20), interval(50, 200, 5));
        let none = Interval::default();
        let all = none.and(one).and(none).and(two);
        assert_eq!(all, interval(50, 300, 25));
        assert_eq!(all.rate(), Some(1e8));
        assert_eq!(none.rate(), None);
    }
}
