//! A place of its own for each test: a directory of rings, and one for boards.

use std::fmt::Display;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use super::board::Board;
use super::child::{self, Child, LIMIT};

/// The name under which tests with one ring have it.
pub const RING: &str = "ring";

/// Lives as long as the test; takes everything away at its end. Should the
/// test hang, the whole test process ends, and its children die with it.
pub struct Home {
    directory: TempDir,
    _alive: mpsc::Sender<()>,
}

impl Home {
    pub fn new() -> Home {
        let directory = tempfile::Builder::new()
            .prefix("memring-test-")
            .tempdir_in("/dev/shm")
            .expect("make a directory for the test");
        DirBuilder::new()
            .mode(0o700)
            .create(directory.path().join("rings"))
            .expect("make a directory for rings");
        Home {
            _alive: watch(directory.path().into()),
            directory,
        }
    }

    /// The children's `MEMRING_DIR`.
    pub fn rings(&self) -> PathBuf {
        self.directory.path().join("rings")
    }

    /// How the parent names the ring that is `name` to the children.
    pub fn named(&self, name: &str) -> String {
        let path = self.rings().join(name);
        path.to_str().expect("a path of ASCII").into()
    }

    pub fn ring(&self) -> String {
        self.named(RING)
    }

    /// Somewhere outside the directory of rings.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes the board that children find under the same name.
    pub fn board(&self, name: &str, words: usize) -> Board {
        Board::create(&self.path(name), words)
    }

    /// Starts a child in `role`, with arguments that it asks for by key.
    pub fn spawn(&self, role: &str, args: &[(&str, &dyn Display)]) -> Child {
        self.spawn_with(role, args, Stdio::null())
    }

    /// As [`Home::spawn`], with a descriptor that the child inherits: its
    /// standard input.
    pub fn spawn_holding(&self, role: &str, args: &[(&str, &dyn Display)], fd: OwnedFd) -> Child {
        self.spawn_with(role, args, fd.into())
    }

    fn spawn_with(&self, role: &str, args: &[(&str, &dyn Display)], stdin: Stdio) -> Child {
        let mut command = self.command(role, args);
        command.stdin(stdin);
        Child::spawn(command, role)
    }

    /// A child in `role`, not yet started.
    pub fn command(&self, role: &str, args: &[(&str, &dyn Display)]) -> Command {
        command(self.directory.path(), role, args)
    }
}

/// This very binary, to play `role` in the test whose place is `home`.
pub fn command(home: &Path, role: &str, args: &[(&str, &dyn Display)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test's own path"));
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("MEMRING_DIR", home.join("rings"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    child::describe(&mut command, role, args, home);
    command
}

/// Where a child finds the boards of its test.
pub fn board_of(home: &Path, name: &str) -> Board {
    Board::open(&home.join(name))
}

/// Says that a test, or a part of it, is not done here, and why.
pub fn skipped(why: impl Display) {
    // Not by `eprintln`, which the test harness would keep to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Ends this process, unless what it returns is dropped in time. A parent that
/// hangs in a call under test could not end itself.
fn watch(directory: PathBuf) -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel();
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    std::thread::spawn(move || {
        if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not by `eprintln`, which the test harness would keep to itself.
            let _ = writeln!(std::io::stderr(), "{test} hangs: not done in {LIMIT:?}");
            let _ = std::fs::remove_dir_all(directory);
            std::process::exit(101);
        }
    });
    alive
}
