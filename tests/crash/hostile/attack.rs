//! The hostile process: maps a ring's file and writes whatever it likes.

use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memring_testkit::Words;
use memring_testkit::children::Args;
use memring_testkit::format;
use memring_testkit::random::Random;
use memring_testkit::shapes::{Arrangement, Shape};

/// Words of the headers.
const HEADER: usize = format::HEADERS as usize / 8;

/// Which ring to attack, and how: what the victims write to the attacker.
pub struct Orders {
    pub path: String,
    pub seed: u64,
    /// The longest pause between two writes, in microseconds.
    pub pause: u64,
}

/// Instead of a pause: the attack is one flood, without an end.
pub const RELENTLESS: u64 = u64::MAX;

/// Instead of a pause: after a few writes the attacker leaves it at that, so that
/// nothing but its deadline ends a call.
pub const RESTING: u64 = u64::MAX - 1;

impl Orders {
    pub fn line(&self) -> String {
        let Orders { path, seed, pause } = self;
        format!("{seed} {pause} {path}\n")
    }

    /// `None`: stop.
    fn read(line: &str) -> Option<Orders> {
        let mut parts = line.trim_end().splitn(3, ' ');
        let mut number = || parts.next()?.parse().ok();
        let (seed, pause) = (number()?, number()?);
        Some(Orders {
            path: parts.next()?.into(),
            seed,
            pause,
        })
    }
}

/// What the attacker says after it has stopped, before the number of writes.
pub const WROTE: &str = "wrote ";

/// Attacks what each line of standard input names, until the next line, and says
/// how often it wrote.
pub fn attacker(_args: &Args) {
    let mut at_work: Option<(Arc<AtomicBool>, thread::JoinHandle<u64>)> = None;
    for line in std::io::stdin().lock().lines() {
        if let Some((stop, thread)) = at_work.take() {
            stop.store(true, Ordering::Relaxed);
            println!("\n{WROTE}{}", thread.join().expect("an attack"));
            std::io::stdout().flush().expect("tell the victims");
        }
        if let Some(orders) = Orders::read(&line.expect("orders")) {
            let stop = Arc::new(AtomicBool::new(false));
            let until = Arc::clone(&stop);
            let thread = thread::spawn(move || attack(&orders, &until));
            at_work = Some((stop, thread));
        }
    }
}

