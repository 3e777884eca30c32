//! Measures one thing once: makes the links, starts the processes, puts their outcomes together.

use std::env;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::board::{Board, TIMEOUT};
use crate::contestant::{Contestant, Home};
use crate::task::{Outcome, Quantity, Task};

/// The hidden command by which a process becomes a worker.
pub const WORK: &str = "work";

/// What one measurement came to.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Messages a second, or nanoseconds.
    pub value: f64,
    /// Of times: the percentiles.
    pub times: Vec<f64>,
}

/// A directory in shared memory that goes with this value.
pub struct Place {
    path: PathBuf,
    count: u64,
}

impl Place {
    /// Make one.
    pub fn make() -> Result<Self> {
        let path = PathBuf::from(format!("/dev/shm/memring-rivals-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Place { path, count: 0 })
    }

    fn next(&mut self) -> Result<PathBuf> {
        self.count += 1;
        let path = self.path.join(self.count.to_string());
        fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Killed and gone when dropped.
struct Worker {
    child: Child,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measure `quantity` of `contestant` once.
pub fn measure(
    contestant: &dyn Contestant,
    quantity: Quantity,
    millis: u64,
    most: u64,
    cpus: &[usize],
    place: &mut Place,
) -> Result<Figure> {
    let place = place.next()?;
    let figure = measure_at(contestant, quantity, millis, most, cpus, &place);
    let _ = fs::remove_dir_all(&place);
    figure.with_context(|| format!("{}, {quantity}", contestant.name()))
}

fn measure_at(
    contestant: &dyn Contestant,
    quantity: Quantity,
    millis: u64,
    most: u64,
    cpus: &[usize],
    place: &Path,
) -> Result<Figure> {
    Board::make(place)?;
    let mut task = Task {
        contestant: contestant.name().to_owned(),
        quantity,
        millis,
        most,
        place: place.to_owned(),
        cpus: cpus.to_vec(),
        worker: None,
        fds: Vec::new(),
    };
    let made = contestant.make(&task)?;
    task.fds = made.iter().map(|made| made.numbers()).collect();
    for fd in made.iter().flat_map(|made| &made.fds) {
        inherit(fd)?;
    }
    let workers = match contestant.home() {
        Home::Threads => vec![None],
        Home::Processes => (0..quantity.workers()).map(Some).collect(),
    };
    let mut running = Vec::new();
    for worker in workers {
        task.worker = worker;
        let child = Command::new(env::current_exe()?)
            .arg(WORK)
            .arg(serde_json::to_string(&task)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a process")?;
        running.push(Worker { child });
    }
    let keep: Vec<_> = made.into_iter().map(|made| made.keep).collect();
    let limit = TIMEOUT + Duration::from_millis(2 * millis);
    let outcomes = gather(&mut running, limit)?;
    drop(keep);
    figure(quantity, &outcomes)
}

/// Let children have it. The numbers stay the same.
fn inherit(fd: &OwnedFd) -> Result<()> {
    Ok(fcntl_setfd(fd.as_fd(), FdFlags::empty())?)
}

/// Wait for all of them. When one fails, the others are not waited for.
fn gather(running: &mut [Worker], limit: Duration) -> Result<Vec<Outcome>> {
    let begun = Instant::now();
    let mut open: Vec<usize> = (0..running.len()).collect();
    let mut outcomes = vec![Vec::new(); running.len()];
    while !open.is_empty() {
        let mut still = Vec::new();
        for at in open {
            let child = &mut running[at].child;
            let Some(status) = child.try_wait()? else {
                still.push(at);
                continue;
            };
            let (mut said, mut moaned) = (String::new(), String::new());
            if let (Some(out), Some(err)) = (&mut child.stdout, &mut child.stderr) {
                out.read_to_string(&mut said)?;
                err.read_to_string(&mut moaned)?;
            }
            if !status.success() {
                bail!("a process failed ({status}): {}", moaned.trim());
            }
            outcomes[at] =
                serde_json::from_str(&said).context("a process did not print an outcome")?;
        }
        open = still;
        if begun.elapsed() > limit {
            bail!("it did not end in time");
        }
        if !open.is_empty() {
            thread::sleep(Duration::from_micros(500));
        }
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// What the outcomes of all workers come to.
fn figure(quantity: Quantity, outcomes: &[Outcome]) -> Result<Figure> {
    let (mut sent, mut received, mut timed) = (0, 0, 0);
    let (mut begin, mut end) = (u64::MAX, 0);
    let mut rate = 0.0;
    for outcome in outcomes {
        match outcome {
            Outcome::Sent(count) => sent += count,
            Outcome::Received {
                count,
                timed: within,
                from,
                to,
            } => {
                received += count;
                timed += within;
                if *within > 0 {
                    begin = begin.min(*from);
                    end = end.max(*to);
                }
            }
            Outcome::Times { middle, at } => {
                return Ok(Figure {
                    value: *middle,
                    times: at.clone(),
                });
            }
            Outcome::Done { count, nanos } => rate += *count as f64 * 1e9 / *nanos as f64,
        }
    }
    if sent != received {
        bail!("mismatch: {sent} messages were sent, {received} received");
    }
    if rate > 0.0 && quantity.is_rate() {
        return Ok(Figure {
            value: rate,
            times: Vec::new(),
        });
    }
    if !quantity.is_rate() || end <= begin {
        bail!("too few messages came to be timed");
    }
    Ok(Figure {
        value: timed as f64 * 1e9 / (end - begin) as f64,
        times: Vec::new(),
    })
}
