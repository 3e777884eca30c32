//! The floor: a round trip of nothing but one cache line each way.
//!
//! The sender stores a new value into a word alone on its page, the receiver polls until it sees
//! it. Nothing that passes messages between two cores can be faster.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use memring_testkit::Words;

use crate::contestant::{Crossing, Link, Made, Profile, Skill};
use crate::ends::{Rx, Tx};
use crate::message::{Check, Source};
use crate::worker::{pin_to, until};

/// Words of a page.
const WORDS: usize = 512;

/// A shared word.
pub struct Floor;

/// Either end: the word, and what was seen of it.
pub struct Line {
    words: Words,
    seen: u64,
}

impl Profile for Floor {
    const NAME: &'static str = "floor";
    const HOW: &'static str = "one shared cache line each way, stored and polled";
    const SKILLS: &'static [Skill] = &[Skill::Spin];
    fn carries(bytes: usize) -> bool {
        bytes == 8
    }
}

impl Crossing for Floor {
    type Tx<const N: usize> = Line;
    type Rx<const N: usize> = Line;

    fn make<const N: usize>(_: &Link) -> Result<Made> {
        Ok(Made {
            fds: vec![Words::file(WORDS)?],
            keep: None,
        })
    }

    fn tx<const N: usize>(link: &Link) -> Result<Line> {
        Ok(Line {
            words: Words::map_all(link.fd(0)?)?,
            seen: 0,
        })
    }

    fn rx<const N: usize>(link: &Link) -> Result<Line> {
        Floor::tx::<N>(link)
    }
}

impl<const N: usize> Tx<N> for Line {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        // A fresh page holds 0, so values are stored one higher; that makes 0 of the end.
        // Pairs with the Acquire load in `recv`.
        let [value] = source.next::<1>();
        let value = value.wrapping_add(1).max(1) | (u64::from(value == u64::MAX) << 63);
        self.words[0].store(value, Ordering::Release);
    }
}

impl<const N: usize> Rx<N> for Line {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        let seen = self.seen;
        // Pairs with the Release store in `send`.
        let look = || Some(self.words[0].load(Ordering::Acquire)).filter(|value| *value != seen);
        let value = until(look);
        self.seen = value;
        let end = value >> 63 != 0;
        check.take(&[if end { u64::MAX } else { value - 1 }]);
    }
}

/// A short look at the floor by two threads of this process: the median of batches of round
/// trips, in nanoseconds. It says whether the two CPUs are two cores now.
pub fn quick_trip(cpus: &[usize], span: Duration) -> Result<f64> {
    const TRIPS: u64 = 50;
    #[repr(align(128))]
    struct Word(AtomicU64);
    let words = Arc::new([Word(AtomicU64::new(0)), Word(AtomicU64::new(0))]);
    let wait = |word: &Word, value: u64| {
        // Pairs with the Release stores of the other thread.
        while word.0.load(Ordering::Acquire) != value {
            hint::spin_loop();
        }
    };
    let (first, second) = (cpus[0], cpus[1 % cpus.len()]);
    if first == second {
        return Ok(f64::INFINITY);
    }
    let shared = Arc::clone(&words);
    let echo = thread::spawn(move || -> Result<()> {
        pin_to(second)?;
        let mut value = 1;
        loop {
            let mut seen = shared[0].0.load(Ordering::Acquire);
            while seen < value {
                hint::spin_loop();
                seen = shared[0].0.load(Ordering::Acquire);
            }
            if seen == u64::MAX {
                return Ok(());
            }
            shared[1].0.store(value, Ordering::Release);
            value += 1;
        }
    });
    let ping = thread::spawn(move || -> Result<f64> {
        pin_to(first)?;
        let mut taken = Vec::new();
        let (begun, mut value) = (Instant::now(), 0);
        while begun.elapsed() < span || taken.is_empty() {
            let start = Instant::now();
            for _ in 0..TRIPS {
                value += 1;
                words[0].0.store(value, Ordering::Release);
                wait(&words[1], value);
            }
            taken.push(start.elapsed().as_nanos() as f64 / TRIPS as f64);
        }
        words[0].0.store(u64::MAX, Ordering::Release);
        taken.sort_by(f64::total_cmp);
        Ok(taken[taken.len() / 2])
    });
    let floor = ping.join().ok().context("the floor could not be taken")?;
    echo.join().ok().context("the floor could not be taken")??;
    floor
}
