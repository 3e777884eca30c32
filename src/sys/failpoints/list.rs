//! The failpoints by name.

macro_rules! failpoints {
    ($($name:ident: $doc:literal,)*) => {
        /// A place where a process may be killed or stopped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Failpoint {
            $(#[doc = $doc] $name,)*
        }

        #[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
        impl Failpoint {
            /// All of them.
            pub const ALL: &'static [Failpoint] = &[$(Failpoint::$name,)*];

            /// Those that only shared objects have.
            pub const OF_SYNC: &'static [Failpoint] = &[
                Failpoint::LockTaken,
                Failpoint::LockTakenOver,
                Failpoint::LockFreed,
                Failpoint::WaiterMarked,
                Failpoint::LockRecovered,
                Failpoint::PoisonCleared,
                Failpoint::OnceEnded,
                Failpoint::OnceRecovered,
                Failpoint::SeatTaken,
                Failpoint::SeatLeft,
                Failpoint::BarrierArrived,
                Failpoint::BarrierBroken,
                Failpoint::BarrierWithdrawn,
                Failpoint::DirectoryWritten,
                Failpoint::WordWritten,
                Failpoint::CellRaised,
                Failpoint::ReaderInside,
                Failpoint::CellLowered,
                Failpoint::EventCounted,
                Failpoint::WriterInside,
                Failpoint::PermitTaken,
                Failpoint::PermitTakenOver,
                Failpoint::PermitFreed,
                Failpoint::PermitRecovered,
                Failpoint::ValueWritten,
                Failpoint::ValuePublished,
            ];
        }
    };
}

