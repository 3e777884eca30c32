//! Storms over shared objects.
//!
//! `storm` lets one go on, by the schedules and processes of those over rings. `user` is the life of
//! a process; `mutex`, `rwlock`, `condvar`, `semaphore` and `latest` are what it does, and what must
//! hold at each step. `accounts` is the value under the locks, `board` the memory beside the object
//! in which processes say that they are inside, and `report` what it came to.

mod accounts;
mod board;
mod condvar;
mod latest;
mod mutex;
mod report;
mod rwlock;
mod semaphore;
mod storm;
mod user;

use anyhow::Result;
use memring::sync::{Latest, Mutex, RwLock, Semaphore};

use super::home;
use super::ledger::Ledger;
use super::order::Assignment;
use super::target::ObjectKind;
use accounts::Accounts;
use board::Board;
use condvar::Tokens;
use latest::Value;
use user::User;

pub use board::PLACES;
pub use storm::ObjectStorm;

/// Use an object until killed.
pub fn serve(assignment: &Assignment, object: ObjectKind) -> Result<()> {
    let ledger = Ledger::open(&home::ledger(&assignment.dir))?;
    let board = Board::open(&home::board(&assignment.dir))?;
    let mut user = User::new(assignment, &ledger, &board);
    user.begin();
    let outcome = match object {
        ObjectKind::Mutex => user.live::<Mutex<Accounts>>(),
        ObjectKind::Rwlock => user.live::<RwLock<Accounts>>(),
        ObjectKind::Condvar => user.live::<Tokens>(),
        ObjectKind::Semaphore => user.live::<Semaphore>(),
        ObjectKind::Latest => user.live::<Latest<Value>>(),
    };
    // Whatever it is: the next kill may be faster than an exit status.
    outcome.inspect_err(|error| ledger.accuse(&format!("{error:#}")))
}
