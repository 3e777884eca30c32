//! What both kinds of endpoint share: the segment, the id, and what is known of the
//! other side.

use std::sync::Arc;
use std::time::Duration;

use super::segment::Segment;
use super::stats;
use crate::error::{AttachError, Holder, Side};
use crate::members::{Admits, Attached, MemberId, Observed, Peer, Presence, Recover, Scan};
use crate::ring::end::{self, End};
use crate::ring::memory::Memory;
use crate::ring::options::Wakeups;
use crate::ring::{Held, recover};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::wait::parker::Parker;
use crate::wait::{Park, WaitStrategy, WaitWord};

/// The shortest time between two scans: less than the cap of a first sleep by more than
/// a tick of the coarse clock, so that one is due after every sleep of full length.
const SCAN_INTERVAL: Duration = Duration::from_millis(85);

/// Full checks that found nothing between two looks at the clock.
const CHECKS_PER_CLOCK: u32 = 64;

/// Probes of a scan: each is a system call. Scans begin at the endpoint's own id, so
/// that the many endpoints of a ring probe different ones first.
const PROBES_PER_SCAN: usize = 64;

/// An id in use by this process; the last clone of an endpoint detaches.
struct Membership {
    segment: Arc<Segment>,
    attached: Attached,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.segment.detach(&self.attached);
    }
}

/// One endpoint's connection to its ring.
#[derive(Clone)]
pub(crate) struct EndpointConnection {
    pub segment: Arc<Segment>,
    membership: Arc<Membership>,
    side: Side,
    pub strategy: WaitStrategy,
    pub wait_through: bool,
    /// Endpoints of this ring may sleep.
    blocking: bool,
    parker: Parker,
    /// There is no other endpoint on this side,
    is_alone: bool,
    /// and its last registration stands (see [`WaitWord::register`]).
    registered: bool,
    /// Full checks that found nothing.
    vain_checks: u32,
    scanned: MonotonicTime,
    cursor: u16,
    /// The other side, since this endpoint attached, as of an epoch.
    peers: Observed,
    /// The end that was reported last, so as not to make sure of it again.
    pub concluded: Option<End>,
    /// The slot that the last full check found in the way.
    pub blocker: Option<Held>,
}

impl EndpointConnection {
    /// Takes an id on `side`.
    pub(crate) fn attach(
        segment: &Arc<Segment>,
        side: Side,
        multi: bool,
        strategy: Option<WaitStrategy>,
        wait_through: bool,
    ) -> Result<EndpointConnection, AttachError> {
        segment.region.check()?;
        let blocking = segment.config.wakeups == Wakeups::Blocking;
        let strategy = match (strategy, blocking) {
            (None, true) => WaitStrategy::default(),
            (None | Some(WaitStrategy::Spin), _) => WaitStrategy::Spin,
            (Some(strategy), true) => strategy,
            (Some(_), false) => return Err(AttachError::CannotPark),
        };
        let admits = if multi { Admits::Many } else { Admits::One };
        let attached = segment.attach(side, admits)?;
        let membership = Membership {
            segment: Arc::clone(segment),
            attached,
        };
        Ok(EndpointConnection {
            cursor: attached.id.0,
            // After the scan of the attaching, so that nothing dead is asked about.
            peers: segment.members().observe(side.other().role()),
            membership: Arc::new(membership),
            segment: Arc::clone(segment),
            side,
            is_alone: !multi,
            registered: false,
            strategy,
            wait_through,
            blocking,
            parker: segment.parker(),
            vain_checks: 0,
            scanned: MonotonicTime::coarse(),
            concluded: None,
            blocker: None,
        })
    }

    pub(crate) fn id(&self) -> MemberId {
        self.membership.attached.id
    }

    pub(crate) fn parker(&self) -> Parker {
        self.parker
    }

    #[inline(always)]
    pub(crate) fn is_usable(&self) -> bool {
        self.segment.region.is_usable()
    }

    /// Whether guards and drops may touch the memory: in a forked child it is not
    /// there.
    #[inline(always)]
    pub(crate) fn is_mapped(&self) -> bool {
        self.segment.region.is_mapped()
    }

    /// Wakes one sleeper of `sleepers`, the other side, if there is one. Call after
    /// publishing or releasing. (A constant for the compiler, which `self.side` is not.)
    #[inline(always)]
    pub(crate) fn notify(&self, memory: &impl Memory, sleepers: Side) {
        debug_assert!(sleepers == self.side.other());
        if self.blocking {
            WaitWord(memory.wait_word(sleepers)).notify_one(memory.fences(), &self.parker);
        }
    }

