//! Endpoints of sockets: made as a pair, or from a socket of any origin.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::end::SocketEnd;
use super::frame::HEADER;
use super::receiver::SocketReceiver;
use super::sender::SocketSender;
use crate::message::Message;
use crate::sys::fork::PrivateFd;
use crate::sys::socket::{self, SocketKind};
use crate::uds::error::RendezvousError;
use crate::uds::watcher::Interest;

/// Bytes of a byte message, at most, where nothing else was asked for.
pub(in crate::uds) const DEFAULT_LIMIT: usize = 64 << 10;

/// Bytes of the longest message over a stream.
const MAX_LIMIT: usize = 16 << 20;

/// What the kernel counts for a message beside its bytes, at most.
const OVERHEAD: usize = 4 << 10;

/// The sort of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// `SOCK_STREAM`: messages of up to 16 MiB, in frames.
    Stream,
    /// `SOCK_SEQPACKET`: each message is one packet of the socket, at most as long as its buffer.
    SeqPacket,
    /// `SOCK_DGRAM`: the same, without a connection; a second socket tells that the other end
    /// hangs up.
    Datagram,
}

impl SocketType {
    pub(in crate::uds) fn kind(self) -> SocketKind {
        match self {
            SocketType::Stream => SocketKind::Stream,
            SocketType::SeqPacket => SocketKind::SeqPacket,
            SocketType::Datagram => SocketKind::Datagram,
        }
    }
}

/// What both ends agree on.
#[derive(Clone, Copy, Debug)]
pub(in crate::uds) struct SocketConfig {
    pub(in crate::uds) kind: SocketKind,
    /// Bytes of a byte message, at most.
    pub(in crate::uds) limit: usize,
    /// Bytes of the send buffer, about; `None`: the system's choice.
    pub(in crate::uds) buffer: Option<usize>,
}

impl SocketConfig {
    fn limit_of<T: Message + ?Sized>(&self) -> Result<usize, RendezvousError> {
        let limit = T::FIXED.map_or(self.limit, |(size, _)| size);
        if limit > MAX_LIMIT {
            return Err(RendezvousError::InvalidOption {
                what: "size of a message over a socket",
                expected: "at most 16 MiB",
                found: limit,
            });
        }
        Ok(limit)
    }

    /// Gives the sending socket the buffer that it needs.
    fn prepare(&self, sending: &OwnedFd, limit: usize) -> Result<(), RendezvousError> {
        let os = RendezvousError::os("set the buffer of a socket");
        let fd = sending.as_fd();
        if let Some(bytes) = self.buffer {
            socket::set_send_buffer(fd, bytes).map_err(&os)?;
        }
        if self.kind == SocketKind::Stream {
            return Ok(());
        }
        let needed = HEADER + limit + OVERHEAD;
        let granted = socket::grow_send_buffer(fd, needed).map_err(&os)?;
        match granted < HEADER + limit + 64 {
            true => Err(RendezvousError::InvalidOption {
                what: "message limit of packets and datagrams",
                expected: "no more than the system's socket buffers hold (raise \
                           net.core.wmem_max), or a stream",
                found: limit,
            }),
            false => Ok(()),
        }
    }
}

/// The two sides of one direction: descriptors for the sender, and for the receiver.
pub(in crate::uds) fn make_direction<T: Message + ?Sized>(
    config: &SocketConfig,
) -> Result<[Vec<OwnedFd>; 2], RendezvousError> {
    let os = RendezvousError::os("make a pair of sockets");
    let limit = config.limit_of::<T>()?;
    let (sending, receiving) = socket::pair(config.kind).map_err(&os)?;
    config.prepare(&sending, limit)?;
    let (mut ours, mut theirs) = (vec![sending], vec![receiving]);
    if config.kind == SocketKind::Datagram {
        let (one, other) = socket::pair(SocketKind::Stream).map_err(&os)?;
        ours.push(one);
        theirs.push(other);
    }
    Ok([ours, theirs])
}

fn end<T: Message + ?Sized>(
    config: &SocketConfig,
    fds: Vec<OwnedFd>,
    interest: Interest,
) -> Result<SocketEnd, RendezvousError> {
    let limit = config.limit_of::<T>()?;
    let mut private = Vec::new();
    for fd in fds {
        let kept = PrivateFd::open(|| Ok(fd));
        private.push(kept.map_err(RendezvousError::os("keep a socket"))?);
    }
    let mut private = private.into_iter();
    let fd = private.next().ok_or(RendezvousError::Protocol {
        what: "a socket is missing",
        found: 0,
    })?;
    Ok(SocketEnd::new(
        fd,
        private.next(),
        config.kind,
        limit,
        interest,
    ))
}

