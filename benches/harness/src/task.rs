//! What is measured, and one process's part in it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::message::Total;
use crate::times::{Interval, Times};

/// Messages a call, where they go in batches.
pub const BATCH: usize = 32;
/// Slots of every queue, if messages are small.
pub const SLOTS: usize = 1024;
/// Bytes of a queue of large messages.
pub const BYTES: usize = 256 << 10;
/// But never fewer slots than this.
const LEAST_SLOTS: usize = 64;

/// How messages go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// One call and one publication a message.
    Single,
    /// In batches of [`BATCH`].
    Batch,
    /// Written and read where they lie; one publication a message.
    InPlace,
}

/// How an end of a round trip waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// By polling.
    Spin,
    /// By polling for a while, then sleeping: the default of most blocking calls.
    Park,
    /// By sleeping at once.
    Sleep,
}

/// Whether there is anything to wait for, where futures or many queues are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// No: messages are at hand.
    Ready,
    /// Yes, and for so long that the end that waits sleeps.
    Asleep,
}

/// Receivers that wait idly, as futures.
pub const CROWD: usize = 1000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Messages a second from one sender to one receiver.
    Spsc(usize, Way),
    /// The same from so many senders to so many receivers, of 8 bytes.
    Mpmc(usize, usize),
    /// The time of a round trip.
    Trip(usize, Wait),
    /// The time of a round trip by sleeping, on so many CPUs.
    Sleep(usize),
    /// The time from sending until a receiver that slept has the message.
    Wake,
    /// Processor time of a receiver for which nothing comes.
    Idle,
    /// The time of opening and attaching.
    Attach,
    /// Receiving from whichever of so many queues has a message: messages a second, or the time
    /// of a round trip to an end that sleeps at all of them.
    Select(usize, Rest),
    /// The time of a round trip by futures.
    Async(Rest),
    /// Processor time a second of [`CROWD`] futures that wait, each at a queue of its own.
    AsyncIdle,
    /// Locking and unlocking: the time it takes one, how often a second several do it together.
    Lock(usize),
    /// The time of reading a shared value of 64 bytes.
    Load,
    /// The time of a call, with so many bytes each way.
    Call(usize, Wait),
    /// Calls a second of so many clients to so many servers, of 8 bytes.
    Calls(usize, usize),
}

impl Quantity {
    /// All that is measured, in the order of the report.
    pub fn all() -> Vec<Quantity> {
        let mut all = Vec::new();
        for size in [8, 16, 24, 32, 56, 64, 256, 1024, 4096] {
            for way in [Way::Single, Way::Batch, Way::InPlace] {
                all.push(Quantity::Spsc(size, way));
            }
        }
        for (senders, receivers) in [(1, 1), (2, 2), (4, 4), (1, 4), (4, 1)] {
            all.push(Quantity::Mpmc(senders, receivers));
        }
        for wait in [Wait::Spin, Wait::Park] {
            for size in [8, 56, 64] {
                all.push(Quantity::Trip(size, wait));
            }
        }
        all.extend([Quantity::Sleep(2), Quantity::Sleep(1)]);
        all.extend([Quantity::Wake, Quantity::Idle, Quantity::Attach]);
        for rest in [Rest::Ready, Rest::Asleep] {
            all.extend([1, 8, 64].map(|queues| Quantity::Select(queues, rest)));
        }
        all.extend([Rest::Ready, Rest::Asleep].map(Quantity::Async));
        all.push(Quantity::AsyncIdle);
        all.extend([1, 2, 4].map(Quantity::Lock));
        all.push(Quantity::Load);
        for wait in [Wait::Spin, Wait::Park] {
            all.extend([8, 64, 4096].map(|size| Quantity::Call(size, wait)));
        }
        all.push(Quantity::Calls(4, 2));
        all
    }

    /// The quantity of this name.
    pub fn named(name: &str) -> Option<Quantity> {
        // Those that are in no report: of any number of senders and receivers, and by sleeping.
        let sides = name.strip_prefix("mpmc-").and_then(|it| it.split_once('x'));
        let sides = sides.and_then(|(senders, receivers)| {
            let (senders, receivers) = (senders.parse().ok()?, receivers.parse().ok()?);
            Some(Quantity::Mpmc(senders, receivers))
        });
        let asleep = [8, 56, 64].map(|size| Quantity::Trip(size, Wait::Sleep));
        let mut all = Quantity::all().into_iter().chain(asleep).chain(sides);
        all.find(|quantity| quantity.to_string() == name)
    }

    /// Bytes of a message.
    pub fn size(self) -> usize {
        match self {
            Quantity::Spsc(size, _) | Quantity::Trip(size, _) | Quantity::Call(size, _) => size,
            _ => 8,
        }
    }

