//! What a set can wait for: endpoints, seen as sources that tell whether they are ready.

use std::any::Any;

use crate::channel::endpoint::EndpointConnection;
use crate::channel::receiver::Receiver;
use crate::channel::sender::Sender;
use crate::channel::waiting::WaitingEndpoint;
use crate::error::Side;
use crate::message::Message;
use crate::ring::end::End;
use crate::ring::kind::Kind;
use crate::ring::{ClaimError, ReceiveSide, SendSide};
use crate::sys::atomic::{AtomicU32, Fences};
use crate::sys::clock::MonotonicTime;
use crate::wait::backoff::{CHECKS_OF_CONTENDED, Contention};
use crate::wait::many::Awaited;
use crate::wait::word::Announced;
use crate::wait::{Operation, Poll};

/// What a [`Select`](crate::Select) can wait for: a [`Receiver`], which is ready when there is a
/// message; a [`Sender`], which is ready when there is room; the same ends of sockets (of
/// `memring::uds`); [`After`](crate::After), [`Ticker`](crate::Ticker) and
/// [`Never`](crate::Never). An endpoint whose call would fail is ready, too. Other crates are not
/// to implement this trait.
#[diagnostic::on_unimplemented(
    message = "a `Select` cannot wait for `{Self}`",
    label = "not an endpoint",
    note = "it waits for `Receiver`, `Sender`, those of sockets, `After`, `Ticker` and `Never`"
)]
pub trait Selectable: Any {
    /// The source behind it.
    #[doc(hidden)]
    fn source(&mut self) -> SourceRef<'_>;
}

/// A source whose type is private to this crate.
#[doc(hidden)]
pub struct SourceRef<'s>(pub(crate) &'s mut dyn SelectSource);

impl<T: Message + ?Sized, K: Kind> Selectable for Receiver<T, K> {
    fn source(&mut self) -> SourceRef<'_> {
        SourceRef(self)
    }
}

impl<T: Message + ?Sized, K: Kind> Selectable for Sender<T, K> {
    fn source(&mut self) -> SourceRef<'_> {
        SourceRef(self)
    }
}

/// A source of a set.
pub(crate) trait SelectSource: Awaited<MonotonicTime> {
    /// The look with which a call begins, made once: one that takes longer than
    /// [`Awaited::look`] where that would always leave the others their turn first.
    fn look_once(&mut self) -> bool {
        self.look()
    }

    /// At the beginning of a call, which waits or does not.
    fn begin(&mut self, _waits: bool) {}

    /// Which heavy barrier fits it; `None`: it needs none.
    fn fences(&self) -> Option<Fences> {
        None
    }

    /// Whether it can be slept for.
    fn can_sleep(&self) -> bool {
        true
    }
}

/// An endpoint that can tell whether its operation would find something, and takes
/// nothing.
pub(crate) trait ReadyEndpoint: WaitingEndpoint {
    /// A cheap check, which may be wrong either way.
    fn may_be_ready(&mut self) -> bool;

    /// What the slow path of a claim would come to.
    fn probe(&mut self) -> Result<(), ClaimError>;

    /// As [`WaitingEndpoint::connection`], to look at only.
    fn connection_ref(&self) -> &EndpointConnection;

    /// Whether messages go directly from sender to receiver.
    fn is_rendezvous(&self) -> bool {
        self.connection_ref().segment.config.is_rendezvous()
    }
}

impl<T: Message + ?Sized, K: Kind> ReadyEndpoint for Receiver<T, K> {
    fn may_be_ready(&mut self) -> bool {
        if self.taking.is_some() {
            return !self.is_empty();
        }
        // In a forked child the memory is not there.
        self.connection.has_fast_paths()
            && self.leased.is_empty()
            && self.side.has_message(&self.view)
    }

