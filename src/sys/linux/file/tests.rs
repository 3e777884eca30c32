use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memring_testkit::time::LONG;
use memring_testkit::{forks, sys};
use rustix::fs::{FileType, FlockOperation};

use super::*;
use crate::sys::clock::MonotonicTime;

struct Place {
    path: PathBuf,
    dir: OwnedFd,
    _guard: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let path = guard.path().to_owned();
        let dir = open_directory(&path).unwrap();
        let _guard = guard;
        Self { path, dir, _guard }
    }

    fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    fn names(&self) -> usize {
        fs::read_dir(&self.path).unwrap().count()
    }
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn code<T>(result: io::Result<T>) -> Option<Errno> {
    result.err().and_then(|error| Errno::from_io_error(&error))
}

fn cloexec(fd: &OwnedFd) -> bool {
    rustix::io::fcntl_getfd(fd).unwrap() == rustix::io::FdFlags::CLOEXEC
}

#[test]
fn a_directory_and_nothing_else() {
    let place = Place::new();
    assert!(cloexec(&place.dir));
    let (file, link) = (place.path.join("file"), place.path.join("link"));
    fs::write(&file, "").unwrap();
    symlink(&place.path, &link).unwrap();
    assert_eq!(code(open_directory(&file)), Some(Errno::NOTDIR));
    assert_eq!(code(open_directory(&link)), Some(Errno::NOTDIR));
    assert_eq!(code(open_directory(&link.join(""))), Some(Errno::NOTDIR));
    assert_eq!(code(open_directory(&link.join("."))), Some(Errno::NOTDIR));
    let nothing = place.path.join("nothing");
    assert_eq!(code(open_directory(&nothing)), Some(Errno::NOENT));
    assert_eq!(code(open_directory(Path::new(""))), Some(Errno::NOENT));
    open_directory(Path::new(".")).unwrap();
    open_directory(Path::new("/")).unwrap();
}

#[test]
fn facts_are_those_of_the_file() {
    let place = Place::new();
    let file = create_unnamed(place.dir(), 0o640).unwrap();
    allocate(file.as_fd(), 12345).unwrap();
    let unnamed = metadata(file.as_fd()).unwrap();
    assert_eq!(unnamed.kind, FileKind::Regular);
    assert_eq!((unnamed.size, unnamed.links), (12345, 0));
    assert_eq!((unnamed.mode, unnamed.owner), (0o640, effective_user()));
    publish(file.as_fd(), place.dir(), name("it")).unwrap();
    let named = metadata_at(place.dir(), name("it")).unwrap();
    let links = 1;
    assert_eq!(named, Metadata { links, ..unnamed });
    symlink("it", place.path.join("link")).unwrap();
    let link = metadata_at(place.dir(), name("link")).unwrap();
    assert_eq!(link.kind, FileKind::Symlink);
    assert_ne!(link.id(), named.id());
    let directory = metadata(place.dir()).unwrap();
    assert_eq!(directory.kind, FileKind::Directory);
    let null = metadata_at(rustix::fs::CWD, name("/dev/null")).unwrap();
    assert_eq!(null.kind, FileKind::Other);
}

#[test]
fn the_mode_is_not_the_umasks() {
    let place = Place::new();
    let child = forks::fork_checked(|| {
        rustix::process::umask(Mode::from_raw_mode(0o777));
        let file = create_unnamed(place.dir(), 0o664).unwrap();
        metadata(file.as_fd()).unwrap().mode == 0o664
    });
    assert!(child.succeeded());
}

#[test]
fn an_unnamed_file_leaves_nothing() {
    let place = Place::new();
    let file = create_unnamed(place.dir(), 0o600).unwrap();
    assert!(cloexec(&file));
    assert_eq!(place.names(), 0);
    drop(file);
    assert_eq!(place.names(), 0);
}

#[test]
fn allocation_is_real_and_zero() {
    let place = Place::new();
    let file = create_unnamed(place.dir(), 0o600).unwrap();
    allocate(file.as_fd(), 100_000).unwrap();
    let stat = rustix::fs::fstat(&file).unwrap();
    assert!(stat.st_size == 100_000 && stat.st_blocks * 512 >= 100_000);
    let mut bytes = vec![1; 100_000];
    assert_eq!(rustix::io::pread(&file, &mut bytes, 0), Ok(100_000));
    assert!(bytes.iter().all(|byte| *byte == 0));
    assert_eq!(code(allocate(file.as_fd(), 0)), Some(Errno::INVAL));
}

