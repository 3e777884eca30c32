//! Descriptors that others give us. More of what is refused is in
//! `open_errors`.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use memring::{Mismatch, RingError};

use memring_testkit::forks::{fork_to_exit, ran_in_own_process};
use memring_testkit::sys;
use memring_testkit::text::{says, skipped};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::{Numbers, VICTIM, on_stage};

#[test]
fn a_sealed_ring_of_another_user_s_is_as_good_as_our_own() {
    on_stage(|stage| {
        let ring = Numbers::anonymous(2).unwrap();
        let mut tx = ring.sender().unwrap();
        tx.send(1).unwrap();
        let memory = ring.share_fd().unwrap();
        stage.as_user(VICTIM, || {
            let ring = Numbers::from_fd(memory).unwrap();
            assert_eq!(ring.receiver().unwrap().recv(), Ok(1));
            // Whose it is makes no difference to what can be done to it.
            let cut = rustix::fs::ftruncate(memory, 0);
            assert_eq!(cut, Err(rustix::io::Errno::PERM));
        });
        tx.send(2).unwrap();
    });
}

/// A descriptor for reading does not keep its receiver from writing: `/proc`
/// opens it again, as the file's own mode allows. `docs/trust.md` says so.
#[test]
fn a_descriptor_for_reading_is_no_wall() {
    if ran_in_own_process() {
        return;
    }
    let ring = Numbers::anonymous(2).unwrap();
    let path = format!("/proc/self/fd/{}", ring.share_fd().unwrap().as_raw_fd());
    let reader = File::open(path).unwrap();
    let other = Numbers::from_fd(&reader).unwrap();
    other.sender().unwrap().send(1).unwrap();
    assert_eq!(ring.receiver().unwrap().recv(), Ok(1));
}

fn memfd(flags: MemfdFlags) -> Option<OwnedFd> {
    memfd_create("access", flags | MemfdFlags::ALLOW_SEALING).ok()
}

fn seal(fd: &OwnedFd, more: SealFlags) {
    let seals = SealFlags::SHRINK | SealFlags::GROW | more;
    fcntl_add_seals(fd, seals).unwrap();
    fcntl_add_seals(fd, SealFlags::SEAL).unwrap();
}

/// Sealed and long enough, but of pages that may run out when a hole is filled.
#[test]
fn memory_of_huge_pages_is_refused() {
    if ran_in_own_process() {
        return;
    }
    let Some(huge) = memfd(MemfdFlags::HUGETLB) else {
        return skipped("this kernel has no huge pages");
    };
    rustix::fs::ftruncate(&huge, 1 << 30).unwrap();
    seal(&huge, SealFlags::empty());
    let error = Numbers::from_fd(&huge).unwrap_err();
    says(&error, &["not on tmpfs", "expected a memfd", "anonymous"]);
    let RingError::Mismatch { mismatch, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(mismatch, Mismatch::NotTmpfs);
}

/// The giver has a writable mapping of it, and nobody else can have one.
#[test]
fn memory_that_only_its_giver_can_write_to_is_an_error() {
    if ran_in_own_process() {
        return;
    }
    let whole = Numbers::anonymous(2).unwrap();
    let from = File::from(whole.share_fd().unwrap().try_clone_to_owned().unwrap());
    let mut bytes = vec![0; from.metadata().unwrap().len() as usize];
    std::os::unix::fs::FileExt::read_exact_at(&from, &mut bytes, 0).unwrap();
    let memory = memfd(MemfdFlags::empty()).unwrap();
    let to = File::from(memory.try_clone().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&to, &bytes, 0).unwrap();
    seal(&memory, SealFlags::FUTURE_WRITE);
    let error = Numbers::from_fd(memory.as_fd()).unwrap_err();
    says(&error, &["cannot map", "not permitted"]);
}

/// How opening what was given ended, in a child that says so by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum End {
    Open,
    Unsealed,
    TooShort,
    Other,
}

fn end_of(opened: Result<Numbers, RingError>) -> End {
    match opened {
        Ok(_) => End::Open,
        Err(RingError::Mismatch { mismatch, .. }) => match mismatch {
            Mismatch::Unsealed { .. } => End::Unsealed,
            Mismatch::TooShort { .. } => End::TooShort,
            _ => End::Other,
        },
        Err(_) => End::Other,
    }
}

/// Opens `memory` in a child that stops before and after each of its system
/// calls, and runs `attack` at the stop with this number. Says how it ended, and
/// how many stops there were. `None` where tracing is not allowed.
fn attacked(memory: &OwnedFd, stop: usize, attack: impl FnOnce()) -> Option<(End, usize)> {
    let child = fork_to_exit(|| match sys::stop_to_be_traced() {
        Ok(()) => end_of(Numbers::from_fd(memory)) as i32,
        Err(_) => 77,
    });
    let mut attack = Some(attack);
    for stops in 0.. {
        let change = child.next_change();
        if let Some(code) = change.exit_status() {
            let ends = [End::Open, End::Unsealed, End::TooShort, End::Other];
            let end = ends.into_iter().find(|end| *end as i32 == code);
            child.leave(); // it has been waited for
            return end.map(|end| (end, stops));
        }
        assert!(change.stopped(), "it was killed: {change:?}");
        if stops == stop {
            attack.take().expect("one stop has this number")();
        }
        sys::run_to_system_call(child.pid()).unwrap();
    }
    unreachable!("a child ends")
}

/// A whole ring that is not sealed.
fn unsealed() -> OwnedFd {
    let whole = Numbers::anonymous(1 << 10).unwrap();
    let bytes = std::fs::read(format!(
        "/proc/self/fd/{}",
        whole.share_fd().unwrap().as_raw_fd()
    ));
    let memory = memfd(MemfdFlags::empty()).unwrap();
    let to = File::from(memory.try_clone().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&to, &bytes.unwrap(), 0).unwrap();
    memory
}

/// Whatever the receiver of a descriptor looks at first: its giver may cut the
/// memory short and seal it between any two looks, and then it is refused. So the
/// size is looked at after the seals.
#[test]
fn memory_that_is_cut_short_and_sealed_meanwhile_is_refused() {
    if ran_in_own_process() {
        return;
    }
    let mut ends = Vec::new();
    for stop in 0.. {
        let [cut, sealed] = [true, false].map(|cuts| {
            let memory = unsealed();
            attacked(&memory, stop, || {
                if cuts {
                    rustix::fs::ftruncate(&memory, 1 << 12).unwrap();
                }
                seal(&memory, SealFlags::empty());
            })
        });
        let (Some((cut, stops)), Some((sealed, _))) = (cut, sealed) else {
            return skipped("this system allows no tracing");
        };
        if stop >= stops {
            break;
        }
        ends.push((cut, sealed));
    }
    // Sealed in time, it would have been taken, so the seals are no reason.
    let in_time = ends.iter().filter(|(_, sealed)| *sealed == End::Open);
    assert!(in_time.count() > 4, "{ends:?}");
    for (stop, end) in ends.iter().enumerate() {
        let expected = match end.1 {
            End::Open => End::TooShort,
            _ => End::Unsealed,
        };
        assert_eq!(end.0, expected, "at stop {stop} of {ends:?}");
    }
}
