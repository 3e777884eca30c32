//! Names, the directory of rings, and what can be done with names: remove,
//! list, inspect. Each test has a process, and with it an environment, for
//! itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use memring::{
    ListEntry, MessageKind, Mismatch, Mpmc, OnDeath, RecvError, Ring, RingError, RingKind,
    SendError, Spsc, Wakeups, directory, inspect, list, remove,
};
use memring_testkit::forks::{
    NOBODY, become_user, in_child, is_root, ran_in_own_process, set_variable, unset_variable,
};
use memring_testkit::homes::directory as new_directory;
use memring_testkit::text::{says, skipped};

/// In a process of the test's own: a default directory of its own, not yet made.
fn with_directory(act: impl FnOnce(&Path)) {
    if ran_in_own_process() {
        return;
    }
    let parent = new_directory();
    let path = parent.path().join("rings");
    set_variable("MEMRING_DIR", &path);
    act(&path);
}

fn create(name: &str) -> Result<Ring<u64, Spsc>, RingError> {
    Ring::create(name, 2)
}

#[test]
fn names_that_cannot_be() {
    with_directory(|path| {
        let long = "n".repeat(256);
        let cases = [
            ("", "found nothing"),
            (".", "names a directory"),
            ("..", "names a directory"),
            ("/", "found nothing"),
            ("/tmp/", "found nothing"),
            ("a/..", "names a directory"),
            ("a/.", "names a directory"),
            ("a\nb", "control character"),
            ("a\tb", "control character"),
            ("\x7f", "control character"),
            (".memring-1f.new", "about to replace"),
            ("nul\0nul", "control character"),
            ("/tmp/\x1b[31m/x", "control character"),
            (long.as_str(), "255 bytes"),
        ];
        for (name, reason) in cases {
            let errors = [
                create(name).unwrap_err(),
                Ring::<u64, Spsc>::open(name).unwrap_err(),
                Ring::<u64, Spsc>::open_or_create(name, 2).unwrap_err(),
                remove(name).unwrap_err(),
                inspect(name).unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, RingError::InvalidName { .. }), "{error:?}");
                says(&error, &["invalid ring name", reason]);
            }
        }
        assert!(!path.exists(), "a directory was made for nothing");
    });
}

