//! The contender all this is about.

use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use memring::{Kind, Receiver, RecvError, Ring, Sender, WaitStrategy};

use super::link::{Link, Rx, Tx, Wait};

/// A ring holds this many messages, if they are small.
pub const MESSAGES: usize = 1024;
/// A ring of large messages holds this many bytes of them instead.
pub const BYTES: usize = 256 << 10;

/// An anonymous ring of kind `K`.
pub struct RingLink<K> {
    wait: WaitStrategy,
    kind: PhantomData<K>,
}

impl<K> RingLink<K> {
    /// Both ends wait as `wait` says.
    pub fn new(wait: Wait) -> Self {
        RingLink {
            wait: wait.strategy(),
            kind: PhantomData,
        }
    }
}

impl<const N: usize, K: Kind> Link<N> for RingLink<K> {
    type Tx = Sender<[u64; N], K>;
    type Rx = Receiver<[u64; N], K>;

    fn make(&self) -> Result<[OwnedFd; 2]> {
        let capacity = MESSAGES.min(BYTES / size_of::<[u64; N]>());
        let ring = Ring::<[u64; N], K>::anonymous(capacity)?;
        let fd = ring.share_fd()?;
        Ok([fd.try_clone_to_owned()?, fd.try_clone_to_owned()?])
    }

    fn tx(&self, fd: OwnedFd) -> Result<Self::Tx> {
        Ok(Ring::from_fd(fd)?.sender_with(self.wait)?)
    }

    fn rx(&self, fd: OwnedFd) -> Result<Self::Rx> {
        Ok(Ring::from_fd(fd)?.receiver_with(self.wait)?)
    }
}

impl<const N: usize, K: Kind> Tx<N> for Sender<[u64; N], K> {
    fn send(&mut self, message: [u64; N]) -> Result<()> {
        match Sender::send(self, message) {
            Ok(()) => Ok(()),
            Err(error) => bail!("cannot send: {error}"),
        }
    }

    fn send_batch(&mut self, messages: &[[u64; N]]) -> Result<()> {
        match Sender::send_slice(self, messages) {
            Ok(_) => Ok(()),
            Err(error) => bail!("cannot send: {}", error.cause),
        }
    }
}

impl<const N: usize, K: Kind> Rx<N> for Receiver<[u64; N], K> {
    fn recv(&mut self) -> Result<Option<[u64; N]>> {
        match Receiver::recv(self) {
            Ok(message) => Ok(Some(message)),
            Err(
                RecvError::Closed
                | RecvError::Disconnected
                | RecvError::Removed
                | RecvError::Cancelled,
            ) => Ok(None),
            Err(RecvError::Failed(failure)) => Err(failure).context("cannot receive"),
        }
    }

    fn recv_batch(&mut self, into: &mut Vec<[u64; N]>, most: usize) -> Result<()> {
        into.clear();
        match Receiver::recv_batch(self, into, most) {
            Ok(_)
            | Err(
                RecvError::Closed
                | RecvError::Disconnected
                | RecvError::Removed
                | RecvError::Cancelled,
            ) => Ok(()),
            Err(RecvError::Failed(failure)) => Err(failure).context("cannot receive"),
        }
    }
}
