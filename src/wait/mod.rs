//! Waiting: how long to spin, and the one home of the sleeping handshake.
//!
//! Knows no ring. A [`Bell`](event::Event) is a futex word in shared memory;
//! what it stands for is the business of the floors above.

pub(crate) mod event;
#[cfg(all(test, loom))]
pub(crate) mod models;
#[cfg(not(loom))]
pub(crate) mod parking;
pub(crate) mod strategy;

pub(crate) use event::{Event, Park};
pub use strategy::WaitStrategy;
