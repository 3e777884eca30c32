//! Unix domain sockets: how two processes connect, and messages for processes that share no
//! memory.
//!
//! * **Rendezvous**: a [`Listener`] at a path or an abstract name, and [`connect()`]. Each end
//!   sees which process the other is. Both agree on the messages and on what carries them, and
//!   then have their endpoints: a [`Connection`]. Rings are anonymous, in sealed memory that was
//!   passed over the socket, so there is no name to agree on and no file is left behind. When the
//!   process at the other end dies, blocked calls are woken at once.
//! * **Sockets**: [`SocketSender`] and [`SocketReceiver`] have the verbs and errors of a ring's
//!   endpoints, over `SOCK_STREAM`, `SOCK_SEQPACKET` or `SOCK_DGRAM`: from a rendezvous with
//!   another [`Carrier`], or from [`socket_pair`].
//!
//! The repository's `docs/uds.md` has the contract, and what it costs. The module does not exist
//! with the feature `portable`, which cannot pass memory.

mod address;
mod carrier;
mod connect;
mod connection;
mod credentials;
mod error;
mod futures;
mod half_made;
mod hello;
mod lifeline;
mod listener;
mod options;
mod rendezvous;
mod socket;
mod watcher;

pub use address::SocketAddress;
pub use carrier::{Carrier, Datagram, Nothing, Rings, SeqPacket, Stream, Traffic};
pub use connection::Connection;
pub use credentials::PeerCredentials;
pub use error::RendezvousError;
pub use futures::{AcceptFuture, ConnectFuture, connect_async};
pub use listener::Listener;
pub use rendezvous::{Rendezvous, connect};
pub use socket::{
    SocketCanceller, SocketReceiver, SocketRecvFuture, SocketSendFuture, SocketSender, SocketType,
    socket_pair, socket_pair_with,
};
#[doc(hidden)]
pub use socket::{SocketClaimedArm, SocketSendArm};
