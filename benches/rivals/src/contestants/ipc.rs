//! Other crates for messages between processes: shmem-ipc, ipmpsc, ipc-channel.

#![allow(unsafe_code)] // shmem-ipc's interface for reading and writing in place

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use bytemuck::{bytes_of, pod_read_unaligned};
use ipc_channel::ipc::{IpcOneShotServer, IpcReceiver, IpcSender};
use ipmpsc::SharedRingBuffer;
use shmem_ipc::sharedring;

use crate::foreign::Foreign;
use memring_harness::board::TIMEOUT;
use memring_harness::contestant::{Crossing, Link, Made, Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::worker::until;

/// shmem-ipc: a ring in a memfd, with two event counters for sleeping.
pub struct Shmem;
/// The same, asleep.
pub struct ShmemSleep;

impl Profile for Shmem {
    const NAME: &'static str = "shmem-ipc";
    const HOW: &'static str = "send and recv by closure, in place; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::InPlace, Skill::Spin];
}

impl Profile for ShmemSleep {
    const NAME: &'static str = "shmem-ipc-sleep";
    const HOW: &'static str = "send_raw; block_until_readable, receive_raw";
    const SKILLS: &'static [Skill] = &[Skill::Sleep, Skill::Wake, Skill::Idle];
}

/// Its sending end.
pub struct ShmemTx<const N: usize> {
    sender: sharedring::Sender<[u64; N]>,
    sleeps: bool,
}

/// Its receiving end.
pub struct ShmemRx<const N: usize> {
    receiver: sharedring::Receiver<[u64; N]>,
    sleeps: bool,
}

/// The memory and both event counters, from the fourth descriptor for the receiver.
fn shmem_files(link: &Link, first: usize) -> Result<[File; 3]> {
    let file = |index| link.fd(first + index).map(File::from);
    Ok([file(0)?, file(1)?, file(2)?])
}

fn shmem_make<const N: usize>(link: &Link) -> Result<Made> {
    let made = sharedring::Receiver::<[u64; N]>::new(link.shape.capacity);
    let made = made.map_err(|error| anyhow!("{error}"))?;
    let mut fds: Vec<OwnedFd> = Vec::new();
    for _ in 0..2 {
        fds.push(made.memfd().as_file().as_fd().try_clone_to_owned()?);
        fds.push(made.empty_signal().as_fd().try_clone_to_owned()?);
        fds.push(made.full_signal().as_fd().try_clone_to_owned()?);
    }
    Ok(Made { fds, keep: None })
}

macro_rules! shmem {
    ($family:ident, $sleeps:literal) => {
        impl Crossing for $family {
            type Tx<const N: usize> = ShmemTx<N>;
            type Rx<const N: usize> = ShmemRx<N>;

            fn make<const N: usize>(link: &Link) -> Result<Made> {
                shmem_make::<N>(link)
            }

            fn tx<const N: usize>(link: &Link) -> Result<ShmemTx<N>> {
                let [memory, empty, full] = shmem_files(link, 0)?;
                let sender = sharedring::Sender::open(link.shape.capacity, memory, empty, full);
                Ok(ShmemTx {
                    sender: sender.map_err(|error| anyhow!("{error}"))?,
                    sleeps: $sleeps,
                })
            }

            fn rx<const N: usize>(link: &Link) -> Result<ShmemRx<N>> {
                let [memory, empty, full] = shmem_files(link, 3)?;
                let receiver = sharedring::Receiver::open(link.shape.capacity, memory, empty, full);
                Ok(ShmemRx {
                    receiver: receiver.map_err(|error| anyhow!("{error}"))?,
                    sleeps: $sleeps,
                })
            }
        }
    };
}
shmem!(Shmem, false);
shmem!(ShmemSleep, true);

impl<const N: usize> Tx<N> for ShmemTx<N> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        self.send_batch(source, 1);
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        let mut left = count;
        while left > 0 {
            let mut sent = 0;
            let fill = |slots: *mut [u64; N], room: usize| {
                sent = room.min(left);
                for index in 0..sent {
                    // SAFETY: the crate lends `room` aligned slots from here on; the receiver,
                    // which is ours, does not touch them before they are counted as sent.
                    source.fill(unsafe { &mut *slots.add(index) });
                }
                sent
            };
            if self.sleeps {
                self.sender.block_until_writable().expect("cannot wait");
                self.sender.send_raw(fill).expect("cannot send");
            } else {
                let sender = self.sender.sender_mut();
                until(|| Some(sender.write_count().expect("sound")).filter(|room| *room > 0));
                sender.send(fill).expect("cannot send");
            }
            left -= sent;
        }
    }
}

impl<const N: usize> Rx<N> for ShmemRx<N> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        self.recv_batch(check, 1);
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        let read = |slots: *const [u64; N], there: usize| {
            let count = there.min(most);
            for index in 0..count {
                // SAFETY: the crate lends `there` aligned messages from here on; the sender,
                // which is ours, does not touch them before they are given back.
                check.take(unsafe { &*slots.add(index) });
            }
            count
        };
        if self.sleeps {
            self.receiver.block_until_readable().expect("cannot wait");
            self.receiver.receive_raw(read).expect("cannot receive");
        } else {
            let receiver = self.receiver.receiver_mut();
            until(|| Some(receiver.read_count().expect("sound")).filter(|there| *there > 0));
            receiver.recv(read).expect("cannot receive");
        }
    }
}

