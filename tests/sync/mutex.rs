//! A mutex within one process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use memring::sync::{LockError, LockTimeoutError, Mutex, TryLockError};
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use memring_testkit::time::LONG;

use super::Twins;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn what_is_stored_is_there_for_the_next() {
    let mutex = Mutex::anonymous(7u64).unwrap();
    assert_eq!(*mutex.lock().unwrap(), 7);
    *mutex.lock().unwrap() = 8;
    assert_eq!(*mutex.try_lock().unwrap(), 8);
    assert_eq!(*mutex.lock_timeout(SHORT).unwrap(), 8);
    let deadline = Instant::now() + SHORT;
    assert_eq!(*mutex.lock_deadline(deadline).unwrap(), 8);
    let guard = mutex.lock().unwrap();
    assert_eq!(
        (format!("{guard}"), format!("{guard:?}")),
        ("8".into(), "8".into())
    );
}

#[test]
fn values_of_all_shapes() {
    drop(Mutex::anonymous(()).unwrap().lock().unwrap());
    let odd = Mutex::anonymous([1u8, 2, 3]).unwrap();
    odd.lock().unwrap()[2] = 9;
    assert_eq!(*odd.lock().unwrap(), [1, 2, 9]);

    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C, align(512))]
    struct Aligned([u64; 64]);
    let aligned = Mutex::anonymous(Aligned([5; 64])).unwrap();
    let guard = aligned.lock().unwrap();
    assert_eq!(guard.0, [5; 64]);
    assert_eq!(std::ptr::from_ref(&*guard).addr() % 512, 0);

    let large = Mutex::anonymous([3u64; 4096]).unwrap();
    assert!(large.lock().unwrap().iter().all(|word| *word == 3));
}

#[test]
fn threads_and_handles_exclude_each_other() {
    let home = Home::new();
    let made = Mutex::create(home.named("twins"), Twins::default()).unwrap();
    let opened = Mutex::<Twins>::open(home.named("twins")).unwrap();
    assert_ne!(made.id(), opened.id());
    assert_eq!(made.id(), made.clone().id());
    thread::scope(|scope| {
        for mutex in [&made, &made, &opened] {
            scope.spawn(move || (0..20_000).for_each(|_| mutex.lock().unwrap().step()));
        }
        let own = made.clone();
        scope.spawn(move || (0..20_000).for_each(|_| own.lock().unwrap().step()));
    });
    assert_eq!(*opened.lock().unwrap(), Twins::of(80_000));
}

#[test]
fn a_held_lock_names_its_holder() {
    let mutex = Mutex::anonymous(0u64).unwrap();
    let guard = mutex.lock().unwrap();
    let Err(TryLockError::Held(Some(owner))) = mutex.try_lock() else {
        panic!("it is held");
    };
    assert_eq!((owner.id, owner.pid), (mutex.id(), std::process::id()));
    let error = mutex.lock_timeout(SHORT).unwrap_err();
    says(
        &error,
        &[
            "not free by the deadline",
            &format!("process {}", owner.pid),
        ],
    );
    assert!(matches!(error, LockTimeoutError::Timeout(Some(it)) if it == owner));
    let late = mutex.lock_deadline(Instant::now());
    assert!(matches!(late, Err(LockTimeoutError::Timeout(Some(_)))));
    let io: std::io::Error = late.map(drop).unwrap_err().into();
    assert_eq!(io.kind(), std::io::ErrorKind::TimedOut);
    drop(guard);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn one_that_waits_is_woken() {
    let mutex = Mutex::anonymous(0u64).unwrap();
    thread::scope(|scope| {
        let guard = mutex.lock().unwrap();
        let waiters = [(); 3].map(|()| {
            scope.spawn(|| {
                let mut guard = mutex.lock_timeout(LONG).unwrap();
                *guard += 1;
            })
        });
        thread::sleep(SHORT);
        drop(guard);
        waiters.into_iter().for_each(|one| one.join().unwrap());
    });
    assert_eq!(*mutex.lock().unwrap(), 3);
}

#[test]
fn a_panic_poisons_until_the_value_is_repaired() {
    let mutex = Mutex::anonymous(Twins::default()).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = mutex.lock().unwrap();
        guard.first = 1;
        panic!("half done");
    }));
    assert!(panic.is_err() && mutex.is_poisoned());
    // It stays so, whatever holders come.
    for _ in 0..2 {
        let error = mutex.lock().unwrap_err();
        says(&error, &["poisoned", "repair the value", "clear_poison"]);
        assert!(matches!(error.without_guard(), LockError::Poisoned(_)));
        assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
        let late = mutex.lock_timeout(SHORT);
        assert!(matches!(late, Err(LockTimeoutError::Poisoned(_))));
    }
    let Err(LockError::Poisoned(mut poisoned)) = mutex.lock() else {
        panic!("it is poisoned");
    };
    assert_eq!(poisoned.get_ref().first, 1);
    poisoned.get_mut().second = 1;
    mutex.clear_poison();
    drop(poisoned.into_inner());
    assert!(!mutex.is_poisoned());
    assert_eq!(*mutex.lock().unwrap(), Twins::of(1));
    // Of a free lock, too.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _guard = mutex.lock().unwrap();
        panic!("again");
    }));
    mutex.clear_poison();
    assert!(mutex.lock().is_ok());
}

