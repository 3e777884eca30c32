//! Objects that have a file of their own.

use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::path::Path;

use super::builder::RegionOptions;
use super::object::SharedObject;
use crate::error::RingError;
use crate::message::schema::Schema;

/// What the name of the only part of a region is.
const SINGLE: &str = "";

/// The options of an object that has a file of its own, from
/// [`Mutex::builder`](super::Mutex::builder) and its like.
///
/// The maker fixes the number of handles and the permission bits: those of an opener are ignored.
/// The schema tag must be that of the maker.
///
/// ```
/// use memring::sync::Mutex;
///
/// # let name = &format!("doc-object-builder-{}", std::process::id());
/// let options = || Mutex::<[u64; 2]>::builder()
///     .max_handles(100)
///     .schema_of::<[u64; 2]>()
///     .mode(0o600)
///     .allow_foreign(false);
/// let accounts = options().create(name, [100, 0])?;
/// let same = options().open_or_create(name, [0, 0])?; // it stands: the value is not used
/// assert_eq!(*same.lock().unwrap(), [100, 0]);
/// assert!(Mutex::<[u64; 2]>::builder().schema(1).open(name).is_err());
///
/// assert!(accounts.path().is_some_and(|path| path.ends_with(name)));
/// assert_eq!((accounts.handles().len(), accounts.handles()[0].id), (2, accounts.id()));
/// memring::remove(name)?;
/// assert!(accounts.is_removed());
///
/// let unnamed = options().anonymous([0, 0])?;
/// let fd = unnamed.share_fd()?.try_clone_to_owned()?; // passed to another process
/// *options().from_fd(fd)?.lock().unwrap() = [1, 2];
/// assert_eq!(*unnamed.lock().unwrap(), [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it creates or opens"]
pub struct ObjectBuilder<O> {
    pub(super) options: RegionOptions,
    marker: PhantomData<fn() -> O>,
}

impl<O: SharedObject> ObjectBuilder<O> {
    pub(super) fn new() -> Self {
        ObjectBuilder {
            options: RegionOptions::default(),
            marker: PhantomData,
        }
    }

    /// The most handles that may be open at a time, of all processes together: 1 to 1023. Default
    /// 63. A clone of a handle does not count.
    pub fn max_handles(mut self, handles: u16) -> Self {
        self.options.handles = handles;
        self
    }

    /// A tag for the meaning of the value, on which all users must agree. Default 0.
    pub fn schema(mut self, tag: u64) -> Self {
        self.options.schema = tag;
        self
    }

    /// Sets the tag to the fingerprint of `S`: see [`schema!`](crate::schema!).
    pub fn schema_of<S: Schema>(self) -> Self {
        self.schema(S::SCHEMA)
    }

    /// Permission bits of the file, regardless of the umask. Default 0600. If other users may
    /// write to the file, they and you must open it with [`allow_foreign`](Self::allow_foreign).
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode = mode;
        self
    }

    /// Opens files that belong to other users, or that other users may write to. Default off. A
    /// process that may write to the file may change the value at any time, with or without the
    /// lock.
    pub fn allow_foreign(mut self, allow: bool) -> Self {
        self.options.allow_foreign = allow;
        self
    }

    /// Makes the object, which starts with `initial`.
    ///
    /// # Errors
    /// [`RingError::AlreadyExists`], [`RingError::InvalidName`],
    /// [`RingError::InvalidOption`], [`RingError::NoSpace`],
    /// [`RingError::FileSizeLimit`], [`RingError::Directory`], [`RingError::Os`].
    pub fn create(self, name: impl AsRef<Path>, initial: O::Initial) -> Result<O, RingError> {
        let parts = [(SINGLE.into(), O::spec(initial))];
        self.options.create(name.as_ref(), &parts)?.part(SINGLE)
    }

    /// Opens the object.
    ///
    /// # Errors
    /// [`RingError::NotFound`]; [`RingError::Mismatch`] if the file holds another sort of object,
    /// or a value of another size, alignment or schema tag, or is not this user's;
    /// [`RingError::TooManyHandles`].
    pub fn open(self, name: impl AsRef<Path>) -> Result<O, RingError> {
        self.options.open(name.as_ref())?.part(SINGLE)
    }

    /// Opens the object, or makes it if there is none: then it starts with `initial`. If several
    /// processes call this at once, all get the same object.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn open_or_create(
        self,
        name: impl AsRef<Path>,
        initial: O::Initial,
    ) -> Result<O, RingError> {
        let parts = [(SINGLE.into(), O::spec(initial))];
        let shared = self.options.open_or_create(name.as_ref(), &parts)?;
        shared.part(SINGLE)
    }

    /// Makes the object without a name: in a memfd sealed against shrinking and growing,
    /// for children and for passing over a socket.
    ///
    /// # Errors
    /// As [`create`](Self::create), without those of names.
    pub fn anonymous(self, initial: O::Initial) -> Result<O, RingError> {
        let parts = [(SINGLE.into(), O::spec(initial))];
        self.options.anonymous(&parts)?.part(SINGLE)
    }

    /// Opens the object behind a descriptor that was inherited or received; it is
    /// reopened, and `fd` may be closed afterwards.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[allow(clippy::wrong_self_convention)] // named as `Ring::from_fd` is
    #[cfg(unix)]
    pub fn from_fd(self, fd: impl AsFd) -> Result<O, RingError> {
        self.options.open_fd(fd.as_fd())?.part(SINGLE)
    }
}

