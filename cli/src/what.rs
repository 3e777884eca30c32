//! What stands under a name.

use std::fmt;
use std::path::Path;

use memring::rpc::ServiceRing;
use memring::sync::{self, SharedInspection};
use memring::{Inspection, Mismatch, RingError};

use crate::format::printable;

/// An object with a name.
pub enum What {
    /// A ring.
    Ring(Inspection),
    /// A service: its ring of requests, and the most bytes of a request.
    Service(Inspection, usize),
    /// The replies to a client of a service.
    Replies(Inspection),
    /// A lock, another shared object, or a group of them.
    Shared(SharedInspection),
}

impl What {
    /// What this ring is.
    pub fn of_ring(ring: Inspection) -> What {
        match ring.service_ring() {
            Some(ServiceRing::Requests { limit }) => What::Service(ring, limit),
            Some(ServiceRing::Replies) => What::Replies(ring),
            _ => What::Ring(ring),
        }
    }

    /// What a look at the ring at `path` found, which may be no ring.
    pub fn of(path: &Path, looked: Result<Inspection, RingError>) -> Result<What, RingError> {
        match looked {
            Ok(ring) => Ok(What::of_ring(ring)),
            Err(RingError::Mismatch {
                mismatch: Mismatch::Object { .. },
                ..
            }) => sync::inspect(path).map(What::Shared),
            Err(error) => Err(error),
        }
    }

    /// Whether any process has it open.
    pub fn is_in_use(&self) -> bool {
        match self {
            What::Ring(ring) | What::Service(ring, _) | What::Replies(ring) => ring.in_use,
            What::Shared(shared) => shared.in_use,
        }
    }
}

/// Look at what this name stands for; `None`: nothing.
pub fn look(name: &str) -> Result<Option<What>, RingError> {
    match What::of(Path::new(name), memring::inspect(name)) {
        Err(RingError::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// As in "expected a service, found ...".
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Ring(ring) => write!(f, "a ring of kind {}", ring.kind),
            What::Service(..) => f.write_str("a service"),
            What::Replies(_) => f.write_str("the replies to a client of a service"),
            What::Shared(shared) => match &shared.parts[..] {
                [only] if !shared.is_group() => match only.size {
                    0 => write!(f, "a {} without a value", only.kind),
                    size => write!(f, "a {} with a value of {size} bytes", only.kind),
                },
                parts => write!(f, "a group of {} shared objects", parts.len()),
            },
        }
    }
}

/// The complaint that something else stands under this name, and what can be done.
pub fn is_other(name: &str, expected: &str, found: &What) -> anyhow::Error {
    anyhow::anyhow!(
        "{} is {found}, expected {expected}: choose another name, or free this one with memring \
         remove",
        printable(name)
    )
}