    /// Wakes one more sleeper of our own side: we leave something to do.
    pub(crate) fn pass_on(&self) {
        let block = self.segment.block();
        WaitWord(block.wait_word(self.side)).notify_one(block.fences(), &self.parker);
    }

    /// Has every endpoint look again: a claim was given up, or a message given back.
    #[cold]
    pub(crate) fn wake_all(&self) {
        self.segment.wake_all();
    }

    /// Makes every send visible that began before `end` came in sight (R17).
    pub(crate) fn fence_end(&self, end: End) {
        let (heavy, thorough) = (|| self.parker.heavy(), || self.parker.thorough());
        end::fence_end(&self.segment.block(), end, heavy, thorough);
    }

    /// Registers a sleep; the caller checks again, then calls [`EndpointConnection::sleep`].
    pub(crate) fn register(&mut self) -> u32 {
        let block = self.segment.block();
        let word = WaitWord(block.wait_word(self.side));
        word.register(&self.parker, self.is_alone, &mut self.registered)
    }

    /// Sleeps until woken, at most until `until`. Says whether it slept for so long.
    pub(crate) fn sleep(&self, registered: u32, until: MonotonicTime) -> bool {
        let block = self.segment.block();
        let word = block.wait_word(self.side);
        let in_full = self.parker.sleep(word, registered, until);
        failpoint!(Woken);
        in_full
    }

    /// Takes the slot that is in the way from its holder, if that is dead.
    pub(crate) fn reclaim(&self) -> bool {
        let segment = &*self.segment;
        let policy = segment.config.policy();
        let is_dead = self
            .blocker
            .is_some_and(|held| recover::reclaim(&segment.block(), &segment.region, held, policy));
        if is_dead {
            self.wake_all();
        }
        is_dead
    }

    /// After a full check that found nothing: looks at the clock now and then, and scans
    /// if that is due. Callers of only the `try_` verbs come by here too.
    pub(crate) fn count_vain_check(&mut self) {
        self.vain_checks = self.vain_checks.wrapping_add(1);
        if self.vain_checks.is_multiple_of(CHECKS_PER_CLOCK) {
            self.scan_if_due();
        }
    }

    /// Probes a few members, if the last scan is a while ago.
    pub(crate) fn scan_if_due(&mut self) {
        let now = MonotonicTime::coarse();
        if self.scanned.until(now) >= SCAN_INTERVAL {
            self.scanned = now;
            let members = self.segment.members();
            let _ = members.scan(&mut self.cursor, PROBES_PER_SCAN);
            // Unlinked by other means than `remove`.
            let segment = &self.segment;
            if !end::is_closed(&segment.block()) && segment.region.has_lost_its_name() {
                self.segment.end_by_removal();
            }
        }
    }

    /// Probes all members.
    pub(crate) fn scan_all(&self) -> Scan {
        self.segment.members().scan(&mut 0, usize::MAX)
    }

    /// The endpoint that holds the slot that this side needs next.
    #[cold]
    pub(crate) fn holder(&self) -> Option<Holder> {
        stats::holder(&self.segment, self.side)
    }

    /// Why waiting may be in vain. What is on the other side is remembered until its
    /// epoch changes; deaths are found by scans, which count as goings.
    pub(crate) fn end_in_sight(&mut self) -> Option<End> {
        let (segment, other) = (&self.segment, self.side.other().role());
        end::end_in_sight(&segment.block(), || {
            segment.members().presence_since(other, &mut self.peers)
        })
    }

    /// What is to be said of the other side now, by the kernel's word.
    pub(crate) fn presence(&self) -> Presence {
        let other = self.side.other().role();
        self.segment.members().presence(other, &self.peers).1
    }

    /// The members of the other side that are alive.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let other = self.side.other().role();
        let mut peers = self.segment.members().list(other);
        peers.retain(|peer| peer.alive);
        peers
    }

    /// As if this endpoint had attached now, as far as the other side is concerned.
    pub(crate) fn observe_from_now(&self) -> Observed {
        self.segment.members().observe(self.side.other().role())
    }

    /// Has the end of the other side be judged by `observed`. Returns what it was judged
    /// by before.
    pub(crate) fn judge_by(&mut self, observed: Observed) -> Observed {
        self.concluded = None;
        std::mem::replace(&mut self.peers, observed)
    }

    /// Whether a member of the other side was there since this endpoint looks.
    pub(crate) fn has_seen_any_peer(&self) -> bool {
        self.peers.has_seen_any()
    }

    /// Whether the one endpoint of a single other side is alive.
    pub(crate) fn is_only_peer_alive(&self) -> bool {
        use crate::members::Liveness;
        let only = MemberId(self.side.other().role().first);
        self.segment.region.is_alive(only)
    }
}
