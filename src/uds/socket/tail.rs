//! What a send could not hand to the kernel at once, and must not be lost or cut: the rest of
//! a message that a stream took the beginning of, and the end behind a full buffer.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sys::fork::PrivateFd;
use crate::sys::socket;
use crate::uds::watcher::{AfterEvent, Interest, Watch, adopt};

/// Bytes that go out as soon as there is room: by the next call of the sender, or by the
/// watching thread.
pub(super) struct Tail {
    /// Its own: the socket stays open for it when the sender is gone.
    fd: PrivateFd,
    /// Of datagrams: the other end must not be told that this one has hung up before all is
    /// sent.
    #[allow(dead_code)] // for its drop
    line: Option<PrivateFd>,
    rest: Mutex<TailBytes>,
}

struct TailBytes {
    bytes: Vec<u8>,
    from: usize,
    /// The other end has gone: nothing will go out any more.
    is_lost: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TailState {
    Done,
    /// There is no room yet.
    Waiting,
    Lost,
}

impl Tail {
    /// Has `bytes` sent behind what `socket` has taken. `line`: what hangs up with it.
    ///
    /// # Errors
    /// The system gives no descriptor or thread.
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        line: Option<BorrowedFd<'_>>,
        bytes: Vec<u8>,
    ) -> io::Result<Arc<Tail>> {
        let duplicate = |fd| PrivateFd::open(|| socket::duplicate(fd));
        let tail = Arc::new(Tail {
            fd: duplicate(socket)?,
            line: line.map(duplicate).transpose()?,
            rest: Mutex::new(TailBytes {
                bytes,
                from: 0,
                is_lost: false,
            }),
        });
        let watch: Arc<dyn Watch> = Arc::clone(&tail) as _;
        // It does not read what comes back: its sends tell what that means.
        adopt(watch, Interest::Room)?;
        Ok(tail)
    }

    /// Has `bytes` sent behind the rest. `false`: there is no rest any more.
    pub(super) fn append(&self, bytes: &[u8]) -> bool {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_waiting = rest.from < rest.bytes.len() && !rest.is_lost;
        if is_waiting {
            rest.bytes.extend_from_slice(bytes);
        }
        is_waiting
    }

    /// Sends what there is room for.
    pub(super) fn flush(&self) -> TailState {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if rest.is_lost {
                return TailState::Lost;
            }
            if rest.from >= rest.bytes.len() {
                return TailState::Done;
            }
            // In a forked child it is the parent's to send.
            let Some(fd) = self.fd.get() else {
                return TailState::Lost;
            };
            let left = &rest.bytes[rest.from..];
            match socket::send(fd, &[IoSlice::new(left)]) {
                Ok(sent) => rest.from += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return TailState::Waiting;
                }
                Err(_) => rest.is_lost = true,
            }
        }
    }
}

impl Watch for Tail {
    fn happened(&self) -> AfterEvent {
        match self.flush() {
            TailState::Waiting => AfterEvent::Rearm(Interest::Room),
            TailState::Done | TailState::Lost => AfterEvent::Forget,
        }
    }

    fn own_fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.get()
    }
}
