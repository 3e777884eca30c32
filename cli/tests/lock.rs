//! `memring lock`: one command at a time, and what becomes of it when its holder dies.

use std::fs;
use std::process::Stdio;

use memring::sync::{LockError, Mutex};
use memring_testkit::commands::Place;
use memring_testkit::processes::{signal, wait_until_gone};
use memring_testkit::programs::{Finished, Running};
use memring_testkit::time::wait_until;
use rustix::process::Signal;

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

/// A holder of the lock `l`, and the process of its command, which runs until it is killed.
fn hold(place: &Place) -> (Running, u32) {
    let args = ["lock", "l", "--", "sh", "-c", "echo $$; exec sleep 1000"];
    let holder = place.start(&args);
    let ready = || holder.text_so_far().ends_with('\n');
    wait_until(ready, || format!("no lock: {}", holder.err_so_far()));
    let command = holder.text_so_far().trim().parse();
    (holder, command.expect("a process number"))
}

/// It must have run its command, and have said one line with these words.
#[track_caller]
fn warned(finished: &Finished, words: &[&str]) {
    assert!(finished.status.success(), "{}", finished.err);
    assert_eq!(finished.err.lines().count(), 1, "{}", finished.err);
    for word in words {
        assert!(finished.err.contains(word), "{}", finished.err);
    }
}

#[test]
fn its_end_is_that_of_the_command() {
    let place = place();
    let script = "cat; echo and this >&2; exit 7";
    let ended = place.run_fed(&["lock", "l", "--", "sh", "-c", script], b"through");
    assert_eq!(ended.status.code(), Some(7));
    assert_eq!(
        (ended.text(), ended.err.as_str()),
        ("through", "and this\n")
    );
    let killed = place.run(&["lock", "l", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.status.code(), Some(128 + 15));
    // Arguments that look like ours are the command's.
    let ended = place.run(&["lock", "l", "--", "echo", "--timeout", "--"]);
    assert_eq!(ended.succeeded().text(), "--timeout --\n");
    for (program, status) in [("/no/such/command", 127), ("/etc/passwd", 126)] {
        let ended = place.run(&["lock", "l", "--", program]);
        assert_eq!(ended.status.code(), Some(status));
        let begin = format!("memring: cannot start {program}: ");
        assert!(ended.err.starts_with(&begin), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
    assert_eq!(place.list().len(), 1);
    assert_eq!(place.list()[0]["handles"], 0);
}

#[test]
fn commands_run_one_at_a_time() {
    let place = place();
    let file = place.rings().with_file_name("count");
    fs::write(&file, "0").expect("write");
    // Read, and write what comes of it, as a program does that needs a lock.
    let script = format!("n=$(cat {0}); echo $((n + 1)) > {0}", file.display());
    let rounds = 20;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let args = ["lock", "l", "--", "sh", "-c", &script];
                    place.run(&args).succeeded();
                }
            });
        }
    });
    let count = fs::read_to_string(&file).expect("read");
    assert_eq!(count.trim(), (4 * rounds).to_string());
}

#[test]
fn a_holder_that_is_busy_or_stopped_is_named() {
    let place = place();
    let (holder, command) = hold(&place);
    let pid = holder.pid().to_string();
    let refused = |words: &[&str]| {
        let words = [&["cannot lock l", pid.as_str()], words].concat();
        place
            .run(&["lock", "l", "--nonblock", "--", "true"])
            .failed(&words);
        place
            .run(&["lock", "l", "--timeout", "0.2", "--", "true"])
            .failed(&words);
    };
    refused(&["holds it"]);
    signal(holder.pid(), Signal::STOP);
    refused(&["holds it"]);
    let held = &place.list()[0];
    assert_eq!(held["parts"][0]["holder"], holder.pid());
    assert!(
        place
            .run(&["list"])
            .text()
            .contains(&format!("held by {pid}"))
    );

    // One that waits has it when the other's command ends.
    let waiter = place.start(&["lock", "l", "--timeout", "60", "--", "echo", "mine"]);
    place.wait_for("l", "was waited for", |it| it["handles"] == 2);
    signal(holder.pid(), Signal::CONT);
    signal(command, Signal::TERM);
    assert_eq!(waiter.finish().succeeded().text(), "mine\n");
    assert_eq!(holder.finish().status.code(), Some(128 + 15));
}

