//! File systems without room: an error when the ring is made, and never a
//! death when it is used.

use std::fs::{File, create_dir, metadata, read_dir, remove_file};
use std::io::Write;
use std::path::{Path, PathBuf};

use memring::{Kind, Mpmc, Ring, RingError, RingKind, TryRecvError, TrySendError};
use memring_testkit::children::{Args, Child};
use memring_testkit::holders::{expect, put};
use memring_testkit::homes::Home;
use memring_testkit::loads::{Line, Load};
use memring_testkit::sys;
use memring_testkit::text::{says, skipped};
use memring_testkit::with_kind;
use rustix::fs::statvfs;
use rustix::process::{Resource, Rlimit, setrlimit};

const MIB: u64 = 1 << 20;

/// Where the children mount their small file system.
const MOUNT: &str = "mount";

/// Runs the case called `case` in a file system of `size` bytes and `inodes`
/// files, if the system lets us have one.
fn in_small_file_system(case: &str, size: u64, inodes: u64) {
    let home = Home::new();
    create_dir(home.path(MOUNT)).expect("make a directory to mount on");
    let _board = home.board("board", 3);
    let mut command = home.command(
        "full",
        &[("case", &case), ("size", &size), ("inodes", &inodes)],
    );
    sys::with_own_mounts(&mut command);
    match Child::try_spawn(command, case) {
        Ok(child) => child.finish(),
        Err(error) => skipped(format_args!("namespaces are not permitted here: {error}")),
    }
}

/// The other process of [`in_small_file_system`].
pub fn full(args: &Args) {
    let at = args.path(MOUNT);
    // What the room is counted in depends on the size of a page.
    let options = format!(
        "size={},nr_inodes={},mode=0700",
        args.get::<u64>("size"),
        args.get::<u64>("inodes")
    );
    if let Err(error) = sys::mount("tmpfs", &at, &options) {
        return skipped(format_args!("a tmpfs is not permitted here: {error}"));
    }
    match args.get::<String>("case").as_str() {
        "no room" => no_room(&at),
        "to the brim" => to_the_brim(&at),
        "no inodes" => no_inodes(&at),
        "over half" => over_half(&at),
        "many at once" => many_at_once(&at, args),
        case => panic!("no case {case}"),
    }
}

fn name_of(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}

fn is_empty(directory: &Path) -> bool {
    read_dir(directory).expect("list the directory").count() == 0
}

fn free(directory: &Path) -> u64 {
    statvfs(directory).expect("look at the file system").f_bfree
}

/// The error says how much is needed, and where.
fn no_space_for<T: Load + ?Sized, K: Kind>(made: Result<Ring<T, K>, RingError>, at: Option<&Path>) {
    let error = made.expect_err("there is no room");
    let text = error.to_string();
    match error {
        RingError::NoSpace { needed, path } => {
            assert_eq!(path.as_deref(), at);
            assert!(text.contains(&needed.to_string()), "{text}");
            assert!(at.is_none_or(|at| text.contains(name_of(at))), "{text}");
            assert!(!text.contains('\n'), "more than a line: {text}");
        }
        other => panic!("expected a lack of space, found {other}"),
    }
}

/// Sends and receives through every slot, more than once.
fn use_every_slot<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>) {
    let slots = ring.capacity() as u64;
    let mut tx = ring.sender().expect("attach a sender");
    let mut rx = ring.receiver().expect("attach a receiver");
    for lap in 0..3 {
        let numbers = lap * slots..(lap + 1) * slots;
        put(&mut tx, numbers.clone());
        expect(&mut rx, numbers);
    }
}

/// Takes all the room that is left.
fn fill(directory: &Path) {
    let path = directory.join("filler");
    let mut file = File::create(path).expect("make a file");
    for piece in [1 << 16, 4096, 1] {
        while file.write_all(&vec![7; piece]).is_ok() {}
    }
    assert_eq!(free(directory), 0);
}