/// Never by asking for more than there is: if the limit did not hold, the
/// kernel would kill processes until there is.
#[test]
fn memory_without_a_limit_has_one_here() {
    let place = Place::new();
    let file = create_unnamed(place.dir(), 0o600).unwrap();
    assert_eq!(memory_limit(file.as_fd()).unwrap(), None);
    let memory = memfd(name("large")).unwrap();
    let limit = memory_limit(memory.as_fd()).unwrap().unwrap();
    assert!((1 << 20..1 << 50).contains(&limit), "{limit}");
    let refused = allocate_within(memory.as_fd(), 8192, Some(8191));
    assert_eq!(code(refused), Some(Errno::NOSPC));
    assert_eq!(metadata(memory.as_fd()).unwrap().size, 0);
    allocate_within(memory.as_fd(), 8192, Some(8192)).unwrap();
}

#[test]
fn pieces_make_up_the_whole() {
    for size in [1, 1 << 20, (3 << 20) + 4097] {
        let memory = memfd(name("pieces")).unwrap();
        allocate_in_pieces(memory.as_fd(), size).unwrap();
        let stat = rustix::fs::fstat(&memory).unwrap();
        assert_eq!(metadata(memory.as_fd()).unwrap().size, size);
        assert!(stat.st_blocks * 512 >= stat.st_size);
    }
}

#[test]
fn publishing_never_replaces() {
    let place = Place::new();
    let (one, other) = (
        create_unnamed(place.dir(), 0o600).unwrap(),
        create_unnamed(place.dir(), 0o600).unwrap(),
    );
    publish(one.as_fd(), place.dir(), name("it")).unwrap();
    let taken = publish(other.as_fd(), place.dir(), name("it"));
    assert_eq!(code(taken), Some(Errno::EXIST));
    let found = metadata_at(place.dir(), name("it")).unwrap();
    assert_eq!(found.id(), metadata(one.as_fd()).unwrap().id());
    unlink(place.dir(), name("it")).unwrap();
    assert_eq!(place.names(), 0);
    publish(other.as_fd(), place.dir(), name("it")).unwrap();
    assert_eq!(code(unlink(place.dir(), name("not"))), Some(Errno::NOENT));
}

#[test]
fn publishing_without_proc() {
    let place = Place::new();
    let file = create_unnamed(place.dir(), 0o600).unwrap();
    for proc in ["/nonexistent/self/fd", "/dev/null/self/fd"] {
        // Depends on the kernel and on privileges, but never anything else.
        match publish_through(
            proc,
            file.as_fd(),
            place.dir(),
            name(proc.split('/').nth(1).unwrap()),
        ) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                assert!(error.to_string().contains("mount /proc"));
            }
        }
    }
    fs::write(place.path.join("taken"), "").unwrap();
    let taken = publish_through("/nonexistent", file.as_fd(), place.dir(), name("taken"));
    let kind = taken.unwrap_err().kind();
    assert!(matches!(
        kind,
        io::ErrorKind::AlreadyExists | io::ErrorKind::Unsupported
    ));
}

#[test]
fn a_vanished_directory_is_not_a_missing_proc() {
    let place = Place::new();
    let inner = place.path.join("inner");
    fs::create_dir(&inner).unwrap();
    let dir = open_directory(&inner).unwrap();
    let file = create_unnamed(dir.as_fd(), 0o600).unwrap();
    fs::remove_dir(&inner).unwrap();
    let result = publish(file.as_fd(), dir.as_fd(), name("it"));
    assert_eq!(code(result), Some(Errno::NOENT));
}

