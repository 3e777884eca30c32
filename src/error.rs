//! The errors of rings. Each has a text that says what was expected, what was found and what to
//! do.

mod batch;
mod convert;
mod locking;
mod opening;
mod questions;
mod sharing;
mod unknown;

use std::fmt;
use std::io;

pub use batch::{SendBatchError, SendBatchTimeoutError, TrySendBatchError};
pub use locking::{
    BarrierError, LockError, LockOwner, LockTimeoutError, OnceError, PoisonError, TryLockError,
};
pub use opening::{Mismatch, RingError};
pub use sharing::{AcquireTimeoutError, ReadError, TryAcquireError, WaitChangedError, WriterError};
pub use unknown::UnknownName;

/// The two sides of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Side {
    /// Senders.
    Sender,
    /// Receivers.
    Receiver,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Sender => "sender",
            Side::Receiver => "receiver",
        })
    }
}

/// A value in shared memory that no sequence of operations can produce: a broken or hostile peer
/// wrote the value. The handle refuses all work from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ring's memory is corrupted: invalid {what} at position {position} (found {found:#x}); \
     detach, remove the ring and make another"
)]
#[non_exhaustive]
pub struct Corruption {
    /// Which value was checked.
    pub what: &'static str,
    /// The position in the ring at which it was found.
    pub position: u64,
    /// The value found.
    pub found: u64,
}

/// Why an operation on an attached endpoint cannot be carried out at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A byte message that does not fit into a slot. Nothing was sent.
    #[error("message of {length} bytes is longer than the ring's limit of {limit} bytes")]
    TooLong {
        /// Bytes of the message.
        length: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// A message of a ring opened as [`Untyped`](crate::Untyped) that has not the ring's size.
    /// Nothing was sent.
    #[error("message of {length} bytes: each message of this ring has {size} bytes")]
    WrongSize {
        /// Bytes of the message.
        length: usize,
        /// Bytes of each message of the ring.
        size: usize,
    },
    /// A peer broke the rules of the shared memory.
    #[error(transparent)]
    Corrupted(#[from] Corruption),
    /// This endpoint was inherited over `fork` and belongs to the parent.
    #[error(
        "this endpoint belongs to the process that attached it, not to its forked child; \
         open the ring again in the child"
    )]
    Forked,
    /// This program has closed the ring's descriptor (as `closefrom` does), by which the kernel
    /// tells which processes are alive. A call that would wait could wait for a dead process, so
    /// it fails. Sending and receiving without waiting still work.
    #[error(
        "this process has closed the ring's descriptor, so it cannot tell whether its peers are \
         alive; keep descriptors that are not yours from closefrom, and open the ring again"
    )]
    DescriptorClosed,
    /// The call has no meaning on a rendezvous ring. Such a ring has no place for a message
    /// before a receiver takes it, so nothing can be reserved, and nothing can be looked at
    /// without being taken.
    #[error(
        "this call has no meaning on a rendezvous ring, which holds no messages: use send and \
         send_ref, recv and lease, or a ring with a capacity"
    )]
    NotForRendezvous,
    /// This process has as many read guards of one handle as can be counted: it must have leaked
    /// some.
    #[error(
        "this handle has {limit} read guards, and no more can be counted: drop guards, which this \
         process seems to leak"
    )]
    TooManyReaders {
        /// How many guards can be counted.
        limit: u32,
    },
    /// On a socket: a message came that is longer than this receiver takes. The message was not
    /// cut short, and the stream cannot go on behind it.
    #[error(
        "a message of {length} bytes came over the socket, and this receiver takes {limit} at \
         most: give both ends the same limit"
    )]
    TooLongToReceive {
        /// Bytes of the message, as far as they are known.
        length: usize,
        /// Bytes that this receiver takes.
        limit: usize,
    },
    /// On a socket: the bytes that came are not a frame of a message of this type.
    #[error(
        "what came over the socket is not a message: {what} (found {found}); is the program at \
         the other end one of this protocol, with messages of the same type?"
    )]
    NotAMessage {
        /// What was wrong.
        what: &'static str,
        /// The value found.
        found: u64,
    },
    /// On a socket: the system refused a call.
    #[error("cannot {action}: {}", std::io::Error::from_raw_os_error(*code))]
    System {
        /// What was being done.
        action: &'static str,
        /// The number of the error.
        code: i32,
    },
}

/// The endpoint that holds the slot that a call needs next. Its process is alive, but may be slow
/// or stopped: no other endpoint takes the slot away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Holder {
    /// Side of the endpoint.
    pub side: Side,
    /// Id of the endpoint in the table of members.
    pub id: u16,
    /// The process id that the endpoint gave when it attached: for display only.
    pub pid: u32,
    /// The position that the endpoint holds.
    pub position: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder {
            side,
            id,
            pid,
            position,
        } = self;
        write!(
            f,
            "{side} {id} (process {pid}) holds the slot of position {position}"
        )
    }
}

/// The end of the line about a call that did not get its slot.
fn because(holder: impl Into<Option<Holder>>) -> String {
    let holder = holder.into();
    holder.map_or_else(String::new, |holder| format!(": {holder}"))
}

