//! Packets of calls: who answers them, requests, answers.

use std::time::Duration;

use super::bytes::{Invalid, Reader, Writer};

/// An exporting bridge is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportHello {
    /// Names this run of its bridge. What it knows of calls ends with it.
    pub export: u64,
    /// The most bytes of a request.
    pub limit: u64,
    /// Calls that it would take now; 0 while it is busy or about to end.
    pub free: u32,
    /// How often its service carries a call out; 1: never again after a death.
    pub max_attempts: u8,
}

impl ExportHello {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.export);
        writer.u64(self.limit);
        writer.u32(self.free);
        writer.u8(self.max_attempts);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<ExportHello, Invalid> {
        Ok(ExportHello {
            export: reader.u64("export")?,
            limit: reader.u64("limit of requests")?,
            free: reader.u32("free places")?,
            max_attempts: reader.u8("attempts")?,
        })
    }
}

/// What an importing bridge says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPart<'a> {
    /// The request itself.
    Request(&'a [u8]),
    /// The caller still waits. The exporting bridge has the request.
    Waits,
    /// Nobody waits any more.
    Cancel,
}

/// A call, from an importing bridge to an exporting one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCall<'a> {
    /// The run of the importing bridge.
    pub import: u64,
    /// The run of the exporting bridge.
    pub export: u64,
    /// The call's number between the two: never used again.
    pub number: u64,
    /// All calls of lower numbers have ended: their answers can be forgotten.
    pub base: u64,
    /// Which attempt it is, over all hosts: more than 1 if it may have been carried out.
    pub attempt: u8,
    /// The caller waits so long yet; `None`: without end.
    pub remaining: Option<Duration>,
    /// What is said of it.
    pub part: CallPart<'a>,
}

/// No deadline.
const NEVER: u64 = u64::MAX;

impl<'a> RemoteCall<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.import);
        writer.u64(self.export);
        writer.u64(self.number);
        writer.u64(self.base);
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(NEVER);
        writer.u64(self.remaining.map_or(NEVER, nanos));
        writer.u8(self.attempt);
        let (sort, request) = match self.part {
            CallPart::Request(request) => (0, request),
            CallPart::Waits => (1, &[][..]),
            CallPart::Cancel => (2, &[][..]),
        };
        writer.u8(sort);
        writer.bytes(request);
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<RemoteCall<'a>, Invalid> {
        let (import, export) = (reader.u64("import")?, reader.u64("export")?);
        let (number, base) = (reader.u64("number")?, reader.u64("base")?);
        let remaining = reader.u64("remaining time")?;
        let attempt = reader.u8("attempt")?;
        let part = match reader.u8("part of a call")? {
            0 => CallPart::Request(reader.remainder()),
            1 => CallPart::Waits,
            2 => CallPart::Cancel,
            other => return Err(Invalid::new("part of a call", "0 to 2", other)),
        };
        if number == u64::MAX {
            return Err(Invalid::new("number", "one with a successor", number));
        }
        if base > number {
            return Err(Invalid::new("base", format!("up to {number}"), base));
        }
        if attempt == 0 {
            return Err(Invalid::new("attempt", "1 or more", attempt));
        }
        Ok(RemoteCall {
            import,
            export,
            number,
            base,
            attempt,
            remaining: (remaining != NEVER).then(|| Duration::from_nanos(remaining)),
            part,
        })
    }
}

/// How a call goes, or how it ended, at the exporting bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The bridge has the call, and no answer yet.
    Working,
    /// The body is the response.
    Done,
    /// The handler's error: the body is its text.
    Failed,
    /// The handler's panic: the body is its text.
    Panicked,
    /// Request or response are not what they should be: the body is a text.
    Invalid,
    /// Its deadline has passed.
    Expired,
    /// It may have been carried out, and there is no answer.
    ServerDied,
    /// The service has no servers, or is closed: the body is a text.
    NoServer,
    /// It was not begun, and never is in this run of the bridge.
    Refused,
}

const OUTCOMES: [CallOutcome; 9] = [
    CallOutcome::Working,
    CallOutcome::Done,
    CallOutcome::Failed,
    CallOutcome::Panicked,
    CallOutcome::Invalid,
    CallOutcome::Expired,
    CallOutcome::ServerDied,
    CallOutcome::NoServer,
    CallOutcome::Refused,
];

/// What an exporting bridge says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAnswer<'a> {
    /// The run of the importing bridge.
    pub import: u64,
    /// The run of the exporting bridge.
    pub export: u64,
    /// The number of the call.
    pub number: u64,
    /// How it goes.
    pub outcome: CallOutcome,
    /// Response, or text.
    pub body: &'a [u8],
}

impl<'a> RemoteAnswer<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.import);
        writer.u64(self.export);
        writer.u64(self.number);
        writer.u8(self.outcome as u8);
        writer.bytes(self.body);
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<RemoteAnswer<'a>, Invalid> {
        let (import, export) = (reader.u64("import")?, reader.u64("export")?);
        let number = reader.u64("number")?;
        let found = reader.u8("outcome")?;
        let outcome = OUTCOMES.get(usize::from(found)).copied();
        Ok(RemoteAnswer {
            import,
            export,
            number,
            outcome: outcome.ok_or_else(|| Invalid::new("outcome", "0 to 8", found))?,
            body: reader.remainder(),
        })
    }
}
