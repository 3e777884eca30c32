//! A service and its workers that crash, restart, are upgraded and are removed, in each
//! order: `docs/restart.md` as a program. Run it with `cargo run --example restart`.

use std::env;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use memring::{AttachError, Mpsc, Receiver, RecvError, Ring, RingError, SendError, Sender};

type Jobs = Ring<u64, Mpsc>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NAME: &str = "jobs";
const SLOTS: usize = 16;
const A_MOMENT: Duration = Duration::from_millis(5);
const GRACE: Duration = Duration::from_millis(500);

// The service: has the ring, and does what comes.

/// The ring, whatever a predecessor has left.
fn have_ring(log: &Path) -> Result<Jobs> {
    // Workers come and go: only `Closed` and `Removed` are an end.
    let builder = Jobs::builder()
        .capacity(SLOTS)
        .wait_through_disconnect(true);
    let mut drained = None;
    loop {
        match builder.clone().open_or_create(NAME) {
            // Closed before all of it was done: its jobs come first.
            Err(RingError::Closed { messages: 1.., .. }) => {
                let old = builder.clone().open(NAME)?;
                match old.receiver() {
                    Ok(receiver) => {
                        serve(receiver, log)?;
                    }
                    // The predecessor is still doing them.
                    Err(AttachError::Occupied { .. }) => sleep(A_MOMENT),
                    Err(other) => return Err(other.into()),
                }
            }
            // Workers leave it when they find it closed, at their next send.
            Err(RingError::Closed { .. })
                if drained.get_or_insert_with(Instant::now).elapsed() < GRACE =>
            {
                sleep(A_MOMENT);
            }
            // One that is idle or stopped may not send for long. There is nothing to lose.
            Err(RingError::Closed { .. }) => return Ok(builder.recreate(NAME)?),
            other => return Ok(other?),
        }
    }
}

/// Does jobs until the ring ends; says whether it was removed.
fn serve(mut receiver: Receiver<u64, Mpsc>, log: &Path) -> Result<bool> {
    let mut log = OpenOptions::new().append(true).open(log)?;
    loop {
        match receiver.lease() {
            Ok(job) => {
                // Done, and only then acknowledged: a job is done at least once.
                log.write_all(format!("{}\n", job.read()).as_bytes())?;
                job.release();
            }
            Err(RecvError::Closed) => return Ok(false),
            Err(RecvError::Removed) => return Ok(true),
            Err(other) => return Err(other.into()),
        }
    }
}

fn service(log: &Path, upgrade: bool) -> Result<()> {
    let mut ring = match upgrade {
        // Nobody is to go on with the old ring.
        true => Jobs::builder()
            .capacity(SLOTS)
            .wait_through_disconnect(true)
            .recreate(NAME)?,
        false => have_ring(log)?,
    };
    while serve(ring.receiver()?, log)? {
        match Jobs::open(NAME) {
            // Replaced, perhaps by a ring of other messages; and so are we.
            Ok(_) | Err(RingError::Mismatch { .. }) => return Ok(()),
            Err(RingError::NotFound { .. }) => ring = have_ring(log)?,
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}

// A worker: sends, to whichever ring has the name.

/// Attaches to the ring that is open, as soon as there is one. None if it is not for this
/// worker: a service of another version has made it for other messages.
fn attach() -> Result<Option<Sender<u64, Mpsc>>> {
    loop {
        match Jobs::builder().wait_through_disconnect(true).open(NAME) {
            Ok(ring) if !ring.is_closed() => return Ok(Some(ring.sender()?)),
            Ok(_) | Err(RingError::NotFound { .. }) => sleep(A_MOMENT),
            Err(RingError::Mismatch { .. }) => return Ok(None),
            Err(other) => return Err(other.into()),
        }
    }
}

fn worker(from: u64, to: u64, pause: Duration) -> Result<()> {
    let mut sender = attach()?.ok_or("the ring is not one of jobs")?;
    for job in from..to {
        // The ring has ended: the job was not sent, and goes to the next one.
        while let Err(error) = sender.send(job) {
            match error {
                SendError::Closed(_) | SendError::Removed(_) => {
                    drop(sender);
                    sender = match attach()? {
                        Some(sender) => sender,
                        None => return Ok(()), // a worker of the new version goes on
                    };
                }
                other => return Err(other.into()),
            }
        }
        sleep(pause);
    }
    Ok(())
}

// The orders.

/// Starts the processes, and looks at what was done.
struct Script<'a> {
    log: &'a Path,
    next: u64,
}

impl Script<'_> {
    fn start(&self, args: &[&str]) -> Result<Child> {
        Ok(Command::new(env::current_exe()?)
            .arg(self.log)
            .args(args)
            .spawn()?)
    }

    fn service(&self) -> Result<Child> {
        self.start(&["service"])
    }

    /// A worker with `count` jobs of its own, so many milliseconds apart.
    fn worker(&mut self, count: u64, pause: u64) -> Result<Child> {
        let from = self.next;
        self.next += count;
        let numbers = [from, self.next, pause].map(|number| number.to_string());
        self.start(&["worker", &numbers[0], &numbers[1], &numbers[2]])
    }

    fn done(&self) -> Result<Vec<u64>> {
        let text = fs::read_to_string(self.log)?;
        let mut done: Vec<u64> = text
            .lines()
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        done.sort_unstable();
        done.dedup();
        Ok(done)
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&[u64]) -> bool) -> Result<()> {
        let late = Instant::now() + Duration::from_secs(30);
        while !is_so(&self.done()?) {
            if Instant::now() > late {
                return Err(
                    format!("{what}: {:?} of {} jobs done", self.done()?, self.next).into(),
                );
            }
            sleep(A_MOMENT);
        }
        Ok(())
    }

    /// Until as many jobs are done.
    fn some_done(&self, count: usize) -> Result<()> {
        self.wait_for("some", |done| done.len() >= count)
    }

    /// The worker ends well, and every job so far gets done.
    fn all_done(&self, order: &str, mut worker: Child) -> Result<()> {
        if !worker.wait()?.success() {
            return Err(format!("{order}: the worker failed").into());
        }
        self.wait_for(order, |done| done.iter().copied().eq(0..self.next))?;
        println!("{order}: all jobs done");
        Ok(())
    }
}

