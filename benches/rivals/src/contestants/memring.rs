//! What all this is about.

use std::marker::PhantomData;

use anyhow::{Context, Result};
use memring::{FenceMode, Mpmc, Ring, Spsc, WaitStrategy, Wakeups};
use memring_harness::contestant::{Crossing, Link, Made, Profile, Skill};
use memring_harness::rings::{RingRx, RingTx, Style};

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

impl<S: Style> Crossing for Memring<S> {
    type Tx<const N: usize> = RingTx<S, N>;
    type Rx<const N: usize> = RingRx<S, N>;

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
        Ok(RingTx::new(Ring::open(path)?.sender_with(S::wait())?))
    }

    fn rx<const N: usize>(link: &Link) -> Result<Self::Rx<N>> {
        let path = link.path.to_str().context("the name is not UTF-8")?;
        Ok(RingRx::new(Ring::open(path)?.receiver_with(S::wait())?))
    }
}
