//! What moves packets between hosts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use anyhow::Result;

#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "zenoh")]
pub mod zenoh;

/// An engine. Its contract:
///
/// * [`publish`](Engine::publish) moves a packet of at most [`limit`](Engine::limit) bytes to
///   everybody who has subscribed to the topic, of this process and of others. A packet
///   arrives whole or not at all: it may be lost, doubled, delayed and overtaken. The call
///   may wait while the network is busy, but some seconds at most.
/// * Packets of a subscription go to its [`Inbox`], which never waits: what it has no room for
///   is lost.
/// * [`announce`](Engine::announce) makes others see that this process is there, and
///   [`watch`](Engine::watch) has the inbox told when one of them has gone. An engine may
///   be late, or never tell: silence tells, too.
/// * What is subscribed and announced ends when the engine is dropped.
pub trait Engine: Send + Sync {
    /// The most bytes of a packet.
    fn limit(&self) -> usize;

    /// Sends a packet to all subscribers of `topic`.
    ///
    /// # Errors
    /// If the engine cannot work at all. A packet that is lost is no error.
    fn publish(&self, topic: &Topic, packet: Vec<u8>) -> Result<()>;

    /// Has packets of `topic` put into `inbox` from now on.
    ///
    /// # Errors
    /// Of the engine.
    fn subscribe(&self, topic: &Topic, inbox: &Inbox) -> Result<()>;

    /// Shows under `topic` that `id` is there, as long as the engine is.
    ///
    /// # Errors
    /// Of the engine.
    fn announce(&self, topic: &Topic, id: u64) -> Result<()>;

    /// Has `inbox` told of those under `topic` that go.
    ///
    /// # Errors
    /// Of the engine.
    fn watch(&self, topic: &Topic, inbox: &Inbox) -> Result<()>;
}

/// What packets are sent to: the user's key, and parts below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    parts: Vec<String>,
}

impl Topic {
    /// That of the user's key, which has parts between slashes.
    ///
    /// # Errors
    /// If a part is empty, or has characters that mean something to an engine.
    pub fn of_key(key: &str) -> Result<Topic, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let parts: Vec<String> = key.split('/').map(str::to_string).collect();
        match parts
            .iter()
            .all(|part| !part.is_empty() && part.chars().all(is_plain))
        {
            true => Ok(Topic { parts }),
            false => Err(format!(
                "invalid key {key:?}: expected letters, digits, - and _, in parts between slashes, \
                 such as plant/line-2/orders"
            )),
        }
    }

    /// A topic below this one.
    pub fn below(&self, part: &str) -> Topic {
        let mut parts = self.parts.clone();
        parts.push(part.to_string());
        Topic { parts }
    }

    /// A topic below this one, of one who has this id.
    pub fn of_id(&self, id: u64) -> Topic {
        self.below(&format!("{id:016x}"))
    }

    /// Its parts, joined.
    pub fn joined(&self, by: &str) -> String {
        format!("memring{by}{}", self.parts.join(by))
    }
}

/// What comes out of an inbox.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet, as it came.
    Packet(Vec<u8>),
    /// Who was announced under this id has gone.
    Gone(u64),
}

/// Where an engine puts packets. It holds so many bytes, and drops what comes beyond.
#[derive(Clone, Debug)]
pub struct Inbox {
    sender: SyncSender<Event>,
    room: Arc<Room>,
}

#[derive(Debug)]
struct Room {
    limit: usize,
    used: AtomicUsize,
    dropped: AtomicU64,
}

/// The other end of an [`Inbox`].
#[derive(Debug)]
pub struct Arrivals {
    receiver: Receiver<Event>,
    room: Arc<Room>,
}

/// What a packet takes beside its bytes, about.
const PACKET: usize = 128;

/// An inbox for `limit` bytes, and its other end.
pub fn inbox(limit: usize) -> (Inbox, Arrivals) {
    let (sender, receiver) = mpsc::sync_channel(limit / PACKET + 16);
    let room = Arc::new(Room {
        limit,
        used: AtomicUsize::new(0),
        dropped: AtomicU64::new(0),
    });
    let other = Arc::clone(&room);
    (
        Inbox { sender, room },
        Arrivals {
            receiver,
            room: other,
        },
    )
}

impl Inbox {
    /// Puts a packet in, or drops it.
    pub fn packet(&self, bytes: &[u8]) {
        // Relaxed, all: counts that publish nothing; the channel does.
        let used = self.room.used.load(Ordering::Relaxed);
        if used.saturating_add(bytes.len()) > self.room.limit {
            self.room.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.room.used.fetch_add(bytes.len(), Ordering::Relaxed);
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Event::Packet(bytes.to_vec())) {
            self.room.used.fetch_sub(bytes.len(), Ordering::Relaxed);
            self.room.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells that `id` has gone.
    pub fn gone(&self, id: u64) {
        let _ = self.sender.try_send(Event::Gone(id));
    }
}

impl Arrivals {
    /// What has come, if there is something now.
    pub fn next_now(&self) -> Option<Event> {
        self.next_within(Duration::ZERO)
    }

    /// What has come, or comes within this time.
    pub fn next_within(&self, time: Duration) -> Option<Event> {
        let event = match time.is_zero() {
            true => self.receiver.try_recv().ok(),
            false => match self.receiver.recv_timeout(time) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(time); // no engine feeds it any more
                    None
                }
            },
        }?;
        if let Event::Packet(bytes) = &event {
            // Relaxed: as in `packet`.
            self.room.used.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        Some(event)
    }

    /// Packets that were dropped, for there was no room.
    pub fn dropped(&self) -> u64 {
        self.room.dropped.load(Ordering::Relaxed)
    }
}

/// An id, as [`Topic::of_id`] writes it at the end of a topic.
#[cfg(feature = "zenoh")]
fn id_at_end(topic: &str) -> Option<u64> {
    let (_, id) = topic.rsplit_once(['/', '.'])?;
    u64::from_str_radix(id, 16).ok()
}
