//! `memring serve` and `memring call`: answers, and errors.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use memring::rpc::Service;
use memring::sync::Mutex;
use memring::{Ring, Spsc};
use memring_testkit::commands::Place;
use memring_testkit::programs::{Finished, Running};
use memring_testkit::time::wait_until;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// Starts a service of that name, and waits until it has so many servers.
fn serve(place: &Place, name: &str, servers: u64, args: &[&str]) -> Running {
    let running = place.start(&[&["serve", name], args].concat());
    place.wait_for(name, "had servers", |it| it["receivers"] == servers);
    running
}

#[test]
fn each_line_is_answered_in_order() {
    let place = place();
    // Before the service is there.
    let early = place.start_fed(&["call", "upper", "--wait"], b"early\n");
    let mut serving = serve(
        &place,
        "upper",
        3,
        &["--jobs", "3", "--", "tr", "a-z", "A-Z"],
    );
    assert_eq!(early.finish().succeeded().text(), "EARLY\n");

    let lines: String = (0..200).map(|number| format!("line {number}\n")).collect();
    let called = place.run_fed(&["call", "upper"], lines.as_bytes());
    assert_eq!(called.succeeded().text(), lines.to_uppercase());
    // An empty line is a request, the last one needs no newline, and no input is no request.
    let called = place.run_fed(&["call", "upper"], b"\n\nend");
    assert_eq!(called.succeeded().text(), "\n\nEND\n");
    assert_eq!(place.run(&["call", "upper"]).succeeded().text(), "");
    let called = place.run_fed(&["call", "upper", "--raw"], b"a\nb");
    assert_eq!(called.succeeded().text(), "AB");

    // An answer comes while the next line is waited for.
    let mut call = place.start_with(&["call", "upper"], Stdio::piped());
    let mut input = call.stdin();
    input.write_all(b"one\n").expect("write");
    wait_until(
        || call.text_so_far() == "ONE\n",
        || format!("it said {:?}", call.text_so_far()),
    );
    input.write_all(b"two\n").expect("write");
    drop(input);
    assert_eq!(call.finish().succeeded().text(), "ONE\nTWO\n");
    assert!(serving.is_running());
    // Clients leave nothing.
    assert_eq!(place.list().len(), 1);
}

/// The first request is answered only when the second has been: both are under way at a time.
#[test]
fn jobs_run_at_a_time_and_answers_keep_their_order() {
    let place = place();
    let flag = place.rings().with_file_name("flag");
    let script = format!(
        "read n; if [ $n = first ]; then until [ -e {0} ]; do sleep 0.01; done; \
         else touch {0}; fi; echo done $n",
        flag.display()
    );
    let _serving = serve(&place, "s", 2, &["--jobs", "2", "--", "sh", "-c", &script]);
    let called = place.run_fed(&["call", "s"], b"first\nsecond\n");
    assert_eq!(called.succeeded().text(), "done first\ndone second\n");
}

#[test]
fn the_failure_of_a_command_is_the_callers_error() {
    let place = place();
    let script = "read how; case $how in \
                  ok) echo fine;; \
                  status) echo one >&2; echo 'the last word' >&2; exit 3;; \
                  silent) exit 4;; \
                  signal) kill -9 $$;; \
                  esac";
    let serving = serve(&place, "s", 1, &["--", "sh", "-c", script]);
    for (line, words) in [
        ("status", &["line 2", "status 3", "the last word"][..]),
        ("silent", &["line 2", "status 4"]),
        ("signal", &["line 2", "signal 9"]),
    ] {
        let called = place.run_fed(&["call", "s"], format!("ok\n{line}\nok\n").as_bytes());
        assert_eq!(called.text(), "fine\n");
        let called = called.failed(words);
        assert!(!called.err.contains("one"), "{}", called.err);
    }
    // What a command says is in the server's own words, too.
    assert!(serving.err_so_far().contains("the last word\n"));
    // No failed call leaves its ring of replies behind, also if more input may come.
    let mut call = place.start_with(&["call", "s"], Stdio::piped());
    let mut input = call.stdin();
    input.write_all(b"silent\n").expect("write");
    call.finish().failed(&["line 1", "status 4"]);
    assert_eq!(place.list().len(), 1);
    drop(input);

    let _serving = serve(&place, "none", 1, &["--", "/no/such/command"]);
    place.run_fed(&["call", "none"], b"x\n").failed(&[
        "line 1",
        "/no/such/command",
        "status 127",
        "No such file",
    ]);
}