    fn probe(&mut self) -> Result<(), ClaimError> {
        if self.taking.is_some() {
            if !self.leased.is_empty() && self.connection.segment.region.is_good() {
                self.give_back_leases(); // of a lease that was leaked
            }
            return match self.is_empty() {
                true => Err(ClaimError::NotReady),
                false => Ok(()),
            };
        }
        if !self.connection.has_fast_paths() {
            return Err(ClaimError::NotReady); // the full check finds out why
        }
        if !self.leased.is_empty() {
            self.give_back_leases(); // of a lease that was leaked
        }
        let probed = self.side.probe(&self.view);
        if self.side.has_dropped() {
            self.connection.notify(&self.view, Side::Sender);
        }
        probed
    }

    fn connection_ref(&self) -> &EndpointConnection {
        &self.connection
    }
}

impl<T: Message + ?Sized, K: Kind> ReadyEndpoint for Sender<T, K> {
    /// By a hint first, as in calls that wait.
    fn may_be_ready(&mut self) -> bool {
        if self.giving.is_some() {
            return self.is_awaited();
        }
        // In a forked child the memory is not there.
        let usable = self.connection.has_fast_paths() && self.granted.is_empty();
        usable && self.side.may_have_room(&self.view) && self.probe().is_ok()
    }

    fn probe(&mut self) -> Result<(), ClaimError> {
        if self.giving.is_some() {
            return match self.is_awaited_by_living() {
                true => Ok(()),
                false => Err(ClaimError::NotReady),
            };
        }
        self.enter()?;
        let probed = self.side.probe(&self.view);
        self.side.end(&self.view);
        probed
    }

    fn connection_ref(&self) -> &EndpointConnection {
        &self.connection
    }
}

/// An endpoint as one that waits to be ready, and claims nothing.
pub(in crate::channel) struct Readiness<'e, E>(pub(in crate::channel) &'e mut E);

impl<E: ReadyEndpoint> WaitingEndpoint for Readiness<'_, E> {
    type Claimed = ();
    const SENDS: bool = E::SENDS;

    fn connection(&mut self) -> &mut EndpointConnection {
        self.0.connection()
    }

    fn try_fast(&mut self) -> Option<()> {
        self.0.may_be_ready().then_some(())
    }

    fn try_slow(&mut self) -> Result<(), ClaimError> {
        self.0.probe()
    }

    fn is_peer_quiescent(&mut self, end: End) -> bool {
        // RV7: at a rendezvous nothing is under way that was not taken.
        self.0.is_rendezvous() || self.0.is_peer_quiescent(end)
    }

    fn leaves_work(&self) -> bool {
        self.0.leaves_work()
    }
}

impl<E: ReadyEndpoint> Awaited<MonotonicTime> for E {
    fn look(&mut self) -> bool {
        self.may_be_ready()
    }

    /// An endpoint whose operation would fail is ready: the operation says why.
    fn check(&mut self) -> bool {
        let mut pauses = Contention::new();
        for _ in 0..CHECKS_OF_CONTENDED {
            match Operation::check(&mut Readiness(self)) {
                Poll::Ready(()) | Poll::Ended(_) => return true,
                Poll::Pending if self.connection().was_contended => pauses.pause(),
                Poll::Pending => break,
            }
        }
        false
    }

    fn announce(&mut self) -> Option<Announced> {
        self.connection().announce()
    }

    fn word(&self) -> Option<&AtomicU32> {
        Some(self.connection_ref().own_wait_word())
    }

    fn reclaim(&mut self) -> bool {
        self.connection().reclaim()
    }

    fn is_blocked(&mut self) -> bool {
        self.connection().is_held_up()
    }

    fn after_sleep(&mut self) {
        self.connection().scan_after_sleep();
    }

    fn pass_on(&mut self) {
        // In a forked child the memory is not there.
        if self.connection().segment.region.is_good() && self.leaves_work() {
            self.connection().pass_on();
        }
    }
}

impl<E: ReadyEndpoint> SelectSource for E {
    fn begin(&mut self, waits: bool) {
        self.connection().waits = waits;
    }

    fn fences(&self) -> Option<Fences> {
        Some(self.connection_ref().segment.config.fences)
    }

    fn can_sleep(&self) -> bool {
        self.connection_ref().can_sleep()
    }
}
