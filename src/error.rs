//! Everything that can go wrong, each with a line that says what was expected,
//! what was found and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The two sides of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those who send.
    Sender,
    /// Those who receive.
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

/// A value in shared memory that no sequence of operations can produce: a
/// broken or hostile peer wrote it. The handle refuses all work from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ring's memory is corrupted: impossible {what} at position {position} (found {found:#x}); \
     detach, remove the ring and make it anew"
)]
#[non_exhaustive]
pub struct Corruption {
    /// What was looked at.
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
    /// A peer broke the rules of the shared memory.
    #[error(transparent)]
    Corrupted(#[from] Corruption),
    /// This endpoint was inherited over `fork`; it belongs to the parent.
    #[error(
        "this endpoint belongs to the process that attached it, not to its forked child; \
         open the ring anew in the child"
    )]
    Forked,
}

macro_rules! messages_hidden {
    ($name:ident { $($variant:ident => $text:literal),* }) => {
        impl<M> fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str(stringify!($variant)),)*
                    Self::Failed(_, failure) => f.debug_tuple("Failed").field(failure).finish(),
                }
            }
        }

        impl<M> fmt::Display for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str($text),)*
                    Self::Failed(_, failure) => fmt::Display::fmt(failure, f),
                }
            }
        }

        impl<M> std::error::Error for $name<M> {}

        impl<M> $name<M> {
            /// The message that was not sent.
            pub fn into_message(self) -> M {
                match self {
                    $(Self::$variant(message) => message,)*
                    Self::Failed(message, _) => message,
                }
            }
        }
    };
}

/// Why [`Sender::try_send`](crate::Sender::try_send) did not send. The message
/// comes back inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<M> {
    /// There is no room now.
    Full(M),
    /// The ring is closed for good.
    Closed(M),
    /// There is no room, and nobody left to make any: all receivers have gone.
    Disconnected(M),
    /// The operation cannot be carried out.
    Failed(M, Failure),
}

messages_hidden!(TrySendError {
    Full => "the ring is full",
    Closed => "the ring is closed",
    Disconnected => "the ring is full and all receivers have gone"
});

/// Why [`Sender::send`](crate::Sender::send) gave up. The message comes back
/// inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<M> {
    /// The ring is closed for good.
    Closed(M),
    /// There is no room, and nobody left to make any: all receivers have gone.
    Disconnected(M),
    /// The operation cannot be carried out.
    Failed(M, Failure),
}

messages_hidden!(SendError {
    Closed => "the ring is closed",
    Disconnected => "the ring is full and all receivers have gone"
});

/// Why [`Sender::send_timeout`](crate::Sender::send_timeout) gave up. The
/// message comes back inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<M> {
    /// There was no room in time.
    Timeout(M),
    /// The ring is closed for good.
    Closed(M),
    /// There is no room, and nobody left to make any: all receivers have gone.
    Disconnected(M),
    /// The operation cannot be carried out.
    Failed(M, Failure),
}

messages_hidden!(SendTimeoutError {
    Timeout => "the ring stayed full until the deadline",
    Closed => "the ring is closed",
    Disconnected => "the ring is full and all receivers have gone"
});

/// Why [`Sender::send_batch`](crate::Sender::send_batch) ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause} (after {sent} messages of the batch were sent)")]
#[non_exhaustive]
pub struct SendBatchError<M> {
    /// How many messages were sent before.
    pub sent: usize,
    /// What happened, with the first message that was not sent.
    pub cause: SendError<M>,
}

/// Why [`Receiver::try_recv`](crate::Receiver::try_recv) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// There is no message now.
    #[error("the ring is empty")]
    Empty,
    /// The ring is closed for good, and drained.
    #[error("the ring is closed and empty")]
    Closed,
    /// There is no message, and all senders have gone.
    #[error("the ring is empty and all senders have gone")]
    Disconnected,
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
    /// There is no message, and all senders have gone.
    #[error("the ring is empty and all senders have gone")]
    Disconnected,
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why [`Receiver::recv_timeout`](crate::Receiver::recv_timeout) gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvTimeoutError {
    /// There was no message in time.
    #[error("the ring stayed empty until the deadline")]
    Timeout,
    /// The ring is closed for good, and drained.
    #[error("the ring is closed and empty")]
    Closed,
    /// There is no message, and all senders have gone.
    #[error("the ring is empty and all senders have gone")]
    Disconnected,
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why an endpoint could not attach.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The side admits one endpoint, and a living one has it.
    #[error(
        "the ring's only {side} is attached already{}; wait for it to detach, or use a kind \
         of ring with many {side}s", holder_text(*holder)
    )]
    Occupied {
        /// Which side.
        side: Side,
        /// Process id of the holder as it gave it, for display only.
        holder: Option<u32>,
    },
    /// The participant table has no place left on this side.
    #[error("all {limit} places for {side}s are taken by living endpoints; detach one")]
    TooMany {
        /// Which side.
        side: Side,
        /// How many places there are.
        limit: usize,
    },
    /// Parking was asked for on a ring whose endpoints never sleep.
    #[error(
        "this ring was made with Wake::SpinOnly, on which nobody is woken: \
         attach with WaitStrategy::Spin, or make the ring with Wake::Blocking"
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

