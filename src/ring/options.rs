//! The choices that a ring's maker has, and their names.

use std::fmt;
use std::str::FromStr;

use crate::error::UnknownName;

/// Whether endpoints of a ring may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Wakeups {
    /// Endpoints may sleep and are woken. For each message this costs one check of a word that
    /// rarely changes.
    #[default]
    Blocking,
    /// Endpoints always spin.
    SpinOnly,
}

/// How each side orders its writes before its reads of the other side's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FenceMode {
    /// `membarrier` if the kernel has it, else fences.
    #[default]
    Auto,
    /// An endpoint that goes to sleep, or is the first to see a closed ring at its end, runs
    /// `membarrier`, which briefly interrupts the other processors that run users of this
    /// facility. This costs a message nothing.
    Membarrier,
    /// A full fence for every message. The fence costs several times as much as a small message.
    /// Choose it for processes that must never be interrupted by a system call of another
    /// process.
    Fence,
}

/// What happens to a message that a receiver held when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDeath {
    /// The message is delivered again, to another receiver or to the successor of the dead one,
    /// marked with how often it was given back: at least once.
    #[default]
    Redeliver,
    /// The message is counted as lost: at most once. (If a receiver that is alive drops a lease,
    /// its message is still delivered again.)
    Discard,
}

/// How the messages of a ring of one sender and one receiver lie in memory: see [capacity and
/// layout](crate#capacity-and-layout). Rings with many endpoints on a side have slots; this
/// option does not change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Lines for messages of up to 56 bytes, dense for larger ones.
    #[default]
    Auto,
    /// Lines of 64 bytes hold messages and the word that publishes them: a message that a
    /// receiver waits for costs one cache line. For messages of up to 56 bytes (byte messages: a
    /// limit of up to 48).
    Lines,
    /// Messages lie one after the other, with one word for all of them. Batches of small messages
    /// pass faster, but a message that a receiver waits for costs a second cache line.
    Dense,
}

/// Names for the values of an option, both ways.
macro_rules! names {
    ($option:ident, $what:literal { $($variant:ident = $name:literal),* }) => {
        impl $option {
            /// All the values.
            pub const ALL: [$option; [$($name),*].len()] = [$($option::$variant),*];
        }

        impl fmt::Display for $option {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $($option::$variant => $name,)*
                })
            }
        }

        impl FromStr for $option {
            type Err = UnknownName;

            fn from_str(word: &str) -> Result<Self, UnknownName> {
                UnknownName::among($what, Self::ALL, word)
            }
        }
    };
}

names!(Wakeups, "choice of wake-ups" {
    Blocking = "blocking",
    SpinOnly = "spin-only"
});
names!(FenceMode, "fence mode" {
    Auto = "auto",
    Membarrier = "membarrier",
    Fence = "fence"
});
names!(Layout, "layout" {
    Auto = "auto",
    Lines = "lines",
    Dense = "dense"
});
names!(OnDeath, "policy at a receiver's death" {
    Redeliver = "redeliver",
    Discard = "discard"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for value in Wakeups::ALL {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
        for value in FenceMode::ALL {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
        for value in Layout::ALL {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
        for value in OnDeath::ALL {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
        let error = "Fence".parse::<FenceMode>().unwrap_err();
        let text = "\"Fence\" is no fence mode: expected auto, membarrier or fence";
        assert_eq!(error.to_string(), text);
        assert_eq!(format!("{:>10}|", OnDeath::Discard), "   discard|");
    }
}
