//! Several shared objects in one region.

use std::fmt;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::builder::RegionOptions;
use super::layout::PartSpec;
use super::object::{SharedObject, SharedRef};
use crate::error::RingError;
use crate::members::Peer;
use crate::message::schema::Schema;

/// Several shared objects under names, in one file: a struct of shared state.
///
/// The handles of its parts share the group's id in the table of members: opening ten parts takes
/// one place of [`max_handles`](GroupBuilder::max_handles).
///
/// ```
/// use memring::sync::Group;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-group-{}", std::process::id());
/// let jobs = Group::builder()
///     .mutex::<u64>("waiting", 0)
///     .condvar("not empty")
///     .create(name)?;
///
/// // Another process, or this one again.
/// let jobs = Group::open(name)?;
/// let waiting = jobs.mutex::<u64>("waiting")?;
/// let not_empty = jobs.condvar("not empty")?;
/// *waiting.lock().map_err(|error| error.without_guard())? += 1;
/// not_empty.notify_one();
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Group {
    shared: SharedRef,
}

/// The parts of a [`Group`], and its options.
///
/// The maker fixes the number of handles and the permission bits: those of an opener are ignored.
/// The schema tag must be that of the maker.
///
/// ```
/// use memring::sync::{Counter, Group, Mutex};
///
/// # let name = &format!("doc-group-builder-{}", std::process::id());
/// let parts = Group::builder()
///     .mutex::<u64>("total", 0)
///     .rwlock::<[u32; 16]>("table", [0; 16])
///     .condvar("changed")
///     .barrier("start", 2)
///     .once("set up")
///     .once_value::<u64>("seed")
///     .latest::<f64>("price", 0.0)
///     .semaphore("connections", 8)
///     .counter::<i64>("balance", 0)
///     .part::<Counter<u64>>("served", 3) // what `counter` is short for
///     .max_handles(100)
///     .schema(2)
///     .mode(0o600)
///     .allow_foreign(false);
/// let group = parts.create(name)?;
/// let (total, served) = (group.mutex::<u64>("total")?, group.counter::<u64>("served")?);
/// let (table, price) = (group.rwlock::<[u32; 16]>("table")?, group.latest::<f64>("price")?);
/// let (set_up, seed) = (group.once("set up")?, group.once_value::<u64>("seed")?);
/// let (start, connections) = (group.barrier("start")?, group.semaphore("connections")?);
/// assert_eq!((served.get()?, price.read()?, connections.permits()), (3, 0.0, 8));
/// # drop((total, table, set_up, seed, start));
///
/// // Another process, which needs one of the parts.
/// let other = Group::builder().schema(2).counter::<u64>("served", 0).open(name)?;
/// assert_eq!(other.part::<Counter<u64>>("served")?.add(1)?, 3);
/// assert!(Group::open(name).is_err()); // without the schema's tag
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it creates or opens"]
pub struct GroupBuilder {
    options: RegionOptions,
    parts: Vec<(String, PartSpec)>,
}

impl Group {
    /// Starts a builder, which has the parts of the group and its options.
    pub fn builder() -> GroupBuilder {
        GroupBuilder {
            options: RegionOptions::default(),
            parts: Vec::new(),
        }
    }

    /// Opens a group that exists, with any parts.
    ///
    /// # Errors
    /// As [`ObjectBuilder::open`](super::ObjectBuilder::open).
    pub fn open(name: impl AsRef<Path>) -> Result<Group, RingError> {
        Group::builder().open(name)
    }

    /// Opens the group behind a descriptor that was inherited or received; it is reopened,
    /// and `fd` may be closed afterwards.
    ///
    /// Example: [`share_fd`](Group::share_fd).
    ///
    /// # Errors
    /// As [`Group::open`].
    #[cfg(unix)]
    pub fn from_fd(fd: impl AsFd) -> Result<Group, RingError> {
        Group::builder().from_fd(fd)
    }

    /// Opens the part of this name: `group.part::<Mutex<u64>>("total")`. Each call makes a
    /// handle; all of them are one member.
    ///
    /// ```
    /// # use memring::sync::{Group, Mutex, Semaphore};
    /// let group = Group::builder().mutex::<u64>("total", 7).anonymous()?;
    /// let total = group.part::<Mutex<u64>>("total")?;
    /// assert_eq!(*total.lock().unwrap(), 7);
    /// assert!(group.part::<Mutex<u32>>("total").is_err()); // of another size
    /// assert!(group.part::<Semaphore>("total").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RingError::Mismatch`]: there is no part of this name, or the part is of another sort, or
    /// its value has another size or alignment.
    pub fn part<O: SharedObject>(&self, name: &str) -> Result<O, RingError> {
        self.shared.part(name)
    }

