//! Whole runs of the program: small, but with everybody, in their own processes and threads.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memring-rivals"));
    command.args(arguments).output().expect("it starts")
}

/// A run of few messages; long measurements, which the messages end.
fn run(json: &Path, measure: &str, more: &[&str]) -> Output {
    let json = json.to_str().expect("a name in UTF-8");
    let all = ["--rounds", "1", "--millis", "2000", "--messages", "600"];
    let chosen = ["--measure", measure, "--json", json];
    program(&[&all[..], &chosen[..], more].concat())
}

fn read(json: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(json).expect("it was written")).expect("JSON")
}

#[test]
fn everybody_passes_the_check() {
    let directory = tempfile::tempdir().expect("a directory");
    let json = directory.path().join("found.json");
    let measure = "spsc-8,spsc-1024,mpmc-1x1,mpmc-2x2,rtt-8,rtt-56,rtt-64,sleep,wake,attach,\
                   select,async-ready,async-asleep,lock,load,call,calls";
    let output = run(&json, measure, &[]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let found = read(&json);
    let rows = found["rows"].as_array().expect("rows");
    for row in rows {
        let samples = row["samples"].as_array().expect("samples");
        assert_eq!(samples.len(), 1, "{row}");
        assert!(
            samples[0]["value"].as_f64().expect("a figure") > 0.0,
            "{row}"
        );
    }
    // Everybody of the list was there.
    let list = String::from_utf8(program(&["--list"]).stdout).expect("UTF-8");
    let names = list.lines().filter(|line| !line.starts_with(' '));
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(
            rows.iter().any(|row| row["contestant"] == name),
            "{name} was not measured"
        );
    }
}

#[test]
fn a_report_is_written_from_what_an_earlier_run_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let json = directory.path().join("found.json");
    let output = run(
        &json,
        "spsc-8-single,mpmc-1x1,rtt-8-spin",
        &["--only", "memring,rtrb,floor"],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    // Figures that no run would find: rtrb is far ahead, then far behind.
    for (rate, verdict) in [(9.87e12, "**missed**"), (1.0, "met")] {
        let mut found = read(&json);
        for row in found["rows"].as_array_mut().expect("rows") {
            row["samples"][0]["floor"] = serde_json::json!([250.0, 250.0]);
            if row["contestant"] == "rtrb" {
                row["samples"][0]["value"] = rate.into();
            }
        }
        fs::write(&json, found.to_string()).expect("written");
        let out = directory.path().to_str().expect("UTF-8");
        let from = json.to_str().expect("UTF-8");
        let page = directory.path().join("page.html");
        let html = page.to_str().expect("UTF-8");
        let output = program(&["--from", from, "--report", "--out", out, "--html", html]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let page = fs::read_to_string(page).expect("written");
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(
            page.contains("rtrb (t)") && page.contains("memring (p)"),
            "{page}"
        );
        let report = fs::read_to_string(directory.path().join("BENCHMARKS.md")).expect("written");
        let notes = fs::read_to_string(directory.path().join("docs/lab.md")).expect("written");
        let of_rtrb = |line: &&str| line.contains("SPSC, 8 B, one") && line.contains("to rtrb");
        let target = notes.lines().find(of_rtrb).expect("the target is there");
        assert!(target.contains(verdict), "{target}");
        let first = |line: &&str| line.contains("One to one, 8 B, one message a call");
        let line = report.lines().find(first).expect("a line of the overview");
        assert_eq!(
            line.contains("rtrb 9870000 M/s | 0.00"),
            verdict != "met",
            "{line}"
        );
        assert!(
            !report.contains('{'),
            "a place of the template was not filled"
        );
    }
    for picture in ["throughput.svg", "round_trips.svg", "mpmc.svg"] {
        let path = directory.path().join("docs/img").join(picture);
        let drawn = fs::read_to_string(path).expect("drawn");
        assert!(drawn.contains("memring"), "{picture} does not name memring");
    }
}

#[test]
fn a_thousand_futures_wait_and_are_woken() {
    let directory = tempfile::tempdir().expect("a directory");
    let json = directory.path().join("found.json");
    let output = run(&json, "async-idle", &["--quick"]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let found = read(&json);
    assert_eq!(found["rows"].as_array().expect("rows").len(), 3);
}

#[test]
fn what_nobody_does_is_an_error() {
    let output = program(&["--only", "nobody"]);
    assert!(!output.status.success());
}
