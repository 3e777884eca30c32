//! The link: a small file that has the ring's name, and says where its memory is.
//!
//! ```text
//! 0x000  the region's header, as everywhere
//! 0x100  "memshm2\0"
//! 0x108  bytes of the memory (u64, little-endian); 0: there is none yet
//! 0x110  number of the memory (u64, little-endian); 0: it has no name
//! 0x118  device and inode of this very file (u64 each), by which a copy is told
//! ```

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::io;

use crate::sys::handle::BorrowedFd;
use crate::sys::system::file::{self, FileId};

/// Where the link says it.
const AT: usize = 0x100;
const MAGIC: [u8; 8] = *b"memshm2\0";
const BYTES: usize = 40;

const PREFIX: &str = ".memring-";
/// How the name of a link ends that is about to replace another.
const REPLACEMENT_SUFFIX: &str = ".new";

/// No file of this backend is longer, but for the memory.
pub(crate) const LONGEST_FILE: u64 = 4096;

/// How the name of a file of locks ends.
pub(crate) const LOCK_SUFFIX: &str = ".lock";
/// How the name of a link ends that has no other yet.
pub(crate) const PART_SUFFIX: &str = ".part";

/// Which memory it is, among all of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryId(u64);

impl MemoryId {
    /// One that hardly exists yet.
    pub(crate) fn random() -> Self {
        // Its keys come from the system's random numbers, and change with each.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        Self(hasher.finish().max(1))
    }

    /// What the system calls the memory: no longer than macOS allows, which is 31 bytes.
    pub(crate) fn os_name(self) -> String {
        format!("/memring-{:016x}", self.0)
    }

    /// The name of the file whose bytes its users lock.
    pub(crate) fn lock_name(self) -> OsString {
        format!("{PREFIX}{:016x}{LOCK_SUFFIX}", self.0).into()
    }

    /// The name of its link before that has another.
    pub(crate) fn part_name(self) -> OsString {
        format!("{PREFIX}{:016x}{PART_SUFFIX}", self.0).into()
    }

    /// Whose file of locks has this name.
    pub(crate) fn of_lock_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(PREFIX)?.strip_suffix(LOCK_SUFFIX)?;
        let is_ours = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok()?;
        (is_ours && number != 0).then_some(Self(number))
    }
}

/// Whether a link of this name is its ring's for good: not one in the making.
pub(crate) fn is_published(name: &str) -> bool {
    let ends = [LOCK_SUFFIX, PART_SUFFIX, REPLACEMENT_SUFFIX];
    !(name.starts_with(PREFIX) && ends.iter().any(|end| name.ends_with(end)))
}

/// What a link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Which memory; `None`: memory without a name.
    pub(crate) memory: Option<MemoryId>,
    /// Its bytes.
    pub(crate) size: u64,
    /// The file is a copy of a link: the memory is the original's.
    pub(crate) is_copy: bool,
}

impl Link {
    /// What the link in `file` says; `None` if the file is no link.
    ///
    /// # Errors
    /// Those of `pread`.
    pub(crate) fn read(file: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let mut bytes = [0; AT + BYTES];
        let read = file::read_start(file, &mut bytes)?;
        let (said, number) = (&bytes[AT..], |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[AT + at..AT + at + 8]);
            u64::from_le_bytes(word)
        });
        let is_link = read == bytes.len() && said.starts_with(&MAGIC);
        let written_to = FileId {
            device: number(24),
            inode: number(32),
        };
        let own = file::metadata(file)?.id();
        Ok(is_link.then(|| Self {
            memory: Some(MemoryId(number(16))).filter(|id| id.0 != 0),
            size: number(8),
            is_copy: written_to != own,
        }))
    }

    /// Has the link in `file` say so, and that it is no copy.
    ///
    /// # Errors
    /// Those of `pwrite`; [`io::ErrorKind::WriteZero`].
    pub(crate) fn write(self, file: BorrowedFd<'_>) -> io::Result<()> {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.size.to_le_bytes());
        let number = self.memory.map_or(0, |memory| memory.0);
        bytes[16..24].copy_from_slice(&number.to_le_bytes());
        bytes[24..].copy_from_slice(&identity(file)?);
        file::write_at(file, &bytes, AT as u64)
    }

    /// What the link in `file` says.
    ///
    /// # Errors
    /// Those of `pread`; [`io::ErrorKind::InvalidData`] if the file is no link.
    pub(crate) fn expect(file: BorrowedFd<'_>) -> io::Result<Self> {
        Self::read(file)?.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "expected a ring of the portable backend, found one of another: build all \
                 programs that use it with the same features of memring",
            )
        })
    }
}

/// Device and inode of a file, as its own bytes say them.
pub(super) fn identity(file: BorrowedFd<'_>) -> io::Result<[u8; 16]> {
    let own = file::metadata(file)?.id();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&own.device.to_le_bytes());
    bytes[8..].copy_from_slice(&own.inode.to_le_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn links_say_what_was_written() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Link::read(file.as_fd()).unwrap(), None);
        for memory in [None, Some(MemoryId::random())] {
            let link = Link {
                memory,
                size: 77,
                is_copy: false,
            };
            link.write(file.as_fd()).unwrap();
            assert_eq!(Link::expect(file.as_fd()).unwrap(), link);
        }
    }

    #[test]
    fn a_copy_is_told() {
        let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let link = Link {
            memory: Some(MemoryId::random()),
            size: 77,
            is_copy: false,
        };
        link.write(files[0].as_fd()).unwrap();
        let mut bytes = [0; AT + BYTES];
        file::read_start(files[0].as_fd(), &mut bytes).unwrap();
        file::write_start(files[1].as_fd(), &bytes).unwrap();
        assert!(Link::expect(files[1].as_fd()).unwrap().is_copy);
    }

    #[test]
    fn names_lead_back_to_the_memory() {
        let id = MemoryId::random();
        assert_ne!(id, MemoryId::random());
        assert!(id.os_name().len() <= 31);
        let name = id.lock_name().into_string().unwrap();
        assert_eq!(MemoryId::of_lock_name(&name), Some(id));
        for wrong in [
            "",
            ".memring-.lock",
            ".memring-0000000000000000.lock",
            ".memring-+00000000000000f.lock",
        ] {
            assert_eq!(MemoryId::of_lock_name(wrong), None, "{wrong}");
        }
    }
}