    /// Returns the names of the parts, in the order in which they were added.
    ///
    /// ```
    /// # use memring::sync::Group;
    /// # let name = &format!("doc-group-names-{}", std::process::id());
    /// let group = Group::builder().condvar("a").once("b").open_or_create(name)?;
    /// assert_eq!(group.names().collect::<Vec<_>>(), ["a", "b"]);
    /// assert_eq!(group.handles()[0].id, group.id());
    /// assert!(group.path().is_some_and(|path| path.ends_with(name)));
    /// memring::remove(name)?;
    /// assert!(group.is_removed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let parts = self.shared.0.parts().iter();
        parts.map(|part| part.name.as_str())
    }

    /// Returns a descriptor of the group's file, to pass on. The descriptor holds no locks, and
    /// is close-on-exec.
    ///
    /// ```
    /// # use memring::sync::Group;
    /// let group = Group::builder().counter::<u64>("served", 3).anonymous()?;
    /// let fd = group.share_fd()?.try_clone_to_owned()?; // passed to another process
    /// let there = Group::from_fd(fd)?;
    /// assert_eq!(there.counter::<u64>("served")?.get()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Mutex::share_fd`](super::Mutex::share_fd).
    #[cfg(unix)]
    pub fn share_fd(&self) -> Result<BorrowedFd<'_>, RingError> {
        self.shared.0.share_fd()
    }

    /// The file of the group, if it has a name.
    ///
    /// Example: [`names`](Group::names).
    pub fn path(&self) -> Option<&Path> {
        self.shared.0.region().path()
    }

    /// Whether the file was removed: handles that are open still share the objects, and no
    /// process can open them by name any more. This is a system call.
    ///
    /// Example: [`names`](Group::names).
    pub fn is_removed(&self) -> bool {
        let region = self.shared.0.region();
        region.is_mapped() && region.is_removed()
    }

    /// The id of this handle, its clones and its parts in the table of members.
    ///
    /// Example: [`names`](Group::names).
    pub fn id(&self) -> u16 {
        self.shared.0.id().0
    }

    /// Returns the handles that are open, of all processes, by a system call for each.
    ///
    /// Example: [`names`](Group::names).
    pub fn handles(&self) -> Vec<Peer> {
        self.shared.0.handles()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("path", &self.path())
            .field("parts", &self.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a part of this name, up to 31 bytes, which starts with `initial`. The number of parts
    /// is fixed when the group is made: at most 1024.
    pub fn part<O: SharedObject>(mut self, name: &str, initial: O::Initial) -> Self {
        self.parts.push((name.into(), O::spec(initial)));
        self
    }

    /// The most handles that may be open at a time, of all processes together: 1 to 1023. Default
    /// 63. Clones of a handle, and handles of parts, do not count.
    pub fn max_handles(mut self, handles: u16) -> Self {
        self.options.handles = handles;
        self
    }

    /// A tag for the meaning of the values, on which all users must agree. Default 0.
    pub fn schema(mut self, tag: u64) -> Self {
        self.options.schema = tag;
        self
    }

    /// Sets the tag to the fingerprint of `S`: see [`schema!`](crate::schema!). `S` may be a
    /// struct of all the values.
    ///
    /// Example: [`ObjectBuilder`](super::ObjectBuilder).
    pub fn schema_of<S: Schema>(self) -> Self {
        self.schema(S::SCHEMA)
    }

    /// Permission bits of the file, regardless of the umask. Default 0600.
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode = mode;
        self
    }

    /// Opens files that belong to other users, or that other users may write to. Default off. A
    /// process that may write to the file may change the values at any time, with or without the
    /// locks.
    pub fn allow_foreign(mut self, allow: bool) -> Self {
        self.options.allow_foreign = allow;
        self
    }

    /// Makes the group.
    ///
    /// # Errors
    /// As [`ObjectBuilder::create`](super::ObjectBuilder::create); [`RingError::InvalidOption`]
    /// if there is no part, or if a part has no name, the name of another part, or a name that is
    /// too long.
    pub fn create(self, name: impl AsRef<Path>) -> Result<Group, RingError> {
        let shared = self.options.create(name.as_ref(), &self.parts)?;
        Ok(Group { shared })
    }

    /// Opens a group that exists. It has to have the parts that were added here; their first
    /// values are not used.
    ///
    /// # Errors
    /// As [`ObjectBuilder::open`](super::ObjectBuilder::open).
    pub fn open(self, name: impl AsRef<Path>) -> Result<Group, RingError> {
        self.checked(self.options.open(name.as_ref())?)
    }

    /// Opens the group, or makes it if there is none. If several processes call this at once, all
    /// get the same group. An existing group has to have the parts that were added here; it may
    /// have more.
    ///
    /// Example: [`Group::names`].
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn open_or_create(self, name: impl AsRef<Path>) -> Result<Group, RingError> {
        let shared = self.options.open_or_create(name.as_ref(), &self.parts)?;
        Ok(Group { shared })
    }

    /// Makes the group without a name: in a memfd sealed against shrinking and growing,
    /// for children and for passing over a socket.
    ///
    /// Example: [`Group::part`].
    ///
    /// # Errors
    /// As [`create`](Self::create), without those of names.
    pub fn anonymous(self) -> Result<Group, RingError> {
        let shared = self.options.anonymous(&self.parts)?;
        Ok(Group { shared })
    }

    /// Opens the group behind a descriptor; see [`Group::from_fd`].
    ///
    /// Example: [`Group::share_fd`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[allow(clippy::wrong_self_convention)] // named as `Ring::from_fd` is
    #[cfg(unix)]
    pub fn from_fd(self, fd: impl AsFd) -> Result<Group, RingError> {
        self.checked(self.options.open_fd(fd.as_fd())?)
    }

    fn checked(&self, shared: SharedRef) -> Result<Group, RingError> {
        for (name, spec) in &self.parts {
            shared.check_part(name, spec)?;
        }
        Ok(Group { shared })
    }
}

impl fmt::Debug for GroupBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parts.iter().map(|(name, _)| name).collect();
        f.debug_struct("GroupBuilder")
            .field("options", &self.options)
            .field("parts", &names)
            .finish()
    }
}
