//! Sequences of calls on a sound ring, each of which answers what the oracle
//! says.

use arbitrary::Arbitrary;
use memring::RingKind;

use crate::oracle::{Config, Step, check_any};

/// A ring, what it carries, and what is done to it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    kind: u8,
    payload: u8,
    config: Config,
    steps: Vec<Step>,
}

/// Carries the steps out.
///
/// # Panics
/// If anything answers as it should not.
pub fn run(input: Input) {
    let kind = RingKind::ALL[usize::from(input.kind % 4)];
    let config = Config {
        // The thorough barrier before the end takes milliseconds.
        fence: true,
        ..input.config
    };
    check_any(kind, input.payload, &config, &input.steps);
}