#[test]
fn names_that_can_be() {
    with_directory(|path| {
        let longest = "n".repeat(255);
        let names = [
            "a",
            "a b",
            "...",
            "ring.1",
            "ö☃",
            "-x",
            "%n",
            "~",
            longest.as_str(),
        ];
        for name in names {
            let ring = create(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(ring.path(), Some(path.join(name).as_path()));
            assert!(path.join(name).is_file());
            says(
                &create(name).unwrap_err(),
                &["exists already", "open it, or remove it"],
            );
        }
        let listed: Vec<String> = list().unwrap().into_iter().map(|row| row.name).collect();
        let mut sorted = names.map(String::from);
        sorted.sort();
        assert_eq!(listed, sorted);
        for name in names {
            remove(name).unwrap();
        }
        assert!(list().unwrap().is_empty());
    });
}

#[test]
fn a_name_with_a_slash_is_a_path() {
    with_directory(|default| {
        let other = new_directory();
        std::env::set_current_dir(other.path()).unwrap();
        for name in ["./here", "sub/../there", "sub/here"] {
            std::fs::create_dir_all("sub").unwrap();
            create(name).unwrap();
            assert!(Path::new(name).is_file());
            Ring::<u64, Spsc>::open(name).unwrap();
            remove(name).unwrap();
        }
        let full = other.path().join("full");
        create(full.to_str().unwrap()).unwrap();
        assert!(full.is_file());
        assert!(!default.exists());
        // The directory is the user's to make, and the user's links are good.
        let error = create("missing/ring").unwrap_err();
        assert!(
            matches!(&error, RingError::Directory { path, .. } if path == Path::new("missing"))
        );
        says(&error, &["missing", "cannot be opened"]);
        let error = create("full/ring").unwrap_err();
        assert!(matches!(error, RingError::Directory { .. }), "{error}");
        symlink("sub", "link").unwrap();
        create("link/ring").unwrap();
        assert!(Path::new("sub/ring").is_file());
    });
}

#[test]
fn the_default_directory_is_made_for_its_user_alone() {
    with_directory(|path| {
        assert_eq!(directory().unwrap(), path);
        create("x").unwrap();
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let mode = std::fs::metadata(path.join("x"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        // An empty variable is none.
        set_variable("MEMRING_DIR", "");
        assert!(directory().unwrap().starts_with("/dev/shm"));
        unset_variable("MEMRING_DIR");
        let user = std::fs::metadata(path).map(|facts| std::os::unix::fs::MetadataExt::uid(&facts));
        let default = PathBuf::from(format!("/dev/shm/memring-{}", user.unwrap()));
        assert_eq!(directory().unwrap(), default);
    });
}

/// To look makes nothing, whatever the question.
#[test]
fn looking_makes_no_directory() {
    with_directory(|path| {
        assert_eq!(directory().unwrap(), path);
        assert!(list().unwrap().is_empty());
        let errors = [
            Ring::<u64, Spsc>::open("x").unwrap_err(),
            inspect("x").unwrap_err(),
            remove("x").unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, RingError::NotFound { path: at } if *at == path.join("x")));
        }
        // Nor does what cannot be made.
        let wrong = [
            Ring::<u64, Spsc>::create("x", usize::MAX).unwrap_err(),
            Ring::<u64, Spsc>::open_or_create("x", usize::MAX).unwrap_err(),
            Ring::<u64, Spsc>::recreate("x", usize::MAX).unwrap_err(),
        ];
        for error in wrong {
            assert!(matches!(error, RingError::InvalidOption { .. }), "{error}");
        }
        assert!(!path.exists());
        create("x").unwrap();
        assert!(path.join("x").is_file());
    });
}

/// Names are text, paths, and paths of bytes that are no text.
#[test]
fn names_of_every_type() {
    with_directory(|default| {
        create("text").unwrap();
        Ring::<u64, Spsc>::open(String::from("text")).unwrap();
        Ring::<u64, Spsc>::open(Path::new("text")).unwrap();
        Ring::<u64, Spsc>::open_or_create(default.join("text"), 2).unwrap();
        let odd = OsStr::from_bytes(b"odd-\xff");
        let error = Ring::<u64, Spsc>::create(odd, 2).unwrap_err();
        says(&error, &["invalid ring name", "not UTF-8"]);
        let odd = default.join(odd);
        let ring = Ring::<u64, Spsc>::create(&odd, 2).unwrap();
        assert_eq!(ring.path(), Some(odd.as_path()));
        let found = inspect(&odd).unwrap();
        assert_eq!(found.path, odd);
        Ring::<u64, Spsc>::recreate(&odd, 4).unwrap();
        assert!(ring.is_removed());
        remove(odd).unwrap();
        remove(Path::new("text")).unwrap();
    });
}

/// With something else where the default directory should be.
fn squatted(set_up: impl FnOnce(&Path), words: &[&str]) {
    with_directory(|path| {
        set_up(path);
        let errors = [
            directory().unwrap_err(),
            create("x").unwrap_err(),
            Ring::<u64, Spsc>::open("x").unwrap_err(),
            remove("x").unwrap_err(),
            inspect("x").unwrap_err(),
            list().unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, RingError::Directory { .. }), "{error:?}");
            says(&error, &[path.to_str().unwrap(), "set MEMRING_DIR", "0700"]);
            says(&error, words);
        }
    });
}

