//! `memring listen` and `memring connect`: both ways, and the death of either.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use memring::uds::{Listener, Nothing, RendezvousError, connect};
use memring_testkit::commands::Place;
use memring_testkit::forks::NOBODY;
use memring_testkit::processes::signal;
use memring_testkit::programs::Running;
use memring_testkit::random::Random;
use memring_testkit::time::wait_until;
use rustix::process::Signal;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// A path for a socket there.
fn path(place: &Place) -> String {
    let path = place.rings().with_file_name("socket");
    path.to_str().expect("text").to_owned()
}

/// Waits until somebody listens there; does not take part.
fn wait_for_listener(address: &str) {
    let is_listening = || {
        // By another type of socket than rendezvous have, which is told from nobody.
        let refused = UnixStream::connect(address).expect_err("another type of socket");
        refused.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error())
    };
    wait_until(is_listening, || format!("nobody listens at {address}"));
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    Random::of(seed).fill(&mut noise);
    noise
}

#[test]
fn bytes_go_both_ways_and_both_ends_end() {
    let place = place();
    let name = format!("@memring-test-{}", std::process::id());
    for (address, there, back) in [
        (path(&place), 5_000_000, 3_000_000),
        (path(&place), 0, 100),
        (name, 100, 0),
    ] {
        let (there, back) = (noise(1, there), noise(2, back));
        // The one that connects may be first.
        let args = ["connect", &address, "--wait", "--timeout", "60"];
        let connecting = place.start_fed(&args, &there);
        let listening = place.start_fed(&["listen", &address], &back);
        let (connecting, listening) = (connecting.finish(), listening.finish());
        assert!(connecting.succeeded().out == back);
        assert!(listening.succeeded().out == there);
        assert!(!fs::exists(&address).expect("look"), "{address} is left");
    }
}

#[test]
fn it_is_for_people_too() {
    let place = place();
    let address = path(&place);
    let mut listening = place.start_with(&["listen", &address], Stdio::piped());
    let mut connecting = place.start_with(&["connect", &address, "--wait"], Stdio::piped());
    let says = |it: &Running, text: &str| {
        wait_until(
            || it.text_so_far() == text,
            || format!("{:?}, {}", it.text_so_far(), it.err_so_far()),
        );
    };
    let (mut to_connecting, mut to_listening) = (listening.stdin(), connecting.stdin());
    to_listening.write_all(b"hello\n").expect("write");
    says(&listening, "hello\n");
    to_connecting.write_all(b"who is it?\n").expect("write");
    says(&connecting, "who is it?\n");
    // One direction ends, the other goes on.
    drop(to_listening);
    to_connecting.write_all(b"good-bye\n").expect("write");
    says(&connecting, "who is it?\ngood-bye\n");
    assert!(listening.is_running() && connecting.is_running());
    drop(to_connecting);
    listening.finish().succeeded();
    connecting.finish().succeeded();
}

/// Both ends, as they talk: the one that is to be killed, the other, and their inputs.
fn talking(place: &Place, kills_listener: bool) -> (Running, Running, [ChildStdin; 2]) {
    let address = path(place);
    let mut listening = place.start_with(&["listen", &address], Stdio::piped());
    let mut connecting = place.start_with(&["connect", &address, "--wait"], Stdio::piped());
    let mut inputs = [listening.stdin(), connecting.stdin()];
    for input in &mut inputs {
        input.write_all(b"x").expect("write");
    }
    for end in [&listening, &connecting] {
        wait_until(|| end.text_so_far() == "x", || end.err_so_far());
    }
    match kills_listener {
        true => (listening, connecting, inputs),
        false => (connecting, listening, inputs),
    }
}

#[test]
fn a_killed_end_is_told_to_the_other() {
    let place = place();
    for kills_listener in [true, false] {
        let (mut killed, other, _inputs) = talking(&place, kills_listener);
        let pid = killed.pid().to_string();
        // A stopped one is not dead.
        signal(killed.pid(), Signal::STOP);
        killed.kill();
        other.finish().failed(&["other end", &pid]);
    }
}

/// Its direction had ended: only what it was to take is open, and nothing is sent.
#[test]
fn a_killed_end_that_had_sent_all_is_told_too() {
    let place = place();
    let address = path(&place);
    let mut listening = place.start_with(&["listen", &address], Stdio::piped());
    let _open = listening.stdin();
    let mut connecting = place.start_fed(&["connect", &address, "--wait"], b"all");
    wait_until(
        || listening.text_so_far() == "all",
        || listening.err_so_far(),
    );
    connecting.kill();
    listening
        .finish()
        .failed(&["other end", "before all was carried"]);
}

/// The other's direction had ended, and all of it was taken.
#[test]
fn a_killed_end_that_had_taken_all_is_told_too() {
    let place = place();
    let address = path(&place);
    let listening = place.start_fed(&["listen", &address], b"all");
    let mut connecting = place.start_with(&["connect", &address, "--wait"], Stdio::piped());
    let _open = connecting.stdin();
    wait_until(
        || connecting.text_so_far() == "all",
        || connecting.err_so_far(),
    );
    connecting.kill();
    listening
        .finish()
        .failed(&["other end", "before all was carried"]);
}

/// All was sent, and closed, but not all was written at the other end.
#[test]
fn a_killed_end_that_had_not_written_all_is_told_too() {
    let place = place();
    let address = path(&place);
    let listening = place.start_fed(&["listen", &address], &noise(3, 700_000));
    // Its output is a pipe that nobody reads but for the first byte.
    let mut connecting = place.start_to(&["connect", &address, "--wait"], Stdio::piped());
    let (mut output, mut begun) = (connecting.stdout(), [0; 1]);
    output.read_exact(&mut begun).expect("it writes");
    connecting.kill();
    listening
        .finish()
        .failed(&["other end", "before all was carried"]);
}

