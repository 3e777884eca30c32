//! A closed standard stream is an error, before anything is done.

use memring_testkit::commands::Place;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn a_closed_stream_is_an_error_of_all_that_need_it() {
    let place = place();
    place.run(&["create", "q"]).succeeded();
    place
        .run_fed(&["send", "full", "--create", "--lines"], b"1\n2\n")
        .succeeded();
    let before = place.list();
    let out = [
        &["--version"][..],
        &["--help"],
        &["list", "--help"],
        &["list"],
        &["recv", "full"],
        &["call", "q"],
        &["listen", "@cli-streams"],
        &["connect", "@cli-streams"],
        &["lock", "l", "--", "true"],
        &["bench", "--quick"],
        &["torture", "--schedule"],
    ];
    for args in out {
        place
            .run_in_shell(">&-", args)
            .failed(&["standard output is closed"]);
    }
    for args in [
        &["send", "q"][..],
        &["call", "q"],
        &["listen", "@cli-streams"],
        &["connect", "@cli-streams"],
        &["lock", "l", "--", "true"],
    ] {
        place
            .run_in_shell("<&-", args)
            .failed(&["standard input is closed"]);
    }
    // Nothing was taken, closed or made.
    assert_eq!(place.list(), before);
    // Those that need none do without.
    place.run_in_shell("<&- >&-", &["create", "r"]).succeeded();
    place.run_in_shell("<&- >&-", &["remove", "r"]).succeeded();
    place.run_in_shell("<&-", &["list"]).succeeded();
}

#[test]
fn an_output_that_takes_nothing_is_named() {
    let place = place();
    place.run(&["create", "q"]).succeeded();
    for args in [
        &["list"][..],
        &["list", "--json"],
        &["--version"],
        &["--help"],
    ] {
        let words = ["standard output", "No space left on device"];
        let said = place.run_in_shell(">/dev/full", args).failed(&words);
        assert_eq!(said.err.matches("No space left").count(), 1, "{}", said.err);
    }
}

#[test]
fn the_version_names_the_format() {
    let version = place().run(&["--version"]).succeeded();
    let format = format!("(format version {})\n", memring::FORMAT_VERSION);
    assert!(version.text().ends_with(&format), "{}", version.text());
}
