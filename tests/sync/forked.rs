//! A forked child and its parent's handles.

use memring::sync::{
    Group, LockError, LockTimeoutError, Mutex, ReadError, TryLockError, WriterError,
};
use memring::{Failure, RingError};
use memring_testkit::forks::{in_child, ran_in_own_process};
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use std::time::Duration;

#[test]
fn a_child_has_no_handle() {
    if ran_in_own_process() {
        return;
    }
    let home = Home::new();
    let group = Group::builder().mutex("value", 1u64).condvar("changed");
    let group = group.latest("latest", 1u64).semaphore("permits", 2);
    let group = group.rwlock("lock", 1u64).counter("counter", 1u64);
    let group = group.create(home.named("group")).unwrap();
    let latest = group.latest::<u64>("latest").unwrap();
    let mut writer = Some(latest.writer().unwrap());
    let permits = group.semaphore("permits").unwrap();
    let mut permit = Some(permits.acquire().unwrap());
    let lock = group.rwlock::<u64>("lock").unwrap();
    let mut reader = Some(lock.read().unwrap());
    let counter = group.counter::<u64>("counter").unwrap();
    let value = group.mutex::<u64>("value").unwrap();
    let changed = group.condvar("changed").unwrap();
    let mut guard = Some(value.lock().unwrap());
    in_child(|| {
        drop(guard.take());
        let error = value.lock().unwrap_err();
        assert!(matches!(error, LockError::Failed(Failure::Forked)));
        says(&error, &["forked child"]);
        let error = value.try_lock().unwrap_err();
        assert!(matches!(error, TryLockError::Failed(Failure::Forked)));
        let error = value.lock_timeout(Duration::ZERO).unwrap_err();
        assert!(matches!(error, LockTimeoutError::Failed(Failure::Forked)));
        changed.notify_one();
        changed.notify_all();
        value.clear_poison();
        assert!(!value.is_poisoned() && !value.is_removed());
        assert!(value.handles().is_empty());
        let error = value.share_fd().unwrap_err();
        let expected = match error {
            RingError::Unsupported { .. } => cfg!(feature = "portable"),
            _ => matches!(error, RingError::Failed(Failure::Forked)),
        };
        assert!(expected, "{error}");
        drop((value.clone(), changed.clone()));
        assert_eq!(latest.read(), Err(ReadError::Failed(Failure::Forked)));
        assert_eq!(latest.number(), Err(Failure::Forked));
        assert_eq!(latest.has_writer(), Err(Failure::Forked));
        assert!(matches!(
            latest.writer(),
            Err(WriterError::Failed(Failure::Forked))
        ));
        let store = writer.as_mut().map(|writer| writer.write(2));
        assert_eq!(store, Some(Err(Failure::Forked)));
        drop((writer.take(), permit.take(), reader.take()));
        assert_eq!(permits.acquire().err(), Some(Failure::Forked));
        assert!(permits.try_acquire().is_err());
        assert_eq!((permits.available(), permits.holders().len()), (0, 0));
        assert!(lock.read().is_err() && lock.try_read().is_err());
        assert!(lock.write().is_err() && lock.try_write().is_err());
        lock.clear_poison();
        assert!(!lock.is_poisoned());
        assert_eq!(counter.add(1), Err(Failure::Forked));
        // What it opens itself is its own.
        let own = Mutex::<u64>::open(home.named("group"));
        says(&own.unwrap_err(), &["no part"]);
        let own = Group::open(home.named("group")).unwrap();
        assert_ne!(own.id(), group.id());
        let own = own.mutex::<u64>("value").unwrap();
        let Err(TryLockError::Held(Some(owner))) = own.try_lock() else {
            panic!("its parent holds it");
        };
        assert_ne!(owner.pid, std::process::id());
    });
    // The parent still has its lock: the child's drop did nothing.
    assert!(value.try_lock().is_err());
    assert_eq!((latest.has_writer(), latest.read()), (Ok(true), Ok(1)));
    assert_eq!((permits.available(), counter.get()), (1, Ok(1)));
    assert!(lock.try_write().is_err());
    drop((writer, permit, reader));
    assert_eq!((latest.has_writer(), permits.available()), (Ok(false), 2));
    drop(lock.try_write().unwrap());
    drop(guard);
    assert!(value.try_lock().is_ok());
}
