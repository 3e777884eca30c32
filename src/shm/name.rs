//! Names of regions and the directory that they live in.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::os_error;
use crate::error::RingError;
use crate::sys::file;
use crate::sys::handle::{AsFd, OwnedFd};

/// The longest file name that the file systems in question take, in bytes.
const MAX_NAME: usize = 255;

/// Where a named region is, or will be.
#[derive(Debug)]
pub(crate) struct RegionPath {
    pub directory: OwnedFd,
    pub name: OsString,
    pub path: PathBuf,
}

impl RegionPath {
    /// Where the region of this name is: one component of the default directory, or a
    /// path if there is a `/` in it. Changes nothing: a default directory that is not
    /// there has no region in it.
    pub(crate) fn existing(name: &Path) -> Result<RegionPath, RingError> {
        RegionPath::of(name, || {
            open_default_directory()?.ok_or_else(|| RingError::NotFound {
                path: default_path().join(name),
            })
        })
    }

    /// Where a region of this name may be made: as [`RegionPath::existing`], and the
    /// default directory is made if it is missing.
    pub(crate) fn to_create(name: &Path) -> Result<RegionPath, RingError> {
        RegionPath::of(name, make_default_directory)
    }

    /// Another name in the same directory.
    pub(crate) fn beside(&self, name: &OsStr) -> io::Result<RegionPath> {
        Ok(RegionPath {
            directory: self.directory.try_clone()?,
            path: self.path.with_file_name(name),
            name: name.into(),
        })
    }

    fn of(
        name: &Path,
        default_directory: impl FnOnce() -> Result<(OwnedFd, PathBuf), RingError>,
    ) -> Result<RegionPath, RingError> {
        let (parent, file_name) = file::split(name);
        check_name(name, file_name, parent.is_some())?;
        let (directory, parent) = match parent {
            None => default_directory()?,
            Some(parent) => {
                // The user named this path: its links are the user's own.
                let remedy = "make it, or name another";
                let unusable = |source| unusable(parent, remedy, source);
                let real = parent.canonicalize().map_err(unusable)?;
                let directory = file::open_directory(&real).map_err(unusable)?;
                (directory, parent.into())
            }
        };
        Ok(RegionPath {
            directory,
            path: parent.join(file_name),
            name: file_name.into(),
        })
    }
}

/// What to do about a default directory that cannot be used.
const OWN_DIRECTORY: &str = "set MEMRING_DIR to a directory of your own with mode 0700";

/// A directory that is not one, or not for us; or else what the system lacks.
fn unusable(directory: &Path, remedy: &'static str, source: io::Error) -> RingError {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound, PermissionDenied};
    match source.kind() {
        NotFound | NotADirectory | PermissionDenied | InvalidFilename => RingError::Directory {
            path: directory.into(),
            reason: format!("cannot be opened ({source})"),
            remedy,
        },
        _ => os_error("open directory", &Some(directory.into()))(source),
    }
}

/// Where bridges to other hosts keep what they know of the regions of a directory.
pub(crate) const BRIDGE_DIRECTORY: &str = ".bridge";

const REPLACEMENT_PREFIX: &str = ".memring-";
const REPLACEMENT_SUFFIX: &str = ".new";

/// The name that a region has before it takes the place of the file with this number.
pub(super) fn of_replacement(inode: u64) -> OsString {
    format!("{REPLACEMENT_PREFIX}{inode:x}{REPLACEMENT_SUFFIX}").into()
}

/// Whether a file of this name is what a process left that died while it replaced a
/// region, or is about to be one's replacement.
pub(crate) fn is_of_replacement(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(REPLACEMENT_PREFIX.as_bytes())
        && (bytes.ends_with(REPLACEMENT_SUFFIX.as_bytes())
            || file::OWN_SUFFIXES
                .iter()
                .any(|own| bytes.ends_with(own.as_bytes())))
}

fn check_name(whole: &Path, name: &OsStr, is_path: bool) -> Result<(), RingError> {
    let shown = whole.to_string_lossy();
    let reason = if name.is_empty() {
        "expected a name, found nothing"
    } else if name == "." || name == ".." {
        "it names a directory"
    } else if shown.chars().any(char::is_control) {
        "it has a control character in it"
    } else if name.len() > MAX_NAME {
        "it is longer than 255 bytes"
    } else if is_of_replacement(name) {
        "such names are for rings that are about to replace another"
    } else if name == BRIDGE_DIRECTORY {
        "bridges to other hosts keep their state in a directory of this name"
    } else if !is_path && name.to_str().is_none() {
        "it is not UTF-8: only a path, with its directory, may be so"
    } else if let Some(problem) = file::name_problem(name) {
        problem
    } else {
        return Ok(());
    };
    Err(RingError::InvalidName {
        name: shown.into_owned(),
        reason,
    })
}

/// The directory of regions that are named by one component.
///
/// `MEMRING_DIR` if it is set, else `/dev/shm/memring-UID`.
pub(crate) fn default_path() -> PathBuf {
    match std::env::var_os("MEMRING_DIR") {
        Some(path) if !path.is_empty() => path.into(),
        _ => file::memory_directory().join(format!("memring-{}", file::effective_user())),
    }
}

/// Opens the default directory, and makes it first if it is missing.
fn make_default_directory() -> Result<(OwnedFd, PathBuf), RingError> {
    let path = default_path();
    match file::make_directory(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(RingError::Directory {
                path,
                reason: format!("cannot be made ({error})"),
                remedy: OWN_DIRECTORY,
            });
        }
    }
    check_directory(path)
}

/// Opens the default directory, if it is there.
pub(crate) fn open_default_directory() -> Result<Option<(OwnedFd, PathBuf)>, RingError> {
    let path = default_path();
    match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => check_directory(path).map(Some),
    }
}

/// Opens a directory and makes sure that no other user can put files into it.
fn check_directory(path: PathBuf) -> Result<(OwnedFd, PathBuf), RingError> {
    let unusable = |source| unusable(&path, OWN_DIRECTORY, source);
    let directory = file::open_directory(&path).map_err(unusable)?;
    let metadata = file::metadata(directory.as_fd()).map_err(unusable)?;
    let user = file::effective_user();
    let reason = if metadata.owner != user {
        format!("belongs to user {}, expected {user}", metadata.owner)
    } else if metadata.mode & 0o022 != 0 {
        format!(
            "has mode {:04o}, expected no write permission for group or others",
            metadata.mode & 0o7777
        )
    } else {
        return Ok((directory, path));
    };
    Err(RingError::Directory {
        path,
        reason,
        remedy: OWN_DIRECTORY,
    })
}
