//! One thread of the process waits for descriptors, on behalf of all that do not wait in a
//! call of their own: life-lines, futures, what a send has left behind.
//!
//! It sleeps in `epoll_wait`, without a limit: as long as nothing happens it costs nothing.
//! It is started with the first descriptor and ends a second after the last. A forked child
//! has no such thread, and starts its own.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use std::{io, thread};

use crate::sys::clock::MonotonicTime;
use crate::sys::epoll::{Epoll, EventFlags};
use crate::sys::event::EventFd;
use crate::sys::fork::ProcessToken;
use crate::sys::per_process::PerProcess;

/// What is looked for: once, until it is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// The other end has hung up.
    HangUp,
    /// There is something to receive, or the end.
    Readable,
    /// There is room to send, or something has come back, or the end.
    Writable,
    /// There is room to send, or nothing ever will be: where it is known that nothing more comes
    /// back. (That the other end has shut its direction down stays true: one that waits for
    /// that again is woken at once, for ever.)
    Room,
}

impl Interest {
    fn flags(self) -> EventFlags {
        // A hang-up is always looked for.
        let flags = match self {
            Interest::HangUp => EventFlags::RDHUP,
            Interest::Readable => EventFlags::IN | EventFlags::RDHUP,
            Interest::Writable => EventFlags::OUT | EventFlags::IN | EventFlags::RDHUP,
            Interest::Room => EventFlags::OUT,
        };
        flags | EventFlags::ONESHOT
    }
}

/// What is to be done when it happens. Called in the thread, and without a lock.
pub(super) trait Watch: Send + Sync {
    /// It has happened.
    fn happened(&self) -> AfterEvent;

    /// The descriptor, if it is this one's own.
    fn own_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Wakes a task, once.
#[derive(Default)]
pub(super) struct WakeSlot(Mutex<Option<Waker>>);

impl WakeSlot {
    /// From now on it is this one that is woken.
    pub(super) fn set(&self, waker: &Waker) {
        let waker = waker.clone();
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = slot.replace(waker);
        drop(slot);
        drop(before);
    }

    /// Nothing is woken any more.
    pub(super) fn take(&self) -> Option<Waker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Watch for WakeSlot {
    fn happened(&self) -> AfterEvent {
        if let Some(waker) = self.take() {
            waker.wake();
        }
        AfterEvent::Wait
    }
}

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterEvent {
    /// Nothing, until it is asked to look again.
    Wait,
    /// Calls again after so long.
    Later(Duration),
    /// Looks for it again; of one that owns its descriptor.
    Rearm(Interest),
    /// Forgets it; of one that owns its descriptor.
    Forget,
}

/// How long a thread with nothing to wait for stays.
const LINGER: Duration = Duration::from_secs(1);

/// The number of the thread's own descriptor.
const KICK: u64 = 0;

/// The descriptors that one thread waits for.
struct WatchSet {
    epoll: Epoll,
    /// By this the thread is told that it may end, or has to be back sooner.
    kick: EventFd,
}

#[derive(Default)]
struct WatcherState {
    /// `None`: no thread runs.
    set: Option<Arc<WatchSet>>,
    watched: HashMap<u64, Arc<dyn Watch>>,
    /// Those that are to be called at a moment, whatever happens.
    later: Vec<(MonotonicTime, u64)>,
    last: u64,
}

/// The thread's affairs.
struct FdWatcher {
    token: ProcessToken,
    state: Mutex<WatcherState>,
}

static WATCHER: PerProcess<FdWatcher> = PerProcess::new();

impl FdWatcher {
    fn here() -> io::Result<&'static FdWatcher> {
        WATCHER.get(|token| FdWatcher {
            token,
            state: Mutex::default(),
        })
    }

    /// Nothing of the user's is dropped or called under it.
    fn lock(&self) -> MutexGuard<'_, WatcherState> {
        // Nothing panics between two steps that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a descriptor, or what waits for a moment only, and sees to it that the thread runs.
    fn enter(
        &'static self,
        fd: Option<(BorrowedFd<'_>, Interest)>,
        watch: Arc<dyn Watch>,
    ) -> io::Result<(Arc<WatchSet>, u64)> {
        let mut state = self.lock();
        let set = match &state.set {
            Some(set) => Arc::clone(set),
            None => {
                let set = Arc::new(WatchSet {
                    epoll: Epoll::new()?,
                    kick: EventFd::new()?,
                });
                set.epoll.add(set.kick.as_fd(), KICK, EventFlags::IN)?;
                let its = Arc::clone(&set);
                let builder = thread::Builder::new().name("memring-watch".into());
                builder.spawn(move || run(self, &its))?;
                state.set = Some(Arc::clone(&set));
                set
            }
        };
        state.last += 1;
        let number = state.last;
        // First, for it may happen at once. (The thread waits for the lock then.)
        state.watched.insert(number, watch);
        let added = fd.map(|(fd, interest)| set.epoll.add(fd, number, interest.flags()));
        if let Some(Err(error)) = added {
            let watch = state.watched.remove(&number);
            drop(state);
            drop(watch);
            return Err(error);
        }
        Ok((set, number))
    }

    /// Forgets a number. Its descriptor is out of the set already, or about to be.
    fn leave(&self, number: u64) {
        let mut state = self.lock();
        let watch = state.watched.remove(&number);
        state.later.retain(|(_, other)| *other != number);
        let is_last = state.watched.is_empty();
        let set = state.set.clone().filter(|_| is_last);
        drop(state);
        drop(watch);
        if let Some(set) = set {
            set.kick.signal();
        }
    }
}

/// A descriptor that the thread waits for, as long as its owner says. Before the descriptor
/// is closed, [`FdRegistration::end`] has to be called.
pub(super) struct FdRegistration {
    watcher: &'static FdWatcher,
    set: Arc<WatchSet>,
    number: u64,
}

impl FdRegistration {
    /// # Errors
    /// The system gives no descriptor or thread.
    pub(super) fn new(
        fd: BorrowedFd<'_>,
        interest: Interest,
        watch: Arc<dyn Watch>,
    ) -> io::Result<FdRegistration> {
        FdRegistration::enter(Some((fd, interest)), watch)
    }

