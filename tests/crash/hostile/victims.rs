//! The victims: rounds of endpoints on rings that a hostile process writes to.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use memring::{FenceMode, Layout, OnDeath, Ring, RingKind, Wakeups};
use memring_testkit::children::{Args, without_limit};
use memring_testkit::kinds::Cloning;
use memring_testkit::random::Random;
use memring_testkit::text::print;
use memring_testkit::with_kind;

use super::attack::{Orders, RELENTLESS, RESTING, WROTE};
use super::receive::receive;
use super::sample::{LIMIT, Sample};
use super::scene::{Outcome, Scene, Tally};
use super::send::send;
use super::watch::{Watch, guard};

/// Threads of each round: senders, receivers, and one that looks on.
const SENDERS: usize = 2;
const RECEIVERS: usize = 2;
const END: usize = SENDERS + RECEIVERS;
static WATCHES: [Watch; END + 1] = [const { Watch::new() }; END + 1];

pub fn victims(args: &Args) {
    let seed = args.get("seed");
    guard(&WATCHES, seed);
    let home = memring::directory().expect("a directory of rings");
    std::fs::create_dir(&home).expect("make the directory of rings");
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o700)).expect("for us alone");
    let mut random = Random::of(seed);
    let mut attacker = Attacker::start(args);
    let tally = Tally::default();
    let end = Instant::now() + super::duration();
    let (mut rounds, mut writes) = (0, 0);
    while Instant::now() < end {
        let round = &mut Round {
            random: &mut random,
            attacker: &mut attacker,
            tally: &tally,
            home: &home,
        };
        // In turn, so that even a short run has all of them.
        let kind = RingKind::ALL[rounds as usize % 4];
        writes += with_kind!(kind, K => round.of_kind::<K>(rounds / 4));
        rounds += 1;
    }
    report(seed, rounds, writes, &tally);
}

/// Says what happened; fails if something never did, which a short run has too.
fn report(seed: u64, rounds: u64, writes: u64, tally: &Tally) {
    use Outcome::*;
    let mut text = format!("seed {seed}: {rounds} rounds, {writes} hostile writes;");
    for outcome in Outcome::ALL {
        text += &format!(" {outcome:?} {}", tally.of(outcome));
    }
    let latest = WATCHES.iter().map(Watch::latest).max();
    let (late, what) = latest.expect("there are threads");
    text += &format!("; at most {late:.1?} late ({what})");
    print(text);
    for outcome in [Sent, Received, Leased, TimedOut, Corrupted, Opened, Looked] {
        assert!(tally.of(outcome) > 0, "never {outcome:?}");
    }
    assert!(writes > 0);
}

struct Round<'r> {
    random: &'r mut Random,
    attacker: &'r mut Attacker,
    tally: &'r Tally,
    home: &'r Path,
}

