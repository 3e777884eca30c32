//! The child processes, as the parent holds them: started once, pinned, given parts, and killed
//! whatever happens.

use std::env;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::control::{Control, Order, Outcome, Reply, Role, Task};

/// A child that has not answered this long after it should have is stuck. Far longer than any
/// machine needs, however busy.
const PATIENCE: Duration = Duration::from_secs(15);
/// Once one has failed, the others have this long to say what they know of it.
const AFTERMATH: Duration = Duration::from_secs(1);

/// The children. Dropped: all are dead and gone.
pub struct Processes {
    members: Vec<Member>,
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

/// Work for one child: its number, its task, its descriptors.
pub type Work = (usize, Task, Vec<OwnedFd>);

impl Processes {
    /// Start `count` children; child i runs on CPU `cpus[i % cpus.len()]`, if there are any.
    pub fn start(count: usize, cpus: &[usize]) -> Result<Self> {
        let program = env::current_exe().context("cannot find this program's own file")?;
        let mut processes = Processes {
            members: Vec::new(),
        };
        for index in 0..count {
            let (ours, theirs) = UnixStream::pair().context("cannot make a Unix socket")?;
            let child = Command::new(&program)
                .arg("bench-peer")
                .stdin(OwnedFd::from(theirs))
                .stdout(Stdio::null())
                .spawn()
                .with_context(|| format!("cannot start {}", program.display()))?;
            let mut member = Member {
                child,
                control: Control::new(ours),
            };
            member.control.patience(PATIENCE)?;
            if !cpus.is_empty() {
                member
                    .control
                    .send(&Order::Pin(cpus[index % cpus.len()]), &[])?;
                match member.answer()? {
                    Reply::Ready => {}
                    Reply::Failed(reason) => bail!("{reason}"),
                    Reply::Done(_) => bail!("a measuring process spoke out of turn"),
                }
            }
            processes.members.push(member);
        }
        Ok(processes)
    }

    /// Have all this work done at once: the outcomes, in the same order.
    pub fn run(&mut self, work: Vec<Work>) -> Result<Vec<Outcome>> {
        for (index, task, fds) in &work {
            let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            self.members[*index]
                .control
                .send(&Order::Prepare(*task), &borrowed)?;
        }
        let parts: Vec<(usize, Task)> = work.iter().map(|part| (part.0, part.1)).collect();
        for reply in self.gather(&parts, PATIENCE)? {
            if !matches!(reply, Reply::Ready) {
                bail!("a measuring process spoke out of turn");
            }
        }
        // The children have descriptors of their own now. Ours must not keep a stream open.
        drop(work);
        let mut longest = Duration::ZERO;
        for (index, task) in &parts {
            self.members[*index].control.send(&Order::Go, &[])?;
            longest = longest.max(Duration::from_millis(task.millis));
        }
        let replies = self.gather(&parts, PATIENCE + longest)?;
        let outcomes = replies.into_iter().map(|reply| match reply {
            Reply::Done(outcome) => Ok(outcome),
            _ => bail!("a measuring process spoke out of turn"),
        });
        outcomes.collect()
    }

    /// Everybody's next reply, in the order of `parts`. An error names all that failed: when one
    /// fails, others may do so for want of a partner.
    fn gather(&mut self, parts: &[(usize, Task)], patience: Duration) -> Result<Vec<Reply>> {
        let mut replies: Vec<Option<Reply>> = parts.iter().map(|_| None).collect();
        let mut failures: Vec<(usize, String)> = Vec::new();
        let mut end = Instant::now() + patience;
        loop {
            let failed = |at: usize| failures.iter().any(|(index, _)| *index == at);
            let waiting: Vec<usize> = (0..parts.len())
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
            for at in self.heard(parts, &waiting, left)? {
                match self.members[parts[at].0].answer() {
                    Ok(Reply::Failed(reason)) => failures.push((at, reason)),
                    Ok(reply) => replies[at] = Some(reply),
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
            .map(|(at, what)| format!("{}: {what}", who(&parts[*at].1)))
            .collect();
        bail!("{}", failures.join("; "))
    }

    /// Wait until some of those that are waited for have something to say: which.
    fn heard(
        &self,
        parts: &[(usize, Task)],
        waiting: &[usize],
        left: Duration,
    ) -> Result<Vec<usize>> {
        let fds = waiting.iter().map(|&at| &self.members[parts[at].0].control);
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
        match self.control.receive()? {
            Some((reply, _)) => Ok(reply),
            None => bail!("it died ({})", self.child.wait()?),
        }
    }
}

/// Who has this task.
fn who(task: &Task) -> &'static str {
    match task.role {
        Role::Send { .. } => "the sending process",
        Role::Receive { .. } => "the receiving process",
        Role::Ping => "the process that times round trips",
        Role::Echo => "the echoing process",
    }
}
