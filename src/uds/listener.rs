//! The end that listens.

mod bind;
mod waiter;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{fmt, io};

use bind::BoundPath;
use waiter::AcceptWaiter;

use super::address::SocketAddress;
use super::carrier::{Carrier, Rings, Traffic};
use super::connection::Connection;
use super::credentials::PeerCredentials;
use super::error::RendezvousError;
use super::half_made::{Advance, HalfMade};
use super::options::RendezvousConfig;
use crate::channel::Wait;
use crate::error::Failure;
use crate::sys::clock::MonotonicTime;
use crate::sys::fork::PrivateFd;
use crate::sys::socket::{self, PollFlags};

/// Connections that are taken in a row, before those half made have their turn.
const AT_ONCE: usize = 16;
/// So often in one call that does not wait: a crowd that goes on coming keeps it no longer.
const ROUNDS: usize = 16;

/// Listens at an address, and returns a [`Connection`] for each process that connects and agrees
/// on the messages: see [`Rendezvous`](super::Rendezvous).
///
/// Peers may be slow or silent, may lie, may hang up in the middle, and may be many. They keep no
/// other peer from being accepted, and no call from returning: each has a time limit, is read one
/// message of 88 bytes at a time, and is one of a bounded number. Half-made connections go on
/// only in calls of `accept` and the like (and in polls of
/// [`accept_async`](Listener::accept_async)): a program that does not call them accepts no
/// connection.
///
/// Dropping the listener removes the path, if it still belongs to this listener.
///
/// ```
/// use memring::uds::{Connection, Listener, RendezvousError, SocketAddress};
/// use std::time::{Duration, Instant};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let address = format!("@memring-doc-listener-{}", std::process::id());
/// let mut listener = Listener::<u64, [u8]>::bind(&address)?;
/// assert_eq!(listener.address(), &SocketAddress::from(&address));
/// assert!(listener.try_accept()?.is_none()); // nobody has connected
/// assert!(listener.accept_timeout(Duration::from_millis(1))?.is_none());
/// let _readable_when_somebody_connects = listener.poll_fd()?;
///
/// # let other = address.clone();
/// let client = std::thread::spawn(move || {
///     let wrong = memring::uds::connect::<u32, u64>(&other); // means other messages
///     assert!(matches!(wrong, Err(RendezvousError::Mismatch { .. })));
///     memring::uds::connect::<[u8], u64>(&other).expect("a listener")
/// });
/// let soon = Instant::now() + Duration::from_secs(60);
/// let Some(Connection { mut tx, .. }) = listener.accept_deadline(soon)? else {
///     panic!("nobody came");
/// };
/// tx.send(7)?;
/// assert_eq!(client.join().unwrap().rx.recv()?, 7);
/// assert_eq!((listener.refused(), listener.half_made()), (1, 0));
/// # Ok(())
/// # }
/// ```
pub struct Listener<Out, In, C = Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// Removed when this is dropped; before the socket is closed, so that nobody takes its file
    /// for a dead listener's, and puts another in its place, before it is gone. (Fields are
    /// dropped in their order.)
    #[allow(dead_code)] // for its drop
    path: Option<BoundPath>,
    /// Before the socket, too: it waits for that.
    waiter: Option<AcceptWaiter>,
    socket: PrivateFd,
    address: SocketAddress,
    config: RendezvousConfig,
    /// The oldest first.
    half_made: VecDeque<HalfMade<Out, In, C>>,
    refused: u64,
}

