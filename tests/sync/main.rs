//! Shared variables: the interface, and what survivors find when processes are killed or
//! stopped with a lock in their hands.
//!
//! With the portable backend those are left out that write to the file, which is not the memory
//! there, and those of failpoints and wake-ups, as the suite `crash` is: they wait until a
//! process sleeps, and demand that it is woken at once.

mod barrier;
mod condvar;
mod counter;
// Without debug assertions the library has no failpoints.
#[cfg(all(debug_assertions, not(feature = "portable")))]
mod failpoints;
mod forked;
#[cfg(not(feature = "portable"))]
mod format;
mod groups;
#[cfg(not(feature = "portable"))]
mod hostile;
mod latest;
mod mutex;
mod once;
mod opening;
mod processes;
mod readers;
mod rwlock;
#[cfg(not(feature = "portable"))]
mod scribbled;
mod semaphore;
#[cfg(all(debug_assertions, not(feature = "portable")))]
mod sharing;
#[cfg(all(debug_assertions, not(feature = "portable")))]
mod wakeups;

use memring_testkit::children::{self, Role};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let mut roles: Vec<Role> = Vec::new();
    roles.extend(barrier::ROLES);
    roles.extend(once::ROLES);
    roles.extend(processes::ROLES);
    roles.extend(counter::ROLES);
    roles.extend(latest::ROLES);
    roles.extend(readers::ROLES);
    roles.extend(semaphore::ROLES);
    #[cfg(not(feature = "portable"))]
    roles.extend(hostile::ROLES);
    #[cfg(all(debug_assertions, not(feature = "portable")))]
    {
        roles.extend(failpoints::ROLES);
        roles.extend(wakeups::ROLES);
        roles.extend(sharing::ROLES);
    }
    children::enter(&roles);
}

/// Two words that a holder changes one after the other: in between they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Twins {
    /// Changed first.
    pub first: u64,
    /// Changed next.
    pub second: u64,
}

impl Twins {
    /// Both the same.
    pub fn of(both: u64) -> Twins {
        Twins {
            first: both,
            second: both,
        }
    }

    /// Both are one more; they must have been equal.
    pub fn step(&mut self) {
        assert_eq!(self.first, self.second);
        self.first += 1;
        std::hint::black_box(&mut *self);
        self.second += 1;
    }
}
