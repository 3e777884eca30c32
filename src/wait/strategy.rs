//! What a waiting endpoint does with its processor.

/// How an endpoint waits for a message, or for room.
///
/// Chosen when the endpoint attaches; each endpoint of a ring may choose
/// differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Never sleeps: the lowest latency, at the price of a processor. It
    /// yields to the scheduler now and then, for when there are more spinning
    /// threads than processors.
    Spin,
    /// Looks `spins` times, or a few more, then sleeps.
    SpinThenPark {
        /// How often to look before sleeping; with a pause in between, a look
        /// costs some 10 to 50 nanoseconds.
        spins: u32,
    },
    /// Looks once, then sleeps: the least processor time.
    Park,
}

impl Default for WaitStrategy {
    /// Spins for some tens of microseconds, about what a sleep and a wake-up
    /// cost, then parks.
    fn default() -> Self {
        WaitStrategy::SpinThenPark { spins: 1000 }
    }
}

impl WaitStrategy {
    /// Looks before the first sleep; `None` means that there is no sleep.
    pub(crate) fn spins(self) -> Option<u32> {
        match self {
            WaitStrategy::Spin => None,
            WaitStrategy::SpinThenPark { spins } => Some(spins),
            WaitStrategy::Park => Some(0),
        }
    }
}
