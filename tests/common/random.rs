//! Random numbers for choosing moments: a small generator, its seed told.

use std::time::{Duration, SystemTime};

pub struct Random(u64);

impl Random {
    /// A seed of the moment, printed: shown if the test fails.
    pub fn new() -> Random {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = now.expect("after 1970").as_nanos() as u64 | 1;
        println!("seed {seed}");
        Random(seed)
    }

    /// The numbers that belong to `seed`, again.
    pub fn of(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// Marsaglia's xorshift64.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 8) % end
    }

    pub fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_nanos(self.below(longest.as_nanos() as u64 + 1))
    }
}
