//! Sockets in a set, among rings.
//!
//! A set sleeps on futex words. That of a socket is in this process's own memory, and the
//! watching thread changes it: the set asks the thread to look (W2: announce, check again,
//! sleep), and what the socket is ready for already counts.

use super::receiver::SocketReceiver;
use super::sender::SocketSender;
use crate::channel::{
    Arm, RecvArm, SelectReceiver, SelectSender, SelectSource, Selectable, SourceRef, Wait,
    WaitError, outcome, unless_it_waits,
};
use crate::error::{RecvError, SendError};
use crate::message::Message;
use crate::sys::atomic::AtomicU32;
use crate::sys::clock::MonotonicTime;
use crate::wait::many::Awaited;
use crate::wait::word::Announced;

macro_rules! source {
    ($end:ident, $look:ident) => {
        impl<T: Message + ?Sized> Awaited<MonotonicTime> for $end<T> {
            /// No system call: full checks make those.
            fn look(&mut self) -> bool {
                self.$look()
            }

            /// An end whose operation would fail is ready: the operation says why.
            fn check(&mut self) -> bool {
                self.is_ready() || self.end.is_cancelled()
            }

            fn announce(&mut self) -> Option<Announced> {
                // The system call that asks the thread comes between the two looks.
                self.end.announce().map(|word| Announced {
                    word,
                    needs_barrier: false,
                })
            }

            fn word(&self) -> Option<&AtomicU32> {
                Some(self.end.word())
            }

            fn due(&self) -> Option<MonotonicTime> {
                self.end.due()
            }
        }

        impl<T: Message + ?Sized> SelectSource for $end<T> {
            fn look_once(&mut self) -> bool {
                self.check()
            }
        }

        impl<T: Message + ?Sized> Selectable for $end<T> {
            fn source(&mut self) -> SourceRef<'_> {
                SourceRef(self)
            }
        }
    };
}

source!(SocketReceiver, has_whole_frame);
source!(SocketSender, is_over);

impl<T: Message + ?Sized> SelectReceiver for SocketReceiver<T> {
    type Received = T::Received;

    fn complete(&mut self) -> Option<Result<T::Received, RecvError>> {
        match self.recv_within(Wait::Zero) {
            Ok(message) => Some(Ok(message)),
            Err(error) => unless_it_waits(error).map(|error| Err(outcome::recv(error))),
        }
    }
}

impl<T: Message + ?Sized> SelectSender for SocketSender<T> {}

impl<T: Message + ?Sized> SocketReceiver<T> {
    /// The arm of a [`select!`](macro@crate::select).
    #[doc(hidden)]
    pub fn __recv_arm(&mut self) -> RecvArm<'_, Self> {
        RecvArm::new(self)
    }
}

impl<T: Message + ?Sized> SocketSender<T> {
    /// The arm of a [`select!`](macro@crate::select).
    #[doc(hidden)]
    pub fn __send_arm(&mut self) -> SocketSendArm<'_, T> {
        SocketSendArm {
            sender: self,
            claimed: None,
        }
    }

    fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Makes sure that there is room, or an end: nobody but this end takes it.
    fn claim_to_send(&mut self) -> Result<(), WaitError> {
        match self.is_ready() {
            true => Ok(()),
            false if self.end.is_cancelled() => Err(WaitError::Cancelled),
            false => Err(WaitError::NotYet),
        }
    }
}

/// An arm that sends over a socket. It makes sure of room first, so that the message is made
/// when it is sure to be sent.
pub struct SocketSendArm<'e, T: Message + ?Sized> {
    sender: &'e mut SocketSender<T>,
    claimed: Option<Result<(), WaitError>>,
}

impl<'e, T: Message + ?Sized> SocketSendArm<'e, T> {
    /// Whether this is the arm whose operation was carried out.
    pub fn is_selected(&self) -> bool {
        self.claimed.is_some()
    }

    /// What was found; the message can be made now.
    pub fn claimed(self) -> SocketClaimedArm<'e, T> {
        SocketClaimedArm {
            sender: self.sender,
            claimed: self.claimed.unwrap_or(Err(WaitError::Cancelled)),
        }
    }
}

impl<T: Message + ?Sized> Arm for SocketSendArm<'_, T> {
    fn source(&mut self) -> SourceRef<'_> {
        self.sender.source()
    }

    fn try_complete(&mut self) -> bool {
        self.claimed = match self.sender.claim_to_send() {
            Ok(()) => Some(Ok(())),
            Err(error) => unless_it_waits(error).map(Err),
        };
        self.claimed.is_some()
    }
}

/// Room for the message of an arm that sends.
pub struct SocketClaimedArm<'e, T: Message + ?Sized> {
    sender: &'e mut SocketSender<T>,
    claimed: Result<(), WaitError>,
}

impl<T: Message + ?Sized> SocketClaimedArm<'_, T> {
    /// Sends the message, or says why it cannot be sent. Of an arm that was not selected:
    /// `Cancelled`.
    pub fn finish(self, message: T::Sent<'_>) -> Result<(), SendError<T::Unsent>> {
        match self.claimed {
            Ok(()) => self.sender.send_claimed(message),
            Err(error) => Err(outcome::send(error, T::unsent(message))),
        }
    }
}
