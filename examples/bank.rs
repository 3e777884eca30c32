//! A bank in shared memory: accounts under a mutex, clerks in processes of their own, one of
//! which is killed in the middle of a transfer. Run it with `cargo run --example bank`.
//!
//! The one that locks the bank next is told (`Poisoned`), and undoes what the dead clerk had begun.
//! No coin is lost, and its successor goes on where it was.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{Ordering, compiler_fence};
use std::thread;
use std::time::Duration;

use memring::sync::{Condvar, Group, LockError, Mutex, MutexGuard};

const CLERKS: usize = 3;
/// What each clerk carries from its own account to the next clerk's, coin by coin.
const TRANSFERS: u64 = 1000;
const COINS: u64 = 2;
/// The clerk that hangs, and at which transfer.
const HANGS: (usize, u64) = (1, 500);

memring::schema! {
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Ledger {
        accounts: [u64; CLERKS],
        transfers: [u64; CLERKS],
    }

    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Bank {
        ledger: Ledger,
        /// The ledger as it was before the transfer that is under way.
        before: Ledger,
        is_under_way: u64,
        undone: u64,
    }
}

impl Bank {
    /// Moves a coin. A clerk can be killed between any two steps, so the steps must come in
    /// this order. The fences keep the compiler from changing it.
    fn transfer(&mut self, from: usize, to: usize, hang: impl FnOnce()) {
        self.before = self.ledger;
        compiler_fence(Ordering::SeqCst);
        self.is_under_way = 1;
        compiler_fence(Ordering::SeqCst);
        self.ledger.accounts[from] -= 1;
        compiler_fence(Ordering::SeqCst);
        hang();
        self.ledger.accounts[to] += 1;
        self.ledger.transfers[from] += 1;
        compiler_fence(Ordering::SeqCst);
        self.is_under_way = 0;
    }

    /// Undoes a transfer that is half done.
    fn repair(&mut self) {
        if self.is_under_way == 1 {
            self.ledger = self.before;
            compiler_fence(Ordering::SeqCst);
            self.is_under_way = 0;
            self.undone += 1;
        }
    }
}

type Locked<'a> = MutexGuard<'a, Bank>;

/// Repairs the bank if its last holder died.
fn repaired<'a>(
    bank: &Mutex<Bank>,
    locked: Result<Locked<'a>, LockError<Locked<'a>>>,
) -> Result<Locked<'a>, Box<dyn Error>> {
    match locked {
        Ok(locked) => Ok(locked),
        Err(LockError::Poisoned(poisoned)) => {
            let mut locked = poisoned.into_inner();
            locked.repair();
            bank.clear_poison();
            Ok(locked)
        }
        Err(error) => Err(error.without_guard().into()),
    }
}

/// Waits as long as `condition` holds of the bank.
fn wait_while<'a>(
    bank: &'a Mutex<Bank>,
    changed: &Condvar,
    condition: impl Fn(&Ledger) -> bool,
) -> Result<Locked<'a>, Box<dyn Error>> {
    let mut locked = repaired(bank, bank.lock())?;
    while condition(&locked.ledger) {
        locked = repaired(bank, changed.wait(locked))?;
    }
    Ok(locked)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    match &arguments[..] {
        [_, name, clerk, role] => work(name, clerk.parse()?, role == "hangs"),
        _ => supervise(),
    }
}

/// A clerk's process.
fn work(name: &str, clerk: usize, hangs: bool) -> Result<(), Box<dyn Error>> {
    let group = Group::builder().schema_of::<Bank>().open(name)?;
    let (bank, changed) = (group.mutex::<Bank>("bank")?, group.condvar("changed")?);
    loop {
        let may_not =
            |ledger: &Ledger| ledger.accounts[clerk] == 0 && ledger.transfers[clerk] < TRANSFERS;
        let mut locked = wait_while(&bank, &changed, may_not)?;
        let done = locked.ledger.transfers[clerk];
        if done == TRANSFERS {
            return Ok(());
        }
        locked.transfer(clerk, (clerk + 1) % CLERKS, || {
            if hangs && (clerk, done) == HANGS {
                println!("in the middle of a transfer");
                thread::sleep(Duration::from_secs(3600));
            }
        });
        drop(locked);
        changed.notify_all();
    }
}

fn supervise() -> Result<(), Box<dyn Error>> {
    let name = format!("bank-{}", std::process::id());
    let mut start: Bank = bytemuck::Zeroable::zeroed();
    start.ledger.accounts = [COINS; CLERKS];
    let group = Group::builder().schema_of::<Bank>();
    let group = group
        .mutex("bank", start)
        .condvar("changed")
        .create(&name)?;
    let mut clerks = Vec::new();
    let outcome = run(&group, &name, &mut clerks);
    // Whatever came of it.
    for clerk in &mut clerks {
        if outcome.is_err() {
            clerk.kill()?;
        }
        clerk.wait()?;
    }
    memring::remove(&name)?;
    outcome
}

fn run(group: &Group, name: &str, clerks: &mut Vec<Child>) -> Result<(), Box<dyn Error>> {
    let start = |clerk: usize, role| {
        let mut command = Command::new(env::current_exe()?);
        command.args([name, &clerk.to_string(), role]);
        command.stdout(Stdio::piped()).spawn()
    };
    for clerk in 0..CLERKS {
        let role = if clerk == HANGS.0 { "hangs" } else { "works" };
        clerks.push(start(clerk, role)?);
    }
    // One says that it hangs, with the bank locked: the others wait for it.
    let said = clerks[HANGS.0].stdout.take().ok_or("no output")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    println!("a clerk hangs {}; killing it", line.trim());
    // As the out-of-memory killer might.
    clerks[HANGS.0].kill()?;
    clerks.push(start(HANGS.0, "works")?);

    let (bank, changed) = (group.mutex::<Bank>("bank")?, group.condvar("changed")?);
    let work_is_left = |ledger: &Ledger| ledger.transfers != [TRANSFERS; CLERKS];
    let locked = wait_while(&bank, &changed, work_is_left)?;
    let coins: u64 = locked.ledger.accounts.iter().sum();
    println!(
        "{} transfers, {} undone and made again, {coins} coins of {}",
        locked.ledger.transfers.iter().sum::<u64>(),
        locked.undone,
        COINS * CLERKS as u64,
    );
    match coins == COINS * CLERKS as u64 && locked.undone == 1 {
        true => Ok(()),
        false => Err("the books do not balance".into()),
    }
}
