//! The examples run and find nothing wrong, and the README shows real code.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use memring_testkit::homes::directory;
use memring_testkit::programs::Running;

/// The example that cargo has built beside this test.
pub fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("path of this test");
    let profile = this
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, `cargo test --test house` does not; \
         run `cargo build --examples` first",
        path.display()
    );
    path
}

/// Runs an example on the rings of a directory; says what it printed.
fn run_in(rings: &Path, name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(example(name));
    // A group of its own, so that a hanging example is killed with all the processes that it
    // has started.
    command.args(arguments).env("MEMRING_DIR", rings);
    command.process_group(0).stdin(Stdio::null());
    let ended = Running::start(&mut command, name).finish();
    let text = ended.text().to_owned();
    assert!(
        ended.status.success(),
        "{name}: {}; it printed:\n{text}{}",
        ended.status,
        ended.err
    );
    text
}

/// Runs an example with a ring directory of its own, in which it leaves nothing; says what it
/// printed.
fn run(name: &str) -> String {
    let rings = directory();
    let text = run_in(rings.path(), name, &[]);
    let left: Vec<_> = fs::read_dir(rings.path())
        .expect("ring directory")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert!(left.is_empty(), "{name} left rings behind: {left:?}");
    text
}

/// In any order, and again on the ring that is left.
#[test]
fn hello() {
    let rings = directory();
    for _ in 0..2 {
        run_in(rings.path(), "hello", &["send"]);
        run_in(rings.path(), "hello", &["send"]);
        for _ in 0..2 {
            assert_eq!(run_in(rings.path(), "hello", &[]), "received 42\n");
        }
    }
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
fn rendezvous() {
    let printed = run("rendezvous");
    assert!(printed.contains("answered 1000, all of them"), "{printed}");
    assert!(
        printed.contains("answered 501, and heard of the death"),
        "{printed}"
    );
}

#[test]
fn key_value() {
    let printed = run("key_value");
    assert!(printed.contains("at attempt 2"), "{printed}");
    assert!(
        printed.contains("one server killed, nothing lost"),
        "{printed}"
    );
}

#[test]
fn config() {
    let printed = run("config");
    assert!(printed.contains("the writer was killed"), "{printed}");
    let whole = printed.matches("each of them whole").count();
    assert_eq!(whole, 2, "{printed}");
}

#[test]
fn bank() {
    let printed = run("bank");
    let books = "3000 transfers, 1 undone and made again, 6 coins of 6";
    assert!(printed.contains(books), "{printed}");
}

#[test]
fn logger() {
    assert!(run("logger").contains("8000 lines of 4 processes in one log"));
}

#[test]
fn restart() {
    let printed = run("restart");
    let orders = printed
        .lines()
        .filter(|line| line.ends_with(": all jobs done"));
    assert_eq!(orders.count(), 9, "{printed}");
}

#[test]
fn select() {
    let mut printed: Vec<_> = run("select").lines().map(String::from).collect();
    printed.sort_unstable();
    assert_eq!(printed, ["nothing for a while", "sent: Ok(())", "tick 1"]);
}

/// What `docs/restart.md` shows is in the program that runs the orders.
#[test]
fn the_document_on_restarts_shows_code_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/restart.md")).expect("docs/restart.md");
    let code = fs::read_to_string(root.join("examples/restart.rs")).expect("example");
    let mut blocks = 0;
    for block in document.split("```rust\n").skip(1) {
        let (block, _) = block.split_once("```").expect("an end of the block");
        assert!(code.contains(block), "examples/restart.rs lacks:\n{block}");
        blocks += 1;
    }
    assert!(blocks >= 3, "{blocks} blocks");
}

#[test]
fn the_readme_counts_the_failpoints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).expect("a file");
    let list = read("src/sys/failpoints/list.rs");
    let is_one = |line: &&str| line.starts_with("    ") && line.contains(": \"");
    let all = list.lines().filter(is_one).count();
    let told = format!("The library has {all} failpoints");
    assert!(read("README.md").contains(&told), "README.md lacks: {told}");
}

#[test]
fn documents_show_examples_word_for_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).expect("a file");
    for (document, name, lines_above) in [
        ("README.md", "hello", true),
        ("docs/guide.md", "two_processes", true),
        ("docs/guide.md", "select", false),
    ] {
        let code = read(&format!("examples/{name}.rs"));
        let code = match lines_above {
            true => &code,
            // Without the line that says what it is.
            false => code.split_once("\n\n").expect("a line above").1,
        };
        let same = read(document).contains(&format!("```rust\n{code}```\n"));
        assert!(same, "{document} and examples/{name}.rs differ");
    }
}
