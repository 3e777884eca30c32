//! Crash-safe lock-free ring buffers between processes, in shared memory.
//!
//! A [`Ring`] is a bounded queue in shared memory. Its kind, [`Spsc`], [`Mpsc`],
//! [`Spmc`] or [`Mpmc`], says how many senders and receivers it admits at once;
//! each message goes to one receiver. A message is a fixed-size `T`, or `[u8]` of
//! varying length: see [`Message`].
//!
//! ```
//! use memring::{Ring, Spsc};
//!
//! #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
//! #[repr(C)]
//! struct Tick {
//!     id: u64,
//!     bid: f64,
//!     ask: f64,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-{}", std::process::id());
//! // One process makes the ring and sends. (Here `name` is "ticks", say.)
//! let ring = Ring::<Tick, Spsc>::create(name, 1024)?;
//! let mut sender = ring.sender()?;
//! let tick = Tick { id: 1, bid: 99.5, ask: 99.6 };
//! sender.send(tick)?;
//! ring.close()?;
//!
//! // Another opens it by name and receives.
//! let mut receiver = Ring::<Tick, Spsc>::open(name)?.receiver()?;
//! assert_eq!(receiver.recv()?, tick);
//! assert_eq!(receiver.recv(), Err(memring::RecvError::Closed));
//!
//! // A ring with a name stays until it is removed.
//! memring::remove(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! * Making and opening rings: [`Ring`], [`RingBuilder`]; looking at them:
//!   [`list`], [`inspect`](fn@inspect), [`Ring::stats`].
//! * Sending: [`Sender`]; in place, [`Sender::reserve`] and [`Grant`].
//! * Receiving: [`Receiver`]; in place, [`Receiver::lease`] and [`Lease`].
//! * Waiting: [`WaitStrategy`] of an endpoint, [`Wakeups`] and [`FenceMode`] of a ring.
//!
//! # When a process dies
//!
//! Every endpoint holds a lock that the kernel drops when its process dies,
//! however that happens, and at no other time. If a process dies, its peers find that
//! lock free and recover the slots it held. No time-out decides anything: a process
//! that is stopped keeps what it has.
//!
//! * What [`Sender::send`] returned `Ok` for is in the ring, and stays there when
//!   the sender dies. What it was still writing never existed.
//! * [`Receiver::recv`] acknowledges before it returns: at most once, should the
//!   caller die with the message. A [`Lease`] is acknowledged when it is released:
//!   at least once. See [`OnDeath`].
//! * [`Ring::close`] is final: receivers drain the ring and then see `Closed`.
//!   `Disconnected` means that every peer that was attached has detached or died.
//!   The call works again when one attaches.
//! * Endpoints do not survive `fork` in the child: there, each call returns
//!   [`Failure::Forked`]. A child opens the ring itself.
//! * The `try_` verbs take no lock, and those of typed rings allocate nothing: they may be
//!   called in a signal handler, on endpoints of its own. Attaching, detaching and opening
//!   may not. The repository's `docs/signals-and-forks.md` says more.
//!
//! # Limits
//!
//! Linux, 64-bit, with `/proc`. A named ring's file can be truncated by its owner,
//! and a process that touches it then dies of SIGBUS; an anonymous ring is sealed
//! against that. Hostile peers can drop, forge or stall messages.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("memring needs Linux on a 64-bit machine: there is no other backend yet");

mod error;
mod members;
mod message;
#[cfg(all(test, loom))]
mod models;
mod ring;
mod shm;
mod sys;
mod wait;

#[cfg(not(loom))]
mod admin;
#[cfg(not(loom))]
mod channel;

#[cfg(not(loom))]
pub use admin::{Inspection, ListEntry, directory, inspect, list, remove};
#[cfg(not(loom))]
pub use channel::{
    Grant, Iter, Lease, LeaseBatch, LeasedMessage, Receiver, Ring, RingBuilder, Sender, Stats,
    TryIter,
};
pub use error::{
    AttachError, Corruption, Failure, Holder, Mismatch, RecvError, RecvTimeoutError, RingError,
    SendBatchError, SendError, SendTimeoutError, Side, TryRecvError, TrySendBatchError,
    TrySendError,
};
pub use members::Peer;
pub use message::Message;
#[cfg(not(loom))]
pub use ring::config::{FenceMode, MessageKind, OnDeath, Wakeups};
pub use ring::kind::{Kind, Mpmc, Mpsc, RingKind, Spmc, Spsc, UnknownKind};
#[cfg(not(loom))]
pub use shm::Warning;
#[cfg(all(feature = "failpoints", debug_assertions, not(loom)))]
#[doc(hidden)]
pub use sys::failpoints;
pub use wait::WaitStrategy;