    /// Whether more is better: a rate; all else are times.
    pub fn is_rate(self) -> bool {
        matches!(
            self,
            Quantity::Spsc(..)
                | Quantity::Mpmc(..)
                | Quantity::Select(_, Rest::Ready)
                | Quantity::Lock(2..)
                | Quantity::Calls(..)
        )
    }

    /// Rounds that are enough, however many there are: these take long.
    pub fn most_rounds(self) -> usize {
        match self {
            Quantity::Idle => 1,
            Quantity::AsyncIdle => 3,
            _ => usize::MAX,
        }
    }

    /// Senders and receivers of one link.
    pub fn ends(self) -> (usize, usize) {
        match self {
            Quantity::Mpmc(senders, receivers) | Quantity::Calls(senders, receivers) => {
                (senders, receivers)
            }
            _ => (1, 1),
        }
    }

    /// Links in the direction of the first messages.
    pub fn queues(self) -> usize {
        match self {
            Quantity::Select(queues, _) => queues,
            _ => 1,
        }
    }

    /// All links.
    pub fn links(self) -> usize {
        self.queues() + usize::from(self.is_trip())
    }

    /// Whether messages leave in the order in which they were sent, all of them.
    pub fn is_in_order(self) -> bool {
        self.ends() == (1, 1) && self.queues() == 1
    }

    /// Whether there is a link each way.
    pub fn is_trip(self) -> bool {
        matches!(self, Quantity::Trip(..) | Quantity::Sleep(_)) || self.is_to_sleeper()
    }

    /// Whether a round trip begins when the other end sleeps.
    pub fn is_to_sleeper(self) -> bool {
        matches!(
            self,
            Quantity::Select(_, Rest::Asleep) | Quantity::Async(Rest::Asleep)
        )
    }

    /// Processes or threads that take part.
    pub fn workers(self) -> usize {
        match self {
            Quantity::Attach | Quantity::Async(Rest::Ready) | Quantity::AsyncIdle => 1,
            Quantity::Load => 1,
            Quantity::Lock(workers) => workers,
            _ => self.ends().0 + self.ends().1,
        }
    }

    /// How an end waits, where it is told.
    pub fn wait(self) -> Wait {
        match self {
            Quantity::Trip(_, wait) | Quantity::Call(_, wait) => wait,
            Quantity::Sleep(_) => Wait::Sleep,
            _ => Wait::Park,
        }
    }

    /// Which of a run's CPUs each worker is on. Where there are several on a side, both CPUs have
    /// some of both sides.
    pub fn cpus(self, cpus: &[usize]) -> Vec<usize> {
        let senders = self.ends().0;
        let index = |worker| match self {
            Quantity::Sleep(1) => 0,
            _ if worker < senders => worker,
            _ => worker - senders + 1,
        };
        let indices = (0..self.workers()).map(index);
        indices.map(|index| cpus[index % cpus.len()]).collect()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Quantity::Spsc(size, Way::Single) => format!("spsc-{size}-single"),
            Quantity::Spsc(size, Way::Batch) => format!("spsc-{size}-batch"),
            Quantity::Spsc(size, Way::InPlace) => format!("spsc-{size}-inplace"),
            Quantity::Mpmc(senders, receivers) => format!("mpmc-{senders}x{receivers}"),
            Quantity::Trip(size, Wait::Spin) => format!("rtt-{size}-spin"),
            Quantity::Trip(size, Wait::Park) => format!("rtt-{size}-park"),
            Quantity::Trip(size, Wait::Sleep) => format!("rtt-{size}-sleep"),
            Quantity::Sleep(cpus) => format!("sleep-{cpus}cpu"),
            Quantity::Wake => "wake".into(),
            Quantity::Idle => "idle".into(),
            Quantity::Attach => "attach".into(),
            Quantity::Select(queues, Rest::Ready) => format!("select-{queues}-ready"),
            Quantity::Select(queues, Rest::Asleep) => format!("select-{queues}-asleep"),
            Quantity::Async(Rest::Ready) => "async-ready".into(),
            Quantity::Async(Rest::Asleep) => "async-asleep".into(),
            Quantity::AsyncIdle => "async-idle".into(),
            Quantity::Lock(workers) => format!("lock-{workers}"),
            Quantity::Load => "load".into(),
            Quantity::Call(size, Wait::Spin) => format!("call-{size}-spin"),
            Quantity::Call(size, Wait::Park) => format!("call-{size}-park"),
            Quantity::Call(size, Wait::Sleep) => format!("call-{size}-sleep"),
            Quantity::Calls(clients, servers) => format!("calls-{clients}x{servers}"),
        };
        f.pad(&name)
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Quantity::named(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("nothing named {name} is measured")))
    }
}

/// What a queue must offer.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Senders.
    pub senders: usize,
    /// Receivers.
    pub receivers: usize,
    /// Slots.
    pub capacity: usize,
    /// How its ends wait, where they are told.
    pub wait: Wait,
}

