//! `memring torture`: does the contract hold on this machine when processes are killed?
//!
//! `run` runs storms one after the other. `plan` says which processes are struck and how, out of the numbers of `random`; `processes`
//! holds and strikes them, `storm` lets that go on over a ring and brings it to rest. `peer` is the
//! life of a process, `send` and `receive` what it does, `load` the messages. `ledger` is the memory
//! in which all is written down, `account` how, and `check` holds the contract against it. `home`
//! is where it lies, `report` what it came to. `target` names what is used, and `objects` has the
//! storms over shared objects.

mod account;
mod check;
mod context;
mod held;
mod home;
mod ledger;
mod load;
mod objects;
mod order;
mod peer;
mod plan;
mod processes;
mod random;
mod receive;
mod report;
mod run;
mod send;
mod storm;
mod target;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;
use memring::{Layout, OnDeath, RingKind};

use crate::making::{parse_count, parse_name};
use crate::named::{KINDS, ON_DEATH, named};
use crate::standard;
use crate::usage::Usage;
use load::Size;
use objects::ObjectStorm;
use order::Sabotage;
use plan::Terms;
use run::RunOptions;
use storm::Weather;
use target::{ObjectKind, Target};

/// Processes of one side, at most.
const MOST: u64 = 60;

const AFTER_HELP: &str = "\
Starts senders and receivers on a ring, kills and stops them at random, starts
others in their place, and checks every message. One kind of ring after the
other; the kills are divided among them. One sender and one receiver (spsc) have
two rows: in lines, with messages of 8 bytes, and dense.

What happens:
  SIGKILL at any moment: at full speed, while stopped, while attaching, several
  at once, at the end all of them. SIGSTOP for up to a quarter of a second.
  Messages are sent and received by all calls there are: one by one, without
  waiting, in batches, in place. Slots are abandoned, messages given back,
  endpoints detached and attached again.

The contract that is checked:
  What a send returned Ok for is received; what was never begun is not. Each
  byte is as it was sent. A message that is not marked as given back comes once,
  and in the order of its sender; else each time with a higher mark; never again
  once it is acknowledged. A receiver that is killed in recv may take along what
  that call acknowledged. What --on-death discard drops is counted, one too many
  for each kill at most. No process loses what it holds while it is stopped:
  where no receiver is killed, nothing is lost or redelivered. No process hangs.
  When all are dead, the next process finds what was sent, no entries of dead
  members, and all of the room.

The table:
  SENT      messages for which the send returned Ok
  RECEIVED  messages received, each counted once
  CUT       messages whose sending was cut short by a kill
  AGAIN     times that a message was given back, by its holder or at its death
  LOST      messages dropped, as the ring counted them (--on-death discard)
  DEAD      messages that killed receivers took along in recv
  GAP       the longest time from a kill to the next receipt; shown, not judged

With --object, as many processes as senders and receivers together use a shared
object, and what must hold is checked at each step:
  mutex      Two numbers agree, and the sum of some accounts is kept, unless a
  rwlock     holder died: then the next is told, and one change is half done.
             No process finds another inside, or what it reads changed.
  condvar    Tokens put in are taken out; no process waits for ever.
  semaphore  Never more processes than permits; those of the dead come back.
  latest     Each value read is whole, and none is older than one read before,
             by whatever process.
Its table:
  CHANGES    changes of the value; tokens put in; times that a permit was held
  LOOKS      looks at the value; tokens taken out; times that all permits were
  POISONED   times that a process was told that a holder had died
  GAP        the longest time from a kill to the next change or look

The schedule follows from the seed, the numbers of processes and the kills.
What the machine does with it does not: the same seed may end differently.

Exit status:
  0  the contract held
  1  it did not: one line on standard error names the first breach, and the
     directory where ring, ledger and schedule are kept; or another error
  2  the command line is wrong

