//! Dropped rings and endpoints leave nothing behind.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::os::fd::AsFd;

use memring::{Kind, Mpmc, Ring, Spsc};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;

const RINGS: usize = 1000;

/// In a process of its own, so that other tests do not change the figures.
#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn dropped_rings_give_everything_back() {
    let home = Home::new();
    home.spawn("maker", &[]).finish();
    let left = read_dir(home.rings()).expect("list the rings").count();
    assert_eq!(left, 0);
}

/// What this process has of the system's.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    mappings: usize,
}

fn holdings() -> Holdings {
    let maps = read_to_string("/proc/self/maps").expect("list the mappings");
    Holdings {
        descriptors: read_dir("/proc/self/fd").expect("list descriptors").count(),
        mappings: maps.lines().count(),
    }
}

/// Locks on `files`, as the kernel has them.
///
/// The list is read page by page, and others' locks come and go meanwhile, which
/// shows one of ours twice or not at all: three readings in a row must agree.
fn locks(files: &BTreeSet<String>) -> usize {
    let look = || {
        let locks = read_to_string("/proc/locks").expect("list the locks");
        let held = locks.lines().flat_map(str::split_whitespace);
        held.filter(|word| files.contains(*word)).count()
    };
    let (mut count, mut agree) = (look(), 1);
    while agree < 3 {
        let again = look();
        agree = if again == count { agree + 1 } else { 1 };
        count = again;
    }
    count
}

/// The file as `/proc/locks` names it: the device too, for on another one a file
/// of the same number may be locked by anybody.
fn file_name(fd: impl AsFd) -> String {
    let stat = rustix::fs::fstat(fd).expect("look at the file");
    let (major, minor) = (
        rustix::fs::major(stat.st_dev),
        rustix::fs::minor(stat.st_dev),
    );
    format!("{major:02x}:{minor:02x}:{}", stat.st_ino)
}

/// Makes a ring, uses it, and drops it; says which file it was.
fn use_one<K: Kind>(number: usize, check: bool) -> String {
    let name = format!("ring-{number}");
    let ring = match number % 2 {
        0 => Ring::<u64, K>::create(&name, 64),
        _ => Ring::<u64, K>::anonymous(64),
    };
    let ring = ring.expect("make a ring");
    let again = Ring::<u64, K>::from_fd(ring.share_fd().expect("a descriptor"));
    let again = again.expect("open it again");
    let mut tx = ring.sender().expect("attach a sender");
    let mut rx = again.receiver().expect("attach a receiver");
    tx.send(7).expect("send");
    assert_eq!(rx.recv(), Ok(7));
    let file = file_name(ring.share_fd().expect("a descriptor"));
    let only = BTreeSet::from([file.clone()]);
    if check {
        // Two endpoints, and two handles that say that it is in use.
        assert_eq!(locks(&only), 4, "the locks of a live ring");
    }
    drop((tx, rx));
    if check {
        assert_eq!(locks(&only), 2, "without endpoints");
    }
    if number.is_multiple_of(2) {
        memring::remove(&name).expect("remove the ring");
    }
    file
}

pub fn maker(_args: &Args) {
    let make = |numbers: std::ops::Range<usize>| -> BTreeSet<String> {
        let both = numbers.map(|number| match number % 4 {
            0 | 1 => use_one::<Spsc>(number, number < 4),
            _ => use_one::<Mpmc>(number, number < 4),
        });
        both.collect()
    };
    make(0..20); // whatever is made once for all
    let before = holdings();
    let files = make(0..RINGS);
    let after = holdings();
    assert_eq!(after.descriptors, before.descriptors);
    // The allocator may map a little more; a leak would be a thousand.
    assert!(
        after.mappings < before.mappings + 10,
        "{before:?}, then {after:?}"
    );
    assert_eq!(files.len(), RINGS);
    assert_eq!(locks(&files), 0, "locks are left");
}
