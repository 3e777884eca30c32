//! What both kinds of endpoint share: the segment, the id, and what is known of the
//! other side.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::cancel::{Canceller, OwnCanceller};
use super::segment::Segment;
use super::stats;
#[cfg(unix)]
use super::watch::OwnDescriptor;
use super::watch::OwnWaiter;
use crate::error::{AttachError, Holder, Side};
use crate::events;
use crate::members::{
    Admits, Attached, Liveness, MemberId, Observed, Peer, Presence, Recover, Scan,
};
use crate::ring::end::{self, End};
use crate::ring::memory::Memory;
use crate::ring::options::Wakeups;
use crate::ring::{Held, progress};
use crate::sys::atomic::AtomicU32;
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::wait::parker::Parker;
use crate::wait::word::Announced;
use crate::wait::{IdleStrategy, Park, WaitStrategy, WaitWord};

/// The shortest time between two scans: less than the cap of a first sleep by more than
/// a tick of the coarse clock, so that one is due after every sleep of full length.
const SCAN_INTERVAL: Duration = Duration::from_millis(85);

/// A receiver that waits makes sure of the end itself when the endpoint that closed the
/// ring has not done so for so long: as [`SCAN_INTERVAL`], within a first sleep.
const CLOSER_GRACE: Duration = SCAN_INTERVAL;