#[test]
fn the_death_of_a_holder_is_told_to_the_next_and_kills_its_command() {
    let place = place();
    let (mut holder, command) = hold(&place);
    let waiter = place.start(&["lock", "l", "--", "echo", "next"]);
    place.wait_for("l", "was waited for", |it| it["handles"] == 2);
    holder.kill();
    wait_until_gone(command);
    let told = waiter.finish();
    assert_eq!(told.text(), "next\n");
    warned(&told, &["last holder of l died"]);
    // Told once.
    place.run(&["lock", "l", "--", "true"]).succeeded();
    // As by the other ways to lock; and one that holds it stopped dies too.
    for way in [&["--nonblock"][..], &["--timeout", "60"]] {
        let (mut holder, _) = hold(&place);
        signal(holder.pid(), Signal::STOP);
        holder.kill();
        place.wait_for("l", "was poisoned", |it| it["parts"][0]["poisoned"] == true);
        assert!(place.run(&["list"]).text().contains("poisoned"));
        let told = place.run(&[&["lock", "l"], way, &["--", "true"]].concat());
        warned(&told, &["last holder of l died"]);
        assert_eq!(place.list()[0]["parts"][0]["poisoned"], false);
    }
}

#[test]
fn programs_share_it_if_it_guards_no_value() {
    let place = place();
    let mutex = Mutex::create(place.rings().join("l"), ()).expect("a mutex");
    let guard = mutex.lock().map_err(LockError::without_guard);
    let guard = guard.expect("the lock");
    let pid = std::process::id().to_string();
    place
        .run(&["lock", "l", "-n", "--", "true"])
        .failed(&["cannot lock l", &pid]);
    drop(guard);
    place.run(&["lock", "l", "-n", "--", "true"]).succeeded();
    let (mut holder, _) = hold(&place);
    assert!(mutex.try_lock().is_err());
    holder.kill();
    assert!(matches!(mutex.lock(), Err(LockError::Poisoned(_))));
}

#[test]
fn what_is_no_lock_of_ours_is_an_error() {
    let place = place();
    let _valued = Mutex::create(place.rings().join("valued"), 7_u64).expect("a mutex");
    let group = memring::sync::Group::builder()
        .mutex("a", ())
        .counter("b", 0_u64);
    let _group = group.create(place.rings().join("group")).expect("a group");
    place.run(&["send", "ring", "--create"]).succeeded();
    fs::write(place.rings().join("junk"), "this is no lock").expect("write");
    for (name, words) in [
        (
            "valued",
            &["mutex with a value of 8 bytes", "without a value"][..],
        ),
        ("group", &["group of 2 shared objects", "mutex"]),
        ("ring", &["a ring of kind spsc", "mutex"]),
        ("junk", &["junk"]),
    ] {
        place.run(&["lock", name, "--", "true"]).failed(words);
    }
    place
        .run(&["recv", "valued"])
        .failed(&["a mutex with a value", "expected a ring"]);
    let nowhere = place.rings().join("no/name");
    place
        .run(&["lock", nowhere.to_str().expect("text"), "--", "true"])
        .failed(&["rings/no", "make it"]);
    place.run(&["lock", "", "--", "true"]).misused(&["name"]);
    // Nothing of them was run.
    let flag = place.rings().with_file_name("flag");
    let flag = flag.to_str().expect("text");
    place
        .run(&["lock", "ring", "--", "touch", flag])
        .failed(&[]);
    assert!(!fs::exists(flag).expect("look"));
    let contradiction = ["lock", "l", "-n", "--timeout", "1", "--", "true"];
    for args in [&["lock", "l"][..], &["lock", "l", "true"], &contradiction] {
        assert_eq!(place.run(args).status.code(), Some(2));
    }
}

#[test]
fn a_lock_in_use_is_removed_only_by_force() {
    let place = place();
    let (holder, command) = hold(&place);
    place
        .run(&["remove", "l"])
        .failed(&["\"l\"", "mutex", "in use", "1 handles", "--force"]);
    place.run(&["remove", "--force", "l"]).succeeded();
    assert!(place.list().is_empty());
    // Its command goes on, and a lock of the name is another one.
    place.run(&["lock", "l", "-n", "--", "true"]).succeeded();
    signal(command, Signal::KILL);
    assert_eq!(holder.finish().status.code(), Some(128 + 9));
    place.run(&["remove", "l"]).succeeded();
    drop(place.start_with(&["lock", "l", "--", "cat"], Stdio::piped()));
}
