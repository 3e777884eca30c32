//! The storm over an object: bouts of strikes, and after each of them rest and an audit.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use memring::sync::{Latest, Mutex, RwLock, Semaphore};

use super::accounts::Accounts;
use super::board::{Board, Count};
use super::condvar::Tokens;
use super::latest::Value;
use super::report::ObjectRow;
use super::user::{Audit, Shared};
use crate::torture::home;
use crate::torture::ledger::{Ledger, Phase, Stage, Step};
use crate::torture::order::{Assignment, Order, Sabotage};
use crate::torture::plan::{Await, Blow, Bout, Plan, Strike, Terms};
use crate::torture::processes::{Config, Processes, Setup};
use crate::torture::run::Storm;
use crate::torture::target::ObjectKind;

/// A storm and its object.
#[derive(Clone, Debug)]
pub struct ObjectStorm {
    /// The schedule's terms.
    pub terms: Terms,
    /// Which object.
    pub object: ObjectKind,
    /// How long a process may seem to hang.
    pub hang_after: Duration,
    /// The storm is over after so long, whatever is left of the schedule.
    pub time: Option<Duration>,
    /// Misbehaviour, to see that it is found.
    pub sabotage: Option<Sabotage>,
}

impl Storm for ObjectStorm {
    type Row = ObjectRow;

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn rage(&self, dir: &Path, progress: &ProgressBar) -> Result<Result<ObjectRow>> {
        match self.object {
            ObjectKind::Mutex => self.rage_over::<Mutex<Accounts>>(dir, progress),
            ObjectKind::Rwlock => self.rage_over::<RwLock<Accounts>>(dir, progress),
            ObjectKind::Condvar => self.rage_over::<Tokens>(dir, progress),
            ObjectKind::Semaphore => self.rage_over::<Semaphore>(dir, progress),
            ObjectKind::Latest => self.rage_over::<Latest<Value>>(dir, progress),
        }
    }
}

/// How the processes are told what to do, and the board of their deaths.
struct ObjectSetup<'b> {
    object: ObjectKind,
    board: &'b Board,
}

impl Setup for ObjectSetup<'_> {
    fn order(&self, assignment: Assignment) -> Order {
        Order::Use(Box::new(assignment), self.object)
    }

    fn before_kill(&self, place: usize, incarnation: u32) {
        self.board.doom(place, incarnation);
    }

    fn after_death(&self, place: usize) {
        self.board.forget(place);
    }
}

impl ObjectStorm {
    fn rage_over<O: Shared>(
        &self,
        dir: &Path,
        progress: &ProgressBar,
    ) -> Result<Result<ObjectRow>> {
        let ledger = Ledger::create(&home::ledger(dir))?;
        let board = Board::create(&home::board(dir))?;
        let places = self.terms.places();
        // One more: the storm's own, which looks at the object.
        O::create(&home::ring(dir), places as u16 + 1, places)?;
        let setup = ObjectSetup {
            object: self.object,
            board: &board,
        };
        Ok(self.through::<O>(dir, &ledger, &setup, progress))
    }

    fn through<O: Shared>(
        &self,
        dir: &Path,
        ledger: &Ledger,
        setup: &ObjectSetup<'_>,
        progress: &ProgressBar,
    ) -> Result<ObjectRow> {
        let object = self.object;
        let plan = Plan::new(self.terms);
        let config = Config {
            dir: dir.to_path_buf(),
            ledger,
            terms: self.terms,
            setup,
            hang_after: self.hang_after,
            sabotage: self.sabotage,
        };
        let mut running = Running {
            processes: Processes::start(config, &plan.processes)
                .with_context(|| format!("{object}, at the beginning"))?,
            ledger,
            board: setup.board,
            path: home::ring(dir),
            limit: self.hang_after,
            kills: 0,
            epoch: 0,
            progress,
        };
        let end = self.time.map(|time| Instant::now() + time);
        for bout in plan {
            // The last strike of the last bout is that of all at once.
            let is_late = !bout.last && end.is_some_and(|end| Instant::now() >= end);
            if is_late {
                break;
            }
            let mut at = 0;
            let outcome = running.bout::<O>(&bout, &mut at);
            outcome.with_context(|| format!("{object}, bout {}, strike {at}", bout.number))?;
        }
        let outcome = running.end::<O>(object, self.terms.places(), dir);
        outcome.with_context(|| format!("{object}, after the end of all"))
    }
}

