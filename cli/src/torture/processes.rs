//! The processes of the storm, as their parent holds them: started, struck, replaced, and killed
//! whatever happens.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::home;
use super::ledger::{Hands, Ledger, Phase, Stage};
use super::order::{Assignment, Order, Sabotage};
use super::plan::{Terms, Traffic};
use memring_testkit::time::now;

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_micros(50);
/// Between two looks at the processes that are not struck.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// The number of SIGKILL.
const KILLED: i32 = 9;

/// What the processes are there for.
pub trait Setup {
    /// What the process of a place is told.
    fn order(&self, assignment: Assignment) -> Order;

    /// This incarnation of the process at a place is killed next.
    fn before_kill(&self, _place: usize, _incarnation: u32) {}

    /// It is dead, and has no successor yet.
    fn after_death(&self, _place: usize) {}
}

/// What starts the processes and watches them.
pub struct Config<'l> {
    /// The run's directory.
    pub dir: PathBuf,
    /// The run's ledger.
    pub ledger: &'l Ledger,
    /// Target, seed, and numbers of processes.
    pub terms: Terms,
    /// What the processes are there for.
    pub setup: &'l dyn Setup,
    /// A process that is not where it should be after this long hangs.
    pub hang_after: Duration,
    /// What the first sender does that it must not.
    pub sabotage: Option<Sabotage>,
}

/// The processes. Dropped: all are dead and gone.
pub struct Processes<'l> {
    config: Config<'l>,
    program: PathBuf,
    places: Vec<Place>,
    incarnations: u32,
    checked: Instant,
    /// Kills, of receivers among them, and what these held: since the last audit.
    pub deaths: Deaths,
    /// Stops, of all time.
    pub stops: u64,
}

/// What kills have done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaths {
    /// All.
    pub kills: u64,
    /// Those of receivers.
    pub receivers: u64,
    /// What these held.
    pub hands: Hands,
}

