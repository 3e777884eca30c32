//! Errors of a file: of its name, its directory or its bytes.

use std::io;
use std::path::PathBuf;

use super::Failure;

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
        /// Which values are valid.
        expected: String,
        /// The value given.
        found: String,
    },
    /// There is no ring of that name.
    #[error("no ring at {}: there is nothing to open or remove; create it, or wait for its creator", path.display())]
    NotFound {
        /// The path where the ring was looked for.
        path: PathBuf,
    },
    /// There is a file of that name already.
    #[error("{} exists already: open it, or remove it first", path.display())]
    AlreadyExists {
        /// Where it is.
        path: PathBuf,
    },
    /// The file is not a ring, or not the ring that the caller asked for.
    #[error("{}: {mismatch}", place(path))]
    Mismatch {
        /// The file, if it has a name.
        path: Option<PathBuf>,
        /// What differs.
        mismatch: Mismatch,
    },
    /// The directory of rings cannot be trusted.
    #[error("directory {} {reason}; {remedy}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A closed ring has the name. It cannot be replaced yet: it holds messages that were not
    /// received, or endpoints are still attached.
    #[error(
        "{} is closed, with {messages} messages left in it and {attached} endpoints attached: \
         {}",
        path.display(), closed_remedy(*messages)
    )]
    Closed {
        /// Where it is.
        path: PathBuf,
        /// Messages that no receiver has acknowledged.
        messages: usize,
        /// Senders and receivers that are attached and alive.
        attached: usize,
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
    /// The ring would be larger than the file size limit of this process.
    #[error(
        "a ring of {needed} bytes in {} is larger than the file size limit of this process, \
         {limit} bytes: raise that (ulimit -f, RLIMIT_FSIZE), or choose a smaller capacity",
        place(path)
    )]
    FileSizeLimit {
        /// Bytes needed.
        needed: u64,
        /// Maximum bytes of a file.
        limit: u64,
        /// Where, if the ring was to have a name.
        path: Option<PathBuf>,
    },
    /// The shared objects have their maximum number of handles, all in processes that are alive.
    #[error(
        "all {limit} handles of {} are open in processes that are alive: drop one (clones count \
         for nothing), or make it with more (`max_handles`)",
        place(path)
    )]
    TooManyHandles {
        /// Where it is, if it has a name.
        path: Option<PathBuf>,
        /// The maximum number of handles.
        limit: usize,
    },
    /// The kernel lacks something that this ring needs.
    #[error("this system lacks {what}: {remedy}")]
    Unsupported {
        /// What is missing.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Other processes created and removed the name again and again.
    #[error("{} was created and removed by others {tries} times while opening it; try again", path.display())]
    Unstable {
        /// The path of the name.
        path: PathBuf,
        /// How many attempts were made.
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
        /// The file that the call was for, if it has a name.
        path: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
}

fn closed_remedy(messages: usize) -> &'static str {
    match messages {
        0 => "wait until they detach, or replace it all the same with `recreate`",
        _ => {
            "drain it (open it, and receive until `Closed`), or replace it, and drop them, with \
             `recreate`"
        }
    }
}

fn place(path: &Option<PathBuf>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => "an anonymous ring".into(),
    }
}

/// The name of a kind of object, for people. The numbers are those of docs/format.md.
fn object(kind: u32) -> String {
    match kind {
        1 => "a ring (object of kind 1)".into(),
        2 => "shared objects, such as locks (object of kind 2)".into(),
        _ => format!("an object of the unknown kind {kind}"),
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The first bytes are not those of a ring.
    #[error("not a memring file (no magic number at offset 0)")]
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
        /// Bytes expected.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// The file was made by a version of the crate with another format.
    #[error(
        "format version {found}, but this program speaks version {expected}; use programs built on the same format"
    )]
    Version {
        /// This crate's.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// Another kind of object.
    #[error("{}, expected {expected}", object(*found))]
    Object {
        /// Asked for.
        expected: &'static str,
        /// Number of the kind in the file.
        found: u32,
    },
    /// The object has another layout version.
    #[error(
        "{object} in layout version {found}, but this program speaks version {expected}; use programs built on the same format"
    )]
    ObjectVersion {
        /// What it is.
        object: &'static str,
        /// This crate's.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// The file was made on a machine with the other byte order.
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
    /// One side expects typed messages, the other byte messages.
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
    /// An option of a ring that exists is not the one that was asked for.
    #[error(
        "{what} {found}, expected {expected}: open it with what it has, or make another with \
         `recreate`"
    )]
    Option {
        /// Which option.
        what: &'static str,
        /// Asked for.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// The caller asked for a rendezvous ring, and the ring has a capacity above 0.
    #[error(
        "a ring of capacity {found}, expected a rendezvous ring, of capacity 0: open it without \
         `rendezvous`, or make another with `recreate`"
    )]
    NoRendezvous {
        /// The capacity found.
        found: u64,
    },
    /// An invalid capacity.
    #[error(
        "capacity {found}: expected 0 to {max}, and a power of two unless there is one sender and \
         one receiver"
    )]
    Capacity {
        /// The most messages that a ring may hold.
        max: u64,
        /// Found.
        found: u64,
    },
    /// A group of shared objects has no part of this name.
    #[error("no part {name:?}: expected one of {found}")]
    NoPart {
        /// Asked for.
        name: String,
        /// The parts of the group.
        found: String,
    },
    /// A part of a group of shared objects, or the only one, is not what was asked for.
    #[error("part {name:?}: {what} {found}, expected {expected}: not the same type")]
    Part {
        /// Name of the part; empty if the file holds only one.
        name: String,
        /// What differs.
        what: &'static str,
        /// Asked for.
        expected: String,
        /// Found.
        found: String,
    },
    /// A field of the header contradicts the others.
    #[error("header field {field}: expected {expected}, found {found}; the header is damaged")]
    Field {
        /// Which field.
        field: &'static str,
        /// The value that follows from the others.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// The path is a symbolic link.
    #[error("is a symbolic link, expected a regular file; name the file itself")]
    Symlink,
    /// Not a regular file.
    #[error("is a {found}, expected a regular file")]
    FileType {
        /// What it is.
        found: &'static str,
    },
    /// Another user's file.
    #[error(
        "belongs to user {found}, expected {expected}; to trust them, open it with allow_foreign (memring send, recv, lock: --allow-foreign)"
    )]
    Owner {
        /// Us.
        expected: u32,
        /// Its owner.
        found: u32,
    },
    /// Other users may write to the file.
    #[error(
        "has mode {found:04o}: expected no write permission for group or others; to trust them, open it with allow_foreign (memring send, recv, lock: --allow-foreign)"
    )]
    Permissions {
        /// Its mode.
        found: u32,
    },
    /// The file has several names.
    #[error(
        "has {found} names, expected 1: it was linked; remove the other names, or, to trust their makers, open it with allow_foreign (memring send, recv, lock: --allow-foreign)"
    )]
    Links {
        /// How many names the file has.
        found: u64,
    },
    /// The descriptor is of memory that is not made of ordinary pages.
    #[error(
        "memory is not on tmpfs: expected a memfd of ordinary pages, as `Ring::anonymous` makes it"
    )]
    NotTmpfs,
    /// The descriptor is of memory that the process that passed it can still shrink.
    #[error(
        "memory is not sealed against {missing}: expected a memfd with the seals shrink, grow and seal"
    )]
    Unsealed {
        /// What is missing.
        missing: &'static str,
    },
}