#[test]
fn a_squatted_default_directory() {
    if ran_in_own_process() {
        return;
    }
    squatted(
        |path| std::fs::write(path, "mine").unwrap(),
        &["cannot be opened", "directory"],
    );
    let to_directory = |path: &Path| symlink("/tmp", path).unwrap();
    squatted(to_directory, &["cannot be opened"]);
    let to_nowhere = |path: &Path| symlink("/nowhere", path).unwrap();
    squatted(to_nowhere, &["cannot be opened"]);
    for mode in [0o770, 0o707, 0o777, 0o1777] {
        let open = |path: &Path| {
            std::fs::create_dir(path).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        squatted(
            open,
            &[&format!("mode {mode:04o}"), "expected no write permission"],
        );
    }
    // Made by a parent that is not there.
    with_directory(|path| {
        set_variable("MEMRING_DIR", path.join("deeper"));
        let error = create("x").unwrap_err();
        assert!(matches!(error, RingError::Directory { .. }), "{error:?}");
        says(&error, &["cannot be made", "set MEMRING_DIR", "0700"]);
        assert!(matches!(inspect("x"), Err(RingError::NotFound { .. })));
    });
    if !is_root() {
        return skipped("only the superuser can give directories away");
    }
    let foreign = |path: &Path| {
        std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
        chown(path, Some(NOBODY), None).unwrap();
    };
    squatted(foreign, &["belongs to user 65534", "expected 0"]);
}

#[test]
fn removal() {
    with_directory(|path| {
        let error = remove("none").unwrap_err();
        assert!(matches!(error, RingError::NotFound { .. }));
        says(&error, &["no ring at", "none", "nothing to open or remove"]);
        let error = Ring::<u64, Spsc>::open("none").unwrap_err();
        assert!(matches!(error, RingError::NotFound { .. }));
        let error = inspect("none").unwrap_err();
        assert!(matches!(error, RingError::NotFound { .. }));
        create("other").unwrap();
        // Nothing that is not a ring is removed.
        std::fs::write(path.join("text"), "Dear diary, today").unwrap();
        std::fs::write(path.join("empty"), "").unwrap();
        for name in ["text", "empty"] {
            says(&remove(name).unwrap_err(), &[name, "not a memring file"]);
            assert!(path.join(name).exists());
        }
        std::fs::create_dir(path.join("directory")).unwrap();
        says(
            &remove("directory").unwrap_err(),
            &["expected a regular file"],
        );
        create("ring").unwrap();
        symlink("ring", path.join("link")).unwrap();
        says(&remove("link").unwrap_err(), &["symbolic link"]);
        assert!(path.join("link").is_symlink() && path.join("ring").exists());
        remove("ring").unwrap();
        assert!(!path.join("ring").exists());
        assert!(matches!(remove("ring"), Err(RingError::NotFound { .. })));
    });
}

#[test]
fn what_is_in_a_removed_ring_can_be_received() {
    with_directory(|_| {
        let old = create("x").unwrap();
        let mut sender = old.sender().unwrap();
        sender.send(1).unwrap();
        remove("x").unwrap();
        // The name is free, and leads to another ring.
        let new = create("x").unwrap();
        assert_eq!(sender.send(2), Err(SendError::Removed(2)));
        let mut receiver = old.receiver().unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Err(RecvError::Removed));
        assert_eq!(new.len(), 0);
        let fd = old.share_fd().unwrap();
        // Not sealed, it could still be changed by others.
        says(
            &Ring::<u64, Spsc>::from_fd(fd).unwrap_err(),
            &["not sealed"],
        );
    });
}

#[test]
fn a_header_that_was_overwritten_does_not_keep_a_ring_from_removal() {
    with_directory(|path| {
        create("x").unwrap();
        let mut bytes = std::fs::read(path.join("x")).unwrap();
        bytes[8..192].fill(0xee);
        std::fs::write(path.join("x"), bytes).unwrap();
        assert!(Ring::<u64, Spsc>::open("x").is_err());
        remove("x").unwrap();
    });
}

#[test]
fn lists_and_inspections() {
    with_directory(|path| {
        assert!(list().unwrap().is_empty());
        let first = Ring::<u64, Mpmc>::builder().capacity(8).schema(7);
        let first = first
            .on_receiver_death(OnDeath::Discard)
            .create("b")
            .unwrap();
        let mut sender = first.sender().unwrap();
        sender.send(1).unwrap();
        let bytes = Ring::<[u8], Spsc>::builder().capacity(2).message_limit(50);
        let bytes = bytes.wakeups(Wakeups::SpinOnly).create("a").unwrap();
        bytes.close().unwrap();
        drop(bytes);
        std::fs::write(path.join("c"), "no ring, but here all the same").unwrap();
        let rows = list().unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let a = rows[0].ring.as_ref().unwrap();
        assert_eq!((a.kind, a.capacity, a.schema), (RingKind::Spsc, 2, 0));
        assert_eq!(a.message, MessageKind::Bytes { limit: 50 });
        assert_eq!(
            (a.wakeups, a.on_death),
            (Wakeups::SpinOnly, OnDeath::Redeliver)
        );
        assert!(a.closed && !a.in_use);
        let b = rows[1].ring.as_ref().unwrap();
        assert_eq!((b.kind, b.capacity, b.schema), (RingKind::Mpmc, 8, 7));
        assert_eq!(
            b.message,
            MessageKind::Typed {
                size: 8,
                align: align_of::<u64>()
            }
        );
        assert_eq!(
            (b.wakeups, b.on_death),
            (Wakeups::Blocking, OnDeath::Discard)
        );
        assert!(!b.closed && b.in_use);
        assert_eq!((b.stats.sent, b.stats.received, b.stats.len), (1, 0, 1));
        assert_eq!(b.stats.senders.len(), 1);
        assert_eq!(b.stats.senders[0].pid, std::process::id());
        assert!(b.stats.senders[0].alive && b.stats.receivers.is_empty());
        assert_eq!(
            b.file_size,
            std::fs::metadata(path.join("b")).unwrap().len()
        );
        assert_eq!(rows[1].path, path.join("b"));
        assert_eq!(&inspect("b").unwrap(), b);
        let text = rows[2].ring.as_ref().unwrap_err();
        assert!(matches!(
            text,
            RingError::Mismatch {
                mismatch: Mismatch::Magic { .. },
                ..
            }
        ));
        // A look is no use: it keeps nobody away.
        drop((sender, first));
        assert!(!inspect("b").unwrap().in_use);
    });
}

