//! Carries rings of memring between hosts, over an engine that moves packets.
//!
//! A sending bridge leases messages of a ring, sends them in packets, and releases them when
//! a receiving bridge says that it has put them into a ring of its host. What is promised is
//! in the repository's `docs/hosts.md`. This crate is what the command `memring-bridge` is
//! made of; its interface may change with every version.
//!
//! From below: [`packet`] is what travels; [`sender`] and [`receiver`] are the state machines
//! of both ends, without clocks, files or network; [`state`] is what they keep in files;
//! [`engine`] moves packets; [`drive`] puts all of it to work on rings.

pub mod calls;
pub mod drive;
pub mod engine;
pub mod metrics;
pub mod packet;
pub mod ranges;
pub mod receiver;
pub mod rings;
pub mod sender;
pub mod state;
