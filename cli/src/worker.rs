//! Threads that do a part of a command.

use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result, anyhow};

/// A thread whose panic is an error of the command: a part of its work was not done.
pub struct Worker {
    thread: JoinHandle<()>,
    task: &'static str,
}

impl Worker {
    /// Starts it. `task`: what it does, in the words of a complaint.
    pub fn start(task: &'static str, run: impl FnOnce() + Send + 'static) -> Result<Worker> {
        let thread = Builder::new().name(task.into()).spawn(run);
        let thread = thread.context("cannot start a thread")?;
        Ok(Worker { thread, task })
    }

    /// Waits until it has ended.
    pub fn finish(self) -> Result<()> {
        let task = self.task;
        let ended = self.thread.join();
        ended.map_err(|_| {
            anyhow!(
                "the thread that was to {task} has panicked: not all was done; please report it"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let done = Worker::start("do its work", || ()).expect("start");
        done.finish().expect("it has");
        let panicked = Worker::start("do its work", || panic!("on purpose")).expect("start");
        let error = panicked.finish().expect_err("it has not");
        assert!(error.to_string().contains("do its work"), "{error}");
    }
}
