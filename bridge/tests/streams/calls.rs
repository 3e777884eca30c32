//! Calls over a network that loses, doubles, delays and reorders, between bridges that die: each
//! ends once, in time, with its own answer or an error, and no run of an exporting bridge
//! carries it out twice.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use memring_bridge::calls::{
    CallId, EndReason, ExportLimits, ExportTask, Exporter, GONE_AFTER, Importer,
};
use memring_bridge::packet::{CallOutcome, decode};
use memring_testkit::random::Random;

use crate::network::{Network, To, Weather};

const STEP: Duration = Duration::from_millis(5);
const HELLO: Duration = Duration::from_millis(500);

/// An exporting bridge, and the service beside it.
struct Remote {
    run: u64,
    exporter: Exporter,
    /// What the service has, and when it has done it, if ever.
    working: BTreeMap<CallId, (Vec<u8>, Option<Duration>)>,
    hello: Duration,
}

/// An importing bridge, and its callers.
struct Local {
    run: u64,
    importer: Importer,
    /// Calls under way: by the bridge's key, what is called, and its deadline.
    open: HashMap<u64, (u64, Option<Duration>)>,
}

/// What may happen.
#[derive(Clone, Copy)]
struct Trouble {
    weather: Weather,
    deaths: bool,
    cuts: bool,
    max_attempts: u8,
    /// Bytes of answers that are kept.
    memory: usize,
}

#[derive(Default)]
struct Tally {
    done: u64,
    lost: u64,
    late: u64,
    without: u64,
}

struct Run {
    random: Random,
    now: Duration,
    network: Network,
    remotes: Vec<Remote>,
    locals: Vec<Local>,
    trouble: Trouble,
    next_run: u64,
    next_call: u64,
    /// How often a run has carried a call out, and how often all did.
    executed: HashMap<(u64, u64), u32>,
    in_all: HashMap<u64, u32>,
    tally: Tally,
}

/// The answer to a request.
fn answer(call: u64) -> Vec<u8> {
    call.wrapping_mul(0x9e37_79b9)
        .to_le_bytes()
        .repeat(1 + call as usize % 5)
}

impl Run {
    fn new(seed: u64, trouble: Trouble) -> Run {
        let mut run = Run {
            random: Random::of(seed),
            now: Duration::from_secs(1),
            network: Network::new(trouble.weather),
            remotes: Vec::new(),
            locals: Vec::new(),
            trouble,
            next_run: 0,
            next_call: 0,
            executed: HashMap::new(),
            in_all: HashMap::new(),
            tally: Tally::default(),
        };
        for _ in 0..2 {
            let remote = run.remote();
            run.remotes.push(remote);
            let local = run.local();
            run.locals.push(local);
        }
        run
    }

    fn name(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run
    }

    fn remote(&mut self) -> Remote {
        let run = self.name();
        let limits = ExportLimits {
            request: 64,
            window: 6,
            memory: self.trouble.memory,
            max_attempts: self.trouble.max_attempts,
        };
        Remote {
            run,
            exporter: Exporter::new(run, limits),
            working: BTreeMap::new(),
            hello: Duration::ZERO,
        }
    }

    fn local(&mut self) -> Local {
        let run = self.name();
        Local {
            run,
            importer: Importer::new(run, 10),
            open: HashMap::new(),
        }
    }