fn no_room_for<T: Load + ?Sized, K: Kind>(at: &Path) {
    let path = at.join("ring");
    let name = name_of(&path);
    let before = free(at);
    // More than the whole, and more than what is left.
    let filler = at.join("filler");
    for (capacity, filled) in [(1 << 16, 0), (1 << 11, MIB - (1 << 16))] {
        let mut file = File::create(&filler).expect("make a file");
        file.write_all(&vec![7; filled as usize])
            .expect("there is room");
        let left = free(at);
        no_space_for(Ring::<T, K>::create(name, capacity), Some(&path));
        no_space_for(Ring::<T, K>::open_or_create(name, capacity), Some(&path));
        assert_eq!(free(at), left, "something was left behind");
        remove_file(&filler).expect("remove the file");
        drop(file);
        assert!(is_empty(at) && free(at) == before);
    }
    // With room, it is made.
    let ring = Ring::<T, K>::create(name, 1 << 6).expect("there is room");
    use_every_slot(&ring);
    drop(ring);
    memring::remove(name).expect("remove the ring");
    assert!(is_empty(at) && free(at) == before);
}

fn no_room(at: &Path) {
    for kind in RingKind::ALL {
        with_kind!(kind, K => {
            no_room_for::<Line, K>(at);
            no_room_for::<[u8], K>(at);
        });
    }
}

#[test]
fn a_ring_that_does_not_fit_is_an_error() {
    in_small_file_system("no room", MIB, 100);
}

fn make_or_use<T: Load + ?Sized, K: Kind>(at: &Path, make: bool) {
    let path = at.join(format!("{}-{}", K::KIND, T::NAME));
    let name = name_of(&path);
    if make {
        drop(Ring::<T, K>::create(name, 64).expect("there is room"));
    } else {
        use_every_slot(&Ring::<T, K>::open(name).expect("open the ring"));
    }
}

fn to_the_brim(at: &Path) {
    for make in [true, false] {
        for kind in RingKind::ALL {
            with_kind!(kind, K => {
                make_or_use::<Line, K>(at, make);
                make_or_use::<[u8], K>(at, make);
            });
        }
        if make {
            fill(at);
        }
    }
}

#[test]
fn a_ring_that_was_made_has_all_its_memory() {
    in_small_file_system("to the brim", 2 * MIB, 100);
}

fn no_inodes(at: &Path) {
    let file = |number: u64| at.join(format!("file-{number}"));
    let files = (0..).take_while(|number| File::create_new(file(*number)).is_ok());
    let files = files.count() as u64;
    assert!(files > 0);
    let path = at.join("ring");
    let name = name_of(&path);
    for made in [
        Ring::<u64, Mpmc>::create(name, 8),
        Ring::<u64, Mpmc>::open_or_create(name, 8),
    ] {
        let text = made.expect_err("there is no free descriptor").to_string();
        assert!(
            text.contains(name) && text.contains("No space left"),
            "{text}"
        );
    }
    assert_eq!(read_dir(at).expect("list").count() as u64, files);
    remove_file(file(0)).expect("remove a file");
    let ring = Ring::<Line, Mpmc>::create(name, 8).expect("there is one");
    use_every_slot(&ring);
}

#[test]
fn no_file_to_be_had_is_an_error() {
    in_small_file_system("no inodes", MIB, 10);
}

/// An ended ring of which two have no room is replaced all the same.
fn over_half(at: &Path) {
    for kind in RingKind::ALL {
        with_kind!(kind, K => {
            let path = at.join("ring");
            let open = || Ring::<Line, K>::open_or_create(name_of(&path), 1 << 13);
            let ring = open().expect("there is room");
            let size = metadata(&path).expect("look at the ring").len();
            assert!(free(at) * statvfs(at).expect("look at it").f_frsize < size, "there is room for two: this tests nothing");
            put(&mut ring.sender().expect("attach a sender"), 0..1);
            ring.close().expect("close it");
            match open() {
                Err(RingError::Closed { messages: 1, .. }) => {}
                other => panic!("{other:?}"),
            }
            expect(&mut ring.receiver().expect("attach a receiver"), 0..1);
            drop(ring);
            let fresh = open().expect("the ended one goes first");
            assert!(!fresh.is_closed());
            drop(fresh);
            memring::remove(name_of(&path)).expect("remove it");
            assert!(is_empty(at));
        });
    }
}

#[test]
fn an_ended_ring_makes_room_for_its_replacement() {
    in_small_file_system("over half", MIB, 10);
}

/// Words of the board: creators that are ready, rings made, rings refused.
const READY: usize = 0;
const MADE: usize = 1;
const REFUSED: usize = 2;

const CREATORS: u64 = 6;
const ROUNDS: usize = 60;
const SLOTS: usize = 256;

