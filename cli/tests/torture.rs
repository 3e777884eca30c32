//! `memring torture`: short storms over every kind pass, what must not be is found, and nothing is
//! left behind, however a run ends.

use std::fs;
use std::path::{Path, PathBuf};

use memring_testkit::commands::Place;
use memring_testkit::processes::{children_of, signal, wait_until_gone};
use memring_testkit::programs::Finished;
use memring_testkit::text::skipped;
use memring_testkit::time::wait_until;
use rustix::process::Signal;

const KINDS: [&str; 4] = ["spsc", "mpsc", "spmc", "mpmc"];

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// Run a storm with its directory in the place's own.
fn torture(place: &Place, args: &[&str]) -> Finished {
    let rings = place.rings();
    let dir = rings.to_str().expect("text");
    place.run(&[&["torture", "--dir", dir], args].concat())
}

/// What is in a directory.
fn names(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).expect("directory");
    let names = files.map(|file| file.expect("file").file_name().into_string().expect("text"));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn every_kind_survives_a_short_storm() {
    let place = place();
    let run = torture(&place, &["--kills", "120", "--seed", "5"]).succeeded();
    let lines: Vec<&str> = run.text().lines().collect();
    assert!(lines[0].starts_with("seed 5, 120 kills"), "{}", lines[0]);
    for kind in KINDS {
        let rows = lines
            .iter()
            .filter(|line| line.split_whitespace().next() == Some(kind));
        let kills: Vec<_> = rows.map(|row| row.split_whitespace().nth(1)).collect();
        // One sender and one receiver in both layouts.
        let expected: &[_] = match kind {
            "spsc" => &[Some("15"), Some("15")],
            _ => &[Some("30")],
        };
        assert_eq!(kills, expected, "{kind} in {}", run.text());
    }
    assert!(lines[lines.len() - 1].starts_with("The contract held: 120 kills"));
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
    assert_eq!(names(&place.rings()), [""; 0]);
}

#[test]
fn all_messages_and_fates_pass() {
    let place = place();
    for (message, capacity, fate) in [
        ("8", "1", "redeliver"),
        ("64", "2", "discard"),
        ("4096", "8", "redeliver"),
        ("mixed", "1024", "discard"),
    ] {
        let args = [
            "--kills",
            "40",
            "--seed",
            "9",
            "--kind",
            "mpsc",
            "--kind",
            "spmc",
            "--message",
            message,
            "--capacity",
            capacity,
            "--on-death",
            fate,
            "--json",
        ];
        let run = torture(&place, &args).succeeded();
        let report: serde_json::Value = serde_json::from_slice(&run.out).expect("one document");
        assert_eq!(
            (&report["seed"], &report["held"]),
            (&9.into(), &true.into())
        );
        let kinds = report["kinds"].as_array().expect("kinds");
        assert_eq!(kinds.len(), 2);
        for row in kinds {
            let number = |name: &str| row[name].as_u64().expect("a number");
            assert_eq!(number("kills"), 20);
            assert!(number("stops") > 0);
            assert!(number("sent") > 100, "{row}");
            let received = number("received") + number("lost") + number("taken_along");
            assert!(received >= number("sent"), "{row}");
            assert!(
                number("received") <= number("sent") + number("cut_short"),
                "{row}"
            );
            assert!(fate == "discard" || number("lost") == 0, "{row}");
        }
    }
    assert_eq!(names(&place.rings()), [""; 0]);
}

/// Capacities that are no power of two, of which one sender and one receiver have all.
#[test]
fn both_layouts_pass() {
    let place = place();
    for (layout, capacity, fate) in [
        ("lines", "1", "redeliver"),
        ("lines", "10", "discard"),
        ("dense", "3", "redeliver"),
        ("dense", "100", "discard"),
    ] {
        let args = [
            "--kills",
            "30",
            "--seed",
            "4",
            "--kind",
            "spsc",
            "--json",
            "--layout",
            layout,
            "--capacity",
            capacity,
            "--on-death",
            fate,
        ];
        let run = torture(&place, &args).succeeded();
        let report: serde_json::Value = serde_json::from_slice(&run.out).expect("one document");
        let kinds = report["kinds"].as_array().expect("kinds");
        assert_eq!(kinds.len(), 1);
        assert_eq!(
            (&kinds[0]["layout"], &kinds[0]["kills"]),
            (&layout.into(), &30.into())
        );
    }
    assert_eq!(names(&place.rings()), [""; 0]);
}

