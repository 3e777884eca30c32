//! What was measured so far, and on how many cores.

use memring_harness::measure::Figure;
use memring_harness::spread::{Cores, Spread};
use memring_harness::times::Times;
use serde::Serialize;

use super::plan::Cell;
use crate::format::time;

/// A summary of round trips, in nanoseconds.
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

    /// Sum up these times.
    pub fn of(times: &Times) -> Self {
        let at = |percentile| times.at(percentile) as u64;
        Trips {
            trips: times.count(),
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: at(100.0),
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
    /// By the floor before and after, in nanoseconds.
    pub fn between(floor: [f64; 2]) -> Self {
        match floor.map(|floor| Cores::at(floor) == Cores::One) {
            [false, false] => Where::TwoCores,
            [true, true] => Where::OneCore,
            _ => Where::Moved,
        }
    }
}

/// All figures of one cell.
pub struct Findings {
    /// Of which.
    pub cell: Cell,
    figures: Vec<(Where, Figure)>,
}

impl Findings {
    /// None yet.
    pub fn new(cell: Cell) -> Self {
        Findings {
            cell,
            figures: Vec::new(),
        }
    }

    /// Add one.
    pub fn enter(&mut self, place: Where, figure: Figure) {
        self.figures.push((place, figure));
    }

    /// Where each was taken.
    pub fn places(&self) -> impl Iterator<Item = Where> {
        self.figures.iter().map(|(place, _)| *place)
    }

    /// How many were taken there.
    pub fn count(&self, place: Where) -> usize {
        self.places().filter(|&taken| taken == place).count()
    }

    /// The figures taken there; if there are none, all.
    fn kept(&self, place: Where) -> impl Iterator<Item = &Figure> {
        let all = self.count(place) == 0;
        let figures = self.figures.iter();
        let kept = figures.filter(move |(taken, _)| all || *taken == place);
        kept.map(|(_, figure)| figure)
    }

    /// The rates taken there; if there are none, all.
    pub fn rates(&self, place: Where) -> Spread {
        Spread::of(self.kept(place).map(|figure| figure.value)).unwrap_or_default()
    }

    /// The round trips taken there, all together; if there are none, all.
    pub fn trips(&self, place: Where) -> Trips {
        let times = self.kept(place).filter_map(|figure| figure.times.as_ref());
        Trips::of(&Times::together(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(value: f64) -> Figure {
        Figure {
            value,
            times: None,
            checked: 1,
        }
    }

    fn trip(nanos: u64) -> Figure {
        Figure {
            times: Some(Times::once(nanos)),
            ..rate(nanos as f64)
        }
    }

    #[test]
    fn only_what_was_taken_in_the_right_place_counts() {
        let mut findings = Findings::new(Cell::FLOOR);
        findings.enter(Where::between([40.0, 41.0]), rate(9.0));
        findings.enter(Where::between([40.0, 300.0]), rate(5.0));
        let rates = findings.rates(Where::TwoCores);
        assert_eq!((rates.min, rates.max, rates.count), (5.0, 9.0, 2));
        findings.enter(Where::between([300.0, 120.0]), rate(1.0));
        assert_eq!(findings.rates(Where::TwoCores).max, 1.0);
        assert_eq!(findings.rates(Where::OneCore).min, 9.0);

        let mut findings = Findings::new(Cell::FLOOR);
        findings.enter(Where::OneCore, trip(40));
        for nanos in [300, 400, 300] {
            findings.enter(Where::TwoCores, trip(nanos));
        }
        let trips = findings.trips(Where::TwoCores);
        assert_eq!((trips.trips, trips.p50, trips.max), (3, 300, 400));
    }
}
