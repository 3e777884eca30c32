//! Calls over hosts: the state machines of both ends.
//!
//! No clock, no network, no service: time is passed in, as the time since some start; what is
//! to be sent, begun and answered is taken out. An importing end binds each call to a run of
//! an exporting bridge, and sends it again until it is answered. An exporting end remembers
//! the numbers of all calls that it has taken, and begins each once.

mod exporter;
mod importer;
mod kept;

pub use exporter::{CallId, ExportFigures, ExportLimits, ExportTask, Exporter};
pub use importer::{CallEnd, EndReason, ImportFigures, Importer};

use std::time::Duration;

/// An exporting bridge that was silent for so long is taken as gone; and so long a call waits
/// for one to come.
pub const GONE_AFTER: Duration = Duration::from_secs(3);
/// A call that no importing bridge has spoken of for so long is cancelled.
pub const ORPHANED_AFTER: Duration = Duration::from_secs(10);
/// So long an answer is kept, and an importing bridge remembered in full.
pub const KEPT_FOR: Duration = Duration::from_secs(60);
