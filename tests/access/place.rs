//! A directory for one ring.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use memring::{Kind, Message, Ring};
use memring_testkit::homes::{Directory, directory};

/// A directory of our own with a ring in it, at `path`.
pub struct Place {
    _directory: Directory,
    pub path: PathBuf,
}

impl Place {
    /// Without a ring.
    pub fn empty() -> Place {
        let directory = directory();
        Place {
            path: directory.path().join("ring"),
            _directory: directory,
        }
    }

    /// Another name beside it, of which there is nothing yet.
    pub fn beside(&self, name: &str) -> Place {
        Place {
            path: self.path.with_file_name(name),
            _directory: directory(),
        }
    }

    /// With a ring of 4 slots.
    pub fn with<T: Message + ?Sized, K: Kind>() -> Place {
        let place = Place::empty();
        Ring::<T, K>::create(place.name(), 4).unwrap();
        place
    }

    pub fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Overwrites bytes of the file, as a broken program would.
    pub fn patch(&self, offset: u64, bytes: &[u8]) {
        self.file().write_all_at(bytes, offset).unwrap();
    }

    pub fn resize(&self, length: u64) {
        self.file().set_len(length).unwrap();
    }

    pub fn file(&self) -> File {
        let options = File::options().read(true).write(true).to_owned();
        options.open(&self.path).unwrap()
    }
}
