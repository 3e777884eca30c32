//! What a contender is to the runner: a one-way link between processes.

use std::fmt;
use std::os::fd::OwnedFd;

use anyhow::Result;
use memring::WaitStrategy;
use serde::{Deserialize, Serialize};

/// A one-way link for messages of `N` words.
pub trait Link<const N: usize> {
    /// Its sending end.
    type Tx: Tx<N>;
    /// Its receiving end.
    type Rx: Rx<N>;

    /// Make one, in the parent: a descriptor for senders, one for receivers.
    fn make(&self) -> Result<[OwnedFd; 2]>;
    /// A sending end, in a child.
    fn tx(&self, fd: OwnedFd) -> Result<Self::Tx>;
    /// A receiving end, in a child.
    fn rx(&self, fd: OwnedFd) -> Result<Self::Rx>;
}

/// Sends; its drop tells receivers that it sends no more.
pub trait Tx<const N: usize> {
    /// Send one message as one publication.
    fn send(&mut self, message: [u64; N]) -> Result<()>;
    /// Send several, in whatever way is best for it.
    fn send_batch(&mut self, messages: &[[u64; N]]) -> Result<()>;
}

/// Receives.
pub trait Rx<const N: usize> {
    /// The next message; `None` when all senders are done and all was received.
    fn recv(&mut self) -> Result<Option<[u64; N]>>;
    /// Replace `into` by at most `most` messages; by none when all senders are done.
    fn recv_batch(&mut self, into: &mut Vec<[u64; N]>, most: usize) -> Result<()>;
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contender {
    /// One cache line a direction, bounced.
    Floor,
    /// A ring.
    Ring {
        /// Its kind.
        kind: Kind,
        /// The strategy of both ends.
        wait: Wait,
    },
    /// A pipe.
    Pipe,
    /// A Unix stream socket.
    UnixSocket,
}

impl Contender {
    /// The ring that people begin with.
    pub const SPSC: Contender = Contender::Ring {
        kind: Kind::Spsc,
        wait: Wait::SpinThenPark,
    };
}

/// A ring's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One sender, one receiver.
    Spsc,
    /// Many senders, one receiver.
    Mpsc,
    /// One sender, many receivers.
    Spmc,
    /// Many of both.
    Mpmc,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Spsc, Kind::Mpsc, Kind::Spmc, Kind::Mpmc];
}

/// A wait strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Poll.
    Spin,
    /// Poll for a while, then sleep: the library's default.
    SpinThenPark,
    /// Sleep at once.
    Park,
}

impl Wait {
    /// All of them.
    pub const ALL: [Wait; 3] = [Wait::Spin, Wait::SpinThenPark, Wait::Park];

    /// As the library calls it.
    pub fn strategy(self) -> WaitStrategy {
        match self {
            Wait::Spin => WaitStrategy::Spin,
            Wait::SpinThenPark => WaitStrategy::default(),
            Wait::Park => WaitStrategy::Park,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Wait::Spin => "Spin",
            Wait::SpinThenPark => "SpinThenPark",
            Wait::Park => "Park",
        })
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Contender::Floor => "cache lines",
            Contender::Ring { kind, .. } => match kind {
                Kind::Spsc => "memring spsc",
                Kind::Mpsc => "memring mpsc",
                Kind::Spmc => "memring spmc",
                Kind::Mpmc => "memring mpmc",
            },
            Contender::Pipe => "pipe",
            Contender::UnixSocket => "unix socket",
        })
    }
}

/// A message's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "usize", try_from = "usize")]
pub enum Size {
    /// 8 bytes.
    B8,
    /// 64 bytes.
    B64,
    /// 256 bytes.
    B256,
    /// 1024 bytes.
    B1024,
    /// 4096 bytes.
    B4096,
}

impl Size {
    /// All of them.
    pub const ALL: [Size; 5] = [Size::B8, Size::B64, Size::B256, Size::B1024, Size::B4096];

    /// In bytes.
    pub fn bytes(self) -> usize {
        match self {
            Size::B8 => 8,
            Size::B64 => 64,
            Size::B256 => 256,
            Size::B1024 => 1024,
            Size::B4096 => 4096,
        }
    }
}

impl From<Size> for usize {
    fn from(size: Size) -> usize {
        size.bytes()
    }
}

impl TryFrom<usize> for Size {
    type Error = String;

    fn try_from(bytes: usize) -> Result<Self, String> {
        let found = Size::ALL.into_iter().find(|size| size.bytes() == bytes);
        found.ok_or_else(|| format!("no messages of {bytes} bytes are measured"))
    }
}
