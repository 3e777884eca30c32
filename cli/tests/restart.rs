//! `memring send` and `memring recv` that are killed, started again, and whose ring is removed.

use std::io::{Read, Write};
use std::process::Stdio;

use memring_testkit::commands::Place;
use memring_testkit::random::Random;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn a_service_that_was_killed_starts_again_with_the_same_words() {
    let place = place();
    let service = ["recv", "jobs", "--create", "--lines", "--wait"];
    for round in ["one", "two"] {
        let mut recv = place.start(&service);
        place.wait_for("jobs", "had a receiver", |ring| ring["receivers"] == 1);
        let send = ["send", "jobs", "--keep-open", "--lines"];
        place.run_fed(&send, round.as_bytes()).succeeded();
        place.wait_for("jobs", "was empty", |ring| ring["length"] == 0);
        recv.kill();
    }
    // Closed, drained, and left: the next has a fresh ring.
    let recv = place.start(&service);
    place.run_fed(&["send", "jobs"], b"three").succeeded();
    assert_eq!(recv.finish().succeeded().text(), "three\n");
    let recv = place.start(&service);
    place.wait_for("jobs", "was fresh", |ring| ring["closed"] == false);
    place.run_fed(&["send", "jobs"], b"four").succeeded();
    assert_eq!(recv.finish().succeeded().text(), "four\n");
    // Closed with messages left: they are not thrown away without a word.
    place
        .run_fed(&["send", "jobs", "--create"], b"five")
        .succeeded();
    let refused = place.run_fed(&["send", "jobs", "--create"], b"six");
    refused.failed(&["1 messages left", "memring recv jobs", "--recreate"]);
    // A sender may wait for others to take them.
    let wait = ["send", "jobs", "--create", "--wait", "--timeout", "0.1"];
    place.run(&wait).failed(&["1 messages left"]);
    place
        .run_fed(&["send", "jobs", "--recreate"], b"seven")
        .succeeded();
    assert_eq!(place.run(&["recv", "jobs"]).succeeded().text(), "seven");
}

/// Killed with messages in its hands, and the ring closed behind it: nobody else takes them.
#[test]
fn what_a_killed_service_left_in_a_closed_ring_it_takes_when_it_starts_again() {
    let mut input = vec![0; 600_000];
    Random::of(5).fill(&mut input);
    for service in [
        &["recv", "jobs", "--create", "--wait"][..],
        &["recv", "jobs", "--create", "--kind", "mpmc"],
    ] {
        let place = place();
        // Its output is not read, so it is stuck in its first batch.
        let mut recv = place.start_to(service, Stdio::piped());
        let (mut output, mut begun) = (recv.stdout(), [0; 1]);
        place
            .run_fed(&["send", "jobs", "--wait"], &input)
            .succeeded();
        output.read_exact(&mut begun).expect("it writes");
        recv.kill();
        // (Its length does not count what it had in its hands: that may be all.)
        assert_eq!(place.list()[0]["closed"], true);
        let out = place.run(service).succeeded().out;
        // What was written before it was killed is written again, unless it was acknowledged.
        assert!(!out.is_empty() && input.ends_with(&out), "{}", out.len());
        // And the next has a fresh ring.
        let recv = place.start(service);
        place.wait_for("jobs", "was fresh", |ring| ring["closed"] == false);
        place.run_fed(&["send", "jobs"], b"again").succeeded();
        assert_eq!(recv.finish().succeeded().text(), "again");
    }
}

#[test]
fn those_who_use_a_ring_that_is_removed_are_told() {
    let place = place();
    let mut send = place.start_with(&["send", "q", "--create"], Stdio::piped());
    place.wait_for("q", "had a sender", |ring| ring["senders"] == 1);
    let recv = place.start(&["recv", "q"]);
    place.wait_for("q", "had a receiver", |ring| ring["receivers"] == 1);
    place.run(&["remove", "--force", "q"]).succeeded();
    recv.finish().failed(&["removed"]);
    send.stdin().write_all(b"for nobody").expect("write");
    send.finish().failed(&["removed"]);
}
