//! The operating system, and what stands below it: atomics and failpoints.
//!
//! Nothing here knows what a ring is. Errors are plain [`std::io::Error`]s; the
//! floors above give them names and say what to do.
//!
//! | file | need |
//! |---|---|
//! | `atomic` | the atomics: the standard library's, or loom's in models |
//! | `failpoints` | named places at which tests kill or stop a process |
//! | `linux/clock` | the monotonic clock, and absolute deadlines on it |
//! | `linux/futex` | sleeping on a shared word, or on many, and waking the sleepers |
//! | `linux/membarrier` | a memory barrier on every other core, paid by the sleeper |
//! | `linux/event` | a descriptor that can be polled |
//! | `linux/fork` | what a forked child must neither use nor keep open |
//! | `linux/map` | mapped memory |
//! | `linux/lock` | byte locks, which tell whether a process lives |
//! | `linux/file` | files and directories |
//! | `linux/signal` | in test builds: a thread that ends or stops its process |

pub(crate) mod atomic;
pub mod failpoints;

#[cfg(not(loom))]
mod linux;
#[cfg(all(feature = "failpoints", debug_assertions, not(loom)))]
pub(crate) use linux::signal;
#[cfg(not(loom))]
pub(crate) use linux::{clock, event, file, fork, futex, lock, map, membarrier};
