//! Where sockets are found.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::sys::socket::SocketAddrUnix;

/// Bytes of the longest address: of a path, without the zero at its end.
const LONGEST: usize = 107;

/// Where a [`Listener`](super::Listener) is found: a path, or an abstract name.
///
/// Text that begins with `@` is an abstract name, which is in no directory, belongs to the
/// network namespace, and is gone with its listener. Anything else is a path.
///
/// ```
/// use memring::uds::SocketAddress;
/// use std::path::Path;
///
/// let path = SocketAddress::from("/run/user/1000/prices.sock");
/// let name = SocketAddress::from("@prices");
/// assert_eq!((path.path(), name.path()), (Some(Path::new("/run/user/1000/prices.sock")), None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketAddress(Form);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

impl SocketAddress {
    /// An abstract name of any bytes.
    ///
    /// ```
    /// use memring::uds::SocketAddress;
    ///
    /// assert_eq!(SocketAddress::abstract_name("prices"), SocketAddress::from("@prices"));
    /// assert_eq!(SocketAddress::abstract_name([0xff, 0]).path(), None); // no text, and no path
    /// ```
    pub fn abstract_name(name: impl AsRef<[u8]>) -> SocketAddress {
        SocketAddress(Form::Abstract(name.as_ref().to_vec()))
    }

    /// The path, unless it is an abstract name.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Form::Path(path) => Some(path),
            Form::Abstract(_) => None,
        }
    }

    /// In the kernel's form; else what is wrong with it.
    pub(super) fn to_unix(&self) -> Result<SocketAddrUnix, &'static str> {
        let bytes = match &self.0 {
            Form::Path(path) => path.as_os_str().as_bytes(),
            Form::Abstract(name) => name,
        };
        if bytes.is_empty() {
            return Err("it is empty");
        }
        if bytes.len() > LONGEST {
            return Err("it is longer than 107 bytes, which is all that the kernel takes");
        }
        let unix = match &self.0 {
            Form::Path(_) if bytes.contains(&0) => return Err("it has a zero byte"),
            Form::Path(_) if bytes.ends_with(b"/") => {
                return Err("it ends with '/', and a socket is not a directory");
            }
            Form::Path(path) => SocketAddrUnix::new(path.as_path()),
            Form::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
        };
        unix.map_err(|_| "the kernel does not take it")
    }
}

impl From<&str> for SocketAddress {
    fn from(text: &str) -> Self {
        match text.strip_prefix('@') {
            Some(name) => SocketAddress::abstract_name(name),
            None => Path::new(text).into(),
        }
    }
}

impl From<&String> for SocketAddress {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for SocketAddress {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&Path> for SocketAddress {
    fn from(path: &Path) -> Self {
        SocketAddress(Form::Path(path.into()))
    }
}

impl From<&PathBuf> for SocketAddress {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<PathBuf> for SocketAddress {
    fn from(path: PathBuf) -> Self {
        SocketAddress(Form::Path(path))
    }
}

impl From<&OsStr> for SocketAddress {
    fn from(path: &OsStr) -> Self {
        Path::new(path).into()
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Path(path) => path.display().fmt(f),
            Form::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}
