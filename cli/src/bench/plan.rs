//! Which measurements a run is made of.

use clap::ValueEnum;
use memring_harness::contestant::Contestant;
use memring_harness::task::{Quantity, Wait, Way};
use serde::Serialize;

use super::contestants::{FLOOR, MPMC, MPSC, RINGS, SPMC, STREAMS};

/// Bytes of messages.
pub const SIZES: [usize; 5] = [8, 64, 256, 1024, 4096];

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
    pub fn millis(self, quantity: Quantity) -> u64 {
        match (self, quantity.is_trip()) {
            (Scale::Quick, _) => 30,
            (Scale::Default, false) => 120,
            (Scale::Full, false) | (_, true) => 200,
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
#[derive(Clone, Copy)]
pub struct Cell {
    /// Of which contestant.
    pub contestant: &'static dyn Contestant,
    /// What is measured.
    pub quantity: Quantity,
}

impl Cell {
    /// The floor, measured like everything else.
    pub const FLOOR: Cell = Cell {
        contestant: FLOOR,
        quantity: Quantity::Trip(8, Wait::Spin),
    };

    /// Whether it is of the floor.
    pub fn is_floor(self) -> bool {
        self.contestant.name() == FLOOR.name()
    }

    /// The CPU of each worker: senders are on the first, the third and so on, receivers on those
    /// between.
    pub fn cpus(self, cpus: &[usize]) -> Vec<usize> {
        let (senders, receivers) = self.quantity.ends();
        let senders = (0..senders).map(|index| 2 * index);
        let receivers = (0..receivers).map(|index| 2 * index + 1);
        let all = senders.chain(receivers);
        all.map(|index| cpus[index % cpus.len()]).collect()
    }
}

/// All measurements of one round. `most` is how many sending and receiving processes the table of
/// several senders and receivers goes up to.
pub fn plan(scale: Scale, most: (u16, u16)) -> Vec<Cell> {
    let full = scale == Scale::Full;
    // Of all kinds, or of the one that people begin with.
    let rings = |all: bool| RINGS[..if all { RINGS.len() } else { 1 }].iter().copied();
    let mut cells = Vec::new();
    let mut cell = |contestant, quantity| {
        cells.push(Cell {
            contestant,
            quantity,
        })
    };
    for size in SIZES {
        for way in [Way::Single, Way::Batch] {
            if size != 8 && way == Way::Batch && !full {
                continue;
            }
            for contestant in rings(size == 8 || full).chain(STREAMS) {
                cell(contestant, Quantity::Spsc(size, way));
            }
        }
    }
    for (ring, senders, receivers) in crowds(most) {
        let quantity = Quantity::Mpmc(senders.into(), receivers.into());
        cell(RINGS[ring], quantity);
    }
    cell(Cell::FLOOR.contestant, Cell::FLOOR.quantity);
    for size in [8, 64] {
        for wait in [Wait::Spin, Wait::Park, Wait::Sleep] {
            if size == 8 || wait == Wait::Spin || full {
                rings(full).for_each(|ring| cell(ring, Quantity::Trip(size, wait)));
            }
        }
    }
    for stream in STREAMS {
        cell(stream, Quantity::Trip(8, Wait::Sleep));
    }
    cells
}

/// Rings with several processes on a side: 2, 4, 8 and so on, up to `most`.
fn crowds((senders, receivers): (u16, u16)) -> Vec<(usize, u16, u16)> {
    let mut crowds = Vec::new();
    let mut count = 2_u16;
    while count <= senders.max(receivers) {
        let (s, r) = (count.min(senders), count.min(receivers));
        if s > 1 {
            crowds.push((MPSC, s, 1));
        }
        if r > 1 {
            crowds.push((SPMC, 1, r));
        }
        crowds.push((MPMC, s, r));
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
        assert_eq!(crowds((2, 2)), [(MPSC, 2, 1), (SPMC, 1, 2), (MPMC, 2, 2)]);
        let six: Vec<_> = crowds((6, 1)).into_iter().filter(|c| c.0 == MPSC).collect();
        assert_eq!(six, [(MPSC, 2, 1), (MPSC, 4, 1), (MPSC, 6, 1)]);
    }

    #[test]
    fn every_scale_measures_every_contestant_both_ways() {
        for scale in [Scale::Quick, Scale::Default, Scale::Full] {
            let cells = plan(scale, (3, 2));
            for contestant in [RINGS[0], STREAMS[0], STREAMS[1]] {
                let of = |trip| {
                    let mut cells = cells.iter();
                    cells.any(|cell| {
                        cell.contestant.name() == contestant.name()
                            && cell.quantity.is_trip() == trip
                    })
                };
                assert!(of(true) && of(false), "{scale:?} {}", contestant.name());
            }
            for cell in &cells {
                let (name, quantity) = (cell.contestant.name(), cell.quantity);
                assert!(cell.contestant.does(quantity), "{name} {quantity}");
            }
            assert!(cells.iter().any(|cell| cell.is_floor()));
        }
    }

    #[test]
    fn senders_and_receivers_take_turns_on_the_cpus() {
        let cell = |quantity| Cell {
            quantity,
            ..Cell::FLOOR
        };
        let many = cell(Quantity::Mpmc(3, 2));
        assert_eq!(many.cpus(&[4, 5, 6]), [4, 6, 5, 5, 4]);
        assert_eq!(cell(Quantity::Mpmc(2, 1)).cpus(&[0, 1]), [0, 0, 1]);
        assert_eq!(Cell::FLOOR.cpus(&[2, 4]), [2, 4]);
    }
}