#[test]
fn an_output_that_is_closed_ends_both() {
    let place = place();
    let address = path(&place);
    let mut listening = place.start_to(&["listen", &address], Stdio::piped());
    drop(listening.stdout());
    let connecting = place.start_fed(&["connect", &address, "--wait"], &noise(4, 2_000_000));
    connecting.finish().failed(&["other end"]);
    // As any program whose output is a closed pipe.
    let ended = listening.finish();
    assert_eq!((ended.status.code(), ended.err.as_str()), (Some(1), ""));
}

#[test]
fn addresses_that_will_not_do() {
    let place = place();
    let address = path(&place);
    place
        .run(&["connect", &address])
        .failed(&["nobody listens", "start the listener"]);
    place
        .run(&["connect", &address, "--wait", "--timeout", "0.05"])
        .failed(&["nobody listens"]);
    let nowhere = format!("{address}/no/socket");
    for command in ["listen", "connect"] {
        place
            .run(&[command, &nowhere])
            .failed(&["no directory", "make it"]);
        let long = format!("{address}{}", "x".repeat(200));
        place.run(&[command, &long]).misused(&["107 bytes"]);
        place.run(&[command, ""]).misused(&["empty"]);
    }
    // A name neither begins another line nor moves the cursor.
    let odd = format!("{address}\n\x1b[2J");
    let refused = place.run(&["connect", &odd]).failed(&["nobody listens"]);
    assert!(!refused.err.contains('\x1b'), "{:?}", refused.err);
    // A file that is no socket is left alone.
    fs::write(&address, "a letter").expect("write");
    place
        .run(&["listen", &address])
        .failed(&["taken", "choose another"]);
    fs::remove_file(&address).expect("remove");

    let mut listening = place.start(&["listen", &address]);
    wait_for_listener(&address);
    place
        .run(&["listen", &address])
        .failed(&["taken by another listener"]);
    // The socket of one that was killed is replaced.
    listening.kill();
    assert!(fs::exists(&address).expect("look"));
    place
        .run(&["connect", &address])
        .failed(&["nobody listens"]);
    let listening = place.start_fed(&["listen", &address], b"there");
    let connected = place.run(&["connect", &address, "--wait"]);
    assert_eq!(connected.succeeded().text(), "there");
    listening.finish().succeeded();
    for args in [&["listen"][..], &["connect", "a", "--timeout", "1"]] {
        assert_eq!(place.run(args).status.code(), Some(2));
    }
}

#[test]
fn a_listener_that_cannot_says_so_in_one_line() {
    let place = place();
    let address = path(&place);
    let listening = place.start(&["listen", &address, "--slot-size", "1000000M"]);
    wait_for_listener(&address);
    let connected = place.run(&["connect", &address]);
    connected.failed(&["refused", "lacks memory"]);
    listening.finish().failed(&["cannot listen", "no space"]);
}

/// The remedy is one that the command line has. (Only root can be somebody else.)
#[test]
fn another_user_is_told_what_to_do() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = place();
    let address = format!("@memring-test-user-{}", std::process::id());
    let listening = place.start(&["listen", &address]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_memring"));
    command.args(["connect", &address, "--wait", "--timeout", "60"]);
    command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null());
    let refused = Running::start(&mut command, "memring of another user").finish();
    refused.failed(&["of user 0 ", "run both ends as the same user"]);
    let told = || listening.err_so_far();
    wait_until(|| told().lines().count() == 1, told);
    let words = ["refused process", "run both ends as the same user"];
    assert!(words.iter().all(|word| told().contains(word)), "{}", told());
    assert!(!told().contains("Rendezvous::"), "{}", told());
}

#[test]
fn other_programs_at_the_other_end() {
    let place = place();
    let address = path(&place);
    // One that means something else is refused, and told; the listener waits on.
    let listening = place.start_fed(&["listen", &address], b"there");
    wait_for_listener(&address);
    let refused = connect::<u64, Nothing>(&address);
    assert!(
        matches!(refused, Err(RendezvousError::Mismatch { .. })),
        "{refused:?}"
    );
    wait_until(
        || listening.err_so_far().lines().count() == 1,
        || listening.err_so_far(),
    );
    // One that means the same is as good as the command.
    let mut connection = connect::<[u8], [u8]>(&address).expect("connect");
    assert_eq!(connection.rx.recv().expect("a message"), b"there");
    connection.tx.send(b"here").expect("send");
    connection.tx.close().expect("close");
    let ended = listening.finish();
    assert!(ended.status.success(), "{}", ended.err);
    assert_eq!(ended.text(), "here");
    assert!(
        ended
            .err
            .lines()
            .all(|line| line.starts_with("memring: refused process"))
    );

    let mut listener = Listener::<u64, u64>::bind(&address).expect("listen");
    let connecting = place.start(&["connect", &address]);
    let none = listener.accept_timeout(std::time::Duration::from_secs(2));
    assert!(none.expect("it listens").is_none());
    connecting.finish().failed(&["cannot connect", "expected"]);
    // Standard streams that are not there are no empty input.
    File::create(place.rings().with_file_name("out")).expect("create");
    place
        .run_in_shell("<&-", &["connect", &address])
        .failed(&["standard input is closed"]);
    place
        .run_in_shell(">&-", &["listen", &address])
        .failed(&["standard output is closed"]);
}
