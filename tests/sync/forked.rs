//! A forked child and its parent's handles.

use memring::sync::{Group, LockError, LockTimeoutError, Mutex, TryLockError};
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
    let group = group.create(home.named("group")).unwrap();
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
        assert!(matches!(error, RingError::Failed(Failure::Forked)));
        drop((value.clone(), changed.clone()));
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
    drop(guard);
    assert!(value.try_lock().is_ok());
}
