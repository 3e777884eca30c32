//! Regions of shared memory and the files behind them: created whole, published
//! under a name in one step, opened only after they have been checked.
//!
//! Knows no object: what a region holds is named in its header by a kind and a
//! version, and told by the object's own part of it.

pub(crate) mod layout;

#[cfg(not(loom))]
pub(crate) mod create;
#[cfg(not(loom))]
pub(crate) mod header;
#[cfg(not(loom))]
pub(crate) mod name;
#[cfg(not(loom))]
pub(crate) mod open;
#[cfg(not(loom))]
pub(crate) mod region;
#[cfg(not(loom))]
pub(crate) mod remove;

#[cfg(not(loom))]
pub(crate) use errors::{mismatch, os_error};
#[cfg(not(loom))]
pub(crate) use header::Description;
#[cfg(not(loom))]
pub(crate) use name::RegionPath;
#[cfg(not(loom))]
pub use region::Warning;
#[cfg(not(loom))]
pub(crate) use region::{MapOptions, Region, register_barrier};

#[cfg(not(loom))]
mod errors {
    //! Errors about a region's file.

    use std::io;
    use std::path::PathBuf;

    use crate::error::{Mismatch, RingError};

    pub(crate) fn mismatch(path: &Option<PathBuf>, mismatch: Mismatch) -> RingError {
        RingError::Mismatch {
            path: path.clone(),
            mismatch,
        }
    }

    pub(crate) fn os_error(
        action: &'static str,
        path: &Option<PathBuf>,
    ) -> impl FnOnce(io::Error) -> RingError + use<> {
        let path = path.clone();
        move |source| RingError::Os {
            action,
            path,
            source,
        }
    }
}
