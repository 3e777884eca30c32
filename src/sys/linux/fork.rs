//! What a forked child must neither use nor keep open.
//!
//! A child shares its parent's open file descriptions, and with them the locks
//! that prove the parent alive: a child that kept one would keep its dead
//! parent "alive". So the child closes them before `fork` returns in it, and
//! every handle can tell that it is used in a child.
//!
//! Two means, since neither does alone. Pages that the kernel wipes in the
//! child tell where we are, however the child was made. Handlers of
//! `pthread_atfork` close the descriptors; a child made by a bare `clone` or
//! `fork` system call runs none of them, so it keeps the descriptors (unused)
//! until it ends or executes a program. Such a child must not use this crate if
//! its parent had more than one thread; that is the rule for the C library too.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::file::{self, FileId};
use crate::sys::handle::Unusable;
use crate::sys::posix::atfork;

/// A status word that reads 0 in every forked child. Clones share it.
#[derive(Clone)]
pub(crate) struct Sentinel {
    /// That of the page, so that a look takes one load.
    word: NonNull<AtomicU32>,
    _page: Arc<Page>,
}

/// A page of this process, which the kernel wipes in a child.
struct Page(NonNull<AtomicU32>);

// SAFETY: O7 by O1: the page is mapped until the value's drop, and nothing but an atomic.
unsafe impl Send for Page {}
// SAFETY: O7, as above.
unsafe impl Sync for Page {}

// SAFETY: O7 by O1: the page is kept by the value, is mapped until the last clone's drop, and
// holds an atomic, which any thread may use at any time.
unsafe impl Send for Sentinel {}
// SAFETY: O7, as above.
unsafe impl Sync for Sentinel {}

impl Sentinel {
    /// The status after [`Sentinel::new`].
    pub(crate) const USABLE: u32 = 1;
    /// The status in a forked child.
    pub(crate) const FORKED: u32 = 0;

    /// The kernel rounds this up to one page in each of its calls.
    const LEN: usize = size_of::<AtomicU32>();

    /// A sentinel with the status [`Sentinel::USABLE`].
    ///
    /// # Errors
    /// Out of memory, or a kernel before Linux 4.14.
    pub(crate) fn new() -> io::Result<Self> {
        let (rights, kind) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: O1: a null hint: the kernel picks an address that is not in use.
        let page = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), Self::LEN, rights, kind) }?;
        let word = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let sentinel = Self {
            word,
            _page: Arc::new(Page(word)),
        };
        // SAFETY: O1: the page is ours, and nothing in it is lost: it is empty.
        unsafe { rustix::mm::madvise(page, Self::LEN, Advice::LinuxWipeOnFork) }?;
        sentinel.set(Self::USABLE);
        Ok(sentinel)
    }

    /// The status. Relaxed: a thread's own fork is in its program order, and
    /// other values carry no data with them.
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.word().load(Ordering::Relaxed)
    }

    /// Sets the status. Relaxed, as [`Sentinel::get`], its partner, is.
    pub(crate) fn set(&self, status: u32) {
        self.word().store(status, Ordering::Relaxed);
    }

    #[inline]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: O1: the page is mapped as long as `_page`, aligned to a page,
        // and any bytes are a valid AtomicU32.
        unsafe { self.word.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: O1: the page was mapped by `Sentinel::new` and nothing borrows from it any
        // more. A forked child has it at the same address, wiped.
        let unmapped = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), Sentinel::LEN) };
        debug_assert!(unmapped.is_ok());
    }
}

/// The process in which something was made, told from its forked children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessToken(u32);

/// The process's own sentinel; null until the first use, then never freed. Its
/// status is the value of the process's `ProcessToken`; wiped in a child, which then
/// picks a new one.
static PROCESS: AtomicPtr<Sentinel> = AtomicPtr::new(ptr::null_mut());
/// The last `ProcessToken` that was given out. A child goes on from its parent's, so
/// none comes twice in a line of descent.
static LAST_TOKEN: AtomicU32 = AtomicU32::new(0);

impl ProcessToken {
    /// This process.
    ///
    /// # Errors
    /// Those of [`Sentinel::new`], at the first use.
    pub(crate) fn here() -> io::Result<Self> {
        let process = match Self::process() {
            Some(process) => process,
            None => Self::make_process()?,
        };
        let known = process.get();
        if known != Sentinel::FORKED {
            return Ok(Self(known));
        }
        let fresh = LAST_TOKEN.fetch_add(1, Ordering::Relaxed) + 1;
        // Relaxed: the number is all there is to see. The loser of a race
        // between two threads takes the winner's.
        let order = Ordering::Relaxed;
        let word = process.word();
        match word.compare_exchange(Sentinel::FORKED, fresh, order, order) {
            Ok(_) => Ok(Self(fresh)),
            Err(winner) => Ok(Self(winner)),
        }
    }

