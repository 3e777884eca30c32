//! `memring list`, `memring remove` and the help texts.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use memring_testkit::commands::Place;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn list_tells_what_is_there() {
    let place = place();
    assert_eq!(place.run(&["list"]).succeeded().text(), "");
    assert!(place.list().is_empty());

    let args = [
        "send",
        "b",
        "--create",
        "--kind",
        "mpmc",
        "--capacity",
        "16",
        "--lines",
    ];
    place.run_fed(&args, b"1\n2\n3\n").succeeded();
    let mut recv = place.start(&["recv", "a", "--create", "--slot-size", "100"]);
    place.wait_for("a", "had a receiver", |ring| ring["receivers"] == 1);
    fs::write(place.rings().join("junk"), "this is no ring").expect("write");

    let rings = place.list();
    let names: Vec<_> = rings.iter().map(|ring| ring["name"].as_str()).collect();
    assert_eq!(names, [Some("a"), Some("b"), Some("junk")]);
    let (a, b, junk) = (&rings[0], &rings[1], &rings[2]);
    assert_eq!(
        (&a["kind"], &a["message"]),
        (&"spsc".into(), &"bytes".into())
    );
    assert_eq!(
        (&a["message_size"], &a["in_use"]),
        (&100.into(), &true.into())
    );
    assert_eq!((&a["senders"], &a["receivers"]), (&0.into(), &1.into()));
    assert_eq!((&b["kind"], &b["capacity"]), (&"mpmc".into(), &16.into()));
    assert_eq!(
        (&a["layout"], b["layout"].is_null()),
        (&"dense".into(), true)
    );
    assert_eq!((&b["length"], &b["sent"]), (&3.into(), &3.into()));
    assert_eq!((&b["in_use"], &b["closed"]), (&false.into(), &true.into()));
    assert!(b["size"].as_u64().expect("size") > 16 * 16 * 1024);
    assert!(junk["error"].is_string() && junk["kind"].is_null());

    let table = place.run(&["list"]).succeeded();
    let lines: Vec<_> = table.text().lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("NAME"));
    for (line, words) in [
        (
            lines[1],
            &["a ", "spsc", "up to 100 B", "dense", "in use"][..],
        ),
        (
            lines[2],
            &["b ", "mpmc", "up to 16 KiB", " 16 ", " 3 ", "idle, closed"],
        ),
        (lines[3], &["junk"]),
    ] {
        for word in words {
            assert!(line.contains(word), "no {word:?} in {line:?}");
        }
    }
    recv.kill();
    assert_eq!(place.list()[0]["in_use"], false);
}

