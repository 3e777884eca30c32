//! A semaphore with permits for half of the processes.

use std::path::Path;

use anyhow::{Context, Result, bail};
use memring::sync::{AcquireTimeoutError, Semaphore, TryAcquireError};

use super::board::{Count, PLACES, UserId};
use super::user::{Audit, Shared, Taking, User};
use crate::torture::order::Sabotage;

/// As if more processes than permits were inside.
fn hold_too_many(user: &User<'_>, permits: u32) -> Result<()> {
    for place in 0..PLACES {
        user.board.hold(UserId::new(place, 0), permits)?;
    }
    Ok(())
}

impl Shared for Semaphore {
    fn create(path: &Path, handles: u16, processes: usize) -> Result<()> {
        let permits = (processes / 2).max(1) as u32; // at most 64
        let builder = Semaphore::builder().max_handles(handles);
        builder.create(path, permits)?;
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        Ok(Semaphore::open(path)?)
    }

    fn step(&self, user: &mut User<'_>) -> Result<()> {
        user.hang_if_told();
        let permits = self.permits();
        if user.breaks(Sabotage::Double) {
            return hold_too_many(user, permits);
        }
        let guard = match user.taking() {
            Taking::Wait => self.acquire().context("cannot take a permit")?,
            Taking::Try => match self.try_acquire() {
                Err(TryAcquireError::NoPermit) => {
                    user.missed();
                    return Ok(());
                }
                guard => guard.context("cannot take a permit")?,
            },
            Taking::Limited(time) => match self.acquire_timeout(time) {
                Err(AcquireTimeoutError::Timeout { .. }) => return Ok(()),
                guard => guard.context("cannot take a permit")?,
            },
        };
        if let Some(held) = user.board.hold(user.id, permits)?
            && held == permits
        {
            user.count(Count::Looks);
        }
        user.linger();
        user.count(Count::Changes);
        user.board.give_back(user.id);
        drop(guard);
        Ok(())
    }

    fn audit(&self, audit: &Audit<'_>) -> Result<()> {
        let permits = self.permits();
        let mut guards = Vec::new();
        for number in 0..permits {
            match self.acquire_timeout(audit.limit) {
                Ok(guard) => guards.push(guard),
                Err(error) => bail!("{number} of {permits} permits are left at rest: {error}"),
            }
        }
        match self.try_acquire() {
            Err(TryAcquireError::NoPermit) => {}
            other => bail!("expected {permits} permits, found one more: {other:?}"),
        }
        drop(guards);
        match self.available() {
            available if available == permits => Ok(()),
            other => bail!("{permits} permits were given back, but {other} are free"),
        }
    }

    fn has_dead(&self) -> bool {
        self.handles().iter().any(|peer| !peer.alive)
    }
}
