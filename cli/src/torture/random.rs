//! Numbers that are the same for the same seed, on every machine and in every version.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// PCG XSL RR 128/64. The way from its numbers to choices is here, so that no release of a crate
/// of distributions changes what a seed means.
pub struct Random(Pcg64);

impl Random {
    /// The numbers that belong to `seed`.
    pub fn new(seed: u64) -> Self {
        Random(Pcg64::seed_from_u64(seed))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// Yes, once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// `count` different ones of `0..end`, in any order.
    pub fn several(&mut self, count: usize, end: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..end).collect();
        for index in 0..count {
            let other = index + self.below((end - index) as u64) as usize;
            all.swap(index, other);
        }
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut random = Random::new(1);
        let numbers: Vec<u64> = (0..3).map(|_| random.below(1 << 20)).collect();
        assert_eq!(numbers, [880_671, 18_138, 119_434]);
        let mut several = random.several(3, 8);
        several.sort_unstable();
        several.dedup();
        assert_eq!(several.len(), 3);
    }
}
