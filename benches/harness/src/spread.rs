//! What many figures add up to, and where they were taken.

/// A round trip of a cache line below this many nanoseconds stays within one physical core.
const ONE_CORE: f64 = memring_testkit::placement::ONE_CORE as f64;
/// Below this many, between cores that share a cache.
const NEAR: f64 = 180.0;

/// Where both CPUs were during a measurement, by the floor before and after it. A virtual machine
/// moves them about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// Threads of one core.
    One,
    /// Cores that share a cache.
    Near,
    /// Other cores.
    Far,
    /// It changed meanwhile.
    Mixed,
}

impl Cores {
    /// All that figures are given of.
    pub const ALL: [Cores; 3] = [Cores::Far, Cores::Near, Cores::One];

    /// By one look at the floor, in nanoseconds.
    pub fn at(floor: f64) -> Cores {
        match floor {
            floor if floor < ONE_CORE => Cores::One,
            floor if floor < NEAR => Cores::Near,
            _ => Cores::Far,
        }
    }

    /// By the floor before and after.
    pub fn between(floor: [f64; 2]) -> Cores {
        match floor.map(Cores::at) {
            [before, after] if before == after => before,
            _ => Cores::Mixed,
        }
    }

    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Cores::One => "on threads of one core (floor below 75 ns)",
            Cores::Near => "on two near cores (floor of 75 to 180 ns)",
            Cores::Far => "on two far cores (floor above 180 ns)",
            Cores::Mixed => "while the CPUs moved",
        }
    }
}

/// Median, least and most of some figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// How many they are.
    pub count: usize,
}

impl Spread {
    /// That of these figures, if there are any.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Some(Spread {
            median: *figures.get(figures.len() / 2)?,
            min: *figures.first()?,
            max: *figures.last()?,
            count: figures.len(),
        })
    }
}