#[test]
fn a_seed_is_a_schedule() {
    let place = place();
    let schedule = |args: &[&str]| {
        let run = torture(&place, &[&["--schedule"], args].concat()).succeeded();
        run.text().to_owned()
    };
    let one = schedule(&["--seed", "1", "--kills", "200"]);
    assert_eq!(one, schedule(&["--seed", "1", "--kills", "200"]));
    assert_ne!(one, schedule(&["--seed", "2", "--kills", "200"]));
    // A kind alone, with its share of the kills, is struck as among the others.
    let alone = schedule(&["--seed", "1", "--kills", "50", "--kind", "spmc"]);
    assert!(one.contains(&alone) && alone.lines().count() > 30);
    // A change of what a seed means changes this.
    let first = alone.lines().find(|line| line.contains("kill"));
    let expected = "spmc bout 1: after 969 us kill r3, go on, \
        InPlace Default term 4096 lingering #fbc33ff2727ed1e0";
    assert_eq!(first, Some(expected));
    assert_eq!(names(&place.rings()), [""; 0]);
}

#[test]
fn bad_options_are_refused_in_a_line() {
    let place = place();
    torture(&place, &["--capacity", "0"]).misused(&["capacity", "1 or more"]);
    torture(&place, &["--kills", "31"]).misused(&["31", "32 at least"]);
    place
        .run(&["torture", "--dir", "/nonexistent"])
        .failed(&["/nonexistent", "No such file"]);
    torture(&place, &["--capacity", "4611686018427387904"]).misused(&["capacity"]);
    for args in [
        ["--kind", "ring"],
        ["--message", "7"],
        ["--on-death", "weep"],
        ["--layout", "auto"],
        ["--senders", "0"],
        ["--kills", "many"],
    ] {
        let run = torture(&place, &args);
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(
            run.err.contains(args[0]) && run.err.contains(args[1]),
            "{}",
            run.err
        );
    }
    assert_eq!(names(&place.rings()), [""; 0]);
}

/// A storm with a saboteur: status 1, the breach in a line, and the evidence kept.
fn found(kind: &str, sabotage: &str, words: &[&str]) {
    let place = place();
    let args = [
        "--kills",
        "20",
        "--seed",
        "3",
        "--kind",
        kind,
        "--sabotage",
        sabotage,
    ];
    let run = torture(&place, &[&args[..], &["--hang-timeout", "5"]].concat());
    let all = [&["did not hold", kind, "the seed is 3"], words].concat();
    let run = run.failed(&all);
    let kept = names(&place.rings());
    assert_eq!(kept.len(), 1);
    let dir: PathBuf = place.rings().join(&kept[0]);
    assert!(run.err.contains(dir.to_str().expect("text")), "{}", run.err);
    assert_eq!(
        names(&dir),
        ["breach", "ledger", "rings", "said", "schedule"]
    );
    assert_eq!(names(&dir.join("rings")), ["ring"]);
    let ring = memring::inspect(dir.join("rings/ring").to_str().expect("text"));
    assert!(ring.is_ok_and(|ring| ring.kind.to_string() == kind && !ring.in_use));
    let breach = fs::read_to_string(dir.join("breach")).expect("breach");
    assert!(
        run.err.contains(breach.lines().next().expect("a line")),
        "{breach}"
    );
    let schedule = fs::read_to_string(dir.join("schedule")).expect("schedule");
    assert!(schedule.contains("bout 0"));
}

#[test]
fn a_lost_message_is_found() {
    for kind in KINDS {
        found(kind, "lose", &["of incarnation 0", "never received"]);
    }
}

#[test]
fn a_doubled_message_is_found() {
    for kind in KINDS {
        found(kind, "double", &["of incarnation 0", "again"]);
    }
}

#[test]
fn a_torn_message_is_found() {
    for kind in KINDS {
        found(kind, "tear", &["of incarnation 0", "torn"]);
    }
}

#[test]
fn messages_that_change_places_are_found() {
    for kind in ["spsc", "mpsc"] {
        found(kind, "swap", &[]);
    }
}

#[test]
fn a_process_that_hangs_is_found() {
    found("mpmc", "hang", &["s0", "it hangs"]);
}

const OBJECTS: [&str; 5] = ["mutex", "rwlock", "condvar", "semaphore", "latest"];

