//! `memring call`: a request for each line of standard input.

use std::fmt;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow};
use clap::Args as ClapArgs;
use memring::Inspection;
use memring::rpc::{CallError, Client, PendingCall};

use crate::format::printable;
use crate::lines::{self, Lines, split_lines};
use crate::making::{parse_seconds, parse_size};
use crate::open::Retry;
use crate::serve::{ByteService, LIMIT, not_opened};
use crate::standard;
use crate::what::{self, What};
use crate::worker::Worker;

/// Calls under way, at most; fewer, where their answers are long: there is memory for twice as
/// many.
const WINDOW: usize = 64;
const ANSWERS: usize = 4 << 20;

const AFTER_HELP: &str = "\
Each line, without its newline, is a request. Many requests are under way at a
time. The answers are printed in the order of the lines, each with a newline
after it, unless it ends with one.

The first call that fails ends the command, after the answers before it have
been printed. The error names the line and the reason. Calls after that line may
have been carried out.

Exit status:
  0  all lines were answered
  1  an error: no such service, no server, a call that failed, a server that
     died; one line on standard error says which
  2  the command line is wrong

Examples:
  memring call upper < words.txt
  echo hello | memring call upper --wait --timeout 5";

/// Call a service with each line of standard input, and print the answers
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The service: a name in the default directory, or a path with '/'
    name: String,

    /// Give a call up this many seconds after it was sent (fractions are allowed). With --wait, give
    /// up waiting after the same time
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,

    /// Wait until the service exists and has a server
    #[arg(long)]
    wait: bool,

    /// Take answers of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    slot_size: Option<usize>,

    /// Print the answers as they are, without adding newlines
    #[arg(long)]
    raw: bool,
}

type ByteClient = Client<[u8], [u8]>;

/// What a line came to: a call, with the line's number, or an error.
type Submitted = Result<(u64, PendingCall<[u8]>)>;

/// There is no service, or no server, yet.
#[derive(Debug)]
struct NotThere(String);

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotThere {}

/// Run `memring call`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_input()?;
    standard::check_output()?;
    let retry = Retry::new(args.wait, args.timeout);
    let connect = || args.connect();
    let (client, limit) = retry.run(connect, |error: &Error| error.is::<NotThere>())?;
    let window = args.window();
    // One is in the hand of each of the two threads, so that none waits for a place in the
    // client's window.
    let (sender, calls) = sync_channel(window.saturating_sub(2));
    let client = Arc::new(Mutex::new(Some(client)));
    let caller = Caller {
        client: Arc::clone(&client),
        limit,
        timeout: args.timeout,
        calls: sender,
    };
    let worker = Worker::start("read lines", move || caller.run())?;
    let printed = args.print(&calls);
    // This process may end while the other thread reads. Without the client, nothing is left
    // in the directory. If it has the lock, it is in a call, and another client removes that.
    if let Ok(mut client) = client.try_lock() {
        drop(calls);
        client.take();
    }
    printed?;
    // All that it has called is printed: it ends, or has ended before its time.
    worker.finish()
}

impl Args {
    fn limit(&self) -> usize {
        self.slot_size.unwrap_or(LIMIT)
    }

    fn window(&self) -> usize {
        (ANSWERS / self.limit() / 2).clamp(2, WINDOW)
    }

    /// A client of the service, and the most bytes of a request.
    fn connect(&self) -> Result<(ByteClient, usize)> {
        let name = &self.name;
        let shown = printable(name);
        let not_there = |text: String| Error::new(NotThere(text));
        let has_server = |ring: &Inspection| match ring.stats.receivers.iter().any(|it| it.alive) {
            true => Ok(()),
            false => Err(not_there(format!(
                "service {shown} has no server: start one with memring serve, or wait for it \
                 with --wait"
            ))),
        };
        let ring = match what::look(name)? {
            Some(What::Service(ring, _)) => ring,
            Some(other) => return Err(what::is_other(name, "a service", &other)),
            None => {
                return Err(not_there(format!(
                    "no service {shown}: start it with memring serve, or wait for it with --wait"
                )));
            }
        };
        if ring.closed {
            return Err(not_there(format!(
                "service {shown} is closed: start it again with memring serve"
            )));
        }
        let builder = ByteService::builder().response_limit(self.limit());
        let service = builder.window(self.window()).open(name);
        let service = service.map_err(|error| not_opened(name, error))?;
        has_server(&ring)?;
        let client = service.client();
        let client = client.map_err(|error| not_opened(name, error))?;
        // Again, so that this client has seen the server, and will see that it has gone.
        let now = memring::inspect(service.path()).context("cannot look at the service")?;
        has_server(&now)?;
        Ok((client, service.request_limit()))
    }

    /// Prints the answers, in order, up to the first error.
    fn print(&self, calls: &Receiver<Submitted>) -> Result<()> {
        let mut output = standard::output()?;
        for submitted in calls {
            let (number, call) = submitted?;
            let mut answer = call.wait().map_err(|error| of_line(number, &error))?;
            if !self.raw && !answer.ends_with(b"\n") {
                answer.push(b'\n');
            }
            output
                .write_all(&answer)
                .context("cannot write standard output")?;
        }
        Ok(())
    }
}

/// The error of a call. What the server says is another's text.
fn of_line(number: u64, error: &CallError) -> Error {
    anyhow!("line {number}: {}", printable(&error.to_string()))
}

/// The thread that reads lines, and calls.
struct Caller {
    client: Arc<Mutex<Option<ByteClient>>>,
    limit: usize,
    timeout: Option<Duration>,
    calls: SyncSender<Submitted>,
}

impl Caller {
    fn run(self) {
        if let Err(error) = self.call_all() {
            // Nobody takes it any more, if it is not the first one.
            let _ = self.calls.send(Err(error));
        }
    }

    fn call_all(&self) -> Result<()> {
        const HOLDER: &str = "a request of this service";
        let limit = self.limit;
        let lines = Lines {
            input: lines::input()?,
            limit,
            holder: HOLDER,
        };
        lines.pieces(|text, mut number| {
            for line in split_lines(text) {
                number += 1;
                if line.len() > limit {
                    return Err(lines::too_long(number, line.len(), HOLDER, limit));
                }
                let call = self.submit(line).map_err(|error| of_line(number, &error))?;
                let taken = self.calls.send(Ok((number, call)));
                taken.map_err(|_| anyhow!("an earlier call has failed"))?;
            }
            Ok(())
        })
    }

    fn submit(&self, line: &[u8]) -> Result<PendingCall<[u8]>, CallError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.as_mut().ok_or(CallError::Closed)?;
        let until = self
            .timeout
            .and_then(|span| Instant::now().checked_add(span));
        match until {
            Some(until) => client.submit_deadline(line, until),
            None => client.submit(line),
        }
    }
}
