//! The ends of memring's rings.

#![allow(unsafe_code)] // reading and writing in place

use memring::{
    FenceMode, Kind, Receiver, Sender, TryRecvError, TrySendError, WaitStrategy, Wakeups,
};

use crate::contestant::Skill;
use crate::ends::{Rx, Tx};
use crate::message::{Check, Source};
use crate::task::{BATCH, Wait};
use crate::worker::until;

/// A way of using rings.
pub trait Style: Sync + 'static {
    /// See [`Profile`](crate::contestant::Profile).
    const NAME: &'static str;
    /// See [`Profile`](crate::contestant::Profile).
    const HOW: &'static str;
    /// See [`Profile`](crate::contestant::Profile).
    const SKILLS: &'static [Skill];
    /// The kind of ring.
    type Kind: Kind;
    /// Whether there are sleepers.
    const WAKE: Wakeups = Wakeups::Blocking;
    /// What orders sleeping and waking.
    const BARRIER: FenceMode = FenceMode::Auto;
    /// Receive batches in place, by leases.
    const LEASE: bool = false;
    /// Do not call what blocks, but wait as others do who cannot block.
    const POLL: bool = false;
    /// How endpoints wait.
    fn wait() -> WaitStrategy {
        WaitStrategy::default()
    }
}

/// The strategy of ends that wait so.
pub fn strategy(wait: Wait) -> WaitStrategy {
    match wait {
        Wait::Spin => WaitStrategy::Spin,
        Wait::Park => WaitStrategy::default(),
        Wait::Sleep => WaitStrategy::Park,
    }
}

/// A sender in a style.
pub struct RingTx<S: Style, const N: usize> {
    sender: Sender<[u64; N], S::Kind>,
}

/// A receiver in a style.
pub struct RingRx<S: Style, const N: usize> {
    /// The receiver itself.
    pub receiver: Receiver<[u64; N], S::Kind>,
    batch: Vec<[u64; N]>,
}

impl<S: Style, const N: usize> RingTx<S, N> {
    /// Of this sender.
    pub fn new(sender: Sender<[u64; N], S::Kind>) -> Self {
        RingTx { sender }
    }
}

impl<S: Style, const N: usize> RingRx<S, N> {
    /// Of this receiver.
    pub fn new(receiver: Receiver<[u64; N], S::Kind>) -> Self {
        RingRx {
            receiver,
            batch: Vec::with_capacity(BATCH),
        }
    }
}

impl<S: Style, const N: usize> Tx<N> for RingTx<S, N> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let message = source.next();
        if S::POLL {
            until(|| match self.sender.try_send(message) {
                Ok(()) => Some(()),
                Err(TrySendError::Full(_) | TrySendError::Held(..)) => None,
                Err(error) => panic!("cannot send: {error}"),
            });
        } else if let Err(error) = self.sender.send(message) {
            panic!("cannot send: {error}");
        }
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        // Made first, as each contestant that publishes many at once has to: `count` is
        // `BATCH` at most.
        let mut messages = [[0; N]; BATCH];
        for message in &mut messages[..count] {
            source.fill(message);
        }
        if let Err(error) = self.sender.send_slice(&messages[..count]) {
            panic!("cannot send: {}", error.cause);
        }
    }

    #[inline(always)]
    fn send_in_place(&mut self, source: &mut Source) {
        let mut grant = match self.sender.reserve() {
            Ok(grant) => grant,
            Err(error) => panic!("cannot reserve: {error}"),
        };
        // SAFETY: all processes at this ring are this program's, and write to slots only through
        // grants of their own.
        source.fill(unsafe { grant.as_mut() });
        grant.commit().expect("the ring is sound");
    }
}

impl<S: Style, const N: usize> Rx<N> for RingRx<S, N> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        if S::POLL {
            let message = until(|| match self.receiver.try_recv() {
                Ok(message) => Some(message),
                Err(TryRecvError::Empty | TryRecvError::Held(_)) => None,
                Err(error) => panic!("cannot receive: {error}"),
            });
            check.take(&message);
        } else {
            match self.receiver.recv() {
                Ok(message) => check.take(&message),
                Err(error) => panic!("cannot receive: {error}"),
            }
        }
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        if S::LEASE {
            return self.recv_in_place(check, most);
        }
        self.batch.clear();
        if let Err(error) = self.receiver.recv_batch(&mut self.batch, most) {
            panic!("cannot receive: {error}");
        }
        for message in &self.batch {
            check.take(message);
        }
    }

    #[inline(always)]
    fn recv_in_place(&mut self, check: &mut impl Check, most: usize) {
        match self.receiver.lease_batch(most) {
            Ok(leases) => {
                for lease in leases.iter() {
                    // SAFETY: all processes at this ring are this program's, and none writes to a
                    // slot that another has leased; nobody forks.
                    check.take(unsafe { lease.as_ref() });
                }
                leases.release();
            }
            Err(error) => panic!("cannot receive: {error}"),
        }
    }
}
