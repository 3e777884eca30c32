//! What both processes have in hand.

use std::fmt;

use super::carrier::{Carrier, Finish, Rings, Traffic};
use super::credentials::PeerCredentials;
use super::error::RendezvousError;
use super::lifeline::LifeLine;
use crate::sys::fork::PrivateFd;

/// Two processes that are connected: an end for what goes out, and one for what comes
/// in. Where [`Nothing`](super::Nothing) goes, the end is `()`.
///
/// Take it apart as you like: the ends move to threads, and are closed and dropped each by
/// itself. The socket of the rendezvous stays open as long as an end, or a handle, of one of
/// its rings is in use here. If the process at the other end dies, it wakes the blocked calls
/// of these ends at once.
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
