use std::ffi::OsStr;
use std::sync::atomic::AtomicBool;
use std::thread;

use memring_testkit::forks;

use super::*;

fn memory() -> OwnedFd {
    file::memfd(OsStr::new("fork")).unwrap()
}

/// Whether the number stands for that file here.
fn stands_for(number: RawFd, file: FileId) -> bool {
    // SAFETY: only looked at; if it is not open, `fstat` says so.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    file::metadata(fd).is_ok_and(|facts| facts.id() == file)
}

fn number(fd: &PrivateFd) -> RawFd {
    fd.get().unwrap().as_raw_fd()
}

#[test]
fn a_sentinel_reads_zero_in_the_child_only() {
    let sentinel = Sentinel::new().unwrap();
    assert_eq!(sentinel.get(), Sentinel::USABLE);
    sentinel.set(9);
    assert!(forks::fork_checked(|| sentinel.get() == Sentinel::FORKED).succeeded());
    assert!(forks::bare_fork_checked(|| sentinel.get() == Sentinel::FORKED).succeeded());
    assert_eq!(sentinel.get(), 9);
}

#[test]
fn every_generation_has_its_own_home() {
    let here = ProcessToken::here().unwrap();
    assert_eq!(ProcessToken::here().unwrap(), here);
    assert!(here.is_here());
    let child = forks::fork_checked(|| {
        let lost = !here.is_here();
        let child_token = ProcessToken::here().unwrap();
        let grandchild = forks::bare_fork_checked(|| {
            let token = ProcessToken::here().unwrap();
            !here.is_here() && !child_token.is_here() && token.is_here()
        });
        lost && child_token.is_here() && !here.is_here() && grandchild.succeeded()
    });
    assert!(child.succeeded());
    assert!(here.is_here());
}

#[test]
fn a_private_descriptor_closes_at_drop() {
    let fd = PrivateFd::open(|| Ok(memory())).unwrap();
    let (number, file) = (number(&fd), fd.file());
    assert!(stands_for(number, file) && !fd.is_forked());
    assert_eq!(fd.verified().unwrap().as_raw_fd(), number);
    drop(fd);
    assert!(!stands_for(number, file));
    assert!(!lock_registry().entries.iter().any(|it| it.file == file));
}

#[test]
fn children_have_none_of_it_and_can_have_their_own() {
    let mut fd = Some(PrivateFd::open(|| Ok(memory())).unwrap());
    let (old, file) = (number(fd.as_ref().unwrap()), fd.as_ref().unwrap().file());
    let child = forks::fork_checked(|| {
        let gone = {
            let inherited = fd.as_ref().unwrap();
            !stands_for(old, file)
                && inherited.is_forked()
                && inherited.get().is_none()
                && inherited.verified().is_err()
        };
        // The number goes to another file, which the drop must not close. With
        // every lower number taken, that one comes up.
        let mut others = vec![memory()];
        while others.last().unwrap().as_raw_fd() < old {
            others.push(memory());
        }
        let reused = others.iter().find(|other| other.as_raw_fd() == old);
        let other = file::metadata(reused.unwrap().as_fd()).unwrap().id();
        drop(fd.take());
        let spared = stands_for(old, other);

        let mut own = Some(PrivateFd::open(|| Ok(memory())).unwrap());
        let (own_number, own_file) = (number(own.as_ref().unwrap()), own.as_ref().unwrap().file());
        let grandchild = forks::fork_checked(|| {
            let gone = !stands_for(own_number, own_file) && own.as_ref().unwrap().get().is_none();
            drop(own.take());
            let new = PrivateFd::open(|| Ok(memory())).unwrap();
            gone && new.verified().is_ok() && stands_for(old, other)
        });
        gone && spared && grandchild.succeeded() && own.as_ref().unwrap().verified().is_ok() && {
            drop(own.take());
            !stands_for(own_number, own_file)
        }
    });
    assert!(child.succeeded());
    assert!(fd.as_ref().unwrap().verified().is_ok());
    assert!(stands_for(old, file));
}

#[test]
fn a_number_closed_behind_our_back_is_left_alone() {
    let fd = PrivateFd::open(|| Ok(memory())).unwrap();
    let stranger = memory();
    let number = number(&fd);
    // What `closefrom` and the next `open` do.
    // SAFETY: the number is ours, and its owner copes: that is the test.
    assert_eq!(unsafe { libc::dup2(stranger.as_raw_fd(), number) }, number);
    let file = file::metadata(stranger.as_fd()).unwrap().id();
    assert!(fd.verified().is_err());
    assert!(forks::fork_checked(|| stands_for(number, file)).succeeded());
    drop(fd);
    assert!(stands_for(number, file));
    // SAFETY: opened by `dup2` above, and no other's.
    unsafe { libc::close(number) };
}

#[test]
fn a_number_registered_again_is_the_newcomers() {
    let old = PrivateFd::open(|| Ok(memory())).unwrap();
    let number = number(&old);
    // The same file under the same number: `fstat` cannot tell them apart.
    // SAFETY: open until here; the old owner copes: that is the test.
    let taken = unsafe {
        let fresh = file::reopen(BorrowedFd::borrow_raw(number), true).unwrap();
        assert_eq!(
            libc::dup3(fresh.as_raw_fd(), number, libc::O_CLOEXEC),
            number
        );
        std::os::fd::FromRawFd::from_raw_fd(number)
    };
    let new = PrivateFd::open(|| Ok(taken)).unwrap();
    assert_eq!(old.file(), new.file());
    assert!(old.verified().is_err());
    drop(old);
    assert!(new.verified().is_ok());
    let file = new.file();
    assert!(forks::fork_checked(|| !stands_for(number, file)).succeeded());
}

#[test]
fn handlers_bear_being_installed_twice() {
    install_handlers().unwrap();
    // What a race at the first use does.
    // SAFETY: as in `install_handlers`.
    let again = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
    assert_eq!(again, 0);
    let fd = PrivateFd::open(|| Ok(memory())).unwrap();
    let number = number(&fd);
    let file = fd.file();
    assert!(forks::fork_checked(|| !stands_for(number, file)).succeeded());
    assert!(fd.verified().is_ok());
}

/// Threads open and close while others fork: no child may have any of the
/// files, hang, or find the registry torn.
#[test]
fn no_fork_comes_between() {
    const FORKS: usize = 100;
    let marker = OsStr::new("memring-fork-test");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let fd = PrivateFd::open(|| file::memfd(marker)).unwrap();
                    assert!(fd.verified().is_ok());
                }
            });
        }
        let forkers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let child = || {
                        let own = PrivateFd::open(|| Ok(memory())).unwrap();
                        count_open(marker) == 0 && own.verified().is_ok()
                    };
                    (0..FORKS).all(|_| forks::fork_checked(child).succeeded())
                })
            })
            .collect();
        let good: Vec<_> = forkers.into_iter().map(|it| it.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(good.into_iter().all(|it| it.is_ok_and(|good| good)));
    });
}

/// How many descriptors of this process are memfds of that name.
fn count_open(name: &OsStr) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let name = name.to_str().unwrap();
    targets
        .filter(|target| target.to_string_lossy().contains(name))
        .count()
}
