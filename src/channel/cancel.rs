//! Waking a blocked call of the same process, for good.

mod ends;

use std::sync::{Arc, OnceLock, Weak};

use super::segment::Segment;
use crate::error::Side;
use crate::ring::memory::Memory;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::wait::WaitWord;

/// Ends the blocked calls of one endpoint, from another thread of its process.
///
/// From [`Receiver::canceller`](crate::Receiver::canceller) or
/// [`Sender::canceller`](crate::Sender::canceller). Clones cancel the same endpoint. A canceller
/// does not keep the endpoint attached. If the endpoint has been dropped, the canceller does
/// nothing.
///
/// A cancelled endpoint does not wait: a call that would have to wait returns `Cancelled`, until
/// [`reset`](Canceller::reset). A call that need not wait still works: it receives a message that
/// is there, or sends a message for which there is room. The `try_` verbs do not wait, so nothing
/// changes for them. If a receiver holds the message of a send on a rendezvous ring, that send
/// goes on until the receiver acknowledges the message, gives it back or dies. In a
/// [`Select`](crate::Select) a cancelled endpoint is ready, and its waiting verbs say why.
///
/// Each clone of an endpoint is cancelled by itself, and begins uncancelled.
///
/// ```
/// use memring::{RecvError, Ring, Spsc};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = Ring::<u64, Spsc>::anonymous(4)?;
/// let mut rx = ring.receiver()?;
/// let canceller = rx.canceller();
/// let worker = std::thread::spawn(move || rx.recv());
/// canceller.cancel();
/// assert_eq!(worker.join().unwrap(), Err(RecvError::Cancelled));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Canceller(Arc<Cancellation>);

/// What an endpoint shares with its cancellers.
struct Cancellation {
    /// 1: calls do not wait.
    is_cancelled: AtomicU32,
    segment: Weak<Segment>,
    /// At whose wait word the endpoint sleeps.
    side: Side,
}

impl Canceller {
    /// Makes calls of the endpoint that wait, now and later, return `Cancelled`. Wakes the
    /// endpoint at once if it sleeps. Other endpoints of its side wake too, and sleep again.
    ///
    /// Release: what this thread did before is visible to the call that ends. Takes no
    /// lock.
    pub fn cancel(&self) {
        // SeqCst: comes before the count of the wait word. Pairs with the load in
        // `is_cancelled`, which a waiter makes between its look at that word and its sleep
        // (W2): it sees the flag, or its sleep finds the word changed.
        self.0.is_cancelled.store(1, Ordering::SeqCst);
        if let Some(segment) = self.0.segment.upgrade()
            // In a forked child the memory is not there, and no call waits.
            && segment.region.is_mapped()
        {
            let block = segment.block();
            WaitWord(block.wait_word(self.0.side)).notify_all(&segment.parker());
        }
    }

    /// Lets calls wait again. A call that is under way, and has not checked yet, may miss the
    /// cancellation.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let canceller = rx.canceller();
    /// canceller.cancel();
    /// assert!(canceller.is_cancelled());
    /// assert!(rx.recv().unwrap_err().is_cancelled());
    /// canceller.reset();
    /// tx.send(1)?;
    /// assert_eq!(rx.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&self) {
        // SeqCst: as in `cancel`.
        self.0.is_cancelled.store(0, Ordering::SeqCst);
    }

    /// Whether the endpoint is cancelled.
    ///
    /// Example: [`reset`](Canceller::reset).
    pub fn is_cancelled(&self) -> bool {
        // Acquire: pairs with the store in `cancel`.
        self.0.is_cancelled.load(Ordering::Acquire) != 0
    }
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Canceller");
        shown.field("is_cancelled", &self.is_cancelled());
        shown.finish_non_exhaustive()
    }
}

/// The canceller of one endpoint, made when it is first asked for.
#[derive(Default)]
pub(super) struct OwnCanceller(OnceLock<Canceller>);

/// A clone of an endpoint has its own.
impl Clone for OwnCanceller {
    fn clone(&self) -> Self {
        OwnCanceller::default()
    }
}

impl OwnCanceller {
    /// Whether calls of the endpoint do not wait.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.get().is_some_and(Canceller::is_cancelled)
    }

    /// The canceller, made at the first call.
    pub(super) fn get(&self, segment: &Arc<Segment>, side: Side) -> Canceller {
        let make = || {
            Canceller(Arc::new(Cancellation {
                is_cancelled: AtomicU32::new(0),
                segment: Arc::downgrade(segment),
                side,
            }))
        };
        self.0.get_or_init(make).clone()
    }
}
