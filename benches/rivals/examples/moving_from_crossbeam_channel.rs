//! A pool of workers, by crossbeam-channel and by memring: `docs/moving.md` shows both.

use std::error::Error;
use std::thread;
use std::time::Duration;

const TOO_LONG: Duration = Duration::from_secs(60);

fn before() -> Result<u64, Box<dyn Error + Send + Sync>> {
    use crossbeam_channel::{bounded, select};

    let (jobs_tx, jobs_rx) = bounded::<u64>(16);
    let (results_tx, results_rx) = bounded::<u64>(16);
    for _ in 0..3 {
        let (jobs, results) = (jobs_rx.clone(), results_tx.clone());
        thread::spawn(move || {
            // Until the last sender of jobs is gone.
            for job in jobs {
                results.send(job * job).expect("somebody wants the results");
            }
        });
    }
    drop((jobs_rx, results_tx)); // what is left of them is with the workers
    thread::spawn(move || {
        for job in 1..=100 {
            jobs_tx.send(job).expect("workers are there");
        }
    });
    let mut sum = 0;
    loop {
        select! {
            recv(results_rx) -> result => match result {
                Ok(result) => sum += result,
                Err(_) => return Ok(sum), // the last worker is gone
            },
            default(TOO_LONG) => return Err("no result for a minute".into()),
        }
    }
}

fn after() -> Result<u64, Box<dyn Error + Send + Sync>> {
    use memring::{Mpsc, RecvError, Spmc, channel, select};

    let (mut jobs_tx, jobs_rx) = channel::<u64, Spmc>(16)?;
    let (results_tx, mut results_rx) = channel::<u64, Mpsc>(16)?;
    for _ in 0..3 {
        let (mut jobs, mut results) = (jobs_rx.clone(), results_tx.clone());
        thread::spawn(move || {
            // Until the jobs are closed and drained.
            for job in &mut jobs {
                let job = job.expect("jobs end by `close`");
                results.send(job * job).expect("somebody wants the results");
            }
        });
    }
    drop((jobs_rx, results_tx)); // what is left of them is with the workers
    thread::spawn(move || {
        for job in 1..=100 {
            jobs_tx.send(job).expect("workers are there");
        }
        jobs_tx.close().expect("the ring is sound");
    });
    let mut sum = 0;
    loop {
        select! {
            recv(results_rx) -> result => match result {
                Ok(result) => sum += result,
                Err(RecvError::Disconnected) => return Ok(sum), // the last worker is gone
                Err(error) => return Err(error.into()),
            },
            default(TOO_LONG) => return Err("no result for a minute".into()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (before, after) = (before()?, after()?);
    assert_eq!(before, after);
    println!("before and after: {after}");
    Ok(())
}