fn kill(mut child: Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn ends_well(mut child: Child) -> Result<()> {
    match child.wait()?.success() {
        true => Ok(()),
        false => Err("a service failed".into()),
    }
}

fn orders(log: &Path) -> Result<()> {
    fs::write(log, "")?;
    let script = &mut Script { log, next: 0 };

    let worker = script.worker(50, 0)?;
    sleep(10 * A_MOMENT);
    let service = script.service()?;
    script.all_done("the worker comes first", worker)?;

    let worker = script.worker(100, 1)?;
    script.some_done(70)?;
    kill(service)?;
    let service = script.service()?;
    script.all_done("the service is killed and starts again", worker)?;

    let before = script.next as usize;
    let worker = script.worker(50, 1)?;
    script.some_done(before + 20)?;
    kill(worker)?;
    // Its jobs are done up to some point; another goes on from there.
    sleep(10 * A_MOMENT);
    script.next = script.done()?.len() as u64;
    let worker = script.worker(50, 0)?;
    script.all_done("a worker is killed and another goes on", worker)?;

    let before = script.next as usize;
    let worker = script.worker(100, 1)?;
    script.some_done(before + 20)?;
    let upgraded = script.start(&["upgrade"])?;
    ends_well(service)?;
    script.all_done("the service is upgraded", worker)?;
    let service = upgraded;

    let before = script.next as usize;
    let worker = script.worker(100, 1)?;
    script.some_done(before + 20)?;
    Jobs::open(NAME)?.close()?;
    ends_well(service)?;
    let service = script.service()?;
    script.all_done("the service is shut down and starts again", worker)?;

    // Another is attached all the time, and has nothing to send.
    let before = script.next as usize;
    let idle = script.worker(1, 600_000)?;
    script.some_done(before + 1)?;
    kill(service)?;
    let mut worker = script.worker(SLOTS as u64, 0)?;
    worker.wait()?;
    Jobs::open(NAME)?.close()?;
    let worker = script.worker(50, 0)?;
    let service = script.service()?;
    script.all_done("the service dies after it has closed the ring", worker)?;
    kill(idle)?;

    let refused = Jobs::open_or_create(NAME, 2 * SLOTS);
    if !matches!(refused, Err(RingError::Mismatch { .. })) {
        return Err(format!("a ring of another capacity: {refused:?}").into());
    }

    let before = script.next as usize;
    let mut worker = script.worker(100, 1)?;
    script.some_done(before + 20)?;
    drop(Ring::<[u8], Mpsc>::recreate(NAME, SLOTS)?);
    ends_well(service)?;
    worker.wait()?;
    // The new version, for which it is: here the old one, at a ring of its own.
    memring::remove(NAME)?;
    script.next = script.done()?.len() as u64;
    let worker = script.worker(50, 0)?;
    let service = script.service()?;
    script.all_done("the messages are of another layout", worker)?;

    for (order, unlink) in [
        ("the ring is removed", false),
        ("its file is unlinked", true),
    ] {
        let before = script.next as usize;
        let worker = script.worker(100, 1)?;
        script.some_done(before + 20)?;
        match unlink {
            false => memring::remove(NAME)?,
            true => fs::remove_file(memring::directory()?.join(NAME))?,
        }
        script.all_done(order, worker)?;
    }

    Jobs::open(NAME)?.close()?;
    ends_well(service)?;
    memring::remove(NAME)?;
    Ok(())
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[1..] {
        [log, "service"] => service(log.as_ref(), false),
        [log, "upgrade"] => service(log.as_ref(), true),
        [_, "worker", from, to, pause] => worker(
            from.parse()?,
            to.parse()?,
            Duration::from_millis(pause.parse()?),
        ),
        _ => {
            let log = env::temp_dir().join(format!("restart-{}.log", std::process::id()));
            let outcome = orders(&log);
            fs::remove_file(&log)?;
            outcome
        }
    }
}
