//! A system on which `/proc` is not mounted.
#![allow(unsafe_code)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use memring::{Mpmc, Ring, RingError, remove};
use support::{NOBODY, become_user, in_child, is_root, says};

/// Takes `/proc` away from this process, a child, alone. False if it may not.
fn without_proc() -> bool {
    // SAFETY: strings that end with NUL, or none, and flags. The mounts are
    // those of a namespace of this process's own, from which none go back.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            return false;
        }
        let none = std::ptr::null();
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        let private = libc::mount(none, c"/".as_ptr(), none, flags, none.cast());
        if private != 0 || libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) != 0 {
            return false;
        }
    }
    assert!(!Path::new("/proc/self").exists());
    true
}

fn named_rings_work_and_others_say_why_not(directory: &Path) {
    let path = directory.join("ring");
    let name = path.to_str().unwrap();
    let clear = |error: RingError| {
        assert!(matches!(error, RingError::Os { .. }), "{error:?}");
        says(&error, &["/proc", "expected", "mount"]);
    };
    clear(Ring::<u64, Mpmc>::anonymous(4).unwrap_err());
    // From Linux 6.10 on, or with a privilege, files get their names without.
    let ring = match Ring::<u64, Mpmc>::create(name, 4) {
        Ok(ring) => ring,
        Err(error) => return clear(error),
    };
    let mut sender = ring.sender().unwrap();
    let mut receiver = Ring::<u64, Mpmc>::open(name).unwrap().receiver().unwrap();
    sender.send(1).unwrap();
    assert_eq!(receiver.recv(), Ok(1));
    clear(ring.as_fd().unwrap_err());
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    clear(Ring::<u64, Mpmc>::from_fd(&file).unwrap_err());
    assert!(memring::inspect(name).unwrap().in_use);
    remove(name).unwrap();
}

fn as_user(user: Option<u32>) {
    in_child(|| {
        if !without_proc() {
            return support::print("skipped: this system does not let a test unmount /proc\n");
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
        support::fork_and_wait(|| {
            if let Some(user) = user {
                become_user(user);
            }
            named_rings_work_and_others_say_why_not(directory.path());
        });
    });
}

#[test]
fn without_proc_as_the_superuser() {
    as_user(None);
}

#[test]
fn without_proc_as_anybody() {
    if !is_root() {
        return println!("skipped: only the superuser can become another user");
    }
    as_user(Some(NOBODY));
}