#[test]
fn every_object_survives_a_short_storm() {
    let place = place();
    let mut args = vec!["--kills", "150", "--seed", "5", "--json"];
    OBJECTS
        .iter()
        .for_each(|object| args.extend(["--object", object]));
    let run = torture(&place, &args).succeeded();
    let report: serde_json::Value = serde_json::from_slice(&run.out).expect("one document");
    let rows = report["kinds"].as_array().expect("rows");
    for (row, object) in rows.iter().zip(OBJECTS) {
        let number = |name: &str| row[name].as_u64().expect("a number");
        assert_eq!((&row["object"], number("kills")), (&object.into(), 30));
        assert!(number("stops") > 0 && number("changes") > 100, "{row}");
    }
    assert_eq!(rows.len(), OBJECTS.len());
    assert_eq!(names(&place.rings()), [""; 0]);
}

#[test]
fn a_storm_over_objects_ends_in_time() {
    let place = place();
    let args = ["--object", "mutex", "--seconds", "1", "--kills", "1000000"];
    let run = torture(&place, &args).succeeded();
    assert!(run.text().contains("The contract held"), "{}", run.text());
    assert_eq!(names(&place.rings()), [""; 0]);
}

#[test]
fn misuse_of_objects_is_found() {
    for (object, sabotage, words) in [
        ("mutex", "tear", "half changed"),
        ("mutex", "double", "inside"),
        ("rwlock", "tear", "half changed"),
        ("rwlock", "double", ""),
        ("condvar", "tear", "tokens"),
        ("semaphore", "double", "permits"),
        ("latest", "tear", "torn"),
        ("latest", "double", "inside"),
        ("mutex", "hang", "it hangs"),
    ] {
        let how = ["--object", object, "--sabotage", sabotage];
        // It ends when it is found.
        let args = ["--kills", "10000", "--seed", "3", "--hang-timeout", "5"];
        let storm = || {
            let place = place();
            let run = torture(&place, &[&how[..], &args].concat());
            (place, run)
        };
        // The process that finds it may be killed while it says so. Then nobody knows what.
        let mut storms = (0..10).map(|_| storm());
        let told = storms.find(|(_, run)| !run.err.contains("was killed before it reported it"));
        let (place, run) = told.expect("a process that lives to tell");
        run.failed(&["did not hold", object, words, "the seed is 3"]);
        let kept = place.rings().join(&names(&place.rings())[0]);
        let kept = names(&kept);
        assert_eq!(
            kept,
            ["board", "breach", "ledger", "rings", "said", "schedule"]
        );
    }
}

/// Tests that a shell without job control starts in the background ignore Ctrl-C, and
/// so does all that they start.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.expect("a mask").trim(), 16).expect("bits");
    mask >> (signal.as_raw() - 1) & 1 == 1
}

/// The processes at the ring of the only run in this directory.
fn attached(rings: &Path) -> Vec<u32> {
    let run = names(rings).pop();
    let ring = run.map(|run| memring::inspect(rings.join(run).join("rings/ring")));
    let Some(Ok(ring)) = ring else {
        return Vec::new(); // not there yet
    };
    let peers = ring.stats.senders.iter().chain(&ring.stats.receivers);
    let alive = peers.filter(|peer| peer.alive);
    alive.map(|peer| peer.pid).collect()
}

#[test]
fn nothing_is_left_of_a_run_that_is_killed() {
    for end in [Signal::KILL, Signal::INT, Signal::TERM] {
        if is_ignored(end) {
            skipped(format_args!("{end:?} is ignored here"));
            continue;
        }
        let place = place();
        let rings = place.rings();
        let dir = rings.to_str().expect("text");
        // A saboteur that hangs keeps all others where they are.
        let args = [
            "torture",
            "--dir",
            dir,
            "--kind",
            "mpmc",
            "--sabotage",
            "hang",
        ];
        let run = place.start(&args);
        // Stopped, they cannot find out by themselves. Only those that are attached: one that has
        // just begun does not die with its parent yet, and would stay stopped for ever.
        let attached = || attached(&rings);
        wait_until(
            || attached().len() == 8,
            || format!("attached: {:?}", attached()),
        );
        // Eight places and the guard.
        let all = children_of(run.pid(), 9);
        for child in attached() {
            // Or it has been killed meanwhile.
            let _ = rustix::process::Pid::from_raw(child as i32)
                .map(|pid| rustix::process::kill_process(pid, Signal::STOP));
        }
        signal(run.pid(), end);
        for child in all {
            wait_until_gone(child);
        }
        // With a breach in it, the run has kept it as evidence.
        let breach = || {
            let name = names(&rings).pop()?;
            fs::read_to_string(rings.join(name).join("breach")).ok()
        };
        wait_until(
            || names(&rings).is_empty(),
            || format!("left behind: {:?}, {:?}", names(&rings), breach()),
        );
    }
}