Examples:
  memring torture
  memring torture --kills 10000 --seed 7
  memring torture --kind mpmc --on-death discard --message 4096
  memring torture --kind spsc --layout lines --capacity 10
  memring torture --kind spsc --seed 7 --schedule
  memring torture --object mutex --object condvar --kills 4000";

/// Kill processes at random and see whether the crash contract holds here
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Kill so many processes in all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    kills: u64,

    /// Repeat the schedule of this seed [default: another each time; it is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// Use this kind of ring only: spsc, mpsc, spmc or mpmc; may be repeated [default: all four]
    #[arg(long, value_name = "KIND", value_parser = named(KINDS, parse_name::<RingKind>),
        hide_possible_values = true)]
    kind: Vec<RingKind>,

    /// Use this shared object, and no ring: mutex, rwlock, condvar, semaphore or latest; may be
    /// repeated
    #[arg(long, value_name = "OBJECT", ignore_case = true, hide_possible_values = true,
        conflicts_with_all = ["kind", "capacity", "layout", "message", "on_death"])]
    object: Vec<ObjectKind>,

    /// With --object: stop after so many seconds for each, whatever kills are left
    #[arg(long, value_name = "S", requires = "object")]
    seconds: Option<u64>,

    /// Run so many sending processes, where the kind has several
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u64).range(1..=MOST))]
    senders: u64,

    /// Run so many receiving processes, likewise
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u64).range(1..=MOST))]
    receivers: u64,

    /// Make the ring hold so many messages: exactly with one sender and one receiver, else rounded
    /// up to a power of two
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_count)]
    capacity: usize,

    /// Lay the messages of spsc out so, in lines or dense [default: half of the kills for each].
    /// In lines they have 8 bytes
    #[arg(long, value_name = "LAYOUT", value_parser = named(&["lines", "dense"], parse_layout),
        hide_possible_values = true)]
    layout: Option<Layout>,

    /// Send messages of mixed lengths, or of 8, 64, 256, 1024 or 4096 bytes
    #[arg(long, value_name = "SIZE", default_value_t = Size::Mixed)]
    message: Size,

    /// What to do with messages that a receiver held when it died: redeliver or discard
    #[arg(
        long,
        value_name = "WHAT",
        default_value_t = OnDeath::Redeliver,
        value_parser = named(ON_DEATH, parse_name::<OnDeath>),
        hide_possible_values = true
    )]
    on_death: OnDeath,

    /// Print one JSON document on standard output; times in nanoseconds
    #[arg(long)]
    json: bool,

    /// Print the schedule, and start no process
    #[arg(long)]
    schedule: bool,

    /// Make the run's directory in this one [default: /dev/shm]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Let a sender break the contract, to see that it is found
    #[arg(long, hide = true)]
    sabotage: Option<Sabotage>,

    /// Seconds after which a process counts as hanging
    #[arg(long = "hang-timeout", hide = true, default_value_t = 30)]
    hang_after: u64,
}

/// Run `memring torture`.
pub fn run(args: &Args) -> Result<()> {
    let seed = args.seed.unwrap_or_else(any_seed);
    standard::check_output()?;
    let mut options = RunOptions {
        seed,
        json: args.json,
        schedule: args.schedule,
        dir: args.dir.as_deref(),
        title: String::new(),
    };
    if args.object.is_empty() {
        options.title = format!(
            "seed {seed}, {} kills, rings of {} messages of {}\n\
             senders: {}, receivers: {}; 1 where the kind has one",
            args.kills,
            args.capacity,
            args.message.describe(),
            args.senders,
            args.receivers
        );
        return run::run(&args.storms(seed)?, &options);
    }
    options.title = format!(
        "seed {seed}, {} kills, {} processes on each object",
        args.kills,
        args.senders + args.receivers
    );
    run::run(&args.object_storms(seed)?, &options)
}

/// Run the hidden `memring torture-peer`.
pub fn peer(order: &str) -> Result<()> {
    peer::serve(order)
}