/// Errors that carry the unsent message do not show it, since the message may not be `Debug`.
macro_rules! messages_hidden {
    ($name:ident { $($variant:ident => $text:literal),* $(; $held:ident => $said:literal)* }) => {
        impl<M> fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str(stringify!($variant)),)*
                    $(Self::$held(_, holder) => f.debug_tuple(stringify!($held)).field(holder).finish(),)*
                    Self::Failed(_, failure) => f.debug_tuple("Failed").field(failure).finish(),
                }
            }
        }

        impl<M> fmt::Display for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str($text),)*
                    $(Self::$held(_, holder) => write!(f, "{}{}", $said, because(*holder)),)*
                    Self::Failed(_, failure) => fmt::Display::fmt(failure, f),
                }
            }
        }

        impl<M> std::error::Error for $name<M> {}

        impl<M> $name<M> {
            /// The message that was not sent. For a byte message this is `()`: the caller still
            /// has its bytes.
            ///
            /// Example: [`Sender::send_timeout`](crate::Sender::send_timeout).
            pub fn into_message(self) -> M {
                match self {
                    $(Self::$variant(message) => message,)*
                    $(Self::$held(message, _) => message,)*
                    Self::Failed(message, _) => message,
                }
            }

            /// The same as [`into_message`](Self::into_message), under the name that
            /// crossbeam-channel and tokio use.
            ///
            /// Example: [`Sender::try_send_batch`](crate::Sender::try_send_batch).
            pub fn into_inner(self) -> M {
                self.into_message()
            }

            /// The same error, without the message.
            fn without_message(self) -> $name<()> {
                match self {
                    $(Self::$variant(_) => $name::$variant(()),)*
                    $(Self::$held(_, holder) => $name::$held((), holder),)*
                    Self::Failed(_, failure) => $name::Failed((), failure),
                }
            }
        }
    };
}

/// Why [`Sender::try_send`](crate::Sender::try_send) did not send. A typed message comes back in
/// the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<M> {
    /// There is no room now. On a rendezvous ring: no receiver waits.
    Full(M),
    /// Another endpoint, whose process is alive, holds the slot that comes next: there may be
    /// room behind that slot.
    Held(M, Holder),
    /// The ring is closed for good.
    Closed(M),
    /// There is no room, and every receiver that this sender saw since it attached has detached
    /// or died.
    Disconnected(M),
    /// The ring was removed, or replaced by another ring of its name: no receiver would get what
    /// this sender sends. Open or create it again.
    Removed(M),
    /// The operation cannot be carried out.
    Failed(M, Failure),
}

messages_hidden!(TrySendError {
    Full => "the ring is full (a rendezvous ring: no receiver waits)",
    Closed => "the ring is closed",
    Disconnected => "there is no room, and all receivers have gone",
    Removed => "the ring was removed; open or make it again";
    Held => "no room yet"
});

/// Why [`Sender::send`](crate::Sender::send) gave up. A typed message comes back in the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<M> {
    /// The ring is closed for good.
    Closed(M),
    /// There is no room, and every receiver that this sender saw since it attached has detached
    /// or died.
    Disconnected(M),
    /// The ring was removed, or replaced by another ring of its name: no receiver would get what
    /// this sender sends. Open or create it again.
    Removed(M),
    /// There was no room, and the sender is [cancelled](crate::Canceller).
    Cancelled(M),
    /// The operation cannot be carried out.
    Failed(M, Failure),
}

messages_hidden!(SendError {
    Closed => "the ring is closed",
    Disconnected => "there is no room, and all receivers have gone",
    Removed => "the ring was removed; open or make it again",
    Cancelled => "the ring is full (a rendezvous ring: no receiver took the message), and the call was cancelled; `Canceller::reset` lets calls wait again"
});

/// Why [`Sender::send_timeout`](crate::Sender::send_timeout) gave up. A typed message comes back
/// in the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<M> {
    /// There was no room by the deadline. If an endpoint holds the slot in question, this names
    /// it. On a rendezvous ring: no receiver took the message by the deadline.
    Timeout(M, Option<Holder>),
    /// On a rendezvous ring: at the deadline a receiver that is alive held the message. The send
    /// is neither done nor undone. The receiver may still acknowledge the message; or it may give
    /// the message back, or die, and then another receiver may get the message. The message no
    /// longer belongs to this sender: sending it once more may deliver it twice.
    InHand(M, Holder),
    /// The ring is closed for good.
    Closed(M),
    /// There is no room, and every receiver that this sender saw since it attached has detached
    /// or died.
    Disconnected(M),
    /// The ring was removed, or replaced by another ring of its name: no receiver would get what
    /// this sender sends. Open or create it again.
    Removed(M),
    /// There was no room, and the sender is [cancelled](crate::Canceller).
    Cancelled(M),
    /// The operation cannot be carried out.
    Failed(M, Failure),
}

