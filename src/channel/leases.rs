//! The messages that a receiver has handed out as leases.

use crate::ring::Claim;

/// Messages that are leased, in the order of receipt, with lengths; a prefix of them may
/// have been released.
///
/// In the receiver and not in the guard, so that what a leaked guard held is still known.
#[derive(Debug, Default)]
pub(super) struct Leases {
    claims: Vec<(Claim, usize)>,
    /// So many of them are released: always fewer than there are, or 0.
    released: usize,
}

impl Leases {
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.claims.len() - self.released
    }

    /// The message at `index` of those that are not released.
    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> Option<(Claim, usize)> {
        let index = self.released.checked_add(index)?;
        self.claims.get(index).copied()
    }

    #[inline(always)]
    pub(super) fn push(&mut self, claim: Claim, length: usize) {
        self.claims.push((claim, length));
    }

    /// Frees the memory of those that are released, if that is half of it.
    pub(super) fn compact(&mut self) {
        if self.released > self.claims.len() / 2 {
            self.claims.drain(..self.released);
            self.released = 0;
        }
    }

    /// Those that are not released.
    #[inline(always)]
    pub(super) fn claims(&self) -> impl Iterator<Item = Claim> {
        self.claims[self.released..].iter().map(|(claim, _)| *claim)
    }

    /// The first `count`, which is less than [`Leases::len`], are released.
    pub(super) fn forget_first(&mut self, count: usize) {
        self.released += count;
        debug_assert!(self.released < self.claims.len());
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.claims.clear();
        self.released = 0;
    }
}
