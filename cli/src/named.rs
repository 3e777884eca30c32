//! Options whose values have names, which completions offer.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};

/// Names of the kinds of rings.
pub const KINDS: &[&str] = &["spsc", "mpsc", "spmc", "mpmc"];
/// Names of the layouts.
pub const LAYOUTS: &[&str] = &["lines", "dense", "auto"];
/// Names of what happens to messages that a receiver held when it died.
pub const ON_DEATH: &[&str] = &["redeliver", "discard"];

/// A parser of values, and the names of these.
#[derive(Clone)]
pub struct Named<P> {
    names: &'static [&'static str],
    parser: P,
}

/// A parser that knows the names of its values.
///
/// Without them a shell would complete the name of a file. Help texts name the values in their
/// sentences, so options of this kind are `hide_possible_values`.
pub fn named<P: TypedValueParser>(names: &'static [&'static str], parser: P) -> Named<P> {
    Named { names, parser }
}

impl<P: TypedValueParser> TypedValueParser for Named<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<P::Value, Error> {
        self.parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use memring::{Layout, OnDeath, RingKind};

    use super::*;

    #[test]
    fn each_name_is_that_of_a_value() {
        for name in KINDS {
            assert!(name.parse::<RingKind>().is_ok(), "{name}");
        }
        for name in LAYOUTS {
            assert!(name.parse::<Layout>().is_ok(), "{name}");
        }
        for name in ON_DEATH {
            assert!(name.parse::<OnDeath>().is_ok(), "{name}");
        }
    }
}
