//! How a waiting endpoint uses its processor.

use std::fmt;
use std::str::FromStr;

use crate::error::UnknownName;

/// How an endpoint waits for a message, or for room.
///
/// The strategy is chosen when the endpoint attaches; each endpoint of a ring may choose another.
/// As text: `spin`, `spin-then-park`, `spin-then-park:1000` and `park`:
///
/// ```
/// use memring::WaitStrategy;
///
/// # fn main() -> Result<(), memring::UnknownName> {
/// let strategy: WaitStrategy = "spin-then-park:200".parse()?;
/// assert_eq!(strategy, WaitStrategy::SpinThenPark { spins: 200 });
/// assert_eq!(strategy.to_string(), "spin-then-park:200");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitStrategy {
    /// Never sleeps: the lowest latency, at the cost of a processor. The endpoint yields to the
    /// scheduler now and then, for the case that there are more spinning threads than processors.
    Spin,
    /// Checks `spins` times, or a few more, then sleeps.
    SpinThenPark {
        /// How often to check before sleeping. With the pause in between, a check takes some 10
        /// to 50 nanoseconds.
        spins: u32,
    },
    /// Checks once, then sleeps: the least processor time.
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

/// The names of the strategies; a number of looks follows the second.
const NAMES: [&str; 4] = ["spin", "spin-then-park", "spin-then-park:SPINS", "park"];

impl fmt::Display for WaitStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitStrategy::Spin => f.pad("spin"),
            WaitStrategy::SpinThenPark { spins } => f.pad(&format!("spin-then-park:{spins}")),
            WaitStrategy::Park => f.pad("park"),
        }
    }
}

impl FromStr for WaitStrategy {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        match word {
            "spin" => return Ok(WaitStrategy::Spin),
            "spin-then-park" => return Ok(WaitStrategy::default()),
            "park" => return Ok(WaitStrategy::Park),
            _ => {}
        }
        let spins = word.strip_prefix("spin-then-park:");
        match spins.and_then(|spins| spins.parse().ok()) {
            Some(spins) => Ok(WaitStrategy::SpinThenPark { spins }),
            None => Err(UnknownName::new("wait strategy", &NAMES, word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spin_never_sleeps() {
        assert_eq!(WaitStrategy::Spin.spins(), None);
        assert_eq!(WaitStrategy::SpinThenPark { spins: 7 }.spins(), Some(7));
        assert_eq!(WaitStrategy::Park.spins(), Some(0));
    }

    #[test]
    fn names_go_both_ways() {
        for strategy in [
            WaitStrategy::Spin,
            WaitStrategy::default(),
            WaitStrategy::SpinThenPark { spins: u32::MAX },
            WaitStrategy::Park,
        ] {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert_eq!("spin-then-park".parse(), Ok(WaitStrategy::default()));
        for word in ["", "spin-then-park:", "spin-then-park:-1", "Spin"] {
            let error = word.parse::<WaitStrategy>().unwrap_err().to_string();
            assert!(error.contains("wait strategy: expected spin, "), "{error}");
        }
    }
}
