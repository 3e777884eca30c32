//! What the kernel offers for waking: event counters and futexes. Streams are in the harness.

#![allow(unsafe_code)] // a futex word in shared memory

use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use memring_harness::contestant::{Crossing, Link, Made, Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_testkit::Words;
use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::futex;
use rustix::time::Timespec;

/// Messages that are under way at most.
const ROOM: usize = 64;
/// Where the messages begin; the word before is the futex.
const FIRST: usize = 16;

/// Words in shared memory, without any care for the order: that is the business of what wakes.
pub struct Mailbox {
    words: Words,
    next: usize,
}

impl Mailbox {
    fn make(link: &Link) -> Result<()> {
        let file = File::create_new(&link.path)?;
        Ok(file.set_len(((FIRST + ROOM) * 8) as u64)?)
    }

    fn open(link: &Link) -> Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).open(&link.path)?;
        let words = Words::map(file, FIRST + ROOM)?;
        Ok(Mailbox { words, next: 0 })
    }

    fn put(&mut self, source: &mut Source) {
        let [message] = source.next::<1>();
        let slot = &self.words[FIRST + self.next % ROOM];
        slot.store(message, Ordering::Release);
        self.next += 1;
    }

    fn get(&mut self) -> u64 {
        self.next += 1;
        self.words[FIRST + (self.next - 1) % ROOM].load(Ordering::Acquire)
    }

    fn futex(&self) -> &AtomicU32 {
        // SAFETY: the first word of the mapping, which lives as long as `self`; it is aligned for
        // the narrower atomic, and nothing ever uses it as the wider one.
        unsafe { AtomicU32::from_ptr(self.words[0].as_ptr().cast()) }
    }
}

/// A raw futex: what a round trip through sleep cannot be faster than.
pub struct Futex;

/// Either end.
pub struct FutexEnd {
    mailbox: Mailbox,
    seen: u32,
}

impl Profile for Futex {
    const NAME: &'static str = "futex";
    const HOW: &'static str = "a word added to and woken always; waited for at most 100 ms a call";
    const SKILLS: &'static [Skill] = &[Skill::Sleep, Skill::Wake, Skill::Idle, Skill::Nap];
}

impl Crossing for Futex {
    type Tx<const N: usize> = FutexEnd;
    type Rx<const N: usize> = FutexEnd;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        Mailbox::make(link)?;
        Ok(Made::default())
    }

    fn tx<const N: usize>(link: &Link) -> Result<FutexEnd> {
        let mailbox = Mailbox::open(link)?;
        Ok(FutexEnd { mailbox, seen: 0 })
    }

    fn rx<const N: usize>(link: &Link) -> Result<FutexEnd> {
        Futex::tx::<N>(link)
    }
}

impl<const N: usize> Tx<N> for FutexEnd {
    fn send(&mut self, source: &mut Source) {
        self.mailbox.put(source);
        let word = self.mailbox.futex();
        // Pairs with the Acquire load in `recv`.
        word.fetch_add(1, Ordering::Release);
        futex::wake(word, futex::Flags::empty(), 1).expect("cannot wake");
    }
}

impl<const N: usize> Rx<N> for FutexEnd {
    fn recv(&mut self, check: &mut impl Check) {
        const CAP: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        // Pairs with the Release addition in `send`.
        while self.mailbox.futex().load(Ordering::Acquire) == self.seen {
            // Woken, out of time, or not asleep at all: the word tells.
            let word = self.mailbox.futex();
            let _ = futex::wait(word, futex::Flags::empty(), self.seen, Some(&CAP));
        }
        self.seen = self.seen.wrapping_add(1);
        check.take(&[self.mailbox.get()]);
    }
}

/// An event counter in the kernel.
pub struct Eventfd;

/// Either end.
pub struct EventEnd {
    mailbox: Mailbox,
    counter: File,
}

impl Profile for Eventfd {
    const NAME: &'static str = "eventfd";
    const HOW: &'static str = "the message in shared memory; the counter as a semaphore";
    const SKILLS: &'static [Skill] = &[Skill::Sleep, Skill::Wake, Skill::Idle];
}

impl Crossing for Eventfd {
    type Tx<const N: usize> = EventEnd;
    type Rx<const N: usize> = EventEnd;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        Mailbox::make(link)?;
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::SEMAPHORE)?;
        Ok(Made {
            fds: vec![counter.try_clone()?, counter],
            keep: None,
        })
    }

    fn tx<const N: usize>(link: &Link) -> Result<EventEnd> {
        Ok(EventEnd {
            mailbox: Mailbox::open(link)?,
            counter: File::from(link.fd(0)?),
        })
    }

    fn rx<const N: usize>(link: &Link) -> Result<EventEnd> {
        Ok(EventEnd {
            mailbox: Mailbox::open(link)?,
            counter: File::from(link.fd(1)?),
        })
    }
}

impl<const N: usize> Tx<N> for EventEnd {
    fn send(&mut self, source: &mut Source) {
        self.mailbox.put(source);
        self.counter
            .write_all(&1_u64.to_ne_bytes())
            .expect("cannot write");
    }
}

impl<const N: usize> Rx<N> for EventEnd {
    fn recv(&mut self, check: &mut impl Check) {
        self.counter.read_exact(&mut [0; 8]).expect("cannot read");
        check.take(&[self.mailbox.get()]);
    }
}
