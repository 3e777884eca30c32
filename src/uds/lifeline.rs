//! The socket of a rendezvous stays open as long as one of its rings is in use. When the
//! process at the other end dies, the kernel hangs it up, and the watching thread looks at the
//! rings at once: blocked calls need not sleep until their caps.
//!
//! The hang-up decides nothing. It says that a look is worth while: whether the peer has died
//! is told by its locks, as always. A peer that hangs up and lives, for it shut the socket down,
//! harms nobody.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::error::RendezvousError;
use super::watcher::{AfterEvent, FdRegistration, Interest, Watch};
use crate::channel::{DeathWatch, Survivors};
use crate::sys::fork::PrivateFd;

/// Looks after a hang-up: the kernel closes one descriptor of a dying process after the other,
/// so its locks may go some microseconds after the socket.
const MAX_LOOKS: u32 = 10;
/// After the first one; then twice as long each time: a second in all.
const FIRST_DELAY: Duration = Duration::from_millis(1);

/// The socket, and who is told.
pub(super) struct LifeLine {
    fd: PrivateFd,
    registration: Option<FdRegistration>,
}

/// The rings that the peer has ends of.
struct PeerRings {
    rings: Vec<DeathWatch>,
    looks: AtomicU32,
}

impl LifeLine {
    /// # Errors
    /// The system gives no thread or descriptor.
    pub(super) fn new(
        fd: PrivateFd,
        rings: Vec<DeathWatch>,
    ) -> Result<Arc<LifeLine>, RendezvousError> {
        let mut line = LifeLine {
            fd,
            registration: None,
        };
        let watch = Arc::new(PeerRings {
            rings,
            looks: AtomicU32::new(0),
        });
        let socket: BorrowedFd<'_> = line
            .fd
            .get()
            .ok_or(crate::error::Failure::Forked)
            .map_err(RendezvousError::Failed)?;
        let registration = FdRegistration::new(socket, Interest::HangUp, watch);
        line.registration =
            Some(registration.map_err(RendezvousError::os("watch the socket of a rendezvous"))?);
        Ok(Arc::new(line))
    }
}

impl Drop for LifeLine {
    fn drop(&mut self) {
        if let Some(registration) = self.registration.take() {
            registration.end(self.fd.get());
        }
    }
}

impl Watch for PeerRings {
    fn happened(&self) -> AfterEvent {
        let mut survivors = Survivors::None;
        for ring in &self.rings {
            if ring.scan() == Survivors::Some {
                survivors = Survivors::Some;
            }
        }
        // Relaxed: only the watching thread comes here.
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        match survivors {
            Survivors::Some if looks < MAX_LOOKS => AfterEvent::Later(FIRST_DELAY * (1 << looks)),
            _ => AfterEvent::Wait,
        }
    }
}
