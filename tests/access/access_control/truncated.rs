//! Files that become shorter. What can be seen when a ring is opened is tested
//! in `open_errors`; here is what cannot be prevented, and what prevents it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use memring::Ring;
use rustix::fs::SealFlags;
use rustix::io::Errno;

use memring_testkit::forks::{fork, ran_in_own_process};
use memring_testkit::homes::directory;
use memring_testkit::text::says;

use super::Numbers;
use crate::place::Place;

/// `docs/trust.md` says so. If this fails, there is something better to say.
#[test]
fn a_named_ring_that_its_owner_cuts_short_kills_a_process_that_touches_it() {
    if ran_in_own_process() {
        return;
    }
    let place = Place::empty();
    let name = place.name();
    drop(Numbers::create(name, 2).unwrap());
    let peer = fork(|| {
        let ring = Numbers::open(name).unwrap();
        let file = File::options().write(true).open(name).unwrap();
        file.set_len(0).unwrap();
        let _ = ring.sender();
    });
    assert_eq!(peer.killed_by(), Some(libc::SIGBUS));
    // Who comes later is told.
    let late = Numbers::open(name).unwrap_err();
    says(&late, &[name, "too short", "truncated"]);
}

/// The sealed one has no name, and cannot have one.
#[test]
fn a_name_and_seals_cannot_be_had_together() {
    if ran_in_own_process() {
        return;
    }
    let place = directory();
    let (from, to) = (place.path().join("x"), place.path().join("y"));
    // A named file on tmpfs is sealed against seals.
    Numbers::create(from.to_str().unwrap(), 2).unwrap();
    let file = File::options().read(true).write(true).open(&from).unwrap();
    let seals = rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK);
    assert_eq!(seals, Err(Errno::PERM));
    // A memfd lies in a file system of the kernel's own, and a link does
    // not lead from one file system into another.
    let ring = Ring::<u64, memring::Spsc>::anonymous(2).unwrap();
    let memory = ring.share_fd().unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory));
    let cwd = rustix::fs::CWD;
    let follow = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    let linked = rustix::fs::linkat(cwd, &path, cwd, &to, follow);
    assert_eq!(linked, Err(Errno::XDEV));
    // A symbolic link to the descriptor's place in /proc would do as long as
    // the giver lives; it is refused, as every link is.
    std::os::unix::fs::symlink(&path, &to).unwrap();
    let error = Numbers::open(to.to_str().unwrap()).unwrap_err();
    says(&error, &["symbolic link"]);
}

/// Seals do not forbid holes: their pages come back as zeroes, which are invalid values
/// and no signal.
#[test]
fn holes_in_a_sealed_ring_are_an_error_and_no_signal() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<u64, memring::Mpmc>::anonymous(4).unwrap();
    let memory: OwnedFd = ring.share_fd().unwrap().try_clone_to_owned().unwrap();
    let peer = fork(move || {
        let ring = Ring::<u64, memring::Mpmc>::from_fd(memory.as_fd()).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for round in 0..7 {
            tx.send(round).unwrap();
            rx.recv().unwrap();
        }
        let size = rustix::fs::fstat(&memory).unwrap().st_size as u64;
        for start in (0..size).step_by(4096) {
            let punch =
                rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&memory, punch, start, 4096).unwrap();
            let _ = (tx.try_send(9), rx.try_recv(), ring.stats());
        }
        let _ = ring.sender();
    });
    assert_eq!(peer.killed_by(), None);
}
