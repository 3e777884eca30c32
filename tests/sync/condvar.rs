//! Condition variables within one process.

use std::thread;
use std::time::{Duration, Instant};

use memring::sync::{Condvar, Group, LockError, Mutex};
use memring_testkit::time::{LONG, in_time};

const SHORT: Duration = Duration::from_millis(10);

fn pair() -> (Mutex<u64>, Condvar) {
    let group = Group::builder().mutex("value", 0u64).condvar("changed");
    let group = group.anonymous().unwrap();
    (
        group.mutex("value").unwrap(),
        group.condvar("changed").unwrap(),
    )
}

#[test]
fn a_predicate_that_becomes_true_is_seen() {
    let (value, changed) = pair();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let guard = changed.wait_while(value.lock().unwrap(), |value| *value < 3);
            *guard.unwrap()
        });
        for _ in 0..3 {
            thread::sleep(SHORT);
            *value.lock().unwrap() += 1;
            changed.notify_one();
        }
        assert_eq!(waiter.join().unwrap(), 3);
    });
}

#[test]
fn it_need_not_be_of_the_same_region() {
    let (value, changed) = (
        Mutex::anonymous(0u64).unwrap(),
        Condvar::anonymous().unwrap(),
    );
    in_time(move || {
        thread::scope(|scope| {
            scope.spawn(|| {
                *value.lock().unwrap() = 1;
                changed.notify_all();
            });
            let guard = changed.wait_while(value.lock().unwrap(), |value| *value == 0);
            assert_eq!(*guard.unwrap(), 1);
        });
    });
}

#[test]
fn a_wait_gives_the_lock_back_and_takes_it_again() {
    let (value, changed) = pair();
    let guard = value.lock().unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            *value.lock().unwrap() = 1;
            changed.notify_one();
        });
        let mut guard = changed.wait(guard).unwrap();
        while *guard == 0 {
            guard = changed.wait(guard).unwrap();
        }
        assert!(value.try_lock().is_err());
        drop(guard);
        other.join().unwrap();
    });
}

#[test]
fn time_limits() {
    let (value, changed) = pair();
    let began = Instant::now();
    let guard = value.lock().unwrap();
    let (guard, late) = changed.wait_timeout(guard, SHORT).unwrap();
    assert!(late.timed_out() && began.elapsed() >= SHORT);
    let deadline = Instant::now();
    let (guard, late) = changed.wait_deadline(guard, deadline).unwrap();
    assert!(late.timed_out());
    let never = |value: &mut u64| *value == 0;
    let (guard, late) = changed.wait_timeout_while(guard, SHORT, never).unwrap();
    assert!(late.timed_out());
    let (guard, late) = changed
        .wait_timeout_while(guard, LONG, |value| *value == 1)
        .unwrap();
    assert!(!late.timed_out());
    drop(guard);
}

/// CV2: the predicate may have changed without a notification.
#[test]
fn a_wait_returns_now_and_then() {
    let (value, changed) = pair();
    in_time(move || drop(changed.wait(value.lock().unwrap()).unwrap()));
}

#[test]
fn all_are_notified() {
    let (value, changed) = pair();
    in_time(move || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let guard = changed.wait_while(value.lock().unwrap(), |value| *value == 0);
                    drop(guard.unwrap());
                });
            }
            thread::sleep(SHORT);
            *value.lock().unwrap() = 1;
            changed.notify_all();
        });
    });
}

#[test]
fn one_who_waits_gets_the_guard_of_a_poisoned_mutex() {
    let (value, changed) = pair();
    thread::scope(|scope| {
        let guard = value.lock().unwrap();
        let poisoning = scope.spawn(|| {
            let _guard = value.lock().unwrap();
            panic!("half done");
        });
        // Until it has panicked.
        let mut guard = Ok(guard);
        while let Ok(held) = guard {
            guard = changed.wait(held);
        }
        let Err(LockError::Poisoned(poisoned)) = guard else {
            panic!("it is poisoned");
        };
        assert_eq!(**poisoned.get_ref(), 0);
        drop(poisoned);
        assert!(poisoning.join().is_err());
        let guard = value.lock().unwrap_err().into_guard().unwrap();
        let late = changed.wait_timeout(guard, SHORT).unwrap_err();
        let (guard, _) = late.into_guard().unwrap();
        value.clear_poison();
        drop(guard);
    });
    assert!(value.lock().is_ok());
}
