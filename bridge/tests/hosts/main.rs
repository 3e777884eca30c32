//! Bridges as real processes, over Zenoh on the loopback: killed, stopped, cut off.
#![cfg(feature = "zenoh")]

mod bridges;
mod flow;
mod kills;
mod link;
