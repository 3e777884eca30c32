//! The worker processes: started once, given tasks, and killed whatever happens.

use std::env;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, PanicHookInfo};
use std::process::{self, Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memring_testkit::processes::tie_to_parent;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::contestant::Contestant;
use crate::control::Control;
use crate::task::{Outcome, Task};

/// Once one has failed, the others have this long to say what they know of it.
const AFTERMATH: Duration = Duration::from_secs(1);

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    /// What came of the task.
    Done(Vec<Outcome>),
    /// It went wrong.
    Failed(String),
}

/// A worker process's whole life: carry out tasks until the parent is gone. `named`: the
/// contestant of this name.
pub fn serve(named: impl Fn(&str) -> Option<&'static dyn Contestant>) -> Result<()> {
    tie_to_parent()?;
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let mut control = Control::new(stdin.into());
    // A thread that fails must not leave others waiting for it.
    let reports = control.another()?;
    panic::set_hook(Box::new(move |panic| {
        let failed = Reply::Failed(words_of(panic));
        let _ = reports.another().and_then(|mut it| it.send(&failed, &[]));
        process::exit(1);
    }));
    while let Some((task, fds)) = control.receive::<Task>()? {
        let reply = match carry_out(task, fds, &named) {
            Ok(outcomes) => Reply::Done(outcomes),
            Err(error) => Reply::Failed(format!("{error:#}")),
        };
        control.send(&reply, &[])?;
    }
    Ok(())
}

/// What a panic says, and where it was.
fn words_of(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map(|place| format!(" ({place})"));
    format!(
        "{}{}",
        words.unwrap_or("panicked"),
        place.unwrap_or_default()
    )
}

fn carry_out(
    mut task: Task,
    fds: Vec<OwnedFd>,
    named: impl Fn(&str) -> Option<&'static dyn Contestant>,
) -> Result<Vec<Outcome>> {
    let contestant = named(&task.contestant).context("there is nobody of this name")?;
    task.take(fds)?;
    contestant.play(&task)
}

/// The worker processes. Dropped: all are dead and gone.
pub struct Workers {
    members: Vec<Member>,
    timeout: Duration,
}

struct Member {
    child: Child,
    control: Control,
}

impl Drop for Member {
    fn drop(&mut self) {
        // Fails only if it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Workers {
    /// Starts so many of them: this program with `argument`, by which it calls [`serve`]. One that
    /// has not answered for `timeout` when it should have is stuck.
    pub fn start(count: usize, argument: &str, timeout: Duration) -> Result<Self> {
        let program = env::current_exe().context("cannot find this program's own file")?;
        let mut members = Vec::new();
        for _ in 0..count {
            let (ours, theirs) = UnixStream::pair().context("cannot make a Unix socket")?;
            let child = Command::new(&program)
                .arg(argument)
                .stdin(OwnedFd::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| format!("cannot start {}", program.display()))?;
            let control = Control::new(ours);
            control.set_timeout(timeout)?;
            members.push(Member { child, control });
        }
        Ok(Workers { members, timeout })
    }

    /// Has all these tasks done at once, one by each process, with these descriptors: the outcomes
    /// of all, in the same order.
    pub fn run(&mut self, tasks: &[Task], fds: &[BorrowedFd<'_>]) -> Result<Vec<Outcome>> {
        for (member, task) in self.members.iter_mut().zip(tasks) {
            member.control.send(task, fds)?;
        }
        let longest = tasks.iter().map(|task| task.millis).max();
        let longest = Duration::from_millis(2 * longest.unwrap_or_default());
        let outcomes = self.gather(tasks, self.timeout + longest)?;
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// What came of each task. An error names all processes that failed: when one fails, others
    /// may do so for want of a partner.
    fn gather(&mut self, tasks: &[Task], timeout: Duration) -> Result<Vec<Vec<Outcome>>> {
        let mut replies: Vec<Option<Vec<Outcome>>> = tasks.iter().map(|_| None).collect();
        let mut failures: Vec<(usize, String)> = Vec::new();
        let mut end = Instant::now() + timeout;
        loop {
            let failed = |at: usize| failures.iter().any(|(index, _)| *index == at);
            let waiting: Vec<usize> = (0..tasks.len())
                .filter(|&at| replies[at].is_none() && !failed(at))
                .collect();
            let left = end.saturating_duration_since(Instant::now());
            if waiting.is_empty() {
                break;
            }
            if left.is_zero() {
                if failures.is_empty() {
                    let late = waiting
                        .iter()
                        .map(|&at| (at, "it did not answer in time".to_owned()));
                    failures.extend(late);
                }
                break;
            }
            for at in self.heard(&waiting, left)? {
                match self.members[at].answer() {
                    Ok(Reply::Failed(reason)) => failures.push((at, reason)),
                    Ok(Reply::Done(outcomes)) => replies[at] = Some(outcomes),
                    Err(error) => failures.push((at, format!("{error:#}"))),
                }
            }
            if !failures.is_empty() {
                end = end.min(Instant::now() + AFTERMATH);
            }
        }
        if failures.is_empty() {
            return Ok(replies.into_iter().flatten().collect());
        }
        let failures: Vec<String> = failures
            .iter()
            .map(|(at, what)| format!("{}: {what}", tasks[*at].role()))
            .collect();
        bail!("{}", failures.join("; "))
    }

    /// Wait until some of the processes that are waited for have something to say: which.
    fn heard(&self, waiting: &[usize], left: Duration) -> Result<Vec<usize>> {
        let fds = waiting.iter().map(|&at| &self.members[at].control);
        let mut fds: Vec<_> = fds
            .map(|control| PollFd::new(control, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&left.try_into()?)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the measuring processes"),
        }
        let ready = waiting
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(&at, _)| at).collect())
    }
}

impl Member {
    fn answer(&mut self) -> Result<Reply> {
        if let Some((reply, _)) = self.control.receive()? {
            return Ok(reply);
        }
        let status = self.child.wait()?;
        let mut last_words = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut last_words)?;
        }
        bail!("it died ({status}) {}", last_words.trim())
    }
}
