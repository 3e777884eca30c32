//! The directory of a run, and the process that removes it whatever happens to the run.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::order::Order;

/// Where the ring is: alone, so that anything else there is seen.
pub fn rings(dir: &Path) -> PathBuf {
    dir.join("rings")
}

/// The ring.
pub fn ring(dir: &Path) -> PathBuf {
    rings(dir).join("ring")
}

/// What the processes that use a shared object write down.
pub fn board(dir: &Path) -> PathBuf {
    dir.join("board")
}

/// The ledger.
pub fn ledger(dir: &Path) -> PathBuf {
    dir.join("ledger")
}

/// What the processes of the storm said on their standard error.
pub fn said(dir: &Path) -> PathBuf {
    dir.join("said")
}

/// A directory of the run's own. Dropped, or its process gone in whatever way: it is removed,
/// unless it was to be kept.
pub struct Home {
    dir: PathBuf,
    guard: Child,
}

impl Home {
    /// Make one in `parent`.
    pub fn create(parent: Option<&Path>) -> Result<Self> {
        let parent = match parent {
            Some(parent) => parent.to_path_buf(),
            None => match PathBuf::from("/dev/shm") {
                shm if shm.is_dir() => shm,
                _ => env::temp_dir(),
            },
        };
        // Evidence of an earlier process of our number may be there.
        let name = |again: u32| format!("memring-torture-{}.{again}", process::id());
        let mut dirs = (0..).map(|again| parent.join(name(again)));
        let dir = dirs.find(|dir| !dir.exists());
        let dir = dir.context("no name is free")?;
        // The guard's argument is text.
        dir.to_str().context("the directory's name is no text")?;
        let mut builder = DirBuilder::new();
        let mut make = |path: &Path| {
            let made = builder.mode(0o700).create(path);
            made.with_context(|| format!("cannot make {}", path.display()))
        };
        make(&dir)?;
        // From here on the guard sees to it that it is removed.
        let guard = start_guard(&dir).inspect_err(|_| {
            let _ = fs::remove_dir_all(&dir);
        })?;
        let home = Home { dir, guard };
        make(&rings(&home.dir))?;
        Ok(home)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Empty it for the next kind.
    pub fn clear(&self) -> Result<()> {
        for path in [
            ring(&self.dir),
            ledger(&self.dir),
            board(&self.dir),
            said(&self.dir),
        ] {
            if path.exists() {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// It is evidence.
    pub fn keep(&mut self) -> &Path {
        if let Some(mut pipe) = self.guard.stdin.take() {
            // Fails only if the guard is gone, which would remove it.
            let _ = pipe.write_all(b"keep");
        }
        &self.dir
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn start_guard(dir: &Path) -> Result<Child> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    let order = serde_json::to_string(&Order::Guard(dir.to_path_buf()))?;
    Command::new(&program)
        .arg("torture-peer")
        .arg(order)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the others.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The guard's life: wait until the run is over, however it ends.
pub fn guard(dir: &Path) -> Result<()> {
    let mut word = String::new();
    // An error is an end as well.
    let _ = std::io::stdin().read_to_string(&mut word);
    if word == "keep" {
        return Ok(());
    }
    remove(dir).with_context(|| format!("cannot remove {}", dir.display()))
}

/// How long processes that are being killed may go on making files.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Remove a directory in which a process may still be at work: our pipe ends before the children
/// of a process that was killed are told of it, and one may be putting its ring's name there.
fn remove(dir: &Path) -> io::Result<()> {
    let late = Instant::now() + REMOVE_TIMEOUT;
    loop {
        match fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && !dir.exists() => return Ok(()),
            Err(error) if Instant::now() >= late => return Err(error),
            Err(_) => sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_directory_goes_although_somebody_still_makes_files_in_it() {
        let parent = tempfile::tempdir().expect("make a directory");
        for round in 0..20 {
            let dir = parent.path().join(round.to_string());
            let inner = dir.join("rings");
            fs::create_dir_all(&inner).expect("make a directory");
            let busy = Instant::now() + Duration::from_millis(20);
            let maker = thread::spawn(move || {
                let mut made = 0u32;
                // Until the directory is gone, or it is dead.
                while Instant::now() < busy && fs::write(inner.join(made.to_string()), "").is_ok() {
                    made += 1;
                }
            });
            while !dir.join("rings/100").exists() && !maker.is_finished() {}
            remove(&dir).expect("remove it");
            maker.join().expect("make files");
            assert!(!dir.exists());
        }
    }
}