messages_hidden!(SendTimeoutError {
    Closed => "the ring is closed",
    Disconnected => "there is no room, and all receivers have gone",
    Removed => "the ring was removed; open or make it again",
    Cancelled => "the ring is full (a rendezvous ring: no receiver took the message), and the call was cancelled; `Canceller::reset` lets calls wait again";
    Timeout => "the ring stayed full (a rendezvous ring: no receiver took the message) until the deadline";
    InHand => "a receiver had the message in hand at the deadline, and may acknowledge it still"
});

/// Why [`Receiver::wait_for_peer`](crate::Receiver::wait_for_peer) ended without a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitForPeerError {
    /// No peer attached by the deadline.
    #[error("no peer attached in time")]
    Timeout,
    /// No peer is attached, and the ring is closed for good.
    #[error("the ring is closed, and no peer is attached")]
    Closed,
    /// No peer is attached, and the ring was removed, so no peer can attach by its name. Open or
    /// create it again.
    #[error("the ring was removed, and no peer is attached; open or make it again")]
    Removed,
    /// No peer is attached, and the endpoint is [cancelled](crate::Canceller).
    #[error(
        "no peer is attached, and the call was cancelled; `Canceller::reset` lets calls wait again"
    )]
    Cancelled,
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why [`Receiver::try_recv`](crate::Receiver::try_recv) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// There is no message now.
    #[error("the ring is empty")]
    Empty,
    /// Another endpoint, whose process is alive, holds the slot that comes next: there may be
    /// messages behind that slot.
    #[error("no message yet{}", because(*.0))]
    Held(Holder),
    /// The ring is closed for good, and drained.
    #[error("the ring is closed and empty")]
    Closed,
    /// There is no message, and every sender that this receiver saw since it attached has
    /// detached or died.
    #[error("the ring is empty and all senders have gone")]
    Disconnected,
    /// The ring was removed, or replaced by another ring of its name, and is drained. Open or
    /// create it again.
    #[error("the ring was removed and is empty; open or make it again")]
    Removed,
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why [`Receiver::recv`](crate::Receiver::recv) gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// The ring is closed for good, and drained.
    #[error("the ring is closed and empty")]
    Closed,
    /// There is no message, and every sender that this receiver saw since it attached has
    /// detached or died.
    #[error("the ring is empty and all senders have gone")]
    Disconnected,
    /// The ring was removed, or replaced by another ring of its name, and is drained. Open or
    /// create it again.
    #[error("the ring was removed and is empty; open or make it again")]
    Removed,
    /// There was no message, and the receiver is [cancelled](crate::Canceller).
    #[error(
        "the ring is empty, and the call was cancelled; `Canceller::reset` lets calls wait again"
    )]
    Cancelled,
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why [`Receiver::recv_timeout`](crate::Receiver::recv_timeout) gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvTimeoutError {
    /// There was no message by the deadline. If an endpoint holds the slot in question, this
    /// names it.
    #[error("the ring stayed empty until the deadline{}", because(*.0))]
    Timeout(Option<Holder>),
    /// The ring is closed for good, and drained.
    #[error("the ring is closed and empty")]
    Closed,
    /// There is no message, and every sender that this receiver saw since it attached has
    /// detached or died.
    #[error("the ring is empty and all senders have gone")]
    Disconnected,
    /// The ring was removed, or replaced by another ring of its name, and is drained. Open or
    /// create it again.
    #[error("the ring was removed and is empty; open or make it again")]
    Removed,
    /// There was no message, and the receiver is [cancelled](crate::Canceller).
    #[error(
        "the ring is empty, and the call was cancelled; `Canceller::reset` lets calls wait again"
    )]
    Cancelled,
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why [`Select::try_ready`](crate::Select::try_ready) named no endpoint: none was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint of the set is ready")]
pub struct TryReadyError;

/// Why [`Select::ready_timeout`](crate::Select::ready_timeout) named no endpoint: none was ready
/// by the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint of the set was ready in time")]
pub struct ReadyTimeoutError;

/// Why an endpoint could not attach.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The side admits one endpoint, and an endpoint that is alive is attached.
    #[error(
        "the ring's only {side} is attached already{}; wait for it to detach, or use a kind \
         of ring with many {side}s", holder_text(*holder)
    )]
    Occupied {
        /// Which side.
        side: Side,
        /// Process id that the holder gave, for display only.
        holder: Option<u32>,
    },
    /// The table of members has no id left for this side.
    #[error("all {limit} places for {side}s are taken by endpoints that are alive; detach one")]
    TooMany {
        /// Which side.
        side: Side,
        /// How many places there are.
        limit: usize,
    },
    /// Parking was asked for on a ring whose endpoints never sleep.
    #[error(
        "this ring was made with Wakeups::SpinOnly, on which no waiter is woken: \
         attach with WaitStrategy::Spin, or make the ring with Wakeups::Blocking"
    )]
    CannotPark,
    /// The handle cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The system refused a call.
    #[error("cannot {action}: {source}")]
    Os {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn holder_text(holder: Option<u32>) -> String {
    match holder {
        Some(pid) => format!(" (by process {pid})"),
        None => String::new(),
    }
}
