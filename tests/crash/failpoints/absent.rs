//! What can kill at a point is not in a release build of the library.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Part of the mangled name of whatever is in that module.
const MODULE: &[u8] = b"10failpoints5armed";

fn contains(path: &Path, what: &[u8]) -> bool {
    let bytes = std::fs::read(path).expect("read what was built");
    bytes.windows(what.len()).any(|window| window == what)
}

/// Even where its feature is asked for.
#[test]
fn release_builds_have_no_points() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("release-build");
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--lib",
            "-p",
            "memring",
            "--features",
            "failpoints",
        ])
        .args(["--offline", "--quiet", "--target-dir"])
        .arg(&directory)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUSTFLAGS")
        .status();
    assert!(status.expect("run cargo").success());
    let library = directory.join("release/libmemring.rlib");
    // The search finds other modules there, and this one where it is.
    assert!(contains(&library, b"7channel"));
    assert!(!contains(&library, MODULE));
    let this = std::env::current_exe().expect("this test's own path");
    assert!(contains(&this, MODULE));
}
