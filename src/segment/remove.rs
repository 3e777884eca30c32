//! Taking a ring's name away. Whoever has it open keeps it.

use std::io;
use std::os::fd::AsFd;

use super::open;
use super::place::Place;
use crate::error::{Mismatch, RingError};
use crate::layout::MAGIC;
use crate::os::file::{self, FileKind};
use crate::points::{Point, reach};

/// Unlinks the ring at `place`, if it is one.
pub(crate) fn named(place: &Place) -> Result<(), RingError> {
    let path = Some(place.path.clone());
    let directory = place.directory.as_fd();
    // One remover at a time, from the check of the file to its unlinking: else
    // two might agree on an old file and the second take a new one's name.
    file::flock_exclusive(directory).map_err(open::os_error("lock the directory of", &path))?;
    reach(Point::DirectoryLocked);
    let removed = check_and_unlink(place);
    // The lock goes with the descriptor; `place` may live on.
    file::funlock(directory).map_err(open::os_error("unlock the directory of", &path))?;
    removed
}

fn check_and_unlink(place: &Place) -> Result<(), RingError> {
    let path = Some(place.path.clone());
    let directory = place.directory.as_fd();
    let facts = match file::facts_at(directory, &place.name) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RingError::NotFound {
                path: place.path.clone(),
            });
        }
        Err(error) => return Err(open::os_error("look at", &path)(error)),
    };
    // A ring of whatever version, or one whose header somebody has overwritten:
    // the first bytes decide, so that no other file is lost to a wrong name.
    match facts.kind {
        FileKind::Regular => {}
        FileKind::Symlink => return Err(open::wrong(&path, Mismatch::Symlink)),
        _ => {
            return Err(open::wrong(
                &path,
                Mismatch::FileType {
                    found: "not a file",
                },
            ));
        }
    }
    let fd = open::open_file(place, false).map_err(|error| open::open_error(error, place))?;
    let mut found = [0; 8];
    let read = file::read_start(fd.as_fd(), &mut found).map_err(open::os_error("read", &path))?;
    if read < found.len() || found != MAGIC {
        return Err(open::wrong(
            &path,
            Mismatch::Magic {
                expected: MAGIC,
                found,
            },
        ));
    }
    file::unlink(directory, &place.name).map_err(open::os_error("remove", &path))?;
    reach(Point::NameRemoved);
    Ok(())
}
