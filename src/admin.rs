//! Administration of rings without attaching: list, inspect, remove.

use std::path::{Path, PathBuf};

use crate::channel::{Segment, Stats, stats};
use crate::error::RingError;
use crate::ring::config::{Config, MessageKind};
use crate::ring::kind::RingKind;
use crate::ring::options::{Layout, OnDeath, Wakeups};
use crate::rpc::{self, ServiceRing};
use crate::shm::remove::Removal;
use crate::shm::{RegionPath, layout, name, open, os_error};
use crate::sys::file;
use crate::sys::handle::AsFd;

/// The version of the format of files and anonymous memory that this crate makes, and the
/// only one that it opens: others are [`Mismatch::Version`](crate::Mismatch::Version). It
/// changes apart from the version of the crate; `docs/format.md` describes it.
///
/// ```
/// println!("memring format {}", memring::FORMAT_VERSION);
/// ```
pub const FORMAT_VERSION: u32 = layout::VERSION;

/// What [`inspect`] finds out about a ring, of any kind of messages.
///
/// ```
/// use memring::{Ring, RingKind, Spsc};
///
/// # let name = &format!("doc-inspection-{}", std::process::id());
/// let ring = Ring::<u64, Spsc>::create(name, 100)?;
/// ring.sender()?.send(7)?;
/// let seen = memring::inspect(name)?;
/// assert_eq!((seen.kind, seen.capacity, seen.stats.len), (RingKind::Spsc, 100, 1));
/// assert!(seen.in_use && !seen.closed);
/// assert!(!seen.is_rendezvous() && seen.service_ring().is_none());
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Where it is.
    pub path: PathBuf,
    /// Its kind.
    pub kind: RingKind,
    /// What it carries.
    pub message: MessageKind,
    /// How messages lie in memory, with one sender and one receiver.
    pub layout: Option<Layout>,
    /// The most messages that the ring holds; 0: a rendezvous ring.
    pub capacity: usize,
    /// The user's tag.
    pub schema: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// Whether endpoints may sleep.
    pub wakeups: Wakeups,
    /// What happens to messages that a receiver held when it died.
    pub on_death: OnDeath,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether any process has it open.
    pub in_use: bool,
    /// Figures.
    pub stats: Stats,
}

impl Inspection {
    /// Whether messages pass directly to receivers: a [rendezvous](crate::RingBuilder::rendezvous)
    /// ring, whose capacity is 0.
    pub fn is_rendezvous(&self) -> bool {
        self.capacity == 0
    }

    /// The part that the ring plays in a service of [`crate::rpc`], if it belongs to one.
    pub fn service_ring(&self) -> Option<ServiceRing> {
        rpc::service_ring(self.kind, self.message, self.schema)
    }
}

/// A file in the directory of rings.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListEntry {
    /// Its name. A user that may write to the directory chose it: it may have control
    /// characters in it, and what is not UTF-8 is replaced.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is, or why that cannot be told. For shared objects this is [`RingError::Mismatch`]
    /// with [`Mismatch::Object`](crate::Mismatch::Object), and
    /// [`sync::inspect`](crate::sync::inspect) tells what they are.
    pub ring: Result<Inspection, RingError>,
}

