//! A mutex over accounts.

use std::ops::DerefMut;
use std::path::Path;

use anyhow::{Context, Result, bail};
use memring::sync::{LockError, LockTimeoutError, Mutex, MutexGuard, TryLockError};

use super::accounts::{self, Accounts, FIRST};
use super::board::Count;
use super::user::{Audit, Shared, Taking, User, expect_count};
use crate::torture::order::Sabotage;

/// The lock, had or not.
pub enum Had<G> {
    /// Had, and the value is whole.
    Whole(G),
    /// Had, and a holder died.
    Poisoned(G),
    /// Not had, and that is no wonder.
    Missed,
}

/// What a call that waits came to.
pub fn waited<G>(result: Result<G, LockError<G>>) -> Result<Had<G>> {
    match result {
        Ok(guard) => Ok(Had::Whole(guard)),
        Err(LockError::Poisoned(poisoned)) => Ok(Had::Poisoned(poisoned.into_inner())),
        Err(other) => Err(other.without_guard()).context("cannot take the lock"),
    }
}

/// What a call with a time limit came to.
pub fn limited<G>(result: Result<G, LockTimeoutError<G>>) -> Result<Had<G>> {
    match result {
        Ok(guard) => Ok(Had::Whole(guard)),
        Err(LockTimeoutError::Poisoned(poisoned)) => Ok(Had::Poisoned(poisoned.into_inner())),
        Err(LockTimeoutError::Timeout(_)) => Ok(Had::Missed),
        Err(other) => Err(other.without_guard()).context("cannot take the lock"),
    }
}

/// What a call that does not wait came to.
pub fn tried<G>(result: Result<G, TryLockError<G>>) -> Result<Had<G>> {
    match result {
        Ok(guard) => Ok(Had::Whole(guard)),
        Err(TryLockError::Poisoned(poisoned)) => Ok(Had::Poisoned(poisoned.into_inner())),
        Err(TryLockError::Held(_)) => Ok(Had::Missed),
        Err(other) => Err(other.without_guard()).context("cannot take the lock"),
    }
}

/// Take it in this way.
pub fn take(mutex: &Mutex<Accounts>, taking: Taking) -> Result<Had<MutexGuard<'_, Accounts>>> {
    match taking {
        Taking::Wait => waited(mutex.lock()),
        Taking::Try => tried(mutex.try_lock()),
        Taking::Limited(time) => limited(mutex.lock_timeout(time)),
    }
}

/// What is in it when all are at rest or dead.
pub fn audited<G: DerefMut<Target = Accounts>>(
    had: Had<G>,
    audit: &Audit<'_>,
    clear_poison: impl FnOnce(),
) -> Result<()> {
    let guard = match had {
        Had::Whole(guard) => guard,
        Had::Poisoned(mut guard) => {
            accounts::repair(&mut guard)?;
            clear_poison();
            guard
        }
        Had::Missed => bail!("nobody is inside, and the lock is held"),
    };
    accounts::check(&guard)?;
    let written = audit.board.total(Count::Changes);
    expect_count("changes", guard[FIRST], written, audit.kills)
}

impl Shared for Mutex<Accounts> {
    fn create(path: &Path, handles: u16, _: usize) -> Result<()> {
        let builder = Mutex::builder().max_handles(handles);
        builder.create(path, accounts::new())?;
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        Ok(Mutex::open(path)?)
    }

    fn step(&self, user: &mut User<'_>) -> Result<()> {
        user.hang_if_told();
        if user.breaks(Sabotage::Double) {
            return user.enter_without_lock();
        }
        let (mut guard, dead) = match take(self, user.taking())? {
            Had::Whole(guard) => (guard, false),
            Had::Poisoned(guard) => (guard, true),
            Had::Missed => {
                user.missed();
                return Ok(());
            }
        };
        accounts::work(&mut guard, user, dead, || self.clear_poison())
    }

    fn audit(&self, audit: &Audit<'_>) -> Result<()> {
        let had = limited(self.lock_timeout(audit.limit))?;
        audited(had, audit, || self.clear_poison())
    }

    fn has_dead(&self) -> bool {
        self.handles().iter().any(|peer| !peer.alive)
    }
}
