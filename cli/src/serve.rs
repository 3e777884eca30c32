//! `memring serve`: a service whose requests a command answers.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args as ClapArgs;
use memring::rpc::{OnServerDeath, Request, Server, Service, ServiceError};
use memring::{Mismatch, RecvError, RingError};

use crate::format::printable;
use crate::making::{parse_nonzero, parse_size};
use crate::tied;
use crate::what::{self, What};

/// What a service has that is made without being told.
const CAPACITY: usize = 256;
pub const LIMIT: usize = 16 << 10;

/// The most bytes that a command may print: they are all kept until it has ended.
const MAX_ANSWER: u64 = 64 << 20;

/// Of a failed command's complaints, so many bytes are looked at for the last line.
const TAIL: usize = 4 << 10;

/// A service as the command line has them.
pub type ByteService = Service<[u8], [u8]>;

const AFTER_HELP: &str = "\
The command is run once for each request. It reads the request from its standard
input. Its output is the answer, if it ends with status 0. If it ends with
another status, is killed, or cannot be started, the caller gets an error with
the status and the last line of its standard error; that line also goes to the
standard error of serve. The answer is complete when the command's standard
output is closed: redirect the output of a process that it leaves behind.

A service may have several servers. Each request goes to one. If serve is
killed, its command is killed too, and the caller gets an error. If the service
was made with --redeliver, another server gets the request instead, so the
command may be run more than once for it. Either all servers of a service have
--redeliver, or none.

The service stays when its servers have gone, until it is removed. serve ends
when the service is closed or removed, or by a signal.

Exit status:
  0  the service was closed
  1  an error; one line on standard error says what
  2  the command line is wrong

Examples:
  memring serve upper -- tr a-z A-Z
  memring serve sums --jobs 4 -- sha256sum
  memring serve users --slot-size 64K -- sh -c 'jq -c .name'";

/// Answer requests with what a command prints
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The service: a name in the default directory, or a path with '/'. It is made if it is not
    /// there
    name: String,

    /// Run so many commands at a time
    #[arg(long, value_name = "N", default_value = "1")]
    jobs: NonZeroUsize,

    /// Make a service that holds so many requests that wait or are being answered, rounded up to
    /// a power of two [default: 256]
    #[arg(long, value_name = "N", value_parser = parse_nonzero, help_heading = "Service")]
    capacity: Option<NonZeroUsize>,

    /// Make a service for requests of up to so many bytes; K, M and G are understood [default: 16K].
    /// How long an answer may be is for the caller to say
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Service")]
    slot_size: Option<usize>,

    /// Make a service that hands a request to another server when one dies with it, up to four
    /// times in all: for commands that may be run twice for a request
    #[arg(long, help_heading = "Service")]
    redeliver: bool,

    /// Run this command, with these arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Run `memring serve`.
pub fn run(args: &Args) -> Result<()> {
    let service = args.open()?;
    // Up to the first that fails: there may be as many jobs as no memory holds.
    let servers = (0..args.jobs.get()).map(|_| service.server());
    let servers: Result<Vec<_>, ServiceError> = servers.collect();
    let servers = servers.context("cannot attach so many servers")?;
    let cancellers: Vec<_> = servers.iter().map(Server::canceller).collect();
    let (ended, ends) = mpsc::channel();
    thread::scope(|scope| {
        let mut spawned = Ok(());
        for mut server in servers {
            let ended = ended.clone();
            let serve = move || {
                let answer = |request: Request<[u8]>| args.answer(&request);
                let _ = ended.send(server.try_serve(answer));
            };
            spawned = thread::Builder::new().spawn_scoped(scope, serve).map(drop);
            if spawned.is_err() {
                break;
            }
        }
        drop(ended);
        // When one has failed, the others answer what they have in hand.
        let cancel_all = || cancellers.iter().for_each(|canceller| canceller.cancel());
        if spawned.is_err() {
            cancel_all();
        }
        let mut first = Ok(());
        for end in ends {
            if first.is_ok() && end.is_err() {
                cancel_all();
                first = end;
            }
        }
        spawned.context("cannot start so many threads")?;
        served(first)
    })
}

fn served(end: Result<(), RecvError>) -> Result<()> {
    end.map_err(|error| match error {
        RecvError::Removed => anyhow!("the service was removed"),
        error => anyhow!(error).context("cannot serve"),
    })
}

/// Whether a service has other sizes than were insisted on.
fn is_other_size(error: &ServiceError) -> bool {
    let ServiceError::Ring(RingError::Mismatch { mismatch, .. }) = error else {
        return false;
    };
    matches!(mismatch, Mismatch::Option { .. })
}

