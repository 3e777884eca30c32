//! The storm over a ring of one kind: bouts of strikes, and after each of them rest and an audit.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;
use memring::{Inspection, Kind, Layout, OnDeath, Peer, Ring, RingKind};

use super::account::{Receiving, Sending};
use super::check::{Circumstances, Figures, MAX_DELIVERIES, Receipts, audit};
use super::context;
use super::home;
use super::ledger::{Ledger, PLACES, Phase, Stage, Step};
use super::load::{Job, Load, Size, dispatch};
use super::order::{Assignment, Order, RingAssignment, Sabotage};
use super::plan::{Await, Blow, Bout, Plan, Strike, Terms};
use super::processes::{Config, Deaths, Processes, Setup};
use super::receive;
use super::report::RingRow;
use super::run::Storm;
use super::send;

/// A storm and its ring.
#[derive(Clone, Debug)]
pub struct Weather {
    /// The schedule's terms.
    pub terms: Terms,
    /// The ring's kind.
    pub kind: RingKind,
    /// What messages are like.
    pub size: Size,
    /// How they lie in memory.
    pub layout: Layout,
    /// The most of them in the ring.
    pub capacity: usize,
    /// What becomes of messages that a dead receiver held.
    pub on_death: OnDeath,
    /// How long a process may seem to hang.
    pub hang_after: Duration,
    /// Misbehaviour, to see that it is found.
    pub sabotage: Option<Sabotage>,
}

impl Setup for Weather {
    fn order(&self, common: Assignment) -> Order {
        let place = common.place;
        Order::Serve(Box::new(RingAssignment {
            common,
            kind: self.kind.to_string(),
            size: self.size,
            sends: place < self.terms.senders,
            nudges: place == 0,
        }))
    }
}

impl Storm for Weather {
    type Row = RingRow;

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn rage(&self, dir: &Path, progress: &ProgressBar) -> Result<Result<RingRow>> {
        let ledger = Ledger::create(&home::ledger(dir))?;
        let make = Make { weather: self, dir };
        dispatch(self.kind, self.size, make)?;
        Ok(through(self, dir, &ledger, progress))
    }
}

fn through(
    weather: &Weather,
    dir: &Path,
    ledger: &Ledger,
    progress: &ProgressBar,
) -> Result<RingRow> {
    let kind = weather.kind;
    let mut plan = Plan::new(weather.terms);
    let config = Config {
        dir: dir.to_path_buf(),
        ledger,
        terms: weather.terms,
        setup: weather,
        hang_after: weather.hang_after,
        sabotage: weather.sabotage,
    };
    let mut storm = Running {
        processes: Processes::start(config, &plan.processes)
            .with_context(|| format!("{kind}, at the beginning"))?,
        weather,
        dir,
        ledger,
        name: home::ring(dir),
        books: Books::default(),
        epoch: 0,
        progress,
    };
    let mut at = (0, 0);
    let outcome = plan.try_for_each(|bout| storm.bout(&bout, &mut at));
    outcome.with_context(|| format!("{kind}, bout {}, strike {}", at.0, at.1))?;
    let end = storm.end();
    end.with_context(|| format!("{kind}, after the end of all"))
}

/// What was added up.
#[derive(Default)]
struct Books {
    figures: Figures,
    kills: u64,
    receipts: Receipts,
    lost: u64,
    redelivered: u64,
}

struct Running<'s> {
    processes: Processes<'s>,
    weather: &'s Weather,
    dir: &'s Path,
    ledger: &'s Ledger,
    name: PathBuf,
    books: Books,
    epoch: u64,
    progress: &'s ProgressBar,
}

