//! Dropped rings and endpoints leave nothing behind.

use std::collections::BTreeSet;
use std::fs::{File, read_dir, read_to_string};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use memring::{Kind, Mpmc, Ring, Spsc};

use crate::common::child::Args;
use crate::common::home::Home;

const RINGS: usize = 1000;

/// In a process of its own, so that other tests do not change the figures.
#[test]
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

/// Locks on files whose inodes are among `inodes`, as the kernel has them.
fn locks(inodes: &BTreeSet<u64>) -> usize {
    let locks = read_to_string("/proc/locks").expect("list the locks");
    let inode = |line: &str| -> Option<u64> {
        let file = line
            .split_whitespace()
            .find(|word| word.matches(':').count() == 2)?;
        file.rsplit(':').next()?.parse().ok()
    };
    let held = locks.lines().filter_map(inode);
    held.filter(|inode| inodes.contains(inode)).count()
}

fn inode(fd: impl AsFd) -> u64 {
    let fd = fd
        .as_fd()
        .try_clone_to_owned()
        .expect("a second descriptor");
    File::from(fd).metadata().expect("look at the file").ino()
}

/// Makes a ring, uses it, and drops it; says which file it was.
fn use_one<K: Kind>(number: usize, check: bool) -> u64 {
    let name = format!("ring-{number}");
    let ring = match number % 2 {
        0 => Ring::<u64, K>::create(&name, 64),
        _ => Ring::<u64, K>::anonymous(64),
    };
    let ring = ring.expect("make a ring");
    let again = Ring::<u64, K>::from_fd(ring.as_fd().expect("a descriptor"));
    let again = again.expect("open it again");
    let mut tx = ring.sender().expect("attach a sender");
    let mut rx = again.receiver().expect("attach a receiver");
    tx.send(7).expect("send");
    assert_eq!(rx.recv(), Ok(7));
    let inode = inode(ring.as_fd().expect("a descriptor"));
    if check {
        // Two endpoints, and two handles that say that it is in use.
        assert_eq!(
            locks(&BTreeSet::from([inode])),
            4,
            "the locks of a live ring"
        );
    }
    drop((tx, rx));
    if check {
        assert_eq!(locks(&BTreeSet::from([inode])), 2, "without endpoints");
    }
    if number.is_multiple_of(2) {
        memring::remove(&name).expect("remove the ring");
    }
    inode
}

pub fn maker(_args: &Args) {
    let make = |numbers: std::ops::Range<usize>| -> BTreeSet<u64> {
        let both = numbers.map(|number| match number % 4 {
            0 | 1 => use_one::<Spsc>(number, number < 4),
            _ => use_one::<Mpmc>(number, number < 4),
        });
        both.collect()
    };
    make(0..20); // whatever is made once for all
    let before = holdings();
    let inodes = make(0..RINGS);
    let after = holdings();
    assert_eq!(after.descriptors, before.descriptors);
    // The allocator may map a little more; a leak would be a thousand.
    assert!(
        after.mappings < before.mappings + 10,
        "{before:?}, then {after:?}"
    );
    assert_eq!(inodes.len(), RINGS);
    assert_eq!(locks(&inodes), 0, "locks are left");
}
