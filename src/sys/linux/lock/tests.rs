#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use memring_testkit::forks;
use memring_testkit::time::{LONG, await_at_least};
use memring_testkit::words::shared_word;

use super::*;
use crate::sys::file;

fn memory() -> OwnedFd {
    file::memfd(OsStr::new("lock")).unwrap()
}

/// Another open file description of the same file.
fn another(file: &impl AsFd) -> LockFile {
    LockFile::open(|| file::reopen(file.as_fd(), true)).unwrap()
}

/// Waits until no process holds a byte whose description has ended here: children
/// that other tests fork have a copy for a moment.
fn await_free(lock: &LockFile, byte: u64) {
    let start = Instant::now();
    while lock.is_held(byte).unwrap() {
        assert!(start.elapsed() < LONG, "byte {byte} is still held");
        thread::yield_now();
    }
}

#[test]
fn one_description_after_the_other() {
    let file = memory();
    let (one, other) = (another(&file), another(&file));
    assert_eq!(one.file(), other.file());
    assert_eq!(one.try_exclusive(5).unwrap(), Acquired::Taken);
    assert_eq!(one.try_exclusive(5).unwrap(), Acquired::HeldHere);
    assert_eq!(other.try_exclusive(5).unwrap(), Acquired::HeldElsewhere);
    assert!(one.is_held(5).unwrap() && other.is_held(5).unwrap());
    for byte in [4, 6] {
        assert!(!one.is_held(byte).unwrap());
        assert_eq!(other.try_exclusive(byte).unwrap(), Acquired::Taken);
    }
    other.unlock(5).unwrap();
    assert!(other.is_held(5).unwrap(), "not the other's to give up");
    one.unlock(5).unwrap();
    assert!(!one.is_held(5).unwrap());
    assert_eq!(other.try_exclusive(5).unwrap(), Acquired::Taken);
}

#[test]
fn shared_with_the_shared_only() {
    let file = memory();
    let (one, other) = (another(&file), another(&file));
    assert!(one.shared(0).unwrap());
    assert!(one.shared(0).unwrap());
    assert!(other.shared(0).unwrap());
    assert_eq!(one.try_exclusive(0).unwrap(), Acquired::HeldHere);
    one.unlock(0).unwrap();
    assert_eq!(one.try_exclusive(0).unwrap(), Acquired::HeldElsewhere);
    assert!(one.is_held(0).unwrap(), "a shared lock is a lock");
    other.unlock(0).unwrap();
    assert_eq!(one.try_exclusive(0).unwrap(), Acquired::Taken);
    assert!(!one.shared(0).unwrap(), "no downgrade");
    assert!(!other.shared(0).unwrap());
    assert_eq!(other.try_exclusive(0).unwrap(), Acquired::HeldElsewhere);
}

#[test]
fn offsets_beyond_the_table_are_refused() {
    let lock = another(&memory());
    for byte in [u64::MAX, 1 << 63, LOCK_BYTES] {
        let refusal = lock.try_exclusive(byte).unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::InvalidInput);
        assert!(lock.shared(byte).is_err() && !lock.held.has(byte));
    }
    let last = LOCK_BYTES - 1;
    assert_eq!(lock.try_exclusive(last).unwrap(), Acquired::Taken);
    assert!(lock.held.has(last) && !lock.held.has(last - 1));
}

/// Probes take no lock that another thread, or a fork in progress, can hold.
#[test]
fn a_probe_waits_for_nobody() {
    let file = memory();
    let (one, other) = (another(&file), another(&file));
    one.try_exclusive(1).unwrap();
    other.try_exclusive(2).unwrap();
    let fork = crate::sys::fork::ForkHold::new().unwrap();
    let changes = one.hold_changes();
    let held = thread::scope(|scope| {
        let prober = scope.spawn(|| [0, 1, 2].map(|byte| one.is_held(byte).unwrap()));
        let start = Instant::now();
        while !prober.is_finished() && start.elapsed() < LONG {
            thread::yield_now();
        }
        let waits = !prober.is_finished();
        drop((fork, changes));
        assert!(!waits, "the probe waits for a lock");
        prober.join().unwrap()
    });
    assert_eq!(held, [false, true, true]);
}

#[test]
fn a_reader_can_look_and_share() {
    let file = memory();
    let writer = another(&file);
    let reader = LockFile::open(|| file::reopen(file.as_fd(), false)).unwrap();
    assert!(!reader.is_held(3).unwrap());
    writer.try_exclusive(3).unwrap();
    assert!(reader.is_held(3).unwrap());
    assert!(reader.shared(2).unwrap());
    assert!(reader.try_exclusive(1).is_err());
    assert!(!reader.held.has(1));
}

#[test]
fn dropping_gives_up_although_a_copy_lives() {
    let file = memory();
    let (one, other) = (another(&file), another(&file));
    one.try_exclusive(1).unwrap();
    assert!(one.shared(9).unwrap());
    let copy = one.as_fd().unwrap().try_clone_to_owned().unwrap();
    drop(one);
    assert!(!other.is_held(1).unwrap() && !other.is_held(9).unwrap());
    drop(copy);
}

