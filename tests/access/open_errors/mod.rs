//! Each way in which a file can be wrong has an error of its own, which says
//! what was expected, what was found and what to do.

mod header;
mod nodes;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use memring::{Kind, Message, Mismatch, Ring, RingError};
use memring_testkit::homes::directory;
use memring_testkit::text::says;
use tempfile::TempDir;

/// A directory of our own with a ring in it, at `path`.
struct Place {
    _directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn empty() -> Place {
        let directory = directory();
        Place {
            path: directory.path().join("ring"),
            _directory: directory,
        }
    }

    /// Another name beside it, of which there is nothing yet.
    fn beside(&self, name: &str) -> Place {
        Place {
            path: self.path.with_file_name(name),
            _directory: directory(),
        }
    }

    fn with<T: Message + ?Sized, K: Kind>() -> Place {
        let place = Place::empty();
        Ring::<T, K>::create(place.name(), 4).unwrap();
        place
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Overwrites bytes of the file, as a broken program would.
    fn patch(&self, offset: u64, bytes: &[u8]) {
        self.file().write_all_at(bytes, offset).unwrap();
    }

    fn resize(&self, length: u64) {
        self.file().set_len(length).unwrap();
    }

    fn file(&self) -> File {
        let options = File::options().read(true).write(true).to_owned();
        options.open(&self.path).unwrap()
    }
}

/// The mismatch that opening the ring as one of `T` and `K` ends in; its text
/// names the path.
#[track_caller]
fn refused<T: Message + ?Sized, K: Kind>(place: &Place) -> Mismatch {
    let error = Ring::<T, K>::open(place.name()).expect_err("it is not that ring");
    says(&error, &[place.name()]);
    match Ring::<T, K>::open_or_create(place.name(), 4) {
        Err(RingError::Mismatch { .. }) => {}
        other => panic!("open_or_create: {other:?}"),
    }
    match error {
        RingError::Mismatch { path, mismatch } => {
            assert_eq!(path.as_deref(), Some(place.path.as_path()));
            mismatch
        }
        other => panic!("{other:?}"),
    }
}
