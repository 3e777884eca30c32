//! Memory by the crate `shared_memory`, without its defects.
//!
//! It gives memory its name before its size: a process that opens it in between finds a
//! length of 0. Here no process learns the name before the memory is whole. It takes the
//! name away only in the drop of the creator, which a killed one does not come to. Here
//! no drop does, but [`remove`], which any process may call.

use std::io;

use shared_memory::{ShmemConf, ShmemError};

use super::link::MemoryId;
use super::pages::{self, OpenedMemory};

/// Makes memory of so many bytes, all of them zero.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; [`io::ErrorKind::StorageFull`] where the system says
/// so (Linux); [`io::ErrorKind::OutOfMemory`].
pub(crate) fn create(id: MemoryId, size: u64) -> io::Result<()> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let made = ShmemConf::new().os_id(id.os_name()).size(size).create();
    let mut made = made.map_err(io_error)?;
    if let Err(error) = pages::reserve(&id.os_name(), size) {
        // The owner's drop takes the name away.
        drop(made);
        return Err(error);
    }
    made.set_owner(false);
    Ok(())
}

/// Opens the memory, which is at least so long.
///
/// # Errors
/// [`io::ErrorKind::Other`] if it is gone or too short, as after a restart of the machine.
pub(crate) fn open(id: MemoryId, size: usize) -> io::Result<OpenedMemory> {
    let gone = |found: String| {
        io::Error::other(format!(
            "expected shared memory {} of {size} bytes, found {found}: remove the ring and \
             make it again",
            id.os_name()
        ))
    };
    match pages::open(&id.os_name(), size) {
        Ok(Ok(memory)) => Ok(memory),
        Ok(Err(found)) => Err(gone(format!("{found} bytes"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone("none".into())),
        Err(error) => Err(error),
    }
}

/// Takes the name away; processes that have the memory open keep it. What is not there is no
/// error.
pub(crate) fn remove(id: MemoryId) {
    pages::unlink(&id.os_name());
}

fn io_error(error: ShmemError) -> io::Error {
    match error {
        ShmemError::MappingIdExists => io::ErrorKind::AlreadyExists.into(),
        ShmemError::MapCreateFailed(number)
        | ShmemError::MapOpenFailed(number)
        | ShmemError::UnknownOsError(number) => {
            i32::try_from(number).map_or(io::ErrorKind::Other.into(), io::Error::from_raw_os_error)
        }
        other => io::Error::other(other.to_string()),
    }
}
