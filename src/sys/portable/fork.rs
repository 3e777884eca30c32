//! What a forked child must not use.
//!
//! Locks are not inherited here, so a child keeps no dead parent alive. It must not use
//! its parent's handles all the same, and every handle can tell that it is used in a
//! child: a handler of `pthread_atfork` counts there. A child made by a bare `clone` or
//! `fork` system call runs no handler, and must not use this crate.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sys::handle::Unusable;
use crate::sys::posix::atfork;
use crate::sys::posix::file::{self, FileId};

/// How many forks lie between the first process of this line and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Held over every fork, and by every thread that changes what a child must find whole.
static FORK_LOCK: Mutex<()> = Mutex::new(());

thread_local! {
    /// The lock's guard, from the handler before a fork to that after it.
    static PARKED: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
    /// How often `before_fork` has run in this thread without its counterpart: a race at
    /// the first use may install the handlers twice.
    static HANDLERS_RUN: Cell<u32> = const { Cell::new(0) };
}

/// The process in which something was made, told from its forked children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessToken(u32);

impl ProcessToken {
    /// This process.
    ///
    /// # Errors
    /// Out of memory, at the first use.
    pub(crate) fn here() -> io::Result<Self> {
        install_handlers()?;
        Ok(Self(FORKS.load(Ordering::Relaxed)))
    }

    /// Whether this is the process that [`ProcessToken::here`] was called in, and not
    /// a forked child of it. Relaxed: a thread's own fork is in its program order.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}

/// A status word that reads 0 in every forked child. Clones share it.
#[derive(Clone)]
pub(crate) struct Sentinel {
    status: Arc<AtomicU32>,
    token: ProcessToken,
}

impl Sentinel {
    /// The status after [`Sentinel::new`].
    pub(crate) const USABLE: u32 = 1;
    /// The status in a forked child.
    pub(crate) const FORKED: u32 = 0;

    /// A sentinel with the status [`Sentinel::USABLE`].
    ///
    /// # Errors
    /// Those of [`ProcessToken::here`].
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            status: Arc::new(AtomicU32::new(Self::USABLE)),
            token: ProcessToken::here()?,
        })
    }

    /// The status. Relaxed: it carries no data with it.
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        match self.token.is_here() {
            true => self.status.load(Ordering::Relaxed),
            false => Self::FORKED,
        }
    }

    /// Sets the status. Relaxed, as [`Sentinel::get`], its partner, is.
    pub(crate) fn set(&self, status: u32) {
        self.status.store(status, Ordering::Relaxed);
    }
}

/// As long as it lives, `fork` waits. Keep it short.
pub(crate) struct ForkHold {
    _guard: MutexGuard<'static, ()>,
}

impl ForkHold {
    /// Waits for a fork under way and holds off the next.
    ///
    /// # Errors
    /// Out of memory, at the first use.
    pub(crate) fn new() -> io::Result<Self> {
        install_handlers()?;
        Ok(Self {
            _guard: lock_forks(),
        })
    }
}

fn lock_forks() -> MutexGuard<'static, ()> {
    FORK_LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn install_handlers() -> io::Result<()> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    atfork::install(&INSTALLED, before_fork, in_parent, in_child)
}

extern "C" fn before_fork() {
    let run = HANDLERS_RUN.get();
    if run == 0 {
        // A thread that forks while it ends has no place for the guard, and does not lock.
        let _ = PARKED.try_with(|parked| *parked.borrow_mut() = Some(lock_forks()));
    }
    HANDLERS_RUN.set(run + 1);
}

extern "C" fn in_parent() {
    after_fork();
}

extern "C" fn in_child() {
    // Twice where the handlers were installed twice: another number is all there is to it.
    FORKS.fetch_add(1, Ordering::Relaxed);
    after_fork();
}

fn after_fork() {
    let run = HANDLERS_RUN.get();
    HANDLERS_RUN.set(run.saturating_sub(1));
    if run == 1 {
        let _ = PARKED.try_with(|parked| drop(parked.borrow_mut().take()));
    }
}

/// A descriptor that tells whether it is used in a forked child, or was closed behind our
/// back.
#[derive(Debug)]
pub(crate) struct PrivateFd {
    fd: RawFd,
    token: ProcessToken,
    file: FileId,
    /// The number is another's now, of the same file.
    superseded: AtomicBool,
}

impl PrivateFd {
    /// Takes over the descriptor that `open` returns.
    ///
    /// # Errors
    /// That of `open`; those of [`ProcessToken::here`] and `fstat`.
    pub(crate) fn open(open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Self> {
        let token = ProcessToken::here()?;
        let fd = open()?;
        let file = file::metadata(fd.as_fd())?.id();
        let fd = fd.into_raw_fd();
        Ok(Self {
            fd,
            token,
            file,
            superseded: AtomicBool::new(false),
        })
    }

    /// Of two with one number, this is the one whose descriptor was closed behind our
    /// back, before `other` was opened.
    pub(crate) fn yield_to(&self, other: &Self) {
        if self.token == other.token && self.fd == other.fd {
            // SeqCst: pairs with the load in `made_sure`; before `other` gets any lock.
            self.superseded.store(true, Ordering::SeqCst);
        }
    }

    /// Which file it was opened for.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Whether this is a forked child of the process that opened it.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.token.is_here()
    }

    /// The descriptor, if it is still the one that was opened. Takes no lock.
    ///
    /// # Errors
    /// In a forked child; and when the program has closed the descriptor
    /// behind our back.
    pub(crate) fn verified(&self) -> Result<BorrowedFd<'_>, Unusable> {
        self.made_sure(|fd| fd)
    }

    /// Asks something of the descriptor, and makes sure afterwards that it was still
    /// the one that was opened.
    ///
    /// # Errors
    /// As [`PrivateFd::verified`].
    pub(crate) fn made_sure<'fd, R>(
        &'fd self,
        ask: impl FnOnce(BorrowedFd<'fd>) -> R,
    ) -> Result<R, Unusable> {
        if self.is_forked() {
            return Err(Unusable::Forked);
        }
        // SAFETY: O3: this process owns the descriptor until the drop of `self`.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        let answer = ask(fd);
        // SeqCst: pairs with the store in `yield_to`.
        match file::metadata(fd) {
            Ok(facts) if facts.id() == self.file && !self.superseded.load(Ordering::SeqCst) => {
                Ok(answer)
            }
            _ => Err(Unusable::Closed(self.fd)),
        }
    }
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        // In a child, to close a file of locks would give up the child's own.
        if let Ok(fd) = self.verified() {
            let number = fd.as_raw_fd();
            // SAFETY: O3: `open` took the ownership of the descriptor, it still stands for
            // its file, and it is used no more after this.
            unsafe { rustix::io::close(number) };
        }
    }
}
