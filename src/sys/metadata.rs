//! What can be said of a file.

/// What sort of thing a name or a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file, a memfd included.
    Regular,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A fifo, a socket or a device.
    Other,
}

/// Which file it is: as long as a process has it open, no other file has the
/// same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    /// The device that holds the file.
    pub(crate) device: u64,
    /// Its number on that device.
    pub(crate) inode: u64,
}

/// What `stat` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The device that holds the file.
    pub(crate) device: u64,
    /// Its number on that device.
    pub(crate) inode: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// The permission bits, set-id and sticky bits included; not the kind.
    pub(crate) mode: u32,
    /// The user id of the owner.
    pub(crate) owner: u32,
    /// What sort of thing it is.
    pub(crate) kind: FileKind,
    /// How many names it has; 0 once it is unlinked.
    pub(crate) links: u64,
}

impl Metadata {
    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        FileId {
            device: self.device,
            inode: self.inode,
        }
    }
}
