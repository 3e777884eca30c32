//! Things that are not regular files of ours, and descriptors.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use memring::{Mismatch, Ring, RingError, Spsc};

use memring_testkit::forks::{NOBODY, is_root};
use memring_testkit::text::{says, skipped};
use rustix::fs::{
    CWD, FileType, MemfdFlags, Mode, SealFlags, fcntl_add_seals, ftruncate, memfd_create, mknodat,
};

use super::refused;
use crate::place::Place;

#[test]
fn a_symbolic_link() {
    let place = Place::with::<u64, Spsc>();
    let link = place.beside("link");
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
    mknodat(CWD, &fifo.path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
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
    if !is_root() {
        return skipped("only the superuser can give files away");
    }
    let place = Place::with::<u64, Spsc>();
    std::os::unix::fs::chown(&place.path, Some(NOBODY), None).unwrap();
    let mismatch = refused::<u64, Spsc>(&place);
    let expected = Mismatch::Owner {
        expected: 0,
        found: NOBODY,
    };
    assert_eq!(mismatch, expected);
    says(&mismatch, &["65534", "expected 0", "allow_foreign"]);
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
            &[&format!("{mode:04o}"), "expected", "allow_foreign"],
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

/// A whole ring in memory with these seals.
fn memfd(seals: SealFlags) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let mut from = File::from(ring.share_fd().unwrap().try_clone_to_owned().unwrap());
    let mut to = File::from(fd.try_clone().unwrap());
    std::io::copy(&mut from, &mut to).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
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
    let (shrink, grow, seal) = (SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL);
    for (seals, missing) in [
        (SealFlags::empty(), "shrinking"),
        (grow | seal, "shrinking"),
        (shrink, "growing"),
        (shrink | grow, "more seals"),
    ] {
        let mismatch = refused_fd(memfd(seals));
        assert_eq!(mismatch, Mismatch::Unsealed { missing });
        says(&mismatch, &[missing, "expected a memfd with the seals"]);
    }
    let whole = memfd(shrink | grow | seal);
    Ring::<u64, Spsc>::from_fd(whole).unwrap();
}

#[test]
fn memory_that_was_shrunk_before() {
    let fd = memfd(SealFlags::empty());
    let whole = File::from(fd.try_clone().unwrap())
        .metadata()
        .unwrap()
        .len();
    ftruncate(&fd, 0x5000).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    let expected = Mismatch::TooShort {
        expected: whole,
        found: 0x5000,
    };
    assert_eq!(refused_fd(fd), expected);
}

#[test]
fn a_giver_cannot_shrink_what_it_gave() {
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let fd = ring.share_fd().unwrap();
    assert!(ftruncate(fd, 0).is_err());
    assert!(ftruncate(fd, 1 << 20).is_err());
    Ring::<u64, Spsc>::from_fd(fd).unwrap();
}

#[test]
fn descriptors_of_other_things() {
    let directory = File::open("/").unwrap();
    let null = File::open("/dev/null").unwrap();
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
    let fd = ring.share_fd().unwrap();
    let other = Ring::<u32, Spsc>::from_fd(fd).unwrap_err();
    says(&other, &["anonymous", "8 bytes", "expected 4"]);
    // A file that has a name, through a descriptor.
    let place = Place::with::<u64, Spsc>();
    let file = place.file();
    Ring::<u64, Spsc>::from_fd(&file).unwrap();
    let permissions = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&place.path, permissions).unwrap();
    assert_eq!(refused_fd(&file), Mismatch::Permissions { found: 0o666 });
}
