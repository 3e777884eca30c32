//! Looking at rings: `inspect` and `list`, and so `memring list`. They open for
//! reading only, and so can map for reading only: the kernel sees to that.

use std::fs::{self, File};

use memring::AttachError;

use memring_testkit::forks::{become_user, fork, ran_in_own_process, set_variable};
use memring_testkit::homes::directory;
use memring_testkit::sys;
use memring_testkit::text::says;
use rustix::process::{Signal, getpid, kill_process};

use super::{ATTACKER, Numbers, VICTIM, on_stage};

#[test]
fn reading_is_all_the_permission_that_it_takes() {
    on_stage(|stage| {
        let name = stage.path("x");
        stage.as_user(VICTIM, || {
            let ring = Numbers::builder().capacity(2).mode(0o444);
            ring.create(&name)
                .unwrap()
                .sender()
                .unwrap()
                .send(1)
                .unwrap();
            let ring = Numbers::builder().capacity(2).mode(0o400);
            ring.create("y").unwrap();
            // Their owner, and still not allowed to write to them.
            for name in ["y", name.as_str()] {
                let error = Numbers::open(name).unwrap_err();
                says(&error, &["ermission denied"]);
                assert_eq!(memring::inspect(name).unwrap().capacity, 2);
            }
            assert_eq!(memring::list().unwrap().len(), 1);
        });
        // Another's as well, if its mode lets us.
        stage.as_user(ATTACKER, || {
            assert_eq!(memring::inspect(&name).unwrap().stats.len, 1);
        });
    });
}

/// What `docs/trust.md` warns of: a byte that a mere reader has locked counts as
/// somebody living. It changes nothing that is in the ring.
#[test]
fn a_process_that_may_read_may_stall() {
    on_stage(|stage| {
        let name = stage.path("x");
        let ring = Numbers::builder().capacity(2).mode(0o644);
        let ring = ring.create(&name).unwrap();
        let before = fs::read(&name).unwrap();
        let reader = fork(|| {
            become_user(ATTACKER);
            let file = File::open(&name).unwrap();
            sys::lock_to_read(&file, 1, 1023).unwrap();
            fs::write(stage.path("locked"), "").unwrap();
            loop {
                std::thread::park();
            }
        });
        while !fs::exists(stage.path("locked")).unwrap() {
            std::thread::yield_now();
        }
        let error = ring.sender().unwrap_err();
        assert!(matches!(error, AttachError::Occupied { .. }), "{error:?}");
        assert_eq!(fs::read(&name).unwrap(), before);
        drop(reader);
        ring.sender().unwrap();
    });
}

#[test]
fn looking_opens_nothing_for_writing_and_changes_nothing() {
    if ran_in_own_process() {
        return;
    }
    let place = directory();
    set_variable("MEMRING_DIR", place.path());
    // With a message, and somebody dead in the table who has leased it.
    drop(Numbers::create("x", 2).unwrap());
    let dead = fork(|| {
        let ring = Numbers::open("x").unwrap();
        ring.sender().unwrap().send(1).unwrap();
        let mut rx = ring.receiver().unwrap();
        let _lease = rx.lease().unwrap();
        kill_process(getpid(), Signal::KILL).unwrap();
    });
    assert_eq!(dead.killed_by(), Some(Signal::KILL.as_raw()));
    let path = place.path().join("x");
    let before = fs::read(&path).unwrap();
    let file = File::open(&path).unwrap();
    // SIGIO, which tells of a lease that is taken back, would kill us.
    sys::ignore(libc::SIGIO);
    sys::set_lease(&file, libc::F_RDLCK).unwrap();
    let seen = memring::inspect("x").unwrap();
    assert!(!seen.in_use && seen.stats.senders.is_empty());
    assert_eq!(seen.stats.receivers.len(), 1);
    assert!(!seen.stats.receivers[0].alive);
    assert_eq!(memring::list().unwrap()[0].ring.as_ref().unwrap(), &seen);
    assert_eq!(sys::lease_of(&file), libc::F_RDLCK);
    sys::set_lease(&file, libc::F_UNLCK).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    // Somebody who takes part cannot do that.
    sys::set_lease(&file, libc::F_RDLCK).unwrap();
    let error = Numbers::open("x").unwrap_err();
    says(&error, &["cannot open"]);
    drop(file);
    let mut rx = Numbers::open("x").unwrap().receiver().unwrap();
    assert_eq!(rx.lease().unwrap().redeliveries(), 1);
}
