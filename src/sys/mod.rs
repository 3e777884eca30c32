//! The operating system, and what stands below it: atomics and failpoints.
//!
//! Nothing here knows what a ring is. Errors are plain [`std::io::Error`]s; the
//! floors above give them names and say what to do.
//!
//! | file | need |
//! |---|---|
//! | `atomic` | the atomics: the standard library's, or loom's in models |
//! | `failpoints` | named places at which tests kill or stop a process |
//! | `per_process` | what every process makes for itself, a forked child too |
//! | `clock` | the monotonic clock, and absolute deadlines on it |
//! | `bytes` | which bytes are locked here |
//! | `handle` | what stands for an open file |
//! | `metadata` | what can be said of a file |
//! | `posix/file` | files and directories, as every Unix has them |
//! | `posix/fcntl` | locks of bytes |
//! | `posix/atfork` | handlers that run around a fork |
//! | `posix/signal` | in test builds: a thread that ends or stops its process |
//! | `windows` | for `portable`: what Windows has in the place of `posix`, and of the Unix part of that |
//! | `futex` | sleeping on a shared word, or on many, and waking the sleepers |
//! | `membarrier` | a memory barrier on every other core, paid by the sleeper |
//! | `event` | a descriptor that can be polled; not on Windows |
//! | `fork` | what a forked child must neither use nor keep open |
//! | `map` | mapped memory |
//! | `lock` | byte locks, which tell whether a process lives |
//! | `file` | files and directories |
//! | `socket`, `credentials`, `epoll` | Unix domain sockets, passing descriptors |
//!
//! The seven before the last are there twice: in `linux`, and in `portable`, which does without what
//! Linux alone has (`docs/portable.md`). The floors above use these names only.

pub(crate) mod atomic;
#[cfg(not(loom))]
mod bytes;
#[cfg(not(loom))]
pub(crate) mod clock;
pub mod failpoints;
#[cfg(not(loom))]
pub(crate) mod handle;
#[cfg(not(loom))]
mod metadata;

#[cfg(all(not(loom), not(any(feature = "portable", not(target_os = "linux")))))]
mod linux;
#[cfg(not(loom))]
pub(crate) mod per_process;
#[cfg(all(not(loom), any(feature = "portable", not(target_os = "linux"))))]
mod portable;
#[cfg(all(unix, not(loom)))]
mod posix;
#[cfg(all(windows, not(loom)))]
mod windows;

#[cfg(all(not(loom), not(any(feature = "portable", not(target_os = "linux")))))]
pub(crate) use linux::{
    credentials, epoll, event, file, fork, futex, lock, map, membarrier, socket,
};
#[cfg(all(unix, any(feature = "portable", not(target_os = "linux")), not(loom)))]
pub(crate) use portable::event;
#[cfg(all(not(loom), any(feature = "portable", not(target_os = "linux"))))]
pub(crate) use portable::{file, fork, futex, lock, map, membarrier};
/// What the portable backend stands on.
#[cfg(all(unix, any(feature = "portable", not(target_os = "linux")), not(loom)))]
use posix as system;
#[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
pub(crate) use posix::signal;
#[cfg(all(windows, not(loom)))]
use windows as system;
