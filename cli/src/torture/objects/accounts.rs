//! The value under a lock: two numbers that agree and accounts whose sum is kept, unless a holder
//! died in the middle of a change; and then by no more than that change.

use anyhow::{Result, bail};

use super::board::Count;
use super::user::{User, in_order_mut};
use crate::torture::order::Sabotage;

/// The value: see the constants.
pub type Accounts = [u64; 8];

/// Changes, counted before each.
pub const FIRST: usize = 0;
/// Changes, counted after each.
const SECOND: usize = 1;
/// What is on its way from one account to another.
const MOVING: usize = 2;
const ACCOUNTS: std::ops::Range<usize> = 3..8;
/// The sum of all accounts.
const SUM: u64 = 1000;

/// As at the beginning.
pub fn new() -> Accounts {
    let mut value = [0; 8];
    value[ACCOUNTS.start] = SUM;
    value
}

fn sum(value: &Accounts) -> u64 {
    let accounts = value[ACCOUNTS].iter();
    accounts.fold(0, |sum, account| sum.wrapping_add(*account))
}

/// No holder is in the middle of a change.
pub fn check(value: &Accounts) -> Result<()> {
    let sum = sum(value);
    if value[FIRST] != value[SECOND] || value[MOVING] != 0 || sum != SUM {
        bail!(
            "a value that is not poisoned is half changed: {} and {} changes, the sum is {sum} of \
             {SUM}, {} on its way",
            value[FIRST],
            value[SECOND],
            value[MOVING]
        );
    }
    Ok(())
}

/// Change it, by several steps.
pub fn change(mut value: &mut Accounts, user: &mut User<'_>) {
    let random = &mut user.random;
    let two = random.several(2, ACCOUNTS.len());
    let [from, to] = [two[0], two[1]].map(|account| ACCOUNTS.start + account);
    let amount = random.below(value[from].saturating_add(1));
    value[FIRST] += 1;
    if user.breaks(Sabotage::Tear) {
        return;
    }
    value = in_order_mut(value);
    value[MOVING] = amount;
    value = in_order_mut(value);
    value[from] = value[from].wrapping_sub(amount);
    value = in_order_mut(value);
    user.linger();
    value[to] = value[to].wrapping_add(amount);
    value = in_order_mut(value);
    value[MOVING] = 0;
    value = in_order_mut(value);
    value[SECOND] += 1;
    in_order_mut(value);
}

/// With the lock held: make it whole if a holder died, look whether it is, and change it.
pub fn work(
    value: &mut Accounts,
    user: &mut User<'_>,
    dead: bool,
    clear_poison: impl FnOnce(),
) -> Result<()> {
    let board = user.board;
    board.within(user.id, dead, || {
        if dead {
            user.count(Count::Found);
            repair(value)?;
            clear_poison();
        }
        check(value)?;
        change(value, user);
        user.count(Count::Changes);
        Ok(())
    })
}

/// Make it whole, if it is as one dead holder has left it.
pub fn repair(mut value: &mut Accounts) -> Result<()> {
    let missing = SUM.wrapping_sub(sum(value));
    let open = value[FIRST].wrapping_sub(value[SECOND]);
    if open > 1 || (missing != 0 && missing != value[MOVING]) || (open == 0 && missing != 0) {
        bail!(
            "more than one change is half done: {} and {} changes, {missing} of {SUM} missing, {} \
             on its way",
            value[FIRST],
            value[SECOND],
            value[MOVING]
        );
    }
    // In an order in which it can be begun again.
    let first = ACCOUNTS.start;
    value[first] = value[first].wrapping_add(missing);
    value = in_order_mut(value);
    value[MOVING] = 0;
    value = in_order_mut(value);
    value[SECOND] = value[FIRST];
    in_order_mut(value);
    check(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_open_change_is_repaired_and_others_are_found() {
        let mut value = new();
        check(&value).expect("whole");
        value[FIRST] += 1;
        check(&value).expect_err("half changed");
        value[MOVING] = 7;
        value[ACCOUNTS.start] -= 7;
        repair(&mut value).expect("one change");
        check(&value).expect("whole");
        value[ACCOUNTS.start + 1] += 1;
        check(&value).expect_err("one too many");
        repair(&mut value).expect_err("nobody did that");
        value[ACCOUNTS.start + 1] -= 1;
        value[FIRST] += 2;
        repair(&mut value).expect_err("two changes");
    }
}
