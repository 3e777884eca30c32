//! The operating system, one file per need (Linux).
//!
//! Nothing here knows what a ring is. Errors are plain [`std::io::Error`]s;
//! the floors above give them names and say what to do.
//!
//! | file | need |
//! |---|---|
//! | `clock` | the monotonic clock, and absolute deadlines on it |
//! | `futex` | sleeping on a shared word and waking the sleepers |
//! | `barrier` | a memory barrier on every other core, paid by the sleeper |
//! | `fork` | what a forked child must neither use nor keep open |
//! | `map` | mapped memory |
//! | `lock` | byte locks, which tell the living from the dead |
//! | `file` | files and directories |
//! | `signal` | in test builds: a thread that ends or stops its process |

pub(crate) mod barrier;
pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod lock;
pub(crate) mod map;
#[cfg(all(feature = "failpoints", debug_assertions))]
pub(crate) mod signal;
