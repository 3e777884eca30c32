//! What users hold in their hands: rings, senders, receivers, guards. Thin:
//! the protocols are in `ring`, sleeping in `wait`, liveness in `participant`.

mod answer;
mod batch;
mod builder;
mod bytes;
mod grant;
mod handle;
mod iter;
mod lease;
mod leasing;
mod port;
mod receiver;
mod sender;
mod waiting;

pub use builder::RingBuilder;
pub use grant::Grant;
pub use handle::Ring;
pub use iter::{Iter, TryIter};
pub use lease::{Lease, LeaseBatch, LeasedMessage};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::kind::Sides;
use crate::ring::Arity;

/// The sending algorithm of a kind.
type SendSideOf<K> = <<K as Sides>::Senders as Arity>::Sender<<K as Sides>::Receivers>;
/// The receiving algorithm of a kind.
type ReceiveSideOf<K> = <<K as Sides>::Receivers as Arity>::Receiver<<K as Sides>::Senders>;
