//! Things that are not regular files of ours, and descriptors.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use memring::{Mismatch, Ring, RingError, Spsc};

use crate::support::{self, NOBODY, says};
use crate::{Place, refused};

#[test]
fn a_symbolic_link() {
    let place = Place::with::<u64, Spsc>();
    let link = Place {
        path: place.path.with_file_name("link"),
        _directory: tempfile::tempdir().unwrap(),
    };
    symlink(&place.path, &link.path).unwrap();
    let mismatch = refused::<u64, Spsc>(&link);
    assert_eq!(mismatch, Mismatch::Symlink);
    says(
        &mismatch,
        &["symbolic link", "regular file", "name the file itself"],
    );
    // To nowhere: it is a link all the same, and nothing is made behind it.
    std::fs::remove_file(&place.path).unwrap();
    assert_eq!(refused::<u64, Spsc>(&link), Mismatch::Symlink);
    assert!(!place.path.exists());
    let error = memring::inspect(link.name()).unwrap_err();
    says(&error, &["symbolic link"]);
}

#[test]
fn a_directory_a_fifo_and_a_socket() {
    let directory = Place::empty();
    std::fs::create_dir(&directory.path).unwrap();
    let fifo = Place::empty();
    let name = std::ffi::CString::new(fifo.name()).unwrap();
    // SAFETY: a string that ends with NUL, and a mode.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let socket = Place::empty();
    let _listener = UnixListener::bind(&socket.path).unwrap();
    for (place, what) in [(directory, "directory"), (fifo, "pipe"), (socket, "socket")] {
        let mismatch = refused::<u64, Spsc>(&place);
        assert!(matches!(mismatch, Mismatch::FileType { .. }), "{mismatch}");
        says(&mismatch, &[what, "expected a regular file"]);
        let error = memring::inspect(place.name()).unwrap_err();
        says(&error, &[what, "expected a regular file"]);
    }
}

#[test]
fn another_owner() {
    if !support::is_root() {
        return println!("skipped: only the superuser can give files away");
    }
    let place = Place::with::<u64, Spsc>();
    std::os::unix::fs::chown(&place.path, Some(NOBODY), None).unwrap();
    let mismatch = refused::<u64, Spsc>(&place);
    let expected = Mismatch::Owner {
        expected: 0,
        found: NOBODY,
    };
    assert_eq!(mismatch, expected);
    says(&mismatch, &["65534", "expected 0", "allow foreign"]);
    let ring = Ring::<u64, Spsc>::builder().allow_foreign(true);
    ring.open(place.name()).unwrap();
}

#[test]
fn writable_for_others() {
    for mode in [0o620, 0o602, 0o666, 0o4622] {
        let place = Place::with::<u64, Spsc>();
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&place.path, permissions).unwrap();
        let mismatch = refused::<u64, Spsc>(&place);
        assert_eq!(mismatch, Mismatch::Permissions { found: mode });
        says(
            &mismatch,
            &[&format!("{mode:04o}"), "expected", "allow foreign"],
        );
        let ring = Ring::<u64, Spsc>::builder().allow_foreign(true);
        ring.open(place.name()).unwrap();
    }
    // For reading, others are welcome.
    let place = Place::with::<u64, Spsc>();
    let permissions = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&place.path, permissions).unwrap();
    Ring::<u64, Spsc>::open(place.name()).unwrap();
}

fn memfd(seals: libc::c_int) -> OwnedFd {
    // SAFETY: a literal that ends with NUL, and flags.
    let fd = unsafe { libc::memfd_create(c"test".as_ptr(), libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0);
    // SAFETY: just opened, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // A whole ring in it.
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let from = std::fs::File::from(ring.as_fd().unwrap().try_clone_to_owned().unwrap());
    let mut bytes = vec![0; from.metadata().unwrap().len() as usize];
    std::os::unix::fs::FileExt::read_exact_at(&from, &mut bytes, 0).unwrap();
    let to = std::fs::File::from(fd.try_clone().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&to, &bytes, 0).unwrap();
    if seals != 0 {
        // SAFETY: an open descriptor and a number.
        let sealed = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) };
        assert_eq!(sealed, 0);
    }
    fd
}

fn refused_fd(fd: impl AsFd) -> Mismatch {
    match Ring::<u64, Spsc>::from_fd(fd).unwrap_err() {
        RingError::Mismatch {
            path: None,
            mismatch,
        } => mismatch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_that_its_giver_can_still_shrink() {
    use libc::{F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK};
    for (seals, missing) in [
        (0, "shrinking"),
        (F_SEAL_GROW | F_SEAL_SEAL, "shrinking"),
        (F_SEAL_SHRINK, "growing"),
        (F_SEAL_SHRINK | F_SEAL_GROW, "more seals"),
    ] {
        let mismatch = refused_fd(memfd(seals));
        assert_eq!(mismatch, Mismatch::Unsealed { missing });
        says(&mismatch, &[missing, "expected a memfd with the seals"]);
    }
    let whole = memfd(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    Ring::<u64, Spsc>::from_fd(whole).unwrap();
}

#[test]
fn memory_that_was_shrunk_before() {
    let fd = memfd(0);
    let whole = std::fs::File::from(fd.try_clone().unwrap())
        .metadata()
        .unwrap()
        .len();
    // SAFETY: an open descriptor, a length, and seals.
    unsafe {
        assert_eq!(libc::ftruncate(fd.as_raw_fd(), 0x5000), 0);
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        assert_eq!(libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals), 0);
    }
    let expected = Mismatch::TooShort {
        expected: whole,
        found: 0x5000,
    };
    assert_eq!(refused_fd(fd), expected);
}

#[test]
fn a_giver_cannot_shrink_what_it_gave() {
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let fd = ring.as_fd().unwrap();
    // SAFETY: an open descriptor and a length.
    unsafe {
        assert_eq!(libc::ftruncate(fd.as_raw_fd(), 0), -1);
        assert_eq!(libc::ftruncate(fd.as_raw_fd(), 1 << 20), -1);
    }
    Ring::<u64, Spsc>::from_fd(fd).unwrap();
}

#[test]
fn descriptors_of_other_things() {
    let directory = std::fs::File::open("/").unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    for (fd, what) in [
        (directory.as_fd(), "directory"),
        (null.as_fd(), "device"),
        (socket.as_fd(), "socket"),
    ] {
        let mismatch = refused_fd(fd);
        assert!(matches!(mismatch, Mismatch::FileType { .. }), "{mismatch}");
        says(&mismatch, &[what, "expected a regular file"]);
    }
    // Kinds and types are checked as for files.
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let fd = ring.as_fd().unwrap();
    let other = Ring::<u32, Spsc>::from_fd(fd).unwrap_err();
    says(&other, &["anonymous", "8 bytes", "expected 4"]);
    // A file that has a name, through a descriptor.
    let place = Place::with::<u64, Spsc>();
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&place.path)
        .unwrap();
    Ring::<u64, Spsc>::from_fd(&file).unwrap();
    let permissions = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&place.path, permissions).unwrap();
    assert_eq!(refused_fd(&file), Mismatch::Permissions { found: 0o666 });
}
