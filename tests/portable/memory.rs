//! Memory that a killed creator leaves, without its size or with it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use memring::failpoints::{self, Act, Failpoint};
use memring::{Mpmc, Ring, RingError};
use memring_testkit::children::Args;
use memring_testkit::forks::is_root;
use memring_testkit::homes::{Home, RING};
use memring_testkit::sys;
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};
use shared_memory::{ShmemConf, ShmemError};

type Made = Ring<u64, Mpmc>;

/// More than a file may have after [`limit_size`].
const BYTES: usize = 1 << 16;

/// From now on the system kills this process when it makes a file longer. One of a page: when
/// it gives memory its size, between its name and its size.
fn limit_size(bytes: u64) {
    let limit = Some(bytes);
    let limit = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::Fsize, limit).expect("limit the size of files");
}

/// Makes memory called `name`, and is killed before it has a size, or after.
pub fn bare_creator(args: &Args) {
    if args.get::<bool>("early") {
        limit_size(4096);
    }
    let name: String = args.get("name");
    let memory = ShmemConf::new().os_id(&name).size(BYTES).create();
    let _memory = memory.map_err(|_| ()).expect("make memory");
    kill_process(getpid(), Signal::KILL).expect("kill this process");
}

/// Where Linux has memory of this name.
fn shown(name: &str) -> PathBuf {
    PathBuf::from("/dev/shm").join(name.trim_start_matches('/'))
}

/// The memory of the rings in the home, by their files of locks, and whether it is there.
fn memory_of(home: &Home) -> Vec<(String, bool)> {
    let names = std::fs::read_dir(home.rings()).expect("list the rings");
    let names = names.map(|file| file.expect("a file").file_name());
    let ids = names.filter_map(|name| {
        let name = name.to_str()?.to_owned();
        Some(name.strip_prefix('.')?.strip_suffix(".lock")?.to_owned())
    });
    let there = |id: String| {
        let is_there = shown(&id).exists();
        (id, is_there)
    };
    ids.map(there).collect()
}

/// The bare crate: an opener finds a length of 0, and no process gets rid of the name.
#[test]
fn bare_memory_of_a_killed_creator_stays() {
    let home = Home::new();
    for early in [true, false] {
        let name = format!("/bare-{early}-{}", std::process::id());
        let child = home.spawn("bare creator", &[("early", &early), ("name", &name)]);
        child.ends_by_signal();
        let length = std::fs::metadata(shown(&name)).expect("it is left").len();
        assert_eq!(length, if early { 0 } else { BYTES as u64 });
        let opened = ShmemConf::new().os_id(&name).open();
        match early {
            // EINVAL: nothing can be mapped. What the name was for cannot be told.
            true => assert!(matches!(opened, Err(ShmemError::MapOpenFailed(22)))),
            false => assert_eq!(
                opened.map_err(|_| ()).expect("it can be opened").len(),
                BYTES
            ),
        }
        let again = ShmemConf::new().os_id(&name).size(BYTES).create();
        assert!(matches!(again, Err(ShmemError::MappingIdExists)));
        std::fs::remove_file(shown(&name)).expect("clean up");
    }
}

/// Makes a ring, and is killed on its way.
pub fn creator(args: &Args) {
    let point: String = args.get("point");
    let point = Failpoint::ALL.iter().find(|it| format!("{it:?}") == point);
    failpoints::arm(&[(*point.expect("a failpoint"), 1, Act::Kill)]);
    drop(Made::create(RING, 1024).expect("make a ring"));
}

