//! Waiting for many endpoints: sets, the macro, timers.

mod arms;
mod fair;
mod fallback;
mod sets;
mod storms;
mod timers;
mod waits;

use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);
