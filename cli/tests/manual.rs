//! What `memring manual` writes is what is checked in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use memring_testkit::commands::Place;

const PROGRAM: &str = env!("CARGO_BIN_EXE_memring");

/// All files below a directory, by their paths in it.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_str()
            .expect("text")
            .to_owned();
        match path.is_dir() {
            true => found.extend(
                files(&path)
                    .into_iter()
                    .map(|(rest, text)| (format!("{name}/{rest}"), text)),
            ),
            false => drop(found.insert(name, fs::read_to_string(&path).expect("text"))),
        }
    }
    found
}

/// The manual in a directory that is gone with the place.
fn written(place: &Place) -> BTreeMap<String, String> {
    let directory = place.rings().with_file_name("share");
    let text = directory.to_str().expect("text");
    let output = place.run(&["manual", "--dir", text]).succeeded();
    assert_eq!(output.text(), "");
    files(&directory)
}

#[test]
fn the_manual_that_is_checked_in_is_that_of_the_command() {
    let checked_in = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("manual"));
    let written = written(&Place::of(PROGRAM));
    let changed: Vec<_> = written
        .iter()
        .filter(|(name, text)| checked_in.get(*name) != Some(text))
        .map(|(name, _)| name)
        .collect();
    let gone: Vec<_> = checked_in
        .keys()
        .filter(|name| !written.contains_key(*name))
        .collect();
    assert!(
        changed.is_empty() && gone.is_empty(),
        "cli/manual is not what the command says. Make it again, and commit it:\n\n    \
         rm -r cli/manual && cargo run -p memring-cli -- manual --dir cli/manual\n\n\
         changed: {changed:?}, gone: {gone:?}"
    );
}

#[test]
fn every_command_has_a_page_with_its_options() {
    let place = Place::of(PROGRAM);
    let written = written(&place);
    let main = &written["man/man1/memring.1"];
    let pages: Vec<_> = written
        .keys()
        .filter(|name| name.starts_with("man/man1/memring-"))
        .collect();
    assert_eq!(pages.len(), 13, "{pages:?}");
    for page in pages {
        let command = page
            .trim_start_matches("man/man1/memring-")
            .trim_end_matches(".1");
        assert!(main.contains(&format!("memring\\-{command}")), "{command}");
        let text = written[page].replace("\\-", "-");
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "\"EXIT STATUS\"",
            "EXAMPLES",
        ] {
            assert!(
                text.contains(&format!(".SH {section}\n")),
                "{page}: {section}"
            );
        }
        let help = place.run(&[command, "--help"]).succeeded();
        let words = help
            .text()
            .split(|c: char| !(c.is_alphanumeric() || c == '-'));
        for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
            assert!(text.contains(option), "{page}: {option}");
        }
    }
    for hidden in ["bench-peer", "torture-peer", "tied"] {
        for (name, text) in &written {
            assert!(!text.contains(hidden), "{hidden} in {name}");
        }
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let place = Place::of(PROGRAM);
    written(&place);
    let script = place
        .rings()
        .with_file_name("share/bash-completion/completions/memring");
    for (words, wanted) in [
        ("memring cr", "create"),
        ("memring create --ex", "--exclusive"),
        ("memring list --p", "--pids"),
    ] {
        let count = words.split(' ').count() - 1;
        let previous = words.split(' ').nth(count - 1).expect("a word");
        let last = words.split(' ').nth(count).expect("a word");
        let commands = format!(
            ". {script:?}; COMP_WORDS=({words}); COMP_CWORD={count}; \
             _memring memring {last} {previous}; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        let output = bash
            .args(["-c", &commands])
            .stdin(Stdio::null())
            .output()
            .expect("bash");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.split_whitespace().any(|word| word == wanted),
            "{words}: {said}"
        );
    }
}