/// One process's part in one measurement.
#[derive(Clone, Serialize, Deserialize)]
pub struct Task {
    /// Whose queue.
    pub contestant: String,
    /// What is measured.
    pub quantity: Quantity,
    /// For how long.
    pub millis: u64,
    /// Messages after which it ends sooner.
    pub most: u64,
    /// The directory of what has a name, if anything has.
    pub place: PathBuf,
    /// By worker: the CPU that it runs on.
    pub cpus: Vec<usize>,
    /// Which worker; none: all of them, as threads.
    pub worker: Option<usize>,
    /// How many descriptors of each link come with it, after that of the board.
    pub links: Vec<usize>,
    /// What came with it.
    #[serde(skip)]
    handed: Option<Arc<Handed>>,
}

/// What is handed over with a task.
struct Handed {
    board: Board,
    fds: Vec<Arc<[OwnedFd]>>,
}

impl Task {
    /// A task whose process and descriptors are not known yet.
    pub fn new(contestant: &str, quantity: Quantity, millis: u64, cpus: Vec<usize>) -> Task {
        Task {
            contestant: contestant.to_owned(),
            quantity,
            millis,
            most: u64::MAX,
            place: PathBuf::new(),
            cpus,
            worker: None,
            links: Vec::new(),
            handed: None,
        }
    }

    /// In a worker: takes the descriptors that came with the task.
    pub fn take(&mut self, fds: Vec<OwnedFd>) -> Result<()> {
        let expected = 1 + self.links.iter().sum::<usize>();
        ensure!(
            fds.len() == expected,
            "expected {expected} descriptors with the task, found {}",
            fds.len()
        );
        let mut fds = fds.into_iter();
        let board = Board::open(fds.next().context("there is no board")?)?;
        let of_link = |&count: &usize| fds.by_ref().take(count).collect();
        let fds = self.links.iter().map(of_link).collect();
        self.handed = Some(Arc::new(Handed { board, fds }));
        Ok(())
    }

    /// In a worker: what all workers share.
    pub fn board(&self) -> Result<&Board> {
        let handed = self.handed.as_deref().context("there is no board")?;
        Ok(&handed.board)
    }

    /// In a worker: the descriptors of a link.
    pub fn fds(&self, link: usize) -> Arc<[OwnedFd]> {
        let handed = self.handed.as_deref();
        let fds = handed.and_then(|handed| handed.fds.get(link).cloned());
        fds.unwrap_or_else(|| Arc::new([]))
    }

    /// What each link must offer.
    pub fn shape(&self) -> Shape {
        let (senders, receivers) = self.quantity.ends();
        let fitting = (BYTES / self.quantity.size()).max(LEAST_SLOTS);
        Shape {
            senders,
            receivers,
            capacity: SLOTS.min(fitting),
            wait: self.quantity.wait(),
        }
    }

    /// What a worker is, for people.
    pub fn role(&self) -> &'static str {
        let sends = self.worker.is_some_and(|it| it < self.quantity.ends().0);
        match (self.worker, sends, self.quantity.is_trip()) {
            (None, ..) => "the measuring process",
            (_, true, true) => "the process that times round trips",
            (_, false, true) => "the echoing process",
            (_, true, false) => "the sending process",
            (_, false, false) => "the receiving process",
        }
    }
}

/// What came of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// So many messages were sent.
    Sent(u64),
    /// What was received, all of it good, and the interval of it that was timed.
    Received(Total, Interval),
    /// Times, and how many messages came back, or came, all of them good.
    Times(Times, u64),
    /// So many messages were sent back, all of them good.
    Echoed(u64),
    /// So many times something was done, by one of several.
    Done {
        /// How many.
        count: u64,
        /// In so many nanoseconds.
        nanos: u64,
    },
}

impl Outcome {
    /// Nothing of interest.
    pub fn nothing() -> Outcome {
        Outcome::Done { count: 0, nanos: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quantity_is_found_by_its_name() {
        let more = [Quantity::Mpmc(1000, 3), Quantity::Trip(64, Wait::Sleep)];
        for quantity in Quantity::all().into_iter().chain(more) {
            assert_eq!(Quantity::named(&quantity.to_string()), Some(quantity));
        }
        for name in ["", "mpmc-1", "mpmc-01x1", "spsc-9-single"] {
            assert_eq!(Quantity::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_task_lacks_no_descriptor() {
        let mut task = Task::new("pipe", Quantity::Wake, 1, vec![0, 1]);
        task.links = vec![1, 0, 2];
        let fds = |count| {
            (0..count)
                .map(|_| Board::make(1).expect("a file"))
                .collect()
        };
        for wrong in [0, 3, 5] {
            assert!(task.take(fds(wrong)).is_err(), "{wrong}");
        }
        task.take(fds(4)).expect("as many as there are");
        assert!(task.board().is_ok());
        assert_eq!([0, 1, 2, 3].map(|link| task.fds(link).len()), [1, 0, 2, 0]);
    }
}
