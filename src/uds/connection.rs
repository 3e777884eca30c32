//! The result of a rendezvous.

use std::fmt;

use super::carrier::{Carrier, Finish, Rings, Traffic};
use super::credentials::PeerCredentials;
use super::error::RendezvousError;
use super::lifeline::LifeLine;
use crate::sys::fork::PrivateFd;

/// A connection to another process: an endpoint for outgoing messages, and one for incoming
/// messages. For the direction of [`Nothing`](super::Nothing), the endpoint is `()`.
///
/// You may take it apart: the endpoints can move to other threads, and each is closed and dropped
/// by itself. The socket of the rendezvous stays open as long as this process uses an endpoint,
/// or a handle, of one of its rings. If the process at the other end dies, the socket wakes the
/// blocked calls of these endpoints at once.
#[must_use = "a connection that is dropped hangs up"]
pub struct Connection<Out, In, C = Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// Sends.
    pub tx: Out::Sender<C>,
    /// Receives.
    pub rx: In::Receiver<C>,
    /// The process at the other end.
    pub peer: PeerCredentials,
}

impl<Out, In, C> Connection<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// When all is agreed: has the socket live as long as the rings, if there are any.
    pub(super) fn new(
        (tx, rx): (Out::Sender<C>, In::Receiver<C>),
        peer: PeerCredentials,
        socket: PrivateFd,
        finish: Finish,
    ) -> Result<Self, RendezvousError> {
        if !finish.watches.is_empty() {
            let line = LifeLine::new(socket, finish.watches)?;
            for keep in finish.keepers {
                keep(line.clone());
            }
        }
        Ok(Connection { tx, rx, peer })
    }
}

impl<Out, In, C> fmt::Debug for Connection<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
