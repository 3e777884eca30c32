//! The receiving end of a socket.

use std::io::IoSlice;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use bytemuck::AnyBitPattern;

use super::end::{Attempt, SocketCanceller, SocketEnd, attempt, failed};
use super::frame::{FrameHeader, HEADER, end_frame};
use crate::channel::{Wait, WaitError, outcome};
use crate::error::{Failure, RecvError, RecvTimeoutError, TryRecvError};
use crate::message::{Message, Source};
use crate::sys::socket::{self, SocketKind};

/// Bytes that are asked for of a stream at once, at least.
const CHUNK: usize = 16 << 10;

/// The receiving end of a socket: the verbs of a ring's [`Receiver`](crate::Receiver), and
/// its errors.
///
/// It is made in the same ways as a [`SocketSender`](super::SocketSender). Messages come
/// completely, or not at all. Dropping it hangs up: the sender gets `Disconnected`, and messages
/// that were not received are lost.
///
/// ```
/// use memring::uds::{SocketType, socket_pair};
/// use std::time::{Duration, Instant};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut tx, mut rx) = socket_pair::<u64>(SocketType::SeqPacket)?;
/// assert!(rx.try_recv().unwrap_err().is_empty());
/// assert!(rx.recv_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
/// for number in 1..=3 {
///     tx.send(number)?;
/// }
/// assert_eq!(rx.recv()?, 1);
/// assert_eq!(rx.recv_deadline(Instant::now() + Duration::from_secs(60))?, 2);
/// let mut number = 0;
/// assert_eq!((rx.recv_into(&mut number)?, number), (8, 3));
/// assert_eq!(rx.message_size(), 8);
/// let _readable_when_there_is_a_message = rx.poll_fd()?;
/// rx.close()?;
/// assert!(rx.is_closed() && tx.send(4).unwrap_err().is_closed());
/// # Ok(())
/// # }
/// ```
pub struct SocketReceiver<T: Message + ?Sized> {
    pub(super) end: SocketEnd,
    buffer: Vec<u8>,
    /// What of it came and was not handed out.
    filled: Range<usize>,
    /// What to say when nothing more comes.
    over: Option<WaitError>,
    is_closed_here: bool,
    marker: PhantomData<fn() -> *const T>,
}

impl<T: Message + ?Sized> Attempt for SocketReceiver<T> {
    fn end(&self) -> &SocketEnd {
        &self.end
    }
}

/// A message that came.
struct ReceivedBytes<'b>(&'b [u8]);

impl Source for ReceivedBytes<'_> {
    fn value<T: AnyBitPattern>(&self) -> T {
        bytemuck::pod_read_unaligned(self.0)
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        self.0[..length].to_vec()
    }

    fn copy_to(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
    }
}

impl<T: Message + ?Sized> SocketReceiver<T> {
    pub(super) fn new(end: SocketEnd) -> Self {
        SocketReceiver {
            end,
            buffer: Vec::new(),
            filled: 0..0,
            over: None,
            is_closed_here: false,
            marker: PhantomData,
        }
    }

    /// Receives a message if one is there now. Does not wait.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; [`TryRecvError::Closed`] if either end closed and all was
    /// received; [`TryRecvError::Disconnected`] if the sender hung up, or died, and all was
    /// received. [`TryRecvError::Failed`] with [`Failure::TooLongToReceive`] or
    /// [`Failure::NotAMessage`]: over a stream nothing can be received after that; over the other
    /// types only that message is lost.
    pub fn try_recv(&mut self) -> Result<T::Received, TryRecvError> {
        self.recv_within(Wait::Not).map_err(outcome::try_recv)
    }

    /// Receives a message, waiting as long as it takes.
    ///
    /// # Errors
    /// As [`SocketReceiver::try_recv`], without `Empty`; [`RecvError::Cancelled`].
    pub fn recv(&mut self) -> Result<T::Received, RecvError> {
        self.recv_within(Wait::Forever).map_err(outcome::recv)
    }