#[test]
fn long_requests_and_long_answers() {
    let place = place();
    // It reads nothing, and prints much, while there is more input than a pipe holds.
    let script = "head -c 200000 /dev/zero | tr '\\0' x";
    let args = ["--slot-size", "1M", "--", "sh", "-c", script];
    let _serving = serve(&place, "long", 1, &args);
    let request = [&[b'y'; 900_000][..], b"\n"].concat();
    place.run_fed(&["call", "long"], &request).failed(&[
        "line 1",
        "200000 bytes",
        "16384",
        "memring call: --slot-size",
    ]);
    let called = place.run_fed(&["call", "long", "--slot-size", "256K"], &request);
    assert_eq!(called.succeeded().out.len(), 200_001);

    let line = [b"a\nb\n", &[b'z'; 1 << 20][..], b"z\nc\n"].concat();
    let args = ["call", "long", "--slot-size", "256K"];
    let called = place.run_fed(&args, &line);
    assert_eq!(called.out.len(), 2 * 200_001);
    called.failed(&["line 3 has 1048577 bytes", "1048576"]);

    // Another server takes the service as it is, and insists on what it asks for.
    let serving = place.start(&["serve", "long", "--", "cat"]);
    place.wait_for("long", "had two", |it| it["receivers"] == 2);
    drop(serving);
    place
        .run(&["serve", "long", "--slot-size", "4K", "--", "cat"])
        .failed(&["service long", "1048576 bytes", "--slot-size out", "remove"]);
    is_misuse(place.run(&["serve", "long", "--capacity", "1X", "--", "cat"]));
}

/// clap's own complaints have more lines than ours.
#[track_caller]
fn is_misuse(finished: Finished) {
    assert_eq!(finished.status.code(), Some(2), "{}", finished.err);
    assert!(finished.err.starts_with("error: "), "{}", finished.err);
}

#[test]
fn what_is_no_service_with_a_server_is_an_error() {
    let place = place();
    place
        .run(&["call", "none"])
        .failed(&["no service none", "memring serve", "--wait"]);
    place
        .run(&["call", "none", "--wait", "--timeout", "0.05"])
        .failed(&["no service none"]);
    // A service whose server has gone.
    serve(&place, "left", 1, &["--", "cat"]).kill();
    place.run_fed(&["call", "left"], b"x\n").failed(&[
        "left has no server",
        "memring serve",
        "--wait",
    ]);
    place
        .run_fed(&["call", "left", "--wait", "--timeout", "0.05"], b"x\n")
        .failed(&["left has no server"]);
    // Other objects.
    let _ring = Ring::<u64, Spsc>::create(place.rings().join("ring"), 4).expect("a ring");
    let _lock = Mutex::create(place.rings().join("lock"), 1_u64).expect("a mutex");
    let typed = Service::<u64, u64>::open_or_create(place.rings().join("typed"));
    let _typed = typed.expect("a service");
    fs::write(place.rings().join("junk"), "a letter").expect("write");
    for (name, words) in [
        ("ring", &["a ring of kind spsc", "expected a service"][..]),
        (
            "lock",
            &["a mutex with a value of 8 bytes", "expected a service"],
        ),
        ("typed", &["service typed", "of a type", "bytes"]),
        ("junk", &["junk", "not a memring file"]),
    ] {
        place.run(&["call", name]).failed(words);
        place.run(&["serve", name, "--", "cat"]).failed(words);
    }
    // The other commands, at a service.
    place
        .run(&["recv", "left"])
        .failed(&["left is a service", "expected a ring"]);
    place
        .run(&["send", "left", "--create"])
        .failed(&["left is a service", "expected a ring"]);
    place
        .run(&["lock", "left", "--", "true"])
        .failed(&["left is a service", "expected a mutex"]);

    let nowhere = place.rings().join("no/name");
    let nowhere = nowhere.to_str().expect("text");
    place
        .run(&["serve", nowhere, "--", "cat"])
        .failed(&["rings/no", "make it"]);
    place.run(&["call", nowhere]).failed(&["rings/no"]);
    let long = "x".repeat(230);
    place.run(&["serve", &long, "--", "cat"]).misused(&["216"]);
    // More than there can be, and more than memory would hold.
    for jobs in ["600", "100000000000"] {
        let args = ["serve", "s", "--jobs", jobs, "--", "cat"];
        place.run(&args).failed(&["so many servers", "512"]);
    }
    for args in [
        &["serve", "s"][..],
        &["serve", "s", "--jobs", "0", "--", "cat"],
    ] {
        is_misuse(place.run(args));
    }
}

#[test]
fn a_service_that_is_closed_or_removed_ends() {
    let place = place();
    let serving = serve(&place, "s", 2, &["--jobs", "2", "--", "cat"]);
    let service = Service::<[u8], [u8]>::open(place.rings().join("s")).expect("open");
    service.close().expect("close");
    serving.finish().succeeded();
    place
        .run(&["call", "s"])
        .failed(&["s is closed", "memring serve"]);
    drop(service);
    // Closed, empty and left: the next server has a fresh one.
    let serving = serve(&place, "s", 2, &["--jobs", "2", "--", "cat"]);
    let mut call = place.start_with(&["call", "s"], Stdio::piped());
    call.stdin().write_all(b"x\n").expect("write");
    let open = place.start_with(&["call", "s"], Stdio::piped());
    place.wait_for("s", "had a client", |it| it["senders"] == 1);
    place.run(&["remove", "--force", "s"]).succeeded();
    serving.finish().failed(&["removed"]);
    drop((call, open));
}