struct Running<'s> {
    processes: Processes<'s>,
    ledger: &'s Ledger,
    board: &'s Board,
    path: PathBuf,
    limit: Duration,
    kills: u64,
    epoch: u64,
    progress: &'s ProgressBar,
}

impl Running<'_> {
    fn bout<O: Shared>(&mut self, bout: &Bout, at: &mut usize) -> Result<()> {
        for (index, strike) in bout.strikes.iter().enumerate() {
            *at = index;
            self.strike(strike)?;
        }
        match bout.last {
            true => Ok(()),
            false => self.rest::<O>(),
        }
    }

    fn strike(&mut self, strike: &Strike) -> Result<()> {
        let victims = &strike.victims;
        self.processes.pass(Duration::from_micros(strike.delay))?;
        match strike.blow {
            Blow::Stop(time) => self.processes.stop(victims, Duration::from_micros(time)),
            Blow::Kill(then) => {
                self.kill(victims)?;
                self.processes.succeed(victims, &strike.successors)?;
                let stage = match then {
                    Await::Nothing => return Ok(()),
                    Await::Attaching => Stage::Attaching,
                    Await::Ready => Stage::Ready,
                };
                let mut successors = victims.iter().take(strike.successors.len());
                successors.try_for_each(|&successor| self.processes.await_stage(successor, stage))
            }
        }
    }

    fn kill(&mut self, victims: &[usize]) -> Result<()> {
        self.processes.kill(victims)?;
        self.kills += std::mem::take(&mut self.processes.deaths).kills;
        self.progress.inc(victims.len() as u64);
        Ok(())
    }

    /// Bring everything to rest, look at the object, and let it go on.
    fn rest<O: Shared>(&mut self) -> Result<()> {
        let epoch = self.epoch;
        self.processes.resume_all()?;
        self.processes.await_all(Stage::Ready)?;
        self.ledger.forget_clock();
        let still = Phase {
            epoch,
            step: Step::Still,
        };
        self.ledger.set_phase(still);
        self.processes
            .await_phase(0..self.processes.places(), still)?;
        self.audit::<O>()?;
        self.epoch += 1;
        self.ledger.set_phase(Phase {
            epoch: self.epoch,
            step: Step::Go,
        });
        Ok(())
    }

    /// A fresh handle finds the object as it must be.
    fn audit<O: Shared>(&self) -> Result<()> {
        let object = O::open(&self.path).context("cannot open the object")?;
        object.audit(&Audit {
            board: self.board,
            kills: self.kills,
            limit: self.limit,
        })
    }

    /// All are dead, at once. The object is as good as new, and all of its handles are free.
    fn end<O: Shared>(mut self, kind: ObjectKind, places: usize, dir: &Path) -> Result<ObjectRow> {
        self.ledger.forget_clock();
        let left = self.processes.left();
        self.kill(&left)?;
        self.audit::<O>()?;
        let handles: Result<Vec<O>> = (0..=places).map(|_| O::open(&self.path)).collect();
        let handles = handles.context("a handle of a dead process is not free")?;
        if handles.iter().any(O::has_dead) {
            bail!("the entry of a dead process is not cleared up by fresh handles");
        }
        drop(handles);
        self.audit::<O>()?;
        let files = fs::read_dir(home::rings(dir)).context("cannot read the directory")?;
        let names: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
        if names != ["ring"] {
            bail!("expected the object alone in its directory, found {names:?}");
        }
        Ok(ObjectRow {
            object: kind,
            kills: self.kills,
            stops: self.processes.stops,
            changes: self.board.total(Count::Changes),
            looks: self.board.total(Count::Looks),
            found: self.board.total(Count::Found),
            longest: self.ledger.longest(),
        })
    }
}
