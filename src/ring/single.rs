//! A side that at most one endpoint holds at a time, beside one of many: no
//! read-modify-write. (One sender beside one receiver: see [`spsc`](super::spsc).)
//!
//! Taking the role implies that the old holder is gone (its lock byte was
//! free), so progress is kept in plain words that only the holder writes.

mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod snapshot;

pub use receiver::SingleReceiver;
pub use sender::SingleSender;
