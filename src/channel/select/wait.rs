//! Waiting for any of a set.

use std::cell::Cell;
use std::time::Duration;

use super::source::SelectSource;
use crate::channel::waiting::Wait;
use crate::sys::atomic::Fences;
use crate::sys::clock::MonotonicTime;
use crate::wait::WaitStrategy;
use crate::wait::backoff::Looks;
use crate::wait::many::{Sources, WaitSource, block_many};
use crate::wait::parker::Parker;

/// How long a `select!` waits.
#[derive(Clone, Copy, Debug)]
pub struct Limit(pub(super) Wait);

impl Limit {
    /// Until an arm can go.
    pub const NONE: Limit = Limit(Wait::Forever);
    /// Not at all.
    pub const NOW: Limit = Limit(Wait::Not);

    /// For at most `timeout`.
    pub fn timeout(timeout: Duration) -> Limit {
        Limit(Wait::at_most(timeout))
    }
}

/// Waits until one of the sources is ready, and says which; looks begin at `first`.
pub(super) fn wait_for_any<'s>(
    sources: impl Iterator<Item = &'s mut dyn SelectSource>,
    first: usize,
    strategy: WaitStrategy,
    wait: Wait,
) -> Option<usize> {
    let (waits, deadline) = match wait {
        Wait::Not | Wait::Zero => (false, None),
        Wait::Forever => (true, None),
        Wait::Until(deadline) => (true, Some(deadline)),
    };
    let mut fences = Fences::Full;
    let mut can_sleep = true;
    let prepared = sources.map(|source| {
        source.begin(waits);
        if source.fences() == Some(Fences::Membarrier) {
            fences = Fences::Membarrier;
        }
        can_sleep &= source.can_sleep();
        source as &mut dyn WaitSource<MonotonicTime>
    });
    let mut all: Vec<_> = prepared.collect();
    let count = all.len();
    let mut sources = Sources {
        all: &mut all,
        first,
    };
    if !waits {
        return sources.check();
    }
    // A look is at all of them: as long as for one, not so often.
    let spins = strategy.spins().filter(|_| can_sleep);
    let spins = spins.map(|spins| spins.div_ceil(count.max(1) as u32));
    // The barrier that fits those that need most fits all.
    block_many(&Parker(fences), &mut sources, Looks::new(spins), deadline)
}

/// A number below `count`, another each time: where looks begin, so that no arm is always
/// first.
pub(super) fn random(count: usize) -> usize {
    thread_local! {
        /// Of this thread: its address is as good a seed as any, and not 0.
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    let next = |state: &Cell<u64>| {
        let seed = std::ptr::from_ref(state) as u64 | 1;
        let mut bits = match state.get() {
            0 => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            bits => bits,
        };
        // Xorshift.
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        state.set(bits);
        bits
    };
    // A thread that ends has no state any more: it begins with the first.
    let bits = STATE.try_with(next).unwrap_or(0);
    ((u128::from(bits) * count as u128) >> 64) as usize
}
