//! Standard input and output over a connection, both ways at a time.

use std::fs::File;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use memring::uds::{Connection, PeerCredentials, Rendezvous};
use memring::{Receiver, SendError, Sender, Spsc};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::lines::{self, READ};
use crate::recv::{End, drain};
use crate::standard;
use crate::worker::Worker;

/// Of the rings, where nothing else was asked for.
pub const CAPACITY: usize = 64;
pub const LIMIT: usize = 16 << 10;

/// How often one that waits for input looks whether the other end is there. (One that
/// receives is woken by its death.)
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// How often one that has sent all looks whether all was taken.
const LAST_LOOK: Duration = Duration::from_millis(5);

/// Bytes, both ways.
pub type ByteRendezvous = Rendezvous<[u8], [u8]>;

/// Carries standard input to the other end, and what comes from there to standard output, until
/// both have ended.
pub fn carry(connection: Connection<[u8], [u8]>) -> Result<()> {
    let Connection { tx, rx, peer } = connection;
    let input = lines::input()?;
    let output = standard::output()?;
    let (ended, ends) = mpsc::channel();
    let other = ended.clone();
    // An end that nobody takes comes after the first error.
    let feeding = Worker::start("send the input", move || {
        let _ = ended.send(feed(tx, input, peer));
    })?;
    let taking = Worker::start("write the output", move || {
        let _ = other.send(take(rx, output, peer));
    })?;
    // The first error is the one: the process ends, and with it the other direction.
    ends.into_iter().collect::<Result<()>>()?;
    feeding.finish()?;
    taking.finish()
}

/// Standard input to the other end; then waits until that has taken it all.
fn feed(mut sender: Sender<[u8], Spsc>, mut input: File, peer: PeerCredentials) -> Result<()> {
    let limit = sender.ring().message_size();
    let mut buffer = vec![0; READ.max(limit)];
    loop {
        while !has_input(&input)? {
            if sender.is_disconnected() {
                return Err(has_gone(peer));
            }
        }
        let filled = lines::read(&mut input, &mut buffer)?;
        if filled == 0 {
            break;
        }
        let sent = sender.send_batch(buffer[..filled].chunks(limit));
        sent.map_err(|error| match error.cause {
            SendError::Failed(_, failure) => Error::new(failure).context("cannot send"),
            _ => has_gone(peer),
        })?;
    }
    sender.close().context("cannot tell the end of the input")?;
    loop {
        // In this order: what was taken before it went, was taken.
        let has_left = sender.is_disconnected();
        if sender.is_empty() {
            return Ok(());
        }
        if has_left {
            return Err(has_gone(peer));
        }
        thread::sleep(LAST_LOOK);
    }
}

/// Waits for input, or its end, for a while; whether there is some.
fn has_input(input: &File) -> Result<bool> {
    match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&LOOK)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error).context("cannot wait for standard input"),
    }
}

/// What comes from the other end to standard output.
fn take(receiver: Receiver<[u8], Spsc>, output: File, peer: PeerCredentials) -> Result<()> {
    match drain(receiver, output, false)? {
        End::Closed => Ok(()),
        End::Disconnected => Err(has_gone(peer)),
    }
}

fn has_gone(peer: PeerCredentials) -> Error {
    anyhow!(
        "the process at the other end ({}) ended or died before all was carried",
        peer.pid
    )
}