impl Args {
    /// Open the service, or make it.
    fn open(&self) -> Result<ByteService> {
        let policy = match self.redeliver {
            true => OnServerDeath::Redeliver,
            false => OnServerDeath::Fail,
        };
        loop {
            // What was not asked for is as it is there, or else by default.
            let (capacity, limit) = match what::look(&self.name)? {
                Some(What::Service(ring, limit)) if !ring.closed => (ring.capacity, limit),
                None | Some(What::Service(..)) => (CAPACITY, LIMIT),
                Some(other) => return Err(what::is_other(&self.name, "a service", &other)),
            };
            let opened = ByteService::builder()
                .on_server_death(policy)
                .queue(self.capacity.map_or(capacity, NonZeroUsize::get))
                .request_limit(self.slot_size.unwrap_or(limit))
                .open_or_create(&self.name);
            match opened {
                // Another has made it meanwhile, or replaced it.
                Err(error) if is_other_size(&error) && self.asks_for_no_size() => {}
                Err(error) if is_other_size(&error) => {
                    return Err(anyhow!(
                        "service {} holds {capacity} requests of up to {limit} bytes, not what was \
                         asked for: leave --capacity and --slot-size out, or memring remove it \
                         first",
                        printable(&self.name)
                    ));
                }
                opened => {
                    let service = opened.map_err(|error| not_opened(&self.name, error))?;
                    self.check_policy(&service)?;
                    return Ok(service);
                }
            }
        }
    }

    /// Whether the service, which another may have made, does with the requests of a server
    /// that dies what was asked for.
    fn check_policy(&self, service: &ByteService) -> Result<()> {
        let name = printable(&self.name);
        match (self.redeliver, service.max_attempts() > 1) {
            (false, true) => bail!(
                "service {name} was made with --redeliver: a command may be run more than once \
                 for a request; say --redeliver if this one may, or memring remove the service \
                 first"
            ),
            (true, false) => bail!(
                "service {name} was made without --redeliver: a request is not handed to another \
                 server; leave --redeliver out, or memring remove the service first"
            ),
            _ => Ok(()),
        }
    }

    fn asks_for_no_size(&self) -> bool {
        self.capacity.is_none() && self.slot_size.is_none()
    }

    /// The answer to a request: what the command prints, or how it failed.
    fn answer(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        let program = || self.command[0].display().to_string();
        self.output(request)
            .map_err(|error| format!("{}: {error:#}", program()))
    }

    fn output(&self, request: &[u8]) -> Result<Vec<u8>> {
        let mut command = tied::command(&self.command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.context("cannot start a process")?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut printed = Vec::new();
        let (complaint, read) = thread::scope(|scope| {
            // A command need not read its input.
            let feed = move || stdin.map(|mut stdin| stdin.write_all(request));
            let feeding = thread::Builder::new().spawn_scoped(scope, feed).map(drop);
            let listen = move || stderr.map(last_line);
            let listening = thread::Builder::new().spawn_scoped(scope, listen);
            let read = match (feeding, stdout) {
                (Ok(()), Some(stdout)) => stdout.take(MAX_ANSWER + 1).read_to_end(&mut printed),
                (Ok(()), None) => Ok(0),
                (Err(error), _) => Err(error),
            };
            if !matches!(read, Ok(length) if length as u64 <= MAX_ANSWER) {
                let _ = child.kill();
            }
            let complaint = listening.map(|it| it.join().ok().flatten().unwrap_or_default());
            (complaint, read)
        });
        let status = child.wait().context("cannot wait for the command")?;
        let length = read.context("cannot read what the command prints")?;
        let complaint = complaint.context("cannot start a thread")?;
        if length as u64 > MAX_ANSWER {
            bail!("printed more than {MAX_ANSWER} bytes");
        }
        match (status.success(), complaint.is_empty()) {
            (true, _) => Ok(printed),
            (false, true) => bail!("{}", tied::describe(status)),
            (false, false) => bail!("{}: {complaint}", tied::describe(status)),
        }
    }
}

/// Passes complaints on to our standard error, and keeps the last line.
fn last_line(mut complaints: impl Read) -> String {
    let mut tail = Vec::new();
    let mut piece = [0; TAIL];
    loop {
        match complaints.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) | Ok(0) => break,
            Ok(length) => {
                let _ = io::stderr().write_all(&piece[..length]);
                tail.extend_from_slice(&piece[..length]);
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
        }
    }
    let text = String::from_utf8_lossy(&tail);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or_default().to_owned()
}

/// Why a service was not opened, in the words of the command line.
pub fn not_opened(name: &str, error: ServiceError) -> anyhow::Error {
    match &error {
        ServiceError::Ring(RingError::Mismatch {
            mismatch: Mismatch::Schema { .. },
            ..
        }) => anyhow!(
            "service {} was made by a program for requests or responses of a type: expected \
             one of bytes, as memring serve makes it",
            printable(name)
        ),
        ServiceError::Ring(RingError::Mismatch {
            mismatch: Mismatch::Owner { .. } | Mismatch::Permissions { .. } | Mismatch::Links { .. },
            ..
        }) => anyhow!(
            "service {} is of another user, or open to others: a service is for one user; choose \
             another name",
            printable(name)
        ),
        ServiceError::Ring(RingError::Closed { .. }) => anyhow!(
            "service {} is closed, and still in use: wait until its servers and clients have \
             ended, or memring remove it",
            printable(name)
        ),
        _ => anyhow!(error).context(format!("cannot open service {}", printable(name))),
    }
}
