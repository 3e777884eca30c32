//! `memring serve` and `memring call` that are killed and stopped, with calls in hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use memring_testkit::commands::Place;
use memring_testkit::processes::{signal, wait_until_gone};
use memring_testkit::programs::Running;
use memring_testkit::time::wait_until;
use rustix::process::Signal;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// A service whose command, the first time, writes its process number to a file, and answers
/// never; later it answers at once.
struct Stuck {
    place: Place,
    file: PathBuf,
    script: String,
}

impl Stuck {
    fn new() -> Stuck {
        let place = place();
        let file = place.rings().with_file_name("pid");
        let script = format!(
            "if [ ! -e {0} ]; then echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000; fi; cat",
            file.display()
        );
        Stuck {
            place,
            file,
            script,
        }
    }

    /// Another server, when there were `before`.
    fn serve(&self, before: u64, options: &[&str]) -> Running {
        let command = ["--", "sh", "-c", &self.script];
        let args = [&["serve", "s"], options, &command].concat();
        let running = self.place.start(&args);
        self.place
            .wait_for("s", "had a server", |it| it["receivers"] == before + 1);
        running
    }

    /// The process of the command that is stuck.
    fn command(&self) -> u32 {
        wait_until(|| self.file.exists(), || "no command was run".into());
        let pid = fs::read_to_string(&self.file).expect("a process number");
        pid.trim().parse().expect("a process number")
    }
}

#[test]
fn a_killed_server_is_told_to_its_caller_and_its_command_is_killed() {
    let stuck = Stuck::new();
    let mut serving = stuck.serve(0, &[]);
    let call = stuck.place.start_fed(&["call", "s"], b"one\ntwo\n");
    let command = stuck.command();
    serving.kill();
    call.finish().failed(&["line 1", "all servers", "gone"]);
    wait_until_gone(command);
}

/// Not asked to be redelivered: the caller gets the error from the server that is left, and the
/// command is run once.
#[test]
fn a_call_of_a_killed_server_is_not_made_twice() {
    let stuck = Stuck::new();
    let mut serving = stuck.serve(0, &[]);
    let call = stuck.place.start_fed(&["call", "s"], b"one\n");
    stuck.command();
    let _other = stuck.serve(1, &[]);
    serving.kill();
    call.finish().failed(&["line 1", "the server died"]);
}

#[test]
fn a_call_of_a_killed_server_goes_to_another_if_that_was_asked_for() {
    let stuck = Stuck::new();
    let mut serving = stuck.serve(0, &["--redeliver"]);
    let call = stuck.place.start_fed(&["call", "s"], b"one\ntwo\n");
    stuck.command();
    let _other = stuck.serve(1, &["--redeliver"]);
    serving.kill();
    assert_eq!(call.finish().succeeded().text(), "one\ntwo\n");
}

/// A command that must not be run twice is not run for a service that does that; and the
/// other way round.
#[test]
fn servers_agree_on_what_a_death_means() {
    let stuck = Stuck::new();
    for (made, joined, remedy) in [
        (&["--redeliver"][..], &[][..], "say --redeliver"),
        (&[], &["--redeliver"], "leave --redeliver out"),
    ] {
        let mut serving = stuck.serve(0, made);
        let args = [&["serve", "s"], joined, &["--", "cat"]].concat();
        let refused = stuck.place.run(&args);
        refused.failed(&["service s", remedy, "memring remove"]);
        serving.kill();
        stuck.place.run(&["remove", "s"]).succeeded();
    }
}

#[test]
fn a_stopped_server_keeps_its_call_until_the_time_is_up() {
    let stuck = Stuck::new();
    let serving = stuck.serve(0, &[]);
    signal(serving.pid(), Signal::STOP);
    stuck
        .place
        .run_fed(&["call", "s", "--timeout", "0.2"], b"one\n")
        .failed(&["line 1", "deadline", "stopped"]);
    signal(serving.pid(), Signal::CONT);
    // What was late is not carried out: the next is the first.
    let _call = stuck.place.start_fed(&["call", "s"], b"two\n");
    stuck.command();
}

/// The rings of replies of the service.
fn reply_rings(rings: &Path) -> usize {
    let names = fs::read_dir(rings).expect("ring directory");
    let names = names.map(|entry| entry.expect("entry").file_name());
    let is_reply = |name: &std::ffi::OsString| name.to_string_lossy().contains(".reply-");
    names.filter(is_reply).count()
}

#[test]
fn a_killed_caller_leaves_nothing_to_those_that_come_after() {
    let stuck = Stuck::new();
    let rings = stuck.place.rings();
    let mut serving = stuck.serve(0, &[]);
    let mut call = stuck.place.start_with(&["call", "s"], Stdio::piped());
    stuck
        .place
        .wait_for("s", "had a client", |it| it["senders"] == 1);
    call.kill();
    assert_eq!(reply_rings(&rings), 1);
    let replies = stuck.place.list();
    let kinds: Vec<_> = replies.iter().map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("service"), Some("replies")]);
    // Stuck in its first call.
    let mut other = stuck.place.start_fed(&["call", "s"], b"x\n");
    stuck.command();
    assert_eq!(reply_rings(&rings), 1);
    other.kill();
    serving.kill();
    // Removed whole: with what was left by the caller.
    stuck.place.run(&["remove", "s"]).succeeded();
    assert!(stuck.place.list().is_empty());
    assert_eq!(reply_rings(&rings), 0);
}
