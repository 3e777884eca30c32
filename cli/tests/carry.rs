//! `memring send` and `memring recv`: what goes in comes out.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;

use memring_testkit::commands::Place;
use memring_testkit::random::Random;
use sha2::{Digest, Sha256};

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// A gibibyte: a second or two.
const LARGE: usize = 1 << 30;

#[test]
fn a_large_file_arrives_with_the_same_sha256() {
    let place = place();
    let mut recv = place.start_to(&["recv", "big", "--create"], Stdio::piped());
    let mut send = place.start_with(&["send", "big", "--wait"], Stdio::piped());
    let (mut input, mut output) = (send.stdin(), recv.stdout());
    let feeder = thread::spawn(move || {
        let (mut noise, mut hash) = (Random::of(1), Sha256::new());
        let mut piece = vec![0; 1 << 20];
        noise.fill(&mut piece);
        for index in 0..LARGE >> 20 {
            piece[..8].copy_from_slice(&index.to_le_bytes());
            hash.update(&piece);
            input.write_all(&piece).expect("send takes all");
        }
        hash.finalize()
    });
    let drainer = thread::spawn(move || {
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 20];
        let mut length = 0;
        loop {
            match output.read(&mut piece).expect("read") {
                0 => return (length, hash.finalize()),
                n => {
                    hash.update(&piece[..n]);
                    length += n;
                }
            }
        }
    });
    send.finish().succeeded();
    recv.finish().succeeded();
    let sent = feeder.join().expect("feeder");
    let (length, received) = drainer.join().expect("drainer");
    assert_eq!(length, LARGE);
    assert_eq!(sent[..], received[..]);
}

#[test]
fn no_line_is_lost_or_doubled_between_three_senders_and_three_receivers() {
    let place = place();
    let create = [
        "recv",
        "q",
        "--lines",
        "--create",
        "--kind",
        "mpmc",
        "--slot-size",
        "64",
    ];
    let mut receivers = vec![place.start(&create)];
    for _ in 0..2 {
        receivers.push(place.start(&["recv", "q", "--lines", "--wait"]));
    }
    let mut lines = Vec::new();
    let mut senders = Vec::new();
    let mut noise = Random::of(2);
    for sender in 0..3 {
        let mut text = String::new();
        for number in 0..20_000 {
            let filling = "x".repeat(noise.below(40) as usize);
            let line = format!("{sender} {number} {filling}");
            text.push_str(&line);
            text.push('\n');
            lines.push(line);
        }
        let args = ["send", "q", "--lines", "--wait", "--keep-open"];
        senders.push(place.start_fed(&args, text.as_bytes()));
    }
    for sender in senders {
        sender.finish().succeeded();
    }
    // The last one, with nothing to say, closes the ring.
    place.run(&["send", "q"]).succeeded();
    let mut received = Vec::new();
    for receiver in receivers {
        let finished = receiver.finish().succeeded();
        received.extend(finished.text().lines().map(str::to_owned));
    }
    lines.sort();
    received.sort();
    assert_eq!(lines.len(), received.len());
    assert!(lines == received, "other lines came out than went in");
}

#[test]
fn of_senders_that_end_together_one_closes_the_ring() {
    let place = place();
    for round in 0..20 {
        let name = format!("together{round}");
        let recv = place.start(&["recv", &name, "--lines", "--create", "--kind", "mpsc"]);
        let args = ["send", &name, "--lines", "--wait"];
        let mut senders: Vec<_> = (0..2)
            .map(|_| place.start_with(&args, Stdio::piped()))
            .collect();
        place.wait_for(&name, "had two senders", |ring| ring["senders"] == 2);
        let inputs: Vec<_> = senders.iter_mut().map(|sender| sender.stdin()).collect();
        for mut input in inputs {
            input.write_all(b"last words\n").expect("write");
            // Dropped here: the end of input, of one just after the other's.
        }
        for sender in senders {
            sender.finish().succeeded();
        }
        assert_eq!(recv.finish().succeeded().text(), "last words\nlast words\n");
    }
}

#[test]
fn the_ring_stays_open_while_another_sender_is_attached() {
    let place = place();
    let mut recv = place.start(&["recv", "q", "--lines", "--create", "--kind", "mpsc"]);
    let mut patient = place.start_with(&["send", "q", "--lines", "--wait"], Stdio::piped());
    place.wait_for("q", "had a sender", |ring| ring["senders"] == 1);
    place
        .run_fed(&["send", "q", "--lines"], b"early\n")
        .succeeded();
    assert_eq!(place.list()[0]["closed"], false);
    assert!(recv.is_running());
    patient.stdin().write_all(b"late\n").expect("write");
    patient.finish().succeeded();
    assert_eq!(recv.finish().succeeded().text(), "early\nlate\n");
}

#[test]
fn keep_open_leaves_the_ring_to_the_next_sender() {
    let place = place();
    place
        .run_fed(&["send", "q", "--create", "--keep-open"], b"one ")
        .succeeded();
    assert_eq!(place.list()[0]["closed"], false);
    place.run_fed(&["send", "q"], b"two").succeeded();
    assert_eq!(place.list()[0]["closed"], true);
    place
        .run_fed(&["send", "q"], b"three")
        .failed(&["closed", "remove"]);
    assert_eq!(place.run(&["recv", "q"]).succeeded().text(), "one two");
}

