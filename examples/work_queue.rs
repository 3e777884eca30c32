//! A work queue that survives its workers. Run it with
//! `cargo run --example work_queue`.
//!
//! Jobs go through a ring with many senders and many receivers, answers come
//! back through a ring with many senders and one receiver. A worker *leases* a
//! job and releases it when the answer is sent. Here worker 0 takes a job and
//! hangs; it is killed, as the out-of-memory killer might; and its job is done
//! by another worker, marked as redelivered. No time-out decides that worker 0
//! is dead: the kernel drops its lock, and the others see that.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use memring::{Mpmc, Mpsc, RecvError, Ring, RingBuilder};

const JOBS: u64 = 500;
const WORKERS: u64 = 4;

memring::schema! {
    /// Count the primes below `limit`.
    #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Job {
        id: u64,
        limit: u64,
    }

    /// What a worker reports.
    #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Report {
        worker: u64,
        job: u64,
        /// How often the job had been given back before.
        redeliveries: u64,
        /// [`HANGING`], or the number of primes.
        answer: u64,
    }
}

fn jobs() -> RingBuilder<Job, Mpmc> {
    Ring::builder().capacity(1024).schema_of::<Job>()
}

fn reports() -> RingBuilder<Report, Mpsc> {
    Ring::builder().capacity(1024).schema_of::<Report>()
}

/// In place of an answer: the worker will never give one.
const HANGING: u64 = u64::MAX;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    match &arguments[..] {
        [_, jobs, reports, worker] => work(jobs, reports, worker.parse()?),
        _ => supervise(),
    }
}

fn supervise() -> Result<(), Box<dyn Error>> {
    let queue = format!("work-queue-{}-jobs", std::process::id());
    let answers = format!("work-queue-{}-reports", std::process::id());
    let jobs = jobs().create(&queue)?;
    let reports = reports().create(&answers)?;
    let mut workers = Vec::new();
    let outcome = run(&jobs, &reports, &mut workers, |worker: u64| {
        Command::new(env::current_exe()?)
            .args([&queue, &answers, &worker.to_string()])
            .spawn()
    });
    // Remove both rings, whatever came of it.
    jobs.close()?;
    memring::remove(&queue)?;
    memring::remove(&answers)?;
    for (number, worker) in workers.iter_mut().enumerate() {
        if outcome.is_err() {
            worker.kill()?;
        }
        let status = worker.wait()?;
        if number > 0 && outcome.is_ok() && !status.success() {
            return Err(format!("worker {number} failed: {status}").into());
        }
    }
    outcome
}

fn run(
    jobs: &Ring<Job, Mpmc>,
    reports: &Ring<Report, Mpsc>,
    workers: &mut Vec<Child>,
    spawn: impl Fn(u64) -> std::io::Result<Child>,
) -> Result<(), Box<dyn Error>> {
    let mut inbox = reports.receiver()?;
    let mut sender = jobs.sender()?;
    let all: Vec<Job> = (0..JOBS)
        .map(|id| Job {
            id,
            limit: 1000 + id,
        })
        .collect();
    sender.send_slice(&all)?;

    workers.push(spawn(0)?);
    let taken = inbox.recv()?;
    println!("worker {} holds job {} and hangs", taken.worker, taken.job);
    for worker in 1..WORKERS {
        workers.push(spawn(worker)?);
    }

    let mut done = HashMap::new();
    while done.len() + 1 < JOBS as usize {
        let report = inbox.recv()?;
        check(&report, 0)?;
        done.insert(report.job, report.worker);
    }
    // A process that merely hangs keeps what it holds, for any length of time.
    if done.contains_key(&taken.job) {
        return Err("a job was taken from a worker that is alive".into());
    }
    println!("all other jobs are done; killing worker 0");
    workers[0].kill()?;
    let report = inbox.recv()?;
    check(&report, 1)?;
    if report.job != taken.job {
        return Err(format!("expected job {}, found {}", taken.job, report.job).into());
    }
    println!("worker {} did job {} instead", report.worker, report.job);

    // Only now: a worker that sees the end of the ring exits, and a job that another
    // worker still holds may come back.
    jobs.close()?;
    let stats = jobs.stats();
    if (stats.redelivered, stats.lost) != (1, 0) {
        return Err(format!("{} redelivered, {} lost", stats.redelivered, stats.lost).into());
    }
    println!("{JOBS} jobs, 1 redelivered, none lost");
    Ok(())
}

fn check(report: &Report, redeliveries: u64) -> Result<(), Box<dyn Error>> {
    if report.answer != primes_below(1000 + report.job) || report.redeliveries != redeliveries {
        let Report { worker, job, .. } = report;
        return Err(format!("a wrong report of worker {worker} on job {job}").into());
    }
    Ok(())
}

/// A worker process.
fn work(queue: &str, answers: &str, worker: u64) -> Result<(), Box<dyn Error>> {
    let mut inbox = jobs().open(queue)?.receiver()?;
    let mut reports = reports().open(answers)?.sender()?;
    loop {
        let lease = match inbox.lease() {
            Ok(lease) => lease,
            Err(RecvError::Closed) => return Ok(()), // the work is done
            Err(error) => return Err(error.into()),
        };
        let job = lease.read();
        let mut report = Report {
            worker,
            job: job.id,
            redeliveries: lease.redeliveries().into(),
            answer: HANGING,
        };
        if worker == 0 {
            reports.send(report)?;
            // Long past the end of this example; killed before.
            thread::sleep(Duration::from_secs(60));
            return Err("worker 0 was not killed".into());
        }
        report.answer = primes_below(job.limit);
        reports.send(report)?; // an error gives the job back: the lease is dropped
        lease.release(); // done, and only now acknowledged
    }
}

fn primes_below(limit: u64) -> u64 {
    let is_prime = |n: &u64| {
        (2..)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..limit).filter(is_prime).count() as u64
}
