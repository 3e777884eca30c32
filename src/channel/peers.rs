//! The peers of an endpoint: whether there are any, and waiting for one.

use std::time::Duration;

use super::endpoint::EndpointConnection;
use super::receiver::Receiver;
use super::sender::Sender;
use super::waiting::{Wait, WaitingEndpoint};
use crate::error::WaitForPeerError;
use crate::members::{Observed, Peer, Presence};
use crate::message::Message;
use crate::ring::end;
use crate::ring::kind::Kind;
use crate::sys::clock::MonotonicTime;
use crate::wait::backoff::Looks;
use crate::wait::parker::Parker;
use crate::wait::{Operation, Poll, block};

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Returns the senders that are attached and alive now, as the kernel reports, by a system
    /// call for each. In a forked child there are none.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let senders = rx.peers();
    /// assert_eq!(senders.len(), 1);
    /// assert_eq!((senders[0].pid, senders[0].id), (std::process::id(), tx.id()));
    /// # drop(tx);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peers(&self) -> Vec<Peer> {
        peers(&self.connection)
    }

    /// Whether this receiver has seen a sender since it attached, and every sender that it saw
    /// has detached or died. A call that finds the ring empty then ends with `Disconnected`. Asks
    /// the kernel, and does not wait.
    ///
    /// There may still be messages in the ring. This is false again when a sender attaches.
    ///
    /// Example: [`wait_for_peer`](Receiver::wait_for_peer).
    pub fn is_disconnected(&self) -> bool {
        is_disconnected(&self.connection)
    }

    /// Waits until a sender is attached, for at most `timeout`. Returns at once if one is
    /// attached. (A sender that attaches and detaches while this waits is enough: it may have
    /// sent something.)
    ///
    /// # Errors
    /// [`WaitForPeerError::Timeout`]; [`WaitForPeerError::Closed`] if there is none and
    /// the ring is closed; [`WaitForPeerError::Removed`]; [`WaitForPeerError::Cancelled`];
    /// [`WaitForPeerError::Failed`].
    ///
    /// ```
    /// # use memring::{Ring, Spsc, WaitForPeerError};
    /// # use std::time::Duration;
    /// let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// let mut rx = ring.receiver()?;
    /// let waited = rx.wait_for_peer(Duration::from_millis(1));
    /// assert_eq!(waited, Err(WaitForPeerError::Timeout));
    /// let tx = ring.sender()?;
    /// rx.wait_for_peer(Duration::from_secs(60))?;
    /// assert_eq!(rx.peers().len(), 1);
    /// drop(tx);
    /// assert!(rx.is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_peer(&mut self, timeout: Duration) -> Result<(), WaitForPeerError> {
        wait_for_peer(self, timeout)
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Returns the receivers that are attached and alive now, as the kernel reports, by a system
    /// call for each. In a forked child there are none.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.wait_for_peer(std::time::Duration::from_secs(1))?;
    /// assert_eq!(tx.peers().len(), 1);
    /// drop(rx);
    /// assert!(tx.peers().is_empty() && tx.is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peers(&self) -> Vec<Peer> {
        peers(&self.connection)
    }

    /// Whether this sender has seen a receiver since it attached, and every receiver that it saw
    /// has detached or died. A call that finds the ring full then ends with `Disconnected`. Asks
    /// the kernel, and does not wait.
    ///
    /// This is false again when a receiver attaches.
    ///
    /// Example: [`peers`](Sender::peers).
    pub fn is_disconnected(&self) -> bool {
        is_disconnected(&self.connection)
    }

    /// Waits until a receiver is attached, for at most `timeout`. Returns at once if one is
    /// attached.
    ///
    /// # Errors
    /// As [`Receiver::wait_for_peer`].
    pub fn wait_for_peer(&mut self, timeout: Duration) -> Result<(), WaitForPeerError> {
        wait_for_peer(self, timeout)
    }
}

