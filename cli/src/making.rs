//! What is said of a ring that is to be made: the options that `create`, `send` and `recv` share.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use memring::{Kind, Layout, OnDeath, RingBuilder, RingKind};

use crate::named::{KINDS, LAYOUTS, ON_DEATH, named};

/// How a ring is made.
#[derive(Args)]
pub struct Making {
    /// Make a new ring, even if there is one; processes that use the old one get an error
    #[arg(long, help_heading = "Ring")]
    pub recreate: bool,

    /// Make the ring, and fail if there is one
    #[arg(long, conflicts_with = "recreate", help_heading = "Ring")]
    pub exclusive: bool,

    /// Make this kind of ring: spsc, mpsc, spmc or mpmc (single or multiple producers, consumers)
    /// [default: spsc]. An existing ring must be of this kind
    #[arg(
        long,
        value_name = "KIND",
        value_parser = named(KINDS, parse_name::<RingKind>),
        hide_possible_values = true,
        help_heading = "Ring"
    )]
    pub kind: Option<RingKind>,

    /// Make a ring that holds this many messages: exactly, with one sender and one receiver, else
    /// rounded up to a power of two [default: 256]. 0 makes a rendezvous ring, through which a
    /// message passes when it is received
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Ring")]
    pub capacity: Option<usize>,

    /// Make a ring for messages of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Ring")]
    pub slot_size: Option<usize>,

    /// Lay out the messages of an spsc ring in memory: lines (lowest latency; for messages of up to
    /// 48 bytes), dense (more pass in bulk) or auto [default: auto]. An existing ring keeps its
    /// layout
    #[arg(
        long,
        value_name = "LAYOUT",
        value_parser = named(LAYOUTS, parse_name::<Layout>),
        hide_possible_values = true,
        help_heading = "Ring"
    )]
    pub layout: Option<Layout>,

    /// Do this with messages that a receiver held when it died: redeliver or discard [default:
    /// redeliver]. An existing ring keeps its policy
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = named(ON_DEATH, parse_name::<OnDeath>),
        hide_possible_values = true,
        help_heading = "Ring"
    )]
    pub on_death: Option<OnDeath>,

    /// Give the file of the ring these permissions, in octal, whatever the umask [default: 600]. If
    /// other users may write to it, every process has to open it with --allow-foreign. An existing
    /// ring keeps its permissions
    #[arg(long, value_name = "MODE", value_parser = parse_mode, help_heading = "Ring")]
    pub mode: Option<u32>,

    /// Open a ring of another user's, or one that others may write to
    #[arg(long, help_heading = "Ring")]
    pub allow_foreign: bool,
}

impl Making {
    /// The first of the options given that are of use only where a ring is made.
    pub fn given(&self) -> Option<&'static str> {
        [
            ("--exclusive", self.exclusive),
            ("--kind", self.kind.is_some()),
            ("--capacity", self.capacity.is_some()),
            ("--slot-size", self.slot_size.is_some()),
            ("--layout", self.layout.is_some()),
            ("--on-death", self.on_death.is_some()),
            ("--mode", self.mode.is_some()),
        ]
        .into_iter()
        .find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// What is the same for each kind of ring, with these sizes.
    pub fn builder<K: Kind>(&self, capacity: usize, slot_size: usize) -> RingBuilder<[u8], K> {
        let builder = memring::Ring::<[u8], K>::builder()
            .allow_foreign(self.allow_foreign)
            .capacity(capacity)
            .layout(self.layout.unwrap_or_default())
            .on_receiver_death(self.on_death.unwrap_or_default())
            .message_limit(slot_size);
        match self.mode {
            Some(mode) => builder.mode(mode),
            None => builder,
        }
    }
}

/// The name of a value of an option, in capitals or not.
pub fn parse_name<T: FromStr>(text: &str) -> Result<T, T::Err> {
    // If there is none, the complaint is about the word as it was given.
    text.to_lowercase().parse().or_else(|_| text.parse())
}

/// A number with a unit.
fn parse_scaled(text: &str) -> Option<usize> {
    let shift = match text.as_bytes().last() {
        Some(b'K' | b'k') => 10,
        Some(b'M' | b'm') => 20,
        Some(b'G' | b'g') => 30,
        _ => 0,
    };
    let digits = &text[..text.len() - usize::from(shift > 0)];
    // A sign is none of a number of anything.
    let number = digits
        .parse::<usize>()
        .ok()
        .filter(|_| !digits.starts_with('+'));
    number?.checked_mul(1 << shift)
}

/// A number of bytes, of at least one.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let size = parse_scaled(text).filter(|&size| size > 0);
    size.ok_or_else(|| "expected a number of bytes, such as 512, 16K, 1M or 1G".to_owned())
}

/// A number of messages.
pub fn parse_count(text: &str) -> Result<usize, String> {
    parse_scaled(text).ok_or_else(|| "expected a number, such as 256, 64K or 1M".to_owned())
}

/// A number of messages, of at least one.
pub fn parse_nonzero(text: &str) -> Result<NonZeroUsize, String> {
    let count = NonZeroUsize::new(parse_count(text)?);
    count.ok_or_else(|| "expected at least 1".to_owned())
}

/// Permission bits.
fn parse_mode(text: &str) -> Result<u32, String> {
    let is_octal = !text.is_empty() && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|&mode| is_octal && mode <= 0o777)
        .ok_or_else(|| "expected permissions in octal, such as 600 or 0660".to_owned())
}

/// A span of time in seconds.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds, such as 10 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("64K"), Ok(64 << 10));
        assert_eq!(parse_size("3m"), Ok(3 << 20));
        assert_eq!(parse_size("1G"), Ok(1 << 30));
        assert_eq!(parse_count("0"), Ok(0));
        assert!(parse_nonzero("0").is_err());
        assert_eq!(parse_nonzero("2k").map(NonZeroUsize::get), Ok(2048));
        for wrong in [
            "",
            "K",
            "0",
            "0G",
            "-1",
            "+1",
            "1 K",
            "1KB",
            "99999999999999999999",
            "99999999999999G",
            "é",
        ] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_the_same_in_capitals() {
        for text in ["mpmc", "MPMC", "Mpmc"] {
            assert_eq!(parse_name::<RingKind>(text), Ok(RingKind::Mpmc));
        }
        let error = parse_name::<RingKind>("Ring").expect_err("no kind");
        assert!(error.to_string().contains("\"Ring\""), "{error}");
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_mode("0660"), Ok(0o660));
        assert_eq!(parse_mode("600"), Ok(0o600));
        for wrong in ["", "888", "0o600", "u=rw", "+600", "-1", "7777"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }
}