/// ipmpsc: a ring of bytes in a file, behind a mutex of the threads library.
pub struct Ipmpsc;

impl Profile for Ipmpsc {
    const NAME: &'static str = "ipmpsc";
    const HOW: &'static str = "send of a byte slice, recv through zero_copy_context";
    const SKILLS: &'static [Skill] = &[
        Skill::Single,
        Skill::Park,
        Skill::Sleep,
        Skill::Wake,
        Skill::Idle,
        Skill::Attach,
    ];
}

fn ipmpsc_open(link: &Link) -> Result<SharedRingBuffer> {
    let path = link.path.to_str().context("the name is not UTF-8")?;
    SharedRingBuffer::open(path).map_err(|error| anyhow!("{error}"))
}

impl Crossing for Ipmpsc {
    type Tx<const N: usize> = Foreign<ipmpsc::Sender>;
    type Rx<const N: usize> = Foreign<ipmpsc::Receiver>;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        let path = link.path.to_str().context("the name is not UTF-8")?;
        // It stores two lengths with each message.
        let size = link.shape.capacity * (size_of::<[u64; N]>() + 16);
        let ring = SharedRingBuffer::create(path, size as u32);
        ring.map_err(|error| anyhow!("{error}"))?;
        Ok(Made::default())
    }

    fn tx<const N: usize>(link: &Link) -> Result<Foreign<ipmpsc::Sender>> {
        Ok(Foreign(ipmpsc::Sender::new(ipmpsc_open(link)?)))
    }

    fn rx<const N: usize>(link: &Link) -> Result<Foreign<ipmpsc::Receiver>> {
        Ok(Foreign(ipmpsc::Receiver::new(ipmpsc_open(link)?)))
    }
}

impl<const N: usize> Tx<N> for Foreign<ipmpsc::Sender> {
    fn send(&mut self, source: &mut Source) {
        let message = source.next::<N>();
        ipmpsc::Sender::send(&self.0, &bytes_of(&message)).expect("cannot send");
    }
}

impl<const N: usize> Rx<N> for Foreign<ipmpsc::Receiver> {
    fn recv(&mut self, check: &mut impl Check) {
        let mut context = self.zero_copy_context();
        let bytes: &[u8] = context.recv().expect("cannot receive");
        check.take::<N>(&pod_read_unaligned(bytes));
    }
}

/// ipc-channel: any type that serde knows, through a Unix socket.
pub struct IpcChannel;

impl Profile for IpcChannel {
    const NAME: &'static str = "ipc-channel";
    const HOW: &'static str = "send, recv of a vector of words";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Sleep, Skill::Wake, Skill::Idle];
}

/// A sender that connects when it first sends.
pub struct IpcTx {
    path: PathBuf,
    sender: Option<IpcSender<Vec<u64>>>,
}

/// A receiver to which a sender connects by its first message.
pub struct IpcRx {
    server: Option<IpcOneShotServer<Vec<u64>>>,
    receiver: Option<IpcReceiver<Vec<u64>>>,
}

impl Crossing for IpcChannel {
    type Tx<const N: usize> = IpcTx;
    type Rx<const N: usize> = IpcRx;

    fn make<const N: usize>(_: &Link) -> Result<Made> {
        Ok(Made::default()) // the receiver makes the name
    }

    fn tx<const N: usize>(link: &Link) -> Result<IpcTx> {
        Ok(IpcTx {
            path: link.path.clone(),
            sender: None,
        })
    }

    fn rx<const N: usize>(link: &Link) -> Result<IpcRx> {
        let (server, name) = IpcOneShotServer::new()?;
        // Renamed, so that nobody finds half of it.
        let unready = link.path.with_extension("unready");
        fs::write(&unready, name)?;
        fs::rename(&unready, &link.path)?;
        Ok(IpcRx {
            server: Some(server),
            receiver: None,
        })
    }
}

impl<const N: usize> Tx<N> for IpcTx {
    fn send(&mut self, source: &mut Source) {
        let path = &self.path;
        let sender = self.sender.get_or_insert_with(|| {
            let begun = Instant::now();
            let name = loop {
                match fs::read_to_string(path) {
                    Ok(name) => break name,
                    Err(error) => assert!(begun.elapsed() < TIMEOUT, "no name: {error}"),
                }
                thread::yield_now();
            };
            IpcSender::connect(name).expect("cannot connect")
        });
        sender
            .send(source.next::<N>().to_vec())
            .expect("cannot send");
    }
}

impl<const N: usize> Rx<N> for IpcRx {
    fn recv(&mut self, check: &mut impl Check) {
        let words = match (self.server.take(), &self.receiver) {
            (Some(server), _) => {
                let (receiver, first) = server.accept().expect("cannot accept");
                self.receiver = Some(receiver);
                first
            }
            (None, Some(receiver)) => receiver.recv().expect("cannot receive"),
            (None, None) => panic!("a receiver has one of these"),
        };
        check.take::<N>(&words.try_into().expect("the right length"));
    }
}
