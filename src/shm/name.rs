//! Names of regions and the directory that they live in.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::RingError;
use crate::sys::file;

/// The longest file name that the file systems in question take, in bytes.
const MAX_NAME: usize = 255;

/// Where a named region is, or shall be.
#[derive(Debug)]
pub(crate) struct RegionPath {
    pub directory: OwnedFd,
    pub name: OsString,
    pub path: PathBuf,
}

impl RegionPath {
    /// Finds the path of a name: one component of the default directory, or
    /// a path if there is a `/` in it.
    pub(crate) fn of(name: &str) -> Result<RegionPath, RingError> {
        let (parent, file_name) = match name.rsplit_once('/') {
            None => (None, name),
            Some(("", file_name)) => (Some(PathBuf::from("/")), file_name),
            Some((parent, file_name)) => (Some(PathBuf::from(parent)), file_name),
        };
        check_name(name, file_name)?;
        let (directory, parent) = match parent {
            None => default_directory()?,
            Some(parent) => {
                // The user named this path: its links are the user's own.
                let real = parent
                    .canonicalize()
                    .map_err(|source| unusable(&parent, source))?;
                let directory =
                    file::open_directory(&real).map_err(|source| unusable(&parent, source))?;
                (directory, parent)
            }
        };
        Ok(RegionPath {
            directory,
            path: parent.join(file_name),
            name: file_name.into(),
        })
    }
}

fn unusable(directory: &Path, source: io::Error) -> RingError {
    RingError::Directory {
        path: directory.into(),
        reason: format!("cannot be opened ({source})"),
    }
}

fn check_name(whole: &str, name: &str) -> Result<(), RingError> {
    let reason = if name.is_empty() {
        "expected a name, found nothing"
    } else if name == "." || name == ".." {
        "it names a directory"
    } else if whole.chars().any(char::is_control) {
        "it has a control character in it"
    } else if name.len() > MAX_NAME {
        "it is longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(RingError::InvalidName {
        name: whole.into(),
        reason,
    })
}

/// The directory of regions that are named by one component.
///
/// `MEMRING_DIR` if it is set, else `/dev/shm/memring-UID`.
pub(crate) fn default_path() -> PathBuf {
    match std::env::var_os("MEMRING_DIR") {
        Some(path) if !path.is_empty() => path.into(),
        _ => format!("/dev/shm/memring-{}", file::effective_user()).into(),
    }
}

/// Opens the default directory, makes it if it is missing, and makes sure that
/// no other user can put files into it.
pub(crate) fn default_directory() -> Result<(OwnedFd, PathBuf), RingError> {
    let path = default_path();
    match DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(RingError::Directory {
                path,
                reason: format!("cannot be made ({error})"),
            });
        }
    }
    let directory = file::open_directory(&path).map_err(|source| unusable(&path, source))?;
    let metadata = file::metadata(directory.as_fd()).map_err(|source| unusable(&path, source))?;
    let user = file::effective_user();
    if metadata.owner != user {
        return Err(RingError::Directory {
            path,
            reason: format!("belongs to user {}, expected {user}", metadata.owner),
        });
    }
    if metadata.mode & 0o022 != 0 {
        return Err(RingError::Directory {
            path,
            reason: format!(
                "has mode {:04o}, expected no write permission for group or others",
                metadata.mode & 0o7777
            ),
        });
    }
    Ok((directory, path))
}
