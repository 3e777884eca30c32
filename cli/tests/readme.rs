//! What the README shows of the command line is run, word for word.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use memring_testkit::commands::Place;
use memring_testkit::programs::Running;

const PROGRAM: &str = env!("CARGO_BIN_EXE_memring");

/// The blocks of shell in the README's section on the command line.
fn blocks() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("README.md");
    let (_, section) = readme
        .split_once("\n## Command line\n")
        .expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next section");
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").expect("an end of the block").0);
    blocks.map(str::to_owned).collect()
}

#[test]
fn the_readme_shows_commands_that_run() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 2);
    let [rings, others] = blocks.try_into().expect("two blocks");
    for (block, said) in [
        (rings, &["backup  spsc"][..]),
        (others, &["HELLO", "alone", "pong"]),
    ] {
        let place = Place::of(PROGRAM);
        let work = place.rings().with_file_name("work");
        fs::create_dir(&work).expect("a directory to work in");
        fs::write(work.join("file"), "something to carry").expect("write");
        let bin = Path::new(PROGRAM).parent().expect("a directory");
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new("sh");
        // A group of its own, so that what it leaves running is killed at the end.
        command
            .args(["-e", "-c", &block])
            .current_dir(&work)
            .env("MEMRING_DIR", place.rings())
            .env("PATH", format!("{}:{path}", bin.display()))
            .stdin(Stdio::null())
            .process_group(0);
        let ended = Running::start(&mut command, "the README").finish();
        assert!(ended.status.success(), "{}: {}", ended.status, ended.err);
        assert_eq!(ended.err, "");
        for word in said {
            assert!(ended.text().contains(word), "{}", ended.text());
        }
        assert!(place.list().is_empty(), "{:?}", place.list());
    }
}
