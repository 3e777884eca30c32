//! Random numbers for choosing moments and contents: a small generator, its seed told.

use std::time::{Duration, SystemTime};

/// Marsaglia's xorshift64.
pub struct Random(u64);

impl Random {
    /// The numbers of a seed of the moment, which is printed: shown if the test fails.
    pub fn new() -> Random {
        let seed = Random::seed();
        println!("seed {seed}");
        Random::of(seed)
    }

    /// A seed of the moment.
    pub fn seed() -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.expect("after 1970").as_nanos() as u64 | 1
    }

    /// The numbers that belong to `seed`, again.
    pub fn of(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// Any number but 0.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.number() >> 8) % end
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A time of at most `longest`.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_nanos(self.below(longest.as_nanos() as u64 + 1))
    }

    /// Overwrites all of `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let word = self.number().to_le_bytes();
            piece.copy_from_slice(&word[..piece.len()]);
        }
    }
}

impl Default for Random {
    fn default() -> Random {
        Random::new()
    }
}
