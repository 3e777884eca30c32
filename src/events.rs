//! What an operator may want to know, as `tracing` events (feature `tracing`, off by
//! default; without it these functions do nothing).
//!
//! The target is `memring`. No event comes from a fast path: a call that finds a dead
//! member, or memory that contradicts itself, calls the subscriber, which may lock and
//! allocate.

use std::path::Path;

use crate::error::{Corruption, Side};

/// Whether anybody can hear.
pub(crate) const ENABLED: bool = cfg!(feature = "tracing");

/// An event, without its level when nobody can hear it.
macro_rules! event {
    ($level:ident, $path:expr, { $($field:ident = $value:expr),* $(,)? }, $message:literal) => {
        #[cfg(feature = "tracing")]
        tracing::event!(
            target: "memring",
            tracing::Level::$level,
            ring = %$path.map_or("(anonymous)".into(), Path::to_string_lossy),
            $($field = $value,)*
            $message
        );
        #[cfg(not(feature = "tracing"))]
        let _ = ($path, $(&$value),*);
    };
}

/// An endpoint attached; `takes_over`: under the id of one that died.
pub(crate) fn attached(path: Option<&Path>, side: Side, id: u16, takes_over: bool) {
    let side = match side {
        Side::Sender => "sender",
        Side::Receiver => "receiver",
    };
    event!(DEBUG, path, { side = side, id = id }, "endpoint attached");
    if takes_over {
        event!(
            INFO, path, { side = side, id = id },
            "endpoint takes over from one that died"
        );
    }
}

/// The last clone of an endpoint detached.
pub(crate) fn detached(path: Option<&Path>, id: u16) {
    event!(DEBUG, path, { id = id }, "endpoint detached");
}

/// What dead members held was recovered: so many messages were given back, and dropped.
pub(crate) fn recovered(path: Option<&Path>, redelivered: u64, lost: u64) {
    event!(
        WARN, path, { redelivered = redelivered, lost = lost },
        "recovered what a dead endpoint held"
    );
}

/// An endpoint that is alive gave back what it had leased.
pub(crate) fn given_back(path: Option<&Path>, id: u16, messages: usize) {
    event!(DEBUG, path, { id = id, messages = messages }, "messages given back");
}

/// The handle refuses all work from now on.
pub(crate) fn poisoned(path: Option<&Path>, found: &Corruption) {
    event!(
        ERROR, path,
        { what = found.what, position = found.position, found = found.found },
        "shared memory contradicts itself: this handle refuses all work"
    );
}