fn many_at_once(at: &Path, args: &Args) {
    // Room for two and a half.
    let probe = at.join("probe");
    drop(Ring::<Line, Mpmc>::create(name_of(&probe), SLOTS).expect("there is room"));
    let size = metadata(&probe).expect("look at the ring").len();
    remove_file(&probe).expect("remove it");
    let before = free(at);
    let filler = File::create(at.join("filler")).expect("make a file");
    let filled = args.get::<u64>("size") - size * 5 / 2;
    (&filler)
        .write_all(&vec![7; filled as usize])
        .expect("there is room");
    let creators = (0..CREATORS).map(|number| {
        let command = args.command("full creator", &[("number", &number)]);
        Child::spawn(command, "full creator")
    });
    let creators: Vec<Child> = creators.collect();
    creators.into_iter().for_each(Child::finish);
    remove_file(at.join("filler")).expect("remove the file");
    drop(filler);
    let board = args.board("board");
    println!("{} made, {} refused", board.get(MADE), board.get(REFUSED));
    assert!(board.get(MADE) > 0 && board.get(REFUSED) > 0);
    assert!(
        is_empty(at) && free(at) == before,
        "something was left behind"
    );
}

/// Makes rings and uses them: one of its own, or one of all.
pub fn creator(args: &Args) {
    let board = args.board("board");
    let number: u64 = args.get("number");
    let shared = number.is_multiple_of(2);
    let path: PathBuf = match shared {
        true => args.path(MOUNT).join("shared"),
        false => args.path(MOUNT).join(format!("own-{number}")),
    };
    let name = name_of(&path);
    board.add(READY, 1);
    board.wait(READY, CREATORS);
    for _ in 0..ROUNDS {
        let made = match shared {
            true => Ring::<Line, Mpmc>::open_or_create(name, SLOTS),
            false => Ring::<Line, Mpmc>::create(name, SLOTS),
        };
        let ring = match made {
            Ok(ring) => ring,
            Err(RingError::NoSpace { .. }) => {
                board.add(REFUSED, 1);
                std::thread::yield_now();
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        board.add(MADE, 1);
        if shared {
            trample(&ring);
        } else {
            use_every_slot(&ring);
        }
        match memring::remove(name) {
            Ok(()) => {}
            Err(RingError::NotFound { .. }) if shared => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes to every slot, while others do.
fn trample(ring: &Ring<Line, Mpmc>) {
    let mut tx = ring.sender().expect("attach a sender");
    let mut rx = ring.receiver().expect("attach a receiver");
    for number in 0..2 * SLOTS as u64 {
        match tx.try_send([number; 8]) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Held(..)) => {}
            Err(TrySendError::Removed(_)) => return, // by another of them
            Err(error) => panic!("{error}"),
        }
        match rx.try_recv() {
            Ok(line) => assert!(line.iter().all(|word| *word == line[0])),
            Err(TryRecvError::Empty | TryRecvError::Held(_)) => {}
            Err(TryRecvError::Removed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn many_creators_where_there_is_hardly_room() {
    in_small_file_system("many at once", MIB, 100);
}

/// A limit on the size of files.
#[test]
fn a_limit_on_files_is_an_error() {
    let home = Home::new();
    home.spawn("limited", &[]).finish();
}

pub fn limited(args: &Args) {
    // To go beyond it would raise SIGXFSZ, which ends a process.
    let limit = Rlimit {
        current: Some(MIB),
        maximum: Some(MIB),
    };
    setrlimit(Resource::Fsize, limit).expect("limit the size of files");
    for kind in RingKind::ALL {
        with_kind!(kind, K => within_limit::<Line, K>(&args.path("rings")));
    }
}

fn within_limit<T: Load + ?Sized, K: Kind>(directory: &Path) {
    let path = directory.join("ring");
    let name = name_of(&path);
    for made in [
        Ring::<T, K>::create(name, 1 << 16),
        Ring::<T, K>::open_or_create(name, 1 << 16),
        Ring::<T, K>::recreate(name, 1 << 16),
        Ring::<T, K>::anonymous(1 << 16),
    ] {
        match made {
            Err(error @ RingError::FileSizeLimit { limit: MIB, .. }) => {
                says(&error, &["1048576 bytes", "ulimit -f", "smaller capacity"]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(is_empty(directory));
    use_every_slot(&Ring::<T, K>::anonymous(64).expect("within the limit"));
    use_every_slot(&Ring::<T, K>::create(name, 64).expect("within the limit"));
    memring::remove(name).expect("remove the ring");
}
