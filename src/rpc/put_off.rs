//! Requests whose clients cannot be answered now: this process has no descriptor left, or no
//! memory. They are in this server's hands until it has; those of others go on meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::channel::{Lease, OwnedLease, Receiver};
use crate::error::RecvTimeoutError;
use crate::ring::kind::Mpmc;

/// A server that has no descriptor for a client's ring of replies tries again after so long,
const PAUSE: Duration = Duration::from_millis(50);
/// and leaves the request to others after so long, if they may have it.
const PUT_OFF: Duration = Duration::from_secs(1);
/// With so many it takes no more: others may have better luck with them.
const MOST: usize = 16;

/// A request that is put off.
pub(super) struct PutOff {
    lease: OwnedLease<[u8], Mpmc>,
    since: Instant,
}

/// A request, and since when it is put off, if it is.
pub(super) type NextRequest<'r> = (Lease<'r, [u8], Mpmc>, Option<Instant>);

impl PutOff {
    /// `None`: it is given back instead, for another server.
    pub(super) fn of(
        lease: Lease<'_, [u8], Mpmc>,
        since: Option<Instant>,
        may_go: bool,
    ) -> Option<Box<PutOff>> {
        let since = since.unwrap_or_else(Instant::now);
        // To give it back counts as an attempt.
        match may_go && since.elapsed() >= PUT_OFF {
            true => {
                lease.requeue();
                None
            }
            false => Some(Box::new(PutOff {
                lease: lease.into_owned(),
                since,
            })),
        }
    }

    /// To be tried again.
    pub(super) fn back_to(self, requests: &mut Receiver<[u8], Mpmc>) -> NextRequest<'_> {
        (self.lease.back_to(requests), Some(self.since))
    }
}

/// The requests that a server has put off. They are tried one after the other, and then there
/// is a pause.
#[derive(Default)]
pub(super) struct PutOffs {
    /// Begins with the one that is tried next.
    kept: VecDeque<Box<PutOff>>,
    /// How many of them are to be tried before the pause.
    turns: usize,
    /// The end of the pause.
    next_round: Option<Instant>,
}

impl PutOffs {
    pub(super) fn keep(&mut self, put_off: Option<Box<PutOff>>) {
        self.kept.extend(put_off);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether there are so many that no other request should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= MOST
    }

    /// The one that is to be tried now.
    pub(super) fn due(&mut self) -> Option<PutOff> {
        if self.kept.is_empty() {
            return None;
        }
        let now = Instant::now();
        let round = *self.next_round.get_or_insert(now + PAUSE);
        if self.turns == 0 && round <= now {
            self.turns = self.kept.len();
            self.next_round = Some(now + PAUSE);
        }
        self.turns = self.turns.checked_sub(1)?;
        self.kept.pop_front().map(|kept| *kept)
    }

    /// How long it is until one is to be tried.
    fn pause(&self) -> Duration {
        let left = |round: Instant| round.saturating_duration_since(Instant::now());
        self.next_round.map_or(PAUSE, left)
    }
}

/// A request to look at: one that is put off, when it is time for that, or the next, within
/// `slice`.
pub(super) fn next_lease<'r>(
    requests: &'r mut Receiver<[u8], Mpmc>,
    put_offs: &mut PutOffs,
    slice: Duration,
) -> Result<NextRequest<'r>, RecvTimeoutError> {
    if put_offs.is_empty() {
        return Ok((requests.lease_timeout(slice)?, None));
    }
    let begun = Instant::now();
    let (lease, since) = loop {
        if let Some(kept) = put_offs.due() {
            break (kept.lease, Some(kept.since));
        }
        // The rest of this process says nothing when it closes a descriptor.
        let pause = put_offs.pause().min(slice.saturating_sub(begun.elapsed()));
        let waited = match put_offs.is_full() {
            true => Err(RecvTimeoutError::Timeout(None)),
            false => requests.lease_timeout(pause).map(Lease::into_owned),
        };
        match waited {
            Ok(lease) => break (lease, None),
            Err(RecvTimeoutError::Timeout(_)) if !put_offs.is_full() => {}
            // There are these still, which no other server has.
            Err(
                RecvTimeoutError::Timeout(_)
                | RecvTimeoutError::Closed
                | RecvTimeoutError::Removed
                | RecvTimeoutError::Disconnected,
            ) => {
                std::thread::sleep(pause);
                if requests.canceller().is_cancelled() {
                    return Err(RecvTimeoutError::Cancelled);
                }
            }
            Err(error) => return Err(error),
        }
        if begun.elapsed() >= slice {
            return Err(RecvTimeoutError::Timeout(None));
        }
    };
    Ok((lease.back_to(requests), since))
}
