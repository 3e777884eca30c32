//! `memring bridge` finds the command that it becomes, or says how to get it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn script(at: &Path, says: &str) {
    let text = format!("#!/bin/sh\necho {says} \"$@\"\nexit 7\n");
    std::fs::write(at, text).unwrap();
    std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn bridge(program: &Path, path: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(["bridge", "send", "--to", "key", "--help"]);
    // With the shell's own directories, for the scripts.
    let path = format!("{}:/usr/bin:/bin", path.display());
    command.env("PATH", path).output().unwrap()
}

#[test]
fn it_becomes_the_program_beside_it_or_in_the_path() {
    let home = tempfile::tempdir().unwrap();
    let (own, other) = (home.path().join("own"), home.path().join("other"));
    for directory in [&own, &other] {
        std::fs::create_dir(directory).unwrap();
    }
    let program = own.join("memring");
    std::fs::copy(env!("CARGO_BIN_EXE_memring"), &program).unwrap();

    let missing = bridge(&program, &other);
    assert_eq!(missing.status.code(), Some(1));
    let error = String::from_utf8(missing.stderr).unwrap();
    assert!(error.contains("cargo install --path bridge"), "{error}");

    script(&other.join("memring-bridge"), "found");
    let found = bridge(&program, &other);
    assert_eq!(found.status.code(), Some(7));
    assert_eq!(found.stdout, b"found send --to key --help\n");

    script(&own.join("memring-bridge"), "beside");
    assert_eq!(
        bridge(&program, &other).stdout,
        b"beside send --to key --help\n"
    );
}
