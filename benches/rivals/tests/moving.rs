//! The programs of `docs/moving.md` run, and give the same before and after.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use memring_testkit::homes::directory;
use memring_testkit::programs::Running;

/// Runs one, which compares what it has by both ways.
fn run(name: &str) {
    // Built by `cargo test`, as all examples of the package.
    let this = std::env::current_exe().expect("path of this test");
    let profile = this.parent().and_then(Path::parent);
    let path = profile.expect("target/PROFILE/deps").join("examples");
    let rings = directory();
    let mut command = Command::new(path.join(name));
    command.env("MEMRING_DIR", rings.path()).process_group(0);
    let ended = Running::start(command.stdin(Stdio::null()), name).finish();
    assert!(ended.status.success(), "{name}: {}", ended.err);
    let said = ended.text();
    // iceoryx2 says things of its own.
    assert!(said.contains("before and after: "), "{name}: {said}");
    let left = rings.path().read_dir().expect("ring directory").count();
    assert_eq!(left, 0, "{name} left rings behind");
}

#[test]
fn from_crossbeam_channel() {
    run("moving_from_crossbeam_channel");
}

#[test]
fn from_rtrb() {
    run("moving_from_rtrb");
}

#[test]
fn from_tokio_mpsc() {
    run("moving_from_tokio_mpsc");
}

#[test]
fn from_iceoryx2() {
    run("moving_from_iceoryx2");
}
