//! Names that another user has taken before us, in a directory like `/tmp`,
//! with whatever can be made there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use memring::{Mismatch, Ring, RingError};

use memring_testkit::forks::{become_user, fork, set_variable};
use memring_testkit::text::says;

use super::{ATTACKER, Numbers, Stage, VICTIM, all_ways, on_stage};

/// What the victim keeps in its own directory.
const DIARY: &str = "Dear diary, today";

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
}

fn file(path: &Path, mode: u32) {
    fs::write(path, vec![0x55; 1 << 16]).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn ring(path: &Path, mode: u32) {
    let ring = Numbers::builder().capacity(2).mode(mode);
    ring.create(path.to_str().unwrap()).unwrap();
}

/// Plants something at a path.
type Plant = fn(&Stage, &Path);
/// Words of an error.
type Words = &'static [&'static str];

/// What is planted, how, and what opening it and removing it say.
const PLANTS: [(&str, Plant, Words, Words); 12] = [
    (
        "a link to a file of the victim's",
        |stage, path| symlink(stage.path("victim/diary"), path).unwrap(),
        &["symbolic link"],
        &["symbolic link"],
    ),
    (
        "a link to a ring of the victim's",
        |stage, path| symlink(stage.path("victim/ring"), path).unwrap(),
        &["symbolic link"],
        &["symbolic link"],
    ),
    (
        "a link to a name that is free",
        |stage, path| symlink(stage.path("victim/new"), path).unwrap(),
        &["symbolic link"],
        &["symbolic link"],
    ),
    (
        "a fifo",
        |_, path| fifo(path),
        &["pipe", "expected a regular file"],
        &["pipe", "expected a regular file"],
    ),
    (
        "a socket",
        |_, path| {
            drop(UnixListener::bind(path).unwrap());
            fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        },
        &["socket", "expected a regular file"],
        &["socket", "expected a regular file"],
    ),
    (
        "a directory",
        |_, path| fs::create_dir(path).unwrap(),
        &["directory", "expected a regular file"],
        &["directory", "expected a regular file"],
    ),
    (
        "a file to read",
        |_, path| file(path, 0o644),
        &["ermission denied"],
        &["not a memring file"],
    ),
    (
        "a file to write to",
        |_, path| file(path, 0o666),
        &["belongs to user 65533", "expected 65534", "allow_foreign"],
        &["not a memring file"],
    ),
    (
        "a ring that is shut",
        |_, path| ring(path, 0o600),
        &["ermission denied"],
        &["ermission denied"],
    ),
    (
        "a ring to look at",
        |_, path| ring(path, 0o644),
        &["ermission denied"],
        &["not permitted"],
    ),
    (
        "a ring that invites",
        |_, path| ring(path, 0o666),
        &["belongs to user 65533", "expected 65534", "allow_foreign"],
        &["not permitted"],
    ),
    (
        "a ring that is cut short",
        |_, path| {
            ring(path, 0o666);
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(128).unwrap();
        },
        &["belongs to user 65533"],
        &["not permitted"],
    ),
];

#[test]
fn whatever_is_planted_is_neither_used_nor_followed_nor_removed() {
    on_stage(|stage| {
        let own = stage.path("victim/ring");
        stage.as_user(VICTIM, || {
            fs::write(stage.path("victim/diary"), DIARY).unwrap();
            drop(Numbers::create(&own, 2).unwrap());
        });
        let before = fs::read(&own).unwrap();
        for (index, (what, plant, open, removal)) in PLANTS.into_iter().enumerate() {
            let name = stage.path(&format!("plant {index}"));
            stage.as_user(ATTACKER, || plant(stage, Path::new(&name)));
            let id = || fs::symlink_metadata(&name).unwrap().ino();
            let planted = id();
            stage.as_user(VICTIM, || {
                let error = Numbers::create(&name, 2).unwrap_err();
                let taken = matches!(error, RingError::AlreadyExists { .. });
                assert!(taken, "{what}: {error}");
                for way in all_ways(&name) {
                    says(&way.expect_err(what), open);
                }
                says(&memring::remove(&name).expect_err(what), removal);
            });
            assert_eq!(id(), planted, "{what}");
        }
        assert_eq!(fs::read(&own).unwrap(), before);
        assert_eq!(
            fs::read_to_string(stage.path("victim/diary")).unwrap(),
            DIARY
        );
        assert_eq!(fs::read_dir(stage.path("victim")).unwrap().count(), 2);
    });
}