impl<Out, In, C> Listener<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    pub(super) fn with(
        address: SocketAddress,
        config: RendezvousConfig,
    ) -> Result<Self, RendezvousError> {
        let (socket, path) = bind::bind(&address, config.mode)?;
        Ok(Listener {
            socket,
            address,
            config,
            half_made: VecDeque::new(),
            refused: 0,
            waiter: None,
            path,
        })
    }

    /// Waits for the next connection, as long as it takes. A peer that is refused gets the
    /// reason, is counted ([`Listener::refused`]), is reported to
    /// [`on_refused`](super::Rendezvous::on_refused), and is skipped.
    ///
    /// ```
    /// use memring::uds::{self, Connection, Listener};
    ///
    /// # let address = format!("@memring-doc-accept-{}", std::process::id());
    /// let mut listener = Listener::<u64, u64>::bind(&address)?; // "@prices", or a path, say
    /// # let other = address.clone();
    /// // In another process, as a rule.
    /// let client = std::thread::spawn(move || uds::connect::<u64, u64>(&other));
    /// let Connection { mut tx, rx, peer } = listener.accept()?;
    /// assert_eq!(peer.pid, std::process::id());
    /// tx.send(7)?;
    /// assert_eq!(client.join().unwrap()?.rx.recv()?, 7);
    /// # drop(rx);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Failures of this process itself: for example [`RendezvousError::Os`], if descriptors or
    /// memory are short. The listener can go on, but the next call fails too as long as the
    /// shortage lasts: close descriptors, or sleep, before it. [`RendezvousError::Failed`] in a
    /// forked child.
    pub fn accept(&mut self) -> Result<Connection<Out, In, C>, RendezvousError> {
        loop {
            if let Some(connection) = self.accept_within(Wait::Forever)? {
                return Ok(connection);
            }
        }
    }

    /// Returns the next connection, if one is complete. Does not wait, and advances half-made
    /// connections as far as possible. If many processes connect at once, a call takes in 256 of
    /// them at most; the socket then stays readable.
    ///
    /// # Errors
    /// As [`Listener::accept`].
    pub fn try_accept(&mut self) -> Result<Option<Connection<Out, In, C>>, RendezvousError> {
        self.accept_within(Wait::Not)
    }

    /// As [`Listener::accept`], for at most `timeout`; `None` if no connection was complete by
    /// then.
    ///
    /// # Errors
    /// As [`Listener::accept`].
    pub fn accept_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Connection<Out, In, C>>, RendezvousError> {
        self.accept_within(Wait::at_most(timeout))
    }

    /// As [`Listener::accept_timeout`], until `deadline`.
    ///
    /// # Errors
    /// As [`Listener::accept`].
    pub fn accept_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Connection<Out, In, C>>, RendezvousError> {
        self.accept_within(Wait::until(deadline))
    }

    /// Returns the address at which it listens.
    pub fn address(&self) -> &SocketAddress {
        &self.address
    }

    /// How many peers were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many connections are half made.
    pub fn half_made(&self) -> usize {
        self.half_made.len()
    }

    /// Returns the socket, for event loops. It is readable when a process connects. Then call
    /// [`Listener::try_accept`], and again every few milliseconds as long as
    /// [`Listener::half_made`] is not 0.
    ///
    /// # Errors
    /// [`Failure::Forked`] in a forked child, where the socket is not open.
    pub fn poll_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.socket.get().ok_or(Failure::Forked)
    }

    pub(super) fn accept_within(
        &mut self,
        wait: Wait,
    ) -> Result<Option<Connection<Out, In, C>>, RendezvousError> {
        let mut rounds = 0;
        loop {
            let taken = self.take_in();
            // Even if none can be taken in: those half made go on and expire, and give their
            // descriptors back.
            let before = self.half_made.len();
            if let Some(connection) = self.advance()? {
                return Ok(Some(connection));
            }
            rounds += 1;
            let goes_on = match wait {
                Wait::Not | Wait::Zero => rounds < ROUNDS,
                Wait::Until(deadline) => rounds < ROUNDS || MonotonicTime::now() < deadline,
                Wait::Forever => true,
            };
            match taken {
                Ok(true) => {}
                Ok(false) if goes_on => continue,
                Ok(false) => return Ok(None),
                // Perhaps there is a descriptor now.
                Err(_) if self.half_made.len() < before && goes_on => continue,
                Err(error) => return Err(error),
            }
            let deadline = match wait {
                Wait::Not | Wait::Zero => return Ok(None),
                Wait::Until(deadline) if deadline <= MonotonicTime::now() => return Ok(None),
                Wait::Until(deadline) => Some(deadline),
                Wait::Forever => None,
            };
            let expiries = self.half_made.iter().filter_map(HalfMade::expires);
            let until = expiries.chain(deadline).min();
            let listening = self.socket.get().ok_or(Failure::Forked)?;
            let half_made = self.half_made.iter().filter_map(HalfMade::fd);
            let fds = std::iter::once(listening).chain(half_made);
            let fds: Vec<_> = fds.map(|fd| (fd, PollFlags::IN)).collect();
            let polled = socket::poll(&fds, until)
                .map_err(RendezvousError::os("wait for one that connects"))?;
            if polled.iter().any(|flags| flags.contains(PollFlags::NVAL)) {
                return Err(Failure::DescriptorClosed.into());
            }
        }
    }

    /// Has `waker` woken when somebody connects, when one of those half made says something,
    /// and when the time of one is up; once.
    pub(super) fn wait_for_wake(&mut self, waker: &Waker) -> io::Result<()> {
        let waiter = match &mut self.waiter {
            Some(waiter) => waiter,
            None => {
                let socket = self.socket.get().ok_or(io::ErrorKind::Unsupported)?;
                self.waiter.insert(AcceptWaiter::new(socket)?)
            }
        };
        for one in &mut self.half_made {
            if let Some(fd) = one.socket.get()
                && !one.is_watched
            {
                waiter.add(fd)?;
                one.is_watched = true;
            }
        }
        let expires = self.half_made.iter().filter_map(HalfMade::expires).min();
        waiter.arm(waker, expires)
    }

    /// Has no waker woken any more.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiter) = &self.waiter {
            waiter.stop();
        }
    }

    /// It is half made no longer, and its socket may live on.
    fn forget(&self, one: &HalfMade<Out, In, C>) {
        if let (Some(waiter), Some(fd)) = (&self.waiter, one.socket.get())
            && one.is_watched
        {
            waiter.remove(fd);
        }
    }

    /// Takes in those that have connected, a few. Says whether that is all of them.
    fn take_in(&mut self) -> Result<bool, RendezvousError> {
        for _ in 0..AT_ONCE {
            let listening = self.socket.get().ok_or(Failure::Forked)?;
            let accepted = PrivateFd::open(|| socket::accept(listening));
            let accepted = match accepted {
                Ok(accepted) => accepted,
                Err(error) => match error.raw_os_error().unwrap_or(0) {
                    libc::EAGAIN => return Ok(true),
                    libc::ECONNABORTED => continue,
                    _ => return Err(RendezvousError::os("accept a connection")(error)),
                },
            };
            match HalfMade::new(accepted, &self.config) {
                Ok(made) => {
                    if self.half_made.len() >= self.config.max_half_made {
                        self.evict();
                    }
                    self.half_made.push_back(made);
                }
                Err(error) => {
                    let peer = match &error {
                        RendezvousError::NotAdmitted { peer } => Some(peer),
                        _ => None,
                    };
                    self.count_refusal(peer, &error);
                }
            }
        }
        Ok(false)
    }

    /// Has the oldest one of the process that has the most of them go.
    fn evict(&mut self) {
        let count = |pid| {
            self.half_made
                .iter()
                .filter(|one| one.peer.pid == pid)
                .count()
        };
        // The first of those with the most: the oldest.
        let most = self.half_made.iter().map(|one| count(one.peer.pid)).max();
        let mut places = self.half_made.iter();
        let place = places.position(|one| Some(count(one.peer.pid)) == most);
        if let Some(evicted) = place.and_then(|place| self.half_made.remove(place)) {
            self.forget(&evicted);
            self.refuse(&evicted, &RendezvousError::Crowded);
        }
    }

    fn refuse(&mut self, one: &HalfMade<Out, In, C>, why: &RendezvousError) {
        one.refuse(&self.config, why);
        self.count_refusal(Some(&one.peer), why);
    }

    fn count_refusal(&mut self, peer: Option<&PeerCredentials>, why: &RendezvousError) {
        self.refused += 1;
        if let Some(told) = &self.config.on_refused {
            told(peer, why);
        }
    }

    /// Goes on with those half made, until one is complete.
    fn advance(&mut self) -> Result<Option<Connection<Out, In, C>>, RendezvousError> {
        let now = MonotonicTime::now();
        let mut place = 0;
        while let Some(one) = self.half_made.get_mut(place) {
            let advanced = match one.advance(&self.config) {
                Ok(Advance::Waiting) if one.has_expired(now) => Err(RendezvousError::Timeout {
                    what: "the one that connected has not said all",
                }),
                advanced => advanced,
            };
            if let Ok(Advance::Waiting) = advanced {
                place += 1;
                continue;
            }
            let Some(one) = self.half_made.remove(place) else {
                break;
            };
            self.forget(&one);
            match advanced {
                Ok(Advance::Waiting) => {}
                Ok(Advance::Made(offered)) => return one.finish(offered).map(Some),
                Err(error) => {
                    self.refuse(&one, &error);
                    if !error.is_of_peer() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }
}

impl<Out, In, C> fmt::Debug for Listener<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("half_made", &self.half_made.len())
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}
