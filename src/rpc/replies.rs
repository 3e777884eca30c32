//! A server's way to its clients: the rings of replies that it has open.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::ReplyError;
use super::leftovers;
use super::wire::{REPLY_HEADER, Status, cut, write_reply};
use crate::channel::{Ring, Sender};
use crate::error::{AttachError, RingError, TrySendError};
use crate::ring::kind::Mpsc;
use crate::shm::RegionPath;
use crate::sys::file;
use crate::sys::handle::OwnedFd;

/// The most rings of replies that a server has open: each is a descriptor and a mapping. Of
/// more clients, those that have not called for the longest are opened again at their next
/// call. Where the system has no more descriptors, it is as many as it has.
const MAX_OPEN: usize = 128;

/// Too many open files, in the process and on the machine (of Unix).
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// Why a client's ring of replies is not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoLink {
    /// It is not there, or its client is not.
    Gone,
    /// The system has no descriptor for it now: what it says.
    NoFile(String),
    /// Or no memory.
    NoMemory(String),
}

/// The rings of replies that a server has open, shared with its responders.
pub(super) struct Replies {
    at: Arc<RegionPath>,
    schema: u64,
    open: Mutex<Open>,
    /// Relaxed: figures.
    pub(super) unsent: AtomicU64,
}

#[derive(Default)]
struct Open {
    links: Vec<ReplyLink>,
    /// Which of them was used last: a client calls again and again.
    last: usize,
    /// Counts the uses, to find the oldest.
    uses: u64,
    /// To open a ring takes one descriptor more than to have it open: this is kept for that.
    spare: Option<OwnedFd>,
}

/// A client's ring of replies.
struct ReplyLink {
    client: u128,
    sender: Sender<[u8], Mpsc>,
    last_use: u64,
}

impl Replies {
    pub(super) fn new(at: Arc<RegionPath>, schema: u64) -> Replies {
        let replies = Replies {
            at,
            schema,
            open: Mutex::default(),
            unsent: AtomicU64::new(0),
        };
        replies.lock().spare = replies.spare();
        replies
    }

