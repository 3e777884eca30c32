//! Removing a ring, and others who would have it not removed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::thread;

use memring::RingError;

use memring_testkit::forks::{become_user, fork, ran_in_own_process};
use memring_testkit::homes::directory;
use memring_testkit::text::says;

use super::{ATTACKER, Numbers, VICTIM, on_stage};
use crate::place::Place;

#[test]
fn a_lock_on_the_directory_bars_nobody() {
    on_stage(|stage| {
        let name = stage.path("x");
        // Every user may lock a directory that is readable.
        let attacker = fork(|| {
            become_user(ATTACKER);
            let directory = File::open(&stage.path).unwrap();
            directory.lock().unwrap();
            fs::write(stage.path("locked"), "").unwrap();
            loop {
                thread::park();
            }
        });
        while fs::symlink_metadata(stage.path("locked")).is_err() {
            thread::yield_now();
        }
        stage.as_user(VICTIM, || {
            Numbers::create(&name, 2).unwrap();
            memring::remove(&name).unwrap();
        });
        assert!(fs::symlink_metadata(&name).is_err());
        drop(attacker);
    });
}

/// Waits until this process has a file open a second time.
fn await_opened(inode: u64) {
    let has_it = |file: std::io::Result<fs::DirEntry>| {
        let facts = fs::metadata(file.unwrap().path());
        facts.is_ok_and(|facts| facts.ino() == inode)
    };
    let open = || fs::read_dir("/proc/self/fd").unwrap().map(has_it);
    while open().filter(|it| *it).count() < 2 {
        thread::yield_now();
    }
}

/// The lock and the second look: of two removers of one ring, the second leaves
/// alone what was made after the first.
#[test]
fn a_ring_that_was_made_meanwhile_is_left_alone() {
    if ran_in_own_process() {
        return;
    }
    let place = Place::empty();
    let name = place.name();
    drop(Numbers::create(name, 2).unwrap());
    // The first remover, as far as the second can tell.
    let first = File::open(name).unwrap();
    first.lock().unwrap();
    let old = first.metadata().unwrap().ino();
    thread::scope(|scope| {
        let second = scope.spawn(|| memring::remove(name));
        // It has the old ring open, and waits for the first.
        await_opened(old);
        fs::remove_file(name).unwrap();
        drop(Numbers::create(name, 4).unwrap());
        drop(first);
        let error = second.join().unwrap().unwrap_err();
        assert!(matches!(error, RingError::NotFound { .. }), "{error:?}");
    });
    assert_eq!(memring::inspect(name).unwrap().capacity, 4);
}

/// The directory was opened once. That its path leads elsewhere by now, to where
/// there is a ring of the same name, changes nothing.
#[test]
fn a_directory_that_is_changed_for_another_meanwhile_leads_nowhere_else() {
    if ran_in_own_process() {
        return;
    }
    let place = directory();
    let [meant, moved, other] = ["meant", "moved", "other"].map(|it| place.path().join(it));
    for parent in [&meant, &other] {
        fs::create_dir(parent).unwrap();
        let name = parent.join("x");
        drop(Numbers::create(name.to_str().unwrap(), 2).unwrap());
    }
    let name = meant.join("x");
    let name = name.to_str().unwrap();
    let holder = File::open(name).unwrap();
    holder.lock().unwrap();
    let ring = holder.metadata().unwrap().ino();
    thread::scope(|scope| {
        let remover = scope.spawn(|| memring::remove(name));
        await_opened(ring);
        fs::rename(&meant, &moved).unwrap();
        std::os::unix::fs::symlink(&other, &meant).unwrap();
        drop(holder);
        remover.join().unwrap().unwrap();
    });
    assert!(!moved.join("x").exists());
    assert!(other.join("x").exists());
}

#[test]
fn a_lock_on_the_ring_s_file_is_waited_for_but_not_for_ever() {
    if ran_in_own_process() {
        return;
    }
    let place = Place::empty();
    let name = place.name();
    let ring = Numbers::create(name, 2).unwrap();
    let holder = File::open(name).unwrap();
    holder.lock().unwrap();
    let error = memring::remove(name).unwrap_err();
    assert!(matches!(error, RingError::Os { .. }), "{error:?}");
    says(&error, &[name, "remove", "another process", "/proc/locks"]);
    assert!(fs::symlink_metadata(name).is_ok());
    // The lock means nothing to those who use the ring.
    ring.sender().unwrap().send(1).unwrap();
    Numbers::open(name).unwrap();
    drop(holder);
    memring::remove(name).unwrap();
}