pub(in crate::uds) fn sender_of<T: Message + ?Sized>(
    config: &SocketConfig,
    fds: Vec<OwnedFd>,
) -> Result<SocketSender<T>, RendezvousError> {
    end::<T>(config, fds, Interest::Writable).map(SocketSender::new)
}

pub(in crate::uds) fn receiver_of<T: Message + ?Sized>(
    config: &SocketConfig,
    fds: Vec<OwnedFd>,
) -> Result<SocketReceiver<T>, RendezvousError> {
    end::<T>(config, fds, Interest::Readable).map(SocketReceiver::new)
}

/// Makes a socket, and returns both its ends, as [`channel`](fn@crate::channel) does for rings.
/// Byte messages may have up to 64 KiB.
///
/// ```
/// use memring::uds::{SocketType, socket_pair};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut tx, mut rx) = socket_pair::<u64>(SocketType::SeqPacket)?;
/// tx.send(7)?;
/// tx.close()?;
/// assert_eq!(rx.recv()?, 7);
/// assert_eq!(rx.recv(), Err(memring::RecvError::Closed));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`RendezvousError::Os`]; [`RendezvousError::InvalidOption`] if messages are too long.
#[allow(clippy::type_complexity)] // what users read
pub fn socket_pair<T: Message + ?Sized>(
    kind: SocketType,
) -> Result<(SocketSender<T>, SocketReceiver<T>), RendezvousError> {
    socket_pair_with(kind, DEFAULT_LIMIT, None)
}

/// As [`socket_pair`], with a limit for byte messages, and a size of the send buffer. The size is
/// in bytes as the kernel counts them: some 700 for a small message. The kernel has a minimum
/// size, of some thousands, and a maximum.
///
/// ```
/// use memring::uds::{SocketType, socket_pair_with};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut tx, mut rx) = socket_pair_with::<[u8]>(SocketType::Datagram, 4000, Some(1 << 17))?;
/// assert_eq!(tx.message_size(), 4000);
/// assert!(tx.send(&[0; 4001]).is_err());
/// tx.send(b"a line")?;
/// assert_eq!(rx.recv()?, b"a line");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`socket_pair`].
#[allow(clippy::type_complexity)] // what users read
pub fn socket_pair_with<T: Message + ?Sized>(
    kind: SocketType,
    message_limit: usize,
    buffer: Option<usize>,
) -> Result<(SocketSender<T>, SocketReceiver<T>), RendezvousError> {
    let config = SocketConfig {
        kind: kind.kind(),
        limit: message_limit,
        buffer,
    };
    let [sending, receiving] = make_direction::<T>(&config)?;
    Ok((
        sender_of(&config, sending)?,
        receiver_of(&config, receiving)?,
    ))
}

/// What kind of socket was given.
fn given(fd: &OwnedFd, limit: usize) -> Result<SocketConfig, RendezvousError> {
    let os = RendezvousError::os("look at a socket");
    let not_one = || io::Error::from(io::ErrorKind::Unsupported);
    let kind = socket::kind_of(fd.as_fd()).map_err(&os)?;
    Ok(SocketConfig {
        kind: kind.ok_or_else(not_one).map_err(&os)?,
        limit,
        buffer: None,
    })
}

impl<T: Message + ?Sized> SocketSender<T> {
    /// Makes the sending end of a connected Unix domain socket that was inherited, received, or
    /// accepted by other means. The frames are described in the repository's `docs/uds.md`. A
    /// socket is used in one direction, and by one end. `message_limit` is for byte messages.
    ///
    /// ```
    /// use memring::uds::{SocketReceiver, SocketSender};
    /// use std::os::unix::net::UnixStream;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (ours, theirs) = UnixStream::pair()?; // inherited by a child, say
    /// let mut tx = SocketSender::<[u8]>::from_fd(ours.into(), 4000)?;
    /// let mut rx = SocketReceiver::<[u8]>::from_fd(theirs.into(), 4000)?;
    /// tx.send(b"a line")?;
    /// assert_eq!(rx.recv()?, b"a line");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RendezvousError::Os`] if `socket` is not a Unix domain socket;
    /// [`RendezvousError::InvalidOption`].
    pub fn from_fd(socket: OwnedFd, message_limit: usize) -> Result<Self, RendezvousError> {
        let config = given(&socket, message_limit)?;
        config.prepare(&socket, config.limit_of::<T>()?)?;
        sender_of(&config, vec![socket])
    }
}

impl<T: Message + ?Sized> SocketReceiver<T> {
    /// As [`SocketSender::from_fd`]. Over datagrams the receiver does not find out that the
    /// sender died, only that it closed.
    ///
    /// # Errors
    /// As [`SocketSender::from_fd`].
    pub fn from_fd(socket: OwnedFd, message_limit: usize) -> Result<Self, RendezvousError> {
        receiver_of(&given(&socket, message_limit)?, vec![socket])
    }
}
