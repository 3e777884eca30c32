//! The kernel's pipes and Unix sockets. A message is one write and one read; a batch is one write
//! and one read as well.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::Result;
use bytemuck::{bytes_of, cast_slice, cast_slice_mut};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::contestant::{Crossing, Link, Made, Profile, Skill};
use crate::ends::{Rx, Tx};
use crate::message::{Check, Source};
use crate::task::BATCH;

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
            file: File::from(link.fd(index)?),
            batch: Vec::with_capacity(BATCH),
        })
    }

    /// Read whole messages, at least one: how many.
    fn read(&mut self, most: usize) -> usize {
        self.batch.resize(most, [0; N]);
        let bytes: &mut [u8] = cast_slice_mut(&mut self.batch);
        let mut filled: usize = 0;
        while filled == 0 || !filled.is_multiple_of(size_of::<[u64; N]>()) {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) => panic!("the other end is gone"),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("cannot read: {error}"),
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
