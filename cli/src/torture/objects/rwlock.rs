//! A reader-writer lock over accounts.

use std::path::Path;

use anyhow::{Result, bail};
use memring::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::accounts::{self, Accounts, FIRST};
use super::board::Count;
use super::mutex::{Had, audited, limited, tried, waited};
use super::user::{Audit, Shared, Taking, User, in_order};
use crate::torture::order::Sabotage;

/// Nobody changes what is read.
fn look(guard: &RwLockReadGuard<'_, Accounts>, user: &mut User<'_>, dead: bool) -> Result<()> {
    let inside = user.board.look_inside(user.id, dead)?;
    let before = **guard;
    if !dead {
        accounts::check(&before)?;
    }
    user.linger();
    let after = *in_order(&**guard);
    if before != after {
        bail!("a value changed while it was read: {before:?} became {after:?}");
    }
    if inside != user.board.look_inside(user.id, dead)? {
        bail!("a process changed a value while it was read");
    }
    Ok(())
}

fn read(lock: &RwLock<Accounts>, user: &mut User<'_>) -> Result<()> {
    let had = match user.taking() {
        Taking::Wait => waited(lock.read())?,
        Taking::Try => tried(lock.try_read())?,
        Taking::Limited(time) => limited(lock.read_timeout(time))?,
    };
    match had {
        Had::Whole(guard) => {
            look(&guard, user, false)?;
            if user.random.one_in(8) {
                // A handle that reads reads on, also while a writer waits.
                if let Had::Whole(second) = waited(lock.read())? {
                    look(&second, user, false)?;
                }
            }
            user.count(Count::Looks);
        }
        // The next to write repairs it.
        Had::Poisoned(guard) => look(&guard, user, true)?,
        Had::Missed => user.missed(),
    }
    Ok(())
}

fn write(lock: &RwLock<Accounts>, user: &mut User<'_>) -> Result<()> {
    if user.breaks(Sabotage::Double) {
        return user.enter_without_lock();
    }
    let had = match user.taking() {
        Taking::Wait => waited(lock.write())?,
        Taking::Try => tried(lock.try_write())?,
        Taking::Limited(time) => limited(lock.write_timeout(time))?,
    };
    let (mut guard, dead) = match had {
        Had::Whole(guard) => (guard, false),
        Had::Poisoned(guard) => (guard, true),
        Had::Missed => {
            user.missed();
            return Ok(());
        }
    };
    accounts::work(&mut guard, user, dead, || lock.clear_poison())?;
    if user.random.one_in(8) {
        let changes = guard[FIRST];
        let guard = RwLockWriteGuard::downgrade(guard);
        look(&guard, user, false)?;
        if guard[FIRST] != changes {
            bail!("a writer came in while a guard was downgraded");
        }
    }
    Ok(())
}

impl Shared for RwLock<Accounts> {
    fn create(path: &Path, handles: u16, _: usize) -> Result<()> {
        let builder = RwLock::builder().max_handles(handles);
        builder.create(path, accounts::new())?;
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        Ok(RwLock::open(path)?)
    }

    fn step(&self, user: &mut User<'_>) -> Result<()> {
        user.hang_if_told();
        match user.random.one_in(3) {
            true => write(self, user),
            false => read(self, user),
        }
    }

    fn audit(&self, audit: &Audit<'_>) -> Result<()> {
        let had = limited(self.write_timeout(audit.limit))?;
        audited(had, audit, || self.clear_poison())
    }

    fn has_dead(&self) -> bool {
        self.handles().iter().any(|peer| !peer.alive)
    }
}
