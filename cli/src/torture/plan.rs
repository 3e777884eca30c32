//! The schedule of a storm: which processes are struck, how, and what follows. A pure function of
//! the target, the seed and the numbers of processes and kills; nothing here looks at a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::random::Random;
use super::target::Target;

/// Strikes of a bout, after which everything is brought to rest and audited.
const STRIKES: u64 = 24;
/// Strikes of a bout without kills.
const STOPS: u64 = 10;

/// What a schedule is a function of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the processes use.
    pub target: Target,
    /// The user's seed.
    pub seed: u64,
    /// Kills, the last one of all processes at once included.
    pub kills: u64,
    /// Sending processes; all of them, where there are no sides.
    pub senders: usize,
    /// Receiving processes; their places come after those of the senders.
    pub receivers: usize,
}

impl Terms {
    /// Processes at a time.
    pub fn places(&self) -> usize {
        self.senders + self.receivers
    }

    /// A place by its name: s0, s1, ..., r0, r1, ...; p0, p1, ... where there are no sides.
    pub fn name(&self, place: usize) -> String {
        match (self.target, place.checked_sub(self.senders)) {
            (Target::Object(_), _) => format!("p{place}"),
            (Target::Ring(_), None) => format!("s{place}"),
            (Target::Ring(_), Some(receiver)) => format!("r{receiver}"),
        }
    }
}

/// Which processes may die in a bout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mercy {
    /// Any.
    None,
    /// Senders only: nothing may be redelivered.
    Receivers,
    /// None: processes are stopped only.
    All,
}

/// How an incarnation uses the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Which calls.
    pub verbs: Verbs,
    /// Messages, about, after which it attaches again.
    pub term: u32,
    /// How it waits.
    pub wait: Wait,
    /// Whether it lingers while it holds a slot, now and then.
    pub lingers: bool,
    /// For its own choices.
    pub seed: u64,
}

/// Which calls an incarnation sends or receives with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verbs {
    /// `send`, `recv`.
    One,
    /// `try_send`, `try_recv`.
    Try,
    /// `send_batch`, `recv_batch`, and those that try.
    Batch,
    /// `reserve`, now and then abandoned; `lease`, `lease_batch`, now and then given back.
    InPlace,
    /// As `InPlace`, by chunks, of which a part is sent, or released first. (Byte messages have
    /// no chunks: they are sent and leased in place, by batches.)
    Chunk,
    /// All of these, in turn.
    All,
}

/// How an incarnation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// As the library does by default: polls, then sleeps.
    Default,
    /// Sleeps at once.
    Park,
    /// Polls for ever.
    Spin,
}

/// What is done to the processes that are struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blow {
    /// SIGSTOP, and SIGCONT after so many microseconds, or at the end of the bout.
    Stop(u64),
    /// SIGKILL; the next strike waits until the successors are so far.
    Kill(Await),
}

/// How far a successor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Await {
    /// Not waited for: it may die before it has begun.
    Nothing,
    /// About to attach: it may die at that.
    Attaching,
    /// Attached.
    Ready,
}

/// One strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Strike {
    /// Microseconds since the one before.
    pub delay: u64,
    /// What is done.
    pub blow: Blow,
    /// To which: numbers of places.
    pub victims: Vec<usize>,
    /// What takes the places of the killed; none at the very end.
    pub successors: Vec<Traffic>,
}

/// Strikes up to an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bout {
    /// Counted from 0.
    pub number: u64,
    /// Which processes may die.
    pub mercy: Mercy,
    /// The strikes.
    pub strikes: Vec<Strike>,
    /// Whether it ends with the death of all at once.
    pub last: bool,
}

/// The bouts of one kind.
pub struct Plan {
    terms: Terms,
    random: Random,
    /// Kills left, without the last ones.
    left: u64,
    number: u64,
    ended: bool,
    /// How the first processes behave.
    pub processes: Vec<Traffic>,
}

impl Plan {
    /// The schedule that belongs to these terms.
    pub fn new(terms: Terms) -> Self {
        // A target's schedule does not depend on which others are tried.
        let mut random = Random::new(terms.seed ^ (terms.target.number() << 56));
        Plan {
            processes: (0..terms.places()).map(|_| traffic(&mut random)).collect(),
            left: terms.kills.saturating_sub(terms.places() as u64),
            number: 0,
            ended: false,
            random,
            terms,
        }
    }

    fn strike(&mut self, mercy: Mercy, strikes: &mut Vec<Strike>) {
        let Terms { senders, .. } = self.terms;
        let mortal = match mercy {
            Mercy::None => self.terms.places(),
            Mercy::Receivers => senders,
            Mercy::All => 0,
        };
        let random = &mut self.random;
        if mortal == 0 || random.one_in(4) {
            // Mostly one, at times all.
            let count = match random.one_in(6) {
                true => 1 + random.below(self.terms.places() as u64) as usize,
                false => 1,
            };
            let victims = random.several(count, self.terms.places());
            let time = match random.below(3) {
                0 => random.below(2_000),
                1 => random.below(20_000),
                _ => random.below(250_000),
            };
            let delay = random.below(5_000);
            strikes.push(Strike {
                delay,
                blow: Blow::Stop(1 + time),
                victims: victims.clone(),
                successors: Vec::new(),
            });
            // Killed while stopped, whatever it held when it was.
            if victims[0] < mortal && random.one_in(3) {
                let delay = random.below(time.min(10_000) + 1);
                self.kill(delay, vec![victims[0]], strikes);
            }
            return;
        }
        let count = match random.one_in(8) {
            true => 1 + random.below(mortal as u64) as usize,
            false => 1,
        };
        let victims = random.several(count.min(self.left as usize), mortal);
        let delay = match random.below(3) {
            0 => random.below(300),
            _ => random.below(5_000),
        };
        self.kill(delay, victims, strikes);
    }

