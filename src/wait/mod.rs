//! Waiting: how long to look, how to sleep and be woken, and the one loop that does it.
//!
//! Knows no object and no region: what a caller waits for is an
//! [`Operation`], the word that it sleeps on a [`WaitWord`]. One that waits for any of
//! many things waits for [`many::Awaited`]s.

pub(crate) mod backoff;
pub(crate) mod block;
pub(crate) mod cap;
pub(crate) mod half;
pub(crate) mod idle;
pub(crate) mod many;
#[cfg(all(test, loom))]
pub(crate) mod models;
#[cfg(not(loom))]
pub(crate) mod parker;
pub(crate) mod strategy;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
pub(crate) mod waker;
pub(crate) mod word;

pub(crate) use block::{Operation, Poll, block};
pub(crate) use half::ParkHalf;
pub use idle::{Idle, IdleStrategy};
pub use strategy::WaitStrategy;
pub(crate) use word::{Park, WaitWord};
