//! What both ends of a socket share: the descriptors, and waiting at them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use super::word::SocketWord;
use crate::channel::{Wait, WaitError};
use crate::error::Failure;
use crate::sys::atomic::AtomicU32;
use crate::sys::clock::MonotonicTime;
use crate::sys::event::EventFd;
use crate::sys::fork::PrivateFd;
use crate::sys::socket::{self, PollFlags, SocketKind};
use crate::uds::watcher::{FdRegistration, Interest, WakeSlot, Watch};

/// One end: sockets are used in one direction each.
pub(super) struct SocketEnd {
    fd: PrivateFd,
    /// Of datagrams, which do not tell that the other end hangs up: a socket that does.
    line: Option<PrivateFd>,
    pub(super) kind: SocketKind,
    /// Bytes of a message, at most.
    pub(super) limit: usize,
    interest: Interest,
    canceller: OnceLock<SocketCanceller>,
    waiter: Option<FdWaiter>,
    /// What a set sleeps on.
    word: Arc<SocketWord>,
    /// Nothing changes the word: the system gives no thread or descriptor for that.
    is_unwatched: bool,
}

/// How often a set looks at a socket that nothing wakes it for.
const UNWATCHED_LOOKS: Duration = Duration::from_millis(4);

impl SocketEnd {
    pub(super) fn new(
        fd: PrivateFd,
        line: Option<PrivateFd>,
        kind: SocketKind,
        limit: usize,
        interest: Interest,
    ) -> SocketEnd {
        SocketEnd {
            fd,
            line,
            kind,
            limit,
            interest,
            canceller: OnceLock::new(),
            waiter: None,
            word: Arc::default(),
            is_unwatched: false,
        }
    }

