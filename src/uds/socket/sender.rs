//! The sending end of a socket.

use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::end::{Attempt, SocketCanceller, SocketEnd, attempt, failed};
use super::frame::{FrameHeader, HEADER, end_frame, message_header};
use super::tail::{Tail, TailState};
use crate::channel::{Wait, WaitError, outcome};
use crate::error::{Failure, SendError, SendTimeoutError, TrySendError};
use crate::message::Message;
use crate::sys::socket::{self, PollFlags, SocketKind};

/// The sending end of a socket: the verbs of a ring's [`Sender`](crate::Sender), and its
/// errors.
///
/// From [`socket_pair`](super::socket_pair), from a [`Rendezvous`](crate::uds::Rendezvous) over a
/// socket, or from a socket of any origin ([`SocketSender::from_fd`]). `Ok` means that the kernel
/// has the message: it is received even if this process dies, unless the receiver dies.
///
/// Dropping it hangs up: the receiver drains what was sent and then gets `Disconnected`.
///
/// ```
/// use memring::uds::{SocketType, socket_pair};
/// use std::time::{Duration, Instant};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut tx, mut rx) = socket_pair::<u64>(SocketType::SeqPacket)?;
/// tx.send(1)?;
/// let mut sent = 1;
/// while tx.try_send(2).is_ok() {
///     sent += 1; // until the socket is full
/// }
/// let error = tx.send_timeout(3, Duration::from_millis(1)).unwrap_err();
/// assert!(error.is_timeout() && tx.send_deadline(3, Instant::now()).is_err());
/// let _writable_when_there_is_room = tx.poll_fd()?;
/// let _ends_blocked_calls = tx.canceller();
/// tx.close()?;
/// assert!(tx.is_closed() && tx.message_size() == 8);
/// let received = std::iter::from_fn(|| rx.recv().ok()).count();
/// assert_eq!(received, sent);
/// # Ok(())
/// # }
/// ```
pub struct SocketSender<T: Message + ?Sized> {
    pub(super) end: SocketEnd,
    tail: Option<Arc<Tail>>,
    /// Why nothing can be sent any more.
    pub(super) over: Option<WaitError>,
    /// The last message found no room. Since then there is room when the kernel says so.
    was_full: bool,
    marker: PhantomData<fn(&T)>,
}

impl<T: Message + ?Sized> Attempt for SocketSender<T> {
    fn end(&self) -> &SocketEnd {
        &self.end
    }
}

impl<T: Message + ?Sized> SocketSender<T> {
    pub(super) fn new(end: SocketEnd) -> Self {
        SocketSender {
            end,
            tail: None,
            over: None,
            was_full: false,
            marker: PhantomData,
        }
    }

    /// Sends a message if there is room now. Does not wait.
    ///
    /// A stream may take the beginning of a message of more than 32 KiB and have no room for the
    /// rest. The result is then `Ok` too: this process sends the rest as soon as there is room,
    /// by the next call or in the background, and until then the socket is `Full`. If the process
    /// dies before, the receiver gets an error, and no part of the message.
    ///
    /// # Errors
    /// [`TrySendError::Full`]; [`TrySendError::Closed`] if either end closed;
    /// [`TrySendError::Disconnected`] if the receiver has hung up, or died: at once, even if
    /// there is room. [`TrySendError::Failed`]. A typed message comes back in the error.
    pub fn try_send(&mut self, message: T::Sent<'_>) -> Result<(), TrySendError<T::Unsent>> {
        self.send_within(message, Wait::Not, outcome::try_send)
    }

    /// Sends a message, waiting for room as long as it takes.
    ///
    /// # Errors
    /// As [`SocketSender::try_send`], without `Full`; [`SendError::Cancelled`].
    pub fn send(&mut self, message: T::Sent<'_>) -> Result<(), SendError<T::Unsent>> {
        self.send_within(message, Wait::Forever, outcome::send)
    }

    /// As [`SocketSender::send`], for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`]: nothing of the message was sent. Else as
    /// [`SocketSender::send`].
    pub fn send_timeout(
        &mut self,
        message: T::Sent<'_>,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T::Unsent>> {
        self.send_within(message, Wait::at_most(timeout), outcome::send_timeout)
    }

    /// As [`SocketSender::send`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`SocketSender::send_timeout`].
    pub fn send_deadline(
        &mut self,
        message: T::Sent<'_>,
        deadline: Instant,
    ) -> Result<(), SendTimeoutError<T::Unsent>> {
        self.send_within(message, Wait::until(deadline), outcome::send_timeout)
    }

