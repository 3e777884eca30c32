//! Which measurements a run is made of.

use clap::ValueEnum;
use serde::Serialize;

use super::link::{Contender, Kind, Size, Wait};

/// Messages a call, where they are sent in batches.
const BATCH: usize = 32;

/// How thorough a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// A few seconds: does everything work?
    Quick,
    /// Half a minute.
    Default,
    /// Some minutes.
    Full,
}

impl Scale {
    /// Rounds, in each of which everything is measured once.
    pub fn rounds(self) -> usize {
        match self {
            Scale::Quick => 2,
            Scale::Default => 5,
            Scale::Full => 9,
        }
    }

    /// Milliseconds that a measurement takes.
    pub fn millis(self, measure: Measure) -> u64 {
        match (self, measure) {
            (Scale::Quick, _) => 30,
            (Scale::Default, Measure::Throughput { .. }) => 120,
            (Scale::Full, Measure::Throughput { .. }) => 200,
            (_, Measure::RoundTrip) => 200,
        }
    }

    /// How much of its measuring a run may do again, as a fraction of it: what was disturbed by
    /// a virtual machine's moving the CPUs about.
    pub fn again(self) -> f64 {
        match self {
            Scale::Quick => 0.0,
            Scale::Default | Scale::Full => 0.6,
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Of which contender.
    pub contender: Contender,
    /// Messages of what size.
    pub size: Size,
    /// What is measured.
    pub measure: Measure,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Messages a second.
    Throughput {
        /// Messages a call.
        batch: usize,
        /// Sending processes.
        senders: u16,
        /// Receiving processes.
        receivers: u16,
    },
    /// The time of one message there and one back.
    RoundTrip,
}

/// The floor, measured like everything else.
pub const FLOOR: Cell = Cell {
    contender: Contender::Floor,
    size: Size::B8,
    measure: Measure::RoundTrip,
};

/// All measurements of one round. `most` is how many sending and receiving processes the table of
/// several senders and receivers goes up to.
pub fn plan(scale: Scale, most: (u16, u16)) -> Vec<Cell> {
    let full = scale == Scale::Full;
    let mut cells = Vec::new();
    let mut throughput = |contender, size, batch, senders, receivers| {
        cells.push(Cell {
            contender,
            size,
            measure: Measure::Throughput {
                batch,
                senders,
                receivers,
            },
        });
    };
    for size in Size::ALL {
        for batch in [1, BATCH] {
            if size != Size::B8 && batch != 1 && !full {
                continue;
            }
            for kind in Kind::ALL {
                if size == Size::B8 || kind == Kind::Spsc || full {
                    throughput(ring(kind, Wait::SpinThenPark), size, batch, 1, 1);
                }
            }
            throughput(Contender::Pipe, size, batch, 1, 1);
            throughput(Contender::UnixSocket, size, batch, 1, 1);
        }
    }
    for (kind, senders, receivers) in crowds(most) {
        throughput(
            ring(kind, Wait::SpinThenPark),
            Size::B8,
            1,
            senders,
            receivers,
        );
    }

    let mut round_trip = |contender, size| {
        cells.push(Cell {
            contender,
            size,
            measure: Measure::RoundTrip,
        });
    };
    round_trip(Contender::Floor, Size::B8);
    for size in [Size::B8, Size::B64] {
        for wait in Wait::ALL {
            for kind in Kind::ALL {
                if (kind == Kind::Spsc && (size == Size::B8 || wait == Wait::Spin)) || full {
                    round_trip(ring(kind, wait), size);
                }
            }
        }
    }
    round_trip(Contender::Pipe, Size::B8);
    round_trip(Contender::UnixSocket, Size::B8);
    cells
}

fn ring(kind: Kind, wait: Wait) -> Contender {
    Contender::Ring { kind, wait }
}

/// Rings with several processes on a side: 2, 4, 8 and so on, up to `most`.
fn crowds((senders, receivers): (u16, u16)) -> Vec<(Kind, u16, u16)> {
    let mut crowds = Vec::new();
    let mut count = 2_u16;
    while count <= senders.max(receivers) {
        let (s, r) = (count.min(senders), count.min(receivers));
        if s > 1 {
            crowds.push((Kind::Mpsc, s, 1));
        }
        if r > 1 {
            crowds.push((Kind::Spmc, 1, r));
        }
        crowds.push((Kind::Mpmc, s, r));
        count = match count.checked_mul(2) {
            // The last step may be shorter, so that the asked number itself is measured.
            Some(next) if next > senders.max(receivers) && count < senders.max(receivers) => {
                senders.max(receivers)
            }
            Some(next) => next,
            None => break,
        };
    }
    crowds.dedup();
    crowds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowds_go_up_to_what_was_asked() {
        assert!(crowds((1, 1)).is_empty());
        assert_eq!(
            crowds((2, 2)),
            [(Kind::Mpsc, 2, 1), (Kind::Spmc, 1, 2), (Kind::Mpmc, 2, 2)]
        );
        let six: Vec<_> = crowds((6, 1))
            .into_iter()
            .filter(|c| c.0 == Kind::Mpsc)
            .collect();
        assert_eq!(
            six,
            [(Kind::Mpsc, 2, 1), (Kind::Mpsc, 4, 1), (Kind::Mpsc, 6, 1)]
        );
    }

    #[test]
    fn every_scale_measures_every_contender_both_ways() {
        for scale in [Scale::Quick, Scale::Default, Scale::Full] {
            let cells = plan(scale, (1, 1));
            for contender in [Contender::Pipe, Contender::UnixSocket]
                .into_iter()
                .chain([ring(Kind::Spsc, Wait::SpinThenPark)])
            {
                let of = |trip| {
                    let mut cells = cells.iter().filter(|cell| cell.contender == contender);
                    cells.any(|cell| (cell.measure == Measure::RoundTrip) == trip)
                };
                assert!(of(true) && of(false), "{scale:?} {contender}");
            }
            assert!(cells.contains(&FLOOR));
        }
    }
}
