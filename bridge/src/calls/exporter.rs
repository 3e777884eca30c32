//! The exporting end: beside the servers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kept::{EndedCall, Imports, WorkingCall};
use super::{KEPT_FOR, ORPHANED_AFTER};
use crate::packet::{CallOutcome, CallPart, ExportHello, Packet, RemoteAnswer, RemoteCall};

/// What a kept answer takes beside its bytes, about.
const KEPT: usize = 128;

/// A call, between two bridges: the run of the importing one, and its number there.
pub type CallId = (u64, u64);

/// What an exporting end takes.
#[derive(Clone, Copy, Debug)]
pub struct ExportLimits {
    /// The most bytes of a request.
    pub request: usize,
    /// The most calls that the service has at a time.
    pub window: usize,
    /// The most bytes of answers that are kept.
    pub memory: usize,
    /// How often the service carries a call out.
    pub max_attempts: u8,
}

/// What is to be done with the service.
#[derive(Debug, PartialEq, Eq)]
pub enum ExportTask {
    /// Begin a call.
    Begin {
        /// Which.
        id: CallId,
        /// Its request.
        request: Vec<u8>,
        /// When it is too late.
        deadline: Option<Duration>,
    },
    /// Nobody waits for it any more.
    Cancel {
        /// For which.
        id: CallId,
    },
}

/// Figures of an exporting end.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportFigures {
    /// Calls that were begun.
    pub begun: u64,
    /// Calls that have ended, with a response or an error.
    pub ended: u64,
    /// Calls that were begun and may have been carried out before, at another bridge.
    pub repeated: u64,
    /// Calls that were not begun, as there were too many or the bridge was about to end.
    pub refused: u64,
    /// Calls that nobody waited for any more.
    pub cancelled: u64,
    /// Packets about calls whose answers were not kept.
    pub lost: u64,
    /// Packets that made no sense.
    pub invalid: u64,
    /// Calls that the service has.
    pub open: usize,
    /// Importing bridges that are known.
    pub imports: usize,
}

/// The exporting end.
#[derive(Debug)]
pub struct Exporter {
    export: u64,
    limits: ExportLimits,
    is_ending: bool,
    imports: Imports,
    /// Answers that are kept, oldest first.
    kept: BTreeMap<u64, (Duration, CallId)>,
    kept_bytes: usize,
    stamp: u64,
    tasks: Vec<ExportTask>,
    packets: Vec<(u64, Vec<u8>)>,
    figures: ExportFigures,
}

impl Exporter {
    /// That of the run `export` of a bridge.
    pub fn new(export: u64, limits: ExportLimits) -> Exporter {
        Exporter {
            export,
            limits,
            is_ending: false,
            imports: Imports::default(),
            kept: BTreeMap::new(),
            kept_bytes: 0,
            stamp: 0,
            tasks: Vec::new(),
            packets: Vec::new(),
            figures: ExportFigures::default(),
        }
    }