#[test]
fn capacity_and_layout_are_as_asked_for() {
    let place = place();
    let make = |name, args: &[&str]| {
        place
            .run(&[&["send", name, "--create"], args].concat())
            .succeeded();
        let rings = place.list();
        let ring = rings.iter().find(|ring| ring["name"] == name);
        let ring = ring.expect("the ring");
        (ring["capacity"].clone(), ring["layout"].clone())
    };
    let small = ["--slot-size", "48", "--capacity", "10"];
    let with = |args: &[&'static str]| [&small[..], args].concat();
    assert_eq!(make("a", &small), (10.into(), "lines".into()));
    assert_eq!(
        make("b", &with(&["--layout", "dense"])),
        (10.into(), "dense".into())
    );
    assert_eq!(
        make("c", &with(&["--layout", "lines"])),
        (10.into(), "lines".into())
    );
    let none = serde_json::Value::Null;
    assert_eq!(make("d", &with(&["--kind", "mpsc"])), (16.into(), none));
    place
        .run(&["send", "e", "--create", "--layout", "lines"])
        .misused(&["layout", "dense", "48 bytes"]);
    place
        .run(&["send", "a", "--layout", "lines"])
        .misused(&["--layout", "--create"]);
    assert_eq!(place.list().len(), 4);
}

#[test]
fn looking_makes_no_directory() {
    let place = place();
    fs::remove_dir(place.rings()).expect("remove the directory");
    place.run(&["list"]).succeeded();
    place.run(&["remove", "q"]).failed(&["no ring"]);
    place.run(&["recv", "q"]).failed(&["no ring"]);
    assert!(!place.rings().exists());
}

#[test]
fn an_output_that_is_full_is_named() {
    let place = place();
    place.run(&["send", "q", "--create"]).succeeded();
    for args in [&["list"][..], &["list", "--json"]] {
        place
            .run_in_shell(">/dev/full", args)
            .failed(&["cannot write standard output", "No space left"]);
    }
}

#[test]
fn names_cannot_write_to_the_terminal() {
    let place = place();
    place.list();
    fs::write(place.rings().join("a\x1b[2J"), "").expect("write");
    let output = place.run(&["list"]).succeeded();
    let table = output.text();
    assert!(!table.contains('\x1b'), "{table:?}");
    assert!(table.contains("a\\u{1b}[2J  "), "{table:?}");
    assert_eq!(place.list()[0]["name"], "a\x1b[2J");
}

#[test]
fn remove_spares_a_ring_in_use_unless_forced() {
    let place = place();
    let mut send = place.start_with(&["send", "q", "--create"], Stdio::piped());
    place.wait_for("q", "had a sender", |ring| ring["senders"] == 1);
    place
        .run(&["remove", "q"])
        .failed(&["\"q\"", "in use", "1 sender", "--force"]);
    assert_eq!(place.list().len(), 1);
    place.run(&["remove", "--force", "q"]).succeeded();
    assert!(place.list().is_empty());
    drop(send.stdin());
    send.finish().succeeded();
    // A damaged ring, and one of another version, begin like a ring.
    for name in ["damaged", "old"] {
        place.run(&["send", name, "--create"]).succeeded();
        let file = fs::File::options()
            .write(true)
            .open(place.rings().join(name));
        let at = if name == "old" { 8 } else { 88 };
        file.expect("open")
            .write_all_at(&[0xee], at)
            .expect("write");
        place.run(&["remove", name]).failed(&[name, "--force"]);
        place.run(&["remove", "--force", name]).succeeded();
    }
    assert!(place.list().is_empty());
}

#[test]
fn remove_takes_what_it_can() {
    let place = place();
    for name in ["a", "b"] {
        place.run(&["send", name, "--create"]).succeeded();
    }
    let finished = place.run(&["remove", "a", "none", "b"]);
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.err.contains("/rings/none"), "{}", finished.err);
    assert!(place.list().is_empty());

    // What is no ring is not removed by mistake.
    let junk = place.rings().join("junk");
    fs::write(&junk, "a letter").expect("write");
    place.run(&["remove", "junk"]).failed(&["junk"]);
    place
        .run(&["remove", "--force", "junk"])
        .failed(&["junk", "not a memring file"]);
    assert!(junk.exists());
    let elsewhere = place.rings().join("elsewhere");
    place
        .run(&["send", elsewhere.to_str().expect("text"), "--create"])
        .succeeded();
    place
        .run(&["remove", elsewhere.to_str().expect("text")])
        .succeeded();
    assert!(!elsewhere.exists());
}

#[test]
fn help_tells_every_option_and_status() {
    let place = place();
    let opening = [
        "--create",
        "--recreate",
        "--exclusive",
        "--on-death",
        "--mode",
        "--kind",
        "--capacity",
        "--slot-size",
        "--layout",
        "--allow-foreign",
        "--wait",
        "--timeout",
    ];
    for (command, options) in [
        (
            "bench",
            &[
                "--full",
                "--quick",
                "--json",
                "--cpus",
                "--senders",
                "--receivers",
                "--html",
                "--svg",
            ][..],
        ),
        (
            "torture",
            &[
                "--kills",
                "--seed",
                "--kind",
                "--senders",
                "--receivers",
                "--capacity",
                "--layout",
                "--message",
                "--on-death",
                "--json",
                "--schedule",
                "--dir",
            ],
        ),
        (
            "send",
            &[&opening[..], &["--lines", "--keep-open"]].concat(),
        ),
        (
            "recv",
            &[&opening[..], &["--lines", "--end-on-disconnect"]].concat(),
        ),
        (
            "serve",
            &["--jobs", "--capacity", "--slot-size", "--redeliver"],
        ),
        ("call", &["--timeout", "--wait", "--slot-size", "--raw"]),
        ("listen", &["--capacity", "--slot-size"]),
        ("connect", &["--wait", "--timeout"]),
        ("lock", &["--nonblock", "--timeout", "--allow-foreign"]),
        ("create", &opening[1..]),
        ("list", &["--json", "--pids"]),
        ("manual", &["--dir"]),
        ("remove", &["--force"]),
    ] {
        let help = place.run(&[command, "--help"]).succeeded();
        for word in options
            .iter()
            .chain(&["Usage:", "Exit status:", "Examples:"])
        {
            assert!(help.text().contains(word), "{command} --help lacks {word}");
        }
        let widest = help.text().lines().map(|line| line.chars().count()).max();
        assert!(
            widest <= Some(80),
            "{command} --help is {widest:?} columns wide"
        );
        assert!(place.run(&["--help"]).text().contains(command), "{command}");
    }
    for hidden in ["bench-peer", "torture-peer", "tied"] {
        assert!(!place.run(&["--help"]).text().contains(hidden));
    }
    assert!(
        place
            .run(&["--version"])
            .text()
            .contains(env!("CARGO_PKG_VERSION"))
    );
}