    /// The socket.
    pub(super) fn get(&self) -> Result<BorrowedFd<'_>, WaitError> {
        self.fd.get().ok_or(WaitError::Failed(Failure::Forked))
    }

    /// To be polled.
    pub(super) fn poll_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.fd.get().ok_or(Failure::Forked)
    }

    /// What tells the other end of datagrams that this one has hung up.
    pub(super) fn line_fd(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().and_then(PrivateFd::get)
    }

    /// Whether the other end of the life-line has gone.
    pub(super) fn is_hung_up(&self) -> bool {
        let Some(line) = self.line_fd() else {
            return false;
        };
        let now = Some(MonotonicTime::now());
        let polled = socket::poll(&[(line, PollFlags::RDHUP)], now);
        polled.is_ok_and(|flags| flags.iter().any(|flags| !flags.is_empty()))
    }

    /// The other end of a sender's socket sends nothing back any more: that is not waited for.
    pub(super) fn expect_nothing_back(&mut self) {
        self.interest = Interest::Room;
    }

    pub(super) fn canceller(&self) -> SocketCanceller {
        let make = || SocketCanceller::new(&self.word);
        self.canceller.get_or_init(make).clone()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        let canceller = self.canceller.get();
        canceller.is_some_and(SocketCanceller::is_cancelled)
    }

    /// Waits until another try is worth while. Says whether something came back at a sender,
    /// or the other end hung up.
    fn sleep(&self, deadline: Option<MonotonicTime>) -> Result<(), WaitError> {
        let mut fds = vec![(self.get()?, self.wanted())];
        if let Some(line) = self.line_fd() {
            fds.push((line, PollFlags::RDHUP));
        }
        let event = self.canceller.get().and_then(SocketCanceller::event);
        if let Some(event) = event {
            fds.push((event, PollFlags::IN));
        }
        let polled = socket::poll(&fds, deadline).map_err(failed("wait for a socket"))?;
        match polled.iter().any(|flags| flags.contains(PollFlags::NVAL)) {
            true => Err(WaitError::Failed(Failure::DescriptorClosed)),
            false => Ok(()),
        }
    }

    /// Has `waker` woken when another try is worth while; once.
    pub(super) fn wait_for_wake(&mut self, waker: &Waker) -> io::Result<()> {
        let fd = self.fd.get().ok_or(io::ErrorKind::Unsupported)?;
        let line = self.line.as_ref().and_then(PrivateFd::get);
        let waiter = match &mut self.waiter {
            Some(waiter) => waiter,
            None => self.waiter.insert(FdWaiter::default()),
        };
        waiter.arm(fd, line, self.interest, waker)
    }

    /// Has the word changed when another look is worth while, and says what it held before
    /// that; `None`: nothing will change it.
    ///
    /// No wake-up is lost: what the socket is ready for already changes the word at once, and
    /// a sleep on what it held before ends at once then.
    pub(super) fn announce(&mut self) -> Option<u32> {
        let held = self.word.get();
        let waker = Waker::from(Arc::clone(&self.word));
        self.is_unwatched = self.wait_for_wake(&waker).is_err();
        (!self.is_unwatched).then_some(held)
    }

    /// What [`SocketEnd::announce`] has changed.
    pub(super) fn word(&self) -> &AtomicU32 {
        self.word.futex()
    }

    /// When to look again, if nothing wakes.
    pub(super) fn due(&self) -> Option<MonotonicTime> {
        let due = || MonotonicTime::now().checked_add(UNWATCHED_LOOKS);
        self.is_unwatched.then(due).flatten()
    }

    /// What the socket, and the life-line of datagrams, have now of what is waited for.
    pub(super) fn poll_now(&self) -> Result<PollFlags, WaitError> {
        let mut fds = vec![(self.get()?, self.wanted())];
        fds.extend(self.line_fd().map(|line| (line, PollFlags::RDHUP)));
        let now = Some(MonotonicTime::now());
        let polled = socket::poll(&fds, now).map_err(failed("look at a socket"))?;
        let line_flags = polled.get(1).filter(|flags| !flags.is_empty());
        let own = polled.first().copied().unwrap_or(PollFlags::empty());
        // That the life-line hangs up is a hang-up.
        Ok(own | line_flags.map_or(PollFlags::empty(), |_| PollFlags::HUP))
    }

    /// What is waited for at the socket.
    fn wanted(&self) -> PollFlags {
        match self.interest {
            Interest::Writable => PollFlags::OUT | PollFlags::IN | PollFlags::RDHUP,
            Interest::Room => PollFlags::OUT,
            Interest::Readable | Interest::HangUp => PollFlags::IN | PollFlags::RDHUP,
        }
    }

    /// Has no waker woken any more.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiter) = &self.waiter {
            drop(waiter.slot.take());
        }
    }
}

impl Drop for SocketEnd {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.end(self.fd.get(), self.line.as_ref().and_then(PrivateFd::get));
        }
    }
}

/// Something that is tried until it succeeds.
pub(super) trait Attempt {
    fn end(&self) -> &SocketEnd;
}

/// Tries within `wait`.
pub(super) fn attempt<A: Attempt, R>(
    tried: &mut A,
    wait: Wait,
    mut attempt: impl FnMut(&mut A) -> Result<R, WaitError>,
) -> Result<R, WaitError> {
    loop {
        match attempt(tried) {
            Err(WaitError::NotYet) => {}
            other => return other,
        }
        let deadline = match wait {
            Wait::Not => return Err(WaitError::NotYet),
            Wait::Zero | Wait::Forever | Wait::Until(_) if tried.end().is_cancelled() => {
                return Err(WaitError::Cancelled);
            }
            Wait::Zero => return Err(WaitError::NotYet),
            Wait::Forever => None,
            Wait::Until(deadline) if deadline <= MonotonicTime::now() => {
                return Err(WaitError::Timeout(None));
            }
            Wait::Until(deadline) => Some(deadline),
        };
        tried.end().sleep(deadline)?;
    }
}

