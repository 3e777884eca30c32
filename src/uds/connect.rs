//! The end that connects.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::address::SocketAddress;
use super::carrier::{Assembly, Carrier, Traffic, hello_of};
use super::connection::Connection;
use super::credentials::PeerCredentials;
use super::error::RendezvousError;
use super::hello::{HELLO_BYTES, Hello, RefusalReason, Verdict};
use super::options::RendezvousConfig;
use crate::error::Failure;
use crate::sys::clock::MonotonicTime;
use crate::sys::fork::PrivateFd;
use crate::sys::socket::{self, PollFlags, SocketAddrUnix};

/// What has connected, and waits for the listener's answer.
pub(super) struct Introduced {
    pub(super) line: PrivateFd,
    peer: PeerCredentials,
    ours: Hello,
    /// The listener hung up before it read all.
    was_reset: bool,
}

/// The listener's answer, and what it passed.
type Answer = (Hello, VecDeque<OwnedFd>);

pub(super) fn connect_with<Out, In, C>(
    address: &SocketAddress,
    config: &RendezvousConfig,
) -> Result<Connection<Out, In, C>, RendezvousError>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    let unix = unix_of(address)?;
    let deadline = config.deadline();
    let connected = socket::connect(&unix, config.timeout);
    let connected = connected.map_err(|error| not_connected(address, error))?;
    let mut introduced = Introduced::new::<Out, In, C>(connected, config)?;
    loop {
        if let Some(answer) = introduced.hear()? {
            return introduced.conclude(answer, config);
        }
        if deadline.is_some_and(|deadline| deadline <= MonotonicTime::now()) {
            return Err(unanswered());
        }
        let fd = introduced.line.get().ok_or(Failure::Forked)?;
        socket::poll(&[(fd, PollFlags::IN)], deadline)
            .map_err(RendezvousError::os("wait for a listener"))?;
    }
}

/// The address as the system has it.
pub(super) fn unix_of(address: &SocketAddress) -> Result<SocketAddrUnix, RendezvousError> {
    address
        .to_unix()
        .map_err(|reason| RendezvousError::InvalidAddress {
            address: address.clone(),
            reason,
        })
}

/// Why nobody was there.
pub(super) fn not_connected(address: &SocketAddress, error: io::Error) -> RendezvousError {
    match error.raw_os_error().unwrap_or(0) {
        libc::ENOENT | libc::ECONNREFUSED => RendezvousError::NotListening {
            address: address.clone(),
        },
        libc::EAGAIN => RendezvousError::Timeout {
            what: "the listener has not taken the connection",
        },
        _ => RendezvousError::Os {
            action: "connect to a listener",
            source: error,
        },
    }
}

/// At the deadline.
pub(super) fn unanswered() -> RendezvousError {
    RendezvousError::Timeout {
        what: "the listener has not answered",
    }
}

impl Introduced {
    /// Asks the policy, and says what this end wants.
    pub(super) fn new<Out, In, C>(
        connected: OwnedFd,
        config: &RendezvousConfig,
    ) -> Result<Introduced, RendezvousError>
    where
        Out: Traffic + ?Sized,
        In: Traffic + ?Sized,
        C: Carrier,
    {
        let line = PrivateFd::open(|| Ok(connected));
        let line = line.map_err(RendezvousError::os("keep a socket"))?;
        let fd = line.get().ok_or(Failure::Forked)?;
        let peer = PeerCredentials::of(fd).map_err(RendezvousError::os("ask who listens"))?;
        if !config.policy.admits(&peer) {
            return Err(RendezvousError::NotAdmitted { peer });
        }
        let ours = hello_of::<Out, In, C>(config);
        match say(fd, &ours.saying(Verdict::Hello)) {
            // Perhaps it has said why.
            Ok(()) | Err(RendezvousError::HungUp) => {}
            Err(error) => return Err(error),
        }
        Ok(Introduced {
            line,
            peer,
            ours,
            was_reset: false,
        })
    }

