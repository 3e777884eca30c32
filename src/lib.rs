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
//! memring::schema! {
//!     #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
//!     #[repr(C)]
//!     struct Tick {
//!         id: u64,
//!         bid: f64,
//!         ask: f64,
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-{}", std::process::id());
//! // One process makes the ring and sends. (Here `name` is "ticks", say.)
//! let ring = Ring::<Tick, Spsc>::builder().schema_of::<Tick>();
//! let ring = ring.capacity(1024).create(name)?;
//! let mut sender = ring.sender()?;
//! let tick = Tick { id: 1, bid: 99.5, ask: 99.6 };
//! sender.send(tick)?;
//! ring.close()?;
//!
//! // Another opens it by name and receives.
//! let ring = Ring::<Tick, Spsc>::builder().schema_of::<Tick>();
//! let mut receiver = ring.open(name)?.receiver()?;
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
//! The [`guide`] shows each task step by step.
//!
//! * Making and opening rings: [`Ring`], [`RingBuilder`], [`schema!`](macro@schema);
//!   looking at them: [`list`], [`inspect`](fn@inspect), [`Ring::stats`].
//! * Sending: [`Sender`]; in place, [`Sender::reserve`] and [`Grant`]; large messages,
//!   [`Sender::send_ref`].
//! * Receiving: [`Receiver`]; in place, [`Receiver::lease`] and [`Lease`]; large messages,
//!   [`Receiver::recv_into`].
//! * Waiting: [`WaitStrategy`] of an endpoint, or your own [`IdleStrategy`]; [`Wakeups`] and
//!   [`FenceMode`] of a ring; [`Canceller`].
//! * Waiting for any of many: [`select!`](macro@select), [`Select`].
//! * Meeting at a Unix domain socket, and messages over it: the module `uds` (Linux, not with
//!   the feature `portable`).
//! * Async, by futures for any runtime: [`Receiver::recv_async`], [`Sender::send_async`] and
//!   the like; for event loops, [`Receiver::ready_fd`].
//! * Shared variables, under locks: [`sync`].
//! * Calls between processes: [`rpc`].
//!
//! # Capacity and layout
//!
//! A ring of one sender and one receiver holds exactly as many messages as its maker asked for.
//! For the other kinds the capacity is rounded up to a power of two; [`Ring::capacity`] returns
//! it.
//!
//! The maker of a ring of one sender and one receiver chooses how its messages lie in memory
//! ([`Layout`], [`RingBuilder::layout`]). In *lines*, a cache line holds several messages of up
//! to 56 bytes and the word that publishes them, so a message that a receiver waits for costs one
//! cache line. *Dense* messages lie one after the other, with one word for all. Batches of small
//! messages (of 8 bytes, say) pass faster in this layout, but a message that a receiver waits for
//! costs a second cache line. By default messages that fit into a line lie in lines. Rings with
//! many endpoints on a side have slots, each with a word of its own.
//!
//! A [rendezvous](RingBuilder::rendezvous) ring has capacity 0: a send returns when a receiver
//! has acknowledged the message.
//!
//! # When a process dies
//!
//! Every endpoint holds a lock that the kernel drops when the endpoint's process dies, in
//! whatever way, and at no other time. If a process dies, its peers find that lock free and
//! recover what the process held. No time-out decides anything: a process that is stopped keeps
//! what it holds.
//!
//! * A message for which [`Sender::send`] returned `Ok` is in the ring, and stays there when the
//!   sender dies. A message that the sender was still writing never existed.
//! * [`Receiver::recv`] acknowledges the message before it returns. If the caller dies with the
//!   message, the message is gone: delivery is at most once. A [`Lease`] is acknowledged when it
//!   is released, and only then: delivery is at least once. If a panic, a `?` or the death of the
//!   process drops the lease, the message is given back. See [`OnDeath`].
//! * [`Ring::close`] is final: receivers drain the ring and then see `Closed`. A send that
//!   overlaps the close either returns `Ok`, and its message will be received, or fails, and its
//!   message never will be. `Disconnected` means that every peer that this endpoint saw since it
//!   attached has detached or died. An endpoint that has seen none waits. The call works again
//!   when a peer attaches.
//! * Endpoints do not survive `fork` in the child: there, each call returns [`Failure::Forked`].
//!   A child has to open the ring itself.
//! * The `try_` verbs take no lock, and on a typed ring `try_send`, `try_recv` and `try_reserve`
//!   allocate nothing. So a signal handler may call these three on endpoints of its own, unless
//!   the feature `tracing` is on, whose subscriber may lock. A signal handler may not take leases
//!   or batches, attach, detach or open. The repository's `docs/signals-and-forks.md` says more.
//!
//! # Errors
//!
//! Errors borrow nothing: `?` converts each of them into `Box<dyn Error + Send + Sync>` or
//! [`std::io::Error`]. A typed message that was not sent comes back in the error. The bytes of a
//! byte message stay with the caller.
//!
//! ```
//! # use memring::{Ring, Spsc};
//! fn log(lines: &[String]) -> Result<(), Box<dyn std::error::Error>> {
//!     let ring = Ring::<[u8], Spsc>::anonymous(8)?;
//!     let mut sender = ring.sender()?;
//!     for line in lines {
//!         sender.send(line.as_bytes())?;
//!     }
//!     match sender.try_send(b"one more") {
//!         Err(error) if error.is_full() => println!("no room"),
//!         other => other?,
//!     }
//!     Ok(())
//! }
//! # log(&["a line".to_string()]).unwrap();
//! ```
//!
//! # Events
//!
//! With the feature `tracing` (off by default), the crate emits these events, with target
//! `memring`. Each has the field `ring`, the path of the ring or `(anonymous)`. None comes from a
//! fast path.
//!
//! | event | level | fields | when |
//! |---|---|---|---|
//! | endpoint attached | DEBUG | `side`, `id` | an endpoint attached |
//! | endpoint takes over from one that died | INFO | `side`, `id` | an endpoint attached under the id of a dead endpoint |
//! | endpoint detached | DEBUG | `id` | an endpoint, and all its clones, were dropped |
//! | recovered what a dead endpoint held | WARN | `redelivered`, `lost` | messages were given back to be received again, or dropped ([`OnDeath`]) |
//! | messages given back | DEBUG | `id`, `messages` | a lease was dropped or requeued by an endpoint that is alive |
//! | shared memory contradicts itself: this handle refuses all work | ERROR | `what`, `position`, `found` | [`Corruption`] was found |
//!
//! # Limits
//!
//! The crate needs 64-bit Linux with `/proc`, or the feature `portable`. That feature is the only
//! backend on macOS and Windows, and promises less (`docs/portable.md`). The owner of a named
//! ring's file can truncate it, and a process that touches the file then dies of SIGBUS. An
//! anonymous ring is sealed against that. Hostile peers can drop, forge or stall messages.
#![cfg_attr(loom, allow(dead_code, unused_imports))]
// What passes descriptors on, and what polls them, is not there.
#![cfg_attr(windows, allow(dead_code, unused_imports))]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("memring needs a 64-bit machine: build for a 64-bit target");
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!(
    "memring needs Linux, or macOS or Windows by its portable backend: see docs/portable.md for \
     what another system would need"
);

