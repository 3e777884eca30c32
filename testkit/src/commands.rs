//! The real `memring`, in a directory of its own.

use std::fs::DirBuilder;
use std::io::{Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::homes::{Directory, directory};
use crate::programs::{Finished, Running};
use crate::time::wait_until;

/// A directory for rings and files that is gone after the test, and the program.
pub struct Place {
    dir: Directory,
    program: &'static str,
}

impl Place {
    /// For the program at this path: `env!("CARGO_BIN_EXE_memring")`, which only its own tests
    /// know.
    pub fn of(program: &'static str) -> Self {
        let dir = directory();
        let mut builder = DirBuilder::new();
        let made = builder.mode(0o700).create(dir.path().join("rings"));
        made.expect("ring directory");
        Place { dir, program }
    }

    /// Where the rings are.
    pub fn rings(&self) -> PathBuf {
        self.dir.path().join("rings")
    }

    fn command(&self, args: &[&str], input: impl Into<Stdio>) -> Command {
        let mut command = Command::new(self.program);
        command.args(args).env("MEMRING_DIR", self.rings());
        command.stdin(input);
        command
    }

    /// Start it with this standard input.
    pub fn start_with(&self, args: &[&str], input: impl Into<Stdio>) -> Running {
        Running::start(&mut self.command(args, input), &args.join(" "))
    }

    /// Start it with an empty standard input and this standard output.
    pub fn start_to(&self, args: &[&str], output: impl Into<Stdio>) -> Running {
        let mut command = self.command(args, Stdio::null());
        Running::start_to(command.stdout(output), &args.join(" "))
    }

    /// Start it with an empty standard input.
    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, Stdio::null())
    }

    /// Start it with these bytes on standard input.
    pub fn start_fed(&self, args: &[&str], input: &[u8]) -> Running {
        let mut file = tempfile::tempfile_in(self.dir.path()).expect("input file");
        file.write_all(input).expect("write input");
        file.rewind().expect("rewind input");
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

    /// Run it to its end, by a shell that redirects its streams so.
    pub fn run_in_shell(&self, redirection: &str, args: &[&str]) -> Finished {
        let script = format!("exec \"$0\" \"$@\" {redirection}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, self.program]).args(args);
        command
            .env("MEMRING_DIR", self.rings())
            .stdin(Stdio::null());
        Running::start(&mut command, &format!("{} {redirection}", args.join(" "))).finish()
    }

    /// `memring list --json`, parsed.
    pub fn list(&self) -> Vec<Value> {
        let listed = self.run(&["list", "--json"]).succeeded();
        serde_json::from_slice(&listed.out).expect("list --json prints an array")
    }

    /// Wait until the listing of this ring is as wanted.
    pub fn wait_for(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) {
        let is_so = |ring: &Value| ring["name"] == name && wanted(ring);
        wait_until(
            || self.list().iter().any(is_so),
            || format!("{name}: never {what}: {:?}", self.list()),
        );
    }
}
