//! What can go wrong with locks between processes.

use std::fmt;

use super::Failure;

/// The member that holds a lock: a handle of a process that was alive when that was last checked
/// (calls that do not wait check once in 100 ms). The process may be slow or stopped. As long as
/// it lives, no other process takes the lock away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LockOwner {
    /// The handle's id in the table of members.
    pub id: u16,
    /// The process id that the handle gave when it was opened: for display only.
    pub pid: u32,
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (handle {}) holds it", self.pid, self.id)
    }
}

/// The end of the line about a lock that was not had.
fn because(owner: Option<LockOwner>) -> String {
    owner.map_or_else(String::new, |owner| format!(": {owner}"))
}

/// The lock was taken, but its value may be half changed: a holder died or panicked, and no
/// holder has declared the value repaired since. The guard is inside.
///
/// The value is as that holder left it. Check the value, repair it if necessary, and declare it
/// repaired with [`Mutex::clear_poison`](crate::sync::Mutex::clear_poison) while you hold the
/// lock. Until then every holder gets this error.
///
/// ```
/// use memring::sync::{LockError, Mutex};
///
/// let mutex = Mutex::anonymous(1_u64)?;
/// std::thread::scope(|scope| {
///     let dies = || {
///         let _held = mutex.lock();
///         panic!("in the middle");
///     };
///     scope.spawn(dies).join().unwrap_err();
/// });
/// let Err(LockError::Poisoned(mut poisoned)) = mutex.lock() else {
///     panic!("the value is as it was left, and nobody has looked at it");
/// };
/// assert_eq!(**poisoned.get_ref(), 1);
/// **poisoned.get_mut() = 0; // repairs it
/// mutex.clear_poison();
/// drop(poisoned.into_inner());
/// assert!(!mutex.is_poisoned() && mutex.lock().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PoisonError<G> {
    guard: G,
}

impl<G> PoisonError<G> {
    pub(crate) fn new(guard: G) -> Self {
        PoisonError { guard }
    }

    /// The guard.
    ///
    /// Example: [`PoisonError`].
    pub fn into_inner(self) -> G {
        self.guard
    }

    /// A reference to the guard.
    ///
    /// Example: [`PoisonError`].
    pub fn get_ref(&self) -> &G {
        &self.guard
    }

    /// A mutable reference to the guard.
    ///
    /// Example: [`PoisonError`].
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }
}

impl<G> fmt::Debug for PoisonError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoisonError").finish_non_exhaustive()
    }
}

impl<G> fmt::Display for PoisonError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the lock is poisoned: a holder died or panicked with it; repair the value and call \
             clear_poison",
        )
    }
}

impl<G> std::error::Error for PoisonError<G> {}

/// What errors with a guard inside have in common.
macro_rules! with_guard {
    ($name:ident { $($variant:ident($owner:ident) => $text:literal),* }) => {
        impl<G> $name<G> {
            /// The guard, poisoned or not.
            ///
            /// Example: [`LockError`].
            ///
            /// # Errors
            /// The same error, if there is no guard in it.
            pub fn into_guard(self) -> Result<G, $name<()>> {
                match self {
                    $name::Poisoned(poisoned) => Ok(poisoned.into_inner()),
                    other => Err(other.without_guard()),
                }
            }

            /// The same error without the guard, for `?`: the lock is released, and stays
            /// poisoned.
            ///
            /// Example: [`LockError`].
            pub fn without_guard(self) -> $name<()> {
                match self {
                    $name::Poisoned(_) => $name::Poisoned(PoisonError::new(())),
                    $($name::$variant($owner) => $name::$variant($owner),)*
                    $name::Failed(failure) => $name::Failed(failure),
                }
            }
        }

        impl<G> fmt::Debug for $name<G> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $name::Poisoned(_) => f.write_str("Poisoned"),
                    $($name::$variant($owner) => {
                        f.debug_tuple(stringify!($variant)).field($owner).finish()
                    })*
                    $name::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
                }
            }
        }

        impl<G> fmt::Display for $name<G> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $name::Poisoned(poisoned) => fmt::Display::fmt(poisoned, f),
                    $($name::$variant($owner) => {
                        f.write_str($text)?;
                        f.write_str(&because(*$owner))
                    })*
                    $name::Failed(failure) => fmt::Display::fmt(failure, f),
                }
            }
        }

        impl<G> std::error::Error for $name<G> {}

        impl<G> From<Failure> for $name<G> {
            fn from(failure: Failure) -> Self {
                $name::Failed(failure)
            }
        }

        impl<G> From<PoisonError<G>> for $name<G> {
            fn from(poisoned: PoisonError<G>) -> Self {
                $name::Poisoned(poisoned)
            }
        }
    };
}