    /// Whether this is the process that [`ProcessToken::here`] was called in, and not
    /// a forked child of it.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        Self::process().is_some_and(|process| process.get() == self.0)
    }

    #[inline]
    fn process() -> Option<&'static Sentinel> {
        // Acquire pairs with the AcqRel exchange in `make_process`.
        // SAFETY: O5: null, or a leaked box.
        unsafe { PROCESS.load(Ordering::Acquire).as_ref() }
    }

    fn make_process() -> io::Result<&'static Sentinel> {
        let sentinel = Sentinel::new()?;
        sentinel.set(Sentinel::FORKED);
        let fresh = Box::into_raw(Box::new(sentinel));
        // Not a lock: a fork in the middle would leave the child with it.
        // Release pairs with the Acquire in `process`; a failure reads the
        // winner's with Acquire.
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        match PROCESS.compare_exchange(ptr::null_mut(), fresh, success, failure) {
            // SAFETY: O5: `fresh` came from a box and is never freed from here on.
            Ok(_) => Ok(unsafe { &*fresh }),
            Err(winner) => {
                // SAFETY: O5: `fresh` came from a box and no other thread has seen it.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: O5: not null, so a leaked box.
                Ok(unsafe { &*winner })
            }
        }
    }
}

/// A descriptor that a forked child closes.
struct Entry {
    serial: u64,
    fd: RawFd,
    file: FileId,
    /// Set when another entry has come to the same number.
    superseded: Arc<AtomicBool>,
}

impl Entry {
    /// The descriptor, if it still stands for the file it did: a program may
    /// have closed it behind our back (`closefrom`), and the number may have
    /// been given to another file since.
    fn current(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: O3: -1 is never registered. If the number is not open, `fstat`
        // says so and it is used for nothing else.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        let facts = file::metadata(fd).ok()?;
        (facts.id() == self.file).then_some(fd)
    }

    /// Closes the descriptor, unless the program has done so.
    fn close(&self) {
        // A number can be another entry's, of the same file: this one is not registered
        // any more then, and does not come here.
        if self.current().is_some() {
            // SAFETY: O3: a `PrivateFd` took the ownership of the descriptor and
            // left it to its entry, which is used no more after this.
            unsafe { rustix::io::close(self.fd) };
        }
    }
}

/// The descriptors to close in a child.
struct Registry {
    entries: Vec<Entry>,
    last_serial: u64,
}

/// Held over every fork, so that the child finds it whole.
static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Vec::new(),
    last_serial: 0,
});

fn lock_registry() -> MutexGuard<'static, Registry> {
    // Nothing panics between two steps that belong together.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as it lives, `fork` waits: for steps after which a child would have
