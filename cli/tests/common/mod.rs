//! Runs the real `memring`, in a directory of its own, with a guard against hanging.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// No command takes this long, on any machine: it hangs.
pub const GUARD: Duration = Duration::from_secs(60);

/// A directory for rings and files that is gone after the test.
pub struct Place {
    dir: TempDir,
}

/// A command under way. Dropped: killed.
pub struct Running {
    child: Child,
    what: String,
    out: Option<PathBuf>,
    err: PathBuf,
}

/// A command that ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        let builder = tempfile::Builder::new()
            .prefix("memring-cli-test")
            .to_owned();
        let dir = match PathBuf::from("/dev/shm") {
            shm if shm.is_dir() => builder.tempdir_in(shm),
            _ => builder.tempdir(),
        };
        let dir = dir.expect("temporary directory");
        let rings = dir.path().join("rings");
        fs::create_dir(&rings).expect("ring directory");
        fs::set_permissions(&rings, Permissions::from_mode(0o700)).expect("mode");
        Place { dir }
    }

    /// Where the rings are.
    pub fn rings(&self) -> PathBuf {
        self.dir.path().join("rings")
    }

    /// Start it with this standard input.
    pub fn start_with(&self, args: &[&str], input: impl Into<Stdio>) -> Running {
        let (file, path) = self.file("out");
        let mut running = self.spawn(args, input.into(), file.into());
        running.out = Some(path);
        running
    }

    /// Start it with an empty standard input and this standard output.
    pub fn start_to(&self, args: &[&str], output: impl Into<Stdio>) -> Running {
        self.spawn(args, Stdio::null(), output.into())
    }

    fn spawn(&self, args: &[&str], input: Stdio, output: Stdio) -> Running {
        let (file, err) = self.file("err");
        let mut command = Command::new(env!("CARGO_BIN_EXE_memring"));
        command.args(args).env("MEMRING_DIR", self.rings());
        command.stdin(input).stdout(output).stderr(file);
        Running {
            child: command.spawn().expect("start memring"),
            what: format!("memring {}", args.join(" ")),
            out: None,
            err,
        }
    }

    /// A new file for what a command writes.
    fn file(&self, what: &str) -> (File, PathBuf) {
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(what).tempfile_in(self.dir.path());
        file.expect("output file").keep().expect("output file")
    }

    /// Start it with an empty standard input.
    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, Stdio::null())
    }

    /// Start it with these bytes on standard input.
    pub fn start_fed(&self, args: &[&str], input: &[u8]) -> Running {
        let mut file = tempfile::tempfile_in(self.dir.path()).expect("input file");
        file.write_all(input).expect("write input");
        std::io::Seek::rewind(&mut file).expect("rewind input");
        self.start_with(args, file)
    }

    /// Run it to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        self.start(args).finish()
    }

    /// Run it to its end with these bytes on standard input.
    pub fn run_fed(&self, args: &[&str], input: &[u8]) -> Finished {
        self.start_fed(args, input).finish()
    }

    /// `memring list --json`, parsed.
    pub fn list(&self) -> Vec<serde_json::Value> {
        let listed = self.run(&["list", "--json"]).succeeded();
        serde_json::from_slice(&listed.out).expect("list --json prints an array")
    }

    /// Wait until the listing of this ring is as wanted.
    pub fn wait_for(&self, name: &str, what: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
        let end = Instant::now() + GUARD;
        while !self
            .list()
            .iter()
            .any(|ring| ring["name"] == name && wanted(ring))
        {
            assert!(
                Instant::now() < end,
                "{name}: never {what}: {:?}",
                self.list()
            );
            sleep(Duration::from_millis(10));
        }
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("look at the process")
            .is_none()
    }

    /// The pipe to its standard input, if it was started with one.
    pub fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().expect("started with a pipe")
    }

    /// The pipe from its standard output, if it was started with one.
    pub fn stdout(&mut self) -> std::process::ChildStdout {
        self.child.stdout.take().expect("started with a pipe")
    }

    /// Kill it as nothing can be caught, and wait until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Wait for its end.
    pub fn finish(mut self) -> Finished {
        let end = Instant::now() + GUARD;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("look at the process") {
                break status;
            }
            assert!(Instant::now() < end, "{} hangs", self.what);
            sleep(Duration::from_millis(2));
        };
        Finished {
            status,
            out: self
                .out
                .as_ref()
                .map_or_else(Vec::new, |out| fs::read(out).expect("output")),
            err: fs::read_to_string(&self.err).expect("errors are text"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// It must have, in silence.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}: {}", self.status, self.err);
        assert_eq!(self.err, "");
        self
    }

    /// It must have, with one line that has all these words in it.
    #[track_caller]
    pub fn failed(self, words: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(1), "{}", self.err);
        assert!(self.err.starts_with("memring: "), "{}", self.err);
        assert_eq!(self.err.trim_end().lines().count(), 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("text")
    }
}

/// The processes that a run has started, once there are so many.
pub fn children(pid: u32, count: usize) -> Vec<i32> {
    let end = Instant::now() + GUARD;
    loop {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let list = fs::read_to_string(path).expect("its children");
        let list: Vec<i32> = list
            .split_whitespace()
            .map(|pid| pid.parse().expect("pid"))
            .collect();
        if list.len() == count {
            return list;
        }
        assert!(Instant::now() < end, "{} children, not {count}", list.len());
        sleep(Duration::from_millis(5));
    }
}

pub fn wait_until_gone(pid: i32) {
    let end = Instant::now() + GUARD;
    // A zombie that its new parent has not reaped yet is as good as gone.
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "process {pid} lives on");
        sleep(Duration::from_millis(5));
    }
}

pub fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a process");
    kill_process(pid, signal).expect("signal");
}

/// Bytes that look random and are the same every time.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let word = self.number().to_le_bytes();
            piece.copy_from_slice(&word[..piece.len()]);
        }
    }
}