#[test]
fn a_lock_that_another_handle_holds_is_not_for_us_to_clear() {
    let home = Home::new();
    let mutex = Mutex::create(home.named("one"), 0u64).unwrap();
    let other = Mutex::<u64>::open(home.named("one")).unwrap();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _guard = mutex.lock().unwrap();
        panic!("half done");
    }));
    let guard = other.lock().unwrap_err().into_guard().unwrap();
    mutex.clear_poison();
    drop(guard);
    assert!(other.is_poisoned());
}

#[test]
fn a_lock_taken_while_unwinding_poisons_nothing() {
    struct Counts<'a>(&'a Mutex<u64>);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let mutex = Mutex::anonymous(0u64).unwrap();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _counts = Counts(&mutex);
        panic!("unwinding");
    }));
    assert_eq!(*mutex.lock().unwrap(), 1);
}

#[test]
fn a_leaked_guard_holds_the_lock_until_its_handle_goes() {
    let home = Home::new();
    let mutex = Mutex::create(home.named("one"), 0u64).unwrap();
    let other = Mutex::<u64>::open(home.named("one")).unwrap();
    std::mem::forget(mutex.lock().unwrap());
    let late = other.lock_timeout(3 * SHORT);
    assert!(matches!(late, Err(LockTimeoutError::Timeout(Some(_)))));
    thread::scope(|scope| {
        // A guard stays with its thread.
        let wait = || matches!(other.lock_timeout(LONG), Err(LockTimeoutError::Poisoned(_)));
        let waiter = scope.spawn(wait);
        thread::sleep(SHORT);
        drop(mutex);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn handles_come_and_go() {
    let home = Home::new();
    let builder = Mutex::<u64>::builder().max_handles(2);
    let first = builder.create(home.named("one"), 4).unwrap();
    let second = Mutex::<u64>::open(home.named("one")).unwrap();
    assert_eq!(first.handles().len(), 2);
    assert!(first.handles().iter().all(|one| one.alive));
    let error = Mutex::<u64>::open(home.named("one")).unwrap_err();
    says(&error, &["all 2 handles", "max_handles"]);
    drop(second);
    assert_eq!(first.handles().len(), 1);
    let again = Mutex::<u64>::open_or_create(home.named("one"), 9).unwrap();
    assert_eq!(*again.lock().unwrap(), 4);
    assert!(!again.is_removed());
    memring::remove(home.named("one")).unwrap();
    assert!(again.is_removed());
    *again.lock().unwrap() = 5;
    assert_eq!(*first.lock().unwrap(), 5);
}

/// It frees what guards of its own hold that were leaked (L8), and nothing else.
#[test]
fn a_handle_that_goes_frees_nothing_of_others() {
    let home = Home::new();
    let first = Mutex::<u64>::create(home.named("one"), 4).unwrap();
    let second = Mutex::<u64>::open(home.named("one")).unwrap();
    let guard = first.lock().unwrap();
    drop(second);
    let third = Mutex::<u64>::open(home.named("one")).unwrap();
    assert!(matches!(third.try_lock(), Err(TryLockError::Held(Some(_)))));
    drop(guard);
    assert_eq!(*third.lock().unwrap(), 4);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn a_descriptor_leads_to_the_same_mutex() {
    let mutex = Mutex::anonymous(1u64).unwrap();
    let other = Mutex::<u64>::from_fd(mutex.share_fd().unwrap()).unwrap();
    *mutex.lock().unwrap() = 2;
    assert_eq!(*other.lock().unwrap(), 2);
    assert_ne!(mutex.id(), other.id());
    let guard = mutex.lock().unwrap();
    assert!(other.try_lock().is_err());
    drop(guard);
}

/// What was leaked is not the next handle's on that id.
#[test]
fn a_leaked_guard_is_nothing_to_the_next_handle() {
    let home = Home::new();
    let builder = Mutex::<u64>::builder().max_handles(2);
    let leaking = builder.create(home.named("one"), 0).unwrap();
    let other = Mutex::<u64>::open(home.named("one")).unwrap();
    let id = leaking.id();
    std::mem::forget(leaking.lock().unwrap());
    drop(leaking);
    let next = Mutex::<u64>::open(home.named("one")).unwrap();
    assert_eq!(next.id(), id);
    let late = next.lock_timeout(LONG);
    assert!(matches!(late, Err(LockTimeoutError::Poisoned(_))));
    drop(late);
    assert!(matches!(other.try_lock(), Err(TryLockError::Poisoned(_))));
}
