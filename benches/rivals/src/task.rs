//! What is measured, and one process's part in it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Messages a call, where they go in batches.
pub const BATCH: usize = 32;
/// Slots of every queue, if messages are small.
const SLOTS: usize = 1024;
/// Bytes of a queue of large messages.
const BYTES: usize = 256 << 10;
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
        let mut all = Quantity::all().into_iter();
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

    /// Which of the run's CPUs a worker is on. Where there are several on a side, both CPUs have
    /// some of both sides.
    pub fn cpu(self, worker: usize, cpus: &[usize]) -> usize {
        let senders = self.ends().0;
        let index = match self {
            Quantity::Sleep(1) => 0,
            _ if worker < senders => worker,
            _ => worker - senders + 1,
        };
        cpus[index % cpus.len()]
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
            Quantity::Calls(clients, servers) => format!("calls-{clients}x{servers}"),
        };
        f.pad(&name)
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
}

/// One process's part in one measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Whose queue.
    pub contestant: String,
    /// What is measured.
    pub quantity: Quantity,
    /// For how long.
    pub millis: u64,
    /// Messages after which it ends sooner.
    pub most: u64,
    /// Where the board is, and what has a name.
    pub place: PathBuf,
    /// The CPUs of the run.
    pub cpus: Vec<usize>,
    /// Which worker; none: all of them, as threads.
    pub worker: Option<usize>,
    /// Descriptors that are handed down, by link.
    pub fds: Vec<Vec<i32>>,
}

impl Task {
    /// What each link must offer.
    pub fn shape(&self) -> Shape {
        let (senders, receivers) = self.quantity.ends();
        let fitting = (BYTES / self.quantity.size()).max(LEAST_SLOTS);
        Shape {
            senders,
            receivers,
            capacity: SLOTS.min(fitting),
        }
    }
}

/// What came of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// So many messages were sent.
    Sent(u64),
    /// What was received, and how many between which nanoseconds of the clock.
    Received {
        /// All good messages.
        count: u64,
        /// Those of them that were timed.
        timed: u64,
        /// Beginning of the time.
        from: u64,
        /// Its end.
        to: u64,
    },
    /// Times, by [`PERCENTILES`].
    Times {
        /// What they come to: the mean of their middle half, in nanoseconds. A median would
        /// know no more than the steps of the clock.
        middle: f64,
        /// Nanoseconds.
        at: Vec<f64>,
    },
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

/// The percentiles that are kept of times.
pub const PERCENTILES: [f64; 8] = [1.0, 10.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0];
