//! Reading and writing under a lock: the interface.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use memring::Failure;
use memring::sync::{LockError, LockTimeoutError, RwLock, RwLockWriteGuard, TryLockError};
use memring_testkit::Words;
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use memring_testkit::time::{LONG, in_time, wait_until};

use super::Twins;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn readers_share_and_writers_do_not() {
    let lock = RwLock::anonymous(7u64).unwrap();
    let one = lock.read().unwrap();
    let two = lock.try_read().unwrap();
    assert_eq!((*one, *two), (7, 7));
    let error = lock.try_write().unwrap_err();
    says(
        &error,
        &["the lock is held", &std::process::id().to_string()],
    );
    assert!(matches!(error, TryLockError::Held(Some(it)) if it.id == lock.id()));
    let error = lock.write_timeout(SHORT).unwrap_err();
    assert!(matches!(error, LockTimeoutError::Timeout(Some(it)) if it.id == lock.id()));
    // One that has given up keeps nobody out.
    assert_eq!(*lock.read_timeout(SHORT).unwrap(), 7);
    drop((one, two));
    let mut writer = lock.write().unwrap();
    *writer = 8;
    assert_eq!(
        (format!("{writer}"), format!("{writer:?}")),
        ("8".into(), "8".into())
    );
    assert!(matches!(lock.try_read(), Err(TryLockError::Held(Some(_)))));
    assert!(matches!(lock.try_write(), Err(TryLockError::Held(Some(_)))));
    let error = lock.read_timeout(SHORT).unwrap_err();
    assert!(matches!(error, LockTimeoutError::Timeout(Some(_))));
    let error = lock.write_deadline(Instant::now()).unwrap_err();
    assert!(matches!(error, LockTimeoutError::Timeout(Some(_))));
    drop(writer);
    assert_eq!(*lock.read_deadline(Instant::now()).unwrap(), 8);
    *lock.try_write().unwrap() = 9;
    assert_eq!(*lock.write_timeout(SHORT).unwrap(), 9);
}

/// A handle that leaks read guards without end gets an error before the count overflows: else a
/// writer would come in beside readers.
#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "it writes to the file, which is not the memory there"
)]
fn readers_that_cannot_be_counted_are_refused() {
    let home = Home::new();
    let lock = RwLock::create(home.named("lock"), 7u64).unwrap();
    let guard = lock.read().unwrap();
    // As many leaked guards would leave it, which takes a minute.
    let memory = Words::map_all(lock.share_fd().unwrap()).unwrap();
    let one = 1 << 32 | 1;
    let cells = memory.iter().filter(|it| it.load(Ordering::SeqCst) == one);
    let cells: Vec<_> = cells.collect();
    assert_eq!(cells.len(), 1, "the cell of this handle");
    let leaked = (1 << 31) - 1;
    cells[0].fetch_add(leaked << 32 | leaked, Ordering::SeqCst);
    let refused = Failure::TooManyReaders { limit: 1 << 31 };
    let error = lock.read().unwrap_err();
    assert!(
        matches!(error, LockError::Failed(failure) if failure == refused),
        "{error}"
    );
    says(&error, &["2147483648 read guards", "drop guards"]);
    let error = lock.try_read().unwrap_err();
    assert!(matches!(error, TryLockError::Failed(failure) if failure == refused));
    assert!(lock.read_timeout(SHORT).is_err());
    assert!(lock.try_write().is_err());
    cells[0].fetch_sub(leaked << 32 | leaked, Ordering::SeqCst);
    drop(guard);
    *lock.write().unwrap() = 8;
    assert_eq!(*lock.read().unwrap(), 8);
}

#[test]
fn handles_and_threads_exclude_each_other() {
    let home = Home::new();
    let made = RwLock::create(home.named("lock"), Twins::default()).unwrap();
    let opened = RwLock::<Twins>::open(home.named("lock")).unwrap();
    thread::scope(|scope| {
        for lock in [&made, &opened] {
            scope.spawn(move || (0..5_000).for_each(|_| lock.write().unwrap().step()));
            for _ in 0..2 {
                scope.spawn(move || {
                    let mut last = 0;
                    for _ in 0..5_000 {
                        let value = lock.read().unwrap();
                        assert!(value.first == value.second && value.first >= last);
                        last = value.first;
                    }
                });
            }
        }
    });
    assert_eq!(*made.read().unwrap(), Twins::of(10_000));
}

