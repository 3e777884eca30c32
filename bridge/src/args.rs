//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use memring::RingKind;
use memring_bridge::drive::{MIN_MEMORY, Making, ReceiveOptions, SendOptions};
use memring_bridge::engine::Topic;
use memring_bridge::metrics::Show;
use memring_bridge::sender::Limits;

/// Carry rings of memring between hosts
///
/// What is in a ring on this host is put into a ring on another: each message
/// once, also if a bridge or the link between them is cut. See docs/hosts.md.
#[derive(Parser, Debug)]
#[command(name = "memring-bridge", version, max_term_width = 80, after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,

    #[command(flatten)]
    pub common: Common,
}

const AFTER_HELP: &str = "\
Exit status:
  0  the source ring was closed, and all is acknowledged; or told to end
  1  an error; one line on standard error names it and what to do
  2  the command line is wrong

Examples, for two hosts:
  memring-bridge receive orders --into orders --create --listen tcp/10.0.0.2:7447
  memring-bridge send orders --to orders --connect tcp/10.0.0.2:7447";

#[derive(ClapArgs, Debug)]
pub struct Common {
    #[command(flatten)]
    pub engine: EngineArgs,

    /// Serve figures for Prometheus at this address, such as 127.0.0.1:9187
    #[arg(long, global = true, value_name = "ADDR", help_heading = "Operation")]
    pub metrics: Option<SocketAddr>,

    /// Print a line of JSON each second
    #[arg(long, global = true, help_heading = "Operation")]
    pub json: bool,

    /// Show no progress line on a terminal
    #[arg(long, global = true, help_heading = "Operation")]
    pub quiet: bool,

    /// What to log, such as debug or memring_bridge=debug; else what RUST_LOG says
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Operation")]
    pub log: Option<String>,
}

#[derive(ClapArgs, Debug)]
pub struct EngineArgs {
    /// What moves packets
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "zenoh",
        help_heading = "Engine"
    )]
    pub engine: EngineName,

    /// A file of Zenoh's own configuration: TLS, credentials, everything
    #[arg(long, global = true, value_name = "FILE", help_heading = "Engine")]
    pub config: Option<PathBuf>,

    /// Listen here, such as tcp/10.0.0.2:7447; else on the loopback alone
    #[arg(long, global = true, value_name = "ENDPOINT", help_heading = "Engine")]
    pub listen: Vec<String>,

    /// Connect to this peer or router, such as tcp/10.0.0.2:7447
    #[arg(long, global = true, value_name = "ENDPOINT", help_heading = "Engine")]
    pub connect: Vec<String>,

    /// The server of NATS
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "nats://127.0.0.1:4222",
        help_heading = "Engine"
    )]
    pub server: String,

    /// A file of credentials for NATS
    #[arg(long, global = true, value_name = "FILE", help_heading = "Engine")]
    pub credentials: Option<PathBuf>,

    /// The certificate of the authority behind NATS's; asks for TLS
    #[arg(long, global = true, value_name = "FILE", help_heading = "Engine")]
    pub root_certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EngineName {
    /// Embedded, peer to peer, without a daemon
    Zenoh,
    /// By a server of NATS
    Nats,
}

impl Common {
    pub fn show(&self) -> Show {
        match (self.json, self.quiet) {
            (true, _) => Show::Json,
            (_, true) => Show::Nothing,
            _ => Show::Progress,
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send what is in a ring of this host
    Send(Send),
    /// Put what comes into a ring of this host
    Receive(Receive),
}

impl Command {
    pub fn topic(&self) -> Topic {
        match self {
            Command::Send(send) => send.to.clone(),
            Command::Receive(receive) => receive.key.clone(),
        }
    }
}

#[derive(ClapArgs, Debug)]
pub struct Send {
    /// The ring: a name in the default directory, or a path with '/'
    pub name: String,

    /// The key: parts between slashes, as the receiving bridges have it
    #[arg(long, value_name = "KEY", value_parser = Topic::of_key)]
    pub to: Topic,

    /// The most messages that are sent and not acknowledged
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..), value_name = "MESSAGES")]
    pub window: u32,

    /// The most bytes of messages that are sent and not acknowledged
    #[arg(long, default_value = "16M", value_parser = bytes, value_name = "BYTES")]
    pub memory: usize,

    /// Give up a target that was silent for so long: what was sent to it goes elsewhere,
    /// and may be there twice
    #[arg(long, value_parser = seconds, value_name = "SECONDS")]
    pub reassign_after: Option<Duration>,

    /// Wait so long for the ring, and for another bridge or receiver to leave it
    #[arg(long, default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub wait: Duration,

    /// Wait so long for acknowledgements when told to end
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub drain: Duration,
}

impl Send {
    pub fn options(&self) -> SendOptions {
        SendOptions {
            name: self.name.clone(),
            limits: Limits {
                messages: self.window as usize,
                bytes: self.memory,
                reassign_after: self.reassign_after,
            },
            wait: self.wait,
            drain: self.drain,
        }
    }
}

#[derive(ClapArgs, Debug)]
pub struct Receive {
    /// The key: parts between slashes, as the sending bridges have it
    #[arg(value_parser = Topic::of_key)]
    pub key: Topic,

    /// The ring: a name in the default directory, or a path with '/'
    #[arg(long, value_name = "NAME")]
    pub into: String,

    /// Make the ring, unless it is there, for the messages of the first sender that comes
    #[arg(long)]
    pub create: bool,

    /// Kind of the ring to make: with one sender, which is the bridge, each message arrives once
    #[arg(long, default_value = "spsc", value_parser = kind, requires = "create")]
    pub kind: RingKind,

    /// Messages that the ring to make holds
    #[arg(
        long,
        default_value_t = 4096,
        value_name = "MESSAGES",
        requires = "create"
    )]
    pub capacity: usize,

    /// The longest byte message of the ring to make; else that of the sender's ring
    #[arg(long, value_parser = bytes, value_name = "BYTES", requires = "create")]
    pub slot_size: Option<usize>,

    /// Bytes that may wait for room in the ring
    #[arg(long, default_value = "16M", value_parser = bytes, value_name = "BYTES")]
    pub memory: usize,

    /// Wait so long for another bridge or sender to leave the ring
    #[arg(long, default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub wait: Duration,

    /// End when the rings of all senders are closed and everything is put, and close the ring
    #[arg(long)]
    pub until_end: bool,
}

impl Receive {
    pub fn options(&self) -> ReceiveOptions {
        let making = Making {
            kind: self.kind,
            capacity: self.capacity,
            limit: self.slot_size,
        };
        ReceiveOptions {
            name: self.into.clone(),
            making: self.create.then_some(making),
            memory: self.memory.max(MIN_MEMORY),
            wait: self.wait,
            until_end: self.until_end,
        }
    }
}

fn kind(text: &str) -> Result<RingKind, String> {
    let kinds = [
        RingKind::Spsc,
        RingKind::Mpsc,
        RingKind::Spmc,
        RingKind::Mpmc,
    ];
    let found = kinds
        .into_iter()
        .find(|kind| kind.to_string().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "expected spsc, mpsc, spmc or mpmc".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds
        .filter(|time| *time <= Duration::from_secs(366 * 86400))
        .ok_or_else(|| "expected seconds, such as 5 or 0.5".into())
}

fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err("expected bytes, such as 65536, 64K or 16M".into()),
    };
    let number: usize = number
        .parse()
        .map_err(|_| "expected a number of bytes".to_string())?;
    let bytes = number.checked_mul(1 << shift);
    bytes.ok_or_else(|| "expected fewer bytes".into())
}