fn peers(connection: &EndpointConnection) -> Vec<Peer> {
    match connection.segment.region.is_good() {
        true => connection.peers(),
        false => Vec::new(),
    }
}

fn is_disconnected(connection: &EndpointConnection) -> bool {
    connection.segment.region.is_good() && connection.presence() == Presence::Gone
}

fn wait_for_peer<E: WaitingEndpoint>(
    endpoint: &mut E,
    timeout: Duration,
) -> Result<(), WaitForPeerError> {
    let deadline = match Wait::at_most(timeout) {
        Wait::Until(deadline) => Some(deadline),
        Wait::Not | Wait::Zero => Some(MonotonicTime::now()),
        Wait::Forever => None,
    };
    let connection = endpoint.connection();
    connection.segment.region.check()?;
    connection.waits = true;
    let (spins, idle) = (connection.strategy.spins(), connection.idle.clone());
    let observed = connection.observe_from_now();
    let looks = Looks::new(spins).with_idle(idle.as_deref());
    block(&mut PeerWait { endpoint, observed }, looks, deadline)
}

/// An endpoint that waits for a member of the other side.
struct PeerWait<'e, E> {
    endpoint: &'e mut E,
    /// The other side since the call began.
    observed: Observed,
}

impl<E: WaitingEndpoint> PeerWait<'_, E> {
    fn check_once(&mut self) -> Poll<(), WaitForPeerError> {
        let connection = self.endpoint.connection();
        let region = &connection.segment.region;
        if let Err(failure) = region.check() {
            return Poll::Ended(WaitForPeerError::Failed(failure));
        }
        let presence = connection.presence_since(&self.observed);
        // After that: a member that cannot be asked about counts as alive.
        if let Err(failure) = region.check_descriptor() {
            return Poll::Ended(WaitForPeerError::Failed(failure));
        }
        if presence != Presence::Never {
            return Poll::Ready(());
        }
        if !end::is_closed(&connection.segment.block()) {
            return Poll::Pending;
        }
        Poll::Ended(match region.is_ended_by_removal() {
            true => WaitForPeerError::Removed,
            false => WaitForPeerError::Closed,
        })
    }
}

impl<E: WaitingEndpoint> Operation for PeerWait<'_, E> {
    type Output = ();
    type Error = WaitForPeerError;
    type Park = Parker;

    /// Nothing is cheaper than the full check and tells as much.
    fn look(&mut self) -> Option<()> {
        None
    }

    /// Once more if that found nobody and the dead were looked for: and whether the ring
    /// has its name still.
    fn check(&mut self) -> Poll<(), WaitForPeerError> {
        let poll = match self.check_once() {
            Poll::Pending if self.endpoint.connection().scan_after_failed_check() => {
                self.check_once()
            }
            poll => poll,
        };
        match poll {
            Poll::Pending if self.endpoint.connection().is_cancelled() => {
                Poll::Ended(WaitForPeerError::Cancelled)
            }
            poll => poll,
        }
    }

    fn register(&mut self) -> u32 {
        self.endpoint.connection().register()
    }

    fn reclaim(&mut self) -> bool {
        false // nothing that a dead member holds is in the way
    }

    fn is_blocked(&mut self) -> bool {
        false
    }

    fn sleep(&mut self, registered: u32, until: MonotonicTime) -> bool {
        self.endpoint.connection().sleep(registered, until)
    }

    /// Perhaps it was woken for a message, or for room, that another endpoint waits for.
    fn after_sleep(&mut self) {
        self.endpoint.connection().scan_after_sleep();
        self.pass_on();
    }

    fn pass_on(&mut self) {
        if self.endpoint.leaves_work() {
            self.endpoint.connection().pass_on();
        }
    }

    fn timed_out(&mut self) -> WaitForPeerError {
        WaitForPeerError::Timeout
    }

    fn park(&mut self) -> Parker {
        self.endpoint.connection().parker()
    }
}
