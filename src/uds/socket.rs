//! Messages over sockets, for peers that share no memory.

mod end;
mod frame;
mod future;
mod pair;
mod receiver;
mod select;
mod sender;
mod tail;
mod word;

pub use end::SocketCanceller;
pub use future::{SocketRecvFuture, SocketSendFuture};
pub(super) use pair::{DEFAULT_LIMIT, SocketConfig, make_direction, receiver_of, sender_of};
pub use pair::{SocketType, socket_pair, socket_pair_with};
pub use receiver::SocketReceiver;
pub use select::{SocketClaimedArm, SocketSendArm};
pub use sender::SocketSender;
