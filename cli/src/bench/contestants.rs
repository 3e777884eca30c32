//! What is measured: rings, and beside them streams of the kernel and the floor.

use std::fmt;
use std::marker::PhantomData;

use anyhow::Result;
use memring::{Kind, Mpmc, Mpsc, Ring, Spmc, Spsc};
use memring_harness::contestant::{Contestant, Crossing, Link, Made, Processes, Profile, Skill};
use memring_harness::floor::Floor;
use memring_harness::rings::{RingRx, RingTx, Style, strategy};
use memring_harness::streams::{PipeLink, Stream};
use memring_harness::task::Wait;
use serde::Serialize;

/// The ring that people begin with.
pub const SPSC: &str = "memring spsc";
/// What rings are compared with.
pub const PIPE: &str = "pipe";

/// Rings of all kinds; the first is [`SPSC`].
pub const RINGS: [&dyn Contestant; 4] = [
    &Processes(Rings::<Spsc>(PhantomData)),
    &Processes(Rings::<Mpsc>(PhantomData)),
    &Processes(Rings::<Spmc>(PhantomData)),
    &Processes(Rings::<Mpmc>(PhantomData)),
];
/// Which of them has many senders, many receivers, or many of both.
pub const MPSC: usize = 1;
/// See [`MPSC`].
pub const SPMC: usize = 2;
/// See [`MPSC`].
pub const MPMC: usize = 3;
/// The kernel's byte streams.
pub const STREAMS: [&dyn Contestant; 2] = [&Processes(PipeLink), &Processes(Stream)];
/// One cache line each way.
pub const FLOOR: &dyn Contestant = &Processes(Floor);

/// The contestant of this name.
pub fn named(name: &str) -> Option<&'static dyn Contestant> {
    let mut all = RINGS.into_iter().chain(STREAMS).chain([FLOOR]);
    all.find(|contestant| contestant.name() == name)
}

/// What it is called in tables.
pub fn label(contestant: &dyn Contestant) -> &'static str {
    match contestant.name() {
        "floor" => "cache lines",
        "unix-stream" => "unix socket",
        name => name,
    }
}

/// How a ring waits, as the library calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// Polls.
    Spin,
    /// Polls for a while, then sleeps: the library's default.
    SpinThenPark,
    /// Sleeps at once.
    Park,
}

impl Waits {
    /// How it waits, if it is a ring.
    pub fn of(contestant: &dyn Contestant, wait: Wait) -> Option<Waits> {
        let is_ring = RINGS.iter().any(|ring| ring.name() == contestant.name());
        is_ring.then_some(match wait {
            Wait::Spin => Waits::Spin,
            Wait::Park => Waits::SpinThenPark,
            Wait::Sleep => Waits::Park,
        })
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Waits::Spin => "Spin",
            Waits::SpinThenPark => "SpinThenPark",
            Waits::Park => "Park",
        })
    }
}

/// Anonymous rings of the kind `K`.
struct Rings<K>(PhantomData<K>);

macro_rules! rings {
    ($($kind:ident $name:expr),*) => {$(
        impl Style for Rings<$kind> {
            const NAME: &'static str = $name;
            const HOW: &'static str = "send, recv; send_slice, recv_batch";
            const SKILLS: &'static [Skill] = &[
                Skill::Single,
                Skill::Batch,
                Skill::Many,
                Skill::Spin,
                Skill::Park,
                Skill::Sleep,
            ];
            type Kind = $kind;
        }
    )*};
}

rings!(Spsc SPSC, Mpsc "memring mpsc", Spmc "memring spmc", Mpmc "memring mpmc");

impl<K: Kind + Sync> Profile for Rings<K>
where
    Rings<K>: Style,
{
    const NAME: &'static str = <Self as Style>::NAME;
    const HOW: &'static str = <Self as Style>::HOW;
    const SKILLS: &'static [Skill] = <Self as Style>::SKILLS;
}

impl<K: Kind + Sync> Crossing for Rings<K>
where
    Rings<K>: Style<Kind = K>,
{
    type Tx<const N: usize> = RingTx<Self, N>;
    type Rx<const N: usize> = RingRx<Self, N>;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        let ring = Ring::<[u64; N], K>::anonymous(link.shape.capacity)?;
        Ok(Made {
            fds: vec![ring.share_fd()?.try_clone_to_owned()?],
            keep: None,
        })
    }

    fn tx<const N: usize>(link: &Link) -> Result<Self::Tx<N>> {
        let ring = Ring::from_fd(link.fd(0)?)?;
        Ok(RingTx::new(ring.sender_with(strategy(link.shape.wait))?))
    }

    fn rx<const N: usize>(link: &Link) -> Result<Self::Rx<N>> {
        let ring = Ring::from_fd(link.fd(0)?)?;
        Ok(RingRx::new(ring.receiver_with(strategy(link.shape.wait))?))
    }
}