    /// A new call at an importing bridge.
    fn call(&mut self, at: usize, deadline: Option<Duration>) {
        if self.locals[at].importer.has_room() {
            self.next_call += 1;
            let deadline = deadline.map(|time| self.now + time);
            let local = &mut self.locals[at];
            let request = self.next_call.to_le_bytes().to_vec();
            let key = local.importer.begin(self.now, request, deadline, 1);
            assert!(local.open.insert(key, (self.next_call, deadline)).is_none());
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        for (to, bytes) in self.network.arrivals(now) {
            let packet = decode(&bytes).unwrap();
            for local in &mut self.locals {
                if to == To::Senders || to == To::Source(local.run) {
                    local.importer.on_packet(now, &packet);
                }
            }
            for remote in &mut self.remotes {
                if to == To::Target(remote.run) {
                    remote.exporter.on_packet(now, &packet);
                }
            }
        }
        for at in 0..self.remotes.len() {
            self.work(at);
        }
        for local in &mut self.locals {
            for (to, packet) in local.importer.transmit(now) {
                let random = &mut self.random;
                self.network.send(now, To::Target(to), packet, random);
            }
            for end in local.importer.take_ended() {
                let (call, deadline) = local.open.remove(&end.key).expect("it ends once");
                if let Some(deadline) = deadline {
                    assert!(now <= deadline + 2 * STEP, "{call} ended too late");
                }
                match end.reason {
                    EndReason::Answered(CallOutcome::Done, body) => {
                        assert_eq!(body, answer(call), "the answer of another call");
                        assert!(self.in_all.contains_key(&call), "it was not carried out");
                        self.tally.done += 1;
                    }
                    EndReason::Answered(CallOutcome::ServerDied, _) | EndReason::Lost => {
                        self.tally.lost += 1;
                    }
                    EndReason::Answered(CallOutcome::Expired, _) | EndReason::Late => {
                        assert!(deadline.is_some());
                        self.tally.late += 1;
                    }
                    EndReason::NoExport => {
                        assert!(!self.in_all.contains_key(&call), "{call} was carried out");
                        self.tally.without += 1;
                    }
                    other => panic!("{call}: {other:?}"),
                }
            }
            let late = local
                .open
                .values()
                .find(|(_, deadline)| deadline.is_some_and(|deadline| now > deadline + 2 * STEP));
            assert!(late.is_none(), "{late:?} goes on");
            assert_eq!(local.open.len(), local.importer.open());
        }
    }

    fn work(&mut self, at: usize) {
        let now = self.now;
        let remote = &mut self.remotes[at];
        remote.exporter.on_time(now);
        let done: Vec<CallId> = remote
            .working
            .iter()
            .filter(|(_, (_, when))| when.is_some_and(|when| when <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            let (request, _) = remote.working.remove(&id).unwrap();
            let call = u64::from_le_bytes(request.try_into().unwrap());
            remote
                .exporter
                .on_end(now, id, CallOutcome::Done, answer(call));
        }
        for task in remote.exporter.take_tasks() {
            match task {
                ExportTask::Begin { id, request, .. } => {
                    let call = u64::from_le_bytes(request.clone().try_into().unwrap());
                    let times = self.executed.entry((remote.run, call)).or_default();
                    *times += 1;
                    assert_eq!(*times, 1, "{call} was carried out twice in a run");
                    let times = self.in_all.entry(call).or_default();
                    *times += 1;
                    let most = u32::from(self.trouble.max_attempts);
                    assert!(*times <= most, "{call} was carried out {times} times");
                    // Some are slow; one in fifty is never done, where deaths are about.
                    let is_hung = self.trouble.deaths && self.random.below(50) == 0;
                    let most = if self.random.below(10) == 0 { 4000 } else { 50 };
                    let time = Duration::from_millis(self.random.below(most));
                    let when = (!is_hung).then_some(now + time);
                    assert!(remote.working.insert(id, (request, when)).is_none());
                }
                ExportTask::Cancel { id } => {
                    remote.working.remove(&id);
                }
            }
        }
        assert!(remote.working.len() <= 6);
        assert_eq!(remote.working.len(), remote.exporter.open());
        let mut packets: Vec<(To, Vec<u8>)> = Vec::new();
        if now >= remote.hello {
            remote.hello = now + HELLO;
            packets.push((To::Senders, remote.exporter.hello().encode()));
        }
        let answers = remote.exporter.take_packets();
        packets.extend(
            answers
                .into_iter()
                .map(|(to, packet)| (To::Source(to), packet)),
        );
        for (to, packet) in packets {
            self.network.send(now, to, packet, &mut self.random);
        }
    }

    /// Something goes wrong, perhaps.
    fn trouble(&mut self) {
        if self.trouble.deaths && self.random.below(150) == 0 {
            let at = self.random.below(2) as usize;
            let dead = self.remotes[at].run;
            self.remotes[at] = self.remote();
            if self.random.below(2) == 0 {
                // Its presence ends, as seen by one of them at least.
                self.locals[at].importer.on_gone(self.now, dead);
            }
        }
        if self.trouble.deaths && self.random.below(400) == 0 {
            let at = self.random.below(2) as usize;
            self.locals[at] = self.local();
        }
        if self.trouble.cuts && self.random.below(300) == 0 {
            self.network.cut = !self.network.cut;
            if self.network.cut && self.random.below(2) == 0 {
                for remote in &self.remotes {
                    for local in &mut self.locals {
                        local.importer.on_gone(self.now, remote.run);
                    }
                }
            }
        }
        if self.network.cut && self.random.below(200) == 0 {
            self.network.cut = false;
        }
    }
}

fn storm(seed: u64, trouble: Trouble) -> Tally {
    let mut run = Run::new(seed, trouble);
    for _ in 0..3000 {
        for at in 0..2 {
            if run.random.below(6) == 0 {
                let time = Duration::from_millis(20 + run.random.below(3000));
                let deadline = (run.random.below(2) == 0).then_some(time);
                run.call(at, deadline);
            }
        }
        run.trouble();
        run.step();
    }
    // Nothing is to be reached any more: all that is under way ends in time.
    run.network.cut = true;
    for at in 0..2 {
        run.call(at, None);
    }
    let until = run.now + GONE_AFTER + trouble.weather.delay + 4 * STEP;
    while run.now < until {
        run.step();
    }
    for local in &run.locals {
        assert!(local.open.is_empty(), "{:?} go on", local.open);
    }
    run.tally
}

const BAD: Weather = Weather {
    lost: 20,
    doubled: 20,
    delay: Duration::from_millis(60),
};

fn storms(seeds: std::ops::Range<u64>, trouble: Trouble) -> Tally {
    let mut all = Tally::default();
    for seed in seeds {
        println!("seed {seed}");
        let tally = storm(seed, trouble);
        all.done += tally.done;
        all.lost += tally.lost;
        all.late += tally.late;
        all.without += tally.without;
    }
    all
}

#[test]
fn calls_survive_deaths_and_cuts_or_end_in_time() {
    for max_attempts in [1, 3] {
        let trouble = Trouble {
            weather: BAD,
            deaths: true,
            cuts: true,
            max_attempts,
            memory: 4000,
        };
        let tally = storms(1..41, trouble);
        let counts = [tally.done, tally.lost, tally.late, tally.without];
        assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    }
}

#[test]
fn bad_weather_alone_loses_no_call() {
    let trouble = Trouble {
        weather: BAD,
        deaths: false,
        cuts: false,
        max_attempts: 1,
        memory: 1 << 20,
    };
    for seed in 1..31 {
        println!("seed {seed}");
        let mut run = Run::new(seed, trouble);
        for _ in 0..2000 {
            for at in 0..2 {
                if run.random.below(4) == 0 {
                    run.call(at, None);
                }
            }
            run.step();
        }
        while run.locals.iter().any(|local| !local.open.is_empty()) {
            run.step();
            assert!(run.now < Duration::from_secs(60));
        }
        let Tally {
            done,
            lost,
            without,
            ..
        } = run.tally;
        assert_eq!((done, lost, without), (run.next_call, 0, 0));
        // Several bridges share the calls.
        let began = |at: usize| run.remotes[at].exporter.figures().begun;
        assert!(began(0) > 50 && began(1) > 50);
        assert_eq!(began(0) + began(1), run.next_call);
    }
}
