//! Who gets in, and what those can do who must not: other users, in a directory
//! that they share with us, with descriptors that they give us.
//!
//! The superuser passes everything, so each test that needs a user without
//! privileges becomes one, in a child process; and says so where it cannot.

mod descriptors;
mod observers;
mod planted;
mod poisoned;
mod removal;
mod truncated;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use memring::{Ring, RingError, Spsc};
use memring_testkit::forks::{
    NOBODY, become_user, in_child, is_root, ran_in_own_process, set_variable,
};
use memring_testkit::homes::directory;
use memring_testkit::text::skipped;

/// The user whose rings these are.
const VICTIM: u32 = NOBODY;
/// Another user, who attacks them.
const ATTACKER: u32 = NOBODY - 1;

type Numbers = Ring<u64, Spsc>;

/// A directory like `/tmp`: everybody may make files, nobody may take away
/// those of others. In it, each of the two users has a directory of their own.
struct Stage {
    path: PathBuf,
}

impl Stage {
    fn path(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().into()
    }

    fn as_user(&self, user: u32, act: impl FnOnce()) {
        in_child(|| {
            become_user(user);
            set_variable("MEMRING_DIR", self.path.join("rings"));
            act();
        });
    }
}

/// Sets a stage up in a process of the superuser's; says that the test is skipped
/// where there is none.
fn on_stage(act: impl FnOnce(&Stage)) {
    if !is_root() {
        return skipped("only the superuser can become other users");
    }
    if ran_in_own_process() {
        return;
    }
    let place = directory();
    set_permissions(place.path(), Permissions::from_mode(0o1777)).unwrap();
    let path = place.path().to_owned();
    for (name, user) in [("victim", VICTIM), ("attacker", ATTACKER)] {
        own_directory(&path.join(name), user);
    }
    act(&Stage { path });
}

fn own_directory(path: &Path, user: u32) {
    std::fs::create_dir(path).unwrap();
    set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    chown(path, Some(user), Some(user)).unwrap();
}

fn mode(path: impl AsRef<Path>) -> u32 {
    std::fs::symlink_metadata(path)
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

/// Every way of getting hold of a ring by its name.
fn all_ways(name: &str) -> [Result<(), RingError>; 3] {
    [
        Numbers::open(name).map(drop),
        Numbers::open_or_create(name, 2).map(drop),
        Ring::<[u8], memring::Mpmc>::open(name).map(drop),
    ]
}

#[test]
fn the_umask_makes_nothing_more_or_less_open() {
    on_stage(|stage| {
        for mask in [0, 0o022, 0o077] {
            let rings = stage.path(&format!("victim/rings-{mask:o}"));
            stage.as_user(VICTIM, || {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
                set_variable("MEMRING_DIR", &rings);
                Numbers::create("x", 2).unwrap();
                let open = Numbers::builder().capacity(2).mode(0o640);
                open.create("y").unwrap();
            });
            assert_eq!(mode(&rings), 0o700);
            assert_eq!(mode(format!("{rings}/x")), 0o600);
            assert_eq!(mode(format!("{rings}/y")), 0o640);
        }
    });
}

#[test]
fn a_user_s_directory_is_shut_to_others() {
    on_stage(|stage| {
        let rings = stage.path("rings");
        stage.as_user(VICTIM, || drop(Numbers::create("x", 2).unwrap()));
        stage.as_user(ATTACKER, || {
            let path = format!("{rings}/x");
            let mut errors: Vec<RingError> = Vec::new();
            for name in ["x", path.as_str()] {
                errors.extend(all_ways(name).map(Result::unwrap_err));
                errors.push(Numbers::create(name, 2).unwrap_err());
                errors.push(memring::remove(name).unwrap_err());
                errors.push(memring::inspect(name).unwrap_err());
            }
            errors.push(memring::list().unwrap_err());
            for error in errors {
                assert!(matches!(error, RingError::Directory { .. }), "{error:?}");
            }
        });
        stage.as_user(VICTIM, || drop(Numbers::open("x").unwrap()));
    });
}