fn attack(orders: &Orders, stop: &AtomicBool) -> u64 {
    let file = File::options().read(true).write(true).open(&orders.path);
    let words = Words::map_all(file.expect("the ring's file")).expect("its memory");
    let words = &words[..];
    let read = |word: &AtomicU64| word.load(Ordering::Relaxed);
    let mut attack = Attack {
        words,
        random: Random::of(orders.seed),
        shape: Shape::described(|offset| read(&words[offset as usize / 8])),
        header: words[..HEADER].iter().map(read).collect(),
        seen: Vec::new(),
        writes: 0,
    };
    while !stop.load(Ordering::Relaxed) {
        if orders.pause == RELENTLESS {
            attack.flood(u64::MAX, stop);
            break;
        }
        if orders.pause == RESTING && attack.writes > 20 {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        attack.act(stop);
        let longest = orders.pause.min(5000);
        let pause = Duration::from_micros(attack.random.below(longest + 1));
        if pause > Duration::from_micros(200) {
            thread::sleep(pause);
        } else {
            let end = Instant::now() + pause;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
    }
    attack.writes
}

struct Attack<'w> {
    words: &'w [AtomicU64],
    random: Random,
    shape: Shape,
    /// As it was before the attack.
    header: Vec<u64>,
    /// Words seen earlier, to be put back.
    seen: Vec<(usize, u64)>,
    writes: u64,
}

impl Attack<'_> {
    fn act(&mut self, stop: &AtomicBool) {
        match self.random.below(64) {
            0..10 => self.flip(),
            10..16 => self.replay(),
            16..20 => self.extreme(),
            20..32 => self.forge(),
            32..38 => self.length(),
            38..45 => self.progress(),
            45..49 => self.entry(),
            49 => self.everybody(),
            50..53 => self.end(),
            53..55 => {
                let count = self.random.below(20_000);
                self.flood(count, stop);
            }
            55 => self.header(),
            56 => self.noise(),
            _ => self.heal(),
        }
    }

    fn write(&mut self, at: usize, value: u64) {
        let old = self.words[at].swap(value, Ordering::Relaxed);
        if self.seen.len() == 256 {
            let replaced = self.random.below(256) as usize;
            self.seen.swap_remove(replaced);
        }
        self.seen.push((at, old));
        self.writes += 1;
    }

    /// A word that publishes.
    fn slot(&mut self) -> usize {
        self.shape.word(self.random.below(self.shape.words())) as usize / 8
    }

    /// The first word of a message.
    fn message(&mut self) -> usize {
        self.shape.message(self.random.below(self.shape.capacity)) as usize / 8
    }

    /// Eight of the bytes that count how often a message was given back.
    fn attempts(&mut self) -> usize {
        match self.shape.arrangement {
            Arrangement::Slots => self.slot(),
            _ => {
                let words = self.shape.lap().div_ceil(8);
                self.shape.end() as usize / 8 + self.random.below(words) as usize
            }
        }
    }

    /// A word that somebody looks at.
    fn interesting(&mut self) -> usize {
        match self.random.below(8) {
            0..3 => self.slot(),
            3 => self.attempts(),
            4 => self.message(),
            5 => format::TABLE as usize / 8 + self.random.below(2048) as usize,
            _ => self.random.pick(&format::WORDS) as usize / 8,
        }
    }

    fn flip(&mut self) {
        let at = self.interesting();
        let bit = 1 << self.random.below(64);
        let now = self.words[at].load(Ordering::Relaxed);
        self.write(at, now ^ bit);
    }

    fn replay(&mut self) {
        let count = self.seen.len() as u64;
        if count > 0 {
            let (at, value) = self.seen[self.random.below(count) as usize];
            self.write(at, value);
        }
    }

    fn extreme(&mut self) {
        let at = self.interesting();
        let extremes = [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 48, !0 << 16];
        let value = self.random.pick(&extremes);
        self.write(at, value);
    }

    /// A word that is nearly right.
    fn forge(&mut self) {
        let at = self.slot();
        if self.shape.arrangement != Arrangement::Slots {
            let lap = self.shape.lap();
            let steps = [
                0,
                1,
                2,
                8,
                64,
                u64::MAX,
                lap,
                lap - 1,
                lap + 1,
                1 << 40,
                1 << 63,
            ];
            let step = self.random.pick(&steps);
            let now = self.words[at].load(Ordering::Relaxed);
            return self.write(at, now.wrapping_add(step));
        }
        let lap = self.words[at].load(Ordering::Relaxed) >> 16;
        let laps = [0, 0, 0, 1, 1, u64::MAX, 2, self.shape.capacity, 1 << 40];
        let laps = self.random.pick(&laps);
        let owners = [0, 0, 1, 2, 3, 511, 512, 513, 514, 1023];
        let owner = self.random.pick(&owners);
        let fields = self.random.below(4) << 14 | self.random.below(16) << 10;
        self.write(at, lap.wrapping_add(laps) << 16 | fields | owner);
    }

    /// The length of a byte message, or the first bytes of another; perhaps in
    /// halves that do not belong together.
    fn length(&mut self) {
        let at = self.message();
        let limit = super::sample::LIMIT as u64;
        let lengths = [0, limit, limit + 1, limit + 8, 1 << 31, 1 << 32, u64::MAX];
        let length = self.random.pick(&lengths);
        let now = self.words[at].load(Ordering::Relaxed);
        let torn = now & 0xffff_ffff_0000_0000 | length & 0xffff_ffff;
        let torn = if self.random.below(4) == 0 {
            torn
        } else {
            length
        };
        self.write(at, torn);
    }

    fn progress(&mut self) {
        let at = self.random.pick(&format::WORDS) as usize / 8;
        let lap = self.shape.lap();
        let near = self.random.below(4 * lap + 1);
        let now = self.words[at].load(Ordering::Relaxed);
        let value = now.wrapping_add(near).wrapping_sub(2 * lap);
        self.write(at, value);
    }

    /// Somebody comes, goes, or was never there.
    fn entry(&mut self) {
        let ids = [1, 2, 511, 512, 513, 1023, self.random.below(1024)];
        let id = self.random.pick(&ids) as usize;
        let value = self.random.below(4);
        self.write(format::entry(id as u64) as usize / 8, value);
    }

    /// All are there, and all have held every slot; or every attempt is used up.
    fn everybody(&mut self) {
        for id in 0..1024 {
            self.write(format::entry(id as u64) as usize / 8, 3);
        }
        if self.shape.arrangement != Arrangement::Slots {
            for _ in 0..self.shape.lap() {
                let (at, value) = (self.attempts(), self.random.pick(&[0, !0, 0x0f0e_0d01]));
                self.write(at, value);
            }
            return;
        }
        for index in 0..self.shape.words() {
            let at = self.shape.word(index) as usize / 8;
            let owner = self.random.below(1024);
            let lap = self.words[at].load(Ordering::Relaxed) >> 16 << 16;
            self.write(at, lap | 0xc000 | owner);
        }
    }

    /// The ring is closed, or is not; everybody is gone, or is back.
    fn end(&mut self) {
        let [senders, receivers] = format::EPOCHS;
        let ends = [format::CLOSED, format::FINAL, senders, receivers];
        let at = self.random.pick(&ends) as usize / 8;
        let value = self.random.below(4);
        self.write(at, value);
    }

    /// The same few words again and again, each time moved on: a receiver is
    /// led along, a sender is shown room that is gone when it comes.
    fn flood(&mut self, count: u64, stop: &AtomicBool) {
        let first = self.slot();
        let state = self.random.below(4) << 14;
        let step = self.random.pick(&[1, 1, 2, self.shape.lap()]);
        // Positions are no laps with a state beside them.
        let bits = match self.shape.arrangement {
            Arrangement::Slots => 16,
            _ => 0,
        };
        let mut lap = self.words[first].load(Ordering::Relaxed) >> bits;
        let closed = self.random.below(8) == 0;
        for _ in 0..count {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            lap = lap.wrapping_add(step);
            for index in 0..self.shape.words().min(8) {
                let word = &self.words[self.shape.word(index) as usize / 8];
                match bits {
                    0 => word.store(lap, Ordering::Relaxed),
                    _ => word.store(lap << bits | state, Ordering::Relaxed),
                }
            }
            for epoch in format::EPOCHS {
                self.words[epoch as usize / 8].fetch_add(1, Ordering::Relaxed);
            }
            if closed {
                self.words[format::CLOSED as usize / 8].store(1, Ordering::Relaxed);
            }
            self.writes += 1;
        }
    }

    fn header(&mut self) {
        let at = self.random.below(HEADER as u64) as usize;
        let bit = 1 << self.random.below(64);
        let now = self.words[at].load(Ordering::Relaxed);
        self.write(at, now ^ bit);
    }

    /// Anything, anywhere.
    fn noise(&mut self) {
        for _ in 0..self.random.below(64) {
            let at = HEADER + self.random.below((self.words.len() - HEADER) as u64) as usize;
            let value = self.random.number();
            self.write(at, value);
        }
    }

    /// A new ring, under those who use it: else there would soon be nothing left
    /// to attack.
    fn heal(&mut self) {
        for (at, value) in self.header.iter().enumerate() {
            self.words[at].store(*value, Ordering::Relaxed);
        }
        for word in format::WORDS {
            self.words[word as usize / 8].store(0, Ordering::Relaxed);
        }
        for index in 0..self.shape.words() {
            self.words[self.shape.word(index) as usize / 8].store(0, Ordering::Relaxed);
        }
        if self.random.below(4) == 0 {
            for id in 0..1024 {
                self.words[format::entry(id as u64) as usize / 8].store(0, Ordering::Relaxed);
            }
        }
        self.writes += 1;
    }
}
