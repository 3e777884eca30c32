//! The verbs as futures.

mod claim;
mod steps;
#[cfg(test)]
mod tests;
mod verbs;

#[cfg(feature = "futures")]
pub(super) use claim::give_up;
pub(super) use claim::{PolledOperation, check_patiently, poll_claim};
pub use verbs::{LeaseFuture, RecvFuture, ReserveFuture, SendFuture};
pub use verbs::{RecvReadyFuture, SendReadyFuture};
