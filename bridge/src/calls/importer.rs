//! The importing end: beside the callers.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::GONE_AFTER;
use crate::packet::{CallOutcome, CallPart, Packet, RemoteAnswer, RemoteCall};
use places::{Exports, NoExport};

/// How long to wait for an answer before a request is sent again: at first, and at most.
const FIRST_RESEND: Duration = Duration::from_millis(200);
const LAST_RESEND: Duration = Duration::from_secs(1);
/// A moment that does not come.
const NEVER: Duration = Duration::MAX;

/// Why a call has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The exporting bridge says so; not [`CallOutcome::Working`] nor [`CallOutcome::Refused`].
    Answered(CallOutcome, Vec<u8>),
    /// Its bridge has gone, and it may have been carried out.
    Lost,
    /// No exporting bridge is there.
    NoExport,
    /// Its deadline has passed.
    Late,
    /// The request has more bytes than any exporting bridge takes, which is so many.
    TooLong(u64),
}

/// The end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// Of which, as [`Importer::begin`] named it.
    pub key: u64,
    /// Why.
    pub reason: EndReason,
}

/// Figures of an importing end.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportFigures {
    /// Calls that were taken from callers.
    pub begun: u64,
    /// Calls that an exporting bridge has answered.
    pub answered: u64,
    /// Calls that ended without that.
    pub unanswered: u64,
    /// Packets of calls sent again.
    pub resends: u64,
    /// Calls that went to another bridge after theirs had gone.
    pub repeated: u64,
    /// Packets that made no sense.
    pub invalid: u64,
    /// Calls under way.
    pub open: usize,
    /// Exporting bridges that are there.
    pub exports: usize,
}

/// A call under way.
#[derive(Debug)]
struct Outgoing {
    request: Vec<u8>,
    deadline: Duration,
    attempt: u8,
    /// To which bridge it is bound.
    bound: Option<u64>,
    /// Bridges that it was bound to: its number there, and which attempt that was.
    tries: BTreeMap<u64, (u64, u8)>,
    /// The bridge that it is bound to has said that it has it.
    is_held: bool,
    /// Since when it waits for a bridge.
    since: Duration,
    was_sent: bool,
    resend: Duration,
    due: Duration,
}

/// The importing end.
#[derive(Debug)]
pub struct Importer {
    import: u64,
    window: usize,
    exports: Exports,
    calls: BTreeMap<u64, Outgoing>,
    next: u64,
    due: BTreeSet<(Duration, u64)>,
    /// Calls that are bound to no bridge.
    unbound: BTreeSet<u64>,
    packets: Vec<(u64, Vec<u8>)>,
    ended: Vec<CallEnd>,
    figures: ImportFigures,
}

impl Importer {
    /// That of the run `import` of a bridge, with so many calls under way at most.
    pub fn new(import: u64, window: usize) -> Importer {
        Importer {
            import,
            window,
            exports: Exports::default(),
            calls: BTreeMap::new(),
            next: 0,
            due: BTreeSet::new(),
            unbound: BTreeSet::new(),
            packets: Vec::new(),
            ended: Vec::new(),
            figures: ImportFigures::default(),
        }
    }

    /// Whether it takes another call.
    pub fn has_room(&self) -> bool {
        self.calls.len() < self.window
    }

    /// Calls under way.
    pub fn open(&self) -> usize {
        self.calls.len()
    }

    /// Figures.
    pub fn figures(&self) -> ImportFigures {
        ImportFigures {
            open: self.calls.len(),
            exports: self.exports.there(),
            ..self.figures
        }
    }

    /// A packet that could not be read.
    pub fn count_invalid(&mut self) {
        self.figures.invalid += 1;
    }

