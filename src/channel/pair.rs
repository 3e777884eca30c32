//! Both ends at once, for threads of one process.

use super::{Receiver, Ring, Sender};
use crate::error::{AttachError, RingError};
use crate::message::Message;
use crate::ring::kind::Kind;

/// Makes a ring without a name, and attaches an endpoint to either side.
///
/// The ends are those of any ring: they move to threads, and on a side that may have many
/// endpoints they are `Clone`. To put the ends into different processes, change this line
/// for [`Ring::create`] with [`Ring::sender`] in one of them and [`Ring::open`] with
/// [`Ring::receiver`] in the other; nothing else changes. The ring is at hand as
/// [`Sender::ring`]. The capacity is in messages; [`Sender::capacity`] tells to what it was
/// rounded up.
///
/// Unlike a channel of one process, a ring outlives its receivers: a sender whose
/// receivers are gone gets `Disconnected` when the ring is full, for another receiver may
/// come ([`Ring::receiver`]). [`Sender::is_disconnected`] tells sooner.
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
/// As [`Ring::anonymous`]; [`RingError::Os`] also if the system refuses what an endpoint
/// needs.
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