failpoints! {
    // Attaching.
    IdLocked: "The lock byte of an id was taken.",
    OwnIdRecovered: "What the id's last holder held was recovered.",
    PidEntered: "The process id is in the table of members.",
    EntryTaken: "The entry of the table of members says that it is in use.",
    ArrivalCounted: "The coming was counted.",
    BusyReset: "A successor of a single sender is not inside an operation.",
    TakenLowered: "A successor of a single receiver has given one message back.",
    LostCounted: "A message that is about to be dropped was counted.",
    AttemptsMarked: "The attempts of what the one receiver of one sender gives back are valid.",
    AttemptRaised: "It has raised the attempts of one message.",
    TakenRecovered: "A successor of a single receiver holds nothing.",

    // Sending.
    BusySet: "A single sender has entered an operation.",
    Claimed: "One of many senders has claimed a slot.",
    TailMoved: "Its hint was stored.",
    Written: "The payload was written, wholly.",
    Published: "The message is there.",
    SentMoved: "The one sender of one receiver has told how far it is.",
    BusyCleared: "A single sender has left an operation.",
    ClaimAbandoned: "A claim was given up.",
    MessageAnnounced: "Receivers were woken, if any slept.",

    // Receiving.
    Taken: "One of many receivers has claimed a message.",
    HeadMoved: "Its hint was stored.",
    HandedOut: "A single receiver's leases are marked as held.",
    Read: "A message was copied out.",
    DoneMoved: "A single receiver has acknowledged, or passed what holds no message.",
    CreditGiven: "A single receiver has stored credit.",
    SlotFreed: "One of many receivers has acknowledged.",
    RoomAnnounced: "Senders were woken, if any slept.",

    // Rendezvous.
    OfferTakenBack: "A sender has taken back what it offered.",
    OfferLeft: "A sender that does not wait has left its message to the receiver that it bound.",
    WaiterAnnounced: "A receiver has announced that it waits.",
    WaiterBound: "A receiver that waits was bound to a message.",
    WaiterFreed: "A waiter word was freed.",
    HandoverSeen: "A sender has seen that its message was acknowledged.",

    // Sleeping and waking.
    SleepRegistered: "The sleepers' bit was set.",
    SleepFenced: "The barrier of a sleeper has passed.",
    HeavyBarrier: "The heavy barrier of a sleeper, or before an end is reported, has passed.",
    ThoroughBarrier: "The thorough barrier at a closed ring has passed.",
    Woken: "A sleep has ended.",
    WaitWordCounted: "A notifier has counted the wait word up, and has woken no waiter yet.",
    BitCleared: "A notifier has cleared the sleepers' bit, and has woken no waiter yet.",
    AllCounted: "The wait word was counted up to wake all, and no waiter was woken yet.",

    // Recovery.
    GivenBackCounted: "A message that is about to be given back was counted.",
    Repaired: "A slot that a dead member held was recovered.",
    CountTakenBack: "A survivor that came too late has corrected its count.",
    RequeueAnnounced: "Receivers can tell that something lies behind the head.",
    DeadRecovered: "All that a dead member held was recovered.",
    DeathCounted: "The going of a dead member was counted.",
    EntryReaped: "The entry of a dead member is clean.",

    // Cloning, closing, detaching.
    Cloned: "An endpoint was cloned.",
    ClosedSet: "The ring is closed, and no waiter was woken yet.",
    EndFixed: "One sender, one receiver: it is fixed where the ring ends.",
    ClosedFenced: "Every send that began before the closing can be seen.",
    IdUnlocked: "The lock byte was given back.",
    DepartureCounted: "The going was counted.",
    EntryCleaned: "The entry is clean.",
    Detached: "All waiters were woken.",

    // Shared objects.
    LockTaken: "A lock was taken that was free.",
    LockTakenOver: "A lock was taken from a dead holder.",
    LockFreed: "A lock was given back, and no waiter was woken yet.",
    WaiterMarked: "A waiter has set its bit in the word of a lock.",
    LockRecovered: "A lock that a dead member held was freed, and no waiter was woken yet.",
    PoisonCleared: "A value was declared repaired.",
    OnceEnded: "What is done once was done, or given up, and no waiter was woken yet.",
    OnceRecovered: "What a dead member did once is new again, and no waiter was woken yet.",
    SeatTaken: "A party has taken its seat at a barrier.",
    SeatLeft: "A seat was given up, and the round is not broken yet.",
    BarrierArrived: "A party has arrived, and no waiter was woken yet.",
    BarrierBroken: "A barrier was broken, and no waiter was woken yet.",
    BarrierWithdrawn: "A party has not arrived any more.",
    CellRaised: "A member has counted a reader that is about to look whether a writer is there.",
    ReaderInside: "A reader may read.",
    CellLowered: "A member has counted one reader less.",
    EventCounted: "A writer that waits for readers has something to look at, and was not woken yet.",
    WriterInside: "No reader is left, and a writer may write.",
    PermitTaken: "A permit was taken that was free.",
    PermitTakenOver: "A permit was taken from a dead holder.",
    PermitFreed: "A permit was given back, and no waiter was woken yet.",
    PermitRecovered: "A permit that a dead member held was freed, and no waiter was woken yet.",
    WordWritten: "A writer has stored one word of a value.",
    ValueWritten: "A writer has stored a value, and not its number.",
    ValuePublished: "A writer has stored the number of its value, and has woken no waiter yet.",
    DirectoryWritten: "The directory of shared objects was written, and no value yet.",

    // Making and removing rings.
    FileMade: "There is a file without a name, or a memfd.",
    FileAllocated: "It has its size.",
    HeaderWritten: "It has its header.",
    FileSealed: "The memfd is sealed.",
    StartWritten: "A slot has its first word.",
    UsersLocked: "The byte of processes that have the ring open is locked.",
    NamePublished: "The ring has its name.",
    RemovalLocked: "A remover has the ring's removal to itself.",
    NameRemoved: "The name is gone.",
    ReplacementNamed: "A new ring has a name beside that of the one it replaces.",
    Replaced: "The new ring has the name; the old one has none.",
    RemovalMarked: "A removed ring is marked so; nobody was told yet.",
}
