//! Tokens under a mutex: one half of the processes puts them in, the other takes them out, and each
//! half waits for the other.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use memring::sync::{Condvar, Group, Mutex, MutexGuard};

use super::accounts::Accounts;
use super::board::Count;
use super::mutex::{Had, limited, take, waited};
use super::user::{Audit, Shared, User, expect_count, in_order_mut};
use crate::torture::order::Sabotage;

/// Tokens put in.
const PUT: usize = 0;
/// Tokens that are there.
const THERE: usize = 1;
/// Tokens taken out.
const TAKEN: usize = 2;
/// Tokens that may be there.
const ROOM: u64 = 4;

/// The group of mutex and condition variables.
pub struct Tokens {
    group: Group,
    tokens: Mutex<Accounts>,
    put: Condvar,
    taken: Condvar,
}

fn check(value: &Accounts) -> Result<()> {
    match value[PUT].checked_sub(value[TAKEN]) {
        Some(there) if there == value[THERE] && there <= ROOM => Ok(()),
        _ => bail!(
            "{} tokens were put in and {} taken out, but {} are there, where {ROOM} may be",
            value[PUT],
            value[TAKEN],
            value[THERE]
        ),
    }
}

/// A holder died: the token that it put in, or had not taken out yet, is there.
fn repair(value: &mut Accounts) -> Result<()> {
    let there = value[PUT].wrapping_sub(value[TAKEN]);
    if there.wrapping_sub(value[THERE]) > 1 {
        bail!(
            "more than one token is half put in or taken out: {} put in, {} taken out, {} there",
            value[PUT],
            value[TAKEN],
            value[THERE]
        );
    }
    value[THERE] = there;
    check(in_order_mut(value))
}

impl Tokens {
    /// With the lock held: take what a dead holder has left, and let others go on.
    fn recover(&self, mut guard: MutexGuard<'_, Accounts>, user: &User<'_>) -> Result<()> {
        user.board.within(user.id, true, || {
            user.count(Count::Found);
            repair(&mut guard)?;
            self.tokens.clear_poison();
            Ok(())
        })?;
        drop(guard);
        // It may have died before it told others.
        self.put.notify_all();
        self.taken.notify_all();
        Ok(())
    }

    /// Wait until there is what this process waits for, or until it is to rest.
    fn wait<'a>(
        &'a self,
        guard: MutexGuard<'a, Accounts>,
        user: &User<'_>,
        puts: bool,
    ) -> Result<Had<MutexGuard<'a, Accounts>>> {
        let event = if puts { &self.taken } else { &self.put };
        let mut wrong = None;
        let result = event.wait_while(guard, |value| {
            let look = || -> Result<bool> {
                user.board.enter(user.id, false)?;
                if let Err(found) = check(value) {
                    user.board.leave(user.id)?;
                    return Err(found);
                }
                let waits = match puts {
                    true => value[THERE] == ROOM,
                    false => value[THERE] == 0,
                };
                if waits && user.goes_on() {
                    user.board.leave(user.id)?;
                    return Ok(true);
                }
                Ok(false)
            };
            look().unwrap_or_else(|error| {
                wrong = Some(error);
                false
            })
        });
        match wrong {
            Some(error) => Err(error),
            None => waited(result),
        }
    }
}

impl Shared for Tokens {
    fn create(path: &Path, handles: u16, _: usize) -> Result<()> {
        Group::builder()
            .mutex::<Accounts>("tokens", [0; 8])
            .condvar("put")
            .condvar("taken")
            .max_handles(handles)
            .create(path)?;
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        let group = Group::open(path)?;
        Ok(Tokens {
            tokens: group.mutex("tokens")?,
            put: group.condvar("put")?,
            taken: group.condvar("taken")?,
            group,
        })
    }

    fn step(&self, user: &mut User<'_>) -> Result<()> {
        user.hang_if_told();
        let guard = match take(&self.tokens, user.taking())? {
            Had::Whole(guard) => guard,
            Had::Poisoned(guard) => return self.recover(guard, user),
            Had::Missed => {
                user.missed();
                return Ok(());
            }
        };
        let puts = user.place().is_multiple_of(2);
        let mut guard = match self.wait(guard, user, puts)? {
            Had::Whole(guard) => guard,
            Had::Poisoned(guard) => return self.recover(guard, user),
            Had::Missed => return Err(anyhow!("a wait without a limit came to it")),
        };
        // Inside, with the lock held.
        let value = &mut *guard;
        let event = match puts {
            true if value[THERE] < ROOM => {
                value[PUT] += 1;
                let value = in_order_mut(value);
                if !user.breaks(Sabotage::Tear) {
                    value[THERE] += 1;
                }
                in_order_mut(value);
                user.count(Count::Changes);
                Some(&self.put)
            }
            false if value[THERE] > 0 => {
                value[THERE] -= 1;
                let value = in_order_mut(value);
                user.linger();
                value[TAKEN] += 1;
                in_order_mut(value);
                user.count(Count::Looks);
                Some(&self.taken)
            }
            // It is to rest.
            _ => None,
        };
        user.board.leave(user.id)?;
        if user.random.one_in(2) {
            drop(guard);
            event.inspect(|event| event.notify_one());
        } else if let Some(event) = event {
            match user.random.one_in(8) {
                true => event.notify_all(),
                false => event.notify_one(),
            }
        }
        Ok(())
    }

    fn audit(&self, audit: &Audit<'_>) -> Result<()> {
        match limited(self.tokens.lock_timeout(audit.limit))? {
            Had::Whole(guard) => {
                check(&guard)?;
                let Audit { board, kills, .. } = *audit;
                expect_count("puts", guard[PUT], board.total(Count::Changes), kills)?;
                expect_count("takes", guard[TAKEN], board.total(Count::Looks), kills)
            }
            Had::Poisoned(mut guard) => {
                repair(&mut guard)?;
                self.tokens.clear_poison();
                drop(guard);
                self.audit(audit)
            }
            Had::Missed => bail!("nobody is inside, and the mutex is held"),
        }
    }

    fn has_dead(&self) -> bool {
        self.group.handles().iter().any(|peer| !peer.alive)
    }
}