#[test]
fn raw_input_comes_out_byte_by_byte_whatever_the_slots() {
    let place = place();
    let mut input = vec![0; 100_003];
    Random::of(3).fill(&mut input);
    for (kind, slot) in [
        ("spsc", "1"),
        ("mpsc", "7"),
        ("spmc", "1000"),
        ("mpmc", "1M"),
    ] {
        let create = [
            "recv",
            kind,
            "--create",
            "--kind",
            kind,
            "--slot-size",
            slot,
        ];
        let recv = place.start(&[&create[..], &["--capacity", "8"]].concat());
        place.run_fed(&["send", kind, "--wait"], &input).succeeded();
        assert!(
            recv.finish().succeeded().out == input,
            "{kind} with slots of {slot}"
        );
    }
}

#[test]
fn lines_may_be_empty_and_the_last_may_lack_its_newline() {
    let place = place();
    let text = "\n\none\r\n\n two \nlast";
    place
        .run_fed(&["send", "q", "--create", "--lines"], text.as_bytes())
        .succeeded();
    assert_eq!(place.list()[0]["length"], 6);
    let out = place.run(&["recv", "q", "--lines"]).succeeded();
    assert_eq!(out.text(), format!("{text}\n"));
    place
        .run(&["send", "empty", "--create", "--lines"])
        .succeeded();
    assert_eq!(place.run(&["recv", "empty"]).succeeded().text(), "");
}

#[test]
fn a_line_longer_than_a_slot_is_an_error_that_says_which() {
    let place = place();
    let create = ["--create", "--lines", "--slot-size", "10"];
    let send =
        |name, text: &[u8]| place.run_fed(&[&["send", name][..], &create[..]].concat(), text);
    send("a", b"0123456789\nshort\n0123456789A\nnever\n").failed(&["line 3", "11", "10"]);
    // The lines before it are in the ring, which is left open for another try.
    let listed = place.list();
    assert_eq!(
        (&listed[0]["length"], &listed[0]["closed"]),
        (&2.into(), &false.into())
    );
    send("b", b"0123456789A").failed(&["line 1", "11", "10"]);
    // One without an end in sight.
    send("c", &vec![b'x'; 1 << 20]).failed(&["line 1", "more than", "10"]);
}

#[test]
fn wait_waits_for_the_ring_and_no_longer_than_told() {
    let place = place();
    place
        .run(&["recv", "q", "--wait", "--timeout", "0.1"])
        .failed(&["/rings/q", "in time"]);
    let mut recv = place.start(&["recv", "q", "--wait", "--timeout", "50"]);
    assert!(recv.is_running());
    place
        .run_fed(&["send", "q", "--create"], b"hello")
        .succeeded();
    assert_eq!(recv.finish().succeeded().text(), "hello");
}

#[test]
fn wait_waits_for_a_taken_place_too() {
    let place = place();
    let mut first = place.start(&["recv", "q", "--create"]);
    place.wait_for("q", "had a receiver", |ring| ring["receivers"] == 1);
    place.run(&["recv", "q"]).failed(&["attach"]);
    place
        .run(&["recv", "q", "--wait", "--timeout", "0.1"])
        .failed(&["attach"]);
    let second = place.start(&["recv", "q", "--wait"]);
    first.kill();
    place
        .run_fed(&["send", "q"], b"to the successor")
        .succeeded();
    assert_eq!(second.finish().succeeded().text(), "to the successor");
}

#[test]
fn a_receiver_without_sender_waits_unless_told_to_end() {
    let place = place();
    let mut patient = place.start(&["recv", "patient", "--create"]);
    let impatient = place.start(&["recv", "impatient", "--create", "--end-on-disconnect"]);
    for name in ["patient", "impatient"] {
        let mut send = place.start_with(&["send", name, "--wait"], Stdio::piped());
        let mut input = send.stdin();
        input.write_all(b"so far").expect("write");
        place.wait_for(name, "carried it", |ring| ring["sent"] == 1);
        send.kill();
    }
    assert_eq!(impatient.finish().succeeded().text(), "so far");
    assert!(patient.is_running());
    place
        .run_fed(&["send", "patient"], b", so good")
        .succeeded();
    assert_eq!(patient.finish().succeeded().text(), "so far, so good");
}

#[test]
fn what_could_not_be_written_stays_in_the_ring() {
    let place = place();
    place
        .run_fed(&["send", "q", "--create"], b"precious")
        .succeeded();
    let full = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    place
        .start_to(&["recv", "q"], full)
        .finish()
        .failed(&["stays in the ring"]);
    assert_eq!(place.run(&["recv", "q"]).succeeded().text(), "precious");
}

