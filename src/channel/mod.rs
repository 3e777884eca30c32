//! What users hold: rings, senders, receivers, guards. Thin: the
//! protocols are in `ring`, waiting in `wait`, liveness in `members`, memory in `shm`.

mod batch;
mod builder;
mod byte_stream;
mod cancel;
mod chunk;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod deaths;
#[cfg(unix)]
mod descriptor;
mod endpoint;
mod future;
mod grant;
mod idle;
mod iter;
mod lease;
mod leases;
pub(crate) mod outcome;
mod pair;
mod peers;
mod queries;
mod receiver;
mod rendezvous;
mod ring;
mod segment;
mod select;
mod sender;
mod stats;
#[cfg(feature = "futures")]
mod stream;
mod unwind;
mod waiting;
mod watch;

pub use builder::RingBuilder;
pub use cancel::Canceller;
pub use chunk::{GrantChunk, LeaseChunk};
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use deaths::{DeathWatch, Survivors};
#[cfg(unix)]
pub use descriptor::ReadyFd;
pub use future::{
    LeaseFuture, RecvFuture, RecvReadyFuture, ReserveFuture, SendFuture, SendReadyFuture,
};
pub use grant::Grant;
pub use iter::{IntoIter, Iter, TryIter};
pub(crate) use lease::OwnedLease;
pub use lease::{Lease, LeaseBatch, LeaseIter, LeaseReader, LeaseSnapshot, LeasedMessage};
pub use pair::channel;
pub use receiver::Receiver;
pub use ring::Ring;
pub(crate) use segment::Segment;
pub use select::{
    After, Never, Select, SelectReceiver, SelectSender, Selectable, Ticker, Token, after, at,
    never, tick,
};
#[doc(hidden)]
pub use select::{
    Arm, ClaimedArm, Limit, RecvArm, RecvOperand, SendArm, SendOperand, SourceRef, run,
};
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use select::{SelectSource, unless_it_waits};
pub use sender::Sender;
pub use stats::Stats;
pub(crate) use stats::stats;
#[cfg(feature = "futures")]
pub use stream::{RecvStream, SendSink};

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use waiting::{Wait, WaitError};

use crate::ring::Arity;
use crate::ring::kind::Sides;
use crate::ring::memory::View;

/// The sending algorithm of a kind.
type SendSideOf<K> = <<K as Sides>::Senders as Arity>::Sender<<K as Sides>::Receivers>;
/// The receiving algorithm of a kind.
type ReceiveSideOf<K> = <<K as Sides>::Receivers as Arity>::Receiver<<K as Sides>::Senders>;
/// A ring of this kind in memory, with messages `T`.
type ViewOf<T, K> = View<T, (<K as Sides>::Senders, <K as Sides>::Receivers)>;