#[test]
fn opening_follows_nothing_and_waits_for_nobody() {
    let place = Place::new();
    fs::write(place.path.join("file"), "abc").unwrap();
    symlink("file", place.path.join("link")).unwrap();
    let fifo = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(&place.dir, "fifo", FileType::Fifo, fifo, 0).unwrap();
    assert_eq!(
        code(open(place.dir(), name("link"), false)),
        Some(Errno::LOOP)
    );
    assert_eq!(
        code(open(place.dir(), name("none"), false)),
        Some(Errno::NOENT)
    );
    let fifo = open(place.dir(), name("fifo"), false).unwrap();
    assert_eq!(metadata(fifo.as_fd()).unwrap().kind, FileKind::Other);
    let file = open(place.dir(), name("file"), false).unwrap();
    assert!(cloexec(&file));
    assert_eq!(
        code(rustix::io::write(&file, b"x").map_err(Into::into)),
        Some(Errno::BADF)
    );
    let file = open(place.dir(), name("file"), true).unwrap();
    assert_eq!(rustix::io::write(&file, b"x"), Ok(1));
}

#[test]
fn reopening_gives_a_description_of_its_own() {
    let place = Place::new();
    let file = create_unnamed(place.dir(), 0o600).unwrap();
    let again = reopen(file.as_fd(), true).unwrap();
    assert!(cloexec(&again));
    let id = metadata(file.as_fd()).unwrap().id();
    assert_eq!(metadata(again.as_fd()).unwrap().id(), id);
    // The position belongs to the description.
    assert_eq!(rustix::io::write(&again, b"abc"), Ok(3));
    assert_eq!(rustix::fs::tell(&file), Ok(0));
    let reader = reopen(file.as_fd(), false).unwrap();
    assert!(rustix::io::write(&reader, b"x").is_err());
}

#[test]
fn reopening_needs_the_real_proc() {
    let file = memfd(name("reopen")).unwrap();
    for proc in ["/nonexistent/self/fd", "/dev/null/self/fd"] {
        let error = reopen_through(proc, file.as_fd(), true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("mount /proc"), "{error}");
    }
    // Something else under the descriptor's number.
    let place = Place::new();
    let number = file.as_raw_fd().to_string();
    fs::write(place.path.join(number), "").unwrap();
    let fake = place.path.to_str().unwrap();
    let error = reopen_through(fake, file.as_fd(), true).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}

#[test]
fn flock_waits_through_signals() {
    let place = Place::new();
    let holder = reopen(place.dir(), false).unwrap();
    let late = MonotonicTime::now().checked_add(LONG).unwrap();
    flock_exclusive(holder.as_fd(), late).unwrap();
    let mut released = false;
    let taken = sys::with_signals(
        || flock_exclusive(place.dir(), late),
        |handled| {
            if handled >= 20 && !released {
                released = true;
                rustix::fs::flock(&holder, FlockOperation::Unlock).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        },
    );
    taken.unwrap();
    let refused = rustix::fs::flock(&holder, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(refused, Err(Errno::WOULDBLOCK));
}

#[test]
fn flock_does_not_wait_for_ever() {
    let place = Place::new();
    let holder = reopen(place.dir(), false).unwrap();
    flock_exclusive(holder.as_fd(), MonotonicTime::now()).unwrap();
    let refused = flock_exclusive(place.dir(), MonotonicTime::now()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    assert!(refused.to_string().contains("/proc/locks"), "{refused}");
}

#[test]
fn tmpfs_is_told_from_the_rest() {
    let memory = memfd(name("tmpfs")).unwrap();
    assert!(is_on_tmpfs(memory.as_fd()).unwrap());
    let shm = open_directory(Path::new("/dev/shm")).unwrap();
    assert!(is_on_tmpfs(shm.as_fd()).unwrap());
    let proc = open_directory(Path::new("/proc")).unwrap();
    assert!(!is_on_tmpfs(proc.as_fd()).unwrap());
}

#[test]
fn sealed_for_good() {
    let file = memfd(name("seal")).unwrap();
    assert!(cloexec(&file));
    allocate(file.as_fd(), 4096).unwrap();
    assert_eq!(seals(file.as_fd()).unwrap(), SealFlags::empty());
    seal(file.as_fd()).unwrap();
    assert_eq!(seals(file.as_fd()).unwrap(), SEALS);
    for size in [4095, 4097] {
        assert_eq!(rustix::fs::ftruncate(&file, size), Err(Errno::PERM));
    }
    let more = rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE);
    assert_eq!(more, Err(Errno::PERM));
    assert_eq!(rustix::io::write(&file, b"x"), Ok(1));
}
