//! A ring with both its endpoints, for threads of one process.

use super::{Receiver, Ring, Sender};
use crate::error::{AttachError, RingError};
use crate::message::Message;
use crate::ring::kind::Kind;

/// Makes a ring without a name, and attaches an endpoint to each side.
///
/// The endpoints are like those of any ring: they can move to other threads, and on a side that
/// may have many endpoints they are `Clone`. To put the endpoints into different processes,
/// replace this call by [`Ring::create`] with [`Ring::sender`] in one process, and by
/// [`Ring::open`] with [`Ring::receiver`] in the other. Nothing else changes. [`Sender::ring`]
/// returns the ring. The capacity is in messages; [`Sender::capacity`] returns it as rounded up.
///
/// Unlike a channel of one process, a ring outlives its receivers. A sender whose receivers have
/// all been dropped gets `Disconnected` only when the ring is full, since another receiver may
/// attach ([`Ring::receiver`]). [`Sender::is_disconnected`] tells sooner.
///
/// ```
/// use std::thread;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut sender, mut receiver) = memring::channel::<u64, memring::Mpsc>(1024)?;
/// let mut other = sender.clone();
/// let threads = [
///     thread::spawn(move || sender.send(1)),
///     thread::spawn(move || other.send(2)),
/// ];
/// assert_eq!(receiver.recv()? + receiver.recv()?, 3);
/// for thread in threads {
///     thread.join().unwrap()?;
/// }
/// // Both senders are gone.
/// assert!(receiver.recv().unwrap_err().is_disconnected());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Ring::anonymous`]; [`RingError::Os`] also if the system refuses a resource that an
/// endpoint needs.
#[allow(clippy::type_complexity)] // what users read
pub fn channel<T: Message + ?Sized, K: Kind>(
    capacity: usize,
) -> Result<(Sender<T, K>, Receiver<T, K>), RingError> {
    let ring = Ring::anonymous(capacity)?;
    let sender = ring.sender().map_err(not_attached)?;
    let receiver = ring.receiver().map_err(not_attached)?;
    Ok((sender, receiver))
}

/// A ring that was made just now has places for both.
fn not_attached(error: AttachError) -> RingError {
    let (action, source) = match error {
        AttachError::Failed(failure) => return RingError::Failed(failure),
        AttachError::Os { action, source } => (action, source),
        other => ("attach to", std::io::Error::other(other)),
    };
    RingError::Os {
        action,
        path: None,
        source,
    }
}
