//! Arbitrary bytes as requests and replies: a server and a client go on, whatever they find in
//! their rings.

use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use memring::rpc::{Body, Client, PendingCall, Request, Responder, Server, Service};
use memring::{Mpmc, Mpsc, Ring, Sender, inspect};

/// A service, and what becomes of it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    typed: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// Bytes for the server.
    Request(Vec<u8>),
    /// A request as the format has it, perhaps in the name of the client.
    Nearly {
        client: Option<u64>,
        call: u8,
        round: u8,
        deadline: Option<u64>,
        format: Option<u32>,
        body: Vec<u8>,
    },
    /// Bytes for the client.
    Reply(Vec<u8>),
    /// A reply as the format has it, perhaps to a call that is under way.
    NearlyReply {
        call: u8,
        round: u8,
        status: u8,
        reserved: bool,
        body: Vec<u8>,
    },
    Serve {
        answers: u8,
    },
    Answer {
        which: u8,
    },
    Submit {
        expired: bool,
    },
    Take {
        which: u8,
    },
    Forget {
        which: u8,
    },
}

/// What both sides of a call are.
trait Sample: Body {
    fn given<R>(act: impl FnOnce(Self::Given<'_>) -> R) -> R;
    fn check(taken: Self::Taken);
}

impl Sample for u64 {
    fn given<R>(act: impl FnOnce(u64) -> R) -> R {
        act(7)
    }
    fn check(_any: u64) {}
}

impl Sample for [u8] {
    fn given<R>(act: impl FnOnce(&[u8]) -> R) -> R {
        act(b"seven")
    }
    fn check(taken: Vec<u8>) {
        assert!(taken.len() <= 1024);
    }
}

/// Carries the steps out.
///
/// # Panics
/// If a call does something that it must not do.
pub fn run(input: Input) {
    match input.typed {
        true => run_one::<u64>(&input.steps),
        false => run_one::<[u8]>(&input.steps),
    }
}

struct Machine<B: Sample + ?Sized> {
    server: Server<B, B>,
    client: Client<B, B>,
    /// Of the one client.
    id: u128,
    requests: Sender<[u8], Mpmc>,
    replies: Sender<[u8], Mpsc>,
    held: Vec<(Request<B>, Responder<B>)>,
    pending: Vec<PendingCall<B>>,
}

fn run_one<B: Sample + ?Sized>(steps: &[Step]) {
    let place = tempfile::tempdir_in("/dev/shm").expect("temporary directory");
    let path = place.path().join("service");
    let builder = Service::<B, B>::builder().queue(8).window(4);
    let service = builder.create(&path).expect("a new service");
    let server = service.server().expect("a server");
    let client = service.client().expect("a client");
    let names = std::fs::read_dir(place.path()).expect("the directory");
    let mut names = names.flatten().map(|entry| entry.file_name());
    let reply = names
        .find(|name| name != "service")
        .expect("a ring of replies");
    let reply = reply.into_string().expect("a name of ASCII");
    let (_, digits) = reply.split_once(".reply-").expect("a ring of replies");
    let tag = |path: &std::path::Path| inspect(path).expect("a ring").schema;
    let requests = Ring::builder().schema(tag(&path)).open(&path);
    let path = place.path().join(&reply);
    let replies = Ring::builder().schema(tag(&path)).open(&path);
    let mut machine = Machine {
        server,
        client,
        id: u128::from_str_radix(digits, 16).expect("a number"),
        requests: requests
            .and_then(|ring| ring.sender().map_err(unexpected))
            .expect("requests"),
        replies: replies
            .and_then(|ring| ring.sender().map_err(unexpected))
            .expect("replies"),
        held: Vec::new(),
        pending: Vec::new(),
    };
    for step in steps {
        machine.act(step);
    }
    // An honest one is answered all the same, when there is room.
    machine.held.clear();
    machine.pending.clear();
    for _ in 0..64 {
        machine.serve(0);
    }
    let _ = machine.server.stats();
}

fn unexpected(error: memring::AttachError) -> memring::RingError {
    panic!("cannot attach: {error}")
}

impl<B: Sample + ?Sized> Machine<B> {
    fn act(&mut self, step: &Step) {
        match step {
            Step::Request(bytes) => {
                let _ = self.requests.try_send(bytes);
            }
            Step::Nearly {
                client,
                call,
                round,
                deadline,
                format,
                body,
            } => {
                let client = client.map_or(self.id, u128::from);
                let mut bytes = client.to_le_bytes().to_vec();
                bytes.extend(number(*call, *round).to_le_bytes());
                bytes.extend(deadline.unwrap_or(u64::MAX).to_le_bytes());
                bytes.extend(format.unwrap_or(1).to_le_bytes());
                bytes.extend([0; 4]);
                bytes.extend(body);
                let _ = self.requests.try_send(&bytes);
            }
            Step::Reply(bytes) => {
                let _ = self.replies.try_send(bytes);
            }
            Step::NearlyReply {
                call,
                round,
                status,
                reserved,
                body,
            } => {
                let mut bytes = number(*call, *round).to_le_bytes().to_vec();
                bytes.extend(u32::from(*status % 8).to_le_bytes());
                bytes.extend(u32::from(*reserved).to_le_bytes());
                bytes.extend(body);
                let _ = self.replies.try_send(&bytes);
            }
            Step::Serve { answers } => self.serve(*answers),
            Step::Answer { which } => {
                if !self.held.is_empty() {
                    let at = usize::from(*which) % self.held.len();
                    let (_, responder) = self.held.swap_remove(at);
                    let _ = B::given(|given| responder.reply(given));
                }
            }
            Step::Submit { expired } => {
                let client = &mut self.client;
                let call = B::given(|given| match expired {
                    true => client.submit_deadline(given, Instant::now()),
                    false => client.submit_deadline(given, Instant::now() + Duration::from_secs(9)),
                });
                self.pending.extend(call.ok());
            }
            Step::Take { which } => {
                if !self.pending.is_empty() {
                    let at = usize::from(*which) % self.pending.len();
                    if let Some(answer) = self.pending[at].try_wait() {
                        let _ = answer.map(B::check);
                        drop(self.pending.swap_remove(at));
                    }
                }
            }
            Step::Forget { which } => {
                if !self.pending.is_empty() {
                    let at = usize::from(*which) % self.pending.len();
                    drop(self.pending.swap_remove(at));
                }
            }
        }
    }

    fn serve(&mut self, answers: u8) {
        let Ok((request, responder)) = self.server.try_recv() else {
            return;
        };
        match answers % 4 {
            0 => drop(B::given(|given| responder.reply(given))),
            1 => drop(responder.fail("it cannot be done")),
            2 => drop(responder),
            _ => {
                self.held.push((request, responder));
                return;
            }
        }
        B::check(request.into_inner());
    }
}

/// A call of a client, or nearly.
fn number(call: u8, round: u8) -> u64 {
    u64::from(round % 8) << 32 | u64::from(call % 6)
}
