//! Unix domain sockets, and the descriptors that they pass.
//!
//! Every socket is close-on-exec. No call waits, but for [`connect`] and [`poll`], which do
//! until a moment.

mod room;

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

pub(crate) use room::has_room;
pub(crate) use rustix::event::PollFlags;
use rustix::event::{PollFd, Timespec};
use rustix::io::Errno;
pub(crate) use rustix::net::SocketAddrUnix;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
};

use crate::sys::clock::MonotonicTime;

/// The most descriptors of one message.
pub(crate) const MAX_PASSED: usize = 8;

/// How a socket carries what is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    /// Bytes.
    Stream,
    /// Messages, in a connection.
    SeqPacket,
    /// Messages.
    Datagram,
}

impl SocketKind {
    fn as_type(self) -> SocketType {
        match self {
            SocketKind::Stream => SocketType::STREAM,
            SocketKind::SeqPacket => SocketType::SEQPACKET,
            SocketKind::Datagram => SocketType::DGRAM,
        }
    }
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Two sockets that are connected to each other.
pub(crate) fn pair(kind: SocketKind) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(net::socketpair(
        AddressFamily::UNIX,
        kind.as_type(),
        FLAGS,
        None,
    )?)
}

/// A socket that listens at `address`. `prepare` is called with it before it has the address.
pub(crate) fn listen(
    address: &SocketAddrUnix,
    prepare: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    use std::os::fd::AsFd;
    let kind = SocketKind::SeqPacket.as_type();
    let socket = net::socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    prepare(socket.as_fd())?;
    net::bind(&socket, address)?;
    // The kernel takes less, if its limit (`net.core.somaxconn`) is lower.
    net::listen(&socket, 4096)?;
    Ok(socket)
}

/// The permission bits of the file that a socket becomes when it is bound.
pub(crate) fn set_mode(socket: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(
        socket,
        rustix::fs::Mode::from_raw_mode(mode),
    )?)
}

/// The next connection, if one waits.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(net::accept_with(listener, FLAGS)?)
}

/// A socket that is connected to `address`. Waits for the listener's queue to have room, for
/// at most `timeout`: `WouldBlock` then.
pub(crate) fn connect(address: &SocketAddrUnix, timeout: Duration) -> io::Result<OwnedFd> {
    let kind = SocketKind::SeqPacket.as_type();
    let socket = net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    // A time of zero would be none.
    let timeout = timeout.max(Duration::from_micros(1));
    sockopt::set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
    net::connect(&socket, address)?;
    Ok(socket)
}

/// As [`connect`], without waiting: `WouldBlock` if the listener's queue has no room now.
pub(crate) fn connect_now(address: &SocketAddrUnix) -> io::Result<OwnedFd> {
    let kind = SocketKind::SeqPacket.as_type();
    let socket = net::socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    net::connect(&socket, address)?;
    Ok(socket)
}

/// Whether it is a Unix domain socket, and of which kind.
pub(crate) fn kind_of(socket: BorrowedFd<'_>) -> io::Result<Option<SocketKind>> {
    if sockopt::socket_domain(socket)? != AddressFamily::UNIX {
        return Ok(None);
    }
    let kind = sockopt::socket_type(socket)?;
    let kinds = [
        SocketKind::Stream,
        SocketKind::SeqPacket,
        SocketKind::Datagram,
    ];
    Ok(kinds.into_iter().find(|known| known.as_type() == kind))
}

/// Asks for a send buffer of so many bytes, as the kernel counts them, and tells what it is.
pub(crate) fn grow_send_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    if sockopt::socket_send_buffer_size(socket)? < bytes {
        // The kernel doubles what it is asked for, and takes what it permits.
        sockopt::set_socket_send_buffer_size(socket, bytes.div_ceil(2))?;
    }
    Ok(sockopt::socket_send_buffer_size(socket)?)
}

/// Asks for a send buffer of about so many bytes.
pub(crate) fn set_send_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    Ok(sockopt::set_socket_send_buffer_size(
        socket,
        bytes.div_ceil(2),
    )?)
}

/// Sends one message, or as many bytes of a stream as there is room for.
pub(crate) fn send(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    send_with(socket, parts, &mut SendAncillaryBuffer::default())
}

/// Sends one message and descriptors with it.
pub(crate) fn send_passing(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_PASSED))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    send_with(socket, &[IoSlice::new(bytes)], &mut control)
}

fn send_with(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    control: &mut SendAncillaryBuffer<'_, '_, '_>,
) -> io::Result<usize> {
    // By the call, not by the socket's flag, which its other owners could change.
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(rustix::io::retry_on_intr(|| {
        net::sendmsg(socket, parts, control, flags)
    })?)
}

/// What came in one call.
pub(crate) struct Incoming {
    pub(crate) bytes: usize,
    /// The message was longer than the buffer, or had more descriptors than were expected.
    pub(crate) is_cut: bool,
    pub(crate) fds: Vec<OwnedFd>,
}

/// Receives one message, or the bytes of a stream that are there. Descriptors that were sent
/// along are closed by the kernel: there is no room for them.
pub(crate) fn recv(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Incoming> {
    let received = recv_with(socket, buffer, &mut RecvAncillaryBuffer::default())?;
    Ok(Incoming {
        bytes: received.0,
        is_cut: received.1.contains(ReturnFlags::TRUNC),
        fds: Vec::new(),
    })
}

/// Receives one message and up to [`MAX_PASSED`] descriptors. More than those the kernel
/// closes.
pub(crate) fn recv_passed(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Incoming> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_PASSED))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let (bytes, flags) = recv_with(socket, buffer, &mut control)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(Incoming {
        bytes,
        is_cut: flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC),
        fds,
    })
}

fn recv_with(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut RecvAncillaryBuffer<'_>,
) -> io::Result<(usize, ReturnFlags)> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    loop {
        match net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], control, flags) {
            Ok(received) => return Ok((received.bytes, received.flags)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Another descriptor of the same socket.
pub(crate) fn duplicate(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(socket, 0)?)
}

/// Has the other end's sends fail from now on. What was sent before can be received.
pub(crate) fn stop_receiving(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(net::shutdown(socket, Shutdown::Read)?)
}

/// Waits until one of the descriptors has what is asked of it, or was hung up; until
/// `deadline` at most. May return early for no reason.
pub(crate) fn poll(
    wanted: &[(BorrowedFd<'_>, PollFlags)],
    deadline: Option<MonotonicTime>,
) -> io::Result<Vec<PollFlags>> {
    let polled = wanted.iter();
    let mut fds: Vec<_> = polled
        .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
        .collect();
    let left = deadline.map(|deadline| MonotonicTime::now().until(deadline));
    // Beyond the kernel's range: for ever.
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    match rustix::event::poll(&mut fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(fds.iter().map(PollFd::revents).collect()),
        Err(error) => Err(error.into()),
    }
}
