//! The examples run and find nothing wrong, and the README shows real code.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// No example takes this long, on any machine: it hangs.
const GUARD: Duration = Duration::from_secs(60);

/// The example that cargo has built beside this test.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("path of this test");
    let profile = this
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, `cargo test --test examples` does not; \
         run `cargo build --examples` first",
        path.display()
    );
    path
}

/// Runs an example with a ring directory of its own; says what it printed.
fn run(name: &str) -> String {
    let place = tempfile::tempdir_in("/dev/shm").expect("temporary directory");
    fs::set_permissions(place.path(), Permissions::from_mode(0o700)).expect("mode");
    let printed = tempfile::NamedTempFile::new().expect("temporary file");
    let output = |()| printed.reopen().expect("temporary file");
    let mut child = Command::new(example(name))
        .env("MEMRING_DIR", place.path())
        .stdin(Stdio::null())
        .stdout(output(()))
        .stderr(output(()))
        // A group of its own, so that a hanging example can be killed with all
        // the processes that it has started.
        .process_group(0)
        .spawn()
        .expect("start of the example");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for the example") {
            break Some(status);
        }
        if start.elapsed() > GUARD {
            let group = Pid::from_child(&child);
            kill_process_group(group, Signal::KILL).expect("kill of the example");
            child.wait().expect("wait for the example");
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    File::open(printed.path())
        .and_then(|mut file| file.read_to_string(&mut text))
        .expect("output of the example");
    let status = status.unwrap_or_else(|| panic!("{name} hangs; it printed:\n{text}"));
    assert!(status.success(), "{name}: {status}; it printed:\n{text}");
    let left: Vec<_> = fs::read_dir(place.path())
        .expect("ring directory")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert!(left.is_empty(), "{name} left rings behind: {left:?}");
    text
}

#[test]
fn two_processes() {
    assert!(run("two_processes").contains("received 10000 ticks, all in order"));
}

#[test]
fn market_data() {
    assert!(run("market_data").contains("none lost"));
}

#[test]
fn work_queue() {
    let printed = run("work_queue");
    assert!(printed.contains("worker 0 holds job"), "{printed}");
    assert!(printed.contains("1 redelivered, none lost"), "{printed}");
}

#[test]
fn logger() {
    assert!(run("logger").contains("8000 lines of 4 processes in one log"));
}

#[test]
fn the_readme_shows_an_example_word_for_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let code = fs::read_to_string(root.join("examples/two_processes.rs")).expect("example");
    let shown = format!("```rust\n{code}```\n");
    assert!(
        readme.contains(&shown),
        "README.md and examples/two_processes.rs differ"
    );
}
