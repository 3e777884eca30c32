//! Which program passes which points: every point is in here.

use memring::failpoints::Failpoint::{self, *};
use memring::{Layout, RingKind};

use super::rendezvous::OF_RENDEZVOUS;

/// What a doomed process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Attaches, sends in every way, sleeps and wakes, clones, detaches; again
    /// and again.
    Send,
    /// Likewise receives, and gives back.
    Receive,
    /// Finds somebody dead, from the one side or the other.
    RepairAsSender,
    RepairAsReceiver,
    /// Takes the place of somebody dead.
    SucceedAsSender,
    SucceedAsReceiver,
    /// Does something, and detaches.
    LeaveAsSender,
    LeaveAsReceiver,
    /// Closes, and receives the rest.
    Close,
    /// Sends a message to a ring that may be closed meanwhile.
    SendLate,
    /// Likewise, of more messages than a line holds.
    SendSliceLate,
}

/// How messages may lie in a ring of this kind.
pub fn layouts(kind: RingKind) -> &'static [Layout] {
    match kind {
        RingKind::Spsc => &[Layout::Lines, Layout::Dense],
        _ => &[Layout::Auto],
    }
}

/// Attaching to a place that nobody left dirty, and detaching again.
const COMING_AND_GOING: [Failpoint; 8] = [
    IdLocked,
    PidEntered,
    EntryTaken,
    ArrivalCounted,
    IdUnlocked,
    DepartureCounted,
    EntryCleaned,
    Detached,
];
/// Sleeping, and waking those who sleep, whichever way.
const SLEEPING: [Failpoint; 7] = [
    SleepRegistered,
    HeavyBarrier,
    SleepFenced,
    Woken,
    WaitWordCounted,
    BitCleared,
    AllCounted,
];

/// A single receiver's operations, whatever the senders.
const SINGLE_RECEIVER: &[Failpoint] = &[
    TakenRecovered,
    HandedOut,
    Read,
    DoneMoved,
    CreditGiven,
    RoomAnnounced,
    GivenBackCounted,
    TakenLowered,
];

/// Traffic in both directions: what it passes, on the side in question.
pub fn of_traffic(program: Program, kind: RingKind, layout: Layout) -> Vec<Failpoint> {
    let own: &[Failpoint] = match program {
        Program::Send if kind.has_many_senders() => &[
            Claimed,
            TailMoved,
            Written,
            Published,
            ClaimAbandoned,
            MessageAnnounced,
            Cloned,
        ],
        Program::Send if kind.has_many_receivers() => &[
            BusyReset,
            BusySet,
            Written,
            Published,
            BusyCleared,
            MessageAnnounced,
        ],
        // In a dense ring the word that publishes is the only one.
        Program::Send if layout == Layout::Dense => &[Written, Published, MessageAnnounced],
        Program::Send => &[Written, Published, SentMoved, MessageAnnounced],
        Program::Receive if kind.has_many_receivers() => &[
            Taken,
            HeadMoved,
            Read,
            SlotFreed,
            RoomAnnounced,
            GivenBackCounted,
            Repaired,
            RequeueAnnounced,
            Cloned,
        ],
        Program::Receive if kind.has_many_senders() => &[SINGLE_RECEIVER, &[Repaired]].concat(),
        Program::Receive => &[SINGLE_RECEIVER, &[AttemptsMarked, AttemptRaised]].concat(),
        _ => panic!("{program:?} is no traffic"),
    };
    [&COMING_AND_GOING[..], &SLEEPING, own].concat()
}

/// Who is dead when a survivor or a successor comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// A sender with a grant.
    Sender,
    /// A sender killed right after it has published.
    Published,
    /// A receiver with leases.
    Receiver,
    /// Likewise, and such messages are dropped.
    ReceiverDiscarded,
    /// One process with every place of the side that its killer inherits.
    AllPlaces,
}

/// A survivor meets one of `Dead`: what it passes.
pub fn of_repair(dead: Dead, kind: RingKind) -> Vec<Failpoint> {
    let on_slot: &[Failpoint] = match dead {
        Dead::Sender if kind.has_many_senders() => &[Repaired],
        Dead::Receiver if kind.has_many_receivers() => &[GivenBackCounted, Repaired],
        Dead::ReceiverDiscarded if kind.has_many_receivers() => &[LostCounted, Repaired],
        _ => &[],
    };
    // One to one there is nothing to recover: the successor does.
    let announced: &[Failpoint] = match kind {
        RingKind::Spsc => &[],
        _ => &[RequeueAnnounced],
    };
    let on_entry = [DeadRecovered, DeathCounted, EntryReaped, AllCounted];
    [on_slot, announced, &on_entry].concat()
}