/// Wherever it is killed, an opener finds the whole ring or none, and the next creation
/// in the directory takes away what is left.
#[test]
fn a_killed_creator_of_a_ring_leaves_it_whole_or_nothing() {
    for point in [
        "no size",
        "FileMade",
        "FileAllocated",
        "HeaderWritten",
        "UsersLocked",
        "NamePublished",
    ] {
        let home = Home::new();
        // "no size": killed when the memory has a name.
        let killed_at = point.replace("no size", "FileMade");
        let child = home.spawn("creator", &[("point", &killed_at)]);
        child.ends_by_signal();
        let left = memory_of(&home);
        assert_eq!(left.len(), 1, "{point}");
        if point == "no size" {
            std::fs::File::create_new(shown(&left[0].0)).expect("memory without a size");
        }
        let is_whole = point == "NamePublished";
        match Made::open(home.ring()) {
            Ok(ring) => assert!(is_whole && ring.capacity() == 1024, "{point}"),
            Err(RingError::NotFound { .. }) => assert!(!is_whole, "{point}"),
            Err(other) => panic!("{point}: {other}"),
        }
        assert!(memring::inspect(home.ring()).is_ok() == is_whole, "{point}");
        drop(Made::create(home.named("another"), 8).expect("make a ring"));
        let now = memory_of(&home);
        assert_eq!(now.len(), 1 + usize::from(is_whole), "{point}: {now:?}");
        assert!(
            now.iter().all(|(_, is_there)| *is_there),
            "{point}: {now:?}"
        );
        let is_gone = !now.contains(&left[0]) && !shown(&left[0].0).exists();
        assert_eq!(is_gone, !is_whole, "{point}");
        // Any process takes a ring away, with all that belongs to it.
        if is_whole {
            memring::remove(home.ring()).expect("remove the ring");
        }
        memring::remove(home.named("another")).expect("remove the ring");
        assert_eq!(memory_of(&home), []);
        for (id, _) in left.iter().chain(&now) {
            assert!(!shown(id).exists(), "{point}");
        }
        let files = std::fs::read_dir(home.rings()).expect("list the rings");
        assert_eq!(files.count(), 0, "{point}");
    }
}

/// A cleanup takes nothing that is in use, or that a ring leads to.
#[test]
fn a_cleanup_spares_rings_in_use_and_rings_at_rest() {
    let home = Home::new();
    let used = Made::create(home.named("used"), 8).expect("make a ring");
    drop(Made::create(home.named("at rest"), 8).expect("make a ring"));
    for number in 0..3 {
        drop(Made::create(home.named(&format!("more {number}")), 8).expect("make a ring"));
    }
    drop(Made::open(home.named("at rest")).expect("open a ring"));
    let mut tx = used.sender().expect("attach");
    let again = Made::open(home.named("used")).expect("open a ring");
    let mut rx = again.receiver().expect("attach");
    tx.try_send(7).expect("room");
    assert_eq!(rx.try_recv(), Ok(7));
    assert_eq!(memory_of(&home).len(), 5);
}

/// A copy is no ring, whatever is done with it: the original's memory stays, and so do the
/// locks by which its members tell that they live.
#[test]
fn copies_are_refused_and_do_no_harm() {
    let home = Home::new();
    let ring = Made::create(home.ring(), 8).expect("make a ring");
    let mut tx = ring.sender().expect("attach");
    tx.try_send(1).expect("room");
    let beside = home.named("copy");
    std::fs::copy(home.ring(), &beside).expect("copy the link");
    // All of the directory, as `cp -a` would.
    let other = home.path("other");
    std::fs::create_dir(&other).expect("make a directory");
    for file in std::fs::read_dir(home.rings()).expect("list the rings") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), other.join(file.file_name())).expect("copy it");
    }
    let elsewhere = other.join("copy");
    for copy in [PathBuf::from(&beside), elsewhere.clone()] {
        let error = Made::open(&copy).expect_err("a copy").to_string();
        assert!(error.contains("delete the copy"), "{error}");
    }
    // Removed or unlinked, and cleaned up after.
    let _ = memring::remove(&beside);
    let _ = std::fs::remove_file(&beside);
    std::fs::remove_file(&elsewhere).expect("delete the copy");
    for name in ["ring", RING] {
        let _ = std::fs::remove_file(other.join(name));
    }
    drop(Made::create(other.join("another"), 8).expect("make a ring"));
    drop(Made::create(home.named("another"), 8).expect("make a ring"));
    let again = Made::open(home.ring()).expect("the original");
    let mut rx = again.receiver().expect("attach");
    assert_eq!(rx.try_recv(), Ok(1));
    memring::remove(other.join("another")).expect("remove the ring");
    memring::remove(home.named("another")).expect("remove the ring");
    memring::remove(home.ring()).expect("remove the ring");
}

