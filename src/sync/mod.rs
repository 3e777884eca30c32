//! Shared variables between processes: values under locks, and waiting for them.
//!
//! | object | what it is |
//! |---|---|
//! | [`Mutex`] | a value that one thread of one process at a time may touch |
//! | [`RwLock`] | a value that many may read at a time, or one may change |
//! | [`Condvar`] | sleepers that wait for a change of what a mutex guards |
//! | [`Barrier`] | parties that wait for one another |
//! | [`Once`], [`OnceValue`] | an action, or a value, that one of all processes carries out, or makes, once |
//! | [`Latest`] | the last value that one writer has stored, for readers that never wait |
//! | [`Semaphore`] | a number of permits |
//! | [`Counter`] | a number that is changed without a lock |
//! | [`Group`] | several of these under names, in one file |
//!
//! Verbs and poisoning are those of [`std::sync`]. Objects are made, opened, named and removed as
//! [rings](crate::Ring) are.
//!
//! # When a process dies
//!
//! The word of a lock names the process that holds it, by its handle, and each handle holds a
//! lock byte that the kernel drops when the process dies. A waiter checks the holder's lock byte,
//! when it begins to wait and every 100 ms. If the holder is dead, it loses the lock, and the
//! next holder gets `Poisoned`, with the value as the dead one left it. No time-out decides
//! anything: a process that is stopped keeps what it holds, and the errors of calls with a time
//! limit name that process.
//!
//! A handle that a forked child inherits belongs to the parent: in the child each call returns
//! [`Failure::Forked`](crate::Failure::Forked), or does nothing. A child has to open the object
//! itself.
//!
//! The repository's `docs/sync.md` has the rules, and what each call costs.

pub(crate) mod word;

#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod condvar;
#[cfg(not(loom))]
mod counter;
#[cfg(not(loom))]
mod group;
#[cfg(not(loom))]
mod latest;
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod mutex;
#[cfg(not(loom))]
mod object;
#[cfg(not(loom))]
mod observe;
#[cfg(not(loom))]
mod once;
#[cfg(not(loom))]
mod part;
#[cfg(not(loom))]
mod rwlock;
#[cfg(not(loom))]
mod semaphore;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod single;

#[cfg(not(loom))]
pub use barrier::{Barrier, BarrierSeat, BarrierWaitResult};
#[cfg(not(loom))]
pub use condvar::{Condvar, WaitTimeoutResult};
#[cfg(not(loom))]
pub use counter::{Counter, CounterValue};
#[cfg(not(loom))]
pub use group::{Group, GroupBuilder};
#[cfg(not(loom))]
pub use latest::{Latest, LatestWriter};
#[cfg(not(loom))]
pub use mutex::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub use object::{SharedObject, SharedValue};
#[cfg(not(loom))]
pub use observe::{PartInspection, SharedInspection, inspect};
#[cfg(not(loom))]
pub use once::{Once, OnceState, OnceValue};
#[cfg(not(loom))]
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(loom))]
pub use semaphore::{Semaphore, SemaphoreGuard};
#[cfg(not(loom))]
pub use single::ObjectBuilder;

#[cfg(not(loom))]
pub use crate::error::{
    AcquireTimeoutError, BarrierError, LockError, LockOwner, LockTimeoutError, OnceError,
    PoisonError, ReadError, TryAcquireError, TryLockError, WaitChangedError, WriterError,
};
