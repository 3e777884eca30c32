//! What works without what Linux alone has: on macOS and Windows, and on Linux to be tested.
//!
//! A region is in memory that the crate `shared_memory` makes. The file that has the
//! ring's name is a small one, the *link*: it holds the region's header, and says which
//! memory it is. Beside it is a file whose bytes are locked. `docs/portable.md` tells
//! what differs from Linux, for users.
//!
//! | file | need |
//! |---|---|
//! | `link` | what a link says |
//! | `registry` | the files of locks that this process has open, each once |
//! | `leftovers` | what creators left that were killed |
//! | `memory` | the crate `shared_memory` |
//! | `pages` | memory beside that crate; Unix's, or that in `windows` |
//! | `range_lock` | locks of ranges of bytes; Unix's, or those in `windows` |
//!
//! The others are those of `linux`; `fork` is Unix's, or that in `windows`.

#[cfg(unix)]
pub(crate) mod event;
pub(crate) mod file;
#[cfg(unix)]
pub(crate) mod fork;
pub(crate) mod futex;
mod leftovers;
mod link;
pub(crate) mod lock;
pub(crate) mod map;
pub(crate) mod membarrier;
mod memory;
#[cfg(unix)]
mod pages;
#[cfg(unix)]
mod range_lock;
mod registry;

#[cfg(windows)]
pub(crate) use super::windows::fork;
#[cfg(windows)]
use super::windows::{pages, range_lock};
