//! Sequences of calls on a sound ring, each of which answers what the oracle
//! says.

use arbitrary::{Arbitrary, Result, Unstructured};
use memring::RingKind;

use crate::oracle::{Config, Step, check_any};

/// A ring, what it carries, and what is done to it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    kind: u8,
    payload: u8,
    config: Config,
    /// From all of the bytes that are left: a `Vec` would end at every other one.
    #[arbitrary(with = steps)]
    steps: Vec<Step>,
}

fn steps(bytes: &mut Unstructured<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    while !bytes.is_empty() {
        steps.push(bytes.arbitrary()?);
    }
    Ok(steps)
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
