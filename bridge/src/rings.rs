//! Rings whose kind and messages are known at run time only, as the ends of streams.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use memring::{
    Inspection, Kind, LeaseBatch, LeasedMessage, Message, MessageKind, Mpmc, Mpsc, Ring,
    RingBuilder, RingError, RingKind, Sender, Spmc, Spsc, TrySendError, Untyped,
};

use crate::packet::Shape;
use crate::receiver::Target;
use crate::sender::{Leased, Source};

/// Messages as bytes, whatever they are: of byte rings and of typed ones.
pub trait Carried: for<'a> Message<Sent<'a> = &'a [u8], Received = Vec<u8>, Unsent = ()> {
    /// Bytes of a leased message.
    fn length(message: &LeasedMessage<'_, Self>) -> usize;

    /// Copies a leased message, into as many bytes as it has.
    fn copy(message: &LeasedMessage<'_, Self>, bytes: &mut [u8]);
}

impl Carried for [u8] {
    fn length(message: &LeasedMessage<'_, [u8]>) -> usize {
        message.len()
    }

    fn copy(message: &LeasedMessage<'_, [u8]>, bytes: &mut [u8]) {
        message.copy_to(bytes);
    }
}

impl Carried for Untyped {
    fn length(message: &LeasedMessage<'_, Untyped>) -> usize {
        message.size()
    }

    fn copy(message: &LeasedMessage<'_, Untyped>, bytes: &mut [u8]) {
        message.copy_to(bytes);
    }
}

/// What is done with a ring once its kind and its messages are known.
pub trait Job {
    /// Does it.
    ///
    /// # Errors
    /// Whatever goes wrong.
    fn run<T: Carried + ?Sized, K: Kind>(self, ring: Ring<T, K>) -> Result<()>;
}

/// What a ring is.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its kind.
    pub kind: RingKind,
    /// What its messages are.
    pub shape: Shape,
    /// How many it holds.
    pub capacity: usize,
}