    /// That it is there.
    pub fn hello(&self) -> Packet<'static> {
        let free = match self.is_ending {
            true => 0,
            false => self.limits.window.saturating_sub(self.figures.open),
        };
        Packet::Export(ExportHello {
            export: self.export,
            limit: self.limits.request as u64,
            free: u32::try_from(free).unwrap_or(u32::MAX),
            max_attempts: self.limits.max_attempts,
        })
    }

    /// Begins no call any more.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Calls that the service has.
    pub fn open(&self) -> usize {
        self.figures.open
    }

    /// Figures.
    pub fn figures(&self) -> ExportFigures {
        ExportFigures {
            imports: self.imports.len(),
            ..self.figures
        }
    }

    /// A packet that could not be read.
    pub fn count_invalid(&mut self) {
        self.figures.invalid += 1;
    }

    /// A packet has come.
    pub fn on_packet(&mut self, now: Duration, packet: &Packet<'_>) {
        match packet {
            Packet::Call(call) if call.export == self.export => self.on_call(now, call),
            _ => self.figures.invalid += 1,
        }
    }

    fn on_call(&mut self, now: Duration, call: &RemoteCall<'_>) {
        let id = (call.import, call.number);
        let Some(import) = self.imports.meet(call.import) else {
            return; // it is sent again
        };
        import.heard = now;
        if call.base > import.base {
            self.forget_below(call.import, call.base);
        }
        let Some(import) = self.imports.get(call.import) else {
            return;
        };
        if call.number < import.base {
            return; // it is late: that call has ended
        }
        let number = call.number;
        let is_known = import.working.contains_key(&number) || import.ended.contains_key(&number);
        match call.part {
            CallPart::Cancel if is_known => self.forget(id),
            CallPart::Cancel => {
                // A request that comes later is not begun.
                import.take(number);
            }
            CallPart::Request(_) | CallPart::Waits if is_known => {
                if let Some(working) = import.working.get_mut(&number) {
                    working.heard = now;
                    self.say(id, CallOutcome::Working, &[]);
                } else if let Some(ended) = import.ended.get(&number) {
                    let (outcome, body) = (ended.outcome, ended.body.clone());
                    self.say(id, outcome, &body);
                }
            }
            _ if import.has_taken(number) => {
                self.figures.lost += 1;
                self.say(id, CallOutcome::ServerDied, &[]);
            }
            CallPart::Waits => {}
            CallPart::Request(request) => {
                if import.take(number) {
                    self.take(now, call, request);
                }
            }
        }
    }

    /// Begins a call that is new here, or says why not.
    fn take(&mut self, now: Duration, call: &RemoteCall<'_>, request: &[u8]) {
        let id = (call.import, call.number);
        if call.attempt > self.limits.max_attempts {
            self.keep(now, id, CallOutcome::ServerDied, Vec::new());
        } else if self.is_ending || self.figures.open >= self.limits.window {
            self.figures.refused += 1;
            self.keep(now, id, CallOutcome::Refused, Vec::new());
        } else if request.len() > self.limits.request {
            let text = format!(
                "the request has {} bytes, and the service takes {}",
                request.len(),
                self.limits.request
            );
            self.keep(now, id, CallOutcome::Invalid, text.into_bytes());
        } else if call.remaining == Some(Duration::ZERO) {
            self.keep(now, id, CallOutcome::Expired, Vec::new());
        } else if let Some(import) = self.imports.get(call.import) {
            let deadline = call.remaining.and_then(|left| now.checked_add(left));
            let heard = now;
            let working = WorkingCall { deadline, heard };
            import.working.insert(call.number, working);
            self.figures.open += 1;
            self.figures.begun += 1;
            self.figures.repeated += u64::from(call.attempt > 1);
            self.tasks.push(ExportTask::Begin {
                id,
                request: request.to_vec(),
                deadline,
            });
        }
    }

    /// The service has ended a call.
    pub fn on_end(&mut self, now: Duration, id: CallId, outcome: CallOutcome, body: Vec<u8>) {
        let import = self.imports.get(id.0);
        if import.is_some_and(|import| import.working.remove(&id.1).is_some()) {
            self.figures.open -= 1;
            self.figures.ended += 1;
            self.keep(now, id, outcome, body);
        }
    }

    /// Keeps an answer, and says it.
    fn keep(&mut self, now: Duration, id: CallId, outcome: CallOutcome, body: Vec<u8>) {
        self.say(id, outcome, &body);
        self.stamp += 1;
        let stamp = self.stamp;
        if let Some(import) = self.imports.get(id.0) {
            self.kept_bytes += body.len() + KEPT;
            self.kept.insert(stamp, (now, id));
            let ended = EndedCall {
                outcome,
                body,
                stamp,
            };
            import.ended.insert(id.1, ended);
        }
        // The last one stays in any case.
        while self.kept.len() > 1 && self.kept_bytes > self.limits.memory {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, (_, id))) = self.kept.pop_first() {
            self.forget(id);
        }
    }

    /// Forgets a call, but not that its number was taken. One that the service has is cancelled.
    fn forget(&mut self, id: CallId) {
        let Some(import) = self.imports.get(id.0) else {
            return;
        };
        if import.working.remove(&id.1).is_some() {
            self.figures.open -= 1;
            self.figures.cancelled += 1;
            self.tasks.push(ExportTask::Cancel { id });
        }
        if let Some(EndedCall { body, stamp, .. }) = import.ended.remove(&id.1) {
            self.kept.remove(&stamp);
            self.kept_bytes -= body.len() + KEPT;
        }
    }

    fn forget_below(&mut self, name: u64, base: u64) {
        let Some(import) = self.imports.get(name) else {
            return;
        };
        import.base = base;
        import.taken.remove(0, base);
        for number in import.held_below(base) {
            self.forget((name, number));
        }
    }

    fn say(&mut self, id: CallId, outcome: CallOutcome, body: &[u8]) {
        let answer = Packet::Answer(RemoteAnswer {
            import: id.0,
            export: self.export,
            number: id.1,
            outcome,
            body,
        });
        self.packets.push((id.0, answer.encode()));
    }

    /// Ends what is too late, cancels what nobody speaks of, forgets what is old.
    pub fn on_time(&mut self, now: Duration) {
        let (mut late, mut orphaned, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for (name, import) in self.imports.iter() {
            for (number, WorkingCall { deadline, heard }) in &import.working {
                if deadline.is_some_and(|deadline| deadline <= now) {
                    late.push((*name, *number));
                } else if *heard + ORPHANED_AFTER <= now {
                    orphaned.push((*name, *number));
                }
            }
            if import.heard + KEPT_FOR <= now && import.working.is_empty() {
                silent.push(*name);
            }
        }
        for id in late {
            self.tasks.push(ExportTask::Cancel { id });
            self.on_end(now, id, CallOutcome::Expired, Vec::new());
        }
        for id in orphaned {
            self.forget(id);
        }
        while self
            .kept
            .first_key_value()
            .is_some_and(|(_, (since, _))| *since + KEPT_FOR <= now)
        {
            self.forget_oldest();
        }
        for name in silent {
            let held = self
                .imports
                .get(name)
                .map(|import| import.held_below(u64::MAX));
            for number in held.into_iter().flatten() {
                self.forget((name, number));
            }
            self.imports.retire(name);
        }
    }

    /// What is to be done with the service.
    pub fn take_tasks(&mut self) -> Vec<ExportTask> {
        std::mem::take(&mut self.tasks)
    }

    /// Packets to be sent, and to which importing bridges.
    pub fn take_packets(&mut self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut self.packets)
    }
}