/// RW3 and RW14: a writer that waits keeps new readers out, but not those that read already.
#[test]
fn a_waiting_writer_keeps_new_readers_out() {
    let home = Home::new();
    let lock = RwLock::create(home.named("lock"), 0u64).unwrap();
    let opened = RwLock::<u64>::open(home.named("lock")).unwrap();
    let first = lock.read().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| *opened.write().unwrap() += 1);
        wait_until(|| opened.try_read().is_err(), || "a writer waits".into());
        // A second guard of a handle that reads: as a function does that does not know.
        assert_eq!(*lock.read_timeout(LONG).unwrap(), 0);
        assert_eq!(*lock.try_read().unwrap(), 0);
        // Of another it would keep the writer waiting.
        let third = RwLock::<u64>::open(home.named("lock")).unwrap();
        assert!(matches!(third.try_read(), Err(TryLockError::Held(Some(_)))));
        drop(first);
        writer.join().unwrap();
        assert_eq!(*third.read_timeout(LONG).unwrap(), 1);
    });
}

#[test]
fn a_writer_becomes_a_reader() {
    let home = Home::new();
    let lock = RwLock::create(home.named("lock"), 1u64).unwrap();
    let opened = RwLock::<u64>::open(home.named("lock")).unwrap();
    let mut writer = lock.write().unwrap();
    *writer = 2;
    let reader = RwLockWriteGuard::downgrade(writer);
    assert_eq!((*reader, *opened.read().unwrap()), (2, 2));
    assert!(opened.try_write().is_err());
    drop(reader);
    *opened.try_write().unwrap() = 3;
    assert_eq!(*lock.read().unwrap(), 3);
}

#[test]
fn a_panic_with_a_write_guard_poisons() {
    let lock = RwLock::anonymous(1u64).unwrap();
    let panics = |write: bool| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            if write {
                let _guard = lock.write();
                std::panic::resume_unwind(Box::new(()));
            }
            let _guard = lock.read();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(result.is_err());
    };
    panics(false);
    assert!(!lock.is_poisoned());
    panics(true);
    assert!(lock.is_poisoned());
    let Err(LockError::Poisoned(poisoned)) = lock.read() else {
        panic!("it is poisoned");
    };
    assert_eq!(*poisoned.into_inner(), 1);
    assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
    // Until it is repaired, also by one that becomes a reader.
    drop(RwLockWriteGuard::downgrade(
        lock.write().unwrap_err().into_guard().unwrap(),
    ));
    assert!(lock.is_poisoned());
    let mut guard = lock.write().unwrap_err().into_guard().unwrap();
    *guard = 2;
    lock.clear_poison();
    drop(guard);
    assert!(!lock.is_poisoned());
    assert_eq!(*lock.read().unwrap(), 2);
}

#[test]
fn leaked_guards_end_with_their_handle() {
    let home = Home::new();
    let lock = RwLock::create(home.named("lock"), 1u64).unwrap();
    let opened = RwLock::<u64>::open(home.named("lock")).unwrap();
    std::mem::forget(opened.read().unwrap());
    assert!(lock.try_write().is_err());
    drop(opened);
    drop(lock.try_write().unwrap());
    let opened = RwLock::<u64>::open(home.named("lock")).unwrap();
    std::mem::forget(opened.write().unwrap());
    assert!(lock.try_read().is_err());
    drop(opened);
    assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
}

/// The readers of each handle that there may be are seen.
#[test]
fn locks_of_many_handles_and_shapes() {
    let home = Home::new();
    let lock = RwLock::builder().max_handles(1023);
    let lock = lock.create(home.named("lock"), [3u64; 4096]).unwrap();
    let others: Vec<_> = (0..40)
        .map(|_| RwLock::<[u64; 4096]>::open(home.named("lock")).unwrap())
        .collect();
    for other in &others {
        let guard = other.read().unwrap();
        let Err(TryLockError::Held(Some(it))) = lock.try_write() else {
            panic!("{} reads", other.id());
        };
        assert_eq!(it.id, other.id());
        drop(guard);
    }
    lock.try_write().unwrap()[4095] = 4;
    assert_eq!(others[7].read().unwrap()[4094..], [3, 4]);
    drop(RwLock::anonymous(()).unwrap().write().unwrap());
    in_time(|| {
        let odd = RwLock::anonymous([1u8, 2, 3]).unwrap();
        odd.write().unwrap()[2] = 9;
        assert_eq!(*odd.read().unwrap(), [1, 2, 9]);
    });
}