    /// A descriptor to be closed when one is needed.
    fn spare(&self) -> Option<OwnedFd> {
        self.at.directory.try_clone().ok()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing in there panics half-way.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client can be answered: its ring of replies is open, or could be opened.
    pub(super) fn reach(&self, client: u128) -> Result<(), NoLink> {
        self.lock().link(client, self).map(drop)
    }

    /// Whether the client has been dropped, or has died.
    pub(super) fn is_gone(&self, client: u128) -> bool {
        match self.lock().link(client, self) {
            Ok(link) => link.is_gone(),
            Err(no_link) => no_link == NoLink::Gone,
        }
    }

    /// Sends `reply`, whose first bytes are for the header. Waits for nothing: a client that
    /// keeps to the rules has room (see `calls`), and of another the reply is dropped, and
    /// counted.
    pub(super) fn send(
        &self,
        client: u128,
        call: u64,
        status: Status,
        reply: &mut Vec<u8>,
    ) -> Result<(), ReplyError> {
        let sent = self.try_send(client, call, status, reply);
        if sent.is_err() {
            self.unsent.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    fn try_send(
        &self,
        client: u128,
        call: u64,
        mut status: Status,
        reply: &mut Vec<u8>,
    ) -> Result<(), ReplyError> {
        let mut open = self.lock();
        let link = open.link(client, self).map_err(|no_link| match no_link {
            NoLink::Gone => ReplyError::ClientGone,
            NoLink::NoFile(text) | NoLink::NoMemory(text) => ReplyError::Refused(text),
        })?;
        let fits = link.fit(&mut status, reply);
        write_reply(reply, call, status);
        match link.sender.try_send(reply) {
            Ok(()) => fits,
            Err(TrySendError::Full(()) | TrySendError::Held((), _)) => {
                let is_gone = link.is_gone();
                if is_gone {
                    open.forget(client);
                }
                Err(match is_gone {
                    true => ReplyError::ClientGone,
                    false => ReplyError::NoRoom,
                })
            }
            // Closed, removed, broken: nobody reads there.
            Err(_) => {
                open.forget(client);
                Err(ReplyError::ClientGone)
            }
        }
    }

    /// Lets go of the rings whose clients have gone, and removes what killed clients left.
    pub(super) fn clean_up(&self) {
        self.lock().forget_gone();
        leftovers::remove_all(&self.at);
    }

    fn connect(&self, client: u128) -> Result<Sender<[u8], Mpsc>, NoLink> {
        let path = self
            .at
            .path
            .with_file_name(leftovers::reply_name(&self.at, client));
        let builder = Ring::<[u8], Mpsc>::builder().schema(self.schema);
        let ring = match builder.open(&path) {
            Err(RingError::Os { source, .. }) => {
                return Err(match NoLink::of(&source) {
                    // Of any length that its client likes: there never is memory for that.
                    NoLink::NoMemory(_) if file::is_sparse(&path) => NoLink::Gone,
                    no_link => no_link,
                });
            }
            ring => ring.map_err(|_| NoLink::Gone)?,
        };
        let sender = match ring.sender() {
            Err(AttachError::Os { source, .. }) => return Err(NoLink::of(&source)),
            sender => sender.map_err(|_| NoLink::Gone)?,
        };
        let is_good = ring.message_size() >= REPLY_HEADER && !sender.peers().is_empty();
        is_good.then_some(sender).ok_or(NoLink::Gone)
    }
}

impl NoLink {
    /// What a client can bring about, by what it puts there under its name, is no reason to
    /// wait for it.
    fn of(error: &io::Error) -> NoLink {
        match error.raw_os_error() {
            Some(EMFILE | ENFILE) => NoLink::NoFile(error.to_string()),
            _ if error.kind() == io::ErrorKind::OutOfMemory => NoLink::NoMemory(error.to_string()),
            _ => NoLink::Gone,
        }
    }
}

impl Open {
    fn link(&mut self, client: u128, replies: &Replies) -> Result<&mut ReplyLink, NoLink> {
        self.uses += 1;
        let is_last = |link: &ReplyLink| link.client == client;
        if !self.links.get(self.last).is_some_and(is_last) {
            self.last = self.find(client, replies)?;
        }
        let link = self.links.get_mut(self.last).ok_or(NoLink::Gone)?;
        link.last_use = self.uses;
        Ok(link)
    }

    /// Where the client's link is, which is made if it is not there.
    #[cold]
    fn find(&mut self, client: u128, replies: &Replies) -> Result<usize, NoLink> {
        if let Some(at) = self.links.iter().position(|link| link.client == client) {
            return Ok(at);
        }
        // Others come and go: now is the time to let go of those that went.
        self.forget_gone();
        let sender = loop {
            match replies.connect(client) {
                // What another client has is enough for this one: they go on by turns.
                Err(NoLink::NoFile(_)) if self.spare.take().is_some() || self.forget_oldest() => {}
                connected => break connected,
            }
        };
        if self.spare.is_none() {
            self.spare = replies.spare();
        }
        let sender = sender?;
        if self.links.len() >= MAX_OPEN {
            self.forget_oldest();
        }
        self.links.push(ReplyLink {
            client,
            sender,
            last_use: self.uses,
        });
        Ok(self.links.len() - 1)
    }

    fn forget(&mut self, client: u128) {
        self.links.retain(|link| link.client != client);
    }

    /// Closes the ring that was not used for the longest. Says whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let links = self.links.iter().enumerate();
        let oldest = links.min_by_key(|(_, link)| link.last_use);
        let at = oldest.map(|(at, _)| at);
        at.map(|at| self.links.swap_remove(at)).is_some()
    }

    fn forget_gone(&mut self) {
        self.links.retain(|link| !link.is_gone());
    }
}

impl ReplyLink {
    fn is_gone(&self) -> bool {
        self.sender.is_disconnected() || self.sender.ring().is_removed()
    }

    /// Makes a reply of one that is too long for the client: a text that says so, or as much
    /// of a text as fits.
    fn fit(&self, status: &mut Status, reply: &mut Vec<u8>) -> Result<(), ReplyError> {
        let room = self.sender.ring().message_size() - REPLY_HEADER;
        let length = reply.len() - REPLY_HEADER;
        if length <= room {
            return Ok(());
        }
        let too_long = ReplyError::TooLong {
            length,
            limit: room,
        };
        let text = match status {
            Status::Done => too_long.to_string(),
            _ => String::from_utf8_lossy(&reply[REPLY_HEADER..]).into_owned(),
        };
        let (was, now) = (
            *status,
            if *status == Status::Done {
                Status::Invalid
            } else {
                *status
            },
        );
        *status = now;
        reply.truncate(REPLY_HEADER);
        reply.extend_from_slice(cut(&text, room).as_bytes());
        match was {
            Status::Done => Err(too_long),
            _ => Ok(()),
        }
    }
}