    /// Sends what there was room for. It waits only where others send by the same socket, or
    /// to the same one, and were quicker.
    pub(super) fn send_claimed(
        &mut self,
        message: T::Sent<'_>,
    ) -> Result<(), SendError<T::Unsent>> {
        let sent = {
            let bytes = T::encode(&message);
            match self.send_now(bytes) {
                Err(WaitError::NotYet) => {
                    attempt(self, Wait::Forever, |sender| sender.send_now(bytes))
                }
                sent => sent,
            }
        };
        sent.map_err(|cause| outcome::send(cause, T::unsent(message)))
    }

    fn send_within<E>(
        &mut self,
        message: T::Sent<'_>,
        wait: Wait,
        error: impl FnOnce(WaitError, T::Unsent) -> E,
    ) -> Result<(), E> {
        let sent = {
            let bytes = T::encode(&message);
            let sent = attempt(self, wait, |sender| sender.send_now(bytes));
            match (sent, wait) {
                // All of it, if there is time for that.
                (Ok(()), Wait::Forever) if self.tail.is_some() => self.finish_tail(),
                (sent, _) => sent,
            }
        };
        sent.map_err(|cause| error(cause, T::unsent(message)))
    }

    /// Sends if there is room, for the begin at least.
    pub(super) fn send_now(&mut self, message: &[u8]) -> Result<(), WaitError> {
        let limit = self.end.limit;
        let header = message_header(message.len()).filter(|_| message.len() <= limit);
        let Some(header) = header else {
            let length = message.len();
            return Err(WaitError::Failed(Failure::TooLong { length, limit }));
        };
        self.flush_tail()?;
        let fd = self.end.get()?;
        let parts = [IoSlice::new(&header), IoSlice::new(message)];
        let sent = socket::send(fd, &parts);
        self.was_full = matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => return Err(self.why_not(&error)),
        };
        let whole = HEADER + message.len();
        if self.end.kind == SocketKind::Stream && sent < whole {
            let rest = header.iter().chain(message).skip(sent);
            let tail = Tail::new(fd, self.end.line_fd(), rest.copied().collect());
            match tail {
                Ok(tail) => self.tail = Some(tail),
                Err(error) => {
                    // The receiver finds a message that was cut short, and says so.
                    let cause = failed("send the rest of a message")(error);
                    self.over = Some(cause);
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    /// Whether a call would not have to wait: there is room, or it would fail.
    pub(super) fn is_ready(&mut self) -> bool {
        match self.flush_tail() {
            Ok(()) => {}
            Err(WaitError::NotYet) => return false,
            Err(_) => return true,
        }
        let Ok(flags) = self.end.poll_now() else {
            return true;
        };
        let is_over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if flags.intersects(is_over | PollFlags::OUT) {
            return true;
        }
        let has_come = flags.intersects(PollFlags::IN | PollFlags::RDHUP);
        if has_come && self.came_back().is_some() {
            return true;
        }
        // The other end of a datagram socket from elsewhere may have a queue that is full
        // whatever room the buffer has: only what the kernel reports counts.
        if self.end.kind == SocketKind::Datagram && self.end.line_fd().is_none() {
            return false;
        }
        // The kernel says so from a quarter of the buffer on, or so.
        let has_room = |fd| socket::has_room(fd).unwrap_or(false);
        !self.was_full && self.end.get().is_ok_and(has_room)
    }

    /// Sends what is left of an earlier message. `NotYet`: there is no room.
    fn flush_tail(&mut self) -> Result<(), WaitError> {
        if let Some(over) = self.over {
            return Err(over);
        }
        let Some(tail) = &self.tail else {
            return Ok(());
        };
        match tail.flush() {
            TailState::Waiting => match self.came_back() {
                Some(over) => Err(over),
                None => Err(WaitError::NotYet),
            },
            TailState::Done => {
                self.tail = None;
                Ok(())
            }
            TailState::Lost => {
                let over = self.came_back().unwrap_or(WaitError::Disconnected);
                self.over = Some(over);
                Err(over)
            }
        }
    }

    /// Waits until the rest of a message is sent. The message counts as sent if this is
    /// cancelled meanwhile.
    fn finish_tail(&mut self) -> Result<(), WaitError> {
        let finished = attempt(self, Wait::Forever, Self::flush_tail);
        match finished {
            Err(WaitError::Cancelled) => Ok(()),
            finished => finished,
        }
    }

    /// Why a message could not be sent.
    fn why_not(&mut self, error: &io::Error) -> WaitError {
        match error.raw_os_error().unwrap_or(0) {
            libc::EAGAIN => self.came_back().unwrap_or(WaitError::NotYet),
            libc::EPIPE | libc::ECONNRESET | libc::ECONNREFUSED | libc::ENOTCONN => {
                let over = self.came_back().unwrap_or(WaitError::Disconnected);
                self.over = Some(over);
                over
            }
            libc::EMSGSIZE => WaitError::Failed(Failure::System {
                action: "send so long a message: raise net.core.wmem_max, or use a stream",
                code: libc::EMSGSIZE,
            }),
            code => failed("send")(io::Error::from_raw_os_error(code)),
        }
    }

    /// What the receiver has sent back: that it closed, if it is well-behaved.
    fn came_back(&mut self) -> Option<WaitError> {
        let fd = self.end.get().ok()?;
        let mut bytes = [0; HEADER];
        let over = match socket::recv(fd, &mut bytes) {
            // The sends say what that means: the other end may have shut down this direction
            // alone. (An empty datagram is nobody's message.)
            Ok(came) if came.bytes == 0 => {
                if self.end.kind != SocketKind::Datagram {
                    self.end.expect_nothing_back();
                }
                return None;
            }
            Ok(came) => match FrameHeader::parse(&bytes[..came.bytes], 0, true) {
                Some(Ok(FrameHeader::End)) if !came.is_cut => WaitError::Closed,
                _ => WaitError::Failed(Failure::NotAMessage {
                    what: "a receiver sent something else than its end",
                    found: u64::from(bytes[0]),
                }),
            },
            Err(_) if self.end.is_hung_up() => WaitError::Disconnected,
            Err(_) => return None,
        };
        self.over = Some(over);
        Some(over)
    }

    /// Closes the socket for good: this end sends nothing more, and the receiver drains what was
    /// sent and then gets `Closed`. Does not wait: if the buffer is full, this process sends the
    /// close as soon as there is room. Closing again does nothing.
    ///
    /// # Errors
    /// [`Failure::Forked`]; [`Failure::System`], if the close can neither be sent nor kept for
    /// later.
    pub fn close(&mut self) -> Result<(), Failure> {
        let fd = match self.end.get() {
            Err(WaitError::Failed(failure)) => return Err(failure),
            other => other.ok(),
        };
        if self.over.is_some() {
            return Ok(());
        }
        self.over = Some(WaitError::Closed);
        let end = end_frame();
        if self.tail.as_ref().is_some_and(|tail| tail.append(&end)) {
            return Ok(());
        }
        let Some(fd) = fd else { return Ok(()) };
        let sent = socket::send(fd, &[IoSlice::new(&end)]);
        match sent {
            Ok(sent) if sent == HEADER => Ok(()),
            Ok(sent) => self.leave(&end[sent..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.leave(&end),
            Err(_) => Ok(()), // nobody is there to be told
        }
    }

    fn leave(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let fd = self.end.poll_fd()?;
        let tail =
            Tail::new(fd, self.end.line_fd(), bytes.to_vec()).map_err(|error| Failure::System {
                action: "send the end of a socket",
                code: error.raw_os_error().unwrap_or(0),
            })?;
        self.tail = Some(tail);
        Ok(())
    }

    /// Whether this end was closed, or a call found that the other end was.
    pub fn is_closed(&self) -> bool {
        self.over == Some(WaitError::Closed)
    }

    /// Bytes of a message; for byte messages, the most that one may have.
    pub fn message_size(&self) -> usize {
        self.end.limit
    }

    /// Returns a canceller, which ends this end's blocked calls.
    pub fn canceller(&self) -> SocketCanceller {
        self.end.canceller()
    }

    /// Returns the socket, for `poll`, epoll and the like. Wait until it is writable, or readable
    /// (the receiver has closed), after a call that returned `Full`. Do nothing else with the
    /// socket.
    ///
    /// # Errors
    /// [`Failure::Forked`] in a forked child, where the socket is not open.
    pub fn poll_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.end.poll_fd()
    }
}

impl<T: Message + ?Sized> std::fmt::Debug for SocketSender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketSender")
            .field("kind", &self.end.kind)
            .field("message_size", &self.end.limit)
            .finish_non_exhaustive()
    }
}
