//! Crash-safe lock-free ring buffers between processes, in shared memory.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

mod error;
mod kind;
mod layout;
mod message;
mod primitive;
mod ring;
mod wait;

#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod inspect;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod participant;
#[cfg(not(loom))]
mod segment;

#[cfg(not(loom))]
pub use channel::{
    Grant, Iter, Lease, LeaseBatch, LeasedMessage, Receiver, Ring, RingBuilder, Sender, TryIter,
};
pub use error::{
    AttachError, Corruption, Failure, Mismatch, RecvError, RecvTimeoutError, RingError,
    SendBatchError, SendError, SendTimeoutError, Side, TryRecvError, TrySendError,
};
#[cfg(not(loom))]
pub use inspect::{Inspection, Listed, Stats, directory, inspect, list, remove};
pub use kind::{Kind, Mpmc, Mpsc, RingKind, Spmc, Spsc, UnknownKind};
pub use message::Message;
#[cfg(not(loom))]
pub use participant::Peer;
#[cfg(not(loom))]
pub use segment::Warning;
#[cfg(not(loom))]
pub use segment::terms::{Barrier, MessageKind, OnDeath, Wake};
pub use wait::WaitStrategy;
