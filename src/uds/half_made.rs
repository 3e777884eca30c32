//! A connection at the listener, before all is agreed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::carrier::{Assembly, Carrier, Finish, Traffic, hello_of};
use super::connect::{say, say_passing};
use super::connection::Connection;
use super::credentials::PeerCredentials;
use super::error::RendezvousError;
use super::hello::{HELLO_BYTES, Hello, RefusalReason, Verdict};
use super::options::RendezvousConfig;
use crate::error::Failure;
use crate::sys::clock::MonotonicTime;
use crate::sys::fork::PrivateFd;
use crate::sys::socket;

/// What has been accepted and not agreed.
pub(super) struct HalfMade<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    pub(super) socket: PrivateFd,
    /// A task that accepts is woken by it.
    pub(super) is_watched: bool,
    pub(super) peer: PeerCredentials,
    /// `None`: never.
    expires: Option<MonotonicTime>,
    /// When the other end has said what it wants.
    offer: Option<OpenOffer<Out, In, C>>,
}

/// What was passed to the other end, and not yet received.
struct OpenOffer<Out: Traffic + ?Sized, In: Traffic + ?Sized, C: Carrier> {
    ends: (Out::Sender<C>, In::Receiver<C>),
    finish: Finish,
}

/// How far it has come.
pub(super) enum Advance<T> {
    /// The other end has to say something.
    Waiting,
    Made(T),
}

impl<Out, In, C> HalfMade<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// Asks the policy, before anything is read.
    pub(super) fn new(
        socket: PrivateFd,
        config: &RendezvousConfig,
    ) -> Result<Self, RendezvousError> {
        let fd = socket.get().ok_or(Failure::Forked)?;
        let peer = PeerCredentials::of(fd).map_err(RendezvousError::os("ask who connects"))?;
        let made = HalfMade {
            peer,
            expires: config.deadline(),
            offer: None,
            is_watched: false,
            socket,
        };
        match config.policy.admits(&peer) {
            true => Ok(made),
            false => {
                let error = RendezvousError::NotAdmitted { peer };
                made.refuse(config, &error);
                Err(error)
            }
        }
    }

    /// When its time is up; `None`: never.
    pub(super) fn expires(&self) -> Option<MonotonicTime> {
        self.expires
    }

    pub(super) fn has_expired(&self, now: MonotonicTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.get()
    }

    /// Goes on, if the other end has said something.
    pub(super) fn advance(
        &mut self,
        config: &RendezvousConfig,
    ) -> Result<Advance<Offered<Out, In, C>>, RendezvousError> {
        loop {
            let Some(heard) = self.hear()? else {
                return Ok(Advance::Waiting);
            };
            match (heard.verdict()?, self.offer.take()) {
                (Verdict::Hello, None) => self.offer = Some(self.make_offer(&heard, config)?),
                (Verdict::Done, Some(offer)) => {
                    return Ok(Advance::Made(Offered(offer)));
                }
                (_, _) => {
                    return Err(RendezvousError::Protocol {
                        what: "a message out of turn",
                        found: 0,
                    });
                }
            }
        }
    }

    /// One message, if there is one. Descriptors that came along are closed by the kernel.
    fn hear(&self) -> Result<Option<Hello>, RendezvousError> {
        let fd = self.socket.get().ok_or(Failure::Forked)?;
        // One more than a message has: a longer one is noticed.
        let mut bytes = [0; HELLO_BYTES + 1];
        match socket::recv(fd, &mut bytes) {
            Ok(came) if came.bytes == 0 => Err(RendezvousError::HungUp),
            Ok(came) => Hello::parse(&bytes[..came.bytes]).map(Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                Err(RendezvousError::HungUp)
            }
            Err(source) => Err(RendezvousError::Os {
                action: "hear from one that connects",
                source,
            }),
        }
    }

    fn make_offer(
        &self,
        theirs: &Hello,
        config: &RendezvousConfig,
    ) -> Result<OpenOffer<Out, In, C>, RendezvousError> {
        let ours = hello_of::<Out, In, C>(config);
        ours.check(theirs)?;
        let mut assembly = Assembly::new(config, VecDeque::new());
        assembly.turn_to(&ours.outgoing, config.schemas[0]);
        let tx = Out::make_sender::<C>(&mut assembly)?;
        assembly.turn_to(&ours.incoming, config.schemas[1]);
        let rx = In::make_receiver::<C>(&mut assembly)?;
        let (passed, finish) = assembly.finish();
        let fds: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
        let socket = self.socket.get().ok_or(Failure::Forked)?;
        say_passing(socket, &ours.saying(Verdict::Accept), &fds)?;
        Ok(OpenOffer {
            ends: (tx, rx),
            finish,
        })
    }

    /// Tells the other end why it comes to nothing; if it does not listen, it is not told.
    pub(super) fn refuse(&self, config: &RendezvousConfig, why: &RendezvousError) {
        let reason = match why {
            RendezvousError::Mismatch { .. } => RefusalReason::Mismatch,
            RendezvousError::NotAdmitted { .. } => RefusalReason::NotAdmitted,
            RendezvousError::Crowded => RefusalReason::Crowded,
            RendezvousError::Protocol { .. } => RefusalReason::Protocol,
            RendezvousError::HungUp | RendezvousError::Timeout { .. } => return,
            _ => RefusalReason::Resources,
        };
        if let Some(fd) = self.socket.get() {
            let hello = hello_of::<Out, In, C>(config);
            let _ = say(fd, &hello.saying(Verdict::Refuse(reason)));
        }
    }

    /// All is agreed.
    pub(super) fn finish(
        self,
        offered: Offered<Out, In, C>,
    ) -> Result<Connection<Out, In, C>, RendezvousError> {
        let Offered(OpenOffer { ends, finish }) = offered;
        Connection::new(ends, self.peer, self.socket, finish)
    }
}

/// What the other end has received.
pub(super) struct Offered<Out: Traffic + ?Sized, In: Traffic + ?Sized, C: Carrier>(
    OpenOffer<Out, In, C>,
);
