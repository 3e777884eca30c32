//! What is known of each, as `--json` prints it.

use std::path::Path;

use memring::sync::SharedInspection;
use memring::{Holder, Inspection, MessageKind, Peer, RingError};
use serde::Serialize;

use crate::what::What;

/// One file, as `--json` prints it.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    pub path: String,
    #[serde(flatten)]
    pub state: State,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum State {
    Ring(Box<RingState>),
    Shared(SharedState),
    Bad { error: String },
}

#[derive(Serialize)]
pub struct RingState {
    /// That of the ring, or "service", or "replies".
    pub kind: String,
    /// "typed" or "bytes".
    pub message: &'static str,
    pub message_size: usize,
    pub layout: Option<String>,
    pub capacity: usize,
    pub length: usize,
    pub senders: usize,
    pub receivers: usize,
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    pub redelivered: u64,
    pub in_use: bool,
    pub closed: bool,
    pub size: u64,
    /// "redeliver" or "discard".
    pub policy: String,
    /// A number in hexadecimal digits: programs may read those of JSON as fractions.
    pub schema: Option<String>,
    /// "blocking" or "spin-only".
    wakeups: String,
    pub sender_processes: Vec<User>,
    pub receiver_processes: Vec<User>,
    pub senders_blocked_by: Option<Blocker>,
    pub receivers_blocked_by: Option<Blocker>,
}

#[derive(Serialize)]
pub struct SharedState {
    /// That of the only object, or "group".
    pub kind: &'static str,
    pub parts: Vec<PartState>,
    /// Open in processes that are alive.
    pub handles: usize,
    pub max_handles: usize,
    pub handle_processes: Vec<User>,
    /// A number in hexadecimal digits: programs may read those of JSON as fractions.
    pub schema: Option<String>,
    pub in_use: bool,
    pub size: u64,
}

#[derive(Serialize)]
pub struct PartState {
    /// Empty, if it is the only object.
    pub name: String,
    pub kind: &'static str,
    pub value_size: usize,
    /// The process that holds it.
    pub holder: Option<u32>,
    pub poisoned: bool,
}

impl Row {
    /// Of what a look at the ring of this name found, which may be no ring.
    pub fn new(
        name: String,
        path: &Path,
        looked: Result<Inspection, RingError>,
    ) -> Result<Row, RingError> {
        let (path, state) = match What::of(path, looked)? {
            What::Ring(ring) => (ring.path.clone(), State::ring(&ring, ring.kind.to_string())),
            What::Service(ring, limit) => {
                let state = RingState {
                    message_size: limit,
                    // The tag says that it is one.
                    schema: None,
                    ..RingState::new(&ring, "service".into())
                };
                (ring.path, State::Ring(Box::new(state)))
            }
            What::Replies(ring) => (ring.path.clone(), State::ring(&ring, "replies".into())),
            What::Shared(shared) => (shared.path.clone(), State::Shared(SharedState::new(shared))),
        };
        let path = path.display().to_string();
        Ok(Row { name, path, state })
    }

    /// Of a file of which that cannot be told.
    pub fn bad(name: String, path: &Path, error: &RingError) -> Row {
        Row {
            name,
            path: path.display().to_string(),
            state: State::Bad {
                error: error.to_string(),
            },
        }
    }
}

impl State {
    fn ring(ring: &Inspection, kind: String) -> State {
        State::Ring(Box::new(RingState::new(ring, kind)))
    }
}

/// A process that uses it.
#[derive(Clone, Copy, Serialize)]
pub struct User {
    /// The number that it gave.
    pub pid: u32,
    /// Dead ones stay until another cleans up after them.
    pub alive: bool,
}

fn users(peers: &[Peer]) -> Vec<User> {
    let user = |peer: &Peer| User {
        pid: peer.pid,
        alive: peer.alive,
    };
    peers.iter().map(user).collect()
}

/// The endpoint that has in hand what a side needs next.
#[derive(Clone, Serialize)]
pub struct Blocker {
    pub pid: u32,
    /// "sender" or "receiver".
    pub side: String,
    pub position: u64,
}

fn blocker(holder: Option<Holder>) -> Option<Blocker> {
    holder.map(|holder| Blocker {
        pid: holder.pid,
        side: holder.side.to_string(),
        position: holder.position,
    })
}

/// The tag that programs agree on; 0 is none.
fn tag(schema: u64) -> Option<String> {
    (schema != 0).then(|| format!("{schema:#018x}"))
}

fn alive(peers: &[Peer]) -> usize {
    peers.iter().filter(|peer| peer.alive).count()
}

impl RingState {
    fn new(ring: &Inspection, kind: String) -> RingState {
        let (message, message_size) = match ring.message {
            MessageKind::Typed { size, .. } => ("typed", size),
            MessageKind::Bytes { limit } => ("bytes", limit),
        };
        RingState {
            kind,
            message,
            message_size,
            layout: ring.layout.map(|layout| layout.to_string()),
            capacity: ring.capacity,
            length: ring.stats.len,
            senders: alive(&ring.stats.senders),
            receivers: alive(&ring.stats.receivers),
            sent: ring.stats.sent,
            received: ring.stats.received,
            lost: ring.stats.lost,
            redelivered: ring.stats.redelivered,
            in_use: ring.in_use,
            closed: ring.closed,
            size: ring.file_size,
            policy: ring.on_death.to_string(),
            schema: tag(ring.schema),
            wakeups: ring.wakeups.to_string(),
            sender_processes: users(&ring.stats.senders),
            receiver_processes: users(&ring.stats.receivers),
            senders_blocked_by: blocker(ring.stats.senders_blocked_by),
            receivers_blocked_by: blocker(ring.stats.receivers_blocked_by),
        }
    }
}

impl SharedState {
    fn new(shared: SharedInspection) -> SharedState {
        let kind = match &shared.parts[..] {
            [only] if !shared.is_group() => only.kind,
            _ => "group",
        };
        let parts = shared.parts.into_iter().map(|part| PartState {
            name: part.name,
            kind: part.kind,
            value_size: part.size,
            holder: part.holder.map(|holder| holder.pid),
            poisoned: part.poisoned,
        });
        SharedState {
            kind,
            parts: parts.collect(),
            handles: alive(&shared.handles),
            max_handles: shared.max_handles,
            handle_processes: users(&shared.handles),
            schema: tag(shared.schema),
            in_use: shared.in_use,
            size: shared.file_size,
        }
    }
}