    /// The listener's answer, and what it passed, if it has come. More descriptors than expected,
    /// and more than the kernel takes at once, are closed.
    pub(super) fn hear(&mut self) -> Result<Option<Answer>, RendezvousError> {
        let fd = self.line.get().ok_or(Failure::Forked)?;
        // One more than a message has: a longer one is noticed.
        let mut bytes = [0; HELLO_BYTES + 1];
        loop {
            match socket::recv_passed(fd, &mut bytes) {
                Ok(came) if came.bytes == 0 => return Err(RendezvousError::HungUp),
                Ok(came) => {
                    let hello = Hello::parse(&bytes[..came.bytes])?;
                    return match came.is_cut {
                        false => Ok(Some((hello, came.fds.into()))),
                        true => Err(RendezvousError::Protocol {
                            what: "more descriptors than any connection has",
                            found: came.fds.len() as u64,
                        }),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // It has hung up before it read all. What it said before comes next.
                Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) && !self.was_reset => {
                    self.was_reset = true;
                }
                Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                    return Err(RendezvousError::HungUp);
                }
                Err(source) => {
                    return Err(RendezvousError::Os {
                        action: "hear from a listener",
                        source,
                    });
                }
            }
        }
    }

    /// Takes what the listener offers, if it does.
    pub(super) fn conclude<Out, In, C>(
        self,
        (theirs, fds): Answer,
        config: &RendezvousConfig,
    ) -> Result<Connection<Out, In, C>, RendezvousError>
    where
        Out: Traffic + ?Sized,
        In: Traffic + ?Sized,
        C: Carrier,
    {
        let Introduced {
            line, peer, ours, ..
        } = self;
        match theirs.verdict()? {
            Verdict::Accept => {}
            Verdict::Refuse(RefusalReason::Mismatch) => {
                // By the same check as there: what differs, seen from here.
                ours.check(&theirs)?;
                return Err(RendezvousError::Protocol {
                    what: "a refusal for a difference that is none",
                    found: 0,
                });
            }
            Verdict::Refuse(reason) => {
                return Err(RendezvousError::RefusedByListener {
                    reason: reason.text(),
                });
            }
            Verdict::Hello | Verdict::Done => {
                return Err(RendezvousError::Protocol {
                    what: "an answer that is none",
                    found: 0,
                });
            }
        }
        ours.check(&theirs)?;
        let expected = Out::fds::<C>() + In::fds::<C>();
        if fds.len() != expected {
            return Err(RendezvousError::Protocol {
                what: "another number of descriptors than agreed",
                found: fds.len() as u64,
            });
        }
        // The listener's directions are the other way round.
        let mut assembly = Assembly::new(config, fds);
        assembly.turn_to(&theirs.outgoing, config.schemas[1]);
        let rx = In::take_receiver::<C>(&mut assembly)?;
        assembly.turn_to(&theirs.incoming, config.schemas[0]);
        let tx = Out::take_sender::<C>(&mut assembly)?;
        let fd = line.get().ok_or(Failure::Forked)?;
        say(fd, &ours.saying(Verdict::Done))?;
        let (_, finish) = assembly.finish();
        Connection::new((tx, rx), peer, line, finish)
    }
}

pub(super) fn say(fd: BorrowedFd<'_>, hello: &Hello) -> Result<(), RendezvousError> {
    say_passing(fd, hello, &[])
}

/// There is room in a fresh socket: what does not go out at once never will.
pub(super) fn say_passing(
    fd: BorrowedFd<'_>,
    hello: &Hello,
    fds: &[BorrowedFd<'_>],
) -> Result<(), RendezvousError> {
    match socket::send_passing(fd, hello.as_bytes(), fds) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.raw_os_error().unwrap_or(0) {
            libc::EPIPE | libc::ECONNRESET => RendezvousError::HungUp,
            _ => RendezvousError::Os {
                action: "answer over a socket",
                source: error,
            },
        }),
    }
}