struct Place {
    /// None at the very end.
    child: Option<Child>,
    incarnation: u32,
    /// Until when it is stopped.
    stopped: Option<Instant>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Fails only if it is dead already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl<'l> Processes<'l> {
    /// Start all processes, and wait until they have attached.
    pub fn start(config: Config<'l>, processes: &[Traffic]) -> Result<Self> {
        let mut all = Processes {
            program: env::current_exe().context("cannot find this program's own file")?,
            config,
            places: Vec::new(),
            incarnations: 0,
            checked: Instant::now(),
            deaths: Deaths::default(),
            stops: 0,
        };
        for (place, traffic) in processes.iter().enumerate() {
            let started = all.spawn(place, *traffic)?;
            all.places.push(started);
        }
        all.await_all(Stage::Ready)?;
        Ok(all)
    }

    fn spawn(&mut self, place: usize, traffic: Traffic) -> Result<Place> {
        let config = &self.config;
        let incarnation = self.incarnations;
        self.incarnations += 1;
        config.ledger.set_hands(place, Hands::default());
        let order = config.setup.order(Assignment {
            dir: config.dir.clone(),
            place,
            incarnation,
            traffic,
            // Its successors too: the first one may be killed before it has broken anything.
            sabotage: config.sabotage.filter(|_| place == 0),
            parent: process::id() as i32,
        });
        let said = home::said(&config.dir);
        let said = File::options().create(true).append(true).open(&said);
        let child = Command::new(&self.program)
            .arg("torture-peer")
            .arg(serde_json::to_string(&order)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.context("cannot make a file for errors")?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok(Place {
            child: Some(child),
            incarnation,
            stopped: None,
        })
    }

    /// Kill these, all before a successor starts.
    pub fn kill(&mut self, victims: &[usize]) -> Result<()> {
        if self.places.iter().all(|place| place.stopped.is_none()) {
            self.config.ledger.start_clock(now());
        }
        for &victim in victims {
            let incarnation = self.places[victim].incarnation;
            self.config.setup.before_kill(victim, incarnation);
            self.signal(victim, Signal::KILL)?;
        }
        for &victim in victims {
            let place = &mut self.places[victim];
            let Some(mut child) = place.child.take() else {
                continue;
            };
            let status = child.wait().context("cannot wait for a process")?;
            if status.signal() != Some(KILLED) {
                return Err(self.ended(victim, child.id(), &status.to_string()));
            }
            place.stopped = None;
            self.config.setup.after_death(victim);
            self.deaths.kills += 1;
            if victim >= self.config.terms.senders {
                let hands = self.config.ledger.hands(victim);
                self.deaths.receivers += 1;
                self.deaths.hands.received += hands.received;
                self.deaths.hands.leased += hands.leased;
                self.deaths.hands.releasing += hands.releasing;
            }
        }
        Ok(())
    }

    /// Start the successors of the killed.
    pub fn succeed(&mut self, victims: &[usize], successors: &[Traffic]) -> Result<()> {
        for (&victim, successor) in victims.iter().zip(successors) {
            self.places[victim] = self.spawn(victim, *successor)?;
        }
        Ok(())
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The places of processes that are alive, be they stopped.
    pub fn left(&self) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        let left = places.filter(|(_, place)| place.child.is_some());
        left.map(|(place, _)| place).collect()
    }

    /// Stop these until then.
    pub fn stop(&mut self, victims: &[usize], time: Duration) -> Result<()> {
        self.config.ledger.forget_clock();
        let until = Instant::now() + time;
        for &victim in victims {
            self.signal(victim, Signal::STOP)?;
            let stopped = &mut self.places[victim].stopped;
            *stopped = (*stopped).max(Some(until));
            self.stops += 1;
        }
        Ok(())
    }

    /// Let the processes go on whose time has come.
    fn resume_due(&mut self, now: Instant) -> Result<()> {
        for place in 0..self.places.len() {
            if self.places[place].stopped.is_some_and(|until| until <= now) {
                self.signal(place, Signal::CONT)?;
                self.places[place].stopped = None;
            }
        }
        Ok(())
    }

    /// Let all processes go on.
    pub fn resume_all(&mut self) -> Result<()> {
        for place in &mut self.places {
            place.stopped = place.stopped.map(|_| self.checked);
        }
        self.resume_due(Instant::now())
    }

    fn signal(&self, place: usize, signal: Signal) -> Result<()> {
        let Some(child) = &self.places[place].child else {
            return Ok(());
        };
        let pid = Pid::from_raw(child.id() as i32).context("a process without a number")?;
        kill_process(pid, signal).context("cannot signal a process")
    }

    /// Let the storm go on for so long.
    pub fn pass(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let now = Instant::now();
            self.resume_due(now)?;
            self.check_if_due(now)?;
            let due = self.places.iter().filter_map(|place| place.stopped);
            match due.chain([end]).min() {
                _ if now >= end => return Ok(()),
                Some(next) => sleep(next.saturating_duration_since(now).min(CHECK_INTERVAL)),
                None => return Ok(()),
            }
        }
    }

    /// Wait until the process at this place is so far.
    pub fn await_stage(&mut self, place: usize, stage: Stage) -> Result<()> {
        let incarnation = self.places[place].incarnation;
        self.wait(place, "attached", |ledger| {
            ledger.has_reached(place, incarnation, stage)
        })
    }

    /// Wait until all processes are so far.
    pub fn await_all(&mut self, stage: Stage) -> Result<()> {
        (0..self.places.len()).try_for_each(|place| self.await_stage(place, stage))
    }

    /// Wait until the processes at these places have seen to this phase.
    pub fn await_phase(&mut self, places: std::ops::Range<usize>, phase: Phase) -> Result<()> {
        for place in places {
            self.wait(place, "come to rest", |ledger| {
                ledger.has_seen(place, phase)
            })?;
        }
        Ok(())
    }

    fn wait(&mut self, place: usize, what: &str, is_so: impl Fn(&Ledger) -> bool) -> Result<()> {
        let mut before = Instant::now();
        let mut waited = Duration::ZERO;
        while !is_so(self.config.ledger) {
            let now = Instant::now();
            self.resume_due(now)?;
            self.check_if_due(now)?;
            // Ctrl-Z stops all of us: that is no waiting.
            waited += (now - before).min(CHECK_INTERVAL);
            before = now;
            if waited >= self.config.hang_after {
                bail!(
                    "{} has not {what} within {} s: it hangs",
                    self.who(place),
                    self.config.hang_after.as_secs_f64()
                );
            }
            sleep(LOOK);
        }
        Ok(())
    }

    /// Has a process seen what must not be, or ended by itself?
    fn check_if_due(&mut self, now: Instant) -> Result<()> {
        if now.saturating_duration_since(self.checked) < CHECK_INTERVAL {
            return Ok(());
        }
        self.checked = now;
        for place in 0..self.places.len() {
            let Some(child) = &mut self.places[place].child else {
                continue;
            };
            if let Some(status) = child.try_wait().context("cannot look at a process")? {
                let pid = child.id();
                self.places[place].child = None;
                return Err(self.ended(place, pid, &status.to_string()));
            }
        }
        match self.config.ledger.accusation() {
            Some(accusation) => Err(anyhow!("{accusation}")),
            None => Ok(()),
        }
    }

    /// A process that ended by itself.
    fn ended(&self, place: usize, pid: u32, status: &str) -> anyhow::Error {
        let said = fs::read_to_string(home::said(&self.config.dir)).unwrap_or_default();
        let said = said.lines().next().unwrap_or("and said nothing");
        let name = self.config.terms.name(place);
        match self.config.ledger.accusation() {
            Some(accusation) => anyhow!("{accusation} (reported by {name})"),
            None => anyhow!("{name} (process {pid}) ended by itself, {status}: {said}"),
        }
    }

    fn who(&self, place: usize) -> String {
        let pid = self.places[place].child.as_ref().map_or(0, Child::id);
        let name = self.config.terms.name(place);
        format!("{name} (process {pid})")
    }
}
