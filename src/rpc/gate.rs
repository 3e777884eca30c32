//! What stands between a server's ring and its handlers.

use std::any::Any;
use std::fmt::Display;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::Body;
use super::put_off::PutOff;
use super::replies::{NoLink, Replies};
use super::responder::{Request, Responder};
use super::wire::{Head, REPLY_HEADER, Status};
use crate::channel::Lease;
use crate::ring::kind::Mpmc;
use crate::sys::clock::MonotonicTime;

/// An idle server looks after what dead clients left when it has waited for so long, and then
/// after twice that, and so on.
const FIRST_CLEANING: Duration = Duration::from_millis(250);
const LAST_CLEANING: Duration = Duration::from_secs(8);
/// What a server has done since it attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests that were handed out.
    pub handed_out: u64,
    /// Requests whose deadline had passed before.
    pub expired: u64,
    /// Requests that had been handed out as often as the policy allows.
    pub given_up: u64,
    /// Requests whose client had gone.
    pub orphaned: u64,
    /// Requests that were invalid.
    pub invalid: u64,
    /// Replies that could not be delivered to their caller.
    pub unsent: u64,
}

/// What stands between the ring and the handlers: only what can be answered, and should be,
/// comes through.
pub(super) struct Gate {
    pub(super) replies: Arc<Replies>,
    max_attempts: u8,
    /// Of a request, and of a reply: used again.
    request: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) cleaning: Duration,
    /// Since when there was no request, or since the last cleaning.
    idle_since: Option<Instant>,
    pub(super) stats: ServerStats,
}

/// A request, and the duty to answer it.
pub(super) type Taken<Q, R> = (Request<Q>, Responder<R>);

/// What is to be done with a request.
pub(super) enum Admission<Q: Body + ?Sized> {
    HandOut(Admitted<Q>),
    /// It is done with.
    Over,
    /// Not now. Whether another server may have it.
    NotNow {
        may_go: bool,
    },
}

/// A request that came through.
pub(super) struct Admitted<Q: Body + ?Sized> {
    pub(super) request: Request<Q>,
    pub(super) client: u128,
    pub(super) call: u64,
}

impl Gate {
    pub(super) fn new(replies: Replies, max_attempts: u8) -> Gate {
        Gate {
            replies: Arc::new(replies),
            max_attempts,
            request: Vec::new(),
            reply: Vec::new(),
            cleaning: FIRST_CLEANING,
            idle_since: None,
            stats: ServerStats::default(),
        }
    }

    /// No request came for `slice`. Many short waits are a long one.
    pub(super) fn is_idle(&mut self, slice: Duration) {
        let now = Instant::now();
        let since = *self
            .idle_since
            .get_or_insert_with(|| now.checked_sub(slice).unwrap_or(now));
        if now.duration_since(since) >= self.cleaning {
            self.replies.clean_up();
            self.cleaning = LAST_CLEANING.min(2 * self.cleaning);
            self.idle_since = Some(now);
        }
    }

    /// What is to be done with the request that was leased.
    pub(super) fn admit<Q: Body + ?Sized>(
        &mut self,
        lease: &Lease<'_, [u8], Mpmc>,
    ) -> Admission<Q> {
        self.cleaning = FIRST_CLEANING;
        self.idle_since = None;
        // A copy, once: the client may be hostile.
        lease.read_into(&mut self.request);
        let Some((head, body)) = Head::read(&self.request) else {
            self.stats.invalid += 1;
            return Admission::Over;
        };
        let attempt = lease.redeliveries().saturating_add(1);
        let now = || MonotonicTime::now().as_nanos();
        let refusal = if head.deadline.is_some_and(|deadline| deadline <= now()) {
            self.stats.expired += 1;
            (Status::Expired, String::new())
        } else if let Err(no_link) = self.replies.reach(head.client) {
            if no_link != NoLink::Gone {
                let may_go = attempt < self.max_attempts;
                return Admission::NotNow { may_go };
            }
            self.stats.orphaned += 1;
            return Admission::Over;
        } else if attempt > self.max_attempts {
            self.stats.given_up += 1;
            (Status::ServerDied, String::new())
        } else {
            // Code of the user's: `Deserialize`. It gets the bytes, and nothing to leave halfway.
            match catch_unwind(AssertUnwindSafe(|| Q::take(body))).unwrap_or_else(panicked) {
                Ok(body) => {
                    self.stats.handed_out += 1;
                    let Head {
                        client,
                        call,
                        deadline,
                    } = head;
                    let request = Request {
                        body,
                        attempt,
                        deadline,
                    };
                    return Admission::HandOut(Admitted {
                        request,
                        client,
                        call,
                    });
                }
                Err(text) => {
                    self.stats.invalid += 1;
                    let text = format!("the server cannot decode the request: {text}");
                    (Status::Invalid, text)
                }
            }
        };
        let (status, text) = refusal;
        self.write_text(&text);
        let _ = self
            .replies
            .send(head.client, head.call, status, &mut self.reply);
        Admission::Over
    }

    /// As [`Gate::admit`], for an answer later. `None`: the request is done with. The error is
    /// what is put off.
    pub(super) fn take<Q: Body + ?Sized, R: Body + ?Sized>(
        &mut self,
        lease: Lease<'_, [u8], Mpmc>,
        since: Option<Instant>,
    ) -> Result<Option<Taken<Q, R>>, Option<Box<PutOff>>> {
        let admitted = match self.admit::<Q>(&lease) {
            Admission::HandOut(admitted) => admitted,
            Admission::Over => {
                lease.release();
                return Ok(None);
            }
            Admission::NotNow { may_go } => return Err(PutOff::of(lease, since, may_go)),
        };
        let responder = Responder {
            lease: lease.into_owned(),
            replies: Arc::clone(&self.replies),
            client: admitted.client,
            call: admitted.call,
            attempt: admitted.request.attempt,
            marker: PhantomData,
        };
        Ok(Some((admitted.request, responder)))
    }

    /// Has the handler answer, and makes the reply of that.
    pub(super) fn answer<Q: Body + ?Sized, R: Body + ?Sized, E: Display>(
        &mut self,
        handler: &mut impl FnMut(Request<Q>) -> Result<R::Taken, E>,
        request: Request<Q>,
    ) -> Status {
        self.write_text("");
        let reply = &mut self.reply;
        // What the closure changes is the reply, which is written again below, and what the
        // handler has, as `serve` says.
        let answered = catch_unwind(AssertUnwindSafe(|| match handler(request) {
            Ok(response) => R::put_taken(&response, reply).map_err(|text| {
                (
                    Status::Invalid,
                    format!("the response cannot be encoded: {text}"),
                )
            }),
            Err(error) => Err((Status::Failed, error.to_string())),
        }));
        let (status, text) = match answered {
            Ok(Ok(())) => return Status::Done,
            Ok(Err(failed)) => failed,
            Err(panic) => (Status::Panicked, message_of(panic)),
        };
        self.write_text(&text);
        status
    }

    fn write_text(&mut self, text: &str) {
        self.reply.clear();
        self.reply.resize(REPLY_HEADER, 0);
        self.reply.extend_from_slice(text.as_bytes());
    }
}

fn panicked<T>(panic: Box<dyn Any + Send>) -> Result<T, String> {
    Err(format!("a panic: {}", message_of(panic)))
}

/// The message of a panic, which may be anything. To drop it may panic: it is leaked then.
fn message_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => text,
        None => {
            std::mem::forget(panic);
            "a panic without a message".into()
        }
    }
}