/// something that it must not have. Keep it short.
pub(crate) struct ForkHold(MutexGuard<'static, Registry>);

impl ForkHold {
    /// Waits for a fork under way and holds off the next.
    ///
    /// # Errors
    /// Out of memory, at the first use.
    pub(crate) fn new() -> io::Result<Self> {
        install_handlers()?;
        Ok(Self(lock_registry()))
    }
}

/// The registry's guard, from the handler before a fork to that after it.
struct Parked(UnsafeCell<Option<MutexGuard<'static, Registry>>>);

// SAFETY: O6: used only by the thread that has locked the registry, as its
// `HANDLERS_RUN` tells it; the lock orders one such thread before the next.
unsafe impl Sync for Parked {}

static PARKED: Parked = Parked(UnsafeCell::new(None));

thread_local! {
    /// How often `before_fork` has run in this thread without its counterpart:
    /// a race at the first use may install the handlers twice.
    static HANDLERS_RUN: Cell<u32> = const { Cell::new(0) };
}

fn install_handlers() -> io::Result<()> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    atfork::install(&INSTALLED, before_fork, in_parent, in_child)
}

extern "C" fn before_fork() {
    let run = HANDLERS_RUN.get();
    if run == 0 {
        let guard = lock_registry();
        // SAFETY: O6: this thread has just locked the registry.
        unsafe { *PARKED.0.get() = Some(guard) };
    }
    HANDLERS_RUN.set(run + 1);
}

extern "C" fn in_parent() {
    after_fork(|_| {});
}

/// Only what is allowed in the child of a process with several threads: no
/// memory is taken or given back, and no lock is waited for.
extern "C" fn in_child() {
    after_fork(|registry| {
        for entry in registry.entries.drain(..) {
            entry.close();
        }
    });
}

fn after_fork(act: impl FnOnce(&mut Registry)) {
    let run = HANDLERS_RUN.get();
    if run == 0 {
        return; // Installed in the middle of this fork.
    }
    // SAFETY: O6: this thread, or the one that it is the copy of, locked the
    // registry in `before_fork` and has not unlocked it since.
    let parked = unsafe { &mut *PARKED.0.get() };
    if let Some(guard) = parked {
        act(guard);
    }
    HANDLERS_RUN.set(run - 1);
    if run == 1 {
        // Out of the cell first: once unlocked, the cell is the next thread's.
        let guard = parked.take();
        drop(guard);
    }
}

/// A descriptor that is closed in forked children, and that tells whether it
/// is used in one.
#[derive(Debug)]
pub(crate) struct PrivateFd {
    fd: RawFd,
    serial: u64,
    token: ProcessToken,
    file: FileId,
    /// The number is another `PrivateFd`'s now, perhaps of the same file.
    superseded: Arc<AtomicBool>,
}

impl PrivateFd {
    /// Takes over the descriptor that `open` returns; no fork comes between.
    /// `open` must neither block for long, nor fork, nor come here again.
    ///
    /// # Errors
    /// That of `open`; out of memory, at the first use; those of `fstat`.
    pub(crate) fn open(open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Self> {
        let token = ProcessToken::here()?;
        let ForkHold(mut registry) = ForkHold::new()?;
        let fd = open()?;
        let file = file::metadata(fd.as_fd())?.id();
        registry.last_serial += 1;
        let serial = registry.last_serial;
        // If another entry has this number, its descriptor was closed behind
        // its back: the number is ours now.
        let number = fd.as_raw_fd();
        registry.entries.retain(|entry| {
            let stays = entry.fd != number;
            if !stays {
                // Before `fd` gets any lock. SeqCst: pairs with the load in `made_sure`.
                entry.superseded.store(true, Ordering::SeqCst);
            }
            stays
        });
        let superseded = Arc::new(AtomicBool::new(false));
        registry.entries.push(Entry {
            serial,
            fd: number,
            file,
            superseded: Arc::clone(&superseded),
        });
        Ok(Self {
            fd: fd.into_raw_fd(),
            serial,
            token,
            file,
            superseded,
        })
    }

    /// Which file the descriptor stands for now.
    #[cfg(test)]
    pub(crate) fn file(&self) -> FileId {
        let fd = self.get().expect("the process that opened it");
        file::metadata(fd).expect("an open descriptor").id()
    }

    /// Whether this is a forked child of the process that opened it.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.token.is_here()
    }

    /// The descriptor; `None` in a forked child. Whether the program has
    /// closed it behind our back is not looked at: see [`PrivateFd::verified`].
    pub(crate) fn get(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: O3: this process owns the descriptor until the drop of `self`.
        (!self.is_forked()).then(|| unsafe { BorrowedFd::borrow_raw(self.fd) })
    }

    /// The descriptor, if it is still the one that was opened. Takes no lock.
    ///
    /// # Errors
    /// In a forked child; and when the program has closed the descriptor
    /// behind our back.
    pub(crate) fn verified(&self) -> Result<BorrowedFd<'_>, Unusable> {
        self.made_sure(|fd| fd)
    }

    /// Asks something of the descriptor, and makes sure *afterwards* that it was still
    /// the one that was opened: what is closed behind our back never comes back. Takes
    /// no lock, so `ask` may be of no consequence to a file that is not ours.
    ///
    /// # Errors
    /// As [`PrivateFd::verified`].
    pub(crate) fn made_sure<'fd, R>(
        &'fd self,
        ask: impl FnOnce(BorrowedFd<'fd>) -> R,
    ) -> Result<R, Unusable> {
        let fd = self.get().ok_or(Unusable::Forked)?;
        let answer = ask(fd);
        let is_same = file::metadata(fd).is_ok_and(|facts| facts.id() == self.file);
        // After the question. A newcomer of the same file is told apart by this alone.
        // SeqCst: pairs with the store in `open`, which comes before the newcomer's
        // first lock.
        if is_same && !self.superseded.load(Ordering::SeqCst) {
            Ok(answer)
        } else {
            Err(Unusable::Closed(self.fd))
        }
    }
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        // In a child the number is closed, or stands for another file by now;
        // and one made by a bare call may find the registry locked for good.
        if self.is_forked() {
            return;
        }
        // Closed under the lock: a fork in between would leave it to the child.
        let mut registry = lock_registry();
        let mut entries = registry.entries.iter();
        if let Some(index) = entries.position(|entry| entry.serial == self.serial) {
            registry.entries.swap_remove(index).close();
        }
    }
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
