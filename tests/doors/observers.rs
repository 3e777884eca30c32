//! Looking at rings: `inspect` and `list`, and so `memring list`. They open for
//! reading only, and so can map for reading only: the kernel sees to that.
#![allow(unsafe_code)]

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use memring::AttachError;

use crate::support::{aside, become_user, in_child, says, set_variable};
use crate::{ATTACKER, Numbers, VICTIM, on_stage};

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
            // His own, and still he may not write to them.
            for name in ["y", name.as_str()] {
                let error = Numbers::open(name).unwrap_err();
                says(&error, &["ermission denied"]);
                assert_eq!(memring::inspect(name).unwrap().capacity, 2);
            }
            assert_eq!(memring::list().unwrap().len(), 1);
        });
        // Another's as well, if he lets us.
        stage.as_user(ATTACKER, || {
            assert_eq!(memring::inspect(&name).unwrap().stats.len, 1);
        });
    });
}

/// What `docs/trust.md` warns of: a byte that a mere reader has locked counts as
/// somebody living. It changes nothing that is in the ring.
#[test]
fn whoever_may_read_may_stall() {
    on_stage(|stage| {
        let name = stage.path("x");
        let ring = Numbers::builder().capacity(2).mode(0o644);
        let ring = ring.create(&name).unwrap();
        let before = fs::read(&name).unwrap();
        let reader = aside(|| {
            become_user(ATTACKER);
            let file = File::open(&name).unwrap();
            // SAFETY: integers only, for which zero is valid.
            let mut ask: libc::flock = unsafe { std::mem::zeroed() };
            (ask.l_type, ask.l_start, ask.l_len) = (libc::F_RDLCK as _, 1, 1023);
            // SAFETY: an open descriptor, and a whole `flock` of ours.
            let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &mut ask) };
            assert_eq!(taken, 0);
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

/// The kernel takes a read lease back as soon as anybody opens the file for
/// writing.
fn lease(file: &File, command: libc::c_int, kind: libc::c_int) -> libc::c_int {
    // SAFETY: an open descriptor, and numbers.
    unsafe { libc::fcntl(file.as_raw_fd(), command, kind) }
}

#[test]
fn looking_opens_nothing_for_writing_and_changes_nothing() {
    in_child(|| {
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
        set_variable("MEMRING_DIR", place.path());
        // With a message, and somebody dead in the table who has leased it.
        drop(Numbers::create("x", 2).unwrap());
        let dead = aside(|| {
            let ring = Numbers::open("x").unwrap();
            ring.sender().unwrap().send(1).unwrap();
            let mut rx = ring.receiver().unwrap();
            let _lease = rx.lease().unwrap();
            // SAFETY: no arguments to get wrong.
            unsafe { libc::raise(libc::SIGKILL) };
        });
        assert_eq!(dead.killed_by(), Some(libc::SIGKILL));
        let path = place.path().join("x");
        let before = fs::read(&path).unwrap();
        let file = File::open(&path).unwrap();
        // SIGIO, which tells of a lease that is taken back, would kill us.
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        assert_eq!(lease(&file, libc::F_SETLEASE, libc::F_RDLCK), 0);
        let seen = memring::inspect("x").unwrap();
        assert!(!seen.in_use && seen.stats.senders.is_empty());
        assert_eq!(seen.stats.receivers.len(), 1);
        assert!(!seen.stats.receivers[0].alive);
        assert_eq!(memring::list().unwrap()[0].ring.as_ref().unwrap(), &seen);
        assert_eq!(lease(&file, libc::F_GETLEASE, 0), libc::F_RDLCK);
        assert_eq!(lease(&file, libc::F_SETLEASE, libc::F_UNLCK), 0);
        assert_eq!(fs::read(&path).unwrap(), before);
        // Somebody who takes part cannot do that.
        assert_eq!(lease(&file, libc::F_SETLEASE, libc::F_RDLCK), 0);
        let error = Numbers::open("x").unwrap_err();
        says(&error, &["cannot open"]);
        drop(file);
        let mut rx = Numbers::open("x").unwrap().receiver().unwrap();
        assert_eq!(rx.lease().unwrap().redeliveries(), 1);
    });
}