/// A daemon closes all descriptors.
pub fn closer(_args: &Args) {
    let made = Made::create(RING, 8).expect("make a ring");
    sys::close_from(3).expect("close all descriptors");
    // The numbers are another's now.
    let others: Vec<_> = (0..16)
        .map(|_| std::fs::File::open("/dev/null").expect("open"))
        .collect();
    drop(made);
    for other in &others {
        assert!(other.metadata().is_ok());
    }
}

#[test]
fn a_creator_closes_nothing_of_others() {
    let home = Home::new();
    home.spawn("closer", &[]).finish();
    memring::remove(home.ring()).expect("remove the ring");
}

/// A link that cannot be read may lead to any memory, so a cleanup takes none away. By a user
/// whom permissions bar.
pub fn reader(_args: &Args) {
    if is_root() {
        sys::become_user(OTHER_USER);
    }
    let path = memring::directory().expect("a directory").join(RING);
    let set_mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).expect("set the permissions");
    };
    let another = RING.to_owned() + "-other";
    drop(Made::create(RING, 8).expect("make a ring"));
    set_mode(0);
    drop(Made::create(&another, 8).expect("make a ring"));
    set_mode(0o600);
    drop(Made::open(RING).expect("it has its memory still"));
    for name in [RING, &another] {
        memring::remove(name).expect("remove the ring");
    }
}

/// Of the child above.
const OTHER_USER: u32 = 65534;

#[test]
fn a_cleanup_spares_what_it_cannot_read() {
    let home = Home::new();
    if is_root() {
        let rings = std::fs::File::open(home.rings()).expect("open the directory");
        let user = rustix::fs::Uid::from_raw(OTHER_USER);
        rustix::fs::fchown(&rings, Some(user), None).expect("give the directory away");
        for above in home.rings().ancestors().skip(1).take(1) {
            let permissions = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(above, permissions).expect("let others in");
        }
    }
    home.spawn("reader", &[]).finish();
}

/// Where a file may not be so long, that is said, and nobody is killed.
pub fn limited(args: &Args) {
    let bytes = args.get("bytes");
    limit_size(bytes);
    let made = [Made::create(RING, 1024), Made::anonymous(1024)];
    for error in made.map(|made| made.expect_err("too large")) {
        let is_said = match &error {
            RingError::FileSizeLimit { limit, .. } => *limit == bytes,
            RingError::Os { source, .. } => source.kind() == std::io::ErrorKind::FileTooLarge,
            _ => false,
        };
        assert!(is_said, "{error}");
    }
}

#[test]
fn a_limit_of_files_is_an_error() {
    let home = Home::new();
    for bytes in [0, 100, 1000, 4096] {
        home.spawn("limited", &[("bytes", &bytes)]).finish();
    }
    assert_eq!(memory_of(&home), []);
}

/// What cannot be done says what to do instead.
#[test]
fn errors_name_a_remedy() {
    let home = Home::new();
    let ring = Made::create(home.ring(), 8).expect("make a ring");
    let nameless = Made::anonymous(8).expect("make a ring");
    let file = std::fs::File::open(home.ring()).expect("open the link");
    for error in [
        ring.share_fd().expect_err("no descriptor"),
        nameless.share_fd().expect_err("no descriptor"),
        Made::from_fd(&file).expect_err("no descriptor"),
    ] {
        assert!(
            error.to_string().contains("give the ring a name"),
            "{error}"
        );
    }
    let moved = home.path("moved");
    std::fs::create_dir(&moved).expect("make a directory");
    let copy = moved.join("copy");
    std::fs::rename(home.ring(), &copy).expect("move the link");
    let error = Made::open(&copy).expect_err("no file of locks").to_string();
    assert!(error.contains("cannot be moved or copied"), "{error}");
    std::fs::rename(&copy, home.ring()).expect("move it back");
    let id = &memory_of(&home)[0].0;
    std::fs::remove_file(shown(id)).expect("as at a restart of the machine");
    let error = Made::open(home.ring()).expect_err("no memory").to_string();
    assert!(
        error.contains("remove the ring and make it again"),
        "{error}"
    );
    memring::remove(home.ring()).expect("remove the ring");
}