/// Where the kernel lets everybody link everything (`fs.protected_hardlinks` is
/// 0); the superuser stands in for the attacker where it does not.
#[test]
fn a_second_name_does_not_make_one_ring_of_the_victim_s_pass_for_another() {
    on_stage(|stage| {
        let (own, name) = (stage.path("victim/private"), stage.path("x"));
        stage.as_user(VICTIM, || drop(Numbers::create(&own, 2).unwrap()));
        fs::hard_link(&own, &name).unwrap();
        stage.as_user(VICTIM, || {
            let error = Numbers::open(&name).unwrap_err();
            says(&error, &["2 names", "expected 1", "remove the other"]);
            let links = Mismatch::Links { found: 2 };
            assert!(matches!(error, RingError::Mismatch { mismatch, .. } if mismatch == links));
            let trusting = Numbers::builder().allow_foreign(true);
            trusting.open(&name).unwrap();
            // What is removed is the name, and the ring has its own again.
            memring::remove(&name).unwrap();
            Numbers::open(&own).unwrap();
        });
    });
}

#[test]
fn a_name_that_changes_under_our_hands_never_leads_elsewhere() {
    on_stage(|stage| {
        let (own, name) = (stage.path("victim/private"), stage.path("x"));
        stage.as_user(VICTIM, || drop(Numbers::create(&own, 2).unwrap()));
        let attacker = fork(|| {
            become_user(ATTACKER);
            let ring = stage.path("attacker/ring");
            drop(Numbers::builder().capacity(4).mode(0o666).create(&ring));
            let [link, copy] = ["link", "copy"].map(|it| stage.path(&format!("attacker/{it}")));
            loop {
                symlink(&own, &link).unwrap();
                fs::rename(&link, &name).unwrap();
                fs::hard_link(&ring, &copy).unwrap();
                fs::rename(&copy, &name).unwrap();
            }
        });
        stage.as_user(VICTIM, || {
            // Until the attacker has begun.
            while fs::symlink_metadata(&name).is_err() {
                std::thread::yield_now();
            }
            let (mut links, mut rings) = (0, 0);
            for _ in 0..3000 {
                match Numbers::open(&name) {
                    Err(RingError::Mismatch { mismatch, .. }) => match mismatch {
                        Mismatch::Symlink => links += 1,
                        Mismatch::Owner { found, .. } if found == ATTACKER => rings += 1,
                        other => panic!("{other}"),
                    },
                    other => panic!("{other:?}"),
                }
                assert!(memring::remove(&name).is_err());
            }
            assert!(links > 0 && rings > 0, "{links} links, {rings} rings");
            Numbers::open(&own).unwrap();
        });
        drop(attacker);
    });
}

#[test]
fn the_default_directory_s_name_is_taken_by_another() {
    on_stage(|stage| {
        let rings = stage.path("rings");
        let plants: [(&str, Plant); 4] = [
            ("belongs to user 65533", |_, path| {
                fs::create_dir(path).unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
            }),
            ("cannot be opened", |stage, path| {
                symlink(stage.path("victim"), path).unwrap()
            }),
            ("cannot be opened", |_, path| {
                symlink("/nowhere", path).unwrap()
            }),
            ("cannot be opened", |_, path| fs::write(path, "").unwrap()),
        ];
        let diary = stage.path("victim/diary");
        for (words, plant) in plants {
            stage.as_user(VICTIM, || fs::write(&diary, DIARY).unwrap());
            stage.as_user(ATTACKER, || plant(stage, Path::new(&rings)));
            stage.as_user(VICTIM, || {
                let mut errors = Vec::from(all_ways("x").map(Result::unwrap_err));
                errors.push(Numbers::create("x", 2).unwrap_err());
                errors.push(memring::remove("diary").unwrap_err());
                errors.push(memring::inspect("x").unwrap_err());
                errors.push(memring::list().map(drop).unwrap_err());
                for error in errors {
                    assert!(matches!(error, RingError::Directory { .. }), "{error:?}");
                    says(&error, &[words, "MEMRING_DIR", "0700"]);
                }
                // What the error says helps.
                set_variable("MEMRING_DIR", stage.path("victim"));
                drop(Ring::<[u8], memring::Spsc>::create("x", 2).unwrap());
                memring::remove("x").unwrap();
            });
            let planted = Path::new(&rings);
            assert!(planted.symlink_metadata().is_ok());
            match planted.symlink_metadata().unwrap().is_dir() {
                true => fs::remove_dir(planted).unwrap(), // nothing in it
                false => fs::remove_file(planted).unwrap(),
            }
            assert_eq!(fs::read_dir(stage.path("victim")).unwrap().count(), 1);
        }
    });
}
