//! What all this is about.

#![allow(unsafe_code)] // reading and writing in place

use std::marker::PhantomData;

use anyhow::{Context, Result};
use memring::{
    FenceMode, Kind, Mpmc, Receiver, Ring, Sender, Spsc, TryRecvError, TrySendError, WaitStrategy,
    Wakeups,
};

use crate::contestant::{Crossing, Link, Made, Profile, Rx, Skill, Tx};
use crate::message::{Check, Source};
use crate::task::BATCH;
use crate::worker::until;

/// A way of using rings.
pub trait Style: Sync + 'static {
    /// See [`Profile`].
    const NAME: &'static str;
    /// See [`Profile`].
    const HOW: &'static str;
    /// See [`Profile`].
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

/// As it is used by default.
pub struct Plain;
impl Style for Plain {
    const NAME: &'static str = "memring";
    const HOW: &'static str = "Spsc, Blocking, SpinThenPark: send, recv; send_slice, recv_batch";
    const SKILLS: &'static [Skill] = &[
        Skill::Single,
        Skill::Batch,
        Skill::InPlace,
        Skill::Park,
        Skill::Attach,
    ];
    type Kind = Spsc;
}

/// Without sleepers.
pub struct SpinOnly;
impl Style for SpinOnly {
    const NAME: &'static str = "memring-spin";
    const HOW: &'static str = "Spsc, SpinOnly, Spin: send, recv; send_slice, recv_batch";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::InPlace, Skill::Spin];
    type Kind = Spsc;
    const WAKE: Wakeups = Wakeups::SpinOnly;
    fn wait() -> WaitStrategy {
        WaitStrategy::Spin
    }
}

/// Batches received in place.
pub struct Leases;
impl Style for Leases {
    const NAME: &'static str = "memring-lease";
    const HOW: &'static str = "Spsc, Blocking, SpinThenPark: send_slice, lease_batch";
    const SKILLS: &'static [Skill] = &[Skill::Batch];
    type Kind = Spsc;
    const LEASE: bool = true;
}

/// With a fence for each message.
pub struct Fence;
impl Style for Fence {
    const NAME: &'static str = "memring-fence";
    const HOW: &'static str = "Spsc, Blocking with FenceMode::Fence, SpinThenPark: send, recv";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch];
    type Kind = Spsc;
    const BARRIER: FenceMode = FenceMode::Fence;
}

/// Asleep.
pub struct Park;
impl Style for Park {
    const NAME: &'static str = "memring-park";
    const HOW: &'static str = "Spsc, Blocking, Park: send, recv";
    const SKILLS: &'static [Skill] = &[Skill::Sleep, Skill::Wake, Skill::Idle];
    type Kind = Spsc;
    fn wait() -> WaitStrategy {
        WaitStrategy::Park
    }
}

/// Many senders and receivers, by default.
pub struct Many;
impl Style for Many {
    const NAME: &'static str = "memring-mpmc";
    const HOW: &'static str = "Mpmc, Blocking, SpinThenPark: send, recv";
    const SKILLS: &'static [Skill] = &[Skill::Many];
    type Kind = Mpmc;
}

/// Many senders and receivers that poll.
pub struct ManySpin;
impl Style for ManySpin {
    const NAME: &'static str = "memring-mpmc-spin";
    const HOW: &'static str = "Mpmc, SpinOnly: try_send, try_recv; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Many];
    type Kind = Mpmc;
    const WAKE: Wakeups = Wakeups::SpinOnly;
    const POLL: bool = true;
    fn wait() -> WaitStrategy {
        WaitStrategy::Spin
    }
}

/// A ring used in a style.
pub struct Memring<S>(pub PhantomData<S>);

impl<S: Style> Profile for Memring<S> {
    const NAME: &'static str = S::NAME;
    const HOW: &'static str = S::HOW;
    const SKILLS: &'static [Skill] = S::SKILLS;
}

/// A sender in a style.
pub struct MemTx<S: Style, const N: usize> {
    sender: Sender<[u64; N], S::Kind>,
}

/// A receiver in a style.
pub struct MemRx<S: Style, const N: usize> {
    /// The receiver itself.
    pub receiver: Receiver<[u64; N], S::Kind>,
    batch: Vec<[u64; N]>,
}

impl<S: Style> Crossing for Memring<S> {
    type Tx<const N: usize> = MemTx<S, N>;
    type Rx<const N: usize> = MemRx<S, N>;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        let builder = Ring::<[u64; N], S::Kind>::builder();
        let builder = builder.capacity(link.shape.capacity).wakeups(S::WAKE);
        let path = link.path.to_str().context("the name is not UTF-8")?;
        let ring = builder.fence_mode(S::BARRIER).create(path)?;
        Ok(Made {
            keep: Some(Box::new(ring)),
            ..Made::default()
        })
    }

    fn tx<const N: usize>(link: &Link) -> Result<Self::Tx<N>> {
        let path = link.path.to_str().context("the name is not UTF-8")?;
        Ok(MemTx {
            sender: Ring::open(path)?.sender_with(S::wait())?,
        })
    }

    fn rx<const N: usize>(link: &Link) -> Result<Self::Rx<N>> {
        let path = link.path.to_str().context("the name is not UTF-8")?;
        Ok(MemRx {
            receiver: Ring::open(path)?.receiver_with(S::wait())?,
            batch: Vec::with_capacity(BATCH),
        })
    }
}

impl<S: Style, const N: usize> Tx<N> for MemTx<S, N> {
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

impl<S: Style, const N: usize> Rx<N> for MemRx<S, N> {
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