#[test]
fn a_reader_that_hangs_up_is_no_news() {
    let place = place();
    place
        .run_fed(&["send", "q", "--create"], b"unheard")
        .succeeded();
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    let failed = place.start_to(&["recv", "q"], writer).finish();
    assert_eq!((failed.status.code(), failed.err.as_str()), (Some(1), ""));
    assert_eq!(place.run(&["recv", "q"]).succeeded().text(), "unheard");
}

#[test]
fn a_receiver_killed_while_writing_loses_nothing() {
    let place = place();
    let mut input = vec![0; 600_000];
    Random::of(4).fill(&mut input);
    // All of it is there first: a batch that was begun earlier could be small enough to be
    // written whole, and would be acknowledged with every right.
    place
        .run_fed(&["send", "q", "--create"], &input)
        .succeeded();
    // Nobody reads its pipe, so it is stuck in its first batch.
    let mut recv = place.start_to(&["recv", "q"], Stdio::piped());
    let (mut output, mut begun) = (recv.stdout(), [0; 1]);
    output.read_exact(&mut begun).expect("it writes");
    recv.kill();
    assert_eq!(begun[0], input[0]);
    assert!(place.run(&["recv", "q"]).succeeded().out == input);
}

#[test]
fn rings_that_cannot_be_used_are_told_apart() {
    let place = place();
    for command in ["send", "recv"] {
        place
            .run(&[command, "none"])
            .failed(&["/rings/none", "--create", "--wait"]);
    }
    place
        .run(&["send", "q", "--create", "--keep-open"])
        .succeeded();
    for (option, value, words) in [
        ("--capacity", "8", ["256", "expected 8"]),
        ("--slot-size", "8", ["16384", "expected 8"]),
        ("--kind", "mpmc", ["spsc", "expected mpmc"]),
    ] {
        let wrong = place.run(&["recv", "q", "--create", option, value]);
        wrong.failed(&words);
    }

    let path = place.rings().join("typed");
    let ring = memring::Ring::<u64, memring::Spsc>::create(path.to_str().expect("text"), 8);
    ring.expect("typed ring");
    place.run(&["recv", "typed"]).failed(&["typed", "8 bytes"]);
    File::create(place.rings().join("junk"))
        .expect("file")
        .write_all(&[7; 9999])
        .expect("write");
    place.run(&["recv", "junk"]).failed(&["junk"]);
}

#[test]
fn a_wrong_command_line_ends_with_status_2() {
    let place = place();
    for args in [
        &["send"][..],
        &["send", "q", "--capacity", "8"],
        &["recv", "q", "--kind", "spsc"],
        &["recv", "q", "--create", "--recreate"],
        &["send", "q", "--create", "--capacity", "-1"],
        &["recv", "q", "--create", "--capacity", "x"],
        &["recv", "..", "--create"],
        &["send", ""],
        &["torture", "--kills", "0"],
        &["bench", "--cpus", "0,99999"],
        &["recv", "q", "--create", "--kind", "sprc"],
        &["recv", "q", "--create", "--slot-size", "0"],
        &["recv", "q", "--create", "--slot-size", "1T"],
        &["recv", "q", "--timeout", "1"],
        &["recv", "q", "--wait", "--timeout", "-1"],
        &["frobnicate"],
        &["bench", "--quick", "--full"],
        &["remove"],
    ] {
        let finished = place.run(args);
        assert_eq!(
            finished.status.code(),
            Some(2),
            "{args:?}: {}",
            finished.err
        );
    }
    assert!(place.list().is_empty());
}

/// A stream that is closed is no end of input, and nowhere to write.
#[test]
fn a_closed_stream_is_an_error_before_anything_is_done() {
    let place = place();
    place
        .run_fed(&["send", "q", "--create", "--keep-open"], b"precious")
        .succeeded();
    let told = |redirection: &str, args: &[&str], words: &[&str]| {
        place.run_in_shell(redirection, args).failed(words);
    };
    for stream in [">&-", "1</dev/null"] {
        for command in [
            &["recv", "q", "--lines"][..],
            &["list"],
            &["torture", "--schedule"],
        ] {
            told(stream, command, &["standard output is closed"]);
        }
    }
    for stream in ["<&-", "0>/dev/null"] {
        told(stream, &["send", "q"], &["standard input is closed"]);
    }
    let ring = &place.list()[0];
    assert_eq!(
        (&ring["length"], &ring["closed"]),
        (&1.into(), &false.into())
    );
    // What is open, is good: also what leads nowhere.
    place.run_in_shell("</dev/null", &["send", "q"]).succeeded();
    place.run_in_shell(">/dev/null", &["recv", "q"]).succeeded();
}

#[test]
fn a_ring_of_others_is_opened_when_asked_for() {
    let place = place();
    let path = place.rings().join("shared");
    let builder = memring::Ring::<[u8], memring::Spsc>::builder().mode(0o666);
    builder.create(&path).expect("a ring for all");
    place
        .run(&["send", "shared"])
        .failed(&["mode 0666", "--allow-foreign"]);
    place
        .run_fed(&["send", "shared", "--allow-foreign"], b"hello")
        .succeeded();
    let received = place
        .run(&["recv", "shared", "--allow-foreign"])
        .succeeded();
    assert_eq!(received.text(), "hello");
}