    /// Takes a call, the `attempt`th at it on this host; its name here.
    pub fn begin(
        &mut self,
        now: Duration,
        request: Vec<u8>,
        deadline: Option<Duration>,
        attempt: u8,
    ) -> u64 {
        self.next += 1;
        let key = self.next;
        self.figures.begun += 1;
        let call = Outgoing {
            request,
            deadline: deadline.unwrap_or(NEVER),
            attempt: attempt.max(1),
            bound: None,
            tries: BTreeMap::new(),
            is_held: false,
            since: now,
            was_sent: false,
            resend: FIRST_RESEND,
            due: now,
        };
        self.due.insert((now, key));
        self.unbound.insert(key);
        self.calls.insert(key, call);
        key
    }

    /// The caller of a call has gone.
    pub fn abandon(&mut self, key: u64) {
        self.forget(key, None);
    }

    /// A packet has come.
    pub fn on_packet(&mut self, now: Duration, packet: &Packet<'_>) {
        match packet {
            Packet::Export(hello) => self.exports.on_hello(now, hello),
            Packet::Answer(answer) if answer.import == self.import => self.on_answer(now, answer),
            _ => self.figures.invalid += 1,
        }
    }

    /// A bridge has gone, as the engine says.
    pub fn on_gone(&mut self, now: Duration, export: u64) {
        self.lose(now, now, export);
    }

    /// A bridge has gone, and was not heard since.
    fn lose(&mut self, now: Duration, since: Duration, export: u64) {
        let Some(gone) = self.exports.lose(since, export) else {
            return;
        };
        for key in gone.bound {
            let Some(call) = self.calls.get_mut(&key) else {
                continue;
            };
            if call.bound != Some(export) {
                continue;
            }
            // It may come back, and knows the call by its number then.
            call.bound = None;
            call.since = call.since.max(since);
            call.attempt = call.attempt.saturating_add(1);
            let is_over = call.attempt > gone.max_attempts;
            self.unbound.insert(key);
            match is_over {
                true => self.end(key, EndReason::Lost),
                false => self.set_due(key, now),
            }
        }
        if self.exports.none_since().is_some() {
            // Those that waited for room wait for a bridge now, which has its own end.
            for key in self.unbound.clone() {
                self.set_due(key, now);
            }
        }
    }

    fn on_answer(&mut self, now: Duration, answer: &RemoteAnswer<'_>) {
        self.exports.heard(now, answer.export);
        let Some(key) = self.exports.call_of(answer.export, answer.number) else {
            return; // it has ended before
        };
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let is_bound = call.bound == Some(answer.export);
        match answer.outcome {
            CallOutcome::Working => {
                if is_bound {
                    call.is_held = true;
                    let due = call.deadline.min(now + LAST_RESEND);
                    self.set_due(key, due);
                }
            }
            CallOutcome::Refused => {
                // It is not begun there by this number, ever.
                call.tries.remove(&answer.export);
                if is_bound {
                    call.bound = None;
                    call.since = now;
                    self.unbound.insert(key);
                    self.set_due(key, now);
                }
                self.exports.refused(answer.export, answer.number);
            }
            outcome => {
                self.figures.answered += 1;
                let reason = EndReason::Answered(outcome, answer.body.to_vec());
                self.ended.push(CallEnd { key, reason });
                self.forget(key, Some(answer.export));
            }
        }
    }

    fn set_due(&mut self, key: u64, due: Duration) {
        if let Some(call) = self.calls.get_mut(&key) {
            self.due.remove(&(call.due, key));
            call.due = due;
            self.due.insert((due, key));
        }
    }

    fn end(&mut self, key: u64, reason: EndReason) {
        self.figures.unanswered += 1;
        self.ended.push(CallEnd { key, reason });
        self.forget(key, None);
    }

    /// Forgets a call; bridges that may have it are told, but not the one that answered it.
    fn forget(&mut self, key: u64, answered: Option<u64>) {
        let Some(call) = self.calls.remove(&key) else {
            return;
        };
        self.due.remove(&(call.due, key));
        self.unbound.remove(&key);
        for (name, (number, attempt)) in call.tries {
            let Some(export) = self.exports.close(name, number) else {
                continue;
            };
            if export.is_there && answered != Some(name) {
                let base = export.base().min(number);
                let packet = Packet::Call(RemoteCall {
                    import: self.import,
                    export: name,
                    number,
                    base,
                    attempt,
                    remaining: Some(Duration::ZERO),
                    part: CallPart::Cancel,
                });
                self.packets.push((name, packet.encode()));
            }
        }
    }

