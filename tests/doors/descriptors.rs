//! Descriptors that others give us. More of what is refused is in
//! `tests/mismatch`.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use memring::{Mismatch, RingError};

use crate::support::{in_child, print, says};
use crate::{Numbers, VICTIM, on_stage};

#[test]
fn a_sealed_ring_of_another_user_s_is_as_good_as_our_own() {
    on_stage(|stage| {
        let ring = Numbers::anonymous(2).unwrap();
        let mut tx = ring.sender().unwrap();
        tx.send(1).unwrap();
        let memory = ring.as_fd().unwrap();
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
/// opens it anew, as the file's own mode allows. `docs/trust.md` says so.
#[test]
fn a_descriptor_for_reading_is_no_wall() {
    in_child(|| {
        let ring = Numbers::anonymous(2).unwrap();
        let path = format!("/proc/self/fd/{}", ring.as_fd().unwrap().as_raw_fd());
        let reader = File::open(path).unwrap();
        let other = Numbers::from_fd(&reader).unwrap();
        other.sender().unwrap().send(1).unwrap();
        assert_eq!(ring.receiver().unwrap().recv(), Ok(1));
    });
}

fn memfd(flags: libc::c_uint) -> Option<OwnedFd> {
    // SAFETY: a literal that ends with NUL, and flags.
    let fd = unsafe { libc::memfd_create(c"doors".as_ptr(), flags | libc::MFD_ALLOW_SEALING) };
    // SAFETY: just opened, and nobody else's.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn seal(fd: &OwnedFd, more: libc::c_int) {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | more;
    // SAFETY: an open descriptor, and numbers.
    unsafe {
        assert_eq!(libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals), 0);
        let last = libc::F_SEAL_SEAL;
        assert_eq!(libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, last), 0);
    }
}

/// Sealed and long enough, but of pages that may run out when a hole is filled.
#[test]
fn memory_of_huge_pages_is_refused() {
    in_child(|| {
        let Some(huge) = memfd(libc::MFD_HUGETLB) else {
            return print("skipped: this kernel has no huge pages\n");
        };
        rustix::fs::ftruncate(&huge, 1 << 30).unwrap();
        seal(&huge, 0);
        let error = Numbers::from_fd(&huge).unwrap_err();
        says(&error, &["not on tmpfs", "expected a memfd", "anonymous"]);
        let RingError::Mismatch { mismatch, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(mismatch, Mismatch::NotTmpfs);
    });
}

/// The giver has a writable mapping of it, and nobody else can have one.
#[test]
fn memory_that_only_its_giver_can_write_to_is_an_error() {
    in_child(|| {
        let whole = Numbers::anonymous(2).unwrap();
        let from = File::from(whole.as_fd().unwrap().try_clone_to_owned().unwrap());
        let mut bytes = vec![0; from.metadata().unwrap().len() as usize];
        std::os::unix::fs::FileExt::read_exact_at(&from, &mut bytes, 0).unwrap();
        let memory = memfd(0).unwrap();
        let to = File::from(memory.try_clone().unwrap());
        std::os::unix::fs::FileExt::write_all_at(&to, &bytes, 0).unwrap();
        seal(&memory, libc::F_SEAL_FUTURE_WRITE);
        let error = Numbers::from_fd(memory.as_fd()).unwrap_err();
        says(&error, &["cannot map", "not permitted"]);
    });
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
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: this process has one thread, so its child may do as it does.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: numbers; with them the kernel takes no memory of ours.
        unsafe {
            libc::alarm(60);
            if libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) != 0 {
                libc::_exit(77);
            }
            libc::raise(libc::SIGSTOP);
            libc::_exit(end_of(Numbers::from_fd(memory)) as i32);
        }
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    let mut attack = Some(attack);
    for stops in 0.. {
        let mut status = 0;
        // SAFETY: our own child, and a status of our own.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        if libc::WIFEXITED(status) {
            let ends = [End::Open, End::Unsealed, End::TooShort, End::Other];
            let code = libc::WEXITSTATUS(status);
            let end = ends.into_iter().find(|end| *end as i32 == code);
            return end.map(|end| (end, stops));
        }
        assert!(libc::WIFSTOPPED(status), "it was killed: {status:#x}");
        if stops == stop {
            attack.take().expect("one stop has this number")();
        }
        // SAFETY: a stopped child of ours, and no signal.
        let gone_on = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, child, none, none) };
        assert_eq!(gone_on, 0, "{}", std::io::Error::last_os_error());
    }
    unreachable!("a child ends")
}

/// A whole ring that is not sealed.
fn unsealed() -> OwnedFd {
    let whole = Numbers::anonymous(1 << 10).unwrap();
    let bytes = std::fs::read(format!(
        "/proc/self/fd/{}",
        whole.as_fd().unwrap().as_raw_fd()
    ));
    let memory = memfd(0).unwrap();
    let to = File::from(memory.try_clone().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&to, &bytes.unwrap(), 0).unwrap();
    memory
}

/// Whatever the receiver of a descriptor looks at first: its giver may cut the
/// memory short and seal it between any two looks, and then it is refused. So the
/// size is looked at after the seals.
#[test]
fn memory_that_is_cut_short_and_sealed_meanwhile_is_refused() {
    in_child(|| {
        let mut ends = Vec::new();
        for stop in 0.. {
            let [cut, sealed] = [true, false].map(|cuts| {
                let memory = unsealed();
                attacked(&memory, stop, || {
                    if cuts {
                        rustix::fs::ftruncate(&memory, 1 << 12).unwrap();
                    }
                    seal(&memory, 0);
                })
            });
            let (Some((cut, stops)), Some((sealed, _))) = (cut, sealed) else {
                return print("skipped: this system allows no tracing\n");
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
    });
}