    /// Kill, and perhaps the successors as they attach.
    fn kill(&mut self, delay: u64, victims: Vec<usize>, strikes: &mut Vec<Strike>) {
        let random = &mut self.random;
        let mut delay = delay;
        while self.left >= victims.len() as u64 {
            let then = match random.below(8) {
                0 => Await::Attaching,
                1 | 2 => Await::Nothing,
                _ => Await::Ready,
            };
            self.left -= victims.len() as u64;
            strikes.push(Strike {
                delay,
                blow: Blow::Kill(then),
                victims: victims.clone(),
                successors: victims.iter().map(|_| traffic(random)).collect(),
            });
            if then != Await::Attaching {
                return;
            }
            // Attaching takes some tens of microseconds.
            delay = random.below(300);
            if random.one_in(4) {
                strikes.push(Strike {
                    delay,
                    blow: Blow::Stop(1 + random.below(50_000)),
                    victims,
                    successors: Vec::new(),
                });
                return;
            }
        }
    }
}

impl Iterator for Plan {
    type Item = Bout;

    fn next(&mut self) -> Option<Bout> {
        if self.ended {
            return None;
        }
        // The first has no kills: what happens there is not of an earlier death's doing.
        let mercy = match self.random.below(8) {
            _ if self.number == 0 => Mercy::All,
            0 => Mercy::All,
            1 | 2 => Mercy::Receivers,
            _ => Mercy::None,
        };
        let length = match mercy {
            Mercy::All => STOPS,
            _ => STRIKES,
        };
        let mut strikes = Vec::new();
        while (strikes.len() as u64) < length && (mercy == Mercy::All || self.left > 0) {
            self.strike(mercy, &mut strikes);
        }
        self.ended = self.left == 0 && self.number > 0;
        if self.ended {
            strikes.push(Strike {
                delay: self.random.below(20_000),
                blow: Blow::Kill(Await::Nothing),
                victims: self
                    .random
                    .several(self.terms.places(), self.terms.places()),
                successors: Vec::new(),
            });
        }
        self.number += 1;
        Some(Bout {
            number: self.number - 1,
            mercy: if self.ended { Mercy::None } else { mercy },
            strikes,
            last: self.ended,
        })
    }
}

fn traffic(random: &mut Random) -> Traffic {
    let verbs = [
        Verbs::One,
        Verbs::Try,
        Verbs::Batch,
        Verbs::InPlace,
        Verbs::InPlace,
        Verbs::Chunk,
        Verbs::Chunk,
        Verbs::All,
        Verbs::All,
        Verbs::All,
    ];
    Traffic {
        verbs: random.pick(&verbs),
        term: random.pick(&[1, 16, 256, 4096, 4096, 1 << 16, 1 << 20, u32::MAX]),
        wait: match random.below(12) {
            0 => Wait::Spin,
            1..4 => Wait::Park,
            _ => Wait::Default,
        },
        lingers: random.one_in(4),
        seed: random.number(),
    }
}

impl Verbs {
    /// Those of one kind; of [`Verbs::All`] any.
    pub fn one_of(self, random: &mut Random) -> Verbs {
        let each = [
            Verbs::One,
            Verbs::Try,
            Verbs::Batch,
            Verbs::InPlace,
            Verbs::Chunk,
        ];
        match self {
            Verbs::All => random.pick(&each),
            verbs => verbs,
        }
    }
}

impl Bout {
    /// A line for each strike.
    pub fn lines(&self, terms: &Terms) -> impl Iterator<Item = String> {
        let head = format!("{} bout {}", terms.target, self.number);
        let mercy = match self.mercy {
            Mercy::Receivers if terms.receivers > 0 => " (senders only)",
            Mercy::None | Mercy::Receivers => "",
            Mercy::All => " (no deaths)",
        };
        self.strikes.iter().map(move |strike| {
            let names = strike.victims.iter().map(|&at| terms.name(at));
            let names: Vec<String> = names.collect();
            let successors = strike
                .successors
                .iter()
                .map(|successor| format!(", {successor}"));
            let successors: String = successors.collect();
            let blow = match strike.blow {
                Blow::Stop(time) => format!("stop {} for {time} us", names.join(" ")),
                Blow::Kill(then) => format!("kill {}, {then}{successors}", names.join(" ")),
            };
            format!("{head}{mercy}: after {} us {blow}", strike.delay)
        })
    }
}

impl fmt::Display for Await {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Await::Nothing => "go on",
            Await::Attaching => "until successors attach",
            Await::Ready => "until successors have attached",
        })
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic {
            verbs,
            term,
            wait,
            lingers,
            seed,
        } = self;
        let lingers = if *lingers { " lingering" } else { "" };
        write!(f, "{verbs:?} {wait:?} term {term}{lingers} #{seed:016x}")
    }
}

#[cfg(test)]
mod tests;
