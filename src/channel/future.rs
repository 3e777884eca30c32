//! The verbs as futures.

mod claim;
#[cfg(test)]
mod tests;
mod verbs;

pub(super) use claim::check_patiently;
#[cfg(feature = "futures")]
pub(super) use claim::{finish, poll_claim, poll_claim_on_ring};
pub use verbs::{LeaseFuture, RecvFuture, ReserveFuture, SendFuture};
pub use verbs::{RecvReadyFuture, SendReadyFuture};