/// What an error of the system becomes.
pub(super) fn failed(action: &'static str) -> impl Fn(io::Error) -> WaitError {
    move |error| {
        let code = error.raw_os_error().unwrap_or(0);
        WaitError::Failed(match code {
            libc::EBADF => Failure::DescriptorClosed,
            code => Failure::System { action, code },
        })
    }
}

/// Ends the blocked calls of one end of a socket, from another thread: as
/// [`Canceller`](crate::Canceller) does for those of a ring.
///
/// From [`SocketSender::canceller`](super::SocketSender::canceller) or
/// [`SocketReceiver::canceller`](super::SocketReceiver::canceller). A set that has the end is
/// woken, since the end is then ready. A future that waits is not woken; when it is polled again,
/// it returns `Cancelled`.
///
/// ```
/// use memring::uds::{SocketType, socket_pair};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut tx, mut rx) = socket_pair::<u64>(SocketType::Stream)?;
/// let canceller = rx.canceller();
/// canceller.cancel();
/// assert!(canceller.is_cancelled());
/// assert!(rx.recv().unwrap_err().is_cancelled());
/// canceller.reset();
/// tx.send(7)?;
/// assert_eq!(rx.recv()?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SocketCanceller(Arc<Cancelling>);

#[derive(Debug)]
struct Cancelling {
    is_cancelled: AtomicBool,
    /// `None`: the system gave no descriptor. Calls end at their next wake-up then.
    event: Option<EventFd>,
    /// Of a set that has the end.
    word: Arc<SocketWord>,
}

impl SocketCanceller {
    fn new(word: &Arc<SocketWord>) -> SocketCanceller {
        SocketCanceller(Arc::new(Cancelling {
            is_cancelled: AtomicBool::new(false),
            event: EventFd::new().ok(),
            word: Arc::clone(word),
        }))
    }

    /// Makes calls of the end that wait, now and later, return `Cancelled`.
    pub fn cancel(&self) {
        // Release: pairs with the load in `is_cancelled`. The event orders all the rest.
        self.0.is_cancelled.store(true, Ordering::Release);
        if let Some(event) = &self.0.event {
            event.signal();
        }
        self.0.word.change();
    }

    /// Lets calls wait again.
    pub fn reset(&self) {
        if let Some(event) = &self.0.event {
            event.clear();
        }
        // Release: as in `cancel`.
        self.0.is_cancelled.store(false, Ordering::Release);
    }

    /// Whether the end is cancelled.
    pub fn is_cancelled(&self) -> bool {
        // Acquire: pairs with the stores in `cancel` and `reset`.
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    fn event(&self) -> Option<BorrowedFd<'_>> {
        self.0.event.as_ref().map(AsFd::as_fd)
    }
}

/// A waker that waits for a socket.
#[derive(Default)]
struct FdWaiter {
    slot: Arc<WakeSlot>,
    /// Of the socket, and of the life-line.
    registrations: [Option<FdRegistration>; 2],
}

impl FdWaiter {
    fn arm(
        &mut self,
        fd: BorrowedFd<'_>,
        line: Option<BorrowedFd<'_>>,
        interest: Interest,
        waker: &Waker,
    ) -> io::Result<()> {
        self.slot.set(waker);
        let fds = [(Some(fd), interest), (line, Interest::HangUp)];
        for ((fd, interest), registration) in fds.into_iter().zip(&mut self.registrations) {
            let Some(fd) = fd else { continue };
            match registration {
                Some(registration) => registration.arm(fd, interest)?,
                None => {
                    let watch: Arc<dyn Watch> = Arc::clone(&self.slot) as _;
                    *registration = Some(FdRegistration::new(fd, interest, watch)?);
                }
            }
        }
        Ok(())
    }

    fn end(self, fd: Option<BorrowedFd<'_>>, line: Option<BorrowedFd<'_>>) {
        drop(self.slot.take());
        for (fd, registration) in [fd, line].into_iter().zip(self.registrations) {
            if let Some(registration) = registration {
                registration.end(fd);
            }
        }
    }
}
