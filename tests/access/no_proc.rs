//! A system on which `/proc` is not mounted.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use memring::{Mpmc, Ring, RingError, remove};
use memring_testkit::forks::{NOBODY, become_user, in_child, is_root, ran_in_own_process};
use memring_testkit::homes::directory;
use memring_testkit::sys;
use memring_testkit::text::{says, skipped};

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
    clear(ring.share_fd().unwrap_err());
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
    if ran_in_own_process() {
        return;
    }
    if let Err(error) = sys::unmount_proc() {
        return skipped(format_args!("/proc cannot be unmounted here: {error}"));
    }
    assert!(!Path::new("/proc/self").exists());
    let place = directory();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o777)).unwrap();
    in_child(|| {
        if let Some(user) = user {
            become_user(user);
        }
        named_rings_work_and_others_say_why_not(place.path());
    });
}

#[test]
fn without_proc_as_the_superuser() {
    as_user(None);
}

#[test]
fn without_proc_as_anybody() {
    if !is_root() {
        return skipped("only the superuser can become another user");
    }
    as_user(Some(NOBODY));
}
