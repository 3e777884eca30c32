//! An open ring: the region that it lives in, what is fixed of it, and what it does for
//! members that died.

#![allow(unsafe_code)]

use crate::error::{AttachError, Failure, Side};
use crate::events;
use crate::members::{
    Admits, Attached, MemberId, MemberSet, Members, Recover, Refusal, Role, Roster, Table,
};
use crate::message::Message;
use crate::ring::config::Config;
use crate::ring::layout::{Cell, Frame, ROLES, SENDERS};
use crate::ring::memory::handover::HandoverMemory;
use crate::ring::memory::{Block, Memory, View};
use crate::ring::{Held, Pairing, end, progress, recover, rendezvous};
use crate::shm::{Region, open, register_barrier};
use crate::sys::atomic::{AtomicU64, Fences, Ordering};
use crate::sys::failpoints::failpoint;
use crate::sys::handle::BorrowedFd;
use crate::wait::WaitWord;
use crate::wait::parker::Parker;

/// Probes of a scan: each is a system call. Scans begin at the endpoint's own id, so
/// that the many endpoints of a ring probe different ones first.
const PROBES_PER_SCAN: usize = 64;

/// A region with a ring in it.
///
/// V7: the region is as long as `config` says; it was checked against its header.
pub(crate) struct Segment {
    pub(crate) region: Region,
    pub(crate) config: Config,
    /// Where everything lies, as `config` says.
    frame: Frame,
    /// What lives as long as this.
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    pub(crate) companion: std::sync::OnceLock<std::sync::Arc<dyn std::any::Any + Send + Sync>>,
}

impl Segment {
    /// The ring in `region`, whose header `config` was made of.
    pub(crate) fn new(region: Region, config: Config) -> Segment {
        let frame = config.frame();
        if config.is_rendezvous() {
            region.forgo_fast_paths();
        }
        Segment {
            region,
            config,
            frame,
            #[cfg(all(target_os = "linux", not(feature = "portable")))]
            companion: std::sync::OnceLock::new(),
        }
    }

    /// The ring's memory, whatever its messages.
    ///
    /// The caller keeps the segment alive as long as it uses the block: every
    /// endpoint and handle holds an `Arc` of it.
    pub(crate) fn block(&self) -> Block {
        Segment::block_in(&self.region, self.frame, &self.config)
    }

    /// The memory of a rendezvous ring; as for [`Segment::block`].
    pub(crate) fn handover(&self) -> HandoverMemory {
        debug_assert!(self.config.is_rendezvous());
        HandoverMemory::new(self.block())
    }

    /// Takes a slot from its holder, if that is dead. Says whether it is.
    pub(crate) fn reclaim(&self, held: Held) -> bool {
        let policy = self.config.policy();
        self.tell_recovery(|block| match self.config.is_rendezvous() {
            true => recover::reclaim(&self.handover(), &self.region, held, policy),
            false => recover::reclaim(block, &self.region, held, policy),
        })
    }

    /// The memory of the ring in `region`, whose header `config` was made of.
    pub(crate) fn block_of(region: &Region, config: &Config) -> Block {
        Segment::block_in(region, config.frame(), config)
    }

    fn block_in(region: &Region, frame: Frame, config: &Config) -> Block {
        // SAFETY: V1 by V6 and V7; a mapping begins on a page boundary.
        unsafe { Block::new(region.base().as_ptr(), frame, config.fences) }
    }

    /// The ring's memory with messages `T`; as for [`Segment::block`].
    pub(crate) fn view<T: Message + ?Sized, P: Pairing>(&self) -> View<T, P> {
        // SAFETY: V3: `config` was checked against `T::FIXED` and the kind when the ring
        // was opened as one of `T`, and the frame follows from it.
        unsafe { View::new(self.block(), self.config.message_limit()) }
    }

    /// The number of the message at `position`, from 0 when the ring was made; none of a
    /// rendezvous ring.
    pub(crate) fn number(&self, position: u64) -> Option<u64> {
        let start = self.config.start;
        match self.frame.places {
            _ if self.config.is_rendezvous() => None,
            Some(places) => Some(places.count(places.canonical(start), position)),
            None => Some(position.wrapping_sub(start)),
        }
    }

    /// What endpoints of this ring sleep with.
    pub(crate) fn parker(&self) -> Parker {
        Parker(self.config.fences)
    }