    /// One without a descriptor, that waits for a moment.
    ///
    /// # Errors
    /// As [`FdRegistration::new`].
    pub(super) fn of_time(watch: Arc<dyn Watch>) -> io::Result<FdRegistration> {
        FdRegistration::enter(None, watch)
    }

    fn enter(
        fd: Option<(BorrowedFd<'_>, Interest)>,
        watch: Arc<dyn Watch>,
    ) -> io::Result<FdRegistration> {
        let watcher = FdWatcher::here()?;
        let (set, number) = watcher.enter(fd, watch)?;
        Ok(FdRegistration {
            watcher,
            set,
            number,
        })
    }

    /// Calls the watch at `when`, too, and no more at a moment that was asked for before.
    pub(super) fn call_at(&self, when: MonotonicTime) {
        // As in `end`: a forked child is called by nobody.
        if !self.watcher.token.is_here() {
            return;
        }
        let mut state = self.watcher.lock();
        state.later.retain(|(_, number)| *number != self.number);
        state.later.push((when, self.number));
        drop(state);
        self.set.kick.signal();
    }

    /// Looks once more. No wake-up is lost: what has happened already counts.
    ///
    /// # Errors
    /// The program has closed a descriptor of the thread's.
    pub(super) fn arm(&self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        self.set.epoll.modify(fd, self.number, interest.flags())
    }

    /// Looks no more.
    pub(super) fn end(self, fd: Option<BorrowedFd<'_>>) {
        // In a forked child the lock may be held for good, and the set is the parent's.
        if !self.watcher.token.is_here() {
            return;
        }
        if let Some(fd) = fd {
            self.set.epoll.remove(fd);
        }
        self.watcher.leave(self.number);
    }
}

/// Waits for what owns its descriptor, until that says `Forget`.
///
/// # Errors
/// As [`FdRegistration::new`].
pub(super) fn adopt(watch: Arc<dyn Watch>, interest: Interest) -> io::Result<()> {
    let watcher = FdWatcher::here()?;
    let its = Arc::clone(&watch);
    let fd = its.own_fd().ok_or(io::ErrorKind::InvalidInput)?;
    watcher.enter(Some((fd, interest)), watch).map(drop)
}

fn run(watcher: &'static FdWatcher, set: &Arc<WatchSet>) {
    let mut is_idle = false;
    loop {
        let mut state = watcher.lock();
        if state.watched.is_empty() && is_idle {
            state.set = None;
            return;
        }
        let limit = state.watched.is_empty().then_some(LINGER);
        let now = MonotonicTime::now();
        let due = state.later.iter().map(|(due, _)| now.until(*due)).min();
        drop(state);
        let Ok(ready) = set.epoll.wait(due.or(limit)) else {
            give_up(watcher);
            return;
        };
        is_idle = ready.is_empty();
        let now = MonotonicTime::now();
        let mut state = watcher.lock();
        let over = state.later.extract_if(.., |(due, _)| *due <= now);
        let mut numbers: Vec<u64> = over.map(|(_, number)| number).collect();
        drop(state);
        numbers.extend(ready);
        for number in numbers {
            if number == KICK {
                set.kick.clear();
                continue;
            }
            let known = watcher.lock().watched.get(&number).map(Arc::clone);
            let Some(watch) = known else { continue };
            // A panic in a waker concerns its user alone.
            let happened = AssertUnwindSafe(|| watch.happened());
            match catch_unwind(happened).unwrap_or(AfterEvent::Wait) {
                AfterEvent::Wait => {}
                AfterEvent::Later(delay) => {
                    let due = MonotonicTime::now().checked_add(delay);
                    watcher.lock().later.extend(due.map(|due| (due, number)));
                }
                AfterEvent::Rearm(interest) => {
                    let fd = watch.own_fd();
                    let armed = fd.map(|fd| set.epoll.modify(fd, number, interest.flags()));
                    if !matches!(armed, Some(Ok(()))) {
                        watcher.leave(number);
                    }
                }
                AfterEvent::Forget => {
                    if let Some(fd) = watch.own_fd() {
                        set.epoll.remove(fd);
                    }
                    watcher.leave(number);
                }
            }
        }
    }
}

/// The program has closed the set (`closefrom`): nothing can be waited for by it. All are told
/// once, and find out for themselves; the next that comes gets another set.
fn give_up(watcher: &FdWatcher) {
    let mut state = watcher.lock();
    state.set = None;
    state.later.clear();
    let watched: Vec<_> = state.watched.drain().map(|(_, watch)| watch).collect();
    drop(state);
    for watch in watched {
        let _ = catch_unwind(AssertUnwindSafe(|| watch.happened()));
    }
}