/// Looks at a ring.
///
/// # Errors
/// If it is not there, no ring, or one that no bridge carries.
pub fn look(name: &str) -> Result<Option<Found>> {
    let found = match memring::inspect(name) {
        Ok(found) => found,
        Err(RingError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    check(name, &found)?;
    Ok(Some(Found {
        path: found.path.clone(),
        kind: found.kind,
        shape: Shape::of(found.message, found.schema),
        capacity: found.capacity,
    }))
}

fn check(name: &str, found: &Inspection) -> Result<()> {
    if found.is_rendezvous() {
        bail!(
            "{name} is a rendezvous ring, whose messages wait for their receiver: a bridge needs a \
             ring with a capacity"
        );
    }
    if found.service_ring().is_some() {
        bail!(
            "{name} is a service's: a bridge carries no calls, only rings that are not a service's"
        );
    }
    Ok(())
}

/// Opens a ring that was looked at, and does `job` with it.
///
/// # Errors
/// If it is another by now; those of the job.
pub fn open(name: &str, found: &Found, job: impl Job) -> Result<()> {
    match (found.kind, found.shape.message) {
        (RingKind::Spsc, MessageKind::Bytes { .. }) => open_as::<[u8], Spsc>(name, found, job),
        (RingKind::Mpsc, MessageKind::Bytes { .. }) => open_as::<[u8], Mpsc>(name, found, job),
        (RingKind::Spmc, MessageKind::Bytes { .. }) => open_as::<[u8], Spmc>(name, found, job),
        (RingKind::Mpmc, MessageKind::Bytes { .. }) => open_as::<[u8], Mpmc>(name, found, job),
        (RingKind::Spsc, _) => open_as::<Untyped, Spsc>(name, found, job),
        (RingKind::Mpsc, _) => open_as::<Untyped, Mpsc>(name, found, job),
        (RingKind::Spmc, _) => open_as::<Untyped, Spmc>(name, found, job),
        (RingKind::Mpmc, _) => open_as::<Untyped, Mpmc>(name, found, job),
    }
}

fn builder<T: Carried + ?Sized, K: Kind>(shape: &Shape) -> RingBuilder<T, K> {
    let builder = Ring::<T, K>::builder()
        .schema(shape.schema)
        .wait_through_disconnect(true);
    match shape.message {
        MessageKind::Typed { size, align } => builder.message_layout(size, align),
        MessageKind::Bytes { limit } => builder.message_limit(limit),
    }
}

fn open_as<T: Carried + ?Sized, K: Kind>(name: &str, found: &Found, job: impl Job) -> Result<()> {
    let ring = builder::<T, K>(&found.shape).open(name)?;
    job.run(ring)
}

/// Makes a ring, unless it is there.
///
/// # Errors
/// As [`RingBuilder::create`].
pub fn make(name: &str, kind: RingKind, shape: &Shape, capacity: usize) -> Result<()> {
    fn make_as<T: Carried + ?Sized, K: Kind>(
        name: &str,
        shape: &Shape,
        capacity: usize,
    ) -> Result<(), RingError> {
        match builder::<T, K>(shape).capacity(capacity).create(name) {
            Ok(_) | Err(RingError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
    let made = match (kind, shape.message) {
        (RingKind::Spsc, MessageKind::Bytes { .. }) => make_as::<[u8], Spsc>(name, shape, capacity),
        (RingKind::Mpsc, MessageKind::Bytes { .. }) => make_as::<[u8], Mpsc>(name, shape, capacity),
        (RingKind::Spmc, MessageKind::Bytes { .. }) => make_as::<[u8], Spmc>(name, shape, capacity),
        (RingKind::Mpmc, MessageKind::Bytes { .. }) => make_as::<[u8], Mpmc>(name, shape, capacity),
        (RingKind::Spsc, _) => make_as::<Untyped, Spsc>(name, shape, capacity),
        (RingKind::Mpsc, _) => make_as::<Untyped, Mpsc>(name, shape, capacity),
        (RingKind::Spmc, _) => make_as::<Untyped, Spmc>(name, shape, capacity),
        (RingKind::Mpmc, _) => make_as::<Untyped, Mpmc>(name, shape, capacity),
    };
    made.with_context(|| format!("cannot make the ring {name}"))
}

impl<T: Carried + ?Sized, K: Kind> Source for LeaseBatch<'_, T, K> {
    fn len(&self) -> usize {
        LeaseBatch::len(self)
    }

    fn get(&self, index: usize) -> Option<Leased> {
        let message = LeaseBatch::get(self, index)?;
        Some(Leased {
            // (Rendezvous rings have none, and are refused.)
            position: message.position()?,
            length: T::length(&message),
            redelivered: message.is_redelivered(),
        })
    }

    fn append(&self, index: usize, bytes: &mut Vec<u8>) {
        if let Some(message) = LeaseBatch::get(self, index) {
            let start = bytes.len();
            bytes.resize(start + T::length(&message), 0);
            T::copy(&message, &mut bytes[start..]);
        }
    }

    fn extend(&mut self, max: usize) {
        LeaseBatch::extend(self, max);
    }

    fn release_first(&mut self, count: usize) {
        LeaseBatch::release_first(self, count);
    }
}

/// The sending side of a ring, as the target of a bridge.
#[derive(Debug)]
pub struct RingTarget<T: Carried + ?Sized, K: Kind> {
    sender: Sender<T, K>,
    /// How many messages were sent to it, if this is the only sender.
    sent: Option<u64>,
}

impl<T: Carried + ?Sized, K: Kind> RingTarget<T, K> {
    /// Puts messages by `sender`.
    pub fn new(sender: Sender<T, K>) -> RingTarget<T, K> {
        let sent = (!K::KIND.has_many_senders()).then(|| sender.stats().sent);
        RingTarget { sender, sent }
    }

    /// Messages in the ring.
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }

    /// Waits until there is room, for at most `time`.
    pub fn wait_for_room(&self, time: std::time::Duration) {
        if self.sender.is_full() {
            std::thread::sleep(time);
        }
    }

    /// Closes the ring.
    ///
    /// # Errors
    /// As [`Ring::close`].
    pub fn close(&self) -> Result<()> {
        Ok(self.sender.close()?)
    }
}

/// Why nothing more can be put into a ring.
#[derive(Debug)]
pub struct TargetError(String);

impl std::fmt::Display for TargetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TargetError {}

impl From<io::Error> for TargetError {
    fn from(error: io::Error) -> Self {
        TargetError(format!("cannot write the bridge's state: {error}"))
    }
}

impl<T: Carried + ?Sized, K: Kind> Target for RingTarget<T, K> {
    type Error = TargetError;

    fn try_put(&mut self, message: &[u8]) -> Result<bool, TargetError> {
        match self.sender.try_send(message) {
            Ok(()) => {
                self.sent = self.sent.map(|sent| sent + 1);
                Ok(true)
            }
            Err(TrySendError::Closed(())) => Err(TargetError(
                "the target ring is closed: what comes has nowhere to go; start the bridge again \
                 with --create once it is drained"
                    .into(),
            )),
            Err(TrySendError::Failed((), failure)) => Err(TargetError(failure.to_string())),
            Err(TrySendError::Removed(())) => Err(TargetError(
                "the target ring was removed: make it again, or start the bridge with --create"
                    .into(),
            )),
            // Full, held by another sender, or without receivers.
            Err(_) => Ok(false),
        }
    }

    fn sent(&self) -> Option<u64> {
        self.sent
    }
}