    /// As [`SocketReceiver::recv`], for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`]; else as [`SocketReceiver::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T::Received, RecvTimeoutError> {
        self.recv_within(Wait::at_most(timeout))
            .map_err(outcome::recv_timeout)
    }

    /// As [`SocketReceiver::recv`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`SocketReceiver::recv_timeout`].
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T::Received, RecvTimeoutError> {
        self.recv_within(Wait::until(deadline))
            .map_err(outcome::recv_timeout)
    }

    pub(super) fn recv_within(&mut self, wait: Wait) -> Result<T::Received, WaitError> {
        attempt(self, wait, Self::recv_now)
    }

    /// As [`SocketReceiver::recv`], into the caller's memory. Returns how many bytes the message
    /// has.
    ///
    /// # Errors
    /// As [`SocketReceiver::recv`].
    pub fn recv_into(&mut self, message: &mut T::Received) -> Result<usize, RecvError> {
        let received = attempt(self, Wait::Forever, Self::next_payload);
        let payload = received.map_err(outcome::recv)?;
        let source = ReceivedBytes(&self.buffer[payload.clone()]);
        Ok(T::decode_into(&source, payload.len(), message))
    }

    /// Receives if a message is there.
    pub(super) fn recv_now(&mut self) -> Result<T::Received, WaitError> {
        let payload = self.next_payload()?;
        let source = ReceivedBytes(&self.buffer[payload.clone()]);
        Ok(T::decode(&source, payload.len()))
    }

    /// Where in the buffer the next message is; it counts as received.
    fn next_payload(&mut self) -> Result<Range<usize>, WaitError> {
        if let Some(over) = self.over {
            return Err(over);
        }
        let next = match self.end.kind {
            SocketKind::Stream => self.next_of_stream(),
            SocketKind::SeqPacket | SocketKind::Datagram => self.next_packet(),
        };
        match next {
            Ok(Some(payload)) => Ok(payload),
            Ok(None) => Err(self.end_with(WaitError::Closed)),
            Err(error) => Err(error),
        }
    }

    fn end_with(&mut self, over: WaitError) -> WaitError {
        self.over = Some(over);
        over
    }

    fn parse(&self, bytes: &[u8]) -> Option<Result<FrameHeader, Failure>> {
        FrameHeader::parse(bytes, self.end.limit, T::FIXED.is_some())
    }

    /// Whether a call would not have to wait. Takes nothing: what came of a stream is kept for
    /// the call.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.over.is_some() {
            return true;
        }
        match self.end.kind {
            SocketKind::Stream => self.frame_of_stream() != Err(WaitError::NotYet),
            SocketKind::SeqPacket | SocketKind::Datagram => {
                let polled = || self.end.poll_now();
                self.is_closed_here || !polled().is_ok_and(|flags| flags.is_empty())
            }
        }
    }

    /// Whether a message came before.
    pub(super) fn has_whole_frame(&self) -> bool {
        let came = &self.buffer[self.filled.clone()];
        match self.parse(came) {
            Some(Ok(FrameHeader::Message(length))) => came.len() >= HEADER + length,
            _ => self.over.is_some(),
        }
    }

    /// `None`: the end.
    fn next_of_stream(&mut self) -> Result<Option<Range<usize>>, WaitError> {
        let needed = self.frame_of_stream()?;
        Ok(needed.map(|needed| {
            let begin = self.filled.start;
            self.filled.start += needed;
            begin + HEADER..begin + needed
        }))
    }

    /// Bytes of the frame that the buffer begins with, when all of it has come. `None`: the
    /// end.
    fn frame_of_stream(&mut self) -> Result<Option<usize>, WaitError> {
        loop {
            let needed = match self.parse(&self.buffer[self.filled.clone()]) {
                None => HEADER,
                Some(Ok(FrameHeader::End)) => return Ok(None),
                Some(Ok(FrameHeader::Message(length))) => HEADER + length,
                Some(Err(failure)) => return Err(self.end_with(WaitError::Failed(failure))),
            };
            if self.filled.len() >= needed {
                return Ok(Some(needed));
            }
            self.fill(needed)?;
        }
    }

    /// Reads what has come, and has room for a frame of `needed` bytes.
    fn fill(&mut self, needed: usize) -> Result<(), WaitError> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        if self.filled.start + needed > self.buffer.len() {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
            if needed > self.buffer.len() {
                // As long as a frame that was announced, and is within the limit.
                self.buffer.resize(needed.max(CHUNK), 0);
            }
        }
        let space = self.filled.end..;
        match self.read(space.start)? {
            Some((bytes, _)) => {
                self.filled.end += bytes;
                Ok(())
            }
            None if self.filled.is_empty() => Err(self.hung_up()),
            None => {
                let found = self.filled.len() as u64;
                Err(self.end_with(WaitError::Failed(Failure::NotAMessage {
                    what: "it was cut short: the sender died, or hung up, in the middle of it",
                    found,
                })))
            }
        }
    }

    /// `None`: the end.
    fn next_packet(&mut self) -> Result<Option<Range<usize>>, WaitError> {
        let whole = HEADER + self.end.limit;
        self.buffer.resize(whole, 0);
        let Some((bytes, is_cut)) = self.read(0)? else {
            return Err(self.hung_up());
        };
        if is_cut {
            // (How long it was the kernel does not say.)
            return Err(WaitError::Failed(Failure::TooLongToReceive {
                length: self.end.limit + 1,
                limit: self.end.limit,
            }));
        }
        match self.parse(&self.buffer[..bytes]) {
            Some(Ok(FrameHeader::End)) if bytes == HEADER => Ok(None),
            Some(Ok(FrameHeader::Message(length))) if HEADER + length == bytes => {
                Ok(Some(HEADER..bytes))
            }
            Some(Err(failure)) => Err(WaitError::Failed(failure)),
            _ => Err(WaitError::Failed(Failure::NotAMessage {
                what: "it is not as long as it says",
                found: bytes as u64,
            })),
        }
    }

    /// What has come, into the buffer from `start` on: how many bytes, and whether they were
    /// cut. `None`: nothing more will.
    fn read(&mut self, start: usize) -> Result<Option<(usize, bool)>, WaitError> {
        let mut was_hung_up = false;
        let mut was_reset = false;
        loop {
            let fd = self.end.get()?;
            let error = match socket::recv(fd, &mut self.buffer[start..]) {
                // An empty datagram is nobody's message; one that was shut here ends so.
                Ok(came) if came.bytes == 0 => match self.end.kind {
                    SocketKind::Datagram if !self.is_closed_here => return Ok(Some((0, false))),
                    _ => return Ok(None),
                },
                Ok(came) => return Ok(Some((came.bytes, came.is_cut))),
                Err(error) => error,
            };
            match error.raw_os_error().unwrap_or(0) {
                // What was sent before this end closed has come; more is not sent.
                libc::EAGAIN if was_hung_up || self.is_closed_here => return Ok(None),
                // What was sent before that is there now.
                libc::EAGAIN if self.end.is_hung_up() => was_hung_up = true,
                libc::EAGAIN => return Err(WaitError::NotYet),
                // The other end had something left that this one sent: its end. What was
                // received before that comes first.
                libc::ECONNRESET if !was_reset => was_reset = true,
                libc::ECONNRESET => return Ok(None),
                _ => return Err(failed("receive")(error)),
            }
        }
    }

    fn hung_up(&mut self) -> WaitError {
        self.end_with(match self.is_closed_here {
            true => WaitError::Closed,
            false => WaitError::Disconnected,
        })
    }

    /// Closes the socket for good: the sender's calls end with `Closed` at once. This end drains
    /// what was sent, and then gets `Closed`. Closing again does nothing.
    ///
    /// # Errors
    /// [`Failure::Forked`]; [`Failure::System`].
    pub fn close(&mut self) -> Result<(), Failure> {
        let fd = self.end.poll_fd()?;
        if self.is_closed_here || self.over.is_some() {
            return Ok(());
        }
        self.is_closed_here = true;
        // Before the other, so that a sender whose call fails finds out why. There is room,
        // for nothing else goes this way; and if the sender has gone there is no need.
        let _ = socket::send(fd, &[IoSlice::new(&end_frame())]);
        match socket::stop_receiving(fd) {
            Err(error) if error.raw_os_error() != Some(libc::ENOTCONN) => Err(Failure::System {
                action: "close a socket",
                code: error.raw_os_error().unwrap_or(0),
            }),
            _ => Ok(()),
        }
    }

    /// Whether this end was closed, or found the end that the sender sent.
    pub fn is_closed(&self) -> bool {
        self.is_closed_here || self.over == Some(WaitError::Closed)
    }

    /// Bytes of a message; for byte messages, the most that one may have.
    pub fn message_size(&self) -> usize {
        self.end.limit
    }

    /// Returns a canceller, which ends this end's blocked calls.
    ///
    /// Example: [`SocketCanceller`].
    pub fn canceller(&self) -> SocketCanceller {
        self.end.canceller()
    }

    /// Returns the socket, for `poll`, epoll and the like. Wait until it is readable, after a
    /// call that returned `Empty`. (Without such a call, messages may wait in this end's buffer.)
    /// Do nothing else with the socket. Over datagrams it does not tell that the sender died.
    ///
    /// # Errors
    /// [`Failure::Forked`] in a forked child, where the socket is not open.
    pub fn poll_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.end.poll_fd()
    }
}

impl<T: Message + ?Sized> std::fmt::Debug for SocketReceiver<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketReceiver")
            .field("kind", &self.end.kind)
            .field("message_size", &self.end.limit)
            .finish_non_exhaustive()
    }
}
