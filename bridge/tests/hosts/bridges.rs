//! Bridges as children of a test, and the directory that is their world.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Whatever a test waits for has happened by then.
pub const LONG: Duration = Duration::from_secs(50);

/// A directory with rings, as on two hosts.
pub struct World {
    home: tempfile::TempDir,
}

impl World {
    pub fn new() -> World {
        let home = tempfile::Builder::new()
            .prefix("bridge")
            .tempdir_in("/dev/shm");
        let home = home.or_else(|_| tempfile::tempdir()).unwrap();
        for host in ["here", "there"] {
            std::fs::create_dir(home.path().join(host)).unwrap();
        }
        World { home }
    }

    pub fn ring(&self, host: &str, name: &str) -> PathBuf {
        self.home.path().join(host).join(name)
    }
}

/// A port of the loopback that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub fn endpoint(port: u16) -> String {
    format!("tcp/127.0.0.1:{port}")
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memring-bridge"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How to start a bridge, again and again.
pub struct Bridge {
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Bridge {
    pub fn send(ring: &Path, key: &str, connect: u16, more: &[&str]) -> Bridge {
        let ring = ring.to_str().unwrap();
        let endpoint = endpoint(connect);
        let first = ["send", ring, "--to", key, "--connect", &endpoint];
        Bridge::start(&first, more)
    }

    pub fn receive(key: &str, ring: &Path, listen: u16, more: &[&str]) -> Bridge {
        let ring = ring.to_str().unwrap();
        let endpoint = endpoint(listen);
        let first = ["receive", key, "--into", ring, "--listen", &endpoint];
        Bridge::start(&first, more)
    }

    pub fn start(first: &[&str], more: &[&str]) -> Bridge {
        let arguments = first.iter().chain(more).map(ToString::to_string).collect();
        let mut bridge = Bridge {
            arguments,
            child: None,
        };
        bridge.restart();
        bridge
    }

    pub fn restart(&mut self) {
        self.kill();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.child = Some(command(&arguments).spawn().unwrap());
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How it ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        let child = self.child.as_mut().expect("it was started");
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(
                began.elapsed() < LONG,
                "a bridge goes on: {:?}",
                self.arguments
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command that ends by itself: status, and what it printed.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Waits until `is_so`.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "this did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
