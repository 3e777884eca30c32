//! The verbs as futures.

mod claim;
mod verbs;

pub(super) use claim::check_patiently;
#[cfg(feature = "futures")]
pub(super) use claim::{finish, poll_claim};
pub use verbs::{LeaseFuture, RecvFuture, ReserveFuture, SendFuture};
pub use verbs::{RecvReadyFuture, SendReadyFuture};
