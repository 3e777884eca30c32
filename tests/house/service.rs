//! The example `service` answers each request once, while its workers are killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use memring_testkit::homes::directory;
use memring_testkit::processes::{signal, state_of, wait_until_gone};
use memring_testkit::programs::Running;
use memring_testkit::time::wait_until;
use rustix::process::Signal;

use super::examples::example;

const WORKERS: usize = 3;

/// A run of the example.
struct Service {
    running: Running,
    input: ChildStdin,
    rings: PathBuf,
    /// Primes whose squares it has not been asked to factor.
    primes: Box<dyn Iterator<Item = u64>>,
    /// What it will have said.
    expected: Vec<String>,
    killed: BTreeSet<u32>,
}

impl Service {
    fn start(rings: &Path) -> Service {
        let mut command = Command::new(example("service"));
        command.env("MEMRING_DIR", rings).process_group(0);
        let mut running = Running::start(command.stdin(Stdio::piped()), "service");
        let is_prime = |n: &u64| (2..=n.isqrt()).all(|factor| !n.is_multiple_of(factor));
        Service {
            input: running.stdin(),
            running,
            rings: rings.into(),
            // Each is some milliseconds of work.
            primes: Box::new((1_000_000..).filter(is_prime)),
            expected: Vec::new(),
            killed: BTreeSet::new(),
        }
    }

    fn ask(&mut self, count: usize) {
        let mut lines = String::new();
        for prime in self.primes.by_ref().take(count) {
            lines += &format!("{}\n", prime * prime);
            let said = format!("{} = {prime} x {prime}", prime * prime);
            self.expected.push(said);
        }
        self.input.write_all(lines.as_bytes()).expect("ask");
    }

    fn answers(&self) -> usize {
        self.running.text_so_far().lines().count()
    }

    /// Waits for so many of the answers.
    fn wait_for_answers(&self, count: usize) {
        let all = self.expected.len();
        assert!(count <= all);
        wait_until(
            || self.answers() >= count,
            || {
                let found = self.answers();
                format!(
                    "{found} answers to {all} requests, not {count}; it says\n{}",
                    self.err()
                )
            },
        );
    }

    fn err(&self) -> String {
        self.running.err_so_far()
    }

    /// The workers that were not killed, once each that was has been replaced.
    fn workers(&self) -> Vec<u32> {
        let list = || -> Vec<u32> {
            let started = self.err();
            let started = started.lines().filter_map(|line| {
                let line = line.strip_prefix("worker ")?;
                line.strip_suffix(" started")?.parse().ok()
            });
            started.filter(|pid| !self.killed.contains(pid)).collect()
        };
        wait_until(|| list().len() == WORKERS, || self.err());
        list()
    }

    fn kill(&mut self, worker: u32) {
        signal(worker, Signal::KILL);
        self.killed.insert(worker);
    }

    /// Messages in one of its rings.
    fn len(&self, ring: &str) -> (usize, usize) {
        let name = format!("service-{}-{ring}", self.running.pid());
        let stats = memring::inspect(self.rings.join(name))
            .expect("inspect")
            .stats;
        (stats.len, stats.capacity)
    }

    /// Stops the front end, so that replies fill their ring; whether each worker has one in
    /// hand that it cannot send, and so a request that is not answered.
    fn workers_are_stuck(&self) -> bool {
        let workers = self.workers();
        signal(self.running.pid(), Signal::STOP);
        let is_full = || {
            let (len, capacity) = self.len("replies");
            len == capacity
        };
        wait_until(|| is_full() || self.len("requests").0 == 0, || self.err());
        let asleep = || workers.iter().all(|pid| state_of(*pid) == Some('S'));
        if is_full() {
            wait_until(asleep, || "workers work on".into());
        }
        is_full()
    }

    fn resume(&self) {
        signal(self.running.pid(), Signal::CONT);
    }
}

#[test]
fn requests_of_its_own() {
    let rings = directory();
    let mut command = Command::new(example("service"));
    command.env("MEMRING_DIR", rings.path()).process_group(0);
    command.args(["--requests", "20"]).stdin(Stdio::null());
    let ended = Running::start(&mut command, "service").finish();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.err);
    assert_eq!(ended.text().lines().count(), 20);
}

#[test]
fn each_request_is_answered_once_whatever_is_killed() {
    let rings = directory();
    let mut service = Service::start(rings.path());

    // During their work.
    for round in 0..12 {
        service.ask(25);
        service.wait_for_answers(20 * round);
        let workers = service.workers();
        match round % 4 {
            3 => workers.iter().for_each(|pid| service.kill(*pid)),
            one => service.kill(workers[one]),
        }
    }

    // Between the work and the reply.
    for _ in 0..3 {
        service.wait_for_answers(service.expected.len() - 5);
        service.ask(100);
        while !service.workers_are_stuck() {
            service.resume();
            service.ask(100);
        }
        for worker in service.workers() {
            service.kill(worker);
            wait_until_gone(worker);
        }
        service.resume();
    }
    assert!(service.killed.len() >= 24);
    service.wait_for_answers(service.expected.len());

    let Service {
        running,
        input,
        mut expected,
        ..
    } = service;
    drop(input);
    let ended = running.finish();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.err);
    let mut said: Vec<_> = ended.text().lines().map(String::from).collect();
    said.sort_unstable();
    expected.sort_unstable();
    assert_eq!(said, expected);
    let left = fs::read_dir(rings.path()).expect("ring directory").count();
    assert_eq!(left, 0, "rings left behind");
}
