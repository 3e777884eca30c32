//! What the kernel offers: pipes, Unix sockets, event counters and futexes.

#![allow(unsafe_code)] // descriptors that were handed down, and a futex word in shared memory

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use bytemuck::{bytes_of, cast_slice, cast_slice_mut};
use memring_testkit::Words;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::futex;
use rustix::time::Timespec;

use crate::contestant::{Crossing, Link, Made, Profile, Rx, Skill, Tx};
use crate::message::{Check, Source};
use crate::task::BATCH;

/// The descriptor at `index` of those that were handed down.
pub fn handed_down(link: &Link, index: usize) -> Result<OwnedFd> {
    let number = *link.fds.get(index).context("a descriptor is missing")?;
    // SAFETY: the parent made this descriptor, let it be inherited and told its number; nothing
    // else in this process, which has just begun, uses it: each end takes another index.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// All that bytes through the kernel take part in.
const STREAM: &[Skill] = &[
    Skill::Single,
    Skill::Batch,
    Skill::Sleep,
    Skill::Wake,
    Skill::Idle,
];
/// The same where messages have borders.
const PACKETS: &[Skill] = &[Skill::Single, Skill::Sleep, Skill::Wake];

/// One end of a pipe or socket.
pub struct Pipe<const N: usize> {
    file: File,
    batch: Vec<[u64; N]>,
}

impl<const N: usize> AsFd for Pipe<N> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl<const N: usize> Pipe<N> {
    fn new(link: &Link, index: usize) -> Result<Self> {
        Ok(Pipe {
            file: File::from(handed_down(link, index)?),
            batch: Vec::with_capacity(BATCH),
        })
    }

    /// Read whole messages, at least one: how many.
    fn read(&mut self, most: usize) -> usize {
        self.batch.resize(most, [0; N]);
        let bytes: &mut [u8] = cast_slice_mut(&mut self.batch);
        let mut filled: usize = 0;
        while filled == 0 || !filled.is_multiple_of(size_of::<[u64; N]>()) {
            match self.file.read(&mut bytes[filled..]).expect("cannot read") {
                0 => panic!("the other end is gone"),
                count => filled += count,
            }
        }
        filled / size_of::<[u64; N]>()
    }
}

impl<const N: usize> Tx<N> for Pipe<N> {
    fn send(&mut self, source: &mut Source) {
        let message = source.next::<N>();
        self.file
            .write_all(bytes_of(&message))
            .expect("cannot write");
    }

    fn send_batch(&mut self, source: &mut Source, count: usize) {
        self.batch.clear();
        self.batch.extend((0..count).map(|_| source.next::<N>()));
        self.file
            .write_all(cast_slice(&self.batch))
            .expect("cannot write");
    }
}

impl<const N: usize> Rx<N> for Pipe<N> {
    fn recv(&mut self, check: &mut impl Check) {
        self.recv_batch(check, 1);
    }

    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        let found = self.read(most);
        for message in &self.batch[..found] {
            check.take(message);
        }
    }
}

/// A contestant whose ends are the two descriptors that `$make` gives: for the sender, for the
/// receiver.
macro_rules! kernel {
    ($family:ident, $name:literal, $how:literal, $skills:expr, $make:expr) => {
        #[doc = concat!($name, ".")]
        pub struct $family;

        impl Profile for $family {
            const NAME: &'static str = $name;
            const HOW: &'static str = $how;
            const SKILLS: &'static [Skill] = $skills;
        }

        impl Crossing for $family {
            type Tx<const N: usize> = Pipe<N>;
            type Rx<const N: usize> = Pipe<N>;

            fn make<const N: usize>(_: &Link) -> Result<Made> {
                let (tx, rx): (OwnedFd, OwnedFd) = $make?;
                let (fds, keep) = (vec![tx, rx], None);
                Ok(Made { fds, keep })
            }

            fn tx<const N: usize>(link: &Link) -> Result<Pipe<N>> {
                Pipe::new(link, 0)
            }

            fn rx<const N: usize>(link: &Link) -> Result<Pipe<N>> {
                Pipe::new(link, 1)
            }
        }
    };
}

/// A pair of connected sockets.
pub fn sockets(kind: SocketType) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
}

kernel!(
    PipeLink,
    "pipe",
    "write, read; a batch in one call",
    STREAM,
    pipe_with(PipeFlags::CLOEXEC).map(|(rx, tx)| (tx, rx))
);
kernel!(
    Stream,
    "unix-stream",
    "write, read; a batch in one call",
    STREAM,
    sockets(SocketType::STREAM)
);
kernel!(
    Datagram,
    "unix-dgram",
    "write, read",
    PACKETS,
    sockets(SocketType::DGRAM)
);
kernel!(
    Seqpacket,
    "unix-seqpacket",
    "write, read",
    PACKETS,
    sockets(SocketType::SEQPACKET)
);

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
            counter: File::from(handed_down(link, 0)?),
        })
    }

    fn rx<const N: usize>(link: &Link) -> Result<EventEnd> {
        Ok(EventEnd {
            mailbox: Mailbox::open(link)?,
            counter: File::from(handed_down(link, 1)?),
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
