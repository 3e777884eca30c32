//! Programs that a test runs as a user would: with a guard against hanging, and what they say
//! kept.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, getpgid, kill_process_group};

use crate::time::wait_until;

/// A program under way. Dropped: killed, with its process group if it was started with one.
pub struct Running {
    child: Child,
    what: String,
    out: Option<File>,
    err: File,
}

/// A program that ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its standard output, unless that went elsewhere.
    pub out: Vec<u8>,
    /// Its standard error.
    pub err: String,
}

fn file() -> (File, Stdio) {
    let file = tempfile::tempfile().expect("a file for what is said");
    let writer = file.try_clone().expect("a second descriptor");
    (file, writer.into())
}

fn contents(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut bytes).expect("read what was said");
    bytes
}

/// What was written by now. The program writes at the place that the file's descriptors share,
/// so that stays where it is.
fn contents_so_far(file: &File) -> String {
    let length = file.metadata().expect("a length").len();
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0)
        .expect("read what was said");
    String::from_utf8(bytes).expect("text")
}

impl Running {
    /// Starts it; `what` names it where it hangs.
    pub fn start(command: &mut Command, what: &str) -> Running {
        let (out, writer) = file();
        let mut running = Running::start_to(command.stdout(writer), what);
        running.out = Some(out);
        running
    }

    /// Starts it with the standard output that it has by now.
    pub fn start_to(command: &mut Command, what: &str) -> Running {
        let (err, writer) = file();
        let child = command.stderr(writer).spawn();
        Running {
            child: child.expect("start a program"),
            what: what.into(),
            out: None,
            err,
        }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The pipe to its standard input, if it was started with one.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("started with a pipe")
    }

    /// The pipe from its standard output, if it was started with one.
    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("started with a pipe")
    }

    /// Its standard output so far; nothing, if that went elsewhere.
    pub fn text_so_far(&self) -> String {
        self.out.as_ref().map(contents_so_far).unwrap_or_default()
    }

    /// Its standard error so far.
    pub fn err_so_far(&self) -> String {
        contents_so_far(&self.err)
    }

    /// Kills the program, but none that it has started, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let what = self.what.clone();
        wait_until(|| !self.is_running(), || format!("{what} hangs"));
        Finished {
            status: self.child.wait().expect("it has ended"),
            out: self.out.take().map(contents).unwrap_or_default(),
            err: String::from_utf8(contents(self.err.try_clone().expect("a descriptor")))
                .expect("errors are text"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let pid = Pid::from_child(&self.child);
            if getpgid(Some(pid)) == Ok(pid) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
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

    /// It must have, with status 1 and one line that begins with `begin` and has all these words
    /// in it.
    #[track_caller]
    pub fn failed_with(self, begin: &str, words: &[&str]) -> Self {
        self.ended_with(1, begin, words)
    }

    #[track_caller]
    fn ended_with(self, status: i32, begin: &str, words: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(status), "{}", self.err);
        assert!(self.err.starts_with(begin), "{}", self.err);
        assert_eq!(self.err.trim_end().lines().count(), 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        self
    }

    /// As [`Finished::failed_with`], of the command `memring`.
    #[track_caller]
    pub fn failed(self, words: &[&str]) -> Self {
        self.failed_with("memring: ", words)
    }

    /// As [`Finished::failed`], with status 2: it was called in a way that makes no sense.
    #[track_caller]
    pub fn misused(self, words: &[&str]) -> Self {
        self.ended_with(2, "memring: ", words)
    }

    /// Its standard output.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("text")
    }
}