    pub(crate) fn members(&self) -> Members<'_, Segment, Region, Segment> {
        Members {
            table: self,
            liveness: &self.region,
            recover: self,
        }
    }

    /// Takes an id of `side`.
    pub(crate) fn attach(&self, side: Side, admits: Admits) -> Result<Attached, AttachError> {
        self.region.check()?;
        if self.config.fences == Fences::Membarrier {
            // For a ring that was opened without: a registration does not outlive `exec`.
            register_barrier().map_err(|error| AttachError::Os {
                action: "register for membarrier",
                source: std::io::Error::other(error),
            })?;
        }
        let admits = match (admits, self.config.is_rendezvous()) {
            (Admits::One, true) => Admits::OneHolding,
            (admits, _) => admits,
        };
        let attached = self
            .members()
            .attach(side.role(), admits, std::process::id());
        attached.map_err(|refusal| match refusal {
            Refusal::Occupied { holder } => AttachError::Occupied { side, holder },
            Refusal::Full { places } => AttachError::TooMany {
                side,
                limit: places,
            },
            Refusal::Lock(source) => AttachError::Os {
                action: "lock",
                source,
            },
        })
    }

    /// Gives the id back. The endpoint has given back what it held before, unless the
    /// handle was poisoned.
    pub(crate) fn detach(&self, attached: &Attached) {
        match self.region.check() {
            // The parent's entry, lock and memory.
            Err(Failure::Forked) => {}
            check => {
                events::detached(self.region.path(), attached.id.0);
                self.members().detach(attached, check.is_ok());
            }
        }
    }

    /// Ends the ring because it was removed: its endpoints find it closed, and by the
    /// mark that this was why. One that was closed before keeps its end. Takes 10 to 30
    /// milliseconds.
    pub(crate) fn end_by_removal(&self) {
        self.mark_removed();
        let parker = self.parker();
        let wake_all = || self.wake_all();
        end::close(&self.block(), || parker.thorough(), wake_all);
    }

    /// As `end_by_removal`, by an endpoint that finds the name gone in a call that must
    /// not take long.
    pub(crate) fn end_by_lost_name(&self) {
        self.mark_removed();
        end::close_unfenced(&self.block(), || self.wake_all());
    }

    /// Looks for the dead from `cursor` on, and whether the ring was unlinked by other
    /// means than `remove`. `may_take_long`: milliseconds, if so.
    pub(crate) fn scan(&self, cursor: &mut u16, may_take_long: bool) {
        let _ = self.members().scan(cursor, PROBES_PER_SCAN);
        self.look_for_name(may_take_long);
    }

    /// As `scan`, by one who does so again and again, and must not take long.
    pub(crate) fn scan_again(&self, roster: &mut Roster, cursor: &mut u16) {
        let _ = self.members().scan_again(roster, cursor, PROBES_PER_SCAN);
        self.look_for_name(false);
    }

    fn look_for_name(&self, may_take_long: bool) {
        if !end::is_closed(&self.block()) && self.region.has_lost_its_name() {
            match may_take_long {
                true => self.end_by_removal(),
                false => self.end_by_lost_name(),
            }
        }
    }

    fn mark_removed(&self) {
        self.region.set_mark(end::is_closed(&self.block()));
        failpoint!(RemovalMarked);
    }

    /// Tells the endpoints of the ring in `file`, which has lost its name. If that cannot
    /// be done safely they find out by themselves, at their next scan.
    pub(crate) fn tell_removed(file: BorrowedFd<'_>) {
        if let Some((region, config)) = open::unlinked(file, Config::of) {
            Segment::new(region, config).end_by_removal();
        }
    }

    /// Recovers, and tells how many messages were given back or dropped: about, for others
    /// count there too.
    pub(crate) fn tell_recovery<R>(&self, recover: impl FnOnce(&Block) -> R) -> R {
        let block = self.block();
        // Relaxed: as `recover::count` says.
        let count = |cell| block.cell(cell).load(Ordering::Relaxed);
        let before = (count(Cell::Redelivered), count(Cell::Lost));
        let result = recover(&block);
        if events::ENABLED {
            let redelivered = count(Cell::Redelivered).wrapping_sub(before.0);
            let lost = count(Cell::Lost).wrapping_sub(before.1);
            if (redelivered, lost) != (0, 0) {
                events::recovered(self.region.path(), redelivered, lost);
            }
        }
        result
    }

    /// Endpoints that are attached and alive, of both sides.
    pub(crate) fn attached(&self) -> usize {
        let peers = ROLES.iter().flat_map(|role| self.members().list(*role));
        peers.filter(|peer| peer.alive).count()
    }

    /// Messages of a closed ring without endpoints that no receiver has acknowledged.
    /// What dead members held is recovered first.
    pub(crate) fn messages_left(&self) -> usize {
        let _ = self.members().scan(&mut 0, usize::MAX);
        if self.config.is_rendezvous() {
            return rendezvous::messages_left(&self.handover());
        }
        let discards = !self.config.policy().redeliver;
        progress::messages_left(&self.block(), self.config.kind, discards)
    }

    /// The side of the endpoint with this id.
    pub(crate) fn side_of(id: MemberId) -> Side {
        match SENDERS.ids().contains(&id.0) {
            true => Side::Sender,
            false => Side::Receiver,
        }
    }
}

impl Table for Segment {
    fn roles(&self) -> &[Role] {
        &ROLES
    }

    fn entry(&self, id: MemberId) -> &AtomicU64 {
        self.region.entry(id)
    }

    fn pid(&self, id: MemberId) -> &AtomicU64 {
        self.region.pid(id)
    }

    fn epoch(&self, role: Role) -> &AtomicU64 {
        self.region.epoch(role.index)
    }
}

impl Recover for Segment {
    fn recover(&self, dead: &mut MemberSet, is_dead: impl FnMut(MemberId) -> bool) {
        if self.config.is_rendezvous() {
            let (memory, policy) = (self.handover(), self.config.policy());
            self.tell_recovery(|_| rendezvous::recover_all(&memory, dead, policy, is_dead));
            return;
        }
        if self.config.kind.is_one_to_one() {
            return; // the successor does, and nobody waits for it
        }
        self.tell_recovery(|block| {
            recover::recover_held(block, dead, self.config.policy(), is_dead);
        });
    }

    fn wake_all(&self) {
        for role in ROLES {
            WaitWord(self.region.wait_word(role.index)).notify_all(&self.parker());
        }
    }
}
