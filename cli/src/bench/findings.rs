//! What was measured so far, and on how many cores.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::control::Interval;
use super::plan::Cell;
use crate::format::time;
use memring_testkit::placement::ONE_CORE;

/// A histogram's summary, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Trips {
    /// Round trips timed.
    pub trips: u64,
    /// Half take no longer.
    pub p50: u64,
    /// Nine of ten take no longer.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1000.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

impl Trips {
    /// For people: p50, p90, p99, p99.9 and the longest; `-`, if none was timed.
    pub fn shown(&self) -> [String; 5] {
        let times = [self.p50, self.p90, self.p99, self.p999, self.max];
        times.map(|ns| match self.trips {
            0 => "-".into(),
            _ => time(ns),
        })
    }

    /// Sum up a histogram.
    pub fn of(times: &Histogram<u64>) -> Self {
        Trips {
            trips: times.len(),
            p50: times.value_at_quantile(0.5),
            p90: times.value_at_quantile(0.9),
            p99: times.value_at_quantile(0.99),
            p999: times.value_at_quantile(0.999),
            max: times.max(),
        }
    }
}

/// Where the two CPUs were during a measurement, as the floor before and after it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// On two cores, before and after.
    TwoCores,
    /// Within one physical core, before and after.
    OneCore,
    /// The floors disagree.
    Moved,
}

impl Where {
    /// By the floor's medians before and after, in nanoseconds.
    pub fn between(before: u64, after: u64) -> Self {
        match (before < ONE_CORE, after < ONE_CORE) {
            (false, false) => Where::TwoCores,
            (true, true) => Where::OneCore,
            _ => Where::Moved,
        }
    }
}

/// The longest round trip that can be told from a longer one, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// An empty histogram of round trips in nanoseconds, exact to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("three digits and a maximum above 2 are allowed")
}

/// One measurement's result.
#[derive(Clone, Debug)]
pub enum Sample {
    /// Messages a second.
    Rate(f64),
    /// Round trips by their nanoseconds: (value, count).
    Trips(Vec<(u64, u64)>),
}

/// All samples of one cell.
pub struct Findings {
    /// Of which.
    pub cell: Cell,
    samples: Vec<(Where, Sample)>,
}

impl Findings {
    /// None yet.
    pub fn new(cell: Cell) -> Self {
        Findings {
            cell,
            samples: Vec::new(),
        }
    }

    /// Add one.
    pub fn enter(&mut self, place: Where, sample: Sample) {
        self.samples.push((place, sample));
    }

    /// Where each was taken.
    pub fn places(&self) -> impl Iterator<Item = Where> {
        self.samples.iter().map(|(place, _)| *place)
    }

    /// How many were taken there.
    pub fn count(&self, place: Where) -> usize {
        self.places().filter(|&taken| taken == place).count()
    }

    /// The samples taken there; if there are none, all.
    fn kept(&self, place: Where) -> impl Iterator<Item = &Sample> {
        let all = self.count(place) == 0;
        let kept = self
            .samples
            .iter()
            .filter(move |(taken, _)| all || *taken == place);
        kept.map(|(_, sample)| sample)
    }

    /// The rates taken there, from slow to fast; if there are none, all.
    pub fn rates(&self, place: Where) -> Vec<f64> {
        let rates = self.kept(place).filter_map(|sample| match sample {
            Sample::Rate(rate) => Some(*rate),
            Sample::Trips(_) => None,
        });
        let mut rates: Vec<f64> = rates.collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    /// The round trips taken there, all together; if there are none, all.
    pub fn trips(&self, place: Where) -> Trips {
        let mut times = histogram();
        for sample in self.kept(place) {
            if let Sample::Trips(trips) = sample {
                for &(time, count) in trips {
                    times.saturating_record_n(time, count);
                }
            }
        }
        Trips::of(&times)
    }
}

impl Interval {
    /// Both receivers' stretches as one.
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
        let ns = self.to.checked_sub(self.from)?;
        (ns > 0 && self.count > 0).then(|| self.count as f64 * 1e9 / ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::FLOOR;
    use super::*;

    #[test]
    fn only_what_was_taken_in_the_right_place_counts() {
        let mut findings = Findings::new(FLOOR);
        findings.enter(Where::between(40, 41), Sample::Rate(9.0));
        findings.enter(Where::between(40, 300), Sample::Rate(5.0));
        assert_eq!(findings.rates(Where::TwoCores), [5.0, 9.0]);
        findings.enter(Where::between(300, 301), Sample::Rate(1.0));
        assert_eq!(findings.rates(Where::TwoCores), [1.0]);
        assert_eq!(findings.rates(Where::OneCore), [9.0]);

        let mut findings = Findings::new(FLOOR);
        findings.enter(Where::OneCore, Sample::Trips(vec![(40, 1000)]));
        findings.enter(Where::TwoCores, Sample::Trips(vec![(300, 10), (400, 1)]));
        let trips = findings.trips(Where::TwoCores);
        assert_eq!((trips.trips, trips.p50, trips.max), (11, 300, 400));
    }

    #[test]
    fn receivers_stretches_add_up() {
        let one = Interval {
            from: 100,
            to: 300,
            count: 20,
        };
        let two = Interval {
            from: 50,
            to: 200,
            count: 5,
        };
        let none = Interval::default();
        assert_eq!(
            none.and(one).and(none).and(two),
            Interval {
                from: 50,
                to: 300,
                count: 25
            }
        );
        assert_eq!(one.and(two).rate(), Some(1e8));
        assert_eq!(none.rate(), None);
    }
}
