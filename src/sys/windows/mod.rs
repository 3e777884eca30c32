//! What Windows has in the place of `posix`, and of the Unix part of `portable`. It compiles,
//! and was never run (`docs/portable.md`).
//!
//! | file | need |
//! |---|---|
//! | `file` | files and directories |
//! | `fork` | there are no forks |
//! | `pages` | memory beside what the crate `shared_memory` does |
//! | `range_lock` | locks of ranges of bytes |

pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod pages;
pub(crate) mod range_lock;
