//! Memory by the crate `shared_memory`, without its defects.
//!
//! It gives memory its name before its size: a process that opens it in between finds a
//! length of 0. Here no process learns the name before the memory is whole. It takes the
//! name away only in the drop of the creator, which a killed one does not come to. Here
//! no drop does, but [`remove`], which any process may call.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use shared_memory::{ShmemConf, ShmemError};

use super::link::MemoryId;
use crate::sys::posix::file;

/// Makes memory of so many bytes, all of them zero.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; [`io::ErrorKind::StorageFull`] where the system says
/// so (Linux); [`io::ErrorKind::OutOfMemory`].
pub(crate) fn create(id: MemoryId, size: u64) -> io::Result<()> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let made = ShmemConf::new().os_id(id.os_name()).size(size).create();
    let mut made = made.map_err(io_error)?;
    if let Err(error) = reserve(id, size) {
        // The owner's drop takes the name away.
        drop(made);
        return Err(error);
    }
    made.set_owner(false);
    Ok(())
}

/// Opens the memory, which is at least so long. (Not by the crate: its value keeps the
/// descriptor, and closes the number when it is dropped, whatever has it by then.)
///
/// # Errors
/// [`io::ErrorKind::Other`] if it is gone or too short, as after a restart of the machine.
pub(crate) fn open(id: MemoryId, size: usize) -> io::Result<OwnedFd> {
    let gone = |found: String| {
        io::Error::other(format!(
            "expected shared memory {} of {size} bytes, found {found}: remove the ring and \
             make it again",
            id.os_name()
        ))
    };
    let flags = rustix::shm::OFlags::RDWR;
    match rustix::shm::open(id.os_name(), flags, rustix::fs::Mode::empty()) {
        Ok(memory) => match file::metadata(memory.as_fd())?.size {
            found if usize::try_from(found).is_ok_and(|found| found >= size) => Ok(memory),
            found => Err(gone(format!("{found} bytes"))),
        },
        Err(rustix::io::Errno::NOENT) => Err(gone("none".into())),
        Err(error) => Err(error.into()),
    }
}

/// Takes the name away; processes that have the memory open keep it. What is not there is no
/// error. (Not by the owner's drop: that needs to open it, which fails at a length of 0.)
pub(crate) fn remove(id: MemoryId) {
    let _ = rustix::shm::unlink(id.os_name());
}

/// Has the system set the storage aside, so that no later write can meet a full device.
#[cfg(target_os = "linux")]
fn reserve(id: MemoryId, size: usize) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, Mode};
    use rustix::shm::OFlags;

    let memory = rustix::shm::open(id.os_name(), OFlags::RDWR, Mode::empty())?;
    let all = || rustix::fs::fallocate(&memory, FallocateFlags::empty(), 0, size as u64);
    Ok(rustix::io::retry_on_intr(all)?)
}

/// There is no call for it here.
#[cfg(not(target_os = "linux"))]
fn reserve(_id: MemoryId, _size: usize) -> io::Result<()> {
    Ok(())
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
