//! What was asked for, at one end of a rendezvous.

use std::sync::Arc;
use std::time::Duration;

use super::credentials::{PeerCredentials, Policy};
use super::error::RendezvousError;
use crate::sys::clock::MonotonicTime;

/// Called with each one that was refused, if it is known who it was, and why.
type OnRefused = Arc<dyn Fn(Option<&PeerCredentials>, &RendezvousError) + Send + Sync>;

/// What was asked for.
#[derive(Clone)]
pub(super) struct RendezvousConfig {
    pub(super) capacity: usize,
    pub(super) limit: Option<usize>,
    pub(super) buffer: Option<usize>,
    /// Of what goes out, and of what comes in.
    pub(super) schemas: [u64; 2],
    pub(super) policy: Policy,
    pub(super) timeout: Duration,
    pub(super) max_half_made: usize,
    pub(super) mode: u32,
    pub(super) on_refused: Option<OnRefused>,
}

impl RendezvousConfig {
    /// When the time of a rendezvous that begins now is up; `None`: never, for the clock does
    /// not count so far.
    pub(super) fn deadline(&self) -> Option<MonotonicTime> {
        MonotonicTime::now().checked_add(self.timeout)
    }
}

impl Default for RendezvousConfig {
    fn default() -> Self {
        RendezvousConfig {
            capacity: 1024,
            limit: None,
            buffer: None,
            schemas: [0; 2],
            policy: Policy::SameUser,
            timeout: Duration::from_secs(5),
            max_half_made: 32,
            mode: 0o600,
            on_refused: None,
        }
    }
}