impl Args {
    /// In which layouts a kind is tried.
    fn layouts(&self, kind: RingKind) -> Vec<Layout> {
        match (kind, self.layout) {
            (RingKind::Spsc, None) => vec![Layout::Lines, Layout::Dense],
            (RingKind::Spsc, Some(layout)) => vec![layout],
            _ => vec![Layout::Auto],
        }
    }

    fn storm(&self, terms: Terms, kind: RingKind, layout: Layout) -> Weather {
        let capacity = match kind {
            RingKind::Spsc => Some(self.capacity),
            _ => self.capacity.checked_next_power_of_two(),
        };
        Weather {
            terms,
            kind,
            size: match layout {
                Layout::Lines => Size::Typed(8),
                _ => self.message,
            },
            layout,
            capacity: capacity.unwrap_or(self.capacity),
            on_death: self.on_death,
            hang_after: Duration::from_secs(self.hang_after),
            sabotage: self.sabotage,
        }
    }

    /// The storms, one after the other.
    fn storms(&self, seed: u64) -> Result<Vec<Weather>> {
        let mut kinds = self.kind.clone();
        if kinds.is_empty() {
            kinds.extend(RingKind::ALL);
        }
        let count = kinds.len() as u64;
        let side = |many, most: u64| if many { most as usize } else { 1 };
        let mut storms = Vec::new();
        let mut least = 0;
        for (index, kind) in kinds.into_iter().enumerate() {
            let kills = self.kills / count + u64::from((index as u64) < self.kills % count);
            let layouts = self.layouts(kind);
            for (index, layout) in layouts.iter().enumerate() {
                let share = layouts.len() as u64;
                let terms = Terms {
                    target: Target::Ring(kind),
                    // Each layout has a schedule of its own.
                    seed: seed ^ (index as u64) << 48,
                    kills: kills / share + u64::from((index as u64) < kills % share),
                    senders: side(kind.has_many_senders(), self.senders),
                    receivers: side(kind.has_many_receivers(), self.receivers),
                };
                least = least.max(terms.places() as u64 * share * count);
                storms.push(self.storm(terms, kind, *layout));
            }
        }
        if self.capacity == 0 {
            let expected = "--capacity 0: a storm needs a ring that holds messages, 1 or more";
            return Err(Usage(expected.into()).into());
        }
        self.expect_kills(least)?;
        Ok(storms)
    }

    fn expect_kills(&self, least: u64) -> Result<()> {
        if self.kills >= least {
            return Ok(());
        }
        Err(Usage(format!(
            "--kills {}: expected {least} at least, for each kind ends with the death of all its \
             processes at once",
            self.kills
        ))
        .into())
    }

    /// Those over objects: the kills are divided among them.
    fn object_storms(&self, seed: u64) -> Result<Vec<ObjectStorm>> {
        let places = self.senders + self.receivers;
        if places > objects::PLACES as u64 - 1 {
            return Err(Usage(format!(
                "{places} processes: expected {} at most, senders and receivers together",
                objects::PLACES - 1
            ))
            .into());
        }
        let count = self.object.len() as u64;
        self.expect_kills(places * count)?;
        let storms = self
            .object
            .iter()
            .zip(0..)
            .map(|(&object, index)| ObjectStorm {
                terms: Terms {
                    target: Target::Object(object),
                    seed,
                    kills: self.kills / count + u64::from(index < self.kills % count),
                    senders: places as usize,
                    receivers: 0,
                },
                object,
                hang_after: Duration::from_secs(self.hang_after),
                time: self.seconds.map(Duration::from_secs),
                sabotage: self.sabotage,
            });
        Ok(storms.collect())
    }
}

/// Not `auto`: a storm is to say which it was.
fn parse_layout(text: &str) -> Result<Layout, String> {
    match parse_name(text) {
        Ok(Layout::Auto) | Err(_) => Err("expected lines or dense".to_owned()),
        Ok(layout) => Ok(layout),
    }
}

/// Short enough to be typed.
fn any_seed() -> u64 {
    RandomState::new().hash_one(0) >> 32
}