/// And one that only polls makes do with the barrier that takes microseconds.
const CLOSER_GRACE_OF_POLLS: Duration = Duration::from_secs(1);

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
    /// The user's own way of waiting, if there is one.
    pub idle: Option<Arc<dyn IdleStrategy>>,
    canceller: OwnCanceller,
    waiter: OwnWaiter,
    #[cfg(unix)]
    pub(super) descriptor: OwnDescriptor,
    pub wait_through: bool,
    /// Endpoints of this ring may sleep.
    blocking: bool,
    parker: Parker,
    /// There is no other endpoint on this side,
    is_alone: bool,
    /// and its last registration stands (see [`WaitWord::register`]).
    registered: bool,
    scanned: MonotonicTime,
    /// The call under way waits.
    pub waits: bool,
    /// Since when the ring has been seen closed, and sends before that not yet visible.
    unfenced_since: Option<MonotonicTime>,
    cursor: u16,
    /// The other side, since this endpoint attached, as of an epoch.
    peers: Observed,
    /// The end that was reported last, so as not to make sure of it again.
    pub concluded: Option<End>,
    /// The slot that the last full check found in the way.
    pub blocker: Option<Held>,
    /// Others were quicker, too often, in the last full check.
    pub was_contended: bool,
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
        // First: a peer that leaves while we attach was there when we did.
        let peers = segment.members().observe(side.other().role());
        let attached = segment.attach(side, admits)?;
        let (path, id) = (segment.region.path(), attached.id.0);
        events::attached(path, side, id, attached.takes_over);
        let now = MonotonicTime::coarse();
        let membership = Membership {
            segment: Arc::clone(segment),
            attached,
        };
        Ok(EndpointConnection {
            cursor: attached.id.0,
            peers,
            membership: Arc::new(membership),
            segment: Arc::clone(segment),
            side,
            is_alone: !multi,
            registered: false,
            strategy,
            idle: None,
            canceller: OwnCanceller::default(),
            waiter: OwnWaiter::default(),
            #[cfg(unix)]
            descriptor: OwnDescriptor::default(),
            wait_through,
            blocking,
            parker: segment.parker(),
            scanned: now,
            waits: false,
            unfenced_since: None,
            concluded: None,
            blocker: None,
            was_contended: false,
        })
    }

    pub(crate) fn id(&self) -> MemberId {
        self.membership.attached.id
    }

    pub(crate) fn parker(&self) -> Parker {
        self.parker
    }

    #[inline(always)]
    pub(crate) fn has_fast_paths(&self) -> bool {
        self.segment.region.has_fast_paths()
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

    /// As `notify`, after the light half of the barrier, which came after publishing.
    #[inline(always)]
    pub(crate) fn notify_fenced(&self, memory: &impl Memory, sleepers: Side) {
        debug_assert!(sleepers == self.side.other());
        if self.blocking {
            WaitWord(memory.wait_word(sleepers)).notify_one_fenced(&self.parker);
        }
    }

    /// Wakes all sleepers of `side`, if there are any.
    pub(crate) fn notify_each(&self, side: Side) {
        if self.blocking {
            let block = self.segment.block();
            WaitWord(block.wait_word(side)).notify_each(block.fences(), &self.parker);
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

    /// Makes every send visible that began before `end` came in sight (R17); `false`: not
    /// yet.
    pub(crate) fn fence_end(&mut self, end: End) -> bool {
        let (block, parker) = (self.segment.block(), self.parker);
        let unfenced = || self.is_closer_overdue() && self.stand_in_for_closer();
        end::fence_end(&block, end, || parker.heavy(), unfenced)
    }

    /// Whether a death would let this endpoint go on: that of the holder of the slot in the
    /// way, or of the endpoint that closed the ring and has not made sure of all sends.
    pub(crate) fn is_held_up(&self) -> bool {
        self.blocker.is_some() || self.unfenced_since.is_some()
    }

    /// Whether the endpoint that closed the ring has had its time to make sure of all
    /// sends before that. If it is at it still, to do it twice does no harm.
    #[cold]
    fn is_closer_overdue(&mut self) -> bool {
        let now = MonotonicTime::coarse();
        let since = *self.unfenced_since.get_or_insert(now);
        let grace = match self.waits {
            true => CLOSER_GRACE,
            false => CLOSER_GRACE_OF_POLLS,
        };
        since.until(now) >= grace
    }

    /// What the endpoint that closed the ring has left to do. A call that does not wait
    /// has no milliseconds for it: it takes the expedited barrier, for itself alone.
    /// Should that pass over a thread, it was a second ago that it had to see the ring
    /// closed.
    #[cold]
    fn stand_in_for_closer(&self) -> bool {
        if !self.waits {
            self.parker.heavy();
        } else if end::fence_closed(&self.segment.block(), || self.parker.thorough()) {
            self.wake_all();
        }
        true
    }

    /// What cancels this endpoint's waiting.
    pub(crate) fn canceller(&self) -> Canceller {
        self.canceller.get(&self.segment, self.side)
    }

    /// Whether calls of this endpoint do not wait.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.canceller.is_cancelled()
    }

    /// Whether a notifier wakes this endpoint.
    pub(crate) fn can_sleep(&self) -> bool {
        self.blocking
    }

    /// The word that this side sleeps on.
    pub(crate) fn own_wait_word(&self) -> &AtomicU32 {
        self.segment.region.wait_word(self.side.role().index)
    }

    /// The first half of [`EndpointConnection::register`]; `None`: nothing wakes us.
    pub(crate) fn announce(&mut self) -> Option<Announced> {
        let block = self.segment.block();
        let word = WaitWord(block.wait_word(self.side));
        self.blocking
            .then(|| word.announce(self.is_alone, &mut self.registered))
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

    /// Has `waker` woken when the wait word does not hold `registered` any more, or for
    /// another reason to check again.
    ///
    /// # Errors
    /// The system gives no thread for that.
    pub(crate) fn wait_for_wake(&mut self, registered: u32, waker: &Waker) -> io::Result<()> {
        let is_held_up = self.is_held_up();
        let word = (&self.segment, self.side);
        self.waiter.wait(word, registered, is_held_up, waker)
    }

    /// Has no waker woken any more.
    pub(crate) fn stop_waiting(&mut self) {
        self.waiter.stop();
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// Takes the slot that is in the way from its holder, if that is dead.
    pub(crate) fn reclaim(&self) -> bool {
        let is_dead = self.blocker.is_some_and(|held| self.segment.reclaim(held));
        if is_dead {
            self.wake_all();
        }
        is_dead
    }

    /// After a full check that found nothing: scans, and recovers the slot in the way, if
    /// that is due by the clock. Says whether it did, and another check is worth while.
    /// Callers of only the `try_` verbs come by here too.
    pub(crate) fn scan_after_failed_check(&mut self) -> bool {
        if !self.scan_if_due(MonotonicTime::coarse()) {
            return false;
        }
        self.reclaim();
        true
    }

    /// After a sleep: scans, if that is due.
    pub(crate) fn scan_after_sleep(&mut self) {
        self.scan_if_due(MonotonicTime::coarse());
    }

    /// Probes a few members, if the last scan is a while ago.
    fn scan_if_due(&mut self, now: MonotonicTime) -> bool {
        let is_due = self.scanned.until(now) >= SCAN_INTERVAL;
        if is_due {
            self.scanned = now;
            self.segment.scan(&mut self.cursor, self.waits);
        }
        is_due
    }

    /// No scan is due from now on.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn put_scans_off(&mut self) {
        let hour = Duration::from_secs(3600);
        self.scanned = MonotonicTime::now().checked_add(hour).expect("in range");
    }

    /// Probes all members. What could not be found out is left to do.
    pub(crate) fn scan_all(&self) -> Scan {
        let scan = self.segment.members().scan(&mut 0, usize::MAX);
        match self.segment.region.check_descriptor() {
            Ok(()) => scan,
            Err(_) => Scan::Partial,
        }
    }

    /// For a sender: the single receiver, if it has leased the message whose slot is
    /// needed next. No slot word tells.
    pub(crate) fn lease_of_single_receiver(&self) -> Option<Holder> {
        if self.side == Side::Receiver {
            return None;
        }
        let (block, kind) = (self.segment.block(), self.segment.config.kind);
        let (position, id) = progress::single_receiver_holds(&block, kind)?;
        self.if_alive(stats::holder_of(&self.segment, position, id))
    }

    /// The endpoint that holds the slot that the last full check found in the way.
    #[cold]
    pub(crate) fn holder_of_blocker(&self, held: Held) -> Holder {
        // Of a sender's it is the slot, a lap on.
        let geometry = self.segment.block().geometry();
        let laps = geometry.lap_delta(held.word, held.position);
        let position = geometry.move_laps(held.position, laps);
        stats::holder_of(&self.segment, position, held.word.owner())
    }

    /// The endpoint that holds the slot that this side needs next.
    #[cold]
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.if_alive(stats::holder(&self.segment, self.side)?)
    }

    /// A dead holder keeps nothing from a call: a successor, or a scan, recovers it.
    fn if_alive(&self, holder: Holder) -> Option<Holder> {
        let region = &self.segment.region;
        region.is_alive(MemberId(holder.id)).then_some(holder)
    }

    /// Why waiting may never end. What is on the other side is remembered until its
    /// epoch changes; deaths are found by scans, which count as goings.
    pub(crate) fn end_in_sight(&mut self) -> Option<End> {
        let (segment, other) = (&self.segment, self.side.other().role());
        end::end_in_sight(&segment.block(), || {
            segment.members().presence_since(other, &mut self.peers)
        })
    }

    /// Whether all members of the other side that were seen have gone, as of the last change
    /// of its epoch: deaths are found by scans.
    pub(crate) fn have_peers_gone(&mut self) -> bool {
        let other = self.side.other().role();
        let members = self.segment.members();
        members.presence_since(other, &mut self.peers).1 == Presence::Gone
    }

    /// What is to be said of the other side now, as the kernel reports.
    pub(crate) fn presence(&self) -> Presence {
        self.presence_since(&self.peers)
    }

    /// The same for one who began to look when `observed` was made.
    pub(crate) fn presence_since(&self, observed: &Observed) -> Presence {
        let other = self.side.other().role();
        self.segment.members().presence(other, observed).1
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
        let only = MemberId(self.side.other().role().first);
        self.segment.region.is_alive(only)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
