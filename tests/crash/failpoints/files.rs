//! Processes killed and stopped while they make or remove a ring.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Mpmc, RecvError, Ring, RingError};
use memring_testkit::children::Args;
use memring_testkit::homes::{Home, RING};
use memring_testkit::loads::Pair;

use super::cases::{Plan, run_all};
use super::scene::nothing_is_left;
use super::table;

type Made = Ring<Pair, Mpmc>;

/// Not zero: then every slot is written before the ring is whole.
const START: u64 = 1 << 40;

fn builder() -> memring::RingBuilder<Pair, Mpmc> {
    Made::builder().capacity(8).start_position(START)
}

/// How a ring is made, or unmade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Create,
    OpenOrCreate,
    Anonymous,
    Remove,
    /// Replaces one whatever is in it,
    Recreate,
    /// or because it has ended.
    ReplaceEnded,
}

impl Way {
    /// Whether a ring stands there before.
    fn takes_away(self) -> bool {
        matches!(self, Way::Remove | Way::Recreate | Way::ReplaceEnded)
    }
}

pub fn maker(args: &Args) {
    args.get::<Plan>("plan").arm();
    match args.get::<String>("way").as_str() {
        "Create" => match builder().create(RING) {
            Ok(_) | Err(RingError::AlreadyExists { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        "OpenOrCreate" | "ReplaceEnded" => {
            drop(builder().open_or_create(RING).expect("make a ring"))
        }
        "Recreate" => drop(builder().recreate(RING).expect("make a ring")),
        "Anonymous" => drop(builder().anonymous().expect("make a ring")),
        "Remove" => match memring::remove(RING) {
            Ok(()) | Err(RingError::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        other => panic!("no way {other}"),
    }
}

#[derive(Debug)]
struct Case {
    way: Way,
    point: Failpoint,
    act: Act,
}

/// The files there are: none, or the ring, and that is whole.
fn whole_ring_or_nothing(home: &Home) -> bool {
    let files: Vec<_> = std::fs::read_dir(home.rings())
        .expect("list the rings")
        .map(|file| file.expect("a file").file_name())
        // Of a process that died with it: the next that takes the ring away removes it.
        .filter(|name| !name.to_string_lossy().starts_with(".memring-"))
        .collect();
    match files.len() {
        0 => return false,
        1 => {}
        more => panic!("{more} files"),
    }
    let ring = Made::open(home.ring()).expect("a whole ring");
    assert_eq!(ring.capacity(), 8);
    true
}

fn run(case: &Case) {
    let home = Home::new();
    let old = case.way.takes_away().then(|| {
        let old = builder().create(home.ring()).expect("make a ring");
        if case.way == Way::ReplaceEnded {
            old.close().expect("close the ring");
        }
        old
    });
    let plan = Plan::of(case.point, 1, case.act);
    let way = format!("{:?}", case.way);
    let child = home.spawn("ring maker", &[("plan", &plan), ("way", &way)]);
    let is_there = match case.way {
        Way::Recreate | Way::ReplaceEnded => true,
        _ => matches!(
            case.point,
            Failpoint::NamePublished | Failpoint::RemovalLocked
        ),
    };
    match case.act {
        Act::Kill => {
            child.dies();
            assert_eq!(whole_ring_or_nothing(&home), is_there);
            if case.way == Way::Remove && is_there {
                // Nobody has the removal to himself any more.
                memring::remove(home.ring()).expect("remove the ring");
            }
        }
        Act::Stop => {
            child.wait_for_state('T');
            assert_eq!(whole_ring_or_nothing(&home), is_there);
            if !case.way.takes_away() {
                // Nobody waits for a creator that is stopped.
                drop(builder().open_or_create(home.ring()).expect("make a ring"));
            }
            child.resume();
            child.finish();
            assert_eq!(whole_ring_or_nothing(&home), case.way != Way::Remove);
        }
    }
    // Also replaces an ended one that a process was about to replace when it died.
    let ring = builder().open_or_create(home.ring()).expect("a ring");
    nothing_is_left(&ring);
    memring::remove(home.ring()).expect("remove the ring");
    if let Some(old) = old {
        // Whichever process died meanwhile, an endpoint of the old ring learns that it is gone.
        assert!(old.is_removed());
        let mut rx = old.receiver().expect("attach");
        // It stood there to the end, and `nothing_is_left` has closed it.
        let stood = case.way == Way::Recreate
            && case.act == Act::Kill
            && matches!(
                case.point,
                Failpoint::RemovalLocked | Failpoint::ReplacementNamed
            );
        match case.way == Way::ReplaceEnded || stood {
            true => assert_eq!(rx.recv().err(), Some(RecvError::Closed)),
            false => assert_eq!(rx.recv().err(), Some(RecvError::Removed)),
        }
    }
    let left = std::fs::read_dir(home.rings()).expect("list").count();
    assert_eq!(left, 0, "files are left");
}

#[test]
fn makers_and_removers() {
    let mut cases = Vec::new();
    for (way, points) in [
        (Way::Create, &table::OF_NAMED[..]),
        (Way::OpenOrCreate, &table::OF_NAMED),
        (Way::Anonymous, &table::OF_ANONYMOUS),
        (Way::Remove, &table::OF_REMOVAL),
        (Way::Recreate, &table::OF_REPLACEMENT),
        (Way::ReplaceEnded, &table::OF_REPLACEMENT),
    ] {
        for point in points {
            for act in [Act::Kill, Act::Stop] {
                cases.push(Case {
                    way,
                    point: *point,
                    act,
                });
            }
        }
    }
    run_all("makers and removers", &cases, |case| {
        run(case);
        Duration::ZERO
    });
}
