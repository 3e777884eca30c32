//! A pool of workers, by crossbeam-channel and by memring: `docs/moving.md` shows both.

use std::error::Error;
use std::thread;

fn before() -> Result<u64, Box<dyn Error + Send + Sync>> {
    use crossbeam_channel::bounded;

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
    // Until the last worker is gone.
    Ok(results_rx.iter().sum())
}

fn after() -> Result<u64, Box<dyn Error + Send + Sync>> {
    use memring::{Mpsc, RecvError, Spmc, channel};

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
        match results_rx.recv() {
            Ok(result) => sum += result,
            Err(RecvError::Disconnected) => return Ok(sum), // the last worker is gone
            Err(error) => return Err(error.into()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (before, after) = (before()?, after()?);
    assert_eq!(before, after);
    println!("before and after: {after}");
    Ok(())
}