/// Why a lock was not taken as usual, in a call that waits as long as it takes.
///
/// ```
/// use memring::sync::{LockError, Mutex, MutexGuard};
///
/// fn add(total: &Mutex<u64>, by: u64) -> Result<(), LockError<()>> {
///     let mut guard = total.lock().map_err(|error| error.without_guard())?;
///     *guard += by;
///     Ok(())
/// }
///
/// // A total that may be half changed is as good: poisoned or not.
/// fn total(total: &Mutex<u64>) -> Result<u64, LockError<()>> {
///     Ok(*total.lock().or_else(|error| error.into_guard())?)
/// }
/// # let mutex = Mutex::anonymous(1_u64)?;
/// # add(&mutex, 2)?;
/// # assert_eq!(total(&mutex)?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockError<G> {
    /// The lock was taken, and its value may be half changed.
    Poisoned(PoisonError<G>),
    /// The operation cannot be carried out.
    Failed(Failure),
}

with_guard!(LockError {});

/// Why a lock was not taken as usual, in a call that does not wait.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryLockError<G> {
    /// The lock was taken, and its value may be half changed.
    Poisoned(PoisonError<G>),
    /// Another handle holds the lock, or another thread holds it by this handle. This names the
    /// holder, unless it changed meanwhile.
    Held(Option<LockOwner>),
    /// The operation cannot be carried out.
    Failed(Failure),
}

with_guard!(TryLockError { Held(owner) => "the lock is held" });

/// Why a lock was not taken as usual, in a call with a time limit.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockTimeoutError<G> {
    /// The lock was taken, and its value may be half changed.
    Poisoned(PoisonError<G>),
    /// The lock was not free by the deadline. This names the last holder, unless it changed just
    /// then.
    Timeout(Option<LockOwner>),
    /// The operation cannot be carried out.
    Failed(Failure),
}

with_guard!(LockTimeoutError { Timeout(owner) => "the lock was not free by the deadline" });

/// Why a call that is to be done once was not done, or is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnceError {
    /// A call that began it died or panicked in the middle, and this call does not begin it
    /// again.
    #[error(
        "a call died or panicked in the middle of what is done once: look at what it left, and \
         do it by call_once_force"
    )]
    Interrupted,
    /// It was not done by the deadline. If a member is doing it, this names that member.
    #[error("it was not done by the deadline{}", because(*.0))]
    Timeout(Option<LockOwner>),
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a party did not pass a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError {
    /// A party has died, or has given up its seat: no party can pass this barrier any more.
    #[error("the barrier is broken: a party died or left; make another")]
    Broken,
    /// All seats were taken, by parties that are present or were before.
    #[error("all {seats} seats of the barrier were taken: make it with more parties")]
    Full {
        /// How many seats there are.
        seats: usize,
    },
    /// Not all parties arrived by the deadline. This names one that had not, if it has taken its
    /// seat. This party's own arrival is taken back.
    #[error("not all had arrived at the barrier by the deadline{}", missing(*.0))]
    Timeout(Option<LockOwner>),
    /// The operation cannot be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

fn missing(owner: Option<LockOwner>) -> String {
    match owner {
        Some(LockOwner { id, pid }) => format!(": process {pid} (handle {id}) was missing"),
        None => ": a seat is not taken, or was left".into(),
    }
}