/// Why a ring could not be made, opened, removed or inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The name cannot be that of a ring.
    #[error("invalid ring name {name:?}: {reason}")]
    InvalidName {
        /// The name given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A parameter of the ring to be made is out of range.
    #[error("invalid {what}: expected {expected}, found {found}")]
    InvalidOption {
        /// Which parameter.
        what: &'static str,
        /// What would do.
        expected: String,
        /// What was given.
        found: String,
    },
    /// There is no ring of that name.
    #[error("no ring at {}: create it first, or wait for its creator", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a file of that name already.
    #[error("{} exists already: open it, or remove it first", path.display())]
    AlreadyExists {
        /// Where it is.
        path: PathBuf,
    },
    /// The file is not a ring, or not the ring that was asked for.
    #[error("{}: {mismatch}", place(path))]
    Mismatch {
        /// The file, if it has a name.
        path: Option<PathBuf>,
        /// What differs.
        mismatch: Mismatch,
    },
    /// The directory of rings cannot be trusted.
    #[error("directory {} {reason}; set MEMRING_DIR to a directory of your own with mode 0700", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is not enough memory or disk for the ring.
    #[error(
        "no space for a ring of {needed} bytes in {}: free some, or choose a smaller capacity",
        place(path)
    )]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Where, if the ring was to have a name.
        path: Option<PathBuf>,
    },
    /// The kernel lacks something that this ring needs.
    #[error("this system lacks {what}: {remedy}")]
    Unsupported {
        /// What is missing.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The name kept appearing and disappearing.
    #[error("{} was created and removed by others {tries} times while opening it; try again", path.display())]
    Unstable {
        /// The path.
        path: PathBuf,
        /// How often it was tried.
        tries: u32,
    },
    /// This handle was inherited over `fork`.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The system refused a call.
    #[error("cannot {action} {}: {source}", place(path))]
    Os {
        /// What was being done.
        action: &'static str,
        /// With what, if it has a name.
        path: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
}

fn place(path: &Option<PathBuf>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => "an anonymous ring".into(),
    }
}

/// Each way in which a file can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The first bytes are not those of a ring.
    #[error("not a memring segment: expected magic {expected:02x?}, found {found:02x?}")]
    Magic {
        /// The magic bytes.
        expected: [u8; 8],
        /// The bytes there.
        found: [u8; 8],
    },
    /// The file is shorter than its header, or than the header says.
    #[error(
        "too short: expected {expected} bytes, found {found}; it was truncated or is not a ring"
    )]
    TooShort {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Made by a crate with another format.
    #[error(
        "format version {found}, but this program speaks version {expected}; use programs built on the same format"
    )]
    Version {
        /// This crate's.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// Made on a machine with the other byte order.
    #[error(
        "byte order mark {found:#010x}, expected {expected:#010x}: made on a machine of the other byte order"
    )]
    ByteOrder {
        /// This machine's.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// Another kind of ring.
    #[error("a ring of kind {found}, expected {expected}")]
    Kind {
        /// Asked for.
        expected: String,
        /// Found.
        found: String,
    },
    /// Typed against bytes.
    #[error("a ring of {found}, expected one of {expected}")]
    Shape {
        /// Asked for.
        expected: &'static str,
        /// Found.
        found: &'static str,
    },
    /// A message type of another size.
    #[error("messages of {found} bytes, expected {expected}: not the same type")]
    MessageSize {
        /// Size of `T` here.
        expected: u64,
        /// Size in the file.
        found: u64,
    },
    /// A message type of another alignment.
    #[error("messages aligned to {found} bytes, expected {expected}: not the same type")]
    MessageAlign {
        /// Alignment of `T` here.
        expected: u64,
        /// Alignment in the file.
        found: u64,
    },
    /// Another schema tag.
    #[error(
        "schema tag {found:#x}, expected {expected:#x}: the two programs do not mean the same messages"
    )]
    Schema {
        /// Asked for.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// A capacity that cannot be.
    #[error("capacity {found}: expected a power of two from 1 to {max}")]
    Capacity {
        /// The most slots that a ring may have.
        max: u64,
        /// Found.
        found: u64,
    },
    /// A number in the header that contradicts the others.
    #[error("header field {field}: expected {expected}, found {found}; the header is damaged")]
    Field {
        /// Which.
        field: &'static str,
        /// What follows from the rest.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// A symbolic link.
    #[error("is a symbolic link, expected a regular file; name the file itself")]
    Symlink,
    /// Not a regular file.
    #[error("is a {found}, expected a regular file")]
    FileType {
        /// What it is.
        found: &'static str,
    },
    /// Somebody else's file.
    #[error("belongs to user {found}, expected {expected}; allow foreign rings if you trust them")]
    Owner {
        /// Us.
        expected: u32,
        /// Its owner.
        found: u32,
    },
    /// Others may write to it.
    #[error(
        "has mode {found:04o}: expected no write permission for group or others; allow foreign rings if you trust them"
    )]
    Permissions {
        /// Its mode.
        found: u32,
    },
    /// A descriptor of memory that its giver can still shrink.
    #[error(
        "memory is not sealed against {missing}: expected a memfd with the seals shrink, grow and seal"
    )]
    Unsealed {
        /// What is missing.
        missing: &'static str,
    },
}