impl Round<'_> {
    /// Says how often the attacker wrote.
    fn of_kind<K: Cloning>(&mut self, which: u64) -> u64 {
        match which % 4 {
            0 => self.run::<[u8], K>(),
            1 => self.run::<[u64; 7], K>(),
            2 => self.run::<[u64; 96], K>(),
            _ => self.run::<u8, K>(),
        }
    }

    fn run<T: Sample + ?Sized, K: Cloning>(&mut self) -> u64 {
        let random = &mut *self.random;
        let sleeps = random.below(4) > 0;
        let builder = Ring::<T, K>::builder()
            .capacity(random.pick(&[1, 2, 3, 4, 10, 16, 256]))
            .layout(random.pick(&[Layout::Auto, Layout::Dense]))
            .message_limit(LIMIT)
            .max_deliveries(1 + random.below(15) as u8)
            .wakeups([Wakeups::SpinOnly, Wakeups::Blocking][usize::from(sleeps)])
            .fence_mode(random.pick(&[FenceMode::Auto, FenceMode::Fence]))
            .on_receiver_death(random.pick(&[OnDeath::Discard, OnDeath::Redeliver]));
        let path = self.home.join("ring");
        let name = (random.below(2) == 0).then_some(path.as_path());
        let made = match name {
            Some(path) => builder.create(path.to_str().expect("a path of ASCII")),
            None => builder.anonymous(),
        };
        let made = made.expect("a new ring");
        let path = match name {
            Some(path) => path.to_str().expect("a path of ASCII").into(),
            None => {
                let fd = made.share_fd().expect("a descriptor").as_raw_fd();
                format!("/proc/{}/fd/{fd}", std::process::id())
            }
        };
        let scene = &Scene {
            made,
            name,
            end: Instant::now() + Duration::from_millis(50 + random.below(200)),
            tally: self.tally,
            sleeps,
            waits_through: random.below(4) == 0,
        };
        self.attacker.attack(&Orders {
            path,
            seed: random.number(),
            pause: random.pick(&[0, 10, 100, 1000, 5000, RESTING, RELENTLESS]),
        });
        thread::scope(|threads| {
            for (index, watch) in WATCHES.iter().enumerate() {
                let mut random = Random::of(random.number());
                let work = move || match index {
                    0..SENDERS => send(scene, watch, &mut random),
                    SENDERS..END => receive(scene, watch, &mut random),
                    _ => look(scene, watch, &mut random),
                };
                threads.spawn(work);
            }
        });
        let writes = self.attacker.cease();
        if let Some(path) = name {
            // By the attacker's leave: it may no longer look like a ring.
            let _ = memring::remove(path.to_str().expect("a path of ASCII"));
            let _ = fs::remove_file(path);
        }
        writes
    }
}

/// Looks on without sending or receiving, and closes the ring now and then.
fn look<T: Sample + ?Sized, K: Cloning>(
    scene: &Scene<'_, T, K>,
    watch: &Watch,
    random: &mut Random,
) {
    while !scene.is_over() {
        let ring = match random.below(2) {
            0 => Some(scene.made.clone()),
            _ => scene.open(watch),
        };
        let Some(ring) = ring else { continue };
        let stats = watch.call("stats", Duration::ZERO, || ring.stats());
        assert!(stats.len <= stats.capacity && ring.len() <= ring.capacity());
        for holder in [stats.senders_blocked_by, stats.receivers_blocked_by] {
            assert!(holder.is_none_or(|holder| holder.id < 1024));
        }
        if let Some(path) = scene.name {
            let name = path.to_str().expect("a path of ASCII");
            let _ = watch.call("inspect", Duration::ZERO, || memring::inspect(name));
            let listed = watch.call("list", Duration::ZERO, memring::list);
            assert_eq!(listed.expect("our own directory").len(), 1);
        }
        if random.below(64) == 0 {
            match watch.call("close", Duration::ZERO, || ring.close()) {
                Ok(()) => assert!(ring.capacity() > 0),
                Err(failure) => scene.failed(failure),
            }
        }
        scene.tally.add(Outcome::Looked, 1);
        thread::sleep(Duration::from_micros(random.below(2000)));
    }
}

/// The hostile process.
struct Attacker {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Attacker {
    fn start(args: &Args) -> Attacker {
        let mut command = args.command("attacker", &[]);
        without_limit(&mut command);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the attacker");
        Attacker {
            orders: process.stdin.take().expect("a pipe"),
            answers: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
        }
    }

    fn attack(&mut self, orders: &Orders) {
        let line = orders.line();
        self.orders
            .write_all(line.as_bytes())
            .expect("a living attacker");
    }

    /// Ends the attack, and says how many writes it was.
    fn cease(&mut self) -> u64 {
        self.orders.write_all(b"stop\n").expect("a living attacker");
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line);
            assert!(read.expect("an answer") > 0, "the attacker has died");
            if let Some(count) = line.trim_end().strip_prefix(WROTE) {
                return count.parse().expect("a number");
            }
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
