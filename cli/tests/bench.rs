//! `memring bench`: all contenders are measured, and nothing that happens to a child hangs it.

use std::thread::sleep;
use std::time::Duration;

use memring_testkit::commands::Place;
use memring_testkit::processes::{children_of, signal, wait_until_gone};
use rustix::process::Signal;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn a_quick_run_measures_everybody() {
    let place = place();
    let run = place
        .run(&["bench", "--quick", "--json", "--senders", "2"])
        .succeeded();
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
    let run = place.run(&["bench", "--quick"]).succeeded();
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
        run.finish().failed(&["process", "died", "9"]);
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
    run.finish().failed(&["did not answer in time"]);
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
