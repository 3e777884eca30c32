//! A place of its own for each test: a directory of rings, and one for boards.

use std::fs::{self, DirBuilder};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use crate::boards::Board;
use crate::children::{self, Child, Pairs};
use crate::text::print;
use crate::time::LIMIT;

/// The name under which tests with one ring have it.
pub const RING: &str = "ring";

/// A directory in memory, for this user alone; gone when dropped, with the rings in it.
#[derive(Debug)]
pub struct Directory(TempDir);

/// An empty one.
pub fn directory() -> Directory {
    let directory = tempfile::Builder::new()
        .prefix("memring-test-")
        .tempdir_in("/dev/shm");
    Directory(directory.expect("make a directory for the test"))
}

impl Directory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    /// The memory of the portable backend's rings is elsewhere, and has no other name once
    /// theirs are gone.
    fn drop(&mut self) {
        for directory in [self.path(), &self.path().join("rings")] {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let _ = memring::remove(entry.path());
            }
        }
    }
}

/// Lives as long as the test; takes everything away at its end. Should the
/// test hang, the whole test process ends, and its children die with it.
pub struct Home {
    directory: Directory,
    _alive: mpsc::Sender<()>,
}

impl Home {
    /// A new one, with an empty directory of rings.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Home {
        let directory = directory();
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

    /// How the parent names the ring that is [`RING`] to the children.
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
    pub fn spawn(&self, role: &str, args: &Pairs<'_>) -> Child {
        Child::spawn(self.command(role, args), role)
    }

    /// As [`Home::spawn`], with a descriptor that the child inherits: its
    /// standard input.
    pub fn spawn_holding(&self, role: &str, args: &Pairs<'_>, fd: OwnedFd) -> Child {
        let mut command = self.command(role, args);
        command.stdin(fd);
        Child::spawn(command, role)
    }

    /// A child in `role`, not yet started.
    pub fn command(&self, role: &str, args: &Pairs<'_>) -> Command {
        children::command(self.directory.path(), role, args)
    }
}

/// Ends this process, unless what it returns is dropped in time. A parent that
/// hangs in a call under test could not end itself.
fn watch(directory: PathBuf) -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            print(format_args!("{test} hangs: not done in {LIMIT:?}"));
            let _ = std::fs::remove_dir_all(directory);
            std::process::exit(101);
        }
    });
    alive
}
