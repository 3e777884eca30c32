//! `memring bench`: all contenders are measured, and nothing that happens to a child hangs it.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use memring_testkit::commands::Place;
use memring_testkit::processes::{children_of, signal, wait_until_gone};
use memring_testkit::programs::Finished;
use rustix::process::Signal;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// It has ended well, and said on standard error what it was doing.
#[track_caller]
fn measured(run: Finished) -> Finished {
    assert!(run.status.success(), "{}: {}", run.status, run.err);
    let rounds: Vec<_> = run.err.lines().collect();
    assert_eq!(rounds.len(), 2, "{}", run.err);
    assert!(
        rounds[1].starts_with("memring bench: round 2 of 2"),
        "{}",
        run.err
    );
    run
}

/// It has failed, and the last line says why.
#[track_caller]
fn failed(run: &Finished, words: &[&str]) {
    assert_eq!(run.status.code(), Some(1), "{}", run.err);
    let last = run.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("memring: "), "{}", run.err);
    for word in words {
        assert!(last.contains(word), "no {word:?} in {}", run.err);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_anything_is_measured() {
    let place = place();
    for option in ["--html", "--svg"] {
        place
            .run(&["bench", option, "/nowhere/at/all"])
            .failed(&["/nowhere/at/all"]);
    }
}

#[test]
fn a_quick_run_measures_everybody() {
    let place = place();
    let page = place.rings().with_file_name("bench.html");
    let picture = place.rings().with_file_name("bench.svg");
    // What was in a file is replaced, also where it was longer.
    fs::write(&page, "x".repeat(1 << 20)).expect("write");
    let args = ["bench", "--quick", "--json", "--senders", "2", "--html"];
    let files = [page.to_str(), picture.to_str()].map(|path| path.expect("text"));
    let run = measured(place.run(&[&args[..], &[files[0], "--svg", files[1]]].concat()));
    let page = fs::read_to_string(page).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<svg").count(), 4);
    let picture = fs::read_to_string(picture).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    for word in [
        "memring spsc",
        "pipe",
        "unix socket",
        "Several senders",
        "Round trips",
    ] {
        assert!(page.contains(word) && picture.contains(word), "{word}");
    }
    let report: serde_json::Value = serde_json::from_slice(&run.out).expect("one JSON document");
    for floor in ["floor_before", "floor_after"] {
        assert!(
            report[floor]["p50"].as_u64() > Some(0),
            "{floor}: {}",
            report[floor]
        );
    }
    assert!(
        !report["placement"]["cpus"]
            .as_array()
            .expect("CPUs")
            .is_empty()
    );
    assert!(report["messages_checked"].as_u64() > Some(1000));

    let rows = report["throughput"].as_array().expect("throughput");
    for row in rows {
        let (min, median, max) = (&row["min"], &row["median"], &row["max"]);
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        assert!(number(min) > 0.0, "{row}");
        assert!(
            number(min) <= number(median) && number(median) <= number(max),
            "{row}"
        );
    }
    let measured = |contender: &str, size: u64, batch: u64, senders: u64| {
        let mut rows = rows.iter();
        assert!(
            rows.any(|row| row["contender"] == contender
                && row["size"] == size
                && row["batch"] == batch
                && row["senders"] == senders),
            "{contender}, {size} B in {batch}, {senders} senders"
        );
    };
    for contender in ["memring spsc", "pipe", "unix socket"] {
        for size in [8, 64, 256, 1024, 4096] {
            measured(contender, size, 1, 1);
        }
    }
    for contender in [
        "memring spsc",
        "memring mpsc",
        "memring spmc",
        "memring mpmc",
        "pipe",
        "unix socket",
    ] {
        measured(contender, 8, 1, 1);
        measured(contender, 8, 32, 1);
    }
    measured("memring mpsc", 8, 1, 2);

    let rows = report["round_trip"].as_array().expect("round trips");
    for (contender, wait) in [
        ("cache lines", None),
        ("memring spsc", Some("spin")),
        ("memring spsc", Some("spin_then_park")),
        ("memring spsc", Some("park")),
        ("pipe", None),
        ("unix socket", None),
    ] {
        let row = rows
            .iter()
            .find(|row| row["contender"] == contender && row["wait"].as_str() == wait);
        let row = row.unwrap_or_else(|| panic!("no {contender} {wait:?}"));
        let times: Vec<_> = ["p50", "p90", "p99", "p99.9", "max"]
            .iter()
            .map(|name| row[name].as_u64().expect("a time"))
            .collect();
        assert!(times[0] > 0 && times.is_sorted(), "{row}");
        assert!(row["trips"].as_u64() > Some(0), "{row}");
    }
}

#[test]
fn the_tables_show_every_contender_and_the_floor() {
    let place = place();
    let run = measured(place.run(&["bench", "--quick"]));
    for word in [
        "CPU",
        "floor",
        "before",
        "after",
        "memring spsc",
        "memring mpsc",
        "memring spmc",
        "memring mpmc",
        "pipe",
        "unix socket",
        "Spin,",
        "SpinThenPark,",
        "Park,",
        "p99.9",
        "no mismatch",
        "x floor: times",
        "A ring of one sender and one receiver passes",
    ] {
        assert!(run.text().contains(word), "no {word:?} in\n{}", run.text());
    }
}

#[test]
fn a_cpu_that_is_not_there_is_named() {
    place().run(&["bench", "--cpus", "0,999"]).misused(&["999"]);
}

/// Let a run measure for a moment, so that its children are at work.
fn a_moment() {
    sleep(Duration::from_millis(300));
}

#[test]
fn a_killed_child_ends_the_run_with_an_error() {
    let place = place();
    for victim in 0..2 {
        let run = place.start(&["bench"]);
        let children = children_of(run.pid(), 2);
        a_moment();
        signal(children[victim], Signal::KILL);
        failed(&run.finish(), &["process", "died", "9"]);
        wait_until_gone(children[1 - victim]);
    }
}

#[test]
fn a_child_that_hangs_ends_the_run_with_an_error() {
    let place = place();
    let run = place.start(&["bench"]);
    let children = children_of(run.pid(), 2);
    a_moment();
    signal(children[1], Signal::STOP);
    failed(&run.finish(), &["did not answer in time"]);
    for child in children {
        wait_until_gone(child);
    }
}

#[test]
fn children_do_not_outlive_a_killed_run() {
    let place = place();
    let mut run = place.start(&["bench"]);
    let children = children_of(run.pid(), 2);
    a_moment();
    // Stopped, they cannot find out by themselves.
    for &child in &children {
        signal(child, Signal::STOP);
    }
    run.kill();
    for child in children {
        wait_until_gone(child);
    }
}