impl<O> std::fmt::Debug for ObjectBuilder<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What every handle has: ways to make and open it, and what can be asked of it. `$self`
/// has a field `part`.
macro_rules! handle {
    ([$($parameters:tt)*] $type:ty, $what:literal, ($($initial:ident: $value:ty)?)) => {
        impl<$($parameters)*> $type {
            #[doc = concat!("Starts a builder, which has all the options of a ", $what, ".")]
            pub fn builder() -> ObjectBuilder<Self> {
                ObjectBuilder::new()
            }

            #[doc = concat!("Makes a ", $what, " with a name: a file in the default")]
            /// directory (see [`directory`](crate::directory)), or at a path if there is
            /// a `/` in it. It stays until it is [removed](crate::remove).
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            ///
            /// # Errors
            /// As [`ObjectBuilder::create`].
            pub fn create(
                name: impl AsRef<Path>,
                $($initial: $value)?
            ) -> Result<Self, RingError> {
                Self::builder().create(name, handle!(@ $($initial)?))
            }

            #[doc = concat!("Opens a ", $what, " that exists.")]
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            ///
            /// # Errors
            /// As [`ObjectBuilder::open`].
            pub fn open(name: impl AsRef<Path>) -> Result<Self, RingError> {
                Self::builder().open(name)
            }

            #[doc = concat!("Opens the ", $what, ", or makes it if there is none. If")]
            /// several processes call this at once, all get the same one.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            ///
            /// # Errors
            /// As [`ObjectBuilder::open_or_create`].
            pub fn open_or_create(
                name: impl AsRef<Path>,
                $($initial: $value)?
            ) -> Result<Self, RingError> {
                Self::builder().open_or_create(name, handle!(@ $($initial)?))
            }

            #[doc = concat!("Makes a ", $what, " without a name: in a sealed memfd, for")]
            /// children and for passing over a socket ([`share_fd`](Self::share_fd)).
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            ///
            /// # Errors
            /// As [`ObjectBuilder::anonymous`].
            pub fn anonymous($($initial: $value)?) -> Result<Self, RingError> {
                Self::builder().anonymous(handle!(@ $($initial)?))
            }

            #[doc = concat!("Opens the ", $what, " behind a descriptor that was inherited or")]
            /// received; it is reopened, and `fd` may be closed afterwards.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            ///
            /// # Errors
            /// As [`ObjectBuilder::from_fd`].
            #[cfg(unix)]
            pub fn from_fd(fd: impl std::os::fd::AsFd) -> Result<Self, RingError> {
                Self::builder().from_fd(fd)
            }

            /// Returns a descriptor of the object's file, to pass on. The descriptor holds no
            /// locks, and is close-on-exec.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            ///
            /// # Errors
            /// [`RingError::Os`] at the first call on an object with a name, if the file cannot
            /// be reopened, and at any call if the program has closed the descriptor;
            /// [`RingError::Failed`] in a forked child.
            #[cfg(unix)]
            pub fn share_fd(&self) -> Result<std::os::fd::BorrowedFd<'_>, RingError> {
                self.part.shared().share_fd()
            }

            /// Returns the path of the object's file, if it has a name.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            pub fn path(&self) -> Option<&Path> {
                self.part.shared().region().path()
            }

            /// Whether the file was removed: handles that are open still share the object, and no
            /// process can open it by its name any more. This is a system call.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            pub fn is_removed(&self) -> bool {
                let region = self.part.shared().region();
                region.is_mapped() && region.is_removed()
            }

            /// The id of this handle, and of its clones, in the table of members.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            pub fn id(&self) -> u16 {
                self.part.shared().id().0
            }

            /// Returns the handles that are open, of all processes, by a system call for each.
            ///
            /// Example: [`ObjectBuilder`](crate::sync::ObjectBuilder).
            pub fn handles(&self) -> Vec<Peer> {
                self.part.shared().handles()
            }
        }

        impl<$($parameters)*> SealedObject for $type {}
    };
    (@ $initial:ident) => { $initial };
    (@) => { () };
}
pub(super) use handle;