#[test]
fn files_whose_names_no_ring_can_have_are_listed() {
    with_directory(|path| {
        create("a\u{fffd}").unwrap();
        for name in [&b"a\xff"[..], b"b\x1b[2J"] {
            std::fs::write(path.join(OsStr::from_bytes(name)), "x").unwrap();
        }
        let rows = list().unwrap();
        let error = |row: &ListEntry| row.ring.as_ref().err().map(ToString::to_string);
        let errors: Vec<_> = rows.iter().map(error).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(errors.iter().flatten().count(), 2, "{errors:?}");
        let found = |words: &str| {
            let mut errors = errors.iter().flatten();
            errors.any(|error| error.contains(words) && error.contains("invalid ring name"))
        };
        assert!(
            found("not UTF-8") && found("control character"),
            "{errors:?}"
        );
        let good = rows.iter().find(|row| row.ring.is_ok()).unwrap();
        assert_eq!(good.path, path.join("a\u{fffd}"));
    });
}

/// A file of the superuser's, and a user who must not have it.
fn as_nobody(mode: u32, act: impl FnOnce(&str)) {
    let directory = new_directory();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = directory.path().join("ring");
    let name = path.to_str().unwrap();
    let ring = Ring::<u64, Spsc>::builder().capacity(2).mode(mode);
    let _ring = ring.create(name).unwrap();
    in_child(|| {
        become_user(NOBODY);
        act(name);
    });
}

#[test]
fn files_that_a_user_may_not_have() {
    if !is_root() {
        return skipped("only the superuser can become another user");
    }
    if ran_in_own_process() {
        return;
    }
    as_nobody(0o600, |name| {
        let denied = [
            Ring::<u64, Spsc>::open(name).unwrap_err(),
            inspect(name).unwrap_err(),
            remove(name).unwrap_err(),
            Ring::<u64, Spsc>::create(format!("{name}2"), 2).unwrap_err(),
        ];
        for error in denied {
            assert!(matches!(error, RingError::Os { .. }), "{error:?}");
            says(&error, &["cannot", name, "ermission denied"]);
        }
        // Nor with the superuser's directory for a default.
        set_variable("MEMRING_DIR", Path::new(name).parent().unwrap());
        says(
            &create("x").unwrap_err(),
            &["belongs to user 0", "expected 65534"],
        );
    });
    // To look at, if reading is allowed; to take part in, if writing is too and
    // both sides say so.
    as_nobody(0o644, |name| {
        let seen = inspect(name).unwrap();
        assert!(seen.in_use);
        let error = Ring::<u64, Spsc>::open(name).unwrap_err();
        says(&error, &["ermission denied"]);
    });
    as_nobody(0o666, |name| {
        let error = Ring::<u64, Spsc>::open(name).unwrap_err();
        says(
            &error,
            &["belongs to user 0", "expected 65534", "allow_foreign"],
        );
        let open = || Ring::<u64, Spsc>::builder().allow_foreign(true).open(name);
        open().unwrap().sender().unwrap().send(5).unwrap();
        assert_eq!(open().unwrap().receiver().unwrap().recv(), Ok(5));
        let error = remove(name).unwrap_err();
        says(&error, &["ermission denied"]);
    });
}
