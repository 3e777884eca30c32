//! `memring list`: of which names, who uses them, and how wide.

use std::io::Write;
use std::process::Stdio;

use memring_testkit::commands::Place;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn only_what_was_asked_for_is_listed() {
    let place = place();
    for name in ["a", "b", "c"] {
        place.run(&["create", name]).succeeded();
    }
    std::fs::write(place.rings().join("junk"), "no ring").expect("write");
    let listed = |args: &[&str]| {
        let finished = place.run(&[&["list", "--json"], args].concat());
        let rings: Vec<serde_json::Value> =
            serde_json::from_slice(&finished.out).expect("an array");
        let names: Vec<_> = rings
            .iter()
            .map(|ring| ring["name"].as_str().expect("a name").to_owned())
            .collect();
        (finished.status.code(), names.join(" "), finished.err)
    };
    assert_eq!(listed(&["c", "a"]), (Some(0), "c a".into(), String::new()));
    let path = place.rings().join("b");
    let path = path.to_str().expect("text");
    assert_eq!(listed(&[path]).1, path);

    // The others are listed all the same.
    let (status, names, complaints) = listed(&["a", "none", "junk", "b"]);
    assert_eq!((status, names.as_str()), (Some(1), "a b"));
    assert!(
        complaints.contains("/none") && complaints.contains("junk"),
        "{complaints}"
    );
    assert!(complaints.contains("2 of 4"), "{complaints}");
    let (status, names, complaints) = listed(&["none"]);
    assert_eq!((status, names.as_str()), (Some(1), ""));
    assert_eq!(complaints.lines().count(), 1, "{complaints}");
    let table = place.run(&["list", "b"]).succeeded();
    assert!(
        table.text().contains("\nb ") && !table.text().contains("\na "),
        "{}",
        table.text()
    );
}

#[test]
fn processes_are_named() {
    let place = place();
    let mut send = place.start_with(&["send", "q", "--create", "--kind", "mpmc"], Stdio::piped());
    place.wait_for("q", "had a sender", |ring| ring["senders"] == 1);
    let mut recv = place.start(&["recv", "q"]);
    place.wait_for("q", "had a receiver", |ring| ring["receivers"] == 1);
    let (sender, receiver) = (send.pid(), recv.pid());
    let table = place.run(&["list", "--pids"]).succeeded();
    for line in [
        format!("  senders: {sender}\n"),
        format!("  receivers: {receiver}\n"),
    ] {
        assert!(table.text().contains(&line), "{}", table.text());
    }
    let ring = &place.list()[0];
    let user = |pid| serde_json::json!([{"pid": pid, "alive": true}]);
    assert_eq!(ring["sender_processes"], user(sender));
    assert_eq!(ring["receiver_processes"], user(receiver));
    assert_eq!(
        (&ring["policy"], &ring["wakeups"]),
        (&"redeliver".into(), &"blocking".into())
    );
    assert!(ring["schema"].is_null() && ring["senders_blocked_by"].is_null());
    // A killed one is told apart.
    recv.kill();
    let table = place.run(&["list", "--pids"]).succeeded();
    let line = format!("  receivers: {receiver} (dead)\n");
    assert!(table.text().contains(&line), "{}", table.text());
    drop(send.stdin());
    send.finish();
}

#[test]
fn one_that_blocks_the_others_is_named() {
    let place = place();
    place
        .run(&["create", "q", "--kind", "mpmc", "--capacity", "4"])
        .succeeded();
    let ring = memring::Ring::<[u8], memring::Mpmc>::open(place.rings().join("q")).expect("open");
    let (mut sender, mut receiver) = (
        ring.sender().expect("attach"),
        ring.receiver().expect("attach"),
    );
    for _ in 0..4 {
        sender.try_send(b"x").expect("there is room");
    }
    let lease = receiver.try_lease().expect("a message");
    let me = std::process::id();
    let row = &place.list()[0];
    assert_eq!(row["senders_blocked_by"]["pid"], me, "{row}");
    assert_eq!(row["senders_blocked_by"]["side"], "receiver");
    let table = place.run(&["list"]).succeeded();
    let words = format!("in use, senders blocked by {me}");
    assert!(table.text().contains(&words), "{}", table.text());
    lease.release();
    assert!(place.list()[0]["senders_blocked_by"].is_null());
}

/// What the program writes to a terminal of so many columns.
fn on_terminal(place: &Place, columns: u16, args: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("grant");
    unlockpt(&ours).expect("unlock");
    let name = ptsname(&ours, Vec::new()).expect("its name");
    let theirs = std::fs::File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("text"))
        .expect("open");
    let size = rustix::termios::Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&theirs, size).expect("set its size");
    let mark = theirs.try_clone().expect("clone");
    let running = place.start_to(args, theirs);
    assert!(running.finish().status.success());
    // (The kernel keeps what a short program writes; a last line ends it.)
    (&mark).write_all(b"\x04").expect("write");
    let mut reader = std::fs::File::from(ours);
    let mut text = Vec::new();
    let mut byte = [0];
    while std::io::Read::read(&mut reader, &mut byte).expect("read") == 1 && byte[0] != 4 {
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("text").replace('\r', "")
}

#[test]
fn lines_are_no_wider_than_the_terminal() {
    let place = place();
    let long = "a-name-that-is-longer-than-anybody-would-like-to-read-in-a-table";
    place.run(&["create", long]).succeeded();
    place.run(&["create", "b"]).succeeded();
    for columns in [50, 80, 120] {
        let table = on_terminal(&place, columns, &["list"]);
        assert_eq!(table.lines().count(), 3, "{table}");
        for line in table.lines() {
            assert!(
                line.chars().count() <= usize::from(columns),
                "{columns}: {line:?}"
            );
        }
        assert!(
            table.contains("a-name-that") && table.contains('…'),
            "{table}"
        );
    }
    // Elsewhere, nothing is cut.
    let table = place.run(&["list"]).succeeded();
    assert!(table.text().contains(long) && !table.text().contains('…'));
}
