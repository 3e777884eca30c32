//! The commands that CONTRIBUTING.md, the README and the justfile name can be run: their
//! packages, tests and scripts exist.

use std::fs;
use std::path::Path;

use super::source::root;

/// Where commands are written down.
const FILES: &[&str] = &["justfile", "CONTRIBUTING.md", "README.md"];

/// Directories of scripts.
const SCRIPTS: &[&str] = &[".ci/", "fuzz/", "tests/"];

/// The packages of the workspace, by name.
fn packages(root: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let members = manifest.lines().find(|line| line.starts_with("members = "));
    let members = members.expect("a workspace").split('"').skip(1).step_by(2);
    let name_of = |member: &str| {
        let manifest = fs::read_to_string(root.join(member).join("Cargo.toml")).ok()?;
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = "));
        Some(name?.trim_matches('"').to_owned())
    };
    members.filter_map(name_of).collect()
}

/// What is wrong with the commands of a line.
fn wrong(line: &str, root: &Path, packages: &[String]) -> Option<String> {
    let is_separator = |c: char| c.is_whitespace() || "`|()".contains(c);
    let words: Vec<&str> = line
        .split(is_separator)
        .filter(|it| !it.is_empty())
        .collect();
    let is_command = words.contains(&"cargo");
    for (at, word) in words.iter().enumerate() {
        let value = words.get(at + 1).copied().unwrap_or("");
        match *word {
            "-p" if is_command && !packages.iter().any(|it| it == value) => {
                return Some(format!("no package {value:?}"));
            }
            "--test" if is_command => {
                let path = root.join("tests").join(value);
                if !path.join("main.rs").exists() && !path.with_extension("rs").exists() {
                    return Some(format!("no test {value:?}"));
                }
            }
            script if SCRIPTS.iter().any(|it| script.starts_with(it)) => {
                let script = script.trim_end_matches(['.', ',', ';', ':']);
                if !root.join(script).exists() {
                    return Some(format!("no script {script:?}"));
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn commands_can_be_run() {
    let root = root();
    // A package has neither scripts nor the other packages.
    if !root.join("justfile").exists() {
        return;
    }
    let packages = packages(&root);
    let mut found = Vec::new();
    for file in FILES {
        let text = fs::read_to_string(root.join(file)).expect("a file of ours");
        for (at, line) in text.lines().enumerate() {
            let wrong = wrong(line, &root, &packages);
            found.extend(wrong.map(|wrong| format!("{file}:{}: {wrong}", at + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_command_is_found() {
    let root = root();
    let packages = ["memring".to_owned()];
    for (line, expected) in [
        ("    cargo test -p memrign", Some("no package \"memrign\"")),
        ("one `cargo test --test hose`", Some("no test \"hose\"")),
        (
            "    tests/mutant/run",
            Some("no script \"tests/mutant/run\""),
        ),
        ("cargo test -p memring --test house links", None),
        ("mkdir -p memrign", None),
        ("(see tests/house)", None),
    ] {
        assert_eq!(wrong(line, &root, &packages).as_deref(), expected, "{line}");
    }
}