/// A successor takes the place of one of `Dead`: what it passes.
pub fn of_successor(dead: Dead, kind: RingKind) -> Vec<Failpoint> {
    let own: &[Failpoint] = match dead {
        Dead::Published if kind.has_many_receivers() => &[BusyReset],
        Dead::Published => &[],
        Dead::Receiver if !kind.has_many_senders() => &[
            AttemptsMarked,
            GivenBackCounted,
            AttemptRaised,
            TakenLowered,
            TakenRecovered,
            CreditGiven,
            AllCounted,
        ],
        Dead::Receiver => &[
            GivenBackCounted,
            Repaired,
            TakenLowered,
            TakenRecovered,
            DoneMoved,
            CreditGiven,
            AllCounted,
        ],
        Dead::ReceiverDiscarded => &[LostCounted, DoneMoved, TakenRecovered, AllCounted],
        Dead::AllPlaces => &[
            Repaired,
            RequeueAnnounced,
            OwnIdRecovered,
            AllCounted,
            DeadRecovered,
            DeathCounted,
            EntryReaped,
        ],
        Dead::Sender => &[],
    };
    let coming = [IdLocked, PidEntered, EntryTaken, ArrivalCounted];
    [&coming[..], own].concat()
}

/// An endpoint closes a ring and then reports its end.
pub fn of_closing(kind: RingKind) -> Vec<Failpoint> {
    let all = [ClosedSet, AllCounted, ThoroughBarrier, ClosedFenced];
    match kind {
        RingKind::Spsc => [&all[..], &[EndFixed]].concat(),
        _ => all.to_vec(),
    }
}

/// The only sender of the only receiver has published, and finds the ring closed.
pub const OF_LATE_SEND: [Failpoint; 1] = [EndFixed];

/// Two survivors at one slot: the one that comes too late.
pub const OF_LATE_REPAIR: [Failpoint; 1] = [CountTakenBack];

/// Making a ring with a name; one without; removing one.
pub const OF_NAMED: [Failpoint; 6] = [
    FileMade,
    FileAllocated,
    HeaderWritten,
    StartWritten,
    UsersLocked,
    NamePublished,
];
pub const OF_ANONYMOUS: [Failpoint; 6] = [
    FileMade,
    FileAllocated,
    HeaderWritten,
    FileSealed,
    StartWritten,
    UsersLocked,
];
pub const OF_REMOVAL: [Failpoint; 3] = [RemovalLocked, NameRemoved, RemovalMarked];
/// Replacing one.
pub const OF_REPLACEMENT: [Failpoint; 4] =
    [RemovalLocked, ReplacementNamed, Replaced, RemovalMarked];

/// Each is tried somewhere, and each case fails if its point is not reached.
#[test]
fn every_point_is_in_the_table() {
    let mut all = Vec::new();
    for kind in RingKind::ALL {
        for program in [Program::Send, Program::Receive] {
            for layout in layouts(kind) {
                all.extend(of_traffic(program, kind, *layout));
            }
        }
        for dead in [Dead::Sender, Dead::Receiver, Dead::ReceiverDiscarded] {
            all.extend(of_repair(dead, kind));
        }
    }
    for kind in RingKind::ALL {
        for dead in [
            Dead::Published,
            Dead::Receiver,
            Dead::ReceiverDiscarded,
            Dead::AllPlaces,
        ] {
            all.extend(of_successor(dead, kind));
        }
        all.extend(of_closing(kind));
    }
    all.extend(OF_LATE_REPAIR);
    all.extend(OF_LATE_SEND);
    all.extend(OF_NAMED);
    all.extend(OF_ANONYMOUS);
    all.extend(OF_REMOVAL);
    all.extend(OF_REPLACEMENT);
    all.extend(OF_RENDEZVOUS);
    for point in Failpoint::ALL {
        // Those of shared objects are tried in `tests/sync`.
        let tried = all.contains(point) || Failpoint::OF_SYNC.contains(point);
        assert!(tried, "{point:?} is tried nowhere");
    }
}