mod error;
#[cfg(not(loom))]
mod events;
#[cfg(not(loom))]
pub mod guide;
mod members;
mod message;
#[cfg(all(test, loom))]
mod models;
mod ring;
mod shm;
pub mod sync;
mod sys;
mod wait;

#[cfg(not(loom))]
mod admin;
#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
pub mod rpc;
#[cfg(all(target_os = "linux", not(feature = "portable"), not(loom)))]
pub mod uds;

/// Its items, where [`uds`](mod@crate::uds) is: for the repository's own tests.
#[cfg(all(target_os = "linux", not(feature = "portable"), not(loom)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __where_sockets_are {
    ($($item:item)*) => { $($item)* };
}

/// As above, where it is not.
#[cfg(not(all(target_os = "linux", not(feature = "portable"), not(loom))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __where_sockets_are {
    ($($item:item)*) => {};
}

/// The crate whose traits mark messages as plain data, in the version that this crate uses:
/// `#[derive(memring::bytemuck::Pod)]` needs `#[bytemuck(crate = "memring::bytemuck")]` beside
/// it, unless the manifest names `bytemuck` too.
pub use bytemuck;

#[cfg(not(loom))]
pub use admin::{FORMAT_VERSION, Inspection, ListEntry, directory, inspect, list, remove};
#[cfg(all(unix, not(loom)))]
pub use channel::ReadyFd;
#[cfg(not(loom))]
pub use channel::{
    After, Canceller, Grant, GrantChunk, IntoIter, Iter, Lease, LeaseBatch, LeaseChunk,
    LeaseFuture, LeaseIter, LeaseReader, LeaseSnapshot, LeasedMessage, Never, Receiver, RecvFuture,
    RecvReadyFuture, ReserveFuture, Ring, RingBuilder, Select, SelectReceiver, SelectSender,
    Selectable, SendFuture, SendReadyFuture, Sender, Stats, Ticker, Token, TryIter, after, at,
    channel, never, tick,
};
#[cfg(all(feature = "futures", not(loom)))]
pub use channel::{RecvStream, SendSink};
pub use error::{
    AttachError, Corruption, Failure, Holder, Mismatch, ReadyTimeoutError, RecvError,
    RecvTimeoutError, RingError, SendBatchError, SendBatchTimeoutError, SendError,
    SendTimeoutError, Side, TryReadyError, TryRecvError, TrySendBatchError, TrySendError,
    UnknownName, WaitForPeerError,
};
pub use members::Peer;
pub use message::schema::{Schema, fingerprint};
pub use message::{Message, Untyped};
#[cfg(not(loom))]
pub use ring::config::MessageKind;
pub use ring::kind::{
    Kind, ManyReceivers, ManySenders, Mpmc, Mpsc, OneReceiver, RingKind, Spmc, Spsc,
};
#[cfg(not(loom))]
pub use ring::options::{FenceMode, Layout, OnDeath, Wakeups};
#[cfg(not(loom))]
pub use shm::Warning;
#[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
#[doc(hidden)]
pub use sys::failpoints;
/// What [`select!`] becomes; not for others to use.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __select {
    pub use crate::channel::{
        Arm, ClaimedArm, Limit, RecvArm, RecvOperand, SelectReceiver, SendArm, SendOperand,
        SourceRef, run,
    };
}
pub use wait::{Idle, IdleStrategy, WaitStrategy};

/// As below, where there are sockets.
#[cfg(all(doctest, target_os = "linux", not(feature = "portable")))]
#[doc = include_str!("../docs/uds.md")]
#[doc = include_str!("../docs/which.md")]
mod documents_of_sockets {}

/// The code of the documents compiles, and runs.
#[cfg(doctest)]
#[doc = include_str!("../docs/select.md")]
#[doc = include_str!("../docs/async.md")]
#[doc = include_str!("../docs/rpc.md")]
mod documents {}

#[cfg(doctest)]
#[doc = include_str!("../docs/sync.md")]
mod documents_of_sync {}
