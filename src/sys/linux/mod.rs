//! Linux: one file for each need.

pub(crate) mod credentials;
pub(crate) mod epoll;
pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod lock;
pub(crate) mod map;
pub(crate) mod membarrier;
pub(crate) mod socket;