impl Running<'_> {
    fn bout(&mut self, bout: &Bout, at: &mut (u64, usize)) -> Result<()> {
        for (index, strike) in bout.strikes.iter().enumerate() {
            *at = (bout.number, index);
            // The pool is for this many messages; a calm one to spare for each sender.
            if self.ledger.chunks() + 2 * PLACES >= super::ledger::CHUNKS {
                self.rest()?;
            }
            self.strike(strike)?;
        }
        match bout.last {
            true => Ok(()),
            false => self.rest(),
        }
    }

    fn strike(&mut self, strike: &Strike) -> Result<()> {
        let Strike {
            delay,
            blow,
            victims,
            successors,
        } = strike;
        self.processes.pass(Duration::from_micros(*delay))?;
        match *blow {
            Blow::Stop(time) => self.processes.stop(victims, Duration::from_micros(time)),
            Blow::Kill(then) => {
                self.processes.kill(victims)?;
                self.progress.inc(victims.len() as u64);
                self.processes.succeed(victims, successors)?;
                let stage = match then {
                    Await::Nothing => return Ok(()),
                    Await::Attaching => Stage::Attaching,
                    Await::Ready => Stage::Ready,
                };
                let mut successors = victims.iter().take(successors.len());
                successors.try_for_each(|&successor| self.processes.await_stage(successor, stage))
            }
        }
    }

    /// Bring everything to rest, audit it, and let it go on.
    fn rest(&mut self) -> Result<()> {
        let Terms { senders, .. } = self.weather.terms;
        let places = self.weather.terms.places();
        let epoch = self.epoch;
        let phase = |step| Phase { epoch, step };
        self.processes.resume_all()?;
        self.processes.await_all(Stage::Ready)?;
        self.ledger.forget_clock();
        for (step, places) in [
            (Step::Nudge, 0..places),
            (Step::Still, 0..senders),
            (Step::Dry, senders..places),
        ] {
            if step == Step::Dry {
                // What the dead held is given back before receivers say that there is nothing.
                self.clear_up()?;
            }
            self.ledger.set_phase(phase(step));
            self.processes.await_phase(places, phase(step))?;
        }
        self.audit()?;
        self.ledger.empty();
        self.epoch += 1;
        self.ledger.set_phase(Phase {
            epoch: self.epoch,
            step: Step::Go,
        });
        Ok(())
    }

    /// A fresh endpoint clears up after all that are dead; a single side's successor has done so.
    fn clear_up(&self) -> Result<()> {
        let Weather { kind, size, .. } = *self.weather;
        let late = Instant::now() + self.weather.hang_after;
        while let Some(dead) = self.dead()? {
            if Instant::now() >= late {
                bail!("the entry of a dead process is not cleared up: {dead:?}");
            }
            dispatch(kind, size, Probe { dir: self.dir })?;
            sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    fn dead(&self) -> Result<Option<Peer>> {
        let stats = self.inspect()?.stats;
        let mut all = stats.senders.into_iter().chain(stats.receivers);
        Ok(all.find(|peer| !peer.alive))
    }

    fn inspect(&self) -> Result<Inspection> {
        let name = self
            .name
            .to_str()
            .context("the directory's name is no text")?;
        memring::inspect(name).context("cannot look at the ring")
    }

    /// Hold the contract against the ledger.
    fn audit(&mut self) -> Result<()> {
        let stats = self.inspect()?.stats;
        let Deaths {
            kills,
            receivers,
            hands,
        } = std::mem::take(&mut self.processes.deaths);
        let about = Circumstances {
            kills,
            receivers_killed: receivers,
            dead: hands,
            discards: self.weather.on_death == OnDeath::Discard,
            lost: stats.lost.wrapping_sub(self.books.lost),
            redelivered: stats.redelivered.wrapping_sub(self.books.redelivered),
        };
        let figures =
            audit(self.ledger, self.books.receipts, &about).map_err(|what| anyhow!(what))?;
        self.books = Books {
            figures: self.books.figures.plus(figures),
            kills: self.books.kills + kills,
            receipts: Receipts::of(self.ledger),
            lost: stats.lost,
            redelivered: stats.redelivered,
        };
        Ok(())
    }

    /// All are dead, at once. What they left is there, and the ring is as good as new.
    fn end(mut self) -> Result<RingRow> {
        let Weather {
            kind,
            size,
            capacity,
            ..
        } = *self.weather;
        self.ledger.forget_clock();
        for job in [Task::Drain, Task::Fill(capacity)] {
            let successor = Successor {
                dir: self.dir,
                ledger: self.ledger,
                job,
            };
            dispatch(kind, size, successor)?;
            self.audit()?;
            self.ledger.empty();
        }
        if let Some(dead) = self.dead()? {
            bail!("the entry of a dead process is not cleared up by fresh endpoints: {dead:?}");
        }
        let files = fs::read_dir(home::rings(self.dir)).context("cannot read the directory")?;
        let names: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
        if names != ["ring"] {
            bail!("expected the ring alone in its directory, found {names:?}");
        }
        Ok(RingRow {
            kind: kind.to_string(),
            layout: self.inspect()?.layout.map(|layout| layout.to_string()),
            kills: self.books.kills,
            stops: self.processes.stops,
            longest: self.ledger.longest(),
            figures: self.books.figures,
        })
    }
}

/// Makes the ring.
struct Make<'w> {
    weather: &'w Weather,
    dir: &'w Path,
}

impl Job for Make<'_> {
    type Out = Result<()>;

    fn run<T: Load + ?Sized, K: Kind>(self) -> Result<()> {
        let name = home::ring(self.dir);
        let name = name.to_str().context("the directory's name is no text")?;
        Ring::<T, K>::builder()
            .capacity(self.weather.capacity)
            .layout(self.weather.layout)
            .message_limit(256)
            .on_receiver_death(self.weather.on_death)
            // Nothing may be dropped for having been given back often.
            .max_deliveries(MAX_DELIVERIES)
            .create(name)?;
        Ok(())
    }
}

/// Attaches to a side of many, and detaches.
struct Probe<'d> {
    dir: &'d Path,
}

impl Job for Probe<'_> {
    type Out = Result<()>;

    fn run<T: Load + ?Sized, K: Kind>(self) -> Result<()> {
        let ring = context::open::<T, K>(self.dir)?;
        match K::KIND {
            RingKind::Spsc => {} // both sides have successors
            RingKind::Spmc => drop(ring.receiver()?),
            RingKind::Mpsc | RingKind::Mpmc => drop(ring.sender()?),
        }
        Ok(())
    }
}

/// Opens the ring when all are dead.
struct Successor<'d> {
    dir: &'d Path,
    ledger: &'d Ledger,
    job: Task,
}

/// What is done then.
enum Task {
    /// Take what they left.
    Drain,
    /// Use all of its room: so many messages.
    Fill(usize),
}

impl Job for Successor<'_> {
    type Out = Result<()>;

    fn run<T: Load + ?Sized, K: Kind>(self) -> Result<()> {
        let ring = context::open::<T, K>(self.dir)?;
        // The place of no process; and no incarnation comes near this number.
        let mut receiving = Receiving::new(self.ledger, PLACES - 1);
        let mut sending = Sending::new(self.ledger, u32::MAX - 1);
        let mut rx = ring.receiver()?;
        receive::drain(&mut rx, &mut receiving)?;
        let mut tx = ring.sender()?;
        receive::drain(&mut rx, &mut receiving)?;
        let Task::Fill(capacity) = self.job else {
            return Ok(());
        };
        let room = send::fill(&mut tx, &mut sending)?;
        let received = receive::drain(&mut rx, &mut receiving)?;
        if room != capacity || received != room {
            bail!(
                "expected room for {capacity} messages in the empty ring, found room for {room}, \
                 and received {received}"
            );
        }
        Ok(())
    }
}