/// Returns the directory of rings that are named by one component: `MEMRING_DIR` if it is set,
/// else `/dev/shm/memring-UID` (with the portable backend: `memring-UID` in the directory of
/// temporary files). The first process that creates a ring there creates the directory; looking
/// for a ring creates nothing.
///
/// ```
/// # let name = &format!("doc-directory-{}", std::process::id());
/// let ring = memring::Ring::<u64, memring::Spsc>::create(name, 8)?; // `name` has no `/`
/// assert_eq!(ring.path(), Some(memring::directory()?.join(name).as_path()));
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError::Directory`] if the directory exists and other users may write to it.
pub fn directory() -> Result<PathBuf, RingError> {
    let there = name::open_default_directory()?;
    Ok(there.map_or_else(name::default_path, |(_, path)| path))
}

/// Removes a ring: its name is free again, and its endpoints get `Removed`. Its memory is freed
/// when the last process that has it open closes it.
///
/// Endpoints that are attached, asleep or not, find out at once: senders get `Removed`, and
/// receivers receive what is in the ring and then get `Removed`. (If the ring was closed before,
/// they get `Closed`.) This needs a ring that belongs to this user, that no other user may write
/// to, and that has this version of the format. Endpoints of any other ring find out at their
/// next scan, after about a second at most if they wait or poll. The same is true if the file is
/// unlinked by other means.
///
/// ```
/// use memring::{RecvError, Ring, SendError, Spsc};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-remove-{}", std::process::id());
/// let ring = Ring::<u64, Spsc>::create(name, 8)?;
/// let (mut sender, mut receiver) = (ring.sender()?, ring.receiver()?);
/// sender.send(1)?;
/// memring::remove(name)?;
/// assert_eq!(sender.send(2), Err(SendError::Removed(2)));
/// assert_eq!(receiver.recv(), Ok(1));
/// assert_eq!(receiver.recv(), Err(RecvError::Removed));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`RingError::NotFound`]; [`RingError::Mismatch`] if the file is no ring;
/// [`RingError::Os`].
pub fn remove(name: impl AsRef<Path>) -> Result<(), RingError> {
    let at = RegionPath::existing(name.as_ref())?;
    let removed = Removal::begin(&at)?.unlink()?;
    Segment::tell_removed(removed.as_fd());
    Ok(())
}

/// Inspects a ring of any kind and type, without attaching and without write access. The ring may
/// belong to another user, if this process may read it. Its owner can then truncate it, which
/// ends this process with SIGBUS.
///
/// Example: [`Inspection`].
///
/// # Errors
/// As [`Ring::open`](crate::Ring::open), without the mismatches of kind, type
/// and tag.
pub fn inspect(name: impl AsRef<Path>) -> Result<Inspection, RingError> {
    let at = RegionPath::existing(name.as_ref())?;
    let (region, config) = open::observe(&at, Config::of)?;
    let segment = Segment::new(region, config);
    let file_size = segment.region.file_size()?;
    let stats = stats(&segment);
    Ok(Inspection {
        path: at.path,
        kind: config.kind,
        message: config.message,
        layout: config.layout(),
        capacity: config.capacity as usize,
        schema: config.schema,
        file_size,
        wakeups: config.wakeups,
        on_death: config.on_death,
        closed: stats.closed,
        in_use: segment.region.is_in_use(),
        stats,
    })
}

/// Lists everything in the directory of rings, sorted by name.
///
/// ```
/// # let name = &format!("doc-list-{}", std::process::id());
/// # let ring = memring::Ring::<u64, memring::Spsc>::create(name, 8)?;
/// for entry in memring::list()? {
///     match &entry.ring {
///         Ok(ring) => println!("{}: {} messages", entry.name, ring.stats.len),
///         Err(error) => println!("{}: {error}", entry.name),
///     }
/// }
/// # assert!(memring::list()?.iter().any(|entry| entry.name == *name));
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError::Directory`]; [`RingError::Os`] if it cannot be read. An error of a single file is
/// in that file's entry.
pub fn list() -> Result<Vec<ListEntry>, RingError> {
    let Some((directory, path)) = name::open_default_directory()? else {
        return Ok(Vec::new());
    };
    let names = file::names(directory.as_fd()).map_err(os_error("list", &Some(path.clone())))?;
    let mut listed: Vec<ListEntry> = names
        .into_iter()
        .filter(|name| !name::is_of_replacement(name) && name != name::BRIDGE_DIRECTORY)
        .map(|name| ListEntry {
            path: path.join(&name),
            ring: match name.to_str() {
                Some(name) => inspect(name),
                // Not the file of a name that only looks the same.
                None => Err(RingError::InvalidName {
                    name: name.to_string_lossy().into_owned(),
                    reason: "it is not UTF-8",
                }),
            },
            name: name.to_string_lossy().into_owned(),
        })
        // Gone since the directory was read.
        .filter(|listed| !matches!(listed.ring, Err(RingError::NotFound { .. })))
        .collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}
