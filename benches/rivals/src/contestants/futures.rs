//! Channels whose verbs are futures.

use std::os::unix::net;

use anyhow::{Context, Result, bail};
use memring::{Receiver, Ring, Sender, Spsc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::futures::{AsyncRx, AsyncTx, Channel, Message};
use memring_harness::contestant::{Home, Link, Made, Profile, Skill};
use memring_harness::streams::sockets;

const ASYNC: &[Skill] = &[Skill::Async];

/// Our own.
pub struct AsyncRings;

impl Profile for AsyncRings {
    const NAME: &'static str = "memring-async";
    const HOW: &'static str = "Spsc, Blocking, in tokio: send_async, recv_async";
    const SKILLS: &'static [Skill] = ASYNC;
}

impl Channel for AsyncRings {
    const HOME: Home = Home::Processes;
    type Tx = Sender<u64, Spsc>;
    type Rx = Receiver<u64, Spsc>;

    fn pair(capacity: usize) -> Result<(Self::Tx, Self::Rx)> {
        let ring = Ring::anonymous(capacity)?;
        Ok((ring.sender()?, ring.receiver()?))
    }

    fn make(link: &Link) -> Result<Made> {
        let ring = Ring::<u64, Spsc>::create(&link.path, link.shape.capacity)?;
        Ok(Made {
            keep: Some(Box::new(ring)),
            ..Made::default()
        })
    }

    fn tx(link: &Link) -> Result<Self::Tx> {
        Ok(Ring::open(&link.path)?.sender()?)
    }

    fn rx(link: &Link) -> Result<Self::Rx> {
        Ok(Ring::open(&link.path)?.receiver()?)
    }
}

impl AsyncTx for Sender<u64, Spsc> {
    async fn send(&mut self, [word]: Message) {
        if let Err(error) = self.send_async(word).await {
            panic!("cannot send: {error}");
        }
    }
}

impl AsyncRx for Receiver<u64, Spsc> {
    async fn recv(&mut self) -> Message {
        match self.recv_async().await {
            Ok(word) => [word],
            Err(error) => panic!("cannot receive: {error}"),
        }
    }
}

/// tokio's channel.
pub struct Mpsc;

impl Profile for Mpsc {
    const NAME: &'static str = "tokio-mpsc";
    const HOW: &'static str = "mpsc::channel: send, recv; a runtime of one thread on each side";
    const SKILLS: &'static [Skill] = ASYNC;
}

impl Channel for Mpsc {
    const HOME: Home = Home::Threads;
    type Tx = mpsc::Sender<Message>;
    type Rx = mpsc::Receiver<Message>;

    fn pair(capacity: usize) -> Result<(Self::Tx, Self::Rx)> {
        Ok(mpsc::channel(capacity))
    }

    fn make(_: &Link) -> Result<Made> {
        bail!("{} does not leave its process", Self::NAME)
    }

    fn tx(_: &Link) -> Result<Self::Tx> {
        bail!("{} does not leave its process", Self::NAME)
    }

    fn rx(_: &Link) -> Result<Self::Rx> {
        bail!("{} does not leave its process", Self::NAME)
    }
}

impl AsyncTx for mpsc::Sender<Message> {
    async fn send(&mut self, message: Message) {
        let sent = mpsc::Sender::send(self, message).await;
        sent.expect("the receiver is there");
    }
}

impl AsyncRx for mpsc::Receiver<Message> {
    async fn recv(&mut self) -> Message {
        let received = mpsc::Receiver::recv(self).await;
        received.expect("the sender is there")
    }
}

/// A pair of Unix sockets, of which tokio waits for one.
pub struct Sockets;

impl Profile for Sockets {
    const NAME: &'static str = "tokio-unix";
    const HOW: &'static str = "UnixStream: write_all, read_exact";
    const SKILLS: &'static [Skill] = ASYNC;
}

fn socket(link: &Link, index: usize) -> Result<UnixStream> {
    let socket = net::UnixStream::from(link.fd(index)?);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket).context("tokio does not take the socket")
}

impl Channel for Sockets {
    const HOME: Home = Home::Processes;
    type Tx = UnixStream;
    type Rx = UnixStream;

    fn pair(_: usize) -> Result<(UnixStream, UnixStream)> {
        Ok(UnixStream::pair()?)
    }

    fn make(_: &Link) -> Result<Made> {
        let (tx, rx) = sockets(rustix::net::SocketType::STREAM)?;
        Ok(Made {
            fds: vec![tx, rx],
            keep: None,
        })
    }

    fn tx(link: &Link) -> Result<UnixStream> {
        socket(link, 0)
    }

    fn rx(link: &Link) -> Result<UnixStream> {
        socket(link, 1)
    }
}

impl AsyncTx for UnixStream {
    async fn send(&mut self, [word]: Message) {
        let sent = self.write_all(&word.to_ne_bytes()).await;
        sent.expect("cannot write");
    }
}

impl AsyncRx for UnixStream {
    async fn recv(&mut self) -> Message {
        let mut bytes = [0; 8];
        self.read_exact(&mut bytes).await.expect("cannot read");
        [u64::from_ne_bytes(bytes)]
    }
}
