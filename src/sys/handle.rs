//! What stands for an open file: on Unix a descriptor, on Windows a handle. The names are
//! those of Unix.

use std::io;
#[cfg(unix)]
pub(crate) use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

#[cfg(windows)]
pub(crate) use of_windows::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Why a descriptor is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// This is a forked child of the process that opened it.
    Forked,
    /// The program has closed the number behind our back.
    Closed(RawFd),
}

impl From<Unusable> for io::Error {
    fn from(reason: Unusable) -> io::Error {
        io::Error::other(match reason {
            Unusable::Forked => "expected the process that opened this descriptor, found a forked \
                                 child of it: open the file in the child itself"
                .to_owned(),
            Unusable::Closed(number) => format!(
                "expected descriptor {number} to stand for the file it was opened for, found it \
                 closed or used for another file: do not close descriptors that are not yours"
            ),
        })
    }
}

/// Handles, in the form that the standard library has the most calls for.
#[cfg(windows)]
mod of_windows {
    use std::fs::File;
    use std::io;
    use std::os::windows::io::AsRawHandle;

    pub(crate) type OwnedFd = File;
    pub(crate) type BorrowedFd<'a> = &'a File;
    /// A handle as a number, to be shown.
    pub(crate) type RawFd = usize;

    /// What has a handle.
    pub(crate) trait AsFd {
        /// The handle.
        fn as_fd(&self) -> BorrowedFd<'_>;

        /// Another handle of the same open file.
        fn try_clone_to_owned(&self) -> io::Result<OwnedFd> {
            self.as_fd().try_clone()
        }
    }

    impl AsFd for File {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self
        }
    }

    /// What has a number.
    pub(crate) trait AsRawFd {
        /// The number of the handle.
        fn as_raw_fd(&self) -> RawFd;
    }

    impl AsRawFd for File {
        fn as_raw_fd(&self) -> RawFd {
            self.as_raw_handle().addr()
        }
    }
}