    /// Binds, sends, sends again and ends what is due, and returns the packets that are to be
    /// sent, and to which exporting bridges.
    pub fn transmit(&mut self, now: Duration) -> Vec<(u64, Vec<u8>)> {
        for export in self.exports.silent(now) {
            self.lose(now, now.saturating_sub(GONE_AFTER), export);
        }
        self.bind(now);
        while let Some((due, key)) = self.due.first().copied() {
            if due > now {
                break;
            }
            self.on_due(now, key);
        }
        std::mem::take(&mut self.packets)
    }

    /// Binds calls to bridges that take them.
    fn bind(&mut self, now: Duration) {
        let keys: Vec<u64> = self.unbound.iter().copied().collect();
        for key in keys {
            let Some(call) = self.calls.get_mut(&key) else {
                continue;
            };
            let length = call.request.len() as u64;
            match self.exports.choose(length, &call.tries) {
                Ok(name) => {
                    let number = match call.tries.get(&name) {
                        Some((number, _)) => Some(*number),
                        None => self.exports.number(name, key),
                    };
                    let Some(number) = number else {
                        continue;
                    };
                    call.tries.entry(name).or_insert((number, call.attempt));
                    call.bound = Some(name);
                    call.is_held = false;
                    call.resend = FIRST_RESEND;
                    self.figures.repeated += u64::from(call.was_sent);
                    call.was_sent = false;
                    self.unbound.remove(&key);
                    self.set_due(key, now);
                }
                Err(NoExport::TooLong(limit)) => self.end(key, EndReason::TooLong(limit)),
                Err(NoExport::Busy) => {}
                Err(NoExport::Gone) => break,
            }
        }
    }

    fn on_due(&mut self, now: Duration, key: u64) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.deadline <= now {
            self.end(key, EndReason::Late);
            return;
        }
        let remaining = (call.deadline != NEVER).then(|| call.deadline - now);
        let bound = call.bound.and_then(|name| {
            let (number, attempt) = *call.tries.get(&name)?;
            Some((name, number, attempt, self.exports.get(name)?))
        });
        let Some((name, number, attempt, export)) = bound else {
            // Waits for a bridge, or for room at one.
            let until = match self.exports.none_since() {
                Some(none_since) => call.since.max(none_since) + GONE_AFTER,
                None => NEVER,
            };
            if until <= now {
                let reason = match call.tries.is_empty() {
                    true => EndReason::NoExport,
                    false => EndReason::Lost,
                };
                self.end(key, reason);
                return;
            }
            let due = until.min(call.deadline).min(now + LAST_RESEND);
            self.set_due(key, due);
            return;
        };
        let part = match call.is_held {
            true => CallPart::Waits,
            false => CallPart::Request(&call.request),
        };
        let packet = Packet::Call(RemoteCall {
            import: self.import,
            export: name,
            number,
            base: export.base(),
            attempt,
            remaining,
            part,
        });
        self.packets.push((name, packet.encode()));
        self.figures.resends += u64::from(call.was_sent && !call.is_held);
        call.was_sent = true;
        let due = call.deadline.min(now + call.resend);
        call.resend = LAST_RESEND.min(2 * call.resend);
        self.set_due(key, due);
    }

    /// Calls that have ended.
    pub fn take_ended(&mut self) -> Vec<CallEnd> {
        std::mem::take(&mut self.ended)
    }

    /// How long nothing is due, if nothing comes.
    pub fn idle_for(&self, now: Duration) -> Duration {
        let due = self.due.first().map_or(NEVER, |(due, _)| *due);
        due.saturating_sub(now)
    }
}
