//! What the oracle is compared with.

use super::answer::{Answer, Figures};
use super::step::Call;

/// Carries calls out, in this process or in others.
pub trait World {
    /// Makes the call, and says what it answered.
    fn carry_out(&mut self, call: &Call) -> Answer;
    /// What the ring says of itself now.
    fn figures(&self) -> Figures;
}
