//! `memring create`, and what else makes rings.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use memring_testkit::commands::Place;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn a_ring_is_made_once() {
    let place = place();
    let args = [
        "create",
        "q",
        "--kind",
        "Mpmc",
        "--capacity",
        "1k",
        "--slot-size",
        "64",
        "--on-death",
        "discard",
    ];
    for _ in 0..2 {
        assert_eq!(place.run(&args).succeeded().text(), "");
    }
    let rings = place.list();
    let ring = &rings[0];
    assert_eq!(
        (&ring["kind"], &ring["capacity"]),
        (&"mpmc".into(), &1024.into())
    );
    assert_eq!(
        (&ring["message_size"], &ring["policy"]),
        (&64.into(), &"discard".into())
    );
    assert_eq!(ring["in_use"], false);
    // It is left as it is, where nothing else was asked for.
    place.run(&["create", "q"]).succeeded();
    place
        .run(&["create", "q", "--capacity", "5"])
        .failed(&["1024", "expected 8", "--recreate"]);
    place
        .run(&["create", "q", "--kind", "SPSC"])
        .failed(&["mpmc", "expected spsc", "--recreate"]);
    assert_eq!(place.list()[0]["capacity"], 1024);
    place
        .run(&["create", "q", "--recreate", "--kind", "spsc"])
        .succeeded();
    assert_eq!(place.list()[0]["kind"], "spsc");
}

#[test]
fn exclusive_fails_where_a_ring_is() {
    let place = place();
    place
        .run(&["create", "q", "--exclusive", "--capacity", "3"])
        .succeeded();
    for command in ["create", "send", "recv"] {
        let args = match command {
            "create" => vec!["create", "q", "--exclusive"],
            command => vec![command, "q", "--create", "--exclusive"],
        };
        place
            .run(&args)
            .failed(&["exists already", "--exclusive", "--recreate"]);
    }
    assert_eq!(place.list()[0]["capacity"], 3);
    let both = place.run(&["create", "q", "--exclusive", "--recreate"]);
    assert_eq!(both.status.code(), Some(2), "{}", both.err);
    place
        .run(&["send", "q", "--exclusive"])
        .misused(&["--exclusive", "--create"]);
}

#[test]
fn a_ring_made_for_others_is_opened_by_those_who_trust_them() {
    let place = place();
    place.run(&["create", "q", "--mode", "0622"]).succeeded();
    let mode = fs::metadata(place.rings().join("q"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o622);
    place
        .run(&["create", "q"])
        .failed(&["0622", "--allow-foreign"]);
    place.run(&["create", "q", "--allow-foreign"]).succeeded();
    place
        .run_fed(&["send", "q", "--allow-foreign"], b"x")
        .succeeded();
    let received = place.run(&["recv", "q", "--allow-foreign"]).succeeded();
    assert_eq!(received.text(), "x");
}

#[test]
fn a_closed_ring_is_replaced_or_named_with_what_helps() {
    let place = place();
    place
        .run_fed(&["send", "q", "--create", "--capacity", "8"], b"left")
        .succeeded();
    place
        .run(&["create", "q"])
        .failed(&["closed", "1 messages", "memring recv q", "--recreate"]);
    place.run(&["recv", "q"]).succeeded();
    place.run(&["create", "q"]).succeeded();
    assert_eq!(place.list()[0]["closed"], false);
}

#[test]
fn what_cannot_be_is_misuse() {
    let place = place();
    for args in [
        &["create"][..],
        &["create", "q", "--mode", "888"],
        &["create", "q", "--kind", "ring"],
        &["create", "q", "--slot-size", "0"],
        &["create", "q", "--capacity", "many"],
        &["create", "q", "--capacity", "99999G"],
        &["create", ""],
        &["create", "q", "--layout", "lines"],
        &["create", "q", "--timeout", "1"],
        &["list", ""],
        &["list", "q", ""],
        &["remove", ""],
        &["remove", "q", ""],
        &["bench", "--html"],
        &["manual"],
        &["no-such-command"],
        &["recv", ""],
        &["serve", "", "--", "true"],
        &["serve", "s", "--capacity", "0", "--", "true"],
        &["call", ""],
        &["lock", "", "--", "true"],
        &["lock", "l"],
        &["listen", ""],
        &["connect", ""],
        &["torture", "--kind", "ring"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", output.err);
        assert!(!output.err.is_empty());
    }
    assert!(place.list().is_empty());
}