#[test]
fn a_mapping_keeps_the_lock_of_a_closed_descriptor() {
    let file = memory();
    file::allocate(file.as_fd(), 4096).unwrap();
    let (one, other) = (another(&file), another(&file));
    let mapping = crate::sys::map::Mapping::shared(one.as_fd().unwrap(), 4096).unwrap();
    one.try_exclusive(1).unwrap();
    // What `closefrom` does; the number then goes to another file.
    let number = one.as_fd().unwrap().as_raw_fd();
    let stranger = memory();
    // SAFETY: the number is ours, and its owner is told below.
    assert_eq!(unsafe { libc::dup2(stranger.as_raw_fd(), number) }, number);
    assert!(other.is_held(1).unwrap());
    for error in [
        one.try_exclusive(2).map(|_| ()).unwrap_err(),
        one.shared(2).map(|_| ()).unwrap_err(),
        one.unlock(1).unwrap_err(),
        one.as_fd().map(|_| ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("used for another file"));
    }
    // Neither of its own nor of another's bytes can be told any more.
    for byte in [1, 2] {
        match one.is_held(byte) {
            Err(ProbeError::Unusable(Unusable::Closed(closed))) => assert_eq!(closed, number),
            found => panic!("expected a closed descriptor, found {found:?}"),
        }
    }
    drop(one);
    let looker = another(&stranger);
    assert!((0..9).all(|byte| !looker.is_held(byte).unwrap()));
    // SAFETY: only looked at; open, since no code may have closed it.
    let taken = unsafe { BorrowedFd::borrow_raw(number) };
    let facts = file::metadata(taken).unwrap();
    assert_eq!(facts.id(), file::metadata(stranger.as_fd()).unwrap().id());
    drop(mapping);
    await_free(&other, 1);
    // SAFETY: opened by `dup2` above, and no other's.
    unsafe { libc::close(number) };
}

#[test]
fn death_frees_and_only_death() {
    let file = memory();
    let lock = another(&file);
    let stage = shared_word();
    let child = forks::fork_checked(|| {
        let own = another(&file);
        let taken = own.try_exclusive(7).unwrap() == Acquired::Taken;
        // Release pairs with the Acquire in `await_at_least`.
        stage.store(1, Ordering::Release);
        await_at_least(stage, 2) && taken
    });
    assert!(await_at_least(stage, 1));
    assert!(lock.is_held(7).unwrap());
    assert_eq!(lock.try_exclusive(7).unwrap(), Acquired::HeldElsewhere);
    child.kill();
    assert_eq!(lock.try_exclusive(7).unwrap(), Acquired::Taken);
}

#[test]
fn a_child_can_neither_use_nor_keep_its_parents_locks() {
    let file = memory();
    file::allocate(file.as_fd(), 4096).unwrap();
    let watcher = another(&file);
    let mut lock = Some(another(&file));
    let fd = lock.as_ref().unwrap().as_fd().unwrap();
    let mapping = crate::sys::map::Mapping::shared(fd, 4096).unwrap();
    lock.as_ref().unwrap().try_exclusive(1).unwrap();
    let stage = shared_word();
    let child = forks::fork_checked(|| {
        let inherited = lock.as_ref().unwrap();
        let refused = inherited.try_exclusive(2).is_err()
            && inherited.shared(2).is_err()
            && inherited.unlock(1).is_err()
            && inherited.is_held(1).is_err()
            && inherited.as_fd().is_err();
        drop(lock.take());
        let own = another(&file);
        let other = own.try_exclusive(1).unwrap() == Acquired::HeldElsewhere
            && own.try_exclusive(2).unwrap() == Acquired::Taken;
        // Release pairs with the Acquire in `await_at_least`.
        stage.store(1, Ordering::Release);
        await_at_least(stage, 2) && refused && other
    });
    assert!(await_at_least(stage, 1));
    assert!(watcher.is_held(1).unwrap());
    assert!(watcher.is_held(2).unwrap());
    // The end of the parent's description, without an unlock: as in death.
    let LockFileParts { fd } = LockFileParts::of(lock.take().unwrap());
    drop((fd, mapping));
    await_free(&watcher, 1);
    // Release pairs with the Acquire in `await_at_least`.
    stage.store(2, Ordering::Release);
    assert!(child.succeeded());
    assert!(!watcher.is_held(2).unwrap());
}

/// A lock file taken apart, so that its end does not unlock.
struct LockFileParts {
    fd: PrivateFd,
}

impl LockFileParts {
    fn of(lock: LockFile) -> Self {
        let lock = mem::ManuallyDrop::new(lock);
        // SAFETY: read once, and the original is never dropped.
        let fd = unsafe { std::ptr::read(&lock.fd) };
        Self { fd }
    }
}

#[test]
fn a_bare_child_cannot_unlock() {
    // From a child of one thread: there the bare call is as good as `fork`.
    let child = forks::fork_checked(|| {
        let file = memory();
        let watcher = another(&file);
        let mut lock = Some(another(&file));
        lock.as_ref().unwrap().try_exclusive(1).unwrap();
        let grandchild = forks::bare_fork_checked(|| {
            let refused = lock.as_ref().unwrap().unlock(1).is_err();
            drop(lock.take());
            refused
        });
        let kept = grandchild.succeeded() && watcher.is_held(1).unwrap();
        drop(lock);
        kept && !watcher.is_held(1).unwrap()
    });
    assert!(child.succeeded());
}
